"""The ledger: which output is expected for each game day and game, and what became of it.

A row is `expected` until its output is `complete`, legitimately `empty` (no game, a postponed one, nothing to grade),
`failed` (an attempt broke; another may follow) or `missed` (its moment passed without it). An output with a moment it
is due at, such as a forecast before tip-off, is complete only when it is recorded before that moment: afterwards it is
missed, and stays so.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pandas as pd
import sqlalchemy as sa

from statmuse_pipeline.domain import PipelineError
from statmuse_pipeline.warehouse.engine import clear_errors, write_transaction
from statmuse_pipeline.warehouse.tables import FORECAST_LEDGER

WHOLE_DAY = ""
"""The game_id of a row about the day as a whole."""


class Output(StrEnum):
    """What is expected of a game day."""

    SLATE = "slate"
    """Forecasts before tip-off, a row a game, due at tip-off."""
    GRADES = "grades"
    """Those forecasts against what happened, a row a game, due whenever the box score is there."""


class State(StrEnum):
    """Where an output stands."""

    EXPECTED = "expected"
    COMPLETE = "complete"
    EMPTY = "empty"
    FAILED = "failed"
    MISSED = "missed"


OPEN = (State.EXPECTED, State.FAILED)
"""States in which an output is still to come."""

_FROM: Mapping[State, tuple[State, ...]] = {
    State.EXPECTED: (State.EXPECTED, State.EMPTY),
    State.COMPLETE: (State.EXPECTED, State.FAILED, State.COMPLETE),
    State.EMPTY: (State.EXPECTED, State.FAILED, State.EMPTY, State.MISSED),
    State.FAILED: (State.EXPECTED, State.FAILED),
    State.MISSED: (State.EXPECTED, State.FAILED),
}
"""State -> the states it may follow. A complete output stays complete when a later attempt to renew it fails; a missed
one may turn out to be empty, when its game is postponed after all."""


def next_state(current: State | None, wanted: State, *, now: dt.datetime, due_at: dt.datetime | None) -> State:
    """The state after an event; `current` None for a row that is not there yet.

    Args:
        current: where the output stands.
        wanted: what the event says it is now.
        now: the moment of the event.
        due_at: the moment it had to be there by; None for no such moment.

    Returns:
        `wanted`, or `current` where the event changes nothing, or MISSED where it comes too late.
    """
    if current is not None and current not in _FROM[wanted]:
        return current
    late = due_at is not None and now >= due_at
    renewed = current is State.COMPLETE
    if late and wanted in (State.COMPLETE, State.FAILED, State.EXPECTED) and not renewed:
        return State.MISSED
    return wanted


@dataclass(frozen=True)
class Ledger:
    """The table `forecast_ledger`.

    Attributes:
        engine: the warehouse.
        clock: the present moment, with a zone.
    """

    engine: sa.Engine
    clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC)

    def expect(self, day: dt.date, output: Output, due_at: Mapping[str, dt.datetime | None], detail: str = "") -> None:
        """Put games on the ledger, or move the moment they are due at; what is past its moment is missed at once.

        Args:
            day: the game day.
            output: of what.
            due_at: game_id (or WHOLE_DAY) -> the moment it is due at, None for none.
            detail: a note for new rows.
        """
        self._record(day, output, due_at, State.EXPECTED, detail, due=due_at)

    def complete(self, day: dt.date, output: Output, rows: Mapping[str, int], detail: str = "") -> None:
        """Say that outputs are there: game_id -> number of rows. Too late for its moment, it is missed."""
        self._record(day, output, rows, State.COMPLETE, detail, rows=rows)

    def empty(self, day: dt.date, output: Output, games: Iterable[str] = (WHOLE_DAY,), detail: str = "") -> None:
        """Say that there is legitimately nothing, and why."""
        self._record(day, output, games, State.EMPTY, detail)

    def fail(self, day: dt.date, output: Output, games: Iterable[str], detail: str) -> None:
        """Say that an attempt broke, and why. What was complete stays so."""
        self._record(day, output, games, State.FAILED, detail)

    def close(self) -> pd.DataFrame:
        """Mark every open output whose moment has passed as missed.

        Returns:
            The rows newly missed, as `read`.
        """
        now = self.clock()
        where = FORECAST_LEDGER.c.state.in_([state.value for state in OPEN]) & (FORECAST_LEDGER.c.due_at <= _utc(now))
        with clear_errors(self.engine.url), write_transaction(self.engine) as connection:
            overdue = _frame(connection, sa.select(FORECAST_LEDGER).where(where))
            connection.execute(
                FORECAST_LEDGER.update().where(where).values(state=State.MISSED.value, recorded_at=_utc(now))
            )
        return overdue.assign(state=State.MISSED.value, recorded_at=pd.Timestamp(_utc(now)))

    def read(self, day: dt.date | None = None, output: Output | None = None) -> pd.DataFrame:
        """game_day, output, game_id, state, due_at, recorded_at (UTC), rows (Int64), detail; sorted by the first three.

        Raises:
            WarehouseError: when the database refuses.
        """
        query = sa.select(FORECAST_LEDGER)
        if day is not None:
            query = query.where(FORECAST_LEDGER.c.game_day == day)
        if output is not None:
            query = query.where(FORECAST_LEDGER.c.output == output.value)
        key = FORECAST_LEDGER.c
        with clear_errors(self.engine.url), self.engine.connect() as connection:
            return _frame(connection, query.order_by(key.game_day, key.output, key.game_id))

    def _record(
        self,
        day: dt.date,
        output: Output,
        games: Iterable[str],
        wanted: State,
        detail: str,
        *,
        rows: Mapping[str, int] | None = None,
        due: Mapping[str, dt.datetime | None] | None = None,
    ) -> None:
        now, wanted_games = self.clock(), sorted(set(games))
        if now.tzinfo is None:
            raise PipelineError("The ledger's clock gives a moment without a zone: give it one, such as UTC.")
        here = (FORECAST_LEDGER.c.game_day == day) & (FORECAST_LEDGER.c.output == output.value)
        with clear_errors(self.engine.url), write_transaction(self.engine) as connection:
            stored = _frame(connection, sa.select(FORECAST_LEDGER).where(here))
            known = {row["game_id"]: row for row in stored.to_dict("records")}
            for game in wanted_games:
                change = _changed(known.get(game), wanted, now, detail, (rows or {}).get(game), (due or {}).get(game))
                if change is None:
                    continue
                key = {"game_day": day, "output": output.value, "game_id": game}
                if game in known:
                    connection.execute(
                        FORECAST_LEDGER.update().where(here & (FORECAST_LEDGER.c.game_id == game)).values(change)
                    )
                else:
                    connection.execute(FORECAST_LEDGER.insert().values({**key, **change}))


def _changed(
    row: Mapping[Any, Any] | None,
    wanted: State,
    now: dt.datetime,
    detail: str,
    rows: int | None,
    due_at: dt.datetime | None,
) -> dict[str, Any] | None:
    """The columns of a row after an event; None where it changes nothing."""
    current = State(row["state"]) if row is not None else None
    stored = None if row is None or pd.isna(row["due_at"]) else row["due_at"].to_pydatetime()
    # A complete forecast was made before the tip-off that was known then; only open ones follow a moved tip-off.
    due = due_at if due_at is not None and current is not State.COMPLETE else stored
    state = next_state(current, wanted, now=now, due_at=due)
    if state is current and state is not wanted:
        return None
    if state is current and wanted is State.EXPECTED and due == stored:
        return None
    return {
        "state": state.value,
        "due_at": _utc(due) if due is not None else None,
        "recorded_at": _utc(now),
        "rows": rows,
        "detail": detail or (str(row["detail"]) if row is not None else ""),
    }


def _frame(connection: sa.Connection, query: sa.Select) -> pd.DataFrame:
    result = connection.execute(query)
    frame = pd.DataFrame(result.tuples().all(), columns=list(result.keys()))
    for name in ("due_at", "recorded_at"):
        frame[name] = pd.to_datetime(frame[name], utc=True).astype("datetime64[ns, UTC]")
    return frame.astype({"output": "str", "game_id": "str", "state": "str", "rows": "Int64", "detail": "str"})


def _utc(moment: dt.datetime) -> dt.datetime:
    return moment.astimezone(dt.UTC)


def missed_days(ledger: pd.DataFrame) -> Sequence[dt.date]:
    """Days on which at least one output was missed, newest first; `ledger` of `Ledger.read`."""
    days = ledger.loc[ledger["state"] == State.MISSED.value, "game_day"].unique()
    return sorted(days, reverse=True)
