"""Requests to The Odds API, version 4 (https://the-odds-api.com/liveapi/guides/v4): paid by credits, with a key.

The key travels in the address, because the service knows no other way. Everything that leaves this module (answers,
stored parameters, addresses, errors, log lines of the HTTP library) is without it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import quote_plus, urlencode

import requests

from statmuse_pipeline.sources.service_client import (
    Answer,
    Blocked,
    Content,
    CutOff,
    Question,
    Refused,
    Reply,
    ServiceClient,
    reason,
)
from statmuse_pipeline.sources.source import SourceError

HOST = "https://api.the-odds-api.com"
BOOKMAKERS_A_REGION = 10
"""So many named bookmakers cost as much as one region."""
HISTORICAL_FACTOR = 10
"""Odds of the past cost so many times those of the present."""


class CreditsReserved(SourceError):
    """Too few credits are left for this request."""


class KeyRefused(SourceError):
    """There is no key, or the service does not accept it."""


@dataclass(frozen=True)
class Quota:
    """Credits as the last answer told them; None where it told nothing."""

    remaining: int | None = None
    used: int | None = None
    last: int | None = None


@dataclass
class OddsApiClient(ServiceClient):
    """One voice towards The Odds API.

    Attributes:
        key: the secret; needed unless stored answers are replayed.
        base_url: the host.
        regions: whose bookmakers are asked for, such as `us`, `us2`, `uk`, `eu`, `au`.
        bookmakers: keys such as `draftkings`; instead of the regions where there are any.
        reserve: so many credits are never spent.
        quota: what is left of them.
    """

    key: str = field(default="", repr=False)
    base_url: str = HOST
    regions: tuple[str, ...] = ("us",)
    bookmakers: tuple[str, ...] = ()
    reserve: int = 0
    quota: Quota = field(default_factory=Quota)

    service: ClassVar[str] = "The Odds API"
    way_out: ClassVar[str] = "see https://the-odds-api.com for its state"
    absent: ClassVar[frozenset[int]] = frozenset({404})
    faults: ClassVar[frozenset[int]] = frozenset({429})

    def __post_init__(self) -> None:
        super().__post_init__()
        _silence(self.key)

    def ask(
        self,
        path: str,
        parameters: Mapping[str, str],
        read: Callable[[Any], Content],
        *,
        endpoint: str,
        season: str,
        told: str,
        cost: int = 0,
        lasting: bool = False,
    ) -> Answer[Content]:
        """What `read` makes of the answer's JSON.

        Args:
            path: such as `/v4/sports/basketball_nba/events`.
            parameters: of the query, without the key.
            read: gets the decoded JSON; KeyError, TypeError, ValueError and AttributeError mean another format.
            endpoint: the folder of the raw store.
            season: below it.
            told: what error messages call the request.
            cost: credits it takes at most.
            lasting: the answer never changes; a stored one is served.

        Raises:
            CreditsReserved: before the request, when it would touch the reserve; or when the service says so.
            KeyRefused: when there is no key or it is not accepted.
            NotThere, ServiceFailing, RequestsStopped, SourceError: as `ServiceClient.exchange`.
        """

        def reader(reply: Reply) -> Content:
            try:
                return read(json.loads(reply.text))
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise SourceError(
                    f"The Odds API's format of {told} has changed ({error!r}): quotes can't be fetched until this "
                    "program follows."
                ) from error

        return self.exchange(
            Question(endpoint, season, {"path": path, **parameters}, told),
            lambda timeout: self._send(path, parameters, timeout, cost, told),
            reader,
            lasting=lasting,
        )

    def odds_cost(self, markets: int, historical: bool) -> int:
        """Credits that one event's odds in so many markets take at most."""
        regions = -(-len(self.bookmakers) // BOOKMAKERS_A_REGION) or len(self.regions)
        return markets * regions * (HISTORICAL_FACTOR if historical else 1)

    def where(self) -> dict[str, str]:
        """The parameters that name the bookmakers."""
        if self.bookmakers:
            return {"bookmakers": ",".join(self.bookmakers)}
        return {"regions": ",".join(self.regions)}

    def examine(self, reply: Reply) -> None:
        """The answer must be JSON."""
        if reply.text.lstrip().startswith("<"):
            raise Blocked(f"The Odds API sent a web page instead of data: check ODDS_API_URL, or {self.way_out}.")
        try:
            json.loads(reply.text)
        except ValueError as error:
            raise CutOff from error

    def refusal(self, error: Refused, question: Question) -> SourceError:
        """The service's own words, and what to do about them."""
        code, message = _complaint(error.body)
        if code == "OUT_OF_USAGE_CREDITS":
            return CreditsReserved(f"The Odds API has no credits left for {question.told}: wait for the next month.")
        if error.status in (401, 403):
            return KeyRefused(f"The Odds API refused the key ({message or error}): check ODDS_API_KEY and its plan.")
        if message and error.status < 500 and error.status != 429:
            return SourceError(f"The Odds API refused {question.told} ({error}, {message}).")
        return super().refusal(error, question)

    def _send(
        self, path: str, parameters: Mapping[str, str], timeout: tuple[float, float], cost: int, told: str
    ) -> Reply:
        if not self.key:
            raise KeyRefused("The Odds API needs a key: set ODDS_API_KEY (https://the-odds-api.com gives one).")
        left = self.quota.remaining
        if cost and left is not None and left - cost < self.reserve:
            raise CreditsReserved(
                f"The Odds API has {left} credits left and {told} costs up to {cost}, but ODDS_API_RESERVE keeps "
                f"{self.reserve}: nothing more is asked for."
            )
        url = f"{self.base_url.rstrip('/')}{path}"
        failure: requests.RequestException | None = None
        try:
            response = self.session.get(
                url, params={**parameters, "apiKey": self.key}, timeout=timeout, allow_redirects=False
            )
        except Refused as error:
            self._note(error.headers)
            error.body = self._bare(error.body.decode("utf-8", errors="replace")).encode()
            error.url = self._bare(error.url)
            raise
        except requests.RequestException as error:
            # Raised below, outside of this block: its context holds the address with the key.
            failure = type(error)(self._bare(reason(error)))
        if failure is not None:
            raise failure
        if response.is_redirect:
            # Not followed: the key would travel along.
            raise SourceError(
                f"The Odds API is not at {self.base_url} (HTTP {response.status_code}): check ODDS_API_URL."
            )
        self._note(response.headers)
        return Reply(response.content, f"{url}?{urlencode(parameters)}")

    def _note(self, headers: Mapping[str, str]) -> None:
        told = {name: _count(headers.get(f"x-requests-{name}")) for name in ("remaining", "used", "last")}
        if told["remaining"] is not None:
            self.quota = Quota(**told)

    def _bare(self, text: str) -> str:
        return _without(text, self.key)


def _complaint(body: bytes) -> tuple[str, str]:
    """The service's error code and message, empty where it gave none."""
    try:
        told = json.loads(body)
        return str(told.get("error_code", "")), str(told.get("message", ""))[:200]
    except (ValueError, AttributeError):
        return "", ""


def _count(header: str | None) -> int | None:
    try:
        return int(float(header)) if header is not None else None
    except ValueError:
        return None


def _without(text: str, key: str) -> str:
    for secret in filter(None, {key, quote_plus(key)}):
        text = text.replace(secret, "***")
    return text


class _Silence(logging.Filter):
    """Takes keys out of log records: urllib3 logs every address at the level of debugging."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        for key in self.keys:
            text = _without(text, key)
        record.msg, record.args = text, ()
        return True


_silence_filter = _Silence()


def _silence(key: str) -> None:
    _silence_filter.keys.add(key)
    for name in ("urllib3.connectionpool", "urllib3.util.retry"):
        logging.getLogger(name).addFilter(_silence_filter)
