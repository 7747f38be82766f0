"""From stats.nba.com over real HTTP into a SQLite warehouse: the right rows, or an error and the rows of before."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

from statmuse_pipeline.domain import PipelineError
from statmuse_pipeline.sources.archive import ArchiveSource
from statmuse_pipeline.sources.archive_writer import write_archive
from statmuse_pipeline.sources.circuit_breaker import CircuitBreaker
from statmuse_pipeline.sources.increment import IncompleteSeason, merge_increment
from statmuse_pipeline.sources.raw_store import RawStore
from statmuse_pipeline.sources.source import SeasonPayload, SourceError
from statmuse_pipeline.sources.stats_nba import StatsNbaSource
from statmuse_pipeline.sources.stats_nba_client import RequestsStopped, StatsNbaClient
from statmuse_pipeline.sources.stats_nba_logs import team_game_logs
from statmuse_pipeline.warehouse.engine import open_warehouse
from statmuse_pipeline.warehouse.load import LoadReport, load_season
from statmuse_pipeline.warehouse.read import games as games_of
from statmuse_pipeline.warehouse.read import player_games
from statmuse_pipeline_tests.sources.stats_nba_server import Reply, StatsServer, served

SEASON = "2023-24"
LAST_DAY = dt.date(2023, 10, 29)
DAY_BEFORE = dt.date(2023, 10, 28)
NOW = dt.datetime(2023, 10, 30, 12, tzinfo=dt.UTC)
LUKA = 1629029


@pytest.fixture(scope="module")
def first_week(archive: Path) -> SeasonPayload:
    """The first days of a real season, as the archive has them."""
    whole = ArchiveSource(archive).fetch(SEASON)
    logs = whole.game_logs[whole.game_logs["GAME_DATE"] <= LAST_DAY.isoformat()].reset_index(drop=True)
    schedule = whole.schedule[whole.schedule["GAME_DATE"] <= "2023-11-03"].reset_index(drop=True)
    return SeasonPayload(SEASON, logs, schedule, whole.players, "archive", None, "")


@pytest.fixture
def league(first_week: SeasonPayload) -> Iterator[tuple[StatsServer, str]]:
    with served(StatsServer.of(first_week)) as running:
        running[0].until = LAST_DAY
        yield running


@pytest.fixture
def engine(tmp_path: Path) -> sa.Engine:
    return open_warehouse(f"sqlite:///{tmp_path / 'warehouse.db'}")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory, first_week: SeasonPayload) -> sa.Engine:
    """A warehouse that holds the first days; for tests that must not change it."""
    engine = open_warehouse(f"sqlite:///{tmp_path_factory.mktemp('loaded') / 'warehouse.db'}")
    load(engine, first_week)
    return engine


def client(base_url: str, **options: Any) -> StatsNbaClient:
    defaults: dict[str, Any] = {
        "pause": 0.0, "first_wait": 0.01, "timeout": (1.0, 1.0), "attempts": 2, "now": lambda: NOW,
        "base_url": base_url, "breaker": CircuitBreaker(50),
    }  # fmt: skip
    return StatsNbaClient(**{**defaults, **options})


def load(engine: sa.Engine, payload: SeasonPayload) -> LoadReport:
    assert payload.complete
    return load_season(
        engine,
        source="nba_api",
        season=payload.season,
        game_logs=payload.game_logs,
        schedule=payload.schedule,
        players=payload.players,
        origin=payload.origin,
        fetched_at=payload.fetched_at,
        sha256=payload.sha256,
    )


def content(engine: sa.Engine) -> dict[str, list[Any]]:
    """Every row of every table, in a fixed order."""
    with engine.connect() as connection:
        names = [name for name in sa.inspect(connection).get_table_names() if name != "alembic_version"]
        return {name: sorted(map(repr, connection.execute(sa.text(f"SELECT * FROM {name}")))) for name in names}


def test_a_normal_night_adds_its_rows_and_nothing_else(
    league: tuple[StatsServer, str], engine: sa.Engine, first_week: SeasonPayload
) -> None:
    server, url = league
    server.until = DAY_BEFORE
    before = StatsNbaSource(client(url)).fetch(SEASON)
    load(engine, before)
    server.until = LAST_DAY
    report = load(engine, StatsNbaSource(client(url)).fetch(SEASON))
    night = first_week.game_logs["GAME_DATE"] == LAST_DAY.isoformat()
    assert (report.inserted, report.updated, report.removed) == (int(night.sum()), 0, 0)
    rows = player_games(engine)
    assert len(rows) == len(first_week.game_logs)
    assert rows["pts"].sum() == first_week.game_logs["PTS"].sum()
    assert games_of(engine)["tipoff_utc"].notna().all()


def test_an_increment_merged_into_the_day_before_equals_the_whole_season(league: tuple[StatsServer, str]) -> None:
    server, url = league
    source = StatsNbaSource(client(url))
    server.until = DAY_BEFORE
    before = source.fetch(SEASON)
    server.until = LAST_DAY
    increment = source.fetch(SEASON, since=DAY_BEFORE)
    assert not increment.complete
    assert increment.game_logs["GAME_DATE"].min() == DAY_BEFORE.isoformat()
    merged, whole = merge_increment(before, increment), source.fetch(SEASON)
    assert merged.complete
    keys = ["GAME_ID", "PLAYER_ID"]
    pd.testing.assert_frame_equal(
        merged.game_logs.sort_values(keys, ignore_index=True), whole.game_logs.sort_values(keys, ignore_index=True)
    )
    pd.testing.assert_frame_equal(merged.schedule, whole.schedule.sort_values("GAME_ID", ignore_index=True))
    pd.testing.assert_frame_equal(merged.players, whole.players)
    assert merged.sha256 == whole.sha256


def changed_columns(server: StatsServer) -> None:
    server.logs = server.logs.rename(columns={"PLUS_MINUS": "PLUSMINUS"})


def emptied(server: StatsServer) -> None:
    server.logs = server.logs.iloc[:0]


def doubled(server: StatsServer) -> None:
    server.logs = pd.concat([server.logs, server.logs])


def always(*replies: Reply) -> Callable[[StatsServer], None]:
    def script(server: StatsServer) -> None:
        server.script["leaguegamelog"] = list(replies) * 10

    return script


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        (always(Reply(delay=0.6)), "did not answer"),
        (always(Reply("slow down", 429, {"Retry-After": "3600"})), "HTTP 429, Retry-After 3600 s"),
        (always(Reply("slow down", 429, {"Retry-After": "0"})), "HTTP 429"),
        (always(Reply("broken", 500), Reply("broken", 503)), "HTTP 50"),
        (always(Reply("<html>Access Denied</html>")), "web page instead of data"),
        (always(Reply('{"resultSets": [{"name": "LeagueGameLog", "headers": ["SEAS')), "cut off"),
        (changed_columns, "lacks the columns PLUS_MINUS"),
        (emptied, "no regular-season games"),
        (doubled, "the same player and game twice: a copy"),
    ],
    ids=["slow", "429 an hour", "429", "500s", "page", "cut", "columns", "empty", "all doubled"],
)
def test_a_failed_season_leaves_the_warehouse_as_it_was(
    league: tuple[StatsServer, str], loaded: sa.Engine, trouble: Callable[[StatsServer], None], told: str
) -> None:
    server, url = league
    before = content(loaded)
    assert len(before["player_stats"]) == len(server.logs)
    trouble(server)
    with pytest.raises(PipelineError, match=told):
        load(loaded, StatsNbaSource(client(url, timeout=(0.4, 0.4))).fetch(SEASON))
    assert content(loaded) == before


@pytest.mark.parametrize(
    "stumble",
    [Reply("busy", 429, {"Retry-After": "1"}), Reply("broken", 500), Reply('{"resultSets": ['), Reply(delay=0.6)],
    ids=["429", "500", "cut", "slow"],
)
def test_a_stumble_costs_a_second_request_and_no_row(
    league: tuple[StatsServer, str], first_week: SeasonPayload, stumble: Reply
) -> None:
    server, url = league
    server.script["leaguegamelog"] = [stumble]
    received = StatsNbaSource(client(url, timeout=(0.4, 0.4))).fetch(SEASON)
    pd.testing.assert_frame_equal(received.game_logs, first_week.game_logs)
    assert len(server.asked("leaguegamelog")) == 2


def test_a_few_doubled_rows_are_quarantined_and_every_game_is_right(
    league: tuple[StatsServer, str], engine: sa.Engine, first_week: SeasonPayload
) -> None:
    server, url = league
    server.logs = pd.concat([server.logs, server.logs.iloc[:3]])
    report = load(engine, StatsNbaSource(client(url)).fetch(SEASON))
    assert (report.rows, report.quarantined) == (len(first_week.game_logs), 3)


def test_a_box_score_corrected_the_next_day_changes_that_row_alone(
    league: tuple[StatsServer, str], engine: sa.Engine
) -> None:
    server, url = league
    source = StatsNbaSource(client(url))
    fingerprint = source.fingerprint(SEASON)
    previous = source.fetch(SEASON)
    load(engine, previous)
    row = server.logs[server.logs["GAME_DATE"] == DAY_BEFORE.isoformat()].index[0]
    server.logs.loc[row, "AST"] += 1
    assert source.fingerprint(SEASON) != fingerprint
    report = load(engine, merge_increment(previous, source.fetch(SEASON, since=DAY_BEFORE)))
    assert (report.inserted, report.updated, report.removed) == (0, 1, 0)
    corrected = server.logs.loc[row]
    rows = player_games(engine).set_index(["game_id", "player_id"])
    assert rows.loc[(corrected["GAME_ID"], corrected["PLAYER_ID"]), "ast"] == corrected["AST"]


def test_a_postponed_game_has_no_rows_and_later_stands_under_its_new_day(
    league: tuple[StatsServer, str], engine: sa.Engine
) -> None:
    server, url = league
    source = StatsNbaSource(client(url))
    game = server.logs.loc[server.logs["GAME_DATE"] == DAY_BEFORE.isoformat(), "GAME_ID"].iloc[0]
    played, rows = server.logs.copy(), server.logs["GAME_ID"] == game
    server.logs = server.logs[~rows].reset_index(drop=True)
    (listed,) = [each for each in server.schedule if each["gameId"] == game]
    listed["gameStatusText"] = "PPD"
    previous = source.fetch(SEASON)
    load(engine, previous)
    assert game not in set(player_games(engine)["game_id"])
    moved = {**listed, "gameStatusText": "7:00 pm ET", "gameDateEst": f"{LAST_DAY}T00:00:00Z"}
    server.schedule.append({**moved, "gameDateTimeUTC": "2023-10-29T23:00:00Z"})
    server.logs = played
    server.logs.loc[rows, "GAME_DATE"] = LAST_DAY.isoformat()
    merged = merge_increment(previous, source.fetch(SEASON, since=LAST_DAY))
    report = load(engine, merged)
    assert (report.inserted, report.quarantined) == (int(rows.sum()), 0)
    stored = games_of(engine).set_index("game_id").loc[game]
    assert stored["game_date"] == pd.Timestamp(LAST_DAY)
    assert stored["tipoff_utc"] == pd.Timestamp("2023-10-29 23:00", tz="UTC")


def test_single_players_are_fetched_most_needed_first_up_to_the_limit(
    league: tuple[StatsServer, str], engine: sa.Engine
) -> None:
    server, url = league
    needed = [LUKA, *server.logs["PLAYER_ID"].unique()[:5]]
    source = StatsNbaSource(client(url), needed_players=lambda: needed, fallback_limit=3)
    previous = source.fetch(SEASON)
    load(engine, previous)
    luka = server.logs[server.logs["PLAYER_ID"] == LUKA].index[0]
    other = server.logs[server.logs["PLAYER_ID"] == needed[5]].index[0]
    server.logs.loc[[luka, other], "AST"] += 2
    server.script["leaguegamelog"] = [Reply("broken", 500)] * 2
    part = source.fetch(SEASON)
    assert [int(query["PlayerID"]) for query in server.asked("playergamelogs")] == needed[:3]
    assert not part.complete
    assert part.player_ids == tuple(needed[:3])
    report = load(engine, merge_increment(previous, part))
    assert (report.updated, report.inserted, report.removed, report.quarantined) == (1, 0, 0, 0)
    assert report.rows == len(server.logs)


def test_single_players_of_a_new_game_wait_in_quarantine_until_the_whole_game_comes(
    league: tuple[StatsServer, str], engine: sa.Engine
) -> None:
    server, url = league
    tonight = server.logs[server.logs["GAME_DATE"] == LAST_DAY.isoformat()]
    needed = [int(player) for player in tonight["PLAYER_ID"].iloc[:3]]
    source = StatsNbaSource(client(url), needed_players=lambda: needed)
    server.until = DAY_BEFORE
    previous = source.fetch(SEASON)
    known = load(engine, previous).rows
    server.until = LAST_DAY
    server.script["leaguegamelog"] = [Reply("broken", 500)] * 2
    report = load(engine, merge_increment(previous, source.fetch(SEASON, since=LAST_DAY)))
    assert (report.rows, report.removed, report.quarantined) == (known, 0, 3)
    report = load(engine, source.fetch(SEASON))
    assert (report.rows, report.inserted, report.quarantined) == (len(server.logs), len(tonight), 0)


def test_a_part_without_anything_to_add_it_to_is_refused(league: tuple[StatsServer, str]) -> None:
    server, url = league
    server.script["leaguegamelog"] = [Reply("broken", 500)] * 2
    part = StatsNbaSource(client(url), needed_players=lambda: [LUKA]).fetch(SEASON)
    with pytest.raises(IncompleteSeason, match=r"gave only 1 single players .*fetch the whole season 2023-24 first"):
        merge_increment(None, part)


def test_an_empty_increment_does_not_wipe_out_known_games(league: tuple[StatsServer, str]) -> None:
    server, url = league
    source = StatsNbaSource(client(url))
    previous = source.fetch(SEASON)
    server.logs = server.logs.iloc[:0]
    with pytest.raises(IncompleteSeason, match="no games at all for all players since 2023-10-29"):
        merge_increment(previous, source.fetch(SEASON, since=LAST_DAY))
    nothing_new = merge_increment(previous, source.fetch(SEASON, since=dt.date(2023, 10, 31)))
    pd.testing.assert_frame_equal(nothing_new.game_logs, previous.game_logs)


@pytest.mark.parametrize("needed", [[], [LUKA]], ids=["nobody", "failing too"])
def test_without_any_single_player_the_season_s_own_failure_is_told(
    league: tuple[StatsServer, str], needed: list[int]
) -> None:
    server, url = league
    server.script = {name: [Reply("broken", 500)] * 9 for name in ("leaguegamelog", "playergamelogs")}
    with pytest.raises(SourceError, match=r"refused leaguegamelog of 2023-24 \(HTTP 500\)"):
        StatsNbaSource(client(url), needed_players=lambda: needed).fetch(SEASON)
    assert len(server.asked("playergamelogs")) == 2 * len(needed)


def test_a_blocked_address_is_not_asked_for_single_players(league: tuple[StatsServer, str]) -> None:
    server, url = league
    server.script["leaguegamelog"] = [Reply("no", 403)]
    with pytest.raises(SourceError, match="HTTP 403"):
        StatsNbaSource(client(url), needed_players=lambda: [LUKA]).fetch(SEASON)
    assert not server.asked("playergamelogs")


def test_after_failures_in_a_row_no_request_is_made_until_the_cool_down_is_over(
    league: tuple[StatsServer, str],
) -> None:
    server, url = league
    present = [0.0]
    breaker = CircuitBreaker(failures=3, cool_down=60.0, clock=lambda: present[0])
    needed = [int(player) for player in server.logs["PLAYER_ID"].unique()[:20]]
    source = StatsNbaSource(client(url, breaker=breaker), needed_players=lambda: needed, fallback_limit=20)
    server.script = {name: [Reply("broken", 500)] * 99 for name in ("leaguegamelog", "playergamelogs")}
    with pytest.raises(SourceError, match="HTTP 500"):
        source.fetch(SEASON)
    assert len(server.requests) == 3
    with pytest.raises(RequestsStopped, match=r"failed 3 times in a row, so leaguegamelog was not asked for: .* 60 s"):
        source.fetch(SEASON)
    assert len(server.requests) == 3
    server.script.clear()
    present[0] = 61.0
    assert source.fetch(SEASON).complete


def test_a_rerun_from_the_raw_store_needs_no_request(league: tuple[StatsServer, str], tmp_path: Path) -> None:
    server, url = league
    store = RawStore(tmp_path / "raw_responses")
    server.script["leaguegamelog"] = [Reply("broken", 500), Reply('{"resultSets": [')]
    first = StatsNbaSource(client(url, store=store, attempts=3)).fetch(SEASON)
    made = len(server.requests)
    later = client("http://127.0.0.1:9/{endpoint}", store=store, replay=True, now=lambda: NOW + dt.timedelta(days=1))
    again = StatsNbaSource(later).fetch(SEASON)
    assert len(server.requests) == made
    assert (again.sha256, again.fetched_at, again.origin) == (first.sha256, first.fetched_at, first.origin)
    pd.testing.assert_frame_equal(again.game_logs, first.game_logs)
    kinds = {file.name.split(".", 1)[1] for file in store.root.glob(f"leaguegamelog/{SEASON}/*/2*")}
    assert kinds == {"json.gz", "http-500.gz", "unusable.gz"}
    with pytest.raises(SourceError, match="No stored answer to leaguegamelog of 2022-23"):
        StatsNbaSource(later).fetch("2022-23")


def test_nights_of_single_players_are_restored_from_the_raw_store_too(
    league: tuple[StatsServer, str], tmp_path: Path
) -> None:
    server, url = league
    store, moments = RawStore(tmp_path / "responses"), (NOW + dt.timedelta(seconds=second) for second in range(1000))
    tonight = server.logs[server.logs["GAME_DATE"] == LAST_DAY.isoformat()]
    needed = [int(player) for player in tonight["PLAYER_ID"].iloc[:3]]
    asking = client(url, store=store, now=lambda: next(moments))
    source = StatsNbaSource(asking, needed_players=lambda: needed)

    def restored() -> SeasonPayload:
        made = len(server.requests)
        replaying = client("http://127.0.0.1:9/{endpoint}", store=store, replay=True)
        payload = StatsNbaSource(replaying).fetch(SEASON)
        assert len(server.requests) == made
        return payload

    server.until = DAY_BEFORE
    known = source.fetch(SEASON)
    server.until = LAST_DAY
    for _ in range(2):
        server.script["leaguegamelog"] = [Reply("broken", 500)] * 2
        known = merge_increment(known, source.increment(known, LAST_DAY))
        assert set(known.game_logs.loc[known.game_logs["GAME_DATE"] == LAST_DAY.isoformat(), "PLAYER_ID"]) == set(
            needed
        )
        assert restored().sha256 == known.sha256
        # The next morning a box score is corrected.
        server.logs.loc[tonight.index[0], "AST"] += 1
    known = merge_increment(known, source.increment(known, LAST_DAY))
    assert len(known.game_logs) == len(server.logs)
    again = restored()
    pd.testing.assert_frame_equal(again.game_logs, known.game_logs)
    assert again.sha256 == known.sha256


def test_an_answer_in_a_new_format_is_kept_for_the_day_the_program_follows(
    league: tuple[StatsServer, str], tmp_path: Path
) -> None:
    server, url = league
    changed_columns(server)
    store = RawStore(tmp_path)
    with pytest.raises(SourceError, match="format has changed"):
        StatsNbaSource(client(url, store=store)).fetch(SEASON)
    (request,) = store.root.glob(f"leaguegamelog/{SEASON}/*/request.json")
    stored = store.latest("leaguegamelog", SEASON, json.loads(request.read_text())["parameters"])
    assert stored is not None
    assert "PLUSMINUS" in stored.text


def test_what_was_fetched_reads_back_equal_from_the_archive_it_was_written_to(
    league: tuple[StatsServer, str], tmp_path: Path
) -> None:
    _, url = league
    fetched = StatsNbaSource(client(url)).fetch(SEASON)
    assert not fetched.players.empty
    write_archive(tmp_path, [fetched])
    back = ArchiveSource(tmp_path).fetch(SEASON)
    for name in ("game_logs", "schedule", "players"):
        pd.testing.assert_frame_equal(getattr(back, name), getattr(fetched, name))
    assert back.sha256 == fetched.sha256


def test_team_rows_agree_with_the_players_rows(league: tuple[StatsServer, str], first_week: SeasonPayload) -> None:
    _, url = league
    teams = team_game_logs(client(url), SEASON, DAY_BEFORE).content
    players = first_week.game_logs[first_week.game_logs["GAME_DATE"] >= DAY_BEFORE.isoformat()]
    expected = players.groupby(["GAME_ID", "TEAM_ID"])["PTS"].sum()
    pd.testing.assert_series_equal(teams.set_index(["GAME_ID", "TEAM_ID"])["PTS"].sort_index(), expected)
