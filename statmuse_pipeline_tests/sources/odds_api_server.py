"""A local server that speaks the JSON of The Odds API, version 4, with its credits."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from statmuse_pipeline_tests.sources.local_http import Reply, Request, listening

KEY = "s3cr3t+key"
SNAPSHOT = "2024-03-04T17:05:39Z"
"""The moment of the snapshot that questions about the past get."""


def event(home: str, away: str, commence: str, *bookmakers: dict[str, Any]) -> dict[str, Any]:
    """A game with its odds."""
    return {
        "id": hashlib.md5(f"{home}{away}{commence}".encode()).hexdigest(),
        "sport_key": "basketball_nba",
        "sport_title": "NBA",
        "commence_time": commence,
        "home_team": home,
        "away_team": away,
        "bookmakers": list(bookmakers),
    }


def book(key: str, **markets: list[dict[str, Any]]) -> dict[str, Any]:
    """A bookmaker with outcomes a market."""
    listed = [
        {"key": name, "last_update": "2024-03-04T17:04:00Z", "outcomes": outcomes} for name, outcomes in markets.items()
    ]
    return {"key": key, "title": key.title(), "markets": listed}


def outcome(name: Any, player: Any, point: Any, price: Any) -> dict[str, Any]:
    """One side of a line; None leaves a field out."""
    told = {"name": name, "description": player, "price": price, "point": point}
    return {field: value for field, value in told.items() if value is not None}


def error(code: str, message: str) -> str:
    return json.dumps({"message": message, "error_code": code, "details_url": "https://the-odds-api.com/"})


@dataclass
class OddsServer:
    """Serves games and their odds; `script` holds replies for the next requests of `events` or `odds`, in order."""

    events: list[dict[str, Any]] = field(default_factory=list)
    credits: int = 500
    used: int = 0
    script: dict[str, list[Reply]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)

    @classmethod
    def of(cls, quotes: pd.DataFrame) -> OddsServer:
        """A server that offers these quotes of an archive, each game's books as The Odds API nests them."""
        events = []
        for (commence, home, away), game in quotes.groupby(["commence_time", "home_team", "away_team"]):
            books = []
            for key, of_book in game.groupby("bookmaker"):
                markets = {}
                for market, rows in of_book.groupby("market"):
                    markets[str(market)] = [
                        outcome(side, row.player_name, row.line, price)
                        for row in rows.itertuples()
                        for side, price in (("Over", row.over_price), ("Under", row.under_price))
                        if pd.notna(price)
                    ]
                books.append(book(str(key), **markets))
            events.append(event(str(home), str(away), f"{commence:%Y-%m-%dT%H:%M:%SZ}", *books))
        return cls(events)

    def asked(self, kind: str) -> list[Request]:
        """The requests for `events` or `odds`."""
        return [request for request in self.requests if request.path.endswith(f"/{kind}")]

    def reply(self, request: Request) -> Reply:
        """The answer to a request, with what is left of the credits."""
        self.requests.append(request)
        kind = request.path.rsplit("/", 1)[-1]
        if self.script.get(kind):
            return self.script[kind].pop(0)
        if request.query.get("apiKey") != KEY:
            return Reply(error("INVALID_KEY", "API key is not valid. See https://the-odds-api.com/"), 401)
        cost = self.cost(request, kind)
        if cost > self.credits:
            return Reply(error("OUT_OF_USAGE_CREDITS", "Usage quota has been reached."), 401, self.headers(0))
        self.credits, self.used = self.credits - cost, self.used + cost
        document: Any = self.listed(request) if kind == "events" else self.odds(request)
        if document is None:
            return Reply(error("EVENT_NOT_FOUND", "Event not found."), 404, self.headers(cost))
        if "/historical/" in request.path:
            before, after = "2024-03-04T17:00:39Z", "2024-03-04T17:10:39Z"
            document = {
                "timestamp": SNAPSHOT, "previous_timestamp": before, "next_timestamp": after, "data": document,
            }  # fmt: skip
        return Reply(json.dumps(document), headers=self.headers(cost))

    def headers(self, last: int) -> dict[str, str]:
        told = {"remaining": self.credits, "used": self.used, "last": last}
        return {f"x-requests-{name}": str(count) for name, count in told.items()}

    def cost(self, request: Request, kind: str) -> int:
        historical = "/historical/" in request.path
        if kind == "events":
            return int(historical)
        return len(request.query["markets"].split(",")) * (10 if historical else 1)

    def listed(self, request: Request) -> list[dict[str, Any]]:
        begin, end = request.query["commenceTimeFrom"], request.query["commenceTimeTo"]
        return [
            {name: value for name, value in each.items() if name != "bookmakers"}
            for each in self.events
            if begin <= each["commence_time"] <= end
        ]

    def odds(self, request: Request) -> dict[str, Any] | None:
        assert request.query["oddsFormat"] == "american"
        event_id, markets = request.path.split("/")[-2], request.query["markets"].split(",")
        found = [each for each in self.events if each["id"] == event_id]
        if not found:
            return None
        books = [
            {**each, "markets": [market for market in each["markets"] if market["key"] in markets]}
            for each in found[0]["bookmakers"]
            if each["key"] in request.query.get("bookmakers", each["key"]).split(",")
        ]
        return {**found[0], "bookmakers": books}


@contextmanager
def served_odds(script: OddsServer) -> Iterator[str]:
    """The server on a free port of this machine; gives its address."""
    with listening(script.reply) as url:
        yield url
