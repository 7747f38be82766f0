"""Quotes and injury statuses from services, as the assets meet them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
from typer.testing import CliRunner

from statmuse_pipeline.cli import app
from statmuse_pipeline.defs.betting import read_quotes
from statmuse_pipeline.defs.injuries import known_injuries, store_injuries
from statmuse_pipeline.defs.pipeline import INGEST_ASSETS, materialize
from statmuse_pipeline.defs.resources import Workspace
from statmuse_pipeline.defs.services import fetched_quotes, injuries, odds_api
from statmuse_pipeline.domain import PipelineError
from statmuse_pipeline.settings import load_settings
from statmuse_pipeline.sources.injury_reports import ArchiveInjuries, NbaInjuryReports, start_of
from statmuse_pipeline.sources.odds_api import COMBINED_MARKETS, PLAYER_MARKETS, fetch_quotes
from statmuse_pipeline.sources.quote_files import store_quotes
from statmuse_pipeline_tests.sources.injury_report_maker import Layout, injury_report
from statmuse_pipeline_tests.sources.local_http import Reply, listening
from statmuse_pipeline_tests.sources.odds_api_server import KEY, OddsServer, book, event, outcome, served_odds
from statmuse_pipeline_tests.warehouse.little_league import game_logs, schedule

SEASON = ("2023-24", "2023-24")
FIRST_DAY = dt.date(2023, 11, 1)


def workspace(folder: Path, **changes: object) -> Workspace:
    options = {
        "STATMUSE_SOURCE": "archive", "STATMUSE_ARCHIVE": folder / "archive", "STATMUSE_DATA": folder / "data",
        "SEASONS": "2023-24", "ODDS_API_KEY": KEY,
    }  # fmt: skip
    return Workspace(settings=load_settings(**{**options, **changes}))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An archive with the little league: Atlanta against Boston on 1 November, 7 pm Eastern."""
    for kind, frame in (("game_logs", game_logs()), ("schedule", schedule())):
        (tmp_path / "archive" / kind).mkdir(parents=True)
        frame.to_parquet(tmp_path / "archive" / kind / "2023-24.parquet")
    return tmp_path


def over_under(player: str, line: float, over: int) -> list[dict[str, object]]:
    return [outcome("Over", player, line, over), outcome("Under", player, line, -110)]


def test_fetched_quotes_are_resolved_beside_the_archive_s(folder: Path) -> None:
    instance, place = dg.DagsterInstance.ephemeral(), workspace(folder)
    materialize(INGEST_ASSETS, instance, place, SEASON)
    materialize(("market_quotes",), instance, place, SEASON)
    assert read_quotes(place).empty
    books = book(
        "fanduel",
        player_points=[*over_under("Bruno Ackerman", 9.5, -115), *over_under("Nobody Atall", 9.5, 100)],
        player_rebounds_assists=over_under("Bruno Ackerman", 6.5, -105),
    )
    server = OddsServer([event("Atlanta Hawks", "Boston Celtics", "2023-11-01T23:10:00Z", books)])
    with served_odds(server) as url:
        place = workspace(folder, ODDS_API_URL=url)
        client = odds_api(place)
        client.now = lambda: dt.datetime(2023, 11, 1, 20, tzinfo=dt.UTC)
        fetched = fetch_quotes(client, FIRST_DAY, markets=PLAYER_MARKETS + COMBINED_MARKETS)
        store_quotes(fetched_quotes(place), fetched.quotes)
    materialize(("market_quotes",), instance, place, SEASON)
    quotes = read_quotes(place)
    # Quotes of sums lie beside those that are bet on.
    assert read_quotes(place, "combinations")[["player_id", "stat", "line"]].to_numpy().tolist() == [
        [12, "REB+AST", 6.5]
    ]
    shown = ["player_id", "stat", "bookmaker", "line", "over_price", "quote_set", "level"]
    assert quotes[shown].to_numpy().tolist() == [
        [12, "PTS", "fanduel", 9.5, -115.0, "odds_api_2023-24", "pregame"]
    ]  # fmt: skip
    assert quotes["captured_at"].tolist() == [pd.Timestamp("2023-11-01 20:00", tz="UTC")]
    assert read_quotes(place, "unresolved")["player_name"].tolist() == ["Nobody Atall"]
    assert KEY not in "".join(str(path) for path in place.settings.data.rglob("*"))


def test_the_reserve_and_the_bookmakers_of_the_settings_hold(folder: Path) -> None:
    client = odds_api(workspace(folder, ODDS_API_RESERVE="75", ODDS_API_BOOKMAKERS="fanduel,betmgm"))
    assert (client.key, client.reserve, client.where()) == (KEY, 75, {"bookmakers": "fanduel,betmgm"})
    assert KEY not in repr(client)


def test_injury_statuses_come_from_where_the_game_logs_do(folder: Path) -> None:
    assert injuries(workspace(folder)) is None
    columns = ["date", "team", "acquired", "relinquished", "notes"]
    pd.DataFrame({name: pd.Series(dtype="str") for name in columns}).to_parquet(folder / "archive" / "injuries.parquet")
    assert isinstance(injuries(workspace(folder)), ArchiveInjuries)
    live = injuries(workspace(folder, STATMUSE_SOURCE="nba_api", INJURY_REPORT_URL="http://127.0.0.1:9/injury"))
    assert isinstance(live, NbaInjuryReports)
    assert live.client.base_url == "http://127.0.0.1:9/injury"
    assert live.client.store is not None
    assert injuries(workspace(folder, STATMUSE_SOURCE="demo")) is None


def test_a_day_s_injuries_become_ids_and_are_kept_for_the_night(folder: Path) -> None:
    instance = dg.DagsterInstance.ephemeral()
    place = workspace(folder)
    materialize(INGEST_ASSETS, instance, place, SEASON)
    day, game = dt.date(2023, 11, 7), ("11/07/2023", "07:00 (ET)", "ATL@BOS")
    rows = [
        (*game, "Atlanta Hawks", "Ackerman, Bruno", "Out", "Injury/Illness - Left Ankle; Sprain"),
        (*game, "Atlanta Hawks", "Atall, Nobody", "Out", "G League - Two-Way"),
        ("11/08/2023", "07:00 (ET)", "CHI@LAC", "Chicago Bulls", "Castellano, Aaron", "Doubtful", "Rest"),
    ]
    report = injury_report(rows, Layout(title="Injury Report: 11/07/23 05:30 PM"))
    moment = dt.datetime(2023, 11, 7, 22, 40, tzinfo=dt.UTC)
    published = "/Injury-Report_2023-11-07_05PM.pdf"
    with listening(lambda request: Reply(report) if request.path == published else Reply("", 403)) as url:
        live = workspace(folder, STATMUSE_SOURCE="nba_api", INJURY_REPORT_URL=url)
        known = known_injuries(live, day, moment)
    assert known is not None
    assert known.statuses[["player_id", "team_id", "status", "method"]].to_numpy().tolist() == [[12, 1, "Out", "exact"]]
    assert known.unresolved["player_name"].tolist() == ["Atall, Nobody"]
    assert known.reports is not None
    assert sorted(known.reports["team_id"]) == [1, 2], "Boston's report names nobody"
    kept = store_injuries(live, day, known)
    assert kept == live.shelf.folder("injuries/2023-11-07")
    back = pd.read_parquet(kept / "injuries.parquet")
    assert (back["reported_at"] == pd.Timestamp("2023-11-07 22:30", tz="UTC")).all()
    assert known_injuries(workspace(folder, STATMUSE_SOURCE="demo"), day, moment) is None


def test_of_the_archive_s_transactions_who_has_played_since_is_no_longer_out(folder: Path) -> None:
    instance = dg.DagsterInstance.ephemeral()
    gone = [("2023-11-03", "Hawks", None, "Bruno Ackerman", "sprained ankle (DTD)"),
            ("2023-11-03", "Clippers", None, "Bruno Drummondson", "torn ACL (out for season)")]  # fmt: skip
    written = pd.DataFrame(gone, columns=["date", "team", "acquired", "relinquished", "notes"])
    written.assign(date=pd.to_datetime(written["date"])).to_parquet(folder / "archive" / "injuries.parquet")
    logs = game_logs()
    logs = logs[~((logs["PLAYER_NAME"] == "Bruno Drummondson") & (logs["GAME_DATE"] > "2023-11-03"))]
    logs.to_parquet(folder / "archive" / "game_logs" / "2023-24.parquet")
    place = workspace(folder)
    materialize(INGEST_ASSETS, instance, place, SEASON)
    for day, players in ((dt.date(2023, 11, 4), [12, 42]), (dt.date(2023, 11, 6), [42])):
        known = known_injuries(place, day, start_of(day))
        assert known is not None
        assert sorted(known.statuses["player_id"]) == players
        assert known.reports is None


def test_the_command_fetches_keeps_and_tells_what_was_left_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    books = book("fanduel", player_points=[*over_under("Bruno Ackerman", 9.5, -115), *over_under("A", 9.5, 0)])
    games = [
        event(home, "Boston Celtics", "2023-11-01T23:10:00Z", books) for home in ("Atlanta Hawks", "Chicago Bulls")
    ]
    server = OddsServer(games, credits=161)
    with served_odds(server) as url:
        told = {
            "STATMUSE_DATA": str(folder / "data"), "DAGSTER_HOME": str(folder / "home"), "ODDS_API_URL": url,
            "ODDS_API_KEY": KEY, "STATMUSE_SOURCE": "demo", "ODDS_API_RESERVE": "0",
        }  # fmt: skip
        (folder / "home").mkdir()
        for name, value in told.items():
            monkeypatch.setenv(name, value)
        asked = ["quotes", "--date", "2023-11-01", "--at", "2023-11-01T20:00Z"]
        done = CliRunner().invoke(app, asked)
        assert done.exit_code == 0, done.output
        assert "2023-11-01: 2 games, 4 quotes" in done.output
        assert "Left out: 2 x no American price" in done.output
        assert "Credits left: 0" in done.output
        assert len(list((folder / "data" / "fetched_quotes" / "2023-24").glob("2023-11-01-*.parquet"))) == 1
        stopped = CliRunner().invoke(app, [*asked[:4], "2023-11-01T21:00Z"])
    assert isinstance(stopped.exception, PipelineError)
    assert "no credits left for the games of 2023-11-01" in str(stopped.exception)
    assert KEY not in done.output + stopped.output
