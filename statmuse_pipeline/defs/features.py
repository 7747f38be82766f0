"""Leak-free features, one Parquet file a season."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from statmuse_pipeline.defs.earlier import earlier_lesson, earlier_minutes_version, earlier_models, earlier_seasons
from statmuse_pipeline.defs.ingest import OWNERS
from statmuse_pipeline.defs.injuries import listed_members, raw_transactions
from statmuse_pipeline.defs.kept_fits import keeping
from statmuse_pipeline.defs.metadata import column_schema, markdown_table
from statmuse_pipeline.defs.partitions import EARLIER_SEASONS, ONE_RUN, SEASONS
from statmuse_pipeline.defs.resources import Workspace
from statmuse_pipeline.versions import code_version, fingerprint

if TYPE_CHECKING:
    import pandas as pd

    from statmuse_pipeline.features.attended import Attending
    from statmuse_pipeline.features.attention import AttentionNetwork

_FITS = "minutes"
"""Folder of the fits of minutes on the shelf."""

_CHANCES = "chances"
"""Folder of the fits of who plays, from which features know before the day who is likely to."""

_FIT_BY = ("features/minutes.py", "features/networks.py", "features/attended.py", "features/attention.py")

_CHANCES_BY = ("modeling/absence.py",)


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

    seasons, transactions = sorted(context.partition_keys), raw_transactions(workspace)
    versions = {
        label: features_version(workspace, label, transactions)
        for label in workspace.settings.seasons
        if label <= seasons[-1]
    }
    receipts = {label: workspace.shelf.receipt(f"features/{label}") for label in versions}
    old = [label for label, receipt in receipts.items() if receipt is None or receipt.inputs != versions[label]]
    stale = [season for season in seasons if season in old]
    if stale:
        upto = [label for label in versions if label <= stale[-1]]
        table = _build(workspace, upto, upto.index(old[0]), transactions)
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


def _build(
    workspace: Workspace, seasons: "list[str]", known: int, transactions: "pd.DataFrame | None"
) -> "pd.DataFrame":
    """The table of those seasons: the first `known` of them as they lie on the shelf, the rest anew."""
    import pandas as pd

    from statmuse_pipeline.features.minutes import add_minutes_forecasts, catalog
    from statmuse_pipeline.features.table import build_features
    from statmuse_pipeline.participation_backtest import known_chances
    from statmuse_pipeline.warehouse import read

    player_games, players = read.player_games(workspace.engine, seasons), read.players(workspace.engine)
    members = listed_members(workspace, transactions, player_games, players)
    chances = known_chances(members, workspace.settings.seed, keeping(workspace.shelf, _CHANCES, *_CHANCES_BY))
    games = read.games(workspace.engine, seasons)
    fresh = build_features(player_games, games, players, seasons=seasons[known:], chances=chances)
    before = []
    for label in seasons[:known]:
        workspace.shelf.require(f"features/{label}", made_by="statmuse train")
        before.append(pd.read_parquet(workspace.shelf.folder(f"features/{label}") / "features.parquet"))
    forecast = [feature.name for feature in catalog()]
    table = pd.concat([*(rows.drop(columns=forecast) for rows in before), fresh], ignore_index=True)
    return add_minutes_forecasts(
        table,
        workspace.settings.seed,
        earlier_models(workspace),
        keeping(workspace.shelf, _FITS, *_FIT_BY),
        attending=_attending(workspace, player_games, players),
    )


def _attending(workspace: Workspace, player_games: "pd.DataFrame", players: "pd.DataFrame") -> "Attending | None":
    """What attending networks see and learn from; None without earlier seasons or with too few to begin after them."""
    from statmuse_pipeline.features import attended
    from statmuse_pipeline.features.squads import build_squads

    lesson = earlier_lesson(workspace)
    if lesson is None or len(player_games) < attended.ROWS:
        return None
    version, read = lesson
    return attended.Attending(build_squads(player_games, players), read, version, attended.ROWS)


def attention_network(workspace: Workspace, features: "pd.DataFrame") -> "AttentionNetwork | None":
    """The network that attends in the newest games of the table, as `player_features` left it; None where none does."""
    from statmuse_pipeline.features import attended
    from statmuse_pipeline.features.attention import AttentionNetwork

    if earlier_lesson(workspace) is None:
        return None
    starts = attended.begins(features, attended.ROWS)
    if not starts:
        return None
    name = f"{_FITS}/attention-{starts[-1]}"
    workspace.shelf.require(name, made_by="statmuse train")
    return AttentionNetwork.from_bytes((workspace.shelf.folder(name) / attended.FILE).read_bytes())


def features_version(workspace: Workspace, season: str, transactions: "pd.DataFrame | None") -> str:
    """Fingerprint of everything a season's features rest on: its own rows, all before it, and the code.

    Args:
        workspace: where everything is.
        season: label.
        transactions: of `injuries.raw_transactions`.
    """
    from statmuse_pipeline.warehouse.read import season_fingerprint

    seasons = [label for label in workspace.settings.seasons if label <= season]
    return fingerprint(
        {
            "earlier": earlier_minutes_version(workspace),
            "seasons": {label: season_fingerprint(workspace.engine, label) for label in seasons},
            "transactions": _transactions_version(transactions, season),
            "code": code_version(
                "features", "participation_backtest.py", "defs/injuries.py", "warehouse/people.py", *_CHANCES_BY
            ),
            "seed": workspace.settings.seed,
        }
    )


def _transactions_version(transactions: "pd.DataFrame | None", season: str) -> str | None:
    """Content hash of the injury transactions up to the end of a season; None where there are none."""
    from statmuse_pipeline.domain import Season
    from statmuse_pipeline.sources.source import content_hash

    if transactions is None:
        return None
    of_day = {day: Season.of_date(day).label for day in transactions["date"].unique()}
    return content_hash(transactions[transactions["date"].map(of_day) <= season].reset_index(drop=True))
