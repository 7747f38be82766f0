"""What the commands print: progress, the banner of simulated data, and tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

from rich.box import SIMPLE
from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    import datetime as dt

    import pandas as pd

    from statmuse_pipeline.modeling.distribution import CountDistribution
    from statmuse_pipeline.reports.board import GameView
    from statmuse_pipeline.sources.odds_api import FetchedQuotes
    from statmuse_pipeline.warehouse.read import VerifyReport

Item = TypeVar("Item")

console = Console()
errors = Console(stderr=True)


def progress(items: Iterable[Item], total: int, label: str) -> Iterator[Item]:
    """A bar on a terminal, a line at the start and the end elsewhere."""
    if not console.is_terminal:
        console.print(f"{label}: {total}")
        yield from items
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(label, total=total)
        for item in items:
            yield item
            bar.advance(task)


def show_banner(banner: str | None) -> None:
    """The banner of simulated data, where it is simulated."""
    if banner:
        console.print(Panel(banner, style="bold white on red", title="DEMO LEAGUE"))


def show_verification(report: VerifyReport) -> None:
    """What the warehouse holds."""
    table = Table(title=f"Warehouse, source {report.source or 'none'}")
    for column in ("season", "games", "rows", "players", "teams", "first", "last"):
        table.add_column(column)
    for row in report.seasons[["season", "games", "rows", "players", "teams", "first", "last"]].itertuples(index=False):
        table.add_row(*(str(cell) for cell in row))
    console.print(table)
    console.print(", ".join(f"{name} {count:,}" for name, count in report.counts.items()))
    told = "passed" if report.passed else "NOT PASSED"
    console.print(f"Players with 50+ games: {report.players_with_enough} (at least 50 are needed): {told}")


def show_backtest(summary: pd.DataFrame) -> None:
    """Every strategy with its interval.

    Args:
        summary: of the backtest, one row a strategy.
    """
    table = Table(title="Backtest on the test split (95% intervals; nothing here promises profit)")
    for column in ("strategy", "bets", "ROI", "95% interval", "hits", "5% target"):
        table.add_column(column, justify="left" if column == "strategy" else "right")
    for row in summary.to_dict("records"):
        interval = f"{row['roi_low']:+.1%} to {row['roi_high']:+.1%}"
        table.add_row(
            row["strategy"],
            f"{row['bets']:,}",
            f"{row['roi']:+.1%}",
            interval,
            f"{row['hit_rate']:.1%}",
            row["verdict"],
        )
    console.print(table)


def show_ablations(overview: pd.DataFrame) -> None:
    """The ablation table in short, of `ablations.table.overview`."""
    told = overview.drop(columns="changed")
    table = Table(title="Difference to what is released, on validation, mean over the stats", box=SIMPLE)
    for column in told:
        table.add_column(str(column), justify="left" if column in ("group", "name", "level") else "right")
    for row in told.itertuples(index=False):
        table.add_row(*(str(cell) for cell in row))
    console.print(table)


def show_prediction(title: str, told: pd.Series, distribution: CountDistribution, line: float) -> None:
    """One forecast on one line.

    Args:
        title: whose and of what.
        told: mean, lo80 and hi80 of the forecast.
        distribution: of one row.
        line: the bookmaker's.
    """
    from statmuse_pipeline.betting.odds import fair_price

    over, push = float(distribution.over(line)[0]), float(distribution.push(line)[0])
    table = Table(title=title)
    for column in ("mean", "80% interval", "line", "P(over)", "P(push)", "fair price over", "fair price under"):
        table.add_column(column, justify="right")
    decided = max(1 - push, 1e-9)
    fair = [f"{float(fair_price(p / decided)):+.0f}" for p in (over, 1 - over - push)]
    interval = f"{told['lo80']:.0f} to {told['hi80']:.0f}"
    table.add_row(f"{told['mean']:.2f}", interval, f"{line:g}", f"{over:.3f}", f"{push:.3f}", *fair)
    console.print(table)


def show_game(game: GameView, *, all_lines: bool) -> None:
    """One game's tables, if there is something to show."""
    tables = [game.forecasts, *([game.playing, game.quotes, game.averages] if all_lines else [])]
    for view in (view for view in tables if view is not None and view.rows):
        table = Table(title=f"{game.title}, {game.tipoff}: {view.caption}", box=SIMPLE, pad_edge=False)
        for label, right in view.headers:
            table.add_column(label, justify="right" if right else "left")
        for cells in view.rows:
            table.add_row(*(Text(f"{cell.text} ({cell.note})" if cell.note else cell.text) for cell in cells))
        console.print(table)
    if game.out:
        console.print(Text(f"Out: {game.out}"))


def show_stale(inputs: pd.DataFrame) -> None:
    """The inputs of a night that are older than they should be."""
    for row in inputs.loc[inputs["stale"], ["input", "note"]].itertuples(index=False):
        console.print(f"Stale: {row.input} ({row.note})", style="yellow", markup=False)


def show_fetched(fetched: FetchedQuotes, day: dt.date, credits_left: int | None) -> None:
    """What a request for quotes brought, what was left out, and what it left of the credits, where that is known."""
    console.print(f"{day}: {fetched.events} games, {len(fetched.quotes):,} quotes")
    for reason, entries in fetched.problems.groupby("reason")["entries"].sum().items():
        console.print(f"Left out: {entries:,} x {reason}", soft_wrap=True, markup=False)
    if credits_left is not None:
        console.print(f"Credits left: {credits_left:,}")


def show_summary(
    metrics: pd.DataFrame, players: int, own_models: pd.Series, by_stat: pd.DataFrame, headline: str
) -> None:
    """The table at the end of a run.

    Args:
        metrics: one row a stat.
        players: how many are in scope.
        own_models: stat -> how many players have a model of their own.
        by_stat: of the backtest.
        headline: the strategy whose ROI is shown.
    """
    table = Table(
        title="Test split at tip-off: RMSE and MAE relative to a moving average, Brier and ECE on the ladder",
        caption=f"ROI of {headline!r} on real quotes with its 95% interval",
        box=SIMPLE,
        pad_edge=False,
        collapse_padding=True,
    )
    for column in ("stat", "players", "models", "RMSE", "MAE ratio", "Brier", "ECE", "ROI"):
        table.add_column(column, justify="left" if column == "stat" else "right", no_wrap=True)
    flat = by_stat[(by_stat["strategy"] == headline) & (by_stat["staking"] == "flat")]
    for row in metrics.to_dict("records"):
        table.add_row(
            row["stat"],
            str(players),
            str(own_models.get(row["stat"], 0)),
            f"{row['rmse_ratio']:.3f}",
            f"{row['mae_ratio']:.3f}",
            f"{row['ladder_brier']:.4f}",
            f"{row['ladder_ece']:.4f}",
            _roi(flat[flat["stat"] == row["stat"]]),
        )
    console.print(table)


def _roi(rows: pd.DataFrame) -> str:
    if rows.empty:
        return "no quotes"
    row = rows.iloc[0]
    return f"{row['roi']:+.1%} ({100 * row['roi_low']:+.1f}, {100 * row['roi_high']:+.1f})"
