"""Requests to stats.nba.com through nba_api: patient, polite, remembered, and stopped when they are pointless."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Generic, TypeVar

import requests
import stamina
from nba_api.library.proxy import ProxyRequiredError
from nba_api.stats.library.http import NBAStatsHTTP, NBAStatsResponse
from stamina.instrumentation import RetryDetails

from statmuse_pipeline.sources.circuit_breaker import CircuitBreaker
from statmuse_pipeline.sources.raw_store import USABLE, RawStore
from statmuse_pipeline.sources.source import SourceError
from statmuse_pipeline.sources.stats_nba_answers import WAY_OUT, Blocked, CutOff, document

LONGEST_WAIT = 120.0
"""Seconds; a server that asks for more patience than this is not waited for."""

log = logging.getLogger(__name__)
Content = TypeVar("Content")


class ServiceFailing(SourceError):
    """stats.nba.com was asked as often as allowed and kept failing; a smaller request may still succeed."""


class RequestsStopped(SourceError):
    """The circuit breaker is open: no request was made."""


@dataclass(frozen=True)
class Answer(Generic[Content]):
    """What was read from an answer, the address asked, and when the answer was received (UTC)."""

    content: Content
    url: str
    fetched_at: datetime


@dataclass
class StatsNbaClient:
    """One voice towards stats.nba.com.

    Attributes:
        timeout: seconds to connect and to wait for the next bytes.
        attempts: how often a request is made before it counts as failed; time-outs, lost connections, cut-off
            answers and the statuses 429 and 5xx are tried again.
        pause: least seconds from the start of one request to the start of the next.
        first_wait: seconds before the second attempt; doubles each time, plus up to as much at random, unless the
            server names its own delay in `Retry-After`.
        breaker: stops requests for a while after failures in a row.
        store: keeps every answer; None keeps none.
        replay: serve the newest stored answers and make no request.
        base_url: such as `http://127.0.0.1:8000/stats/{endpoint}`; None for stats.nba.com.
        clock: monotonic seconds, for the pause.
        sleep: waits that many seconds, for the pause.
        now: the present moment in UTC.
    """

    timeout: tuple[float, float] = (5.0, 30.0)
    attempts: int = 4
    pause: float = 0.6
    first_wait: float = 1.0
    breaker: CircuitBreaker = field(default_factory=CircuitBreaker)
    store: RawStore | None = None
    replay: bool = False
    base_url: str | None = None
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __post_init__(self) -> None:
        if self.replay and self.store is None:
            raise SourceError("Answers can only be replayed from a raw store: name its folder.")
        self._last_request: float | None = None
        self._turn = threading.Lock()
        self._session = requests.Session()
        self._session.hooks["response"].append(_refuse_bad_status)

    def ask(
        self,
        request: Any,
        read: Callable[[Any], Content],
        *,
        season: str,
        attempts: int | None = None,
        timeout: tuple[float, float] | None = None,
    ) -> Answer[Content]:
        """What `read` makes of the answer, after as many attempts as it takes.

        Args:
            request: an endpoint of nba_api made with `get_request=False`.
            read: makes something of nba_api's response; raises SourceError or CutOff.
            season: under which the raw answer is kept.
            attempts: instead of the client's.
            timeout: instead of the client's.

        Raises:
            ServiceFailing: when the last attempt failed too.
            RequestsStopped: when the circuit breaker is open.
            SourceError: at once when trying again is pointless, or when nothing is stored to replay.
        """
        if self.replay:
            return self._replayed(request, read, season)
        what = f"{request.endpoint} of {season}"
        allowed = attempts or self.attempts
        retries = stamina.retry_context(
            on=_worth_another_try,
            attempts=allowed,
            timeout=None,
            wait_initial=self.first_wait,
            wait_max=30.0,
            wait_jitter=self.first_wait,
        )
        try:
            for attempt in retries:
                with attempt:
                    return self._once(request, read, season, timeout or self.timeout)
        except _Refused as error:
            kind = ServiceFailing if _worth_another_try(error) is not False else SourceError
            raise kind(f"stats.nba.com refused {what} ({error}): {WAY_OUT}, or try again later.") from error
        except CutOff as error:
            raise ServiceFailing(f"stats.nba.com's answer to {what} is cut off or empty: try again later.") from error
        except ProxyRequiredError as error:
            raise SourceError(f"stats.nba.com may not be reached: {error}") from error
        except requests.Timeout as error:
            raise ServiceFailing(
                f"stats.nba.com did not answer {what} in time ({allowed} attempts); it ignores many cloud "
                f"addresses: {WAY_OUT}, or set NBA_API_PROXY."
            ) from error
        except requests.RequestException as error:
            raise ServiceFailing(
                f"stats.nba.com cannot be reached for {what} ({_reason(error)}): {WAY_OUT}."
            ) from error
        raise AssertionError("stamina either returns or raises")

    def _once(
        self, request: Any, read: Callable[[Any], Content], season: str, timeout: tuple[float, float]
    ) -> Answer[Content]:
        self._require_closed_breaker(request.endpoint)
        try:
            response = self._send(request, timeout)
        except _Refused as error:
            if error.status == 403 or error.status == 429 or error.status >= 500:
                self.breaker.failed()
            self._keep(request, season, error.body, error.url, f"http-{error.status}")
            raise
        except requests.RequestException:
            self.breaker.failed()
            raise
        try:
            document(response)
        except (SourceError, CutOff) as error:
            if isinstance(error, Blocked | CutOff):
                self.breaker.failed()
            self._keep(request, season, response.get_response(), response.get_url(), "unusable")
            raise
        self.breaker.succeeded()
        # Kept before it is read: an answer whose format has changed is there when the program has followed.
        moment = self._keep(request, season, response.get_response(), response.get_url(), USABLE)
        return Answer(read(response), response.get_url(), moment)

    def _keep(self, request: Any, season: str, text: str, url: str, kind: str) -> datetime:
        moment = self.now()
        if self.store is not None:
            self.store.put(request.endpoint, season, request.parameters, text, url=url, fetched_at=moment, kind=kind)
        return moment

    def _replayed(self, request: Any, read: Callable[[Any], Content], season: str) -> Answer[Content]:
        assert self.store is not None
        stored = self.store.latest(request.endpoint, season, request.parameters)
        if stored is None:
            raise SourceError(
                f"No stored answer to {request.endpoint} of {season} with these parameters lies under "
                f"{self.store.root}: fetch it once without replay."
            )
        response = NBAStatsResponse(response=stored.text, status_code=200, url=stored.url)
        return Answer(read(response), stored.url, stored.fetched_at)

    def _require_closed_breaker(self, endpoint: str) -> None:
        left = self.breaker.seconds_left()
        if left > 0:
            raise RequestsStopped(
                f"stats.nba.com failed {self.breaker.failures} times in a row, so {endpoint} was not asked for: "
                f"no request is made for another {left:.0f} s; try again then, or {WAY_OUT}."
            )

    def _send(self, request: Any, timeout: tuple[float, float]) -> Any:
        self._take_turn()
        NBAStatsHTTP.set_session(self._session)
        http = NBAStatsHTTP()
        if self.base_url is not None:
            http.base_url = self.base_url
        # nba_api also offers brotli, which requests cannot read without a further package.
        headers = {**NBAStatsHTTP.headers, "Accept-Encoding": "gzip, deflate"}
        return http.send_api_request(
            endpoint=request.endpoint, parameters=request.parameters, headers=headers, timeout=timeout
        )

    def _take_turn(self) -> None:
        with self._turn:
            if self._last_request is not None:
                early = self.pause - (self.clock() - self._last_request)
                if early > 0:
                    self.sleep(early)
            self._last_request = self.clock()


class _Refused(Exception):
    """An HTTP status that is no success; `retry_after` in seconds where the server named it."""

    def __init__(self, response: requests.Response) -> None:
        self.status = response.status_code
        self.retry_after = _retry_after(response.headers.get("Retry-After"))
        self.body = response.text
        self.url = response.url
        told = f", Retry-After {self.retry_after:g} s" if self.retry_after is not None else ""
        super().__init__(f"HTTP {self.status}{told}")


def _refuse_bad_status(response: requests.Response, **_: object) -> None:
    """A session hook: nba_api itself ignores the status and fails on the error page's text."""
    if not response.ok:
        raise _Refused(response)


def _retry_after(header: str | None) -> float | None:
    """Seconds from a Retry-After header, which holds seconds or a date (RFC 9110, section 10.2.3)."""
    if header is None:
        return None
    try:
        return float(int(header))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _worth_another_try(error: Exception) -> bool | float:
    """Whether to try again, or after how many seconds, in the form of stamina's back-off hooks."""
    if isinstance(error, _Refused):
        if error.status != 429 and error.status < 500:
            return False
        if error.retry_after is None:
            return True
        return error.retry_after if error.retry_after <= LONGEST_WAIT else False
    lost = (requests.Timeout, requests.ConnectionError, requests.exceptions.ChunkedEncodingError, CutOff)
    return isinstance(error, lost)


def _reason(error: Exception) -> str:
    """The innermost cause in a few words; urllib3's wrapping repeats the address several times."""
    cause = getattr(error.args[0], "reason", error.args[0]) if error.args else error
    return str(cause).rsplit("): ", 1)[-1] or type(error).__name__


def _tell_retry(details: RetryDetails) -> None:
    cause = details.caused_by
    told = str(cause) if isinstance(cause, _Refused) else type(cause).__name__.lstrip("_")
    log.warning("stats.nba.com: %s; attempt %d in %.1f s", told, details.retry_num + 1, details.wait_for)


# Nothing else here retries, and stamina's own hook writes the whole request with its traceback to the console.
stamina.instrumentation.set_on_retry_hooks([_tell_retry])
