"""`statmuse`: every command materializes the same Dagster assets as the UI, in one process.

Exit codes: 0 done; 1 an error, told in one sentence; 2 wrong usage or settings; 3 verification or gate not passed.
"""

from __future__ import annotations

import os
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from statmuse_pipeline.console import (
    console,
    errors,
    show_ablations,
    show_backtest,
    show_banner,
    show_fetched,
    show_game,
    show_prediction,
    show_stale,
    show_summary,
    show_verification,
)
from statmuse_pipeline.dagster_home import prepare_home
from statmuse_pipeline.defs.session import MaxPlayers, Players, Seasons, Stats, chosen_stats, open_workspace
from statmuse_pipeline.domain import Combination, InformationLevel, PipelineError, stat_or_sum
from statmuse_pipeline.settings import load_settings

if TYPE_CHECKING:
    import dagster as dg

    from statmuse_pipeline.defs.resources import Workspace

FAILED, USAGE, NOT_PASSED = 1, 2, 3

app = typer.Typer(
    name="statmuse",
    help="NBA game logs to calibrated over/under probabilities. Nothing here promises profit.",
    epilog="Exit codes: 0 done, 1 error, 2 wrong usage or settings, 3 verification or gate not passed.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.command()
def run(
    players: Players = None,
    max_players: MaxPlayers = None,
    seasons: Seasons = None,
    stats: Stats = None,
    force: Annotated[bool, typer.Option("--force", help="Train again although nothing changed.")] = False,
) -> None:
    """The main job: game logs, features, models, forecasts, backtest, report."""
    instance, workspace = open_workspace(seasons, stats, players, max_players)
    from statmuse_pipeline.defs.pipeline import run_pipeline

    show_banner(workspace.choice.demo_banner)
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
    instance, workspace = open_workspace(seasons)
    show_banner(workspace.choice.demo_banner)
    sync_only(instance, workspace)


def _verification(workspace: Workspace) -> bool:
    from statmuse_pipeline.warehouse.read import verify as verify_warehouse

    report = verify_warehouse(workspace.engine)
    show_verification(report)
    return report.passed


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
    _, workspace = open_workspace()
    if not _verification(workspace):
        raise typer.Exit(NOT_PASSED)


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
    instance, workspace = open_workspace(seasons, stats, players, max_players)
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
    instance, workspace = open_workspace(seasons, stats)
    from statmuse_pipeline.defs import pipeline

    passed = pipeline.evaluate(instance, workspace)
    _summary(workspace)
    _gate(workspace, passed or not gate)


@app.command()
def backtest(seasons: Seasons = None) -> None:
    """The betting backtest on the test split, with placebos."""
    instance, workspace = open_workspace(seasons)
    from statmuse_pipeline.defs import pipeline
    from statmuse_pipeline.defs.betting import read_backtest

    pipeline.materialize(("test_forecasts", "backtest"), instance, workspace)
    show_backtest(read_backtest(workspace, "summary"))


@app.command()
def export(
    out: Annotated[Path, typer.Option(help="The folder to write to.")],
    level: Annotated[
        InformationLevel, typer.Option(help="Information level of the forecasts.")
    ] = InformationLevel.TIPOFF,
) -> None:
    """Write forecasts, ladder probabilities, quotes and bets of the test split as Parquet."""
    instance, workspace = open_workspace()
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
    _, workspace = open_workspace(seasons, stats)
    import pandas as pd

    from statmuse_pipeline.ablations.table import overview
    from statmuse_pipeline.defs.ablation import ablate as measure_choices

    folder = measure_choices(workspace, quick=quick)
    show_ablations(overview(pd.read_parquet(folder / "ablations.parquet")))
    for name in ("ablations.parquet", "ablations.md"):
        console.print(str(folder / name), soft_wrap=True)


@app.command()
def report() -> None:
    """Write the HTML report again from the last results."""
    instance, workspace = open_workspace()
    from statmuse_pipeline.defs import pipeline

    pipeline.materialize(("report",), instance, workspace)
    console.print(f"Report: {workspace.reports / 'index.html'}", soft_wrap=True)


@app.command()
def predict(
    player: Annotated[str, typer.Argument(help="Name, id or key.")],
    stat: Annotated[str, typer.Argument(help="PTS, REB, AST, FG3M, STL, BLK, TOV, PRA; PTS+REB, PTS+AST, REB+AST.")],
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
    """P(over) of a player's stat, or of a sum of stats, in a game to be played, with the fair price."""
    wanted = stat_or_sum(stat)
    _, workspace = open_workspace(stats=",".join(wanted.parts if isinstance(wanted, Combination) else (wanted,)))
    from statmuse_pipeline.defs.lookup import next_day, one_player, one_team, team_of
    from statmuse_pipeline.defs.upcoming import Matchup, forecast_matchup, forecast_of

    show_banner(workspace.choice.demo_banner)
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
    row, distribution = forecast_of(workspace, forecast_matchup(workspace, matchup, chosen.player_id), wanted)
    title = f"{chosen.player_name}, {wanted}, {day}, {matchup.level} forecast, {row['model']} model"
    show_prediction(title, row, distribution, line)


@app.command()
def nightly() -> None:
    """What the schedule does every night: new games, grades, the players who played, tonight's forecasts."""
    _run_job("nightly")


@app.command()
def weekly() -> None:
    """What the schedule does every week: whole seasons, pooled models, tuning, everyone's models, metrics."""
    _run_job("weekly")


def _run_job(name: str) -> None:
    instance, workspace = open_workspace()
    from statmuse_pipeline.defs.pipeline import run_job

    show_banner(workspace.choice.demo_banner)
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
    shown = chosen_stats(stats)
    instance, workspace = open_workspace()
    from statmuse_pipeline.defs import pipeline
    from statmuse_pipeline.defs.lookup import one_player
    from statmuse_pipeline.defs.slate import board_context, tonight
    from statmuse_pipeline.reports.board import game_views, only

    show_banner(workspace.choice.demo_banner)
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
        show_game(game, all_lines=lines or chosen is not None)
    show_stale(context.inputs)
    console.print(f"Board: {workspace.reports / 'board.html'}", soft_wrap=True)


@app.command()
def dev(port: Annotated[int, typer.Option(help="Where the UI listens.")] = 3000) -> None:
    """Start the Dagster UI and daemon on this data folder."""
    try:
        settings = load_settings()
        prepare_home(settings.data, settings.warehouse_url)
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
    _, workspace = open_workspace(seasons)
    from statmuse_pipeline.defs.ingest import stored_season
    from statmuse_pipeline.sources.archive_writer import write_archive

    show_banner(workspace.choice.demo_banner)
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
    combinations: Annotated[
        bool, typer.Option("--combinations", help="Sums of two stats too: 11 markets a game instead of 8.")
    ] = False,
) -> None:
    """Fetch a day's player props from The Odds API (ODDS_API_KEY) and keep them for `market_quotes`."""
    _, workspace = open_workspace()
    from statmuse_pipeline.defs.services import fetched_quotes, odds_api
    from statmuse_pipeline.sources.odds_api import COMBINED_MARKETS, EASTERN, PLAYER_MARKETS, fetch_quotes
    from statmuse_pipeline.sources.quote_files import store_quotes

    client = odds_api(workspace)
    day = date.date() if date else client.now().astimezone(EASTERN).date()
    markets = PLAYER_MARKETS + COMBINED_MARKETS if combinations else PLAYER_MARKETS
    fetched = fetch_quotes(client, day, at=at, markets=markets)
    show_fetched(fetched, day, client.quota.remaining)
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
    show_summary(read_metrics(workspace, "summary"), models["player_key"].nunique(), own, by_stat, HEADLINE)


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
