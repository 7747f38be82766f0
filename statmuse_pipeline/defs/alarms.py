"""Who is told when a run fails for good, or when an asset is overdue."""

import json

import dagster as dg
from dagster._core.definitions.freshness import FreshnessState

from statmuse_pipeline.defs.resources import Workspace

OVERDUE_EVERY = 600


@dg.run_failure_sensor(
    name="failures",
    default_status=dg.DefaultSensorStatus.RUNNING,
    monitor_all_code_locations=False,
    description="Posts runs that failed for good to STATMUSE_WEBHOOK_URL, or mails them.",
)
def failures(context: dg.RunFailureSensorContext, workspace: dg.ResourceParam[Workspace]) -> None:
    """A run that the daemon starts again is no failure yet."""
    from statmuse_pipeline.notifications import notify

    run = context.dagster_run
    if run.tags.get("dagster/will_retry") == "true":
        return
    told = [f"Run {run.run_id} of {run.job_name} failed: {context.failure_event.message}"]
    told += [f"Step {event.step_key}: {_cause(event)}" for event in context.get_step_failure_events()]
    notify(workspace.settings, f"StatMuse pipeline: {run.job_name} failed", "\n".join(told))


def _cause(event: dg.DagsterEvent) -> str:
    """The first line of the innermost error: Dagster wraps what a step raised."""
    error = event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip().splitlines()[0] if error else str(event.message)


@dg.sensor(
    minimum_interval_seconds=OVERDUE_EVERY,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells of assets whose freshness policy is broken, once each time it breaks.",
)
def overdue(context: dg.SensorEvaluationContext, workspace: dg.ResourceParam[Workspace]) -> dg.SensorResult:
    """A weekly or nightly renewal that silently died is told of the next day."""
    from statmuse_pipeline.notifications import notify

    graph = context.repository_def.asset_graph  # type: ignore[union-attr]
    watched = [key for key in graph.get_all_asset_keys() if graph.get(key).freshness_policy is not None]
    states = context.instance.get_freshness_state_records(watched)
    late = sorted(
        key.to_user_string() for key, record in states.items() if record.freshness_state == FreshnessState.FAIL
    )
    known = set(json.loads(context.cursor or "[]"))
    if fresh := [name for name in late if name not in known]:
        notify(
            workspace.settings,
            f"StatMuse pipeline: {', '.join(fresh)} overdue",
            "The asset was not renewed in the time its freshness policy allows: look at the schedules and the daemon.",
        )
    return dg.SensorResult(skip_reason=f"Overdue: {', '.join(late) or 'nothing'}.", cursor=json.dumps(late))


@dg.definitions
def alarms() -> dg.Definitions:
    """Sensors that start no run."""
    return dg.Definitions(sensors=[failures, overdue])
