"""The command line, called as a user calls it: in a process of its own, on a small simulated league."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from statmuse_pipeline.domain import LADDER
from statmuse_pipeline.sources.demo_league import DemoLeague
from statmuse_pipeline_tests.defs.conftest import Project, project_in


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def test_the_main_job_ends_with_the_summary_and_the_path_of_the_report(finished):
    project, job = finished
    assert job.returncode == 0, job.stderr
    assert "DEMO LEAGUE - SIMULATED DATA" in job.stdout
    for column in ("players", "models", "MAE ratio", "Brier", "ECE", "ROI"):
        assert column in job.stdout
    assert str(project.data / "reports" / "index.html") in job.stdout
    assert "Gate passed." in job.stdout


def test_the_report_stands_alone_and_names_source_dataset_and_help(finished):
    project, _ = finished
    page = (project.data / "reports" / "index.html").read_text()
    version = json.loads((project.data / "dataset" / "receipt.json").read_text())["facts"]["version"]
    assert "SIMULATED DATA" in page
    assert version in page
    assert "1-800-GAMBLER" in page
    assert "<script" not in page
    assert len(list((project.data / "reports" / "reliability").glob("player-*.png"))) >= 50


def test_the_error_is_split_up_and_sums_are_judged_next_to_their_rivals(finished):
    project, _ = finished
    parts = pd.read_parquet(project.data / "metrics" / "error_parts.parquet")
    assert parts.groupby("split")["stat"].nunique().to_dict() == {"test": 8, "validation": 8}
    assert np.allclose(parts[["minutes", "noise", "rest"]].sum(axis=1), 1)
    assert (parts.loc[parts["stat"].isin(["PTS", "PRA"]), "minutes"] > 0).all()
    assert (parts["noise"] > 0.3).all()
    sums = pd.read_parquet(project.data / "metrics" / "combinations.parquet")
    assert set(sums["stat"]) == {"PTS+REB", "PTS+AST", "REB+AST", "PTS+REB+AST"}
    assert set(sums.loc[sums["stat"] == "PTS+REB+AST", "model"]) == {"joint", "independent", "direct"}
    # Two short seasons tell the ways apart hardly at all, but all are judged on the same games.
    assert sums.groupby("split")["rows"].agg(["min", "max"]).nunique(axis=1).max() == 1
    assert (sums["rows"] > 500).all()
    assert (sums.loc[sums["model"] == "joint", "crps_diff"] == 0).all()
    assert (sums["crps_diff"].abs() < 0.05 * sums["crps"]).all()
    page = (project.data / "reports" / "index.html").read_text()
    assert "What the remaining error is made of" in page
    assert "Sums of stats on fixed lines" in page


def test_a_second_run_trains_nobody_and_changes_no_result(finished):
    project, _ = finished
    kept = (
        "models_store",
        "data/datasets",
        "data/features",
        "data/forecasts",
        "data/metrics",
        "data/backtest",
        "data/reports",
    )
    before = {name: contents(project.folder / name) for name in kept}
    readings = (project.data / "test_readings.json").read_bytes()
    again = project.statmuse("run", "--max-players", "12")
    assert again.returncode == 0, again.stderr
    assert "Training players" not in again.stdout
    assert {name: contents(project.folder / name) for name in kept} == before
    assert (project.data / "test_readings.json").read_bytes() == readings


def test_served_probabilities_come_close_to_the_true_ones(finished):
    project, _ = finished
    out = project.folder / "export"
    assert project.statmuse("export", "--out", str(out)).returncode == 0
    league = DemoLeague(["2021-22", "2022-23"], 20211019, teams=8, games_per_team=60)
    truth = league.true_probabilities("2022-23").rename(columns={"p_over": "true"})
    served = pd.read_parquet(out / "probabilities.parquet").merge(truth, on=["game_id", "player_id", "stat", "line"])
    logs = league.fetch("2022-23").game_logs.rename(columns=str.lower)
    logs["pra"] = logs["pts"] + logs["reb"] + logs["ast"]
    actual = logs.melt(["game_id", "player_id"], [stat.column for stat in LADDER], "stat", "actual")
    served = served.merge(actual.assign(stat=actual["stat"].str.upper()), on=["game_id", "player_id", "stat"])
    over = served["actual"] > served["line"]
    brier, oracle = ((served[column] - over) ** 2 for column in ("p_over", "true"))
    assert len(served) > 20_000
    # Two short seasons of eight teams teach less than the full league, on which 0.02 and 2% hold.
    assert np.abs(served["p_over"] - served["true"]).mean() < 0.04
    assert brier.mean() < 1.06 * oracle.mean()


def test_choices_are_measured_with_one_command_and_the_second_time_only_shown(finished):
    project, _ = finished
    first = project.statmuse("ablate", "--quick", "--stats", "AST")
    assert first.returncode == 0, first.stderr
    folder = project.data / "ablations_quick"
    before = contents(folder)
    assert {"ablations.parquet", "ablations.md", "receipt.json"} == set(before)
    table = pd.read_parquet(folder / "ablations.parquet")
    assert {"released", "pregame", "no opponent", "Poisson", "voting"} <= set(table["name"])
    assert "no opponent" in first.stdout
    again = project.statmuse("ablate", "--quick", "--stats", "AST")
    assert "Choices about means" not in again.stdout
    assert contents(folder) == before


def test_every_player_in_scope_is_in_the_registry_with_hash_and_dataset(finished):
    project, _ = finished
    with sqlite3.connect(project.data / "statmuse.db") as database:
        rows = pd.read_sql("SELECT * FROM model_metadata WHERE kind = 'served'", database)
    assert rows["player_key"].nunique() == 12
    fitted = rows[rows["failure"].isna()]
    assert len(fitted) > 60
    assert fitted["sha256"].str.len().eq(64).all()
    assert len(set(fitted["dataset_version"])) == 1
    assert all((project.folder / "models_store" / path).exists() for path in fitted["artefact"])


def one_with_a_model(project: Project) -> int:
    """The id of a player who is served by models of his own."""
    with sqlite3.connect(project.data / "statmuse.db") as database:
        (player,) = database.execute(
            "SELECT player_id FROM model_metadata WHERE kind = 'refitted' AND failure IS NULL ORDER BY 1 LIMIT 1"
        ).fetchone()
    return int(player)


def opponent_of(project: Project, player: int) -> str:
    """The abbreviation of a team that is not the one of the player's last game."""
    with sqlite3.connect(project.data / "statmuse.db") as database:
        (team,) = database.execute(
            "SELECT s.team_id FROM player_stats s JOIN games g USING (game_id) WHERE s.player_id = ?"
            " ORDER BY g.game_date DESC LIMIT 1",
            (player,),
        ).fetchone()
        return database.execute("SELECT abbreviation FROM teams WHERE team_id <> ? ORDER BY 1", (team,)).fetchone()[0]


def test_an_altered_artefact_is_refused(finished):
    project, _ = finished
    with sqlite3.connect(project.data / "statmuse.db") as database:
        player, path = database.execute(
            "SELECT player_id, artefact FROM model_metadata WHERE kind = 'refitted' AND failure IS NULL"
        ).fetchone()
    artefact = project.folder / "models_store" / path
    before = artefact.read_bytes()
    artefact.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    try:
        told = project.statmuse("predict", str(player), "PTS", "10.5", "--opponent", opponent_of(project, player))
    finally:
        artefact.write_bytes(before)
    assert told.returncode == 1
    assert "hash" in told.stderr


def test_verify_counts_and_passes(finished):
    project, _ = finished
    told = project.statmuse("verify")
    assert told.returncode == 0
    assert "Players with 50+ games" in told.stdout


def test_verify_of_an_empty_warehouse_does_not_pass(tmp_path):
    told = project_in(tmp_path).statmuse("verify")
    assert told.returncode == 3
    assert "NOT PASSED" in told.stdout


def test_the_gate_passes_with_exit_code_0(finished):
    project, _ = finished
    assert project.statmuse("evaluate", "--gate").returncode == 0


def test_a_prediction_shows_mean_interval_probability_and_fair_price(finished):
    project, _ = finished
    player = one_with_a_model(project)
    other = opponent_of(project, player)
    for level, more in (("pregame", []), ("tipoff", ["--out", ""])):
        told = project.statmuse("predict", str(player), "PTS", "12", "--opponent", other, *more)
        assert told.returncode == 0, told.stderr
        assert f"{level} forecast" in told.stdout
        assert "P(push)" in told.stdout


def test_a_sum_of_stats_is_predicted_from_the_forecasts_of_its_parts(finished):
    project, _ = finished
    player = one_with_a_model(project)
    other = opponent_of(project, player)
    means = {}
    for stat in ("PTS", "REB", "reb+pts"):
        told = project.statmuse("predict", str(player), stat, "10.5", "--opponent", other)
        assert told.returncode == 0, told.stderr
        row = next(line for line in told.stdout.splitlines() if "10.5" in line)
        means[stat] = float(row.replace("│", " ").split()[0])
    assert ", PTS+REB, " in told.stdout
    assert means["reb+pts"] == pytest.approx(means["PTS"] + means["REB"], abs=0.011)
    joint = json.loads((project.data / "pooled" / "shapes.json").read_text())["joint"]
    for level in ("pregame", "tipoff"):
        assert all(0.05 < loading < 0.9 for loading in joint[level]["loadings"].values())


def test_a_dry_run_writes_nothing_but_the_audit(tmp_path):
    project = project_in(tmp_path)
    told = project.statmuse("sync", DRY_RUN="1")
    assert told.returncode == 0, told.stderr
    written = {path.split("/")[0] for path in contents(project.data)}
    assert written == {"audit", "dagster_home"}
    audit = json.loads(next((project.data / "audit").glob("*.json")).read_text())
    assert "2021-22" in json.dumps(audit)


def test_help_is_on_everything(finished):
    project, _ = finished
    commands = ("run", "sync", "verify", "train", "evaluate", "backtest", "predict", "export", "report", "dev")
    told = project.statmuse("--help")
    assert all(command in told.stdout for command in commands)
    assert project.statmuse("train", "--help").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "changes", "code", "sentence"),
    [
        (["sync"], {"SEASONS": "2021"}, 2, "SEASONS"),
        (["sync"], {"STATMUSE_SOURCE": "espn"}, 2, "'auto', 'archive', 'nba_api' or 'demo'"),
        (["sync"], {"STATMUSE_SOURCE": "archive"}, 1, "needs STATMUSE_ARCHIVE"),
        (["sync"], {"STATMUSE_SOURCE": "archive", "STATMUSE_ARCHIVE": "nowhere"}, 1, "nowhere"),
        (["sync", "--seasons", "1999-00"], {}, 1, "2010-11"),
        (["train", "--players", "Nobody Atall"], {}, 1, "Closest"),
        (["train", "--stats", "DUNKS"], {}, 1, "choose from"),
        (["predict", "Nobody Atall", "PTS", "10.5", "--opponent", "CZP"], {}, 1, "Closest"),
        (["predict", "Nobody Atall", "PTS+STL", "10.5", "--opponent", "CZP"], {}, 1, "PTS+REB"),
        (["frobnicate"], {}, 2, "No such command"),
        (["sync"], {"DATABASE_URL": "mysql://somewhere/db"}, 1, "mysql"),
    ],
)
def test_what_goes_wrong_is_told_in_one_sentence(finished, arguments, changes, code, sentence):
    project, _ = finished
    told = project.statmuse(*arguments, **changes)
    assert told.returncode == code, told.stderr
    assert sentence in told.stderr
    assert "Traceback" not in told.stderr


def test_a_corrupt_season_file_is_named_and_nothing_is_loaded(tmp_path, finished):
    source = DemoLeague(["2021-22"], 1, teams=4, games_per_team=10)
    folder = tmp_path / "archive" / "game_logs"
    folder.mkdir(parents=True)
    source.fetch("2021-22").game_logs.to_parquet(folder / "2021-22.parquet")
    whole = (folder / "2021-22.parquet").read_bytes()
    (folder / "2021-22.parquet").write_bytes(whole[: len(whole) // 2])
    project = project_in(
        tmp_path, STATMUSE_SOURCE="archive", STATMUSE_ARCHIVE=str(tmp_path / "archive"), SEASONS="2021-22"
    )
    told = project.statmuse("sync")
    assert told.returncode == 1
    assert "2021-22.parquet" in told.stderr
    assert not (project.data / "raw").exists()
    assert "Traceback" not in told.stderr


def test_a_warehouse_takes_no_second_source(tmp_path, finished):
    project, _ = finished
    league = DemoLeague(["2021-22"], 1, teams=4, games_per_team=10)
    folder = tmp_path / "archive" / "game_logs"
    folder.mkdir(parents=True)
    league.fetch("2021-22").game_logs.to_parquet(folder / "2021-22.parquet")
    other = project_in(
        tmp_path,
        STATMUSE_SOURCE="archive",
        STATMUSE_ARCHIVE=str(tmp_path / "archive"),
        SEASONS="2021-22",
        DATABASE_URL=f"sqlite:///{project.data / 'statmuse.db'}",
    )
    told = other.statmuse("sync")
    assert told.returncode == 1
    assert "can't be mixed" in told.stderr


def test_a_locked_database_gives_one_sentence(tmp_path):
    project = project_in(tmp_path, SEASONS="2021-22", STATMUSE_DEMO_TEAMS="4", STATMUSE_DEMO_GAMES="10")
    assert project.statmuse("verify").returncode == 3
    with sqlite3.connect(project.data / "statmuse.db", isolation_level=None) as database:
        database.execute("BEGIN IMMEDIATE")
        told = project.statmuse("sync", STATMUSE_BUSY_SECONDS="1")
    assert told.returncode == 1
    assert "locked" in told.stderr
    assert "Traceback" not in told.stderr
