"""Player-prop quotes from The Odds API: a day's games, now or as they were at a moment of the past."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from statmuse_pipeline.domain import Season
from statmuse_pipeline.sources.odds_api_client import CreditsReserved, KeyRefused, OddsApiClient
from statmuse_pipeline.sources.quote_files import empty_quotes, quotes_frame
from statmuse_pipeline.sources.service_client import Answer, RequestsStopped
from statmuse_pipeline.sources.source import SourceError

SPORT = "basketball_nba"
PLAYER_MARKETS = (
    "player_points", "player_rebounds", "player_assists", "player_threes", "player_points_rebounds_assists",
    "player_steals", "player_blocks", "player_turnovers",
)  # fmt: skip
COMBINED_MARKETS = ("player_points_rebounds", "player_points_assists", "player_rebounds_assists")
"""Sums; each costs as many credits as another market."""

EASTERN = ZoneInfo("America/New_York")
PROBLEM_COLUMNS = ("event_id", "home_team", "away_team", "bookmaker", "market", "player_name", "reason", "entries")
LEAST_PRICE = 100
"""American prices are -100 or less, or 100 or more."""

_STOPS = (CreditsReserved, KeyRefused, RequestsStopped)
"""After these no further event is asked for."""


@dataclass(frozen=True)
class FetchedQuotes:
    """The quotes of a day, and what is wrong with the rest.

    Attributes:
        quotes: `contracts.QUOTES_RAW`; `captured_at` is when the answer was received, or the moment of the snapshot.
        problems: `PROBLEM_COLUMNS`, one row a kind of entry that was left out, `entries` their number. A whole event
            without quotes has empty bookmaker, market and player_name.
        events: how many games the day has.
        stopped: why not every game was asked for; None when all were.
    """

    quotes: pd.DataFrame
    problems: pd.DataFrame
    events: int
    stopped: str | None = None


@dataclass(frozen=True)
class _Event:
    id: str
    commence: datetime
    home: str
    away: str


@dataclass
class _Gathered:
    rows: list[dict[str, Any]] = field(default_factory=list)
    problems: list[dict[str, Any]] = field(default_factory=list)

    def problem(self, event: _Event, reason: str, bookmaker: str = "", market: str = "", player: str = "") -> None:
        known = (event.id, event.home, event.away, bookmaker, market, player, reason, 1)
        self.problems.append(dict(zip(PROBLEM_COLUMNS, known, strict=True)))


def fetch_quotes(
    client: OddsApiClient, day: date, *, at: datetime | None = None, markets: tuple[str, ...] = PLAYER_MARKETS
) -> FetchedQuotes:
    """The over/under quotes of every game of that Eastern day that had not begun.

    A game that fails by itself is listed among the problems and the others go on; when credits, key or circuit breaker
    forbid more, the rest are listed with that sentence, and what has been paid for is kept.

    Args:
        client: asks, pays and remembers.
        day: Eastern day of the games.
        at: the moment of the past whose quotes are wanted, with a time zone; None for the present.
        markets: as The Odds API names them.

    Raises:
        SourceError: when the day's games or none of their odds could be had; the first reason.
    """
    moment = _instant(at) if at else None
    season = Season.of_date(day).label
    listed = _events(client, day, moment, season)
    seen = moment or listed.fetched_at
    gathered, failures, asked, stopped = _Gathered(), [], 0, None
    for event in listed.content:
        if event.commence <= seen:
            gathered.problem(event, "the game had begun")
        elif stopped:
            gathered.problem(event, stopped)
        else:
            asked += 1
            try:
                _gather(client, event, moment, season, markets, gathered)
            except SourceError as error:
                failures.append(error)
                gathered.problem(event, str(error))
                stopped = str(error) if isinstance(error, _STOPS) else None
    if failures and len(failures) == asked:
        raise failures[0]
    problems = pd.DataFrame(gathered.problems, columns=list(PROBLEM_COLUMNS))
    grouped = problems.groupby(list(PROBLEM_COLUMNS[:-1]), sort=False)["entries"].sum().reset_index()
    quotes = (
        quotes_frame(pd.DataFrame(gathered.rows).assign(quote_set=f"odds_api_{season}"), f"The Odds API, {day}")
        if gathered.rows
        else empty_quotes()
    )
    return FetchedQuotes(quotes, grouped, len(listed.content), stopped)


def _events(client: OddsApiClient, day: date, moment: datetime | None, season: str) -> Answer[list[_Event]]:
    """That Eastern day's games, by their beginning."""
    begin = datetime.combine(day, time(), EASTERN)
    end = datetime.combine(day + timedelta(days=1), time(), EASTERN)
    window = {"commenceTimeFrom": _text(begin), "commenceTimeTo": _text(end), "dateFormat": "iso"}

    def read(document: Any) -> list[_Event]:
        listed = [_event(each) for each in (document if moment is None else document["data"])]
        return sorted((e for e in listed if begin <= e.commence < end), key=lambda event: (event.commence, event.id))

    return client.ask(
        _path(moment, "events"),
        window | _date(moment),
        read,
        endpoint="odds_api_events",
        season=season,
        told=f"the games of {day}",
        cost=1 if moment else 0,
        lasting=moment is not None,
    )


def _gather(
    client: OddsApiClient,
    event: _Event,
    moment: datetime | None,
    season: str,
    markets: tuple[str, ...],
    gathered: _Gathered,
) -> None:
    """Adds the quotes and problems of one game."""
    parameters = {"markets": ",".join(markets), "oddsFormat": "american", "dateFormat": "iso"}
    answer = client.ask(
        _path(moment, f"events/{event.id}/odds"),
        parameters | client.where() | _date(moment),
        lambda document: (None, document) if moment is None else (_moment(document["timestamp"]), document["data"]),
        endpoint="odds_api_odds",
        season=season,
        told=f"the odds of {event.away} at {event.home}",
        cost=client.odds_cost(len(markets), historical=moment is not None),
        lasting=moment is not None,
    )
    snapshot, document = answer.content
    found = _Gathered()
    try:
        for book, market in _markets(document, markets):
            _pair(event, snapshot or answer.fetched_at, book, market, found)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SourceError(
            f"The Odds API's format of the odds of {event.away} at {event.home} has changed ({error!r}): quotes can't "
            "be fetched until this program follows."
        ) from error
    if found.problems and not found.rows:
        reasons = sorted({problem["reason"] for problem in found.problems})
        raise SourceError(
            f"None of the {len(found.problems)} entries in the odds of {event.away} at {event.home} is usable "
            f"({'; '.join(reasons[:3])}): the format of The Odds API may have changed."
        )
    if not found.rows:
        found.problem(event, "no quotes offered")
    gathered.rows += found.rows
    gathered.problems += found.problems


def _markets(document: Mapping[str, Any], wanted: tuple[str, ...]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for book in document["bookmakers"]:
        for market in book["markets"]:
            if market["key"] in wanted:
                yield book["key"], market


def _pair(event: _Event, captured: datetime, book: str, market: Mapping[str, Any], gathered: _Gathered) -> None:
    """Puts over and under of each player and line side by side."""
    sides: dict[tuple[str, float], dict[str, float]] = {}
    spoilt: set[tuple[str, float]] = set()
    for outcome in market["outcomes"]:
        player, line, price = outcome.get("description"), outcome.get("point"), outcome.get("price")
        name = str(outcome.get("name", "")).lower()
        wrong = _wrong(player, line, name, price)
        if wrong:
            gathered.problem(event, wrong, book, market["key"], str(player or ""))
            continue
        known = sides.setdefault((player, float(line)), {})
        if known.setdefault(name, float(price)) != float(price):
            gathered.problem(event, f"two prices for one {name}", book, market["key"], player)
            spoilt.add((player, float(line)))
    for (player, line), prices in sides.items():
        if (player, line) in spoilt:
            continue
        gathered.rows.append(
            {
                "captured_at": captured,
                "commence_time": event.commence,
                "game_date": event.commence.astimezone(EASTERN).strftime("%Y-%m-%d"),
                "home_team": event.home,
                "away_team": event.away,
                "bookmaker": book,
                "player_name": player,
                "market": market["key"],
                "line": line,
                "over_price": prices.get("over"),
                "under_price": prices.get("under"),
            }
        )


def _wrong(player: Any, line: Any, name: str, price: Any) -> str:
    """What is wrong with one outcome; "" when nothing is."""
    if not isinstance(player, str) or not player.strip():
        return "no player named"
    if name not in ("over", "under"):
        return f"outcome {name!r} is neither over nor under"
    if not _is_number(line):
        return "no line"
    if not _is_number(price) or abs(price) < LEAST_PRICE:
        return "no American price"
    return ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _event(listed: Mapping[str, Any]) -> _Event:
    # An id becomes a part of an address; anything but a plain word would lead elsewhere.
    if not str(listed["id"]).isalnum():
        raise ValueError(f"event id {listed['id']!r}")
    return _Event(listed["id"], _moment(listed["commence_time"]), listed["home_team"], listed["away_team"])


def _path(moment: datetime | None, rest: str) -> str:
    return f"/v4/{'historical/' if moment else ''}sports/{SPORT}/{rest}"


def _date(moment: datetime | None) -> dict[str, str]:
    return {"date": _text(moment)} if moment else {}


def _text(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _moment(text: str) -> datetime:
    return _instant(datetime.fromisoformat(text))


def _instant(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise SourceError(f"{moment} has no time zone: write it like 2025-01-15T22:00:00Z.")
    return moment.astimezone(UTC)
