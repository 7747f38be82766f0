"""What Dagster is told: a snapshot, so that a renamed asset or job is noticed, and how quickly it loads."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import textwrap
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._utils.schedules import schedule_execution_time_iterator

from statmuse_pipeline.definitions import definitions
from statmuse_pipeline.defs.nightly import EASTERN, SCHEDULES
from statmuse_pipeline.defs.partitions import contiguous_ranges

BY_SEASON = {"raw_game_logs", "player_games", "team_games", "players", "player_features", "market_quotes"}
BY_PLAYER = {"player_models", "player_calibrators", "live_models"}
WHOLE = {
    "earlier_seasons", "live_history", "training_dataset", "pooled_models", "tuned_parameters", "test_forecasts",
    "backtest", "metric_report", "report", "graded_forecasts", "slate_forecasts",
}  # fmt: skip


@pytest.fixture(scope="module")
def repository() -> dg.RepositoryDefinition:
    return definitions().get_repository_def()


def specs(repository: dg.RepositoryDefinition) -> dict[str, dg.AssetSpec]:
    graph = repository.asset_graph
    return {key.to_user_string(): graph.get(key).to_asset_spec() for key in graph.get_all_asset_keys()}


def test_the_assets_and_their_partitions_are_those_of_the_design(repository):
    graph = repository.asset_graph
    partitions = {
        key.to_user_string(): type(graph.get(key).partitions_def).__name__ for key in graph.get_all_asset_keys()
    }
    assert partitions == {
        **dict.fromkeys(BY_SEASON, "StaticPartitionsDefinition"),
        **dict.fromkeys(BY_PLAYER, "DynamicPartitionsDefinition"),
        **dict.fromkeys(WHOLE, "NoneType"),
    }


def test_every_asset_has_a_description_a_group_an_owner_and_a_kind(repository):
    graph = repository.asset_graph
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.description, key
        assert node.group_name != "default", key
        assert node.owners, key
        assert node.kinds, key


def test_lineage_runs_from_raw_logs_to_the_report(repository):
    graph = repository.asset_graph
    upstream = {
        key.to_user_string(): {up.to_user_string() for up in graph.get(key).parent_keys}
        for key in graph.get_all_asset_keys()
    }
    assert upstream["player_games"] == {"raw_game_logs"}
    assert upstream["player_features"] == {"player_games", "team_games", "players", "earlier_seasons"}
    assert upstream["training_dataset"] == {"player_features"}
    assert upstream["player_models"] == {"pooled_models", "tuned_parameters"}
    assert upstream["test_forecasts"] == {"player_calibrators", "pooled_models"}
    assert upstream["backtest"] == {"test_forecasts", "market_quotes"}
    assert upstream["metric_report"] == {"test_forecasts", "backtest"}
    assert upstream["report"] == {"metric_report", "backtest"}
    assert upstream["graded_forecasts"] == {"player_games"}
    assert upstream["live_history"] == {"player_features", "pooled_models"}
    assert upstream["live_models"] == {"live_history", "tuned_parameters"}
    assert upstream["slate_forecasts"] == {
        "graded_forecasts", "live_models", "player_calibrators", "pooled_models", "player_features", "market_quotes",
    }  # fmt: skip


def test_the_jobs_and_blocking_checks_are_there(repository):
    jobs = {job.name for job in repository.get_all_jobs() if not job.name.startswith("__")}
    assert jobs == {
        "ingest", "train", "evaluate", "full_refresh", "nightly", "after_games", "fetch_quotes", "quotes",
        "weekly",
    }  # fmt: skip
    checks = {key.to_user_string() for key in repository.asset_graph.asset_check_keys}
    assert checks == {"player_games:enough_players", "metric_report:gate"}


def test_the_nights_run_on_eastern_time_and_sensors_watch_for_what_is_new(repository):
    schedules = {each.name: (each.cron_schedule, each.execution_timezone) for each in repository.schedule_defs}
    assert schedules == {
        "nightly": ("30 4 * * *", "America/New_York"),
        "weekly": ("0 6 * * 1", "America/New_York"),
        "quotes": ("0 11,15,18 * * *", "America/New_York"),
    }
    sensors = {each.name for each in repository.sensor_defs}
    assert sensors == {"new_games", "corrected_box_scores", "new_quotes", "failures", "overdue"}


@pytest.mark.parametrize("day", ["2024-03-09", "2024-03-10", "2024-11-02", "2024-11-03", "2025-01-15"])
def test_the_night_begins_once_at_half_past_four_eastern_also_when_clocks_change(day):
    after = dt.datetime.fromisoformat(f"{day}T00:00:00").replace(tzinfo=ZoneInfo("America/New_York"))
    (nightly,) = [each for each in SCHEDULES if each.name == "nightly"]
    ticks = schedule_execution_time_iterator(after.timestamp(), nightly.cron_schedule, EASTERN, ascending=True)
    first, second = (next(ticks) for _ in range(2))
    assert (first.date().isoformat(), first.hour, first.minute) == (day, 4, 30)
    assert second.date() == first.date() + dt.timedelta(days=1)


def test_what_is_renewed_every_night_or_week_has_a_freshness_policy(repository):
    graph = repository.asset_graph
    watched = {
        key.to_user_string(): policy.fail_window.to_timedelta()
        for key in graph.get_all_asset_keys()
        if (policy := graph.get(key).freshness_policy) is not None
    }
    assert watched == {
        "training_dataset": dt.timedelta(days=8),
        "pooled_models": dt.timedelta(days=8),
        "live_history": dt.timedelta(hours=36),
    }


def test_loading_the_definitions_imports_nothing_heavy():
    script = """
        import sys
        from statmuse_pipeline.definitions import definitions
        definitions().get_repository_def()
        heavy = ("pandas", "sklearn", "xgboost", "optuna", "matplotlib", "onnxruntime")
        print([name for name in heavy if name in sys.modules])
    """
    told = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_a_run_takes_ranges_that_cover_exactly_the_wanted_partitions():
    assert contiguous_ranges(["b", "c", "e"], ["a", "b", "c", "d", "e"]) == [("b", "c"), ("e", "e")]
    assert contiguous_ranges([], ["a"]) == []
    assert contiguous_ranges(["a", "x"], ["a"]) == [("a", "a")]
