"""Leak-free features, one Parquet file a season."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from statmuse_pipeline.defs.earlier import earlier_minutes_version, earlier_models, earlier_seasons
from statmuse_pipeline.defs.ingest import OWNERS
from statmuse_pipeline.defs.kept_fits import keeping
from statmuse_pipeline.defs.metadata import column_schema, markdown_table
from statmuse_pipeline.defs.partitions import EARLIER_SEASONS, ONE_RUN, SEASONS
from statmuse_pipeline.defs.resources import Workspace
from statmuse_pipeline.versions import code_version, fingerprint

if TYPE_CHECKING:
    import pandas as pd


@dg.asset(
    partitions_def=SEASONS,
    backfill_policy=ONE_RUN,
    deps=[
        earlier_seasons,
        *(dg.AssetDep(name, partition_mapping=EARLIER_SEASONS) for name in ("player_games", "team_games", "players")),
    ],
    group_name="features",
    kinds={"parquet", "pandas"},
    owners=OWNERS,
)
def player_features(context: dg.AssetExecutionContext, workspace: dg.ResourceParam[Workspace]) -> dg.MaterializeResult:
    """One row a player-game; every column tagged with the information level from which it is known."""
    import pandas as pd

    from statmuse_pipeline.features.table import feature_catalog

    seasons = sorted(context.partition_keys)
    versions = {
        label: features_version(workspace, label) for label in workspace.settings.seasons if label <= seasons[-1]
    }
    receipts = {label: workspace.shelf.receipt(f"features/{label}") for label in versions}
    old = [label for label, receipt in receipts.items() if receipt is None or receipt.inputs != versions[label]]
    stale = [season for season in seasons if season in old]
    if stale:
        upto = [label for label in versions if label <= stale[-1]]
        table = _build(workspace, upto, upto.index(old[0]))
        for season in stale:
            rows = table[table["season"] == season]

            def write(folder: Path, rows: Any = rows) -> dict[str, Any]:
                rows.to_parquet(folder / "features.parquet", index=False)
                return {"rows": len(rows), "columns": len(rows.columns)}

            receipts[season] = workspace.shelf.put(f"features/{season}", versions[season], write)
    for season in seasons:
        receipt = receipts[season]
        assert receipt is not None
        context.add_asset_metadata(dict(receipt.facts), partition_key=season)
    newest = pd.read_parquet(workspace.shelf.folder(f"features/{seasons[-1]}") / "features.parquet")
    catalog = feature_catalog()
    told = {row["name"]: f"{row['level']}: {row['description']}" for row in catalog.to_dict("records")}
    counts = catalog.value_counts(["group", "level"], sort=False).reset_index()
    return dg.MaterializeResult(
        metadata={
            "catalog": dg.MetadataValue.md(markdown_table(counts)),
            "rebuilt": len(stale),
            **column_schema(newest.head(0), told),
        }
    )


def _build(workspace: Workspace, seasons: "list[str]", known: int) -> "pd.DataFrame":
    """The table of those seasons: the first `known` of them as they lie on the shelf, the rest anew."""
    import pandas as pd

    from statmuse_pipeline.features.minutes import add_minutes_forecasts, catalog
    from statmuse_pipeline.features.table import build_features
    from statmuse_pipeline.warehouse import read

    fresh = build_features(
        read.player_games(workspace.engine, seasons),
        read.games(workspace.engine, seasons),
        read.players(workspace.engine),
        seasons=seasons[known:],
    )
    before = []
    for label in seasons[:known]:
        workspace.shelf.require(f"features/{label}", made_by="statmuse train")
        before.append(pd.read_parquet(workspace.shelf.folder(f"features/{label}") / "features.parquet"))
    forecast = [feature.name for feature in catalog()]
    table = pd.concat([*(rows.drop(columns=forecast) for rows in before), fresh], ignore_index=True)
    remember = keeping(workspace.shelf, "minutes", "features/minutes.py", "features/networks.py")
    return add_minutes_forecasts(table, workspace.settings.seed, earlier_models(workspace), remember)


def features_version(workspace: Workspace, season: str) -> str:
    """Fingerprint of everything a season's features rest on: its own rows, all before it, and the code."""
    from statmuse_pipeline.warehouse.read import season_fingerprint

    seasons = [label for label in workspace.settings.seasons if label <= season]
    return fingerprint(
        {
            "earlier": earlier_minutes_version(workspace),
            "seasons": {label: season_fingerprint(workspace.engine, label) for label in seasons},
            "code": code_version("features"),
            "seed": workspace.settings.seed,
        }
    )
