"""Runs whose process is gone: a killed process can't say so itself, and the slots of its pools would stay taken.

Dagster's run monitoring does this for the runs that it launched, not for those inside a process, such as the command
line's and the parts of a job of several partitionings. They carry a tag that names their process.
"""

import os
import socket
from pathlib import Path

import dagster as dg

PROCESS = "statmuse/process"


def process_tag() -> dict[str, str]:
    """The tag of runs that live and die with this process."""
    return {PROCESS: _name(os.getpid())}


def end_abandoned(instance: dg.DagsterInstance) -> list[str]:
    """Marks runs of this machine whose process is gone as failed and frees their slots; the ids of these runs."""
    unfinished = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.NOT_STARTED]
    ended = []
    for run in instance.get_runs(dg.RunsFilter(statuses=unfinished)):
        process = run.tags.get(PROCESS, "")
        host, _, number = process.rpartition(" ")[0].partition(" ")
        if host != socket.gethostname() or _name(int(number)) == process:
            continue
        instance.report_run_failed(run, "The process of this run was killed: what was complete is kept, run it again.")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        ended.append(run.run_id)
    return ended


def _name(pid: int) -> str:
    """Host, number and, where the system tells it, the moment of its start: numbers are given again."""
    try:
        started = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        try:
            os.kill(pid, 0)
            started = "running"
        except OSError:
            started = "gone"
    return f"{socket.gethostname()} {pid} {started}"
