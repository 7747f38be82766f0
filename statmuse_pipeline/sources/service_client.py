"""Requests to a service: patient, polite, remembered, and stopped when they are pointless."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import ClassVar, Generic, TypeVar

import requests
import stamina
from stamina.instrumentation import RetryDetails

from statmuse_pipeline.sources.circuit_breaker import CircuitBreaker
from statmuse_pipeline.sources.raw_store import USABLE, RawStore
from statmuse_pipeline.sources.source import SourceError

LONGEST_WAIT = 120.0
"""Seconds; a server that asks for more patience than this is not waited for."""

log = logging.getLogger(__name__)
Content = TypeVar("Content")
_asking: ContextVar[str] = ContextVar("asking", default="a service")


class ServiceFailing(SourceError):
    """The service was asked as often as allowed and kept failing; a smaller request may still succeed."""


class RequestsStopped(SourceError):
    """The circuit breaker is open: no request was made."""


class NotThere(SourceError):
    """The service has not got what was asked for."""


class Blocked(SourceError):
    """A web page where data should be."""


class CutOff(Exception):
    """An answer that ends before its content does."""


@dataclass(frozen=True)
class Question:
    """What is asked, as the raw store files it; it holds no secret.

    Attributes:
        endpoint: a name fit for a folder.
        season: such as `2023-24`.
        parameters: everything that the answer depends on.
        told: what error messages call it.
    """

    endpoint: str
    season: str
    parameters: Mapping[str, object]
    told: str


@dataclass(frozen=True)
class Reply:
    """An answer's body and the address asked, without any secret."""

    body: bytes
    url: str

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", errors="replace")


@dataclass(frozen=True)
class Answer(Generic[Content]):
    """What was read from an answer, the address asked, and when the answer was received (UTC)."""

    content: Content
    url: str
    fetched_at: datetime


@dataclass
class ServiceClient:
    """One voice towards a service; subclasses say which and what its answers look like.

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
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    service: ClassVar[str]
    """What messages call the service."""
    way_out: ClassVar[str]
    """What a user can do when it will not deliver."""
    slow_hint: ClassVar[str] = ""
    """What to know when it does not answer in time."""
    kind: ClassVar[str] = USABLE
    """Under which ending the raw store keeps usable answers."""
    absent: ClassVar[frozenset[int]] = frozenset()
    """Statuses that only say that there is no such thing: no fault of the service."""
    faults: ClassVar[frozenset[int]] = frozenset({403, 429})
    """Statuses beside 5xx that the circuit breaker counts."""

    def __post_init__(self) -> None:
        if self.replay and self.store is None:
            raise SourceError("Answers can only be replayed from a raw store: name its folder.")
        self._last_request: float | None = None
        self._turn = threading.Lock()
        self._session = requests.Session()
        self._session.hooks["response"].append(_refuse_bad_status)

    def examine(self, reply: Reply) -> None:
        """Looks whether an answer is whole and of the right kind.

        Raises:
            Blocked: when it is a web page.
            CutOff: when it ends too early.
            SourceError: when it is something else.
        """

    def refusal(self, error: Refused, question: Question) -> SourceError:
        """The error for a status that was no success."""
        kind = ServiceFailing if worth_another_try(error) is not False else SourceError
        return kind(f"{self.service} refused {question.told} ({error}): {self.way_out}, or try again later.")

    def exchange(
        self,
        question: Question,
        send: Callable[[tuple[float, float]], Reply],
        read: Callable[[Reply], Content],
        *,
        lasting: bool = False,
        attempts: int | None = None,
        timeout: tuple[float, float] | None = None,
    ) -> Answer[Content]:
        """What `read` makes of the answer, after as many attempts as it takes.

        Args:
            question: under which the raw answer is kept.
            send: makes the request through `self.session`, with time-outs to connect and to read.
            read: makes something of the answer; raises SourceError or CutOff.
            lasting: the answer never changes, so that a stored one is as good as a new one.
            attempts: instead of the client's.
            timeout: instead of the client's.

        Raises:
            ServiceFailing: when the last attempt failed too.
            RequestsStopped: when the circuit breaker is open.
            NotThere: when the service has no such thing.
            SourceError: at once when trying again is pointless, or when nothing is stored to replay.
        """
        if self.replay or lasting:
            stored = self._stored(question, read)
            if stored is not None:
                return stored
        if self.replay:
            raise NotThere(
                f"No stored answer to {question.told} with these parameters lies under "
                f"{self.store.root if self.store else None}: fetch it once without replay."
            )
        allowed = attempts or self.attempts
        retries = stamina.retry_context(
            on=worth_another_try,
            attempts=allowed,
            timeout=None,
            wait_initial=self.first_wait,
            wait_max=30.0,
            wait_jitter=self.first_wait,
        )
        _asking.set(self.service)
        try:
            for attempt in retries:
                with attempt:
                    return self._once(question, send, read, timeout or self.timeout)
        except Refused as error:
            if error.status in self.absent:
                raise NotThere(f"{self.service} does not know {question.told} (HTTP {error.status}).") from error
            raise self.refusal(error, question) from error
        except CutOff as error:
            raise ServiceFailing(
                f"{self.service}'s answer to {question.told} is cut off or empty: try again later."
            ) from error
        except requests.Timeout as error:
            raise ServiceFailing(
                f"{self.service} did not answer {question.told} in time ({allowed} attempts)"
                f"{self.slow_hint or f': {self.way_out}'}."
            ) from error
        except requests.RequestException as error:
            raise ServiceFailing(
                f"{self.service} cannot be reached for {question.told} ({reason(error)}): {self.way_out}."
            ) from error
        raise AssertionError("stamina either returns or raises")

    @property
    def session(self) -> requests.Session:
        """Raises `Refused` for every status that is no success."""
        return self._session

    def take_turn(self) -> None:
        """Waits until the pause since the last request is over."""
        with self._turn:
            if self._last_request is not None:
                early = self.pause - (self.clock() - self._last_request)
                if early > 0:
                    self.sleep(early)
            self._last_request = self.clock()

    def _once(
        self,
        question: Question,
        send: Callable[[tuple[float, float]], Reply],
        read: Callable[[Reply], Content],
        timeout: tuple[float, float],
    ) -> Answer[Content]:
        self._require_closed_breaker(question)
        self.take_turn()
        try:
            reply = send(timeout)
        except Refused as error:
            if error.status in self.faults - self.absent or error.status >= 500:
                self.breaker.failed()
            self._keep(question, Reply(error.body, error.url), f"http-{error.status}")
            raise
        except requests.RequestException:
            self.breaker.failed()
            raise
        try:
            self.examine(reply)
        except (SourceError, CutOff) as error:
            if isinstance(error, Blocked | CutOff):
                self.breaker.failed()
            self._keep(question, reply, "unusable")
            raise
        self.breaker.succeeded()
        # Kept before it is read: an answer whose format has changed is there when the program has followed.
        moment = self._keep(question, reply, self.kind)
        return Answer(read(reply), reply.url, moment)

    def _keep(self, question: Question, reply: Reply, kind: str) -> datetime:
        moment = self.now()
        if self.store is not None:
            self.store.put(
                question.endpoint, question.season, question.parameters, reply.body,
                url=reply.url, fetched_at=moment, kind=kind,
            )  # fmt: skip
        return moment

    def _stored(self, question: Question, read: Callable[[Reply], Content]) -> Answer[Content] | None:
        if self.store is None:
            return None
        stored = self.store.latest(question.endpoint, question.season, question.parameters, kind=self.kind)
        if stored is None:
            return None
        return Answer(read(Reply(stored.content, stored.url)), stored.url, stored.fetched_at)

    def _require_closed_breaker(self, question: Question) -> None:
        left = self.breaker.seconds_left()
        if left > 0:
            raise RequestsStopped(
                f"{self.service} failed {self.breaker.failures} times in a row, so {question.endpoint} was not asked "
                f"for: no request is made for another {left:.0f} s; try again then, or {self.way_out}."
            )


class Refused(Exception):
    """An HTTP status that is no success; `retry_after` in seconds where the server named it."""

    def __init__(self, response: requests.Response) -> None:
        self.status = response.status_code
        self.retry_after = _retry_after(response.headers.get("Retry-After"))
        self.headers: Mapping[str, str] = response.headers
        self.body = response.content
        self.url = response.url
        told = f", Retry-After {self.retry_after:g} s" if self.retry_after is not None else ""
        super().__init__(f"HTTP {self.status}{told}")


def _refuse_bad_status(response: requests.Response, **_: object) -> None:
    """A session hook: libraries on top of requests may ignore the status and fail on the error page's text."""
    if not response.ok:
        raise Refused(response)


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


def worth_another_try(error: Exception) -> bool | float:
    """Whether to try again, or after how many seconds, in the form of stamina's back-off hooks."""
    if isinstance(error, Refused):
        if error.status != 429 and error.status < 500:
            return False
        if error.retry_after is None:
            return True
        return error.retry_after if error.retry_after <= LONGEST_WAIT else False
    lost = (requests.Timeout, requests.ConnectionError, requests.exceptions.ChunkedEncodingError, CutOff)
    return isinstance(error, lost)


def reason(error: Exception) -> str:
    """The innermost cause in a few words; urllib3's wrapping repeats the address several times."""
    cause = getattr(error.args[0], "reason", error.args[0]) if error.args else error
    return str(cause).rsplit("): ", 1)[-1] or type(error).__name__


def _tell_retry(details: RetryDetails) -> None:
    cause = details.caused_by
    told = str(cause) if isinstance(cause, Refused) else type(cause).__name__.lstrip("_")
    log.warning("%s: %s; attempt %d in %.1f s", _asking.get(), told, details.retry_num + 1, details.wait_for)


# Nothing else here retries, and stamina's own hook writes the whole request with its traceback to the console.
stamina.instrumentation.set_on_retry_hooks([_tell_retry])
