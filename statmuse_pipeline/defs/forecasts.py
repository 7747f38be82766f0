"""The asset of forecasts on validation and test, at both information levels."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from statmuse_pipeline.defs.ingest import OWNERS
from statmuse_pipeline.defs.players import (
    REFITTED,
    SERVED,
    load_models,
    player_calibrators,
    read_calibrators,
    registry_version,
)
from statmuse_pipeline.defs.pooled import Pooled, dataset_rows, read_history
from statmuse_pipeline.defs.resources import Workspace
from statmuse_pipeline.domain import InformationLevel, Stat, prior_column
from statmuse_pipeline.versions import code_version, fingerprint

if TYPE_CHECKING:
    import pandas as pd

    from statmuse_pipeline.forecasting import Forecasts

    Means = Mapping[tuple[InformationLevel, Stat], pd.DataFrame]

FORECAST_BY = {"validation": SERVED, "test": REFITTED}
"""Split -> the kind of player models that forecast it: those that learned from everything before, as in production."""

JUDGED = tuple(FORECAST_BY)
KEYS = ["game_id", "player_id"]


@dg.asset(deps=[player_calibrators, "pooled_models"], group_name="evaluation", kinds={"parquet"}, owners=OWNERS)
def test_forecasts(workspace: dg.ResourceParam[Workspace]) -> dg.MaterializeResult:
    """Predictive distributions of every player-game of validation and test, at both information levels."""
    dataset = workspace.shelf.require("dataset", made_by="statmuse train").facts
    pooled = workspace.shelf.require("pooled", made_by="statmuse train")
    wanted = fingerprint(
        {
            "pooled": pooled.outputs,
            "registry": registry_version(workspace),
            "stats": [stat.value for stat in workspace.stats],
            "code": code_version("forecasting.py", "modeling"),
        }
    )
    receipt = workspace.shelf.receipt("forecasts")
    if receipt is None or receipt.inputs != wanted:

        def write(folder: Path) -> dict[str, Any]:
            forecasts, families, rows = _forecast(workspace)
            forecasts.save(folder / "forecasts.parquet")
            families.to_parquet(folder / "families.parquet", index=False)
            return {
                "rows": len(forecasts.frame),
                "own_model": float((forecasts.frame["model"] != "prior").mean()),
                "test_from": dataset["test_from"],
                "validation_from": dataset["validation_from"],
                "last_date": str(rows["game_date"].max().date()),
                "dataset": dataset["version"],
            }

        receipt = workspace.shelf.put("forecasts", wanted, write)
    return dg.MaterializeResult(metadata=dict(receipt.facts))


def _forecast(workspace: Workspace) -> "tuple[Forecasts, pd.DataFrame, pd.DataFrame]":
    """Forecasts at both levels, every family's tip-off means, and the rows they are about."""
    import pandas as pd

    from statmuse_pipeline.forecasting import Forecasts, make_forecasts

    rows = read_history(workspace, JUDGED)
    pooled, calibrators = Pooled.read(workspace), read_calibrators(workspace)
    means = _served_means(workspace, rows)
    parts = [
        make_forecasts(
            rows, {stat: means[level, stat]["served"] for stat in workspace.stats}, pooled.dispersions[level],
            level=level, aims=pooled.aims[level], calibrators=pooled.calibrators[level], player_calibrators=calibrators,
            model=means[level, workspace.stats[0]]["model"],
        )
        for level in InformationLevel
    ]  # fmt: skip
    tipoff = {stat: means[InformationLevel.TIPOFF, stat] for stat in workspace.stats}
    families = pd.concat(
        [
            rows[[*KEYS, "split"]].assign(
                stat=stat.value, own=tipoff[stat]["model"] != "prior", **tipoff[stat].drop(columns="model")
            )
            for stat in workspace.stats
        ],
        ignore_index=True,
    )
    return Forecasts.concat(parts), families, rows


def _served_means(workspace: Workspace, rows: "pd.DataFrame") -> "Means":
    """Per level and stat, every family's means and what served each row: the player's own model or the prior."""
    import numpy as np
    import pandas as pd

    from statmuse_pipeline.modeling.player_model import MODEL_COLUMNS

    priors = {
        (level, stat): rows[prior_column(stat, level)].to_numpy(dtype=float)
        for level in InformationLevel
        for stat in workspace.stats
    }
    values = {key: np.repeat(prior[:, None], len(MODEL_COLUMNS), axis=1) for key, prior in priors.items()}
    own = {stat: np.zeros(len(rows), dtype=bool) for stat in workspace.stats}
    models = {split: load_models(workspace, kind=kind) for split, kind in FORECAST_BY.items()}
    for places in rows.groupby(["split", "player_id"]).indices.values():
        split, player = rows[["split", "player_id"]].iloc[places[0]]
        model = models[split].get(int(player))
        if model is None:
            continue
        for stat, members in model.members(rows.iloc[places], workspace.stats).items():
            own[stat][places] = True
            for level in InformationLevel:
                means = model.stats[stat].means_from(members, priors[level, stat][places])
                values[level, stat][places] = means
    return {
        key: pd.DataFrame(table, columns=list(MODEL_COLUMNS), index=rows.index).assign(
            model=np.where(own[key[1]], "player", "prior")
        )
        for key, table in values.items()
    }


def read_forecasts(workspace: Workspace) -> "Forecasts":
    """The stored forecasts of validation and test."""
    from statmuse_pipeline.forecasting import Forecasts

    workspace.shelf.require("forecasts", made_by="statmuse evaluate")
    return Forecasts.load(workspace.shelf.folder("forecasts") / "forecasts.parquet")


def read_outcomes(workspace: Workspace, names: tuple[str, ...] = ("train", *JUDGED)) -> "pd.DataFrame":
    """What happened in the named splits."""
    from statmuse_pipeline.evaluation.scores import outcomes

    return outcomes(dataset_rows(workspace, names))


def read_families(workspace: Workspace) -> "pd.DataFrame":
    """Tip-off means of every member and ensemble: game_id, player_id, split, stat, own, one column a family."""
    import pandas as pd

    workspace.shelf.require("forecasts", made_by="statmuse evaluate")
    return pd.read_parquet(workspace.shelf.folder("forecasts") / "families.parquet")
