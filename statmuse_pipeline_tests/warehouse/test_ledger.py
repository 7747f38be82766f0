"""The ledger of expected outputs, on both databases: what was missed before tip-off is never made up afterwards."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pytest
import sqlalchemy as sa

from statmuse_pipeline.domain import PipelineError
from statmuse_pipeline.warehouse.ledger import WHOLE_DAY, Ledger, Output, State, missed_days, next_state

DAY = dt.date(2024, 11, 5)
TIPOFF = dt.datetime(2024, 11, 6, 0, 10, tzinfo=dt.UTC)
BEFORE, AFTER = TIPOFF - dt.timedelta(minutes=1), TIPOFF + dt.timedelta(minutes=1)
ONE, TWO = "0022400001", "0022400002"


class Clock:
    def __init__(self, now: dt.datetime) -> None:
        self.now = now

    def __call__(self) -> dt.datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock(BEFORE)


@pytest.fixture
def ledger(engine: sa.Engine, clock: Clock) -> Ledger:
    return Ledger(engine, clock)


def states(ledger: Ledger) -> dict[str, str]:
    rows = ledger.read(DAY, Output.SLATE)
    return dict(zip(rows["game_id"], rows["state"], strict=True))


def test_a_forecast_before_tip_off_completes_what_was_expected(ledger: Ledger) -> None:
    ledger.expect(DAY, Output.SLATE, {ONE: TIPOFF, TWO: TIPOFF})
    ledger.complete(DAY, Output.SLATE, {ONE: 240})
    assert states(ledger) == {ONE: "complete", TWO: "expected"}
    row = ledger.read(DAY).iloc[0]
    assert (row["rows"], row["due_at"], row["recorded_at"]) == (240, TIPOFF, BEFORE)
    assert row["game_day"] == DAY


def test_a_forecast_missed_before_tip_off_is_never_made_up(ledger: Ledger, clock: Clock) -> None:
    ledger.expect(DAY, Output.SLATE, {ONE: TIPOFF})
    clock.now = AFTER
    ledger.complete(DAY, Output.SLATE, {ONE: 240})
    assert states(ledger) == {ONE: "missed"}
    # Neither a second attempt nor a clock that was set back brings it back.
    clock.now = BEFORE
    for attempt in (
        lambda: ledger.complete(DAY, Output.SLATE, {ONE: 240}),
        lambda: ledger.fail(DAY, Output.SLATE, [ONE], "x"),
    ):
        attempt()
        assert states(ledger) == {ONE: "missed"}
    ledger.expect(DAY, Output.SLATE, {ONE: TIPOFF})
    assert states(ledger) == {ONE: "missed"}
    assert missed_days(ledger.read()) == [DAY]


def test_a_game_announced_after_its_tip_off_is_missed_at_once(ledger: Ledger, clock: Clock) -> None:
    clock.now = TIPOFF
    ledger.expect(DAY, Output.SLATE, {ONE: TIPOFF})
    assert states(ledger) == {ONE: "missed"}


def test_closing_marks_what_is_overdue_and_nothing_else(ledger: Ledger, clock: Clock) -> None:
    ledger.expect(DAY, Output.SLATE, {ONE: TIPOFF, TWO: TIPOFF + dt.timedelta(hours=3)})
    ledger.expect(DAY, Output.GRADES, {ONE: None})
    ledger.fail(DAY, Output.SLATE, [ONE], "no models")
    assert ledger.close().empty
    clock.now = AFTER
    closed = ledger.close()
    assert closed["game_id"].tolist() == [ONE]
    assert states(ledger) == {ONE: "missed", TWO: "expected"}
    assert ledger.read(DAY, Output.GRADES)["state"].tolist() == ["expected"]
    assert ledger.read(DAY, Output.SLATE)["detail"].tolist()[0] == "no models"
    assert ledger.close().empty


def test_a_failure_may_be_followed_by_success_and_a_success_survives_a_failed_renewal(ledger: Ledger) -> None:
    ledger.expect(DAY, Output.SLATE, {ONE: TIPOFF})
    ledger.fail(DAY, Output.SLATE, [ONE], "stats.nba.com did not answer")
    assert states(ledger) == {ONE: "failed"}
    ledger.complete(DAY, Output.SLATE, {ONE: 240})
    ledger.fail(DAY, Output.SLATE, [ONE], "again")
    assert states(ledger) == {ONE: "complete"}
    ledger.complete(DAY, Output.SLATE, {ONE: 248})
    assert ledger.read(DAY)["rows"].tolist() == [248]


def test_a_complete_forecast_stays_complete_after_tip_off(ledger: Ledger, clock: Clock) -> None:
    ledger.expect(DAY, Output.SLATE, {ONE: TIPOFF})
    ledger.complete(DAY, Output.SLATE, {ONE: 240})
    clock.now = AFTER
    ledger.close()
    ledger.expect(DAY, Output.SLATE, {ONE: TIPOFF})
    assert states(ledger) == {ONE: "complete"}


def test_a_postponed_game_is_legitimately_empty_even_when_it_was_missed(ledger: Ledger, clock: Clock) -> None:
    ledger.expect(DAY, Output.SLATE, {ONE: TIPOFF, TWO: TIPOFF})
    clock.now = AFTER
    ledger.close()
    ledger.empty(DAY, Output.SLATE, [TWO], "postponed")
    assert states(ledger) == {ONE: "missed", TWO: "empty"}


def test_a_day_without_games_is_legitimately_empty_until_one_is_announced(ledger: Ledger) -> None:
    ledger.empty(DAY, Output.SLATE, detail="no games")
    assert states(ledger) == {WHOLE_DAY: "empty"}
    ledger.empty(DAY, Output.SLATE, [ONE], "postponed")
    ledger.expect(DAY, Output.SLATE, {ONE: TIPOFF})
    assert states(ledger) == {WHOLE_DAY: "empty", ONE: "expected"}


def test_an_open_forecast_follows_a_tip_off_that_moves(ledger: Ledger, clock: Clock) -> None:
    later = TIPOFF + dt.timedelta(hours=2)
    ledger.expect(DAY, Output.SLATE, {ONE: TIPOFF})
    ledger.expect(DAY, Output.SLATE, {ONE: later})
    clock.now = AFTER
    ledger.complete(DAY, Output.SLATE, {ONE: 240})
    assert states(ledger) == {ONE: "complete"}
    assert ledger.read(DAY)["due_at"].tolist() == [later]


def test_recording_the_same_thing_twice_changes_no_row(ledger: Ledger) -> None:
    for _ in range(2):
        ledger.expect(DAY, Output.SLATE, {ONE: TIPOFF})
        ledger.complete(DAY, Output.SLATE, {ONE: 240})
    assert len(ledger.read()) == 1


def test_ten_writers_of_the_same_night_leave_one_row_a_game(engine: sa.Engine, url: str) -> None:
    from statmuse_pipeline.warehouse.engine import open_warehouse

    def write(_: int) -> None:
        own = Ledger(open_warehouse(url, busy_seconds=30), lambda: BEFORE)
        own.expect(DAY, Output.SLATE, {ONE: TIPOFF, TWO: TIPOFF})
        own.complete(DAY, Output.SLATE, {ONE: 240})
        own.engine.dispose()

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(write, range(10)))
    assert states(Ledger(engine)) == {ONE: "complete", TWO: "expected"}


def test_a_clock_without_a_zone_is_refused(engine: sa.Engine) -> None:
    with pytest.raises(PipelineError, match="zone"):
        Ledger(engine, lambda: dt.datetime(2024, 11, 5)).empty(DAY, Output.SLATE)


def test_the_database_refuses_an_unknown_state(engine: sa.Engine) -> None:
    row = sa.text(
        "INSERT INTO forecast_ledger (game_day, output, game_id, state, recorded_at, detail) "
        "VALUES ('2024-11-05', 'slate', '', 'made up', '2024-11-05 12:00:00', '')"
    )
    with pytest.raises(sa.exc.IntegrityError), engine.begin() as connection:
        connection.execute(row)


def test_no_event_ever_turns_a_missed_output_into_one_that_was_made() -> None:
    for now, due, wanted in product((BEFORE, AFTER), (TIPOFF, None), State):
        after = next_state(State.MISSED, wanted, now=now, due_at=due)
        assert after in (State.MISSED, State.EMPTY), wanted
    for current, wanted in product((None, *State), State):
        late = next_state(current, wanted, now=AFTER, due_at=TIPOFF)
        assert late is not State.COMPLETE or current is State.COMPLETE, (current, wanted)
