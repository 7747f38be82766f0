"""Stops asking a service that keeps failing, for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class CircuitBreaker:
    """Counts failures in a row; open, it lets nothing through until the cool-down is over, and then one trial.

    The pattern is M. Nygard's, *Release It!* (2nd ed., section 5.2). Safe to share between threads.

    Args:
        failures: so many in a row open it.
        cool_down: seconds it stays open.
        clock: monotonic seconds.
    """

    def __init__(
        self, failures: int = 6, cool_down: float = 300.0, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.failures = failures
        self.cool_down = cool_down
        self._clock = clock
        self._lock = threading.Lock()
        self._in_a_row = 0
        self._opened: float | None = None

    def seconds_left(self) -> float:
        """How long requests must still wait, 0.0 when one may be made.

        After the cool-down the first caller gets 0.0 and the others wait for another cool-down, unless that trial
        succeeds meanwhile.
        """
        with self._lock:
            if self._opened is None:
                return 0.0
            left = self._opened + self.cool_down - self._clock()
            if left > 0:
                return left
            self._opened = self._clock()
            return 0.0

    def succeeded(self) -> None:
        """The service answered as it should."""
        with self._lock:
            self._in_a_row, self._opened = 0, None

    def failed(self) -> None:
        """The service failed once more."""
        with self._lock:
            self._in_a_row += 1
            if self._in_a_row >= self.failures:
                self._opened = self._clock()
