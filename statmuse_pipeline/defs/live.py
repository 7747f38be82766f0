"""Models that learn every night, beside those that are judged.

A player has *evaluated* models and a *live* one. The evaluated ones (`player_models`) learn from train and validation
alone and never saw the test split: every published metric is about them. The live one (`live_models`) is the same
recipe on everything known this morning, and forecasts tonight. So a night never touches what is judged, and what is
judged never saw a test game.

What goes stale when:

| | renewed | made from |
|---|---|---|
| cut dates, pooled models, tuning, evaluated models | weekly | the dataset, whose version every new game changes |
| features of the running season, `live_history` | nightly | the warehouse |
| a player's live model and calibrators | when his own games changed, or the pooled models | his rows up to now |
| widths, pooled calibrators | weekly | train and validation |

Rows since the last weekly renewal get the prior of the pooled models that were fitted then. Those had not seen them,
and the walk-forward priors before them are refitted once a week too: the series goes on as it was. A corrected box
score retrains those whose own line it corrected; what it changes in the features of others waits for the weekly
renewal.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from statmuse_pipeline.defs.freshness import RENEWED_NIGHTLY
from statmuse_pipeline.defs.ingest import OWNERS
from statmuse_pipeline.defs.partitions import ONE_RUN, PLAYERS
from statmuse_pipeline.defs.players import (
    CALIBRATORS,
    by_player,
    player_calibration,
    train_config,
    tuned_parameters,
)
from statmuse_pipeline.defs.pooled import KEYS, pooled_models, prior_column
from statmuse_pipeline.defs.resources import Workspace
from statmuse_pipeline.domain import ELIGIBLE_GAMES, InformationLevel, Stat, player_id_of, player_key
from statmuse_pipeline.versions import code_version, fingerprint, library_versions

if TYPE_CHECKING:
    import pandas as pd

    from statmuse_pipeline.calibration.isotonic import Decision, IsotonicCalibrator
    from statmuse_pipeline.modeling.player_model import PlayerModel

LIVE = "live"
"""Their kind in `model_metadata`: one row a stat; all of a player's name one artefact, which holds calibrators too."""

HISTORY = "live_history"
Told = Callable[[str, Mapping[str, Any]], None]


@dg.asset(
    deps=["player_features", pooled_models],
    group_name="live",
    kinds={"parquet"},
    owners=OWNERS,
    freshness_policy=RENEWED_NIGHTLY,
)
def live_history(context: dg.AssetExecutionContext, workspace: dg.ResourceParam[Workspace]) -> dg.MaterializeResult:
    """Every player-game up to now with its prior and residual history; registers newly eligible players.

    Made again every night, with or without games: a night that silently died is seen the next day.
    """
    from statmuse_pipeline.warehouse.read import games

    features = {
        season: workspace.shelf.require(f"features/{season}", made_by="statmuse train").outputs
        for season in workspace.settings.seasons
    }
    pooled = workspace.shelf.require("pooled", made_by="statmuse train")
    code = code_version("modeling/residuals.py", "modeling/prior.py", "defs/live.py")
    wanted = fingerprint({"features": features, "pooled": pooled.outputs, "code": code})
    receipt = workspace.shelf.receipt(HISTORY)
    if receipt is None or receipt.inputs != wanted:

        def write(folder: Path) -> dict[str, Any]:
            rows, carried_on = _history(workspace)
            rows.to_parquet(folder / "rows.parquet", index=False)
            return {"rows": len(rows), "carried on": carried_on, "last day": str(rows["game_date"].max().date())}

        receipt = workspace.shelf.put(HISTORY, wanted, write)
    context.instance.add_dynamic_partitions(str(PLAYERS.name), sorted(live_versions(workspace)))
    return dg.MaterializeResult(metadata={**receipt.facts, "games": len(games(workspace.engine))})


def _history(workspace: Workspace) -> "tuple[pd.DataFrame, int]":
    """The rows of `live_history`, and how many of them the pooled models had not seen."""
    import pandas as pd

    from statmuse_pipeline.modeling.prior import EXPECTED_MINUTES, PooledPrior
    from statmuse_pipeline.modeling.residuals import add_residual_history, columns_needed

    folder = workspace.shelf.folder("pooled")
    priors = pd.read_parquet(folder / "priors.parquet")
    files = [workspace.shelf.folder(f"features/{name}") / "features.parquet" for name in workspace.settings.seasons]
    table = pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)
    wanted = dict.fromkeys((*columns_needed(), *EXPECTED_MINUTES.values()))
    rows = table[[name for name in wanted if name in table]]
    rows = rows.merge(priors, on=KEYS, how="left", validate="one_to_one", indicator="seen")
    new = (rows.pop("seen") != "both").to_numpy()
    for level in InformationLevel if new.any() else ():
        for stat in Stat:
            prior = PooledPrior.from_bytes((folder / f"prior-{level.value}-{stat.column}.bin").read_bytes())
            rows.loc[new, prior_column(stat, level)] = prior.predict(table[new])
    return add_residual_history(rows), int(new.sum())


@dg.asset(
    deps=[live_history, tuned_parameters],
    partitions_def=PLAYERS,
    backfill_policy=ONE_RUN,
    group_name="live",
    kinds={"scikitlearn", "xgboost", "onnx"},
    owners=OWNERS,
    pool="model_writer",
)
def live_models(context: dg.AssetExecutionContext, workspace: dg.ResourceParam[Workspace]) -> dg.MaterializeResult:
    """One player's models and calibrators on everything known up to now, which forecast the games to come."""
    trained = train_live(
        workspace,
        sorted(context.partition_keys),
        lambda key, facts: context.add_asset_metadata(dict(facts), partition_key=key),
    )
    return dg.MaterializeResult(metadata={"players": len(trained)})


def train_live(workspace: Workspace, keys: Sequence[str], told: Told) -> list[str]:
    """Trains the live models and calibrators of those players, and records each as soon as it is there.

    Args:
        workspace: where.
        keys: partition keys; those without a game are passed over.
        told: is given each key that was trained, with facts about it.

    Returns:
        The keys that were trained.
    """
    import pandas as pd

    from statmuse_pipeline.datasets.split import split_by_player
    from statmuse_pipeline.modeling.train import side_by_side
    from statmuse_pipeline.player_calibration import COLUMNS, train_calibrated
    from statmuse_pipeline.registry.metadata import record_models

    wanted = {player_id_of(key): key for key in keys}
    versions = live_versions(workspace)
    receipt = workspace.shelf.require(HISTORY, made_by="dagster job launch -j nightly")
    rows = pd.read_parquet(workspace.shelf.folder(HISTORY) / "rows.parquet")
    rows = rows[rows["player_id"].isin(wanted) & (rows["min"] > 0)].reset_index(drop=True)
    groups = by_player(rows.assign(split=split_by_player(rows))[list(COLUMNS)])
    work = partial(train_calibrated, config=train_config(workspace), calibration=player_calibration(workspace))
    training = side_by_side(list(groups.items()), work, workspace.settings.workers)
    common = {"dataset_version": receipt.inputs[:16], "libraries": library_versions(), "kind": LIVE}
    done: list[str] = []
    for player, made in workspace.progress(training, len(groups), "Training live models"):
        key = wanted[player]
        own = {**common, "player_key": key, "player_id": player, "fingerprint": versions.get(key)}
        if isinstance(made, str):
            facts: dict[str, Any] = {"failure": made}
            records = [{**own, "stat": "all", "metrics": {}, "features": [], "failure": made}]
        else:
            model, decisions = made
            artefact = workspace.artefacts.put(f"{key}-live", {**model.to_files(), CALIBRATORS: _kept(decisions)})
            place = {"artefact": artefact.path, "sha256": artefact.sha256}
            records = [{**record, **own, **place} for record in model.records() if record["kind"] == "served"]
            facts = {"games": len(groups[player]), "stats fitted": len(model.stats)}
        record_models(workspace.engine, pd.DataFrame(records))
        told(key, facts)
        done.append(key)
    return done


def _kept(decisions: "Mapping[str, Decision]") -> bytes:
    """The calibrators of one player that help on his newest games, as JSON."""
    kept = {stat: decision.calibrator.to_dict() for stat, decision in decisions.items() if decision.calibrator}
    return json.dumps(kept, sort_keys=True).encode()


def live_models_of(
    workspace: Workspace, players: Sequence[int]
) -> "tuple[dict[int, PlayerModel], dict[tuple[int, Stat], IsotonicCalibrator]]":
    """The live models of those of these players who have one, and the calibrators that belong to them.

    An artefact whose hash differs is refused.
    """
    from statmuse_pipeline.calibration.isotonic import IsotonicCalibrator
    from statmuse_pipeline.modeling.player_model import PlayerModel
    from statmuse_pipeline.registry.metadata import read_models

    recorded = read_models(workspace.engine, players, with_json=False)
    made = recorded[(recorded["kind"] == LIVE) & recorded["artefact"].notna()].drop_duplicates("player_id")
    models: dict[int, PlayerModel] = {}
    calibrators: dict[tuple[int, Stat], IsotonicCalibrator] = {}
    for player, path, sha256 in zip(made["player_id"], made["artefact"], made["sha256"], strict=True):
        files = workspace.artefacts.get(path, sha256)
        models[int(player)] = PlayerModel.from_files(files)
        for stat, content in json.loads(files[CALIBRATORS]).items():
            calibrators[int(player), Stat(stat)] = IsotonicCalibrator.from_dict(content)
    return models, calibrators


def live_versions(workspace: Workspace) -> dict[str, str]:
    """Partition key -> fingerprint of what the live model of each active, eligible player should be made from.

    Active: with a game in the newest season loaded. Eligible: with `ELIGIBLE_GAMES` games up to now.
    """
    import pandas as pd

    from statmuse_pipeline.warehouse.read import player_games

    games = player_games(workspace.engine)
    games = games[games["min"] > 0]
    common = fingerprint(
        {
            "pooled": workspace.shelf.require("pooled", made_by="statmuse train").outputs,
            "tuning": workspace.shelf.require("tuning", made_by="statmuse train").facts,
            "stats": list(workspace.stats),
            "code": code_version("modeling", "calibration", "player_calibration.py", "defs/live.py"),
        }
    )
    outcomes = games[[*KEYS, "game_date", "min", *(stat.column for stat in Stat)]]
    hashes = pd.util.hash_pandas_object(outcomes, index=False)
    own = games.assign(hash=hashes).groupby("player_id").agg(
        games=("game_id", "size"), hash=("hash", "sum"), name=("player_name", "last"), season=("season", "max")
    )  # fmt: skip
    own = own[(own["games"] >= ELIGIBLE_GAMES) & (own["season"] == own["season"].max())]
    return {
        player_key(int(player), str(row.name)): fingerprint({"common": common, "games": [row.games, str(row.hash)]})
        for player, row in zip(own.index, own.itertuples(index=False), strict=True)
    }


def stale_live_players(workspace: Workspace) -> list[str]:
    """The active, eligible players whose live models are missing or made from something else than what is known now."""
    from statmuse_pipeline.registry.metadata import read_models

    recorded = read_models(workspace.engine, with_json=False)
    current = set(recorded.loc[recorded["kind"] == LIVE, "fingerprint"])
    return sorted(key for key, version in live_versions(workspace).items() if version not in current)


def prune_artefacts(workspace: Workspace) -> int:
    """Removes the bundles that no recorded model names any more, as a night leaves them; how many."""
    from statmuse_pipeline.registry.metadata import read_models

    recorded = read_models(workspace.engine, with_json=False)
    return len(workspace.artefacts.prune(set(recorded["artefact"].dropna())))
