"""Assets partitioned by player: models and calibrators."""

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from statmuse_pipeline.defs.ingest import OWNERS
from statmuse_pipeline.defs.partitions import ONE_RUN, PLAYERS
from statmuse_pipeline.defs.pooled import (
    KNOWN_BEFORE_TEST,
    Pooled,
    pooled_models,
    read_history,
)
from statmuse_pipeline.defs.resources import Workspace
from statmuse_pipeline.defs.training import dataset_facts
from statmuse_pipeline.domain import Stat, player_id_of
from statmuse_pipeline.settings import Settings
from statmuse_pipeline.versions import code_version, fingerprint, library_versions

if TYPE_CHECKING:
    import pandas as pd

    from statmuse_pipeline.calibration.isotonic import IsotonicCalibrator
    from statmuse_pipeline.modeling.player_model import PlayerModel
    from statmuse_pipeline.modeling.train import TrainConfig
    from statmuse_pipeline.player_calibration import PlayerCalibration

CALIBRATORS = "calibrators.json"

SERVED = "served"
"""What is served of a player, by members that learned from train: it forecasts validation."""

REFITTED = "refitted"
"""The same choices with members that learned from validation too: what forecasts the games after it."""

_JUDGED = (SERVED, REFITTED, "calibrator")


@dg.asset(deps=[pooled_models], group_name="training", kinds={"optuna"}, owners=OWNERS)
def tuned_parameters(workspace: dg.ResourceParam[Workspace]) -> dg.MaterializeResult:
    """Hyperparameters of each model family from pooled, pruned, resumable Optuna studies."""
    from statmuse_pipeline.modeling.members import FAMILIES
    from statmuse_pipeline.modeling.train import TrainConfig
    from statmuse_pipeline.modeling.tuning import tune_family

    settings = workspace.settings
    wanted = _tuning_version(workspace)
    receipt = workspace.shelf.receipt("tuning")
    if receipt is None or receipt.inputs != wanted:
        config = TrainConfig(seed=settings.seed)
        rows = read_history(workspace, KNOWN_BEFORE_TEST)
        facts: dict[str, Any] = {}
        for family in workspace.progress(FAMILIES if settings.tuning_trials else (), len(FAMILIES), "Tuning families"):
            tuned = tune_family(
                family, rows, config, settings.tuning_trials, settings.tuning_seconds, studies(settings)
            )
            facts[family] = {"params": dict(tuned.params), "value": tuned.value, "trials": tuned.trials}
        receipt = workspace.shelf.put("tuning", wanted, lambda folder: facts)
    table = "\n".join(
        f"| {family} | {told['value']:.5f} | {told['trials']} | {json.dumps(told['params'])} |"
        for family, told in receipt.facts.items()
    )
    return dg.MaterializeResult(
        metadata={
            "studies": dg.MetadataValue.md(f"| family | loss | trials | parameters |\n|---|---|---|---|\n{table}")
        }
    )


@dg.asset(
    deps=[pooled_models, tuned_parameters],
    partitions_def=PLAYERS,
    backfill_policy=ONE_RUN,
    group_name="training",
    kinds={"scikitlearn", "xgboost", "onnx"},
    owners=OWNERS,
    pool="model_writer",
)
def player_models(context: dg.AssetExecutionContext, workspace: dg.ResourceParam[Workspace]) -> dg.MaterializeResult:
    """Every stat's members and ensembles of one player in `models_store/`, described in `model_metadata`.

    A player whose fit fails is recorded with the reason and served by the prior; the others go on.
    """
    import pandas as pd

    from statmuse_pipeline.modeling.train import train_players
    from statmuse_pipeline.registry.metadata import record_models

    keys = {player_id_of(key): key for key in sorted(context.partition_keys)}
    rows = read_history(workspace, KNOWN_BEFORE_TEST)
    groups = [(player, part) for player, part in by_player(rows).items() if player in keys]
    common = _common_record(workspace)
    config = train_config(workspace)
    trained: Iterator[tuple[int, Any]]
    if workspace.tune_players:
        trained = (
            result
            for player, part in groups
            for result in train_players([(player, part)], _tuned(workspace, part, config), workers=1)
        )
    else:
        trained = train_players(groups, config, workers=workspace.settings.workers)
    records: list[dict[str, Any]] = []
    fitted = 0
    for player, made in workspace.progress(trained, len(groups), "Training players"):
        key = keys[player]
        own = {**common, "player_key": key, "player_id": player}
        if isinstance(made, str):
            failed = {**own, "stat": "all", "metrics": {}, "features": [], "failure": made}
            records += [{**failed, "kind": kind} for kind in (SERVED, REFITTED)]
            context.add_asset_metadata({"failure": made}, partition_key=key)
            continue
        artefact = workspace.artefacts.put(key, made.chosen.to_files())
        place = {"artefact": artefact.path, "sha256": artefact.sha256}
        records += [{**own, **place, **record} for record in made.chosen.records()]
        model = made.refitted
        artefact = workspace.artefacts.put(f"{key}-{REFITTED}", model.to_files())
        place = {"artefact": artefact.path, "sha256": artefact.sha256, "kind": REFITTED}
        records += [{**own, **record, **place} for record in model.records() if record["kind"] == SERVED]
        fitted += bool(model.stats)
        context.add_asset_metadata(
            {"stats fitted": len(model.stats), "failures": len(model.failures), "bytes": artefact.bytes},
            partition_key=key,
        )
    record_models(workspace.engine, pd.DataFrame(records))
    return dg.MaterializeResult(metadata={"players": len(groups), "players with own models": fitted})


@dg.asset(
    deps=[player_models],
    partitions_def=PLAYERS,
    backfill_policy=ONE_RUN,
    group_name="training",
    kinds={"scikitlearn"},
    owners=OWNERS,
    pool="model_writer",
)
def player_calibrators(
    context: dg.AssetExecutionContext, workspace: dg.ResourceParam[Workspace]
) -> dg.MaterializeResult:
    """Isotonic calibrators of one player, fitted on validation and kept only where they help out of sample."""
    import pandas as pd

    from statmuse_pipeline.registry.metadata import record_models

    keys = sorted(context.partition_keys)
    rows = read_history(workspace, KNOWN_BEFORE_TEST)
    validation = rows[(rows["split"] == "validation") & (rows["min"] > 0)]
    validation_of = by_player(validation)
    calibration = player_calibration(workspace)
    models = load_models(workspace, [player_id_of(key) for key in keys], kind=SERVED)
    common = _common_record(workspace)
    records: list[dict[str, Any]] = []
    kept = 0
    for key in workspace.progress(keys, len(keys), "Calibrating players"):
        player = player_id_of(key)
        known = validation_of.get(player)
        decisions = {} if known is None else calibration.decide(known, models.get(player))
        chosen = {stat: told.calibrator.to_dict() for stat, told in decisions.items() if told.calibrator}
        kept += len(chosen)
        content = json.dumps(chosen, sort_keys=True).encode()
        artefact = workspace.artefacts.put(f"{key}-calibrators", {CALIBRATORS: content})
        own = {
            **common, "player_key": key, "player_id": player, "kind": "calibrator", "features": [],
            "artefact": artefact.path, "sha256": artefact.sha256,
        }  # fmt: skip
        if not decisions:
            records.append({**own, "stat": "all", "metrics": {}, "failure": "no game in validation"})
        for stat, told in decisions.items():
            metrics = {"brier_before": told.brier_before, "brier_after": told.brier_after}
            measured = {name: value for name, value in metrics.items() if value == value}
            records.append({**own, "stat": stat, "metrics": measured, "failure": None if told.kept else told.reason})
        context.add_asset_metadata({"kept": len(chosen)}, partition_key=key)
    record_models(workspace.engine, pd.DataFrame(records))
    return dg.MaterializeResult(metadata={"players": len(keys), "calibrators kept": kept})


def player_calibration(workspace: Workspace) -> "PlayerCalibration":
    """Chooses calibrators, given the shapes of all players."""
    from statmuse_pipeline.player_calibration import LEVEL, PlayerCalibration

    pooled = Pooled.read(workspace)
    return PlayerCalibration(workspace.stats, pooled.dispersions[LEVEL], pooled.calibrators[LEVEL])


def by_player(rows: "pd.DataFrame") -> "dict[int, pd.DataFrame]":
    """The rows of each player, by id."""
    return {int(str(player)): part for player, part in rows.groupby("player_id")}


def train_config(workspace: Workspace) -> "TrainConfig":
    """How players are trained: the defaults with the tuned parameters."""
    from statmuse_pipeline.modeling.train import TrainConfig

    config = TrainConfig(seed=workspace.settings.seed, stats=workspace.stats)
    for family, tuned in workspace.shelf.require("tuning", made_by="statmuse train").facts.items():
        config = config.with_params(family, tuned["params"])
    return config


def _tuned(workspace: Workspace, rows: "pd.DataFrame", config: "TrainConfig") -> "TrainConfig":
    """The configuration with parameters tuned on one player's rows; the pooled ones where he has too few."""
    from statmuse_pipeline.modeling.members import FAMILIES
    from statmuse_pipeline.modeling.tuning import tune_family

    settings = workspace.settings
    if (rows["split"] == "train").sum() < config.minimum_train_games:
        return config
    for family in FAMILIES:
        tuned = tune_family(family, rows, config, settings.tuning_trials, settings.tuning_seconds, studies(settings))
        config = config.with_params(family, tuned.params)
    return config


def studies(settings: Settings) -> str:
    """Where Optuna keeps its studies."""
    return f"sqlite:///{settings.data.absolute() / 'studies.db'}"


def _tuning_version(workspace: Workspace) -> str:
    settings = workspace.settings
    pooled = workspace.shelf.require("pooled", made_by="statmuse train")
    return fingerprint(
        {
            "pooled": pooled.outputs["priors.parquet"],
            "trials": settings.tuning_trials,
            "code": code_version("modeling"),
            "seed": settings.seed,
        }
    )


def training_version(workspace: Workspace) -> str:
    """Fingerprint of everything a player's models rest on."""
    pooled = workspace.shelf.require("pooled", made_by="statmuse train")
    tuning = workspace.shelf.require("tuning", made_by="statmuse train")
    return fingerprint(
        {
            "dataset": dataset_facts(workspace)["version"],
            "pooled": pooled.outputs,
            "tuning": tuning.facts,
            "stats": list(workspace.stats),
            "code": code_version("modeling", "calibration", "player_calibration.py", "defs/players.py"),
        }
    )


def stale_players(workspace: Workspace, keys: Sequence[str]) -> list[str]:
    """The players whose recorded models were made from something else than what is there now."""
    from statmuse_pipeline.registry.metadata import read_models

    recorded = read_models(workspace.engine, with_json=False)
    current = recorded[recorded["fingerprint"] == training_version(workspace)]
    fresh = {key for key, group in current.groupby("player_key") if set(_JUDGED) <= set(group["kind"])}
    return [key for key in keys if key not in fresh]


def registry_version(workspace: Workspace, kinds: Sequence[str] = _JUDGED) -> str:
    """Fingerprint of all artefacts of those kinds of models; by default of those that are judged."""
    from statmuse_pipeline.registry.metadata import read_models

    recorded = read_models(workspace.engine, with_json=False)
    return fingerprint({"artefacts": sorted(set(recorded.loc[recorded["kind"].isin(kinds), "sha256"].dropna()))})


def load_models(
    workspace: Workspace, players: Sequence[int] | None = None, *, kind: str = REFITTED
) -> "dict[int, PlayerModel]":
    """The recorded models of that kind (SERVED or REFITTED) by player id; an artefact whose hash differs is refused."""
    from statmuse_pipeline.modeling.player_model import PlayerModel
    from statmuse_pipeline.registry.metadata import read_models

    recorded = read_models(workspace.engine, players, with_json=False)
    found = recorded[(recorded["kind"] == kind) & recorded["artefact"].notna()]
    one = found.drop_duplicates("player_id").sort_values("player_id")
    return {
        int(player): PlayerModel.from_files(workspace.artefacts.get(path, sha256))
        for player, path, sha256 in zip(one["player_id"], one["artefact"], one["sha256"], strict=True)
    }


def read_calibrators(
    workspace: Workspace, players: Sequence[int] | None = None
) -> "dict[tuple[int, Stat], IsotonicCalibrator]":
    """The calibrators that are kept, by player id and stat; of all players unless some are named."""
    from statmuse_pipeline.calibration.isotonic import IsotonicCalibrator
    from statmuse_pipeline.registry.metadata import read_models

    recorded = read_models(workspace.engine, players, with_json=False)
    kept = recorded[(recorded["kind"] == "calibrator") & recorded["failure"].isna()]
    found: dict[tuple[int, Stat], IsotonicCalibrator] = {}
    for (path, sha256), rows in kept.groupby(["artefact", "sha256"]):
        told = json.loads(workspace.artefacts.get(str(path), str(sha256))[CALIBRATORS])
        for player, stat in zip(rows["player_id"], rows["stat"], strict=True):
            found[int(player), Stat(stat)] = IsotonicCalibrator.from_dict(told[stat])
    return found


def _common_record(workspace: Workspace) -> dict[str, Any]:
    return {
        "artefact": None,
        "sha256": None,
        "dataset_version": dataset_facts(workspace)["version"],
        "fingerprint": training_version(workspace),
        "libraries": library_versions(),
    }
