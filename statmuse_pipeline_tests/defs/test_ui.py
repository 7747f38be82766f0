"""What a user does in the Dagster UI, over the GraphQL that its buttons send, against `statmuse dev` itself."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from statmuse_pipeline_tests.defs.conftest import Project

ROOT = Path(__file__).parents[2]
LAUNCH = """mutation($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
BACKFILL = """mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
AGAIN = """mutation($params: ReexecutionParams!) { launchPipelineReexecution(reexecutionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
RUNS = """query($filter: RunsFilter) { runsOrError(filter: $filter) { ... on Runs { results {
  runId status assetMaterializations { assetKey { path } partition } } } } }"""
WHERE = "query { repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }"


class Interface:
    """The running UI."""

    def __init__(self, address: str) -> None:
        self._address = address
        node = self.ask(WHERE)["repositoriesOrError"]["nodes"][0]
        self._repository = {"repositoryName": node["name"], "repositoryLocationName": node["location"]["name"]}

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        answer = requests.post(
            f"{self._address}/graphql", json={"query": query, "variables": variables}, timeout=60
        ).json()
        assert "errors" not in answer, json.dumps(answer["errors"])[:2000]
        return answer["data"]

    def launch(self, assets: list[str], partition: str) -> str:
        selector = {
            **self._repository,
            "pipelineName": "__ASSET_JOB",
            "assetSelection": [{"path": [name]} for name in assets],
            "assetCheckSelection": [],
        }
        tags = [{"key": "dagster/partition", "value": partition}]
        params = {"selector": selector, "mode": "default", "runConfigData": {}, "executionMetadata": {"tags": tags}}
        told = self.ask(LAUNCH, params=params)["launchPipelineExecution"]
        assert told["__typename"] == "LaunchRunSuccess", told
        return told["run"]["runId"]

    def backfill(self, assets: list[str], partitions: list[str]) -> str:
        params = {"assetSelection": [{"path": [name]} for name in assets], "partitionNames": partitions}
        told = self.ask(BACKFILL, params=params)["launchPartitionBackfill"]
        assert told["__typename"] == "LaunchBackfillSuccess", told
        return told["backfillId"]

    def reexecute(self, run: str) -> str:
        told = self.ask(AGAIN, params={"parentRunId": run, "strategy": "FROM_FAILURE"})["launchPipelineReexecution"]
        assert told["__typename"] == "LaunchRunSuccess", told
        return told["run"]["runId"]

    def finished(self, seconds: float = 150, **filter_: Any) -> list[dict[str, Any]]:
        """The runs of that filter, once there are some and all have ended."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            runs = self.ask(RUNS, filter=filter_)["runsOrError"]["results"]
            if runs and all(run["status"] in ("SUCCESS", "FAILURE", "CANCELED") for run in runs):
                return runs
            time.sleep(1)
        raise AssertionError(f"After {seconds} s the runs are still {[run['status'] for run in runs]}")


@pytest.fixture(scope="module")
def ui(finished: tuple[Project, Any]) -> Iterator[Interface]:
    project, _ = finished
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (project.folder / "dev.log").open("w")
    process = subprocess.Popen(
        [str(Path(sys.executable).parent / "statmuse"), "dev", "--port", str(port)],
        env=project.environment, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(120):
            try:
                if requests.get(f"{address}/server_info", timeout=2).ok:
                    break
            except requests.ConnectionError:
                time.sleep(1)
            assert process.poll() is None, (project.folder / "dev.log").read_text()[-3000:]
        yield Interface(address)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        log.close()


def materialized(run: dict[str, Any]) -> set[tuple[str, str | None]]:
    return {(event["assetKey"]["path"][0], event["partition"]) for event in run["assetMaterializations"]}


def player_keys(project: Project) -> list[str]:
    return sorted(
        folder.name
        for folder in (project.folder / "models_store").iterdir()
        if not folder.name.endswith(("-calibrators", "-refitted"))
    )


def test_one_season_of_raw_logs(ui):
    (run,) = ui.finished(runIds=[ui.launch(["raw_game_logs"], "2021-22")])
    assert run["status"] == "SUCCESS"
    assert materialized(run) == {("raw_game_logs", "2021-22")}


def test_one_players_models(ui, finished):
    key = player_keys(finished[0])[0]
    (run,) = ui.finished(runIds=[ui.launch(["player_models", "player_calibrators"], key)])
    assert run["status"] == "SUCCESS"
    assert materialized(run) == {("player_models", key), ("player_calibrators", key)}


def test_all_players_in_one_run(ui, finished):
    keys = player_keys(finished[0])
    backfill = ui.backfill(["player_models"], keys)
    runs = ui.finished(tags=[{"key": "dagster/backfill", "value": backfill}])
    assert [run["status"] for run in runs] == ["SUCCESS"]
    assert materialized(runs[0]) == {("player_models", key) for key in keys}


def test_a_failed_step_is_executed_again(ui, finished):
    project, _ = finished
    raw = project.data / "raw" / "2021-22" / "game_logs.parquet"
    before = raw.read_bytes()
    raw.write_bytes(before + b"x")
    try:
        (failed,) = ui.finished(runIds=[ui.launch(["player_games", "team_games", "players"], "2021-22")])
    finally:
        raw.write_bytes(before)
    assert failed["status"] == "FAILURE"
    (again,) = ui.finished(runIds=[ui.reexecute(failed["runId"])])
    assert again["status"] == "SUCCESS"
    assert ("player_games", "2021-22") in materialized(again)
