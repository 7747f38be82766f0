"""Processes that load the little league's second season; run as `python -m ... URL PROCESSES [hang]`.

Each says `inserted unchanged` when it is done, or the error. With `hang` the one process says how many rows it sees
once it has written them, and commits only when it is spoken to.
"""

from __future__ import annotations

import os
import sys

import sqlalchemy as sa

from statmuse_pipeline.domain import PipelineError
from statmuse_pipeline.warehouse.engine import open_warehouse
from statmuse_pipeline_tests.warehouse.little_league import load


def say(text: str) -> None:
    os.write(1, f"{text}\n".encode())  # one call, so that lines of several processes never mix


def work(url: str, hang: bool) -> int:
    try:
        engine = open_warehouse(url)
        if hang:
            sa.event.listen(engine, "after_cursor_execute", stop_midway)
        report = load(engine, "2024-25")
    except PipelineError as error:
        say(str(error))
        return 1
    say(f"{report.inserted} {report.unchanged}")
    return 0


def stop_midway(connection: sa.Connection, _cursor: object, statement: str, *_: object) -> None:
    if statement.startswith("INSERT INTO player_stats"):
        say(f"midway {connection.exec_driver_sql('SELECT COUNT(*) FROM player_stats').scalar()}")
        sys.stdin.readline()


def crowd(url: str, processes: int) -> int:
    """Forks after the imports and a first load, which would take most of the time, and lets all begin at once."""
    load(open_warehouse("sqlite://"))
    waiting, gate = os.pipe()
    for _ in range(processes):
        if os.fork() == 0:
            os.close(gate)
            os.read(waiting, 1)
            os._exit(work(url, hang=False))
    os.close(gate)
    return max(os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(processes))


if __name__ == "__main__":
    url, processes, *hang = sys.argv[1:]
    sys.exit(crowd(url, int(processes)) if int(processes) > 1 else work(url, bool(hang)))
