"""Runs that failed and renewals that died: someone is told, once."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.definitions.freshness import FreshnessState
from dagster._core.loader import LoadingContextForTest
from dagster._core.test_utils import freeze_time
from dagster._daemon.freshness import FreshnessDaemon

from statmuse_pipeline.defs.alarms import failures, overdue
from statmuse_pipeline.defs.resources import Workspace
from statmuse_pipeline.settings import load_settings
from statmuse_pipeline_tests.defs.nights import repository
from statmuse_pipeline_tests.local_services import webhook

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
WATCHED = {"training_dataset": 8 * 24, "pooled_models": 8 * 24, "live_history": 36}
"""Hours after which each is overdue."""


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as made:
        yield made


def told_by(url: str) -> Workspace:
    return Workspace(settings=load_settings(STATMUSE_WEBHOOK_URL=url, STATMUSE_SMTP_URL=""))


@dg.op
def breaks() -> None:
    raise ValueError("the box scores are upside down")


@dg.job
def broken() -> None:
    breaks()


def failed_run(instance: dg.DagsterInstance, **tags: str) -> dg.RunFailureSensorContext:
    result = broken.execute_in_process(instance=instance, raise_on_error=False, tags=tags, run_config=QUIET)
    context = dg.build_run_status_sensor_context(
        sensor_name="failures",
        dagster_instance=instance,
        dagster_run=result.dagster_run,
        dagster_event=result.get_run_failure_event(),
    )
    return context.for_run_failure()


def test_a_failed_run_is_told_of_with_the_step_and_its_error(instance) -> None:
    context = failed_run(instance)
    with webhook() as (url, posted):
        failures(context, workspace=told_by(url))
    (message,) = posted
    assert "broken failed" in message["text"]
    assert "Step breaks" in message["text"]
    assert "upside down" in message["text"]


def test_a_run_that_the_daemon_starts_again_is_no_failure_yet(instance) -> None:
    context = failed_run(instance, **{"dagster/will_retry": "true"})
    with webhook() as (url, posted):
        failures(context, workspace=told_by(url))
    assert posted == []


def look(instance: dg.DagsterInstance, url: str, cursor: str | None) -> str | None:
    """What the freshness daemon and then the sensor make of this moment; the sensor's new cursor."""
    graph = repository().asset_graph
    for name in WATCHED:
        node = graph.get(dg.AssetKey(name))
        asyncio.run(FreshnessDaemon()._evaluate_asset(LoadingContextForTest(instance), node))
    context = dg.build_sensor_context(
        instance=instance, cursor=cursor, repository_def=repository(), resources={"workspace": told_by(url)}
    )
    result = overdue(context)
    assert isinstance(result, dg.SensorResult)
    return result.cursor


@pytest.mark.parametrize("name", WATCHED)
def test_a_renewal_that_silently_died_is_told_of_the_next_day_and_once(instance, name) -> None:
    renewed = dt.datetime.now(dt.UTC)
    for each in WATCHED:
        instance.report_runless_asset_event(dg.AssetMaterialization(each))
    limit = dt.timedelta(hours=WATCHED[name])
    with webhook() as (url, posted):
        with freeze_time(renewed + limit - dt.timedelta(hours=1)):
            cursor = look(instance, url, None)
        before = [message["text"] for message in posted]
        assert not any(name in text for text in before)
        for hours in (1, 2):
            with freeze_time(renewed + limit + dt.timedelta(hours=hours)):
                cursor = look(instance, url, cursor)
        assert sum(name in message["text"] for message in posted) == 1
        instance.report_runless_asset_event(dg.AssetMaterialization(name))
        cursor = look(instance, url, cursor)
        assert name not in str(cursor)
    states = instance.get_freshness_state_records([dg.AssetKey(name)])
    assert states[dg.AssetKey(name)].freshness_state == FreshnessState.PASS
