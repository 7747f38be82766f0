"""Quotes from The Odds API over real HTTP: the right rows, or one clear error, and never the key."""

from __future__ import annotations

import datetime as dt
import gzip
import logging
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from statmuse_pipeline.contracts import QUOTES_RAW, check
from statmuse_pipeline.sources.circuit_breaker import CircuitBreaker
from statmuse_pipeline.sources.odds_api import COMBINED_MARKETS, PLAYER_MARKETS, fetch_quotes
from statmuse_pipeline.sources.odds_api_client import CreditsReserved, KeyRefused, OddsApiClient, Quota
from statmuse_pipeline.sources.quote_files import QuoteFiles, store_quotes
from statmuse_pipeline.sources.raw_store import RawStore
from statmuse_pipeline.sources.service_client import NotThere, RequestsStopped
from statmuse_pipeline.sources.source import SourceError
from statmuse_pipeline.warehouse import names
from statmuse_pipeline.warehouse.names import MARKETS
from statmuse_pipeline_tests.sources.local_http import Reply
from statmuse_pipeline_tests.sources.odds_api_server import (
    KEY,
    SNAPSHOT,
    OddsServer,
    book,
    error,
    event,
    outcome,
    served_odds,
)

DAY = dt.date(2024, 3, 4)
NOON = dt.datetime(2024, 3, 4, 17, tzinfo=dt.UTC)
LATE = dt.datetime(2024, 3, 6, tzinfo=dt.UTC)
PAIR = [outcome("Over", "Trae Young", 25.5, -110), outcome("Under", "Trae Young", 25.5, -120)]


def little_day() -> OddsServer:
    """Two games; the second begins at 10:30 pm Eastern, the next day in UTC."""
    return OddsServer(
        [
            event("Utah Jazz", "Washington Wizards", "2024-03-05T03:30:00Z", book("fanduel", player_points=PAIR)),
            event(
                "Boston Celtics", "Atlanta Hawks", "2024-03-05T00:10:00Z",
                book("draftkings", player_points=PAIR, player_assists=PAIR), book("fanduel", player_threes=PAIR),
            ),
            event("Miami Heat", "Denver Nuggets", "2024-03-06T00:40:00Z", book("fanduel", player_points=PAIR)),
        ]
    )  # fmt: skip


@pytest.fixture
def server() -> Iterator[tuple[OddsServer, str]]:
    script = little_day()
    with served_odds(script) as url:
        yield script, url


def client(url: str, **options: Any) -> OddsApiClient:
    defaults: dict[str, Any] = {
        "key": KEY, "base_url": url, "pause": 0.0, "first_wait": 0.01, "timeout": (1.0, 0.4), "attempts": 2,
        "now": lambda: NOON, "breaker": CircuitBreaker(50),
    }  # fmt: skip
    return OddsApiClient(**{**defaults, **options})


def test_every_market_that_is_forecast_is_asked_for() -> None:
    assert set(PLAYER_MARKETS) == set(MARKETS)
    assert set(COMBINED_MARKETS) == set(names.COMBINED_MARKETS)


def test_a_normal_day_gives_over_and_under_side_by_side(server: tuple[OddsServer, str]) -> None:
    script, url = server
    fetched = fetch_quotes(client(url), DAY)
    quotes = check(QUOTES_RAW, fetched.quotes)
    assert (len(quotes), fetched.events, fetched.stopped) == (4, 2, None)
    assert fetched.problems.empty
    assert quotes.iloc[0].to_dict() == {
        "captured_at": pd.Timestamp(NOON), "commence_time": pd.Timestamp("2024-03-05 00:10", tz="UTC"),
        "game_date": pd.Timestamp(DAY), "home_team": "Boston Celtics", "away_team": "Atlanta Hawks",
        "bookmaker": "draftkings", "player_name": "Trae Young", "market": "player_points", "line": 25.5,
        "over_price": -110.0, "under_price": -120.0, "quote_set": "odds_api_2023-24",
    }  # fmt: skip
    assert (quotes["game_date"] == pd.Timestamp(DAY)).all()
    (listing,) = script.asked("events")
    assert listing.query["commenceTimeFrom"] == "2024-03-04T05:00:00Z"
    assert listing.query["commenceTimeTo"] == "2024-03-05T05:00:00Z"
    assert {request.query["regions"] for request in script.asked("odds")} == {"us"}


def test_the_day_s_real_quotes_arrive_as_the_archive_has_them(archive: Path) -> None:
    real = QuoteFiles(archive).read(["2023-24"])
    eastern = real["commence_time"].dt.tz_convert("America/New_York").dt.strftime("%Y-%m-%d")
    of_day = (real["quote_set"] == "all_markets_2024-02-29_2024-05-24") & (eastern == DAY.isoformat())
    real = real[of_day & real["market"].isin(PLAYER_MARKETS)]
    assert len(real) > 2_000
    with served_odds(OddsServer.of(real)) as url:
        fetched = fetch_quotes(client(url, timeout=(2.0, 10.0)), DAY)
    assert fetched.events == 6
    assert fetched.problems.empty
    same = ["commence_time", "home_team", "away_team", "bookmaker", "player_name", "market", "line",
            "over_price", "under_price"]  # fmt: skip
    left, right = (frame[same].sort_values(same, ignore_index=True) for frame in (fetched.quotes, real))
    pd.testing.assert_frame_equal(left, right)


def test_a_moment_of_the_past_gives_its_snapshot_and_is_paid_for_once(
    server: tuple[OddsServer, str], tmp_path: Path
) -> None:
    script, url = server
    asking = client(url, store=RawStore(tmp_path), now=lambda: LATE)
    first = fetch_quotes(asking, DAY, at=NOON + dt.timedelta(minutes=7), markets=("player_points",))
    assert first.quotes["captured_at"].unique().tolist() == [pd.Timestamp(SNAPSHOT)]
    assert {request.query["date"] for request in script.requests} == {"2024-03-04T17:07:00Z"}
    assert all(request.path.startswith("/v4/historical/sports/basketball_nba/") for request in script.requests)
    assert (asking.quota, script.used) == (Quota(479, 21, 10), 21)
    again = fetch_quotes(asking, DAY, at=NOON + dt.timedelta(minutes=7), markets=("player_points",))
    pd.testing.assert_frame_equal(again.quotes, first.quotes)
    assert script.used == 21


def test_a_moment_without_a_time_zone_is_refused(server: tuple[OddsServer, str]) -> None:
    with pytest.raises(SourceError, match="has no time zone"):
        fetch_quotes(client(server[1]), DAY, at=dt.datetime(2024, 3, 4, 17))


def test_games_that_have_begun_are_listed_and_cost_nothing(server: tuple[OddsServer, str]) -> None:
    script, url = server
    fetched = fetch_quotes(client(url, now=lambda: dt.datetime(2024, 3, 5, 0, 10, tzinfo=dt.UTC)), DAY)
    assert fetched.quotes["home_team"].tolist() == ["Utah Jazz"]
    assert fetched.problems[["home_team", "reason"]].to_numpy().tolist() == [["Boston Celtics", "the game had begun"]]
    assert script.used == 8


def test_a_day_without_games_has_no_quotes(server: tuple[OddsServer, str]) -> None:
    fetched = fetch_quotes(client(server[1]), dt.date(2024, 7, 1))
    assert (fetched.events, len(fetched.quotes), len(fetched.problems)) == (0, 0, 0)
    check(QUOTES_RAW, fetched.quotes)


@pytest.mark.parametrize(
    ("outcomes", "reason", "kept"),
    [
        ([outcome("Over", "A", 5.5, -110), outcome("Under", "A", None, -110)], "no line", (-110.0, None)),
        ([outcome("Over", None, 5.5, -110)], "no player named", None),
        ([outcome("Yes", "A", 5.5, -110)], "outcome 'yes' is neither over nor under", None),
        ([outcome("Over", "A", 5.5, 0), outcome("Under", "A", 5.5, 1.91)], "no American price", None),
        ([outcome("Over", "A", 5.5, "-110")], "no American price", None),
        ([outcome("Over", "A", "5.5", -110)], "no line", None),
        ([outcome("Over", "A", 5.5, -110), outcome("Over", "A", 5.5, -130)], "two prices for one over", None),
    ],
)
def test_what_is_no_quote_is_listed_with_its_reason(
    server: tuple[OddsServer, str], outcomes: list[dict[str, Any]], reason: str, kept: tuple[Any, Any] | None
) -> None:
    script, url = server
    script.events[0]["bookmakers"] = [book("fanduel", player_points=PAIR, player_blocks=outcomes)]
    fetched = fetch_quotes(client(url), DAY)
    listed = fetched.problems
    assert listed["reason"].unique().tolist() == [reason]
    assert listed[["home_team", "bookmaker", "market"]].drop_duplicates().to_numpy().tolist() == [
        ["Utah Jazz", "fanduel", "player_blocks"]
    ]
    blocks = fetched.quotes[fetched.quotes["market"] == "player_blocks"]
    prices = (
        blocks[["over_price", "under_price"]]
        .astype("object")
        .where(blocks[["over_price", "under_price"]].notna(), None)
    )
    assert prices.to_numpy().tolist() == ([list(kept)] if kept else [])
    assert len(fetched.quotes) - len(blocks) == 4


def test_a_repeated_outcome_is_one_and_several_lines_are_several_quotes(server: tuple[OddsServer, str]) -> None:
    script, url = server
    ladder = [outcome("Over", "Trae Young", 29.5, 180), outcome("Under", "Trae Young", 29.5, -240)]
    script.events = [
        event("Utah Jazz", "Atlanta Hawks", "2024-03-05T03:30:00Z", book("b", player_points=[*PAIR, *PAIR, *ladder]))
    ]
    fetched = fetch_quotes(client(url), DAY)
    assert fetched.quotes[["line", "over_price", "under_price"]].to_numpy().tolist() == [
        [25.5, -110, -120], [29.5, 180, -240],
    ]  # fmt: skip
    assert fetched.problems.empty


def test_a_game_without_quotes_is_told(server: tuple[OddsServer, str]) -> None:
    script, url = server
    script.events[0]["bookmakers"] = []
    fetched = fetch_quotes(client(url), DAY)
    assert fetched.problems[["home_team", "reason"]].to_numpy().tolist() == [["Utah Jazz", "no quotes offered"]]


def decimal_prices(script: OddsServer) -> None:
    for each in script.events:
        each["bookmakers"] = [
            book("b", player_points=[outcome("Over", "A", 5.5, 1.91), outcome("Under", "A", 5.5, 1.9)])
        ]


def renamed_markets(script: OddsServer) -> None:
    script.script["odds"] = [Reply('{"id": "x", "sportsbooks": []}')] * 2


def always(kind: str, reply: Reply) -> Callable[[OddsServer], None]:
    def prepare(script: OddsServer) -> None:
        script.script[kind] = [reply] * 20

    return prepare


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        (always("events", Reply(delay=0.8)), r"did not answer the games of 2024-03-04 in time \(2 attempts\)"),
        (always("events", Reply("busy", 429, {"Retry-After": "3600"})), "HTTP 429, Retry-After 3600 s"),
        (always("events", Reply("busy", 429, {"Retry-After": "0"})), "HTTP 429"),
        (always("events", Reply("broken", 500)), "HTTP 500"),
        (always("events", Reply("<html>hello</html>")), "web page instead of data"),
        (always("events", Reply("moved", 302, {"Location": "http://127.0.0.1:9/"})), "HTTP 302.*check ODDS_API_URL"),
        (always("events", Reply('[{"id": "a1", "comm')), "cut off or empty"),
        (always("events", Reply('{"games": []}')), "format of the games of 2024-03-04 has changed"),
        (always("events", Reply('[{"id": "../../x", "commence_time": "2024-03-05T00:00:00Z"}]')), "event id"),
        (always("events", Reply(error("UNKNOWN_SPORT", "?"), 404)), "does not know the games of 2024-03-04"),
        (always("odds", Reply("broken", 503)), "refused the odds of Atlanta Hawks at Boston Celtics"),
        (always("odds", Reply("{}", announced=999)), "cannot be reached|cut off"),
        (always("odds", Reply(error("INVALID_MARKET", "Invalid markets: player_x"), 422)), "Invalid markets: player_x"),
        (decimal_prices, r"None of the 2 entries .* \(no American price\): the format .* may have changed"),
        (renamed_markets, "format of the odds of Atlanta Hawks at Boston Celtics has changed"),
    ],
    ids=["slow", "429 an hour", "429", "500s", "page", "moved", "cut", "another format", "odd id", "404", "503 odds",
         "connection cut", "422", "decimal prices", "renamed"],
)  # fmt: skip
def test_a_day_that_does_not_come_is_one_clear_error(
    server: tuple[OddsServer, str], trouble: Callable[[OddsServer], None], told: str
) -> None:
    script, url = server
    trouble(script)
    with pytest.raises(SourceError, match=told):
        fetch_quotes(client(url), DAY)


@pytest.mark.parametrize(
    "stumble",
    [Reply("busy", 429, {"Retry-After": "1"}), Reply("broken", 500), Reply('{"bookmakers": ['), Reply(delay=0.8)],
    ids=["429", "500", "cut", "slow"],
)
def test_a_stumble_costs_a_second_request_and_no_quote(server: tuple[OddsServer, str], stumble: Reply) -> None:
    script, url = server
    script.script["odds"] = [stumble]
    assert len(fetch_quotes(client(url), DAY).quotes) == 4
    assert len(script.asked("odds")) == 3


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (
            Reply(error("EVENT_NOT_FOUND", "Event not found"), 404),
            "does not know the odds of Atlanta Hawks at Boston Celtics",
        ),
        (Reply("broken", 500), "HTTP 500"),
    ],
)
def test_a_game_that_fails_does_not_take_the_others_with_it(
    server: tuple[OddsServer, str], reply: Reply, told: str
) -> None:
    script, url = server
    script.script["odds"] = [reply] * (2 if reply.status == 500 else 1)
    fetched = fetch_quotes(client(url), DAY)
    assert fetched.quotes["home_team"].tolist() == ["Utah Jazz"]
    assert fetched.problems["home_team"].tolist() == ["Boston Celtics"]
    assert told in fetched.problems["reason"].iloc[0]
    assert fetched.stopped is None


def test_credits_in_reserve_are_not_spent_and_what_was_paid_for_is_kept(server: tuple[OddsServer, str]) -> None:
    script, url = server
    script.credits = 35
    asking = client(url, reserve=20)
    fetched = fetch_quotes(asking, DAY)
    assert script.credits == 27, "8 of 35 spent; the next 8 would leave 19"
    assert asking.quota == Quota(27, 8, 8)
    assert fetched.quotes["home_team"].unique().tolist() == ["Boston Celtics"]
    assert fetched.stopped is not None
    assert fetched.stopped == fetched.problems["reason"].iloc[0]
    assert "27 credits left and the odds of Washington Wizards at Utah Jazz costs up to 8" in fetched.stopped
    assert "ODDS_API_RESERVE keeps 20" in fetched.stopped
    with pytest.raises(CreditsReserved, match="27 credits left"):
        fetch_quotes(asking, DAY)
    assert script.credits == 27


def test_the_last_credits_may_be_spent_but_not_more(server: tuple[OddsServer, str]) -> None:
    script, url = server
    script.credits = 16
    assert len(fetch_quotes(client(url), DAY).quotes) == 4
    assert script.credits == 0


def test_credits_used_up_elsewhere_are_told(server: tuple[OddsServer, str]) -> None:
    script, url = server
    script.script["odds"] = [Reply(error("OUT_OF_USAGE_CREDITS", "Usage quota has been reached"), 401)]
    with pytest.raises(CreditsReserved, match="has no credits left for the odds of Atlanta Hawks at Boston Celtics"):
        fetch_quotes(client(url), DAY)
    assert len(script.asked("odds")) == 1


@pytest.mark.parametrize(
    ("options", "markets", "historical", "cost"),
    [
        ({}, 8, False, 8),
        ({"regions": ("us", "uk")}, 8, False, 16),
        ({"regions": ("us",)}, 8, True, 80),
        ({"bookmakers": tuple("abcdefghij")}, 3, False, 3),
        ({"bookmakers": tuple("abcdefghijk"), "regions": ("us", "uk", "eu")}, 3, False, 6),
    ],
)
def test_the_cost_of_a_request_is_known_before_it_is_made(
    options: dict[str, Any], markets: int, historical: bool, cost: int
) -> None:
    assert client("http://x", **options).odds_cost(markets, historical) == cost


def test_named_bookmakers_take_the_place_of_regions(server: tuple[OddsServer, str]) -> None:
    script, url = server
    fetched = fetch_quotes(client(url, bookmakers=("draftkings",)), DAY)
    assert fetched.quotes["bookmaker"].unique().tolist() == ["draftkings"]
    assert all("regions" not in request.query for request in script.asked("odds"))


def test_a_wrong_or_missing_key_is_told_without_showing_it(server: tuple[OddsServer, str]) -> None:
    script, url = server
    with pytest.raises(KeyRefused, match=r"refused the key \(API key is not valid.*check ODDS_API_KEY"):
        fetch_quotes(client(url, key="wrong"), DAY)
    made = len(script.requests)
    with pytest.raises(KeyRefused, match="set ODDS_API_KEY"):
        fetch_quotes(client(url, key=""), DAY)
    assert len(script.requests) == made


def contents(folder: Path) -> str:
    """Names and contents of all files of a raw store."""
    texts = []
    for file in sorted(folder.rglob("*.*")):
        texts.append(str(file))
        texts.append(file.read_text() if file.suffix == ".json" else gzip.decompress(file.read_bytes()).decode())
    return "\n".join(texts)


@pytest.mark.parametrize("trouble", ["nobody", "slow", "500", "422", "page", "cut"])
def test_the_key_is_nowhere_but_in_the_request(
    server: tuple[OddsServer, str], tmp_path: Path, caplog: pytest.LogCaptureFixture, trouble: str
) -> None:
    script, url = server
    replies = {
        "slow": Reply(delay=0.8), "500": Reply(f"broken for {KEY}", 500), "page": Reply("<html>"),
        "422": Reply(error("X", f"bad apiKey={KEY}"), 422), "cut": Reply("[", announced=99),
    }  # fmt: skip
    if trouble in replies:
        script.script["events"] = [replies[trouble]] * 3
    asking = client("http://127.0.0.1:9" if trouble == "nobody" else url, store=RawStore(tmp_path))
    with caplog.at_level(logging.DEBUG), pytest.raises(SourceError) as caught:
        fetch_quotes(asking, DAY)
    kept = contents(tmp_path)
    script.script.clear()
    asking.base_url = url
    with caplog.at_level(logging.DEBUG):
        fetch_quotes(asking, DAY)
    assert script.requests[-1].query["apiKey"] == KEY
    seen = "".join(traceback.format_exception(caught.value)) + caplog.text + repr(asking) + kept + contents(tmp_path)
    chain: BaseException | None = caught.value
    while chain is not None:
        seen += repr(chain) + repr(vars(chain))
        chain = chain.__cause__ or chain.__context__
    assert "apiKey=***" in seen, "the log of the HTTP library was there to be looked at"
    for secret in (KEY, "s3cr3t"):
        assert secret not in seen


def test_a_service_that_keeps_failing_is_left_alone(server: tuple[OddsServer, str]) -> None:
    script, url = server
    present = [0.0]
    breaker = CircuitBreaker(2, 60.0, clock=lambda: present[0])
    script.script["odds"] = [Reply("broken", 500)] * 9
    with pytest.raises(SourceError, match="HTTP 500"):
        fetch_quotes(client(url, breaker=breaker), DAY)
    assert len(script.asked("odds")) == 2
    with pytest.raises(RequestsStopped, match="The Odds API failed 2 times in a row"):
        fetch_quotes(client(url, breaker=breaker), DAY)
    present[0] = 61.0
    script.script.clear()
    assert len(fetch_quotes(client(url, breaker=breaker), DAY).quotes) == 4


def test_a_rerun_from_the_raw_store_needs_no_request_and_no_key(server: tuple[OddsServer, str], tmp_path: Path) -> None:
    script, url = server
    script.script["odds"] = [Reply("broken", 500)]
    first = fetch_quotes(client(url, store=RawStore(tmp_path)), DAY)
    made = len(script.requests)
    later = client(url, key="", store=RawStore(tmp_path), replay=True, now=lambda: LATE)
    again = fetch_quotes(later, DAY)
    assert len(script.requests) == made
    pd.testing.assert_frame_equal(again.quotes, first.quotes)
    with pytest.raises(NotThere, match="No stored answer to the games of 2024-03-05"):
        fetch_quotes(later, dt.date(2024, 3, 5))


def test_fetched_quotes_stand_beside_the_archive_s(server: tuple[OddsServer, str], tmp_path: Path) -> None:
    script, url = server
    empty = QuoteFiles(None, tmp_path).fingerprint("2023-24")
    fetched = fetch_quotes(client(url), DAY).quotes
    files = store_quotes(tmp_path, fetched)
    before = files[0].read_bytes()
    assert [file.parent.name for file in files] == ["2023-24"]
    assert store_quotes(tmp_path, fetched.iloc[::-1]) == files, "stored again: nothing new"
    assert files[0].read_bytes() == before
    reading = QuoteFiles(None, tmp_path)
    key = list(fetched)
    back = check(QUOTES_RAW, reading.read(["2023-24"]))
    pd.testing.assert_frame_equal(back.sort_values(key, ignore_index=True), fetched.sort_values(key, ignore_index=True))
    assert reading.read(["2022-23"]).empty
    assert reading.fingerprint("2022-23") == empty != reading.fingerprint("2023-24")
    assert reading.fingerprint() == reading.fingerprint("2023-24"), "without a season: of all that was fetched"

    script.events[0]["bookmakers"][0]["markets"][0]["outcomes"][0]["price"] = -105
    an_hour_later = fetch_quotes(client(url, now=lambda: NOON + dt.timedelta(hours=1)), DAY).quotes
    store_quotes(tmp_path, pd.concat([fetched, an_hour_later]))
    back = QuoteFiles(None, tmp_path).read(["2023-24"])
    assert len(back) == 8, "both moments, each quote once"
    assert sorted(back["captured_at"].unique()) == [pd.Timestamp(NOON), pd.Timestamp(NOON) + pd.Timedelta(hours=1)]


def test_quotes_without_a_day_are_not_stored(server: tuple[OddsServer, str], tmp_path: Path) -> None:
    quotes = (
        fetch_quotes(client(server[1]), DAY).quotes.assign(game_date=pd.NaT).astype({"game_date": "datetime64[ns]"})
    )
    with pytest.raises(SourceError, match="belong to no day"):
        store_quotes(tmp_path, quotes)
    assert store_quotes(tmp_path, quotes.iloc[:0]) == []
    assert not list(tmp_path.rglob("*"))
