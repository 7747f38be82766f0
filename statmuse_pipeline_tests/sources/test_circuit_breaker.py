"""When requests stop, and when they may go on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from statmuse_pipeline.sources.circuit_breaker import CircuitBreaker


def breaker(now: list[float]) -> CircuitBreaker:
    return CircuitBreaker(failures=3, cool_down=60.0, clock=lambda: now[0])


def test_it_opens_at_the_third_failure_in_a_row() -> None:
    one = breaker([0.0])
    for _ in range(2):
        one.failed()
        assert one.seconds_left() == 0.0
    one.failed()
    assert one.seconds_left() == 60.0


def test_a_success_between_failures_starts_the_count_again() -> None:
    one = breaker([0.0])
    for _ in range(5):
        one.failed()
        one.failed()
        one.succeeded()
    assert one.seconds_left() == 0.0


def test_after_the_cool_down_one_trial_decides() -> None:
    now = [0.0]
    one = breaker(now)
    for _ in range(3):
        one.failed()
    now[0] = 59.0
    assert one.seconds_left() == 1.0
    now[0] = 60.0
    assert one.seconds_left() == 0.0
    assert one.seconds_left() == 60.0
    one.failed()
    assert one.seconds_left() == 60.0
    now[0] = 120.0
    assert one.seconds_left() == 0.0
    one.succeeded()
    assert one.seconds_left() == one.seconds_left() == 0.0


@given(st.lists(st.booleans(), max_size=40))
def test_it_is_open_exactly_when_the_last_three_outcomes_failed(outcomes: list[bool]) -> None:
    one = breaker([0.0])
    for succeeded in outcomes:
        one.succeeded() if succeeded else one.failed()
    assert (one.seconds_left() > 0) == (len(outcomes) >= 3 and not any(outcomes[-3:]))
