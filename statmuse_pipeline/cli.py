"""`statmuse`: every command materializes the same Dagster assets as the UI, in one process.

Exit codes: 0 done; 1 an error, told in one sentence; 2 wrong usage or settings; 3 verification or gate not passed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from statmuse_pipeline.dagster_home import prepare_home
from statmuse_pipeline.domain import InformationLevel, PipelineError, Stat
from statmuse_pipeline.settings import Settings, load_settings

if TYPE_CHECKING:
    import dagster as dg
    import pandas as pd

    from statmuse_pipeline.defs.resources import Workspace
    from statmuse_pipeline.reports.board import GameView

Item = TypeVar("Item")

FAILED, USAGE, NOT_PASSED = 1, 2, 3

app = typer.Typer(
    name="statmuse",
    help="NBA game logs to calibrated over/under probabilities. Nothing here promises profit.",
    epilog="Exit codes: 0 done, 1 error, 2 wrong usage or settings, 3 verification or gate not passed.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
console = Console()
errors = Console(stderr=True)

Seasons = Annotated[str | None, typer.Option(help="Comma list such as 2023-24,2024-25 instead of SEASONS.")]
Players = Annotated[str | None, typer.Option(help="Comma list of names, ids or keys; everyone eligible when left out.")]
Stats = Annotated[str | None, typer.Option(help="Comma list of PTS,REB,AST,FG3M,STL,BLK,TOV,PRA; all when left out.")]
MaxPlayers = Annotated[
    int | None, typer.Option(min=1, help="At most so many players, those with the most games first.")
]


def _stats(text: str | None) -> tuple[Stat, ...]:
    if text is None:
        return tuple(Stat)
    known = {stat.value for stat in Stat}
    wanted = [part.strip().upper() for part in text.split(",") if part.strip()]
    if unknown := [part for part in wanted if part not in known]:
        raise PipelineError(f"Unknown stat {', '.join(unknown)}: choose from {', '.join(sorted(known))}.")
    return tuple(stat for stat in Stat if stat.value in wanted)


def _progress(items: Iterable[Item], total: int, label: str) -> Iterator[Item]:
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


def _home(settings: Settings) -> Path:
    """The Dagster home of this data folder, made when it is missing."""
    return prepare_home(settings.data, settings.warehouse_url)


def _open(
    seasons: str | None = None,
    stats: str | None = None,
    players: str | None = None,
    max_players: int | None = None,
) -> tuple[dg.DagsterInstance, Workspace]:
    """The Dagster instance and the workspace that a command works in."""
    if seasons is not None:
        os.environ["SEASONS"] = seasons  # the season partitions are defined from the settings
    settings = load_settings()
    try:
        _home(settings)
    except OSError as error:
        raise PipelineError(
            f"Cannot write to {settings.data}: {error.strerror}. Set STATMUSE_DATA to a writable folder."
        ) from error
    import dagster as dg

    from statmuse_pipeline.defs.resources import Workspace

    wanted = tuple(part.strip() for part in players.split(",") if part.strip()) if players else None
    workspace = Workspace(
        settings=settings, stats=_stats(stats), players=wanted, max_players=max_players, progress=_progress
    )
    return dg.DagsterInstance.get(), workspace


def _show_banner(workspace: Workspace) -> None:
    if workspace.choice.demo_banner:
        console.print(Panel(workspace.choice.demo_banner, style="bold white on red", title="DEMO LEAGUE"))


@app.command()
def run(
    players: Players = None,
    max_players: MaxPlayers = None,
    seasons: Seasons = None,
    stats: Stats = None,
    force: Annotated[bool, typer.Option("--force", help="Train again although nothing changed.")] = False,
) -> None:
    """The main job: game logs, features, models, forecasts, backtest, report."""
    instance, workspace = _open(seasons, stats, players, max_players)
    from statmuse_pipeline.defs.pipeline import run_pipeline

    _show_banner(workspace)
    if workspace.settings.dry_run:
        sync_only(instance, workspace)
        return
    passed = run_pipeline(instance, workspace, force=force, stage=lambda name: console.rule(name, align="left"))
    _summary(workspace)
    console.print(f"Report: {workspace.reports / 'index.html'}", soft_wrap=True)
    _gate(workspace, passed)


@app.command()
def sync(
    seasons: Seasons = None,
    dry_run: Annotated[bool | None, typer.Option("--dry-run/--persist", help="Instead of DRY_RUN.")] = None,
) -> None:
    """Fetch, validate and load the seasons; with DRY_RUN=1 only audit what would change."""
    if dry_run is not None:
        os.environ["DRY_RUN"] = str(int(dry_run))
    instance, workspace = _open(seasons)
    _show_banner(workspace)
    sync_only(instance, workspace)


def sync_only(instance: dg.DagsterInstance, workspace: Workspace) -> None:
    """Source to warehouse; in a dry run only the audit."""
    from statmuse_pipeline.defs import pipeline

    enough = pipeline.sync(instance, workspace)
    if workspace.settings.dry_run:
        newest = max((workspace.settings.data / "audit").glob("*.json"), key=lambda file: file.stat().st_mtime_ns)
        console.print(f"DRY_RUN=1: nothing was written but the audit {newest}", soft_wrap=True)
        return
    _verification(workspace)
    if not enough:
        raise typer.Exit(NOT_PASSED)


@app.command()
def verify() -> None:
    """Count the warehouse's rows and the players with 50 games; exit 3 when fewer than 50 players have them."""
    _, workspace = _open()
    if not _verification(workspace):
        raise typer.Exit(NOT_PASSED)


def _verification(workspace: Workspace) -> bool:
    from statmuse_pipeline.warehouse.read import verify as verify_warehouse

    report = verify_warehouse(workspace.engine)
    table = Table(title=f"Warehouse, source {report.source or 'none'}")
    for column in ("season", "games", "rows", "players", "teams", "first", "last"):
        table.add_column(column)
    for row in report.seasons[["season", "games", "rows", "players", "teams", "first", "last"]].itertuples(index=False):
        table.add_row(*(str(cell) for cell in row))
    console.print(table)
    console.print(", ".join(f"{name} {count:,}" for name, count in report.counts.items()))
    told = "passed" if report.passed else "NOT PASSED"
    console.print(f"Players with 50+ games: {report.players_with_enough} (at least 50 are needed): {told}")
    return report.passed


@app.command()
def train(
    players: Players = None,
    max_players: MaxPlayers = None,
    seasons: Seasons = None,
    stats: Stats = None,
    force: Annotated[bool, typer.Option("--force", help="Train again although nothing changed.")] = False,
    tune_players: Annotated[
        bool,
        typer.Option("--tune-players", help="Tune each chosen player anew instead of using the pooled parameters."),
    ] = False,
) -> None:
    """Dataset, pooled models, tuning, and the models and calibrators of the chosen players."""
    instance, workspace = _open(seasons, stats, players, max_players)
    from statmuse_pipeline.defs import pipeline

    workspace.tune_players = tune_players
    trained = pipeline.train(instance, workspace, force=force or tune_players)
    console.print(f"Trained {len(trained)} players; the others were up to date.")


@app.command()
def evaluate(
    gate: Annotated[bool, typer.Option("--gate", help="Exit 3 when the metric gate does not pass.")] = False,
    seasons: Seasons = None,
    stats: Stats = None,
) -> None:
    """Forecasts on validation and test, backtest, metrics."""
    instance, workspace = _open(seasons, stats)
    from statmuse_pipeline.defs import pipeline

    passed = pipeline.evaluate(instance, workspace)
    _summary(workspace)
    _gate(workspace, passed or not gate)


@app.command()
def backtest(seasons: Seasons = None) -> None:
    """The betting backtest on the test split, with placebos."""
    instance, workspace = _open(seasons)
    from statmuse_pipeline.defs import pipeline
    from statmuse_pipeline.defs.betting import read_backtest

    pipeline.materialize(("test_forecasts", "backtest"), instance, workspace)
    table = Table(title="Backtest on the test split (95% intervals; nothing here promises profit)")
    for column in ("strategy", "bets", "ROI", "95% interval", "hits", "5% target"):
        table.add_column(column, justify="left" if column == "strategy" else "right")
    for row in read_backtest(workspace, "summary").to_dict("records"):
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


@app.command()
def export(
    out: Annotated[Path, typer.Option(help="The folder to write to.")],
    level: Annotated[
        InformationLevel, typer.Option(help="Information level of the forecasts.")
    ] = InformationLevel.TIPOFF,
) -> None:
    """Write forecasts, ladder probabilities, quotes and bets of the test split as Parquet."""
    instance, workspace = _open()
    from statmuse_pipeline.defs import pipeline
    from statmuse_pipeline.defs.betting import read_backtest
    from statmuse_pipeline.defs.forecasts import read_forecasts
    from statmuse_pipeline.export import write_export

    pipeline.materialize(("test_forecasts", "backtest"), instance, workspace)
    chosen = read_forecasts(workspace).select(level=level, split="test")
    bets = read_backtest(workspace, "bets")
    written = write_export(out, chosen.frame, chosen.ladder(), read_backtest(workspace, "quotes"), bets, level=level)
    for path in written.values():
        console.print(str(path), soft_wrap=True)


@app.command()
def ablate(
    quick: Annotated[
        bool, typer.Option("--quick", help="Without what takes long, and with wider intervals; kept apart.")
    ] = False,
    seasons: Seasons = None,
    stats: Stats = None,
) -> None:
    """What every modelling choice is worth, on validation, with 95% intervals; the test split is not read."""
    _, workspace = _open(seasons, stats)
    import pandas as pd

    from statmuse_pipeline.ablations.table import overview
    from statmuse_pipeline.defs.ablation import ablate as measure_choices

    folder = measure_choices(workspace, quick=quick)
    told = overview(pd.read_parquet(folder / "ablations.parquet")).drop(columns="changed")
    table = Table(title="Difference to what is released, on validation, mean over the stats", box=SIMPLE)
    for column in told:
        table.add_column(str(column), justify="left" if column in ("group", "name", "level") else "right")
    for row in told.itertuples(index=False):
        table.add_row(*(str(cell) for cell in row))
    console.print(table)
    for name in ("ablations.parquet", "ablations.md"):
        console.print(str(folder / name), soft_wrap=True)


@app.command()
def report() -> None:
    """Write the HTML report again from the last results."""
    instance, workspace = _open()
    from statmuse_pipeline.defs import pipeline

    pipeline.materialize(("report",), instance, workspace)
    console.print(f"Report: {workspace.reports / 'index.html'}", soft_wrap=True)


@app.command()
def predict(
    player: Annotated[str, typer.Argument(help="Name, id or key.")],
    stat: Annotated[str, typer.Argument(help="PTS, REB, AST, FG3M, STL, BLK, TOV or PRA.")],
    line: Annotated[float, typer.Argument(help="The bookmaker's line, such as 24.5.")],
    opponent: Annotated[str, typer.Option(help="The other team's abbreviation, such as BOS.")],
    date: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Day after the last game when left out.")
    ] = None,
    home: Annotated[bool, typer.Option("--home/--away", help="Whether the player's team is at home.")] = True,
    out: Annotated[
        str | None, typer.Option(help="Comma list of players known to be out; makes it a tip-off forecast.")
    ] = None,
) -> None:
    """P(over) of a player's stat in a game to be played, with the fair price."""
    _, workspace = _open(stats=stat)
    from statmuse_pipeline.betting.odds import fair_price
    from statmuse_pipeline.defs.lookup import next_day, one_player, one_team, team_of
    from statmuse_pipeline.defs.upcoming import Matchup, forecast_matchup

    _show_banner(workspace)
    chosen = one_player(workspace, player)
    teams = team_of(workspace, chosen.player_id), one_team(workspace, opponent)
    if teams[0] == teams[1]:
        raise PipelineError(f"{chosen.player_name} plays for {opponent.upper()}: name the other team.")
    day = date.date() if date else next_day(workspace)
    away = (
        [one_player(workspace, name.strip()).player_id for name in out.split(",") if name.strip()]
        if out is not None
        else None
    )
    matchup = Matchup(day, *(teams if home else teams[::-1]), away)
    forecasts = forecast_matchup(workspace, matchup, chosen.player_id)
    row, distribution = forecasts.frame.iloc[0], forecasts.distributions[workspace.stats[0]]
    over, push = float(distribution.over(line)[0]), float(distribution.push(line)[0])
    table = Table(
        title=f"{chosen.player_name}, {workspace.stats[0]}, {day}, {matchup.level} forecast, {row['model']} model"
    )
    for column in ("mean", "80% interval", "line", "P(over)", "P(push)", "fair price over", "fair price under"):
        table.add_column(column, justify="right")
    decided = max(1 - push, 1e-9)
    fair = [f"{float(fair_price(p / decided)):+.0f}" for p in (over, 1 - over - push)]
    table.add_row(
        f"{row['mean']:.2f}",
        f"{row['lo80']:.0f} to {row['hi80']:.0f}",
        f"{line:g}",
        f"{over:.3f}",
        f"{push:.3f}",
        *fair,
    )
    console.print(table)


@app.command()
def nightly() -> None:
    """What the schedule does every night: new games, grades, the players who played, tonight's forecasts."""
    _run_job("nightly")


@app.command()
def weekly() -> None:
    """What the schedule does every week: whole seasons, pooled models, tuning, everyone's models, metrics."""
    _run_job("weekly")


def _run_job(name: str) -> None:
    instance, workspace = _open()
    from statmuse_pipeline.defs.pipeline import run_job

    _show_banner(workspace)
    run_job(name, instance, workspace)
    console.print(f"Board: {workspace.reports / 'board.html'}", soft_wrap=True)


@app.command()
def slate(
    date: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Eastern day; the next one with games when left out.")
    ] = None,
    player: Annotated[str | None, typer.Option(help="Show only this player, with all his lines.")] = None,
    stats: Annotated[str | None, typer.Option(help="Show only these stats; all are forecast.")] = None,
    lines: Annotated[bool, typer.Option("--lines", help="Show every quoted line too.")] = False,
) -> None:
    """Forecast every player of the next games before tip-off, grade earlier nights, and write the board."""
    shown = _stats(stats)
    instance, workspace = _open()
    from statmuse_pipeline.defs import pipeline
    from statmuse_pipeline.defs.lookup import one_player
    from statmuse_pipeline.defs.slate import board_context, tonight
    from statmuse_pipeline.reports.board import game_views, only

    _show_banner(workspace)
    chosen = one_player(workspace, player) if player else None
    workspace.slate_day = date.date() if date else None
    pipeline.materialize(pipeline.NIGHT_ASSETS, instance, workspace)
    context = board_context(workspace, tonight(workspace))
    if context.games.empty:
        console.print(f"There is no game on {context.day}: nothing is forecast.")
        return
    if context.forecasts is None:
        raise PipelineError(f"The games of {context.day} have begun and nothing was forecast before: it stays missed.")
    if chosen is not None and chosen.player_id not in set(context.players["player_id"]):  # type: ignore[index]
        raise PipelineError(f"{chosen.player_name} plays no game on {context.day}.")
    for game in game_views(only(context, shown, chosen.player_id if chosen is not None else None)):
        _show_game(game, all_lines=lines or chosen is not None)
    stale = context.inputs.loc[context.inputs["stale"], ["input", "note"]]
    for row in stale.itertuples(index=False):
        console.print(f"Stale: {row.input} ({row.note})", style="yellow", markup=False)
    console.print(f"Board: {workspace.reports / 'board.html'}", soft_wrap=True)


def _show_game(game: GameView, *, all_lines: bool) -> None:
    """One game's tables, if there is something to show."""
    tables = [game.forecasts, *([game.quotes, game.averages] if all_lines else [])]
    for view in (view for view in tables if view is not None and view.rows):
        table = Table(title=f"{game.title}, {game.tipoff}: {view.caption}", box=SIMPLE, pad_edge=False)
        for label, right in view.headers:
            table.add_column(label, justify="right" if right else "left")
        for cells in view.rows:
            table.add_row(*(Text(f"{cell.text} ({cell.note})" if cell.note else cell.text) for cell in cells))
        console.print(table)
    if game.out:
        console.print(Text(f"Out: {game.out}"))


@app.command()
def dev(port: Annotated[int, typer.Option(help="Where the UI listens.")] = 3000) -> None:
    """Start the Dagster UI and daemon on this data folder."""
    try:
        _home(load_settings())
    except OSError as error:
        raise PipelineError(f"Cannot write the Dagster home: {error}.") from error
    dagster = Path(sys.executable).parent / "dagster"
    os.execv(dagster, [str(dagster), "dev", "-w", str(Path.cwd() / "workspace.yaml"), "-p", str(port)])


@app.command()
def archive(
    out: Annotated[Path, typer.Option(help="The archive's folder; seasons already in it and not written stay.")],
    seasons: Seasons = None,
) -> None:
    """Write the seasons that were fetched as archive files, for STATMUSE_ARCHIVE; asks no service."""
    _, workspace = _open(seasons)
    from statmuse_pipeline.defs.ingest import stored_season
    from statmuse_pipeline.sources.archive_writer import write_archive

    _show_banner(workspace)
    shelf = workspace.shelf
    wanted = [
        season for season in workspace.settings.seasons if seasons is not None or shelf.receipt(f"raw/{season}")
    ] or workspace.settings.seasons[:1]
    payloads = []
    for season in wanted:
        if shelf.require(f"raw/{season}", made_by="statmuse sync").facts["source"] == "demo":
            raise PipelineError("The demo league is not archived: as files it would pass for real game logs.")
        payloads.append(stored_season(workspace, season))
    for path in write_archive(out, payloads):
        console.print(str(path), soft_wrap=True)


@app.command()
def quotes(
    date: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Eastern day of the games; today when left out.")
    ] = None,
    at: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%dT%H:%M%z"], help="Quotes as they were then, such as 2025-01-15T22:00Z."),
    ] = None,
) -> None:
    """Fetch a day's player props from The Odds API (ODDS_API_KEY) and keep them for `market_quotes`."""
    _, workspace = _open()
    from statmuse_pipeline.defs.services import fetched_quotes, odds_api
    from statmuse_pipeline.sources.odds_api import EASTERN, fetch_quotes
    from statmuse_pipeline.sources.quote_files import store_quotes

    client = odds_api(workspace)
    day = date.date() if date else client.now().astimezone(EASTERN).date()
    fetched = fetch_quotes(client, day, at=at)
    console.print(f"{day}: {fetched.events} games, {len(fetched.quotes):,} quotes")
    for reason, entries in fetched.problems.groupby("reason")["entries"].sum().items():
        console.print(f"Left out: {entries:,} x {reason}", soft_wrap=True, markup=False)
    if client.quota.remaining is not None:
        console.print(f"Credits left: {client.quota.remaining:,}")
    for path in store_quotes(fetched_quotes(workspace), fetched.quotes):
        console.print(str(path), soft_wrap=True)
    if fetched.stopped:
        raise PipelineError(fetched.stopped)


def _summary(workspace: Workspace) -> None:
    """The table at the end of a run."""
    from statmuse_pipeline.defs.betting import HEADLINE, read_backtest
    from statmuse_pipeline.defs.evaluation import read_metrics
    from statmuse_pipeline.defs.reports import recorded_models

    models = recorded_models(workspace)
    own = models[models["failure"].isna()].groupby("stat")["player_key"].nunique()
    by_stat = read_backtest(workspace, "by_stat")
    table = Table(
        title="Test split at tip-off: errors relative to a moving average; Brier and ECE on the ladder",
        caption=f"ROI of {HEADLINE!r} on real quotes with its 95% interval",
        box=SIMPLE,
        pad_edge=False,
    )
    for column in ("stat", "players", "models", "RMSE ratio", "MAE ratio", "Brier", "ECE", "ROI"):
        table.add_column(column, justify="left" if column == "stat" else "right", no_wrap=True)
    for row in read_metrics(workspace, "summary").to_dict("records"):
        table.add_row(
            row["stat"],
            str(models["player_key"].nunique()),
            str(own.get(row["stat"], 0)),
            f"{row['rmse_ratio']:.3f}",
            f"{row['mae_ratio']:.3f}",
            f"{row['ladder_brier']:.4f}",
            f"{row['ladder_ece']:.4f}",
            _roi(by_stat, row["stat"]),
        )
    console.print(table)


def _roi(by_stat: pd.DataFrame, stat: str) -> str:
    from statmuse_pipeline.defs.betting import HEADLINE

    rows = by_stat[(by_stat["stat"] == stat) & (by_stat["strategy"] == HEADLINE) & (by_stat["staking"] == "flat")]
    if rows.empty:
        return "no quotes"
    row = rows.iloc[0]
    return f"{row['roi']:+.1%} ({100 * row['roi_low']:+.1f}, {100 * row['roi_high']:+.1f})"


def _gate(workspace: Workspace, passed: bool) -> None:
    from statmuse_pipeline.defs.evaluation import judge

    result = judge(workspace)
    for failure in result.failures:
        errors.print(f"Gate: {failure}", style="red")
    console.print("Gate passed." if result.passed else "Gate NOT passed.")
    if not passed:
        raise typer.Exit(NOT_PASSED)


def main(arguments: Any = None) -> None:
    """Entry point: one clear sentence for an error, and an exit code that scripts can rely on."""
    try:
        app(args=arguments, standalone_mode=True)
    except PipelineError as error:
        errors.print(f"Error: {error}", style="red", soft_wrap=True, markup=False, highlight=False)
        sys.exit(USAGE if str(error).startswith("Invalid settings") else FAILED)
    except KeyboardInterrupt:
        errors.print("Interrupted: what was complete is kept, and the next run goes on from there.")
        sys.exit(130)


if __name__ == "__main__":
    main()
