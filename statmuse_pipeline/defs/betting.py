"""Assets of the market: resolved quotes and the backtest."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from statmuse_pipeline.defs.forecasts import read_forecasts, read_outcomes, test_forecasts
from statmuse_pipeline.defs.ingest import OWNERS
from statmuse_pipeline.defs.metadata import markdown_table
from statmuse_pipeline.defs.partitions import ONE_RUN, SEASONS
from statmuse_pipeline.defs.pooled import Pooled, read_history
from statmuse_pipeline.defs.resources import Workspace
from statmuse_pipeline.defs.services import fetched_quotes
from statmuse_pipeline.domain import Combination, InformationLevel, Stat, prior_column
from statmuse_pipeline.versions import code_version, fingerprint

if TYPE_CHECKING:
    import pandas as pd

    from statmuse_pipeline.forecasting import Forecasts

HEADLINE = "own ev>2%"
"""The strategy whose ROI stands at the top, named before anyone looked at results."""

TABLES = (
    "bets", "reference_bets", "summary", "bankroll", "exclusions", "by_book", "by_stat", "blend_weights",
)  # fmt: skip


@dg.asset(
    deps=["player_games"],
    partitions_def=SEASONS,
    backfill_policy=ONE_RUN,
    group_name="market",
    kinds={"parquet"},
    owners=OWNERS,
)
def market_quotes(context: dg.AssetExecutionContext, workspace: dg.ResourceParam[Workspace]) -> dg.MaterializeResult:
    """Bookmakers' quotes with the player and game they are about; what could not be resolved is listed."""
    from statmuse_pipeline.sources.quote_files import QuoteFiles
    from statmuse_pipeline.warehouse.read import season_fingerprint

    seasons = sorted(context.partition_keys)
    # Simulated games have no market: real quotes belong to real games alone.
    real = workspace.choice.source.name != "demo"
    files = QuoteFiles(workspace.settings.archive, fetched_quotes(workspace)) if real else QuoteFiles(None)
    common = {
        "code": code_version(
            "warehouse/names.py",
            "warehouse/people.py",
            "warehouse/spelling.py",
            "warehouse/quoted_games.py",
            "betting/hygiene.py",
            "sources/quote_files.py",
        ),
    }
    versions = {
        season: fingerprint(
            {**common, "quotes": files.fingerprint(season), "season": season_fingerprint(workspace.engine, season)}
        )
        for season in seasons
    }
    receipts = {season: workspace.shelf.receipt(f"quotes/{season}") for season in seasons}
    stale = [
        season for season in seasons if (receipt := receipts[season]) is None or receipt.inputs != versions[season]
    ]
    for season in workspace.progress(stale, len(stale), "Resolving quotes"):
        tables = _resolve(workspace, files, season)

        def write(target: Path, tables: dict[str, Any] = tables) -> dict[str, Any]:
            for name, table in tables.items():
                table.to_parquet(target / f"{name}.parquet", index=False)
            return {name: len(table) for name, table in tables.items()}

        receipts[season] = workspace.shelf.put(f"quotes/{season}", versions[season], write)
    for season, receipt in receipts.items():
        assert receipt is not None
        context.add_asset_metadata(dict(receipt.facts), partition_key=season)
    return dg.MaterializeResult(metadata={"resolved anew": len(stale)})


def quotes_fingerprint(workspace: Workspace) -> str:
    """A hash of all quotes there are, resolved or not."""
    from statmuse_pipeline.sources.quote_files import QuoteFiles

    real = workspace.choice.source.name != "demo"
    files = QuoteFiles(workspace.settings.archive, fetched_quotes(workspace)) if real else QuoteFiles(None)
    return files.fingerprint()


def _resolve(workspace: Workspace, files: Any, season: str) -> "dict[str, pd.DataFrame]":
    from statmuse_pipeline.betting.hygiene import information_level
    from statmuse_pipeline.warehouse import names, read

    engine = workspace.engine
    resolution = names.resolve_quotes(
        files.read([season]), read.games(engine, [season]), read.player_games(engine, [season]),
        read.players(engine), read.teams(engine),
    )  # fmt: skip
    quotes = resolution.resolved.assign(level=information_level(resolution.resolved))
    of_sums = quotes["stat"].isin(list(Combination))
    return {
        "quotes": quotes[~of_sums].reset_index(drop=True),
        "combinations": quotes[of_sums].reset_index(drop=True),
        "unresolved": resolution.unresolved,
        "voids": resolution.voids,
        "decisions": resolution.decisions,
    }  # fmt: skip


def read_quotes(workspace: Workspace, table: str = "quotes") -> "pd.DataFrame":
    """One table of `market_quotes`, all configured seasons."""
    import pandas as pd

    parts = []
    for season in workspace.settings.seasons:
        workspace.shelf.require(f"quotes/{season}", made_by="statmuse sync")
        parts.append(pd.read_parquet(workspace.shelf.folder(f"quotes/{season}") / f"{table}.parquet"))
    return pd.concat(parts, ignore_index=True)


@dg.asset(deps=[test_forecasts, market_quotes], group_name="market", kinds={"parquet"}, owners=OWNERS)
def backtest(workspace: dg.ResourceParam[Workspace]) -> dg.MaterializeResult:
    """Strategies and placebos on the test split's real quotes, and on clearly labelled reference lines elsewhere."""
    forecasts_receipt = workspace.shelf.require("forecasts", made_by="statmuse evaluate")
    quotes = {
        season: workspace.shelf.require(f"quotes/{season}", made_by="statmuse sync").outputs
        for season in workspace.settings.seasons
    }
    wanted = fingerprint(
        {
            "forecasts": forecasts_receipt.outputs,
            "quotes": quotes,
            "code": code_version("betting", "defs/betting.py"),
            "seed": workspace.settings.seed,
        }
    )
    receipt = workspace.shelf.receipt("backtest")
    if receipt is None or receipt.inputs != wanted:
        result, priced = _run(workspace, forecasts_receipt.facts)

        def write(folder: Path) -> dict[str, Any]:
            for name in TABLES:
                getattr(result, name).to_parquet(folder / f"{name}.parquet", index=False)
            priced.to_parquet(folder / "quotes.parquet", index=False)
            return {
                "model_mae": result.model_mae,
                "line_mae": result.line_mae,
                "mae_quotes": result.mae_quotes,
                "bets": len(result.bets),
            }

        receipt = workspace.shelf.put("backtest", wanted, write)
    summary = read_backtest(workspace, "summary")
    columns = ["strategy", "bets", "roi", "roi_low", "roi_high", "verdict"]
    return dg.MaterializeResult(
        metadata={"bets": receipt.facts["bets"], "summary": dg.MetadataValue.md(markdown_table(summary[columns]))}
    )


def _run(workspace: Workspace, facts: Mapping[str, Any]) -> "tuple[Any, pd.DataFrame]":
    """The backtest, and the test window's quotes with our probabilities as they are exported."""
    import pandas as pd

    from statmuse_pipeline.betting.backtest import run_backtest
    from statmuse_pipeline.betting.consensus import market_view
    from statmuse_pipeline.evaluation.scores import season_line_queries

    forecasts, outcomes = read_forecasts(workspace), read_outcomes(workspace)
    keys = ["game_id", "player_id", "stat"]
    quotes = priced_quotes(workspace, forecasts, outcomes)
    view = market_view(quotes) if len(quotes) else None
    quotes["p_over_final"] = view.quotes["p_over_final"] if view else pd.Series(dtype="float64")
    start, end = pd.Timestamp(facts["test_from"]), pd.Timestamp(facts["last_date"])
    lines = season_line_queries(outcomes[outcomes["game_date"] >= start])
    lines = lines.merge(outcomes[[*keys, "season", "game_date", "actual", "season_average"]], on=keys)
    lines = lines.assign(p_over=forecasts.over(lines))
    result = run_backtest(quotes, lines, start=start.date(), end=end.date(), seed=workspace.settings.seed)
    if view:
        # With them the quotes of a night to come are blended.
        result = replace(result, blend_weights=view.weights)
    return result, quotes[quotes["game_date"] >= start].reset_index(drop=True)


def priced_quotes(workspace: Workspace, forecasts: "Forecasts", outcomes: "pd.DataFrame") -> "pd.DataFrame":
    """Every resolved quote of a game of which there is an outcome, with it and with our probabilities.

    Args:
        workspace: where.
        forecasts: of validation and test, or of one of them; other quotes get the walk-forward prior's of train.
        outcomes: of the games that are wanted.
    """
    import pandas as pd

    known = outcomes[["game_id", "player_id", "stat", "actual", "season_average"]]
    quotes = read_quotes(workspace).merge(known, on=["game_id", "player_id", "stat"], how="inner")
    quotes = _priced(quotes, forecasts)
    learned_from = quotes["p_over"].isna()
    if learned_from.any() and (earlier := _train_forecasts(workspace, quotes[learned_from])):
        quotes = pd.concat([_priced(quotes[learned_from], earlier), quotes[~learned_from]]).sort_index()
    return quotes


def _priced(quotes: "pd.DataFrame", forecasts: "Forecasts") -> "pd.DataFrame":
    return quotes.assign(p_over=forecasts.over(quotes), p_push=forecasts.push(quotes), median=forecasts.medians(quotes))


def _train_forecasts(workspace: Workspace, quotes: "pd.DataFrame") -> "Forecasts | None":
    """The walk-forward prior's forecasts of quoted player-games in train: no bets, but weights of the blend to learn.

    Players' own models learned from these games, the prior did not; only the shape round its means did.
    """
    from statmuse_pipeline.forecasting import Forecasts, make_forecasts

    keys = ["game_id", "player_id"]
    rows = read_history(workspace, ("train",)).merge(quotes[keys].drop_duplicates(), on=keys)
    if rows.empty:
        return None
    pooled, stats = Pooled.read(workspace), [stat for stat in Stat if (quotes["stat"] == stat.value).any()]
    return Forecasts.concat(
        [
            make_forecasts(
                rows,
                {stat: rows[prior_column(stat, level)].to_numpy(dtype=float) for stat in stats},
                pooled.dispersions[level],
                level=level,
                aims=pooled.aims[level],
                calibrators=pooled.calibrators[level],
            )
            for level in InformationLevel
        ]
    )


def read_backtest(workspace: Workspace, table: str) -> "pd.DataFrame":
    """One table of the last backtest."""
    import pandas as pd

    workspace.shelf.require("backtest", made_by="statmuse backtest")
    return pd.read_parquet(workspace.shelf.folder("backtest") / f"{table}.parquet")
