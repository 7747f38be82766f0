"""Tonight: the slate against the single player's path, leaks, who is out, what is missed, and the morning after."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from statmuse_pipeline.defs import night as night_module
from statmuse_pipeline.defs.forecasts import read_forecasts
from statmuse_pipeline.defs.pooled import read_history
from statmuse_pipeline.defs.upcoming import (
    Matchup,
    earlier_rows,
    forecast_matchup,
    served_models,
    upcoming_features,
    upcoming_roster,
)
from statmuse_pipeline.domain import InformationLevel, PipelineError, Stat, prior_column
from statmuse_pipeline.features.minutes import INPUTS
from statmuse_pipeline.registry.metadata import read_models
from statmuse_pipeline.serving import ServedModels, forecast_upcoming
from statmuse_pipeline.slate.night import Slate
from statmuse_pipeline.slate.roster import upcoming_rows
from statmuse_pipeline.warehouse import read
from statmuse_pipeline.warehouse.ledger import Ledger, Output
from statmuse_pipeline_tests.defs.evening import GAMES, Evening
from statmuse_pipeline_tests.oracles import single_matchup

NUMBERS = ["mean", "median", "lo50", "hi50", "lo80", "hi80", "lo95", "hi95"]


@pytest.fixture(scope="module")
def template(finished, tmp_path_factory) -> Evening:
    """An evening of which the slate has been made in the morning; not to be written to."""
    evening = Evening(finished[0], tmp_path_factory.mktemp("evening") / "project")
    evening.run(evening.workspace())
    return evening


@pytest.fixture
def evening(finished, tmp_path) -> Evening:
    """An evening of one's own, on which nothing has been forecast yet."""
    return Evening(finished[0], tmp_path / "project")


def slate_of(evening: Evening) -> Slate:
    return Slate.load(evening.folder / "data" / "slate" / str(evening.day))


def states(evening: Evening, output: Output = Output.SLATE) -> dict[str, str]:
    rows = Ledger(evening.workspace().engine).read(evening.day, output)
    return dict(zip(rows["game_id"], rows["state"], strict=True))


def test_the_slate_holds_every_player_and_stat_of_the_night(template):
    slate = slate_of(template)
    assert slate.forecasts is not None
    assert set(slate.players["team_id"]) == set(template.teams)
    assert (slate.players.groupby("team_id").size() >= 8).all()
    assert slate.players["forecast"].all()
    assert len(slate.forecasts.frame) == 8 * len(slate.players)
    assert set(slate.lines["line_source"]) == {"season average"}
    assert len(slate.lines) == len(slate.forecasts.frame)
    assert states(template) == dict.fromkeys(GAMES, "complete")
    assert states(template, Output.GRADES) == dict.fromkeys(GAMES, "expected")


def test_of_everyone_it_is_told_whether_he_plays_and_how_long(template):
    players = slate_of(template).players
    assert players["p_plays"].between(0.01, 0.9999).all()
    assert players["p_plays"].nunique() > 20
    kinds = players[["p_limited", "p_normal", "p_extended"]]
    np.testing.assert_allclose(kinds.sum(axis=1), players["p_plays"], atol=1e-9)
    assert players["exp_min"].between(1, 45).all()
    assert (players["min_lo80"] < players["min_hi80"]).all()
    page = (template.folder / "data" / "reports" / "board.html").read_text()
    assert page.count("<summary>Playing time") == 3


def test_the_flags_say_who_has_no_own_model_and_that_no_injury_report_is_known(template):
    players = slate_of(template).players.set_index("player_id")
    recorded = read_models(template.workspace().engine)
    own = set(recorded.loc[recorded["artefact"].notna() & (recorded["kind"] == "served"), "player_id"])
    here = own & set(players.index)
    assert here
    assert len(here) < len(players)
    assert players["flags"].str.contains("status unknown").all()
    for player, row in players.iterrows():
        assert (row["model"] == "prior") == ("no own model" in row["flags"]) == (player not in own)


@pytest.mark.parametrize("out", [False, True])
def test_the_whole_slate_equals_what_one_player_gets_on_his_own(template, out):
    workspace, slate = template.workspace(), slate_of(template)
    game = slate.games.iloc[0]
    players = slate.players[slate.players["game_id"] == game["game_id"]].sort_values("model")
    ids = players["player_id"].tolist()
    missing = [ids[3]] if out else None
    matchup = Matchup(template.day, game["home_team_id"], game["away_team_id"], missing)
    for player in (ids[0], ids[-1], ids[len(ids) // 2]):
        alone = single_matchup.forecast_matchup(workspace, matchup, player)
        through_the_slate = forecast_matchup(workspace, matchup, player)
        if not out:
            assert slate.forecasts is not None
            whole = slate.forecasts.select(games=[game["game_id"]], players=[player])
            assert_same(alone, whole)
        assert_same(alone, through_the_slate)


def assert_same(one, other):
    assert one.frame["stat"].tolist() == other.frame["stat"].tolist()
    assert one.frame["level"].tolist() == other.frame["level"].tolist()
    np.testing.assert_allclose(one.frame[NUMBERS].to_numpy(), other.frame[NUMBERS].to_numpy(), atol=1e-9)
    # Sums over team mates depend in their last bits on the order in which the players are named.
    for stat in Stat:
        np.testing.assert_allclose(one.distributions[stat].survival, other.distributions[stat].survival, atol=1e-7)


class Known:
    """Stands for a model: gives the numbers that were computed walk-forward."""

    def __init__(self, values: pd.Series) -> None:
        self.values = values

    def predict(self, rows: pd.DataFrame, squads: None = None) -> np.ndarray:
        keys = pd.MultiIndex.from_frame(rows[["game_id", "player_id"]])
        return self.values.reindex(keys).to_numpy(dtype="float64")


def test_a_past_day_through_the_slate_is_what_the_walk_forward_test_forecasts_say(template):
    workspace = template.workspace()
    rows = read_history(workspace, ("test",))
    day = rows["game_date"].max() - pd.Timedelta(days=1)
    while not (rows["game_date"] == day).any():
        day -= pd.Timedelta(days=1)
    truth = rows[rows["game_date"] == day].set_index(["game_id", "player_id"])
    history, played = read.player_games(workspace.engine), read.games(workspace.engine)
    games = played[played["game_date"] == day].assign(status="scheduled")
    listed = upcoming_rows(history, games)
    box = history[history["game_date"] == day]
    took_part = listed.merge(box[["game_id", "player_id"]], on=["game_id", "player_id"])
    expected = took_part.assign(out=False)
    absent = listed[~listed["player_id"].isin(box["player_id"])].assign(out=True)
    features = upcoming_features(workspace, history, games, pd.concat([expected, absent], ignore_index=True))
    models = served_models(workspace, features["player_id"].tolist())
    known = ServedModels(
        minutes={
            InformationLevel.PREGAME: Known(truth["exp_min_pregame"]),
            InformationLevel.TIPOFF: Known(truth["tip_exp_min"]),
        },  # type: ignore[dict-item]
        priors={(level, stat): Known(truth[prior_column(stat, level)]) for level in InformationLevel for stat in Stat},  # type: ignore[misc]
        players=models.players,
        dispersions=models.dispersions,
        aims=models.aims,
        calibrators=models.calibrators,
        player_calibrators=models.player_calibrators,
    )
    earlier = earlier_rows(workspace, features["player_id"].tolist(), day.date())
    stored = read_forecasts(workspace)
    for level in InformationLevel:
        made = forecast_upcoming(features, earlier, known, dict.fromkeys(games["game_id"], level))
        want = stored.select(level=level, games=list(games["game_id"])).frame
        both = made.frame.merge(want, on=["game_id", "player_id", "stat"], suffixes=("", "_stored"))
        assert len(both) == len(made.frame) > 300
        assert (both["model"] == both["model_stored"]).all()
        for name in NUMBERS:
            np.testing.assert_allclose(both[name], both[f"{name}_stored"], atol=1e-6)
    assert set(INPUTS[InformationLevel.PREGAME]) <= set(features.columns) | {"exp_min_pregame"}


def test_neither_the_days_own_box_scores_nor_later_ones_move_the_slate(template):
    workspace, slate = template.workspace(), slate_of(template)
    history = read.player_games(workspace.engine)
    rows = upcoming_rows(history, slate.games)
    rng = np.random.default_rng(1)
    noise = []
    for days in (0, 1, 9):
        box = history.groupby("player_id").tail(1)
        counts = {name: rng.integers(0, 60, len(box)) for name in ("min", "pts", "reb", "ast", "fga", "pra")}
        noise.append(
            box.assign(
                game_id=f"00922999{days:02d}", game_date=pd.Timestamp(template.day) + pd.Timedelta(days=days), **counts
            )
        )
    noisy = pd.concat([history, *noise], ignore_index=True)
    pd.testing.assert_frame_equal(upcoming_rows(noisy, slate.games), rows)
    pd.testing.assert_frame_equal(
        upcoming_features(workspace, noisy, slate.games, rows), upcoming_features(workspace, history, slate.games, rows)
    )
    pd.testing.assert_frame_equal(
        upcoming_roster(workspace, noisy, slate.games, rows), upcoming_roster(workspace, history, slate.games, rows)
    )


def test_an_injury_report_decides_who_plays(evening):
    workspace = evening.workspace()
    rows = upcoming_rows(read.player_games(workspace.engine), games_of(evening))
    last = read.player_games(workspace.engine).groupby("player_id")["min"].mean()
    regulars = sorted(rows["player_id"], key=lambda player: -last[player])[:3]
    evening.report(dict(zip(regulars, ("Out", "Questionable", "Probable"), strict=True)))
    evening.run(workspace)
    out, questionable, probable = (slate_of(evening).players.set_index("player_id").loc[player] for player in regulars)
    assert (out["p_plays"], out["p_limited"], out["p_normal"], out["p_extended"]) == (0, 0, 0, 0)
    assert np.isnan(out["exp_min"])
    assert 0.4 < questionable["p_plays"] <= 0.5
    assert probable["p_plays"] == pytest.approx(1.5 * questionable["p_plays"], abs=0.05)


def test_who_is_out_moves_the_pregame_forecasts_of_his_mates(evening):
    """A report of one team leaves the game at pregame level, which knows it all the same."""
    workspace = evening.workspace()
    evening.run(workspace)
    before = slate_of(evening)
    last = read.player_games(workspace.engine).groupby("player_id")["min"].mean()
    rows = upcoming_rows(read.player_games(workspace.engine), games_of(evening))
    here = rows[rows["game_id"] == GAMES[0]]
    stars = sorted(here.loc[here["team_id"] == evening.teams[0], "player_id"], key=lambda player: -last[player])[:4]
    evening.report(dict.fromkeys(stars, "Out"), teams=(int(evening.teams[0]),))
    evening.run(workspace)
    after = slate_of(evening)
    assert set(after.players["level"]) == {"pregame"}
    assert before.forecasts is not None
    assert after.forecasts is not None
    points = [
        slate.forecasts.frame[slate.forecasts.frame["stat"] == "PTS"].set_index("player_id")["mean"]
        for slate in (before, after)
    ]
    rise = (points[1] - points[0]).dropna()
    mates = here.loc[(here["team_id"] == evening.teams[0]) & ~here["player_id"].isin(stars), "player_id"]
    elsewhere = rows.loc[rows["game_id"] != GAMES[0], "player_id"]
    assert rise[mates].mean() > 0.1
    assert (rise[elsewhere] == 0).all()


def test_what_is_known_of_absences_moves_no_pregame_number(template):
    workspace, slate = template.workspace(), slate_of(template)
    history = read.player_games(workspace.engine)
    rows = upcoming_rows(history, slate.games)
    plain = upcoming_features(workspace, history, slate.games, rows)
    some_out = upcoming_features(workspace, history, slate.games, rows.assign(out=rows["player_id"] % 5 == 0))
    names = [name for name in plain.columns if not name.startswith("tip_")]
    here = plain[plain["player_id"] % 5 != 0].reset_index(drop=True)
    pd.testing.assert_frame_equal(some_out[names], here[names])


def test_a_player_who_is_out_gets_no_forecast_is_listed_and_lifts_his_game_to_tip_off_level(evening):
    workspace = evening.workspace()
    rows = upcoming_rows(read.player_games(workspace.engine), games_of(evening))
    star = int(rows.loc[rows["game_id"] == GAMES[0], "player_id"].iloc[0])
    evening.report({star: "Out"}, teams=tuple(int(team) for team in evening.teams[:2]))
    evening.run(workspace)
    slate = slate_of(evening)
    assert slate.forecasts is not None
    row = slate.players.set_index("player_id").loc[star]
    assert (row["status"], row["forecast"], row["flags"]) == ("Out", False, "out")
    assert star not in set(slate.forecasts.frame["player_id"]) | set(slate.lines["player_id"])
    at = slate.players.groupby("game_id")["level"].unique()
    assert {game: list(levels) for game, levels in at.items()} == {
        GAMES[0]: ["tipoff"], GAMES[1]: ["pregame"], GAMES[2]: ["pregame"],
    }  # fmt: skip
    mates = slate.players[(slate.players["game_id"] == GAMES[0]) & slate.players["forecast"]]
    assert not mates["flags"].str.contains("status unknown").any()
    page = (evening.folder / "data" / "reports" / "board.html").read_text()
    assert f"{row['player_name']} (" in page


def games_of(evening: Evening) -> pd.DataFrame:
    scheduled = night_module.stored_schedule(evening.workspace())
    return scheduled[scheduled["game_id"].isin(GAMES)].reset_index(drop=True)


def test_a_second_run_with_nothing_new_makes_nothing_again(template):
    folder = template.folder / "data" / "slate" / str(template.day)
    before = {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}
    template.run(template.workspace(template.at(11.5)))
    assert {file.name: file.stat().st_mtime_ns for file in folder.iterdir()} == before


def test_what_was_missed_before_tip_off_stays_missed_and_the_rest_is_made(evening):
    evening.run(evening.workspace(evening.at(19.5)))
    assert states(evening) == {GAMES[0]: "missed", GAMES[1]: "complete", GAMES[2]: "complete"}
    assert set(slate_of(evening).players["game_id"]) == set(GAMES[1:])
    evening.run(evening.workspace(evening.at(21)))
    assert states(evening) == {GAMES[0]: "missed", GAMES[1]: "complete", GAMES[2]: "complete"}
    made = slate_of(evening).players.groupby("game_id")["made_at"].first()
    # The game that began between the runs keeps its forecasts of before; the last one is renewed.
    assert made[GAMES[1]] == evening.at(19.5)
    assert made[GAMES[2]] == evening.at(21)
    evening.play()
    evening.run(evening.workspace(evening.at(34)), "graded_forecasts")
    assert states(evening, Output.GRADES) == dict.fromkeys(GAMES[1:], "complete")


def test_game_days_on_which_nothing_ran_are_missed(evening):
    evening.run(evening.workspace())
    later = evening.games().iloc[:1].assign(GAME_ID="0092299990", GAME_DATE=str(evening.day + pd.Timedelta(days=2)))
    evening.announce(later.assign(TIPOFF_UTC=later["TIPOFF_UTC"] + pd.Timedelta(days=2)))
    evening.run(evening.workspace(evening.at(24 * 4 + 11)))
    rows = Ledger(evening.workspace().engine).read(output=Output.SLATE)
    told = dict(zip(rows["game_id"], rows["state"], strict=True))
    assert told == {**dict.fromkeys(GAMES, "complete"), "0092299990": "missed", "": "empty"}


def test_a_failed_attempt_is_on_the_ledger_with_its_reason(evening):
    (evening.folder / "data" / "pooled" / "priors.parquet").unlink()
    with pytest.raises(PipelineError, match="pooled"):
        evening.run(evening.workspace())
    rows = Ledger(evening.workspace().engine).read(evening.day, Output.SLATE)
    assert set(rows["state"]) == {"failed"}
    assert rows["detail"].str.contains("There is no pooled").all()


def test_a_stale_input_is_flagged_everywhere(evening):
    unloaded = evening.games().iloc[:1].assign(GAME_ID="0092299980", GAME_DATE=str(evening.day - pd.Timedelta(days=0)))
    evening.announce(unloaded.assign(GAME_DATE=str(evening.day)))
    evening.announce(
        evening.games().assign(
            GAME_DATE=str(evening.day + pd.Timedelta(days=1)),
            TIPOFF_UTC=evening.games()["TIPOFF_UTC"] + pd.Timedelta(days=1),
        )
    )
    workspace = evening.workspace(evening.at(24 + 11))
    evening.run(workspace)
    slate = Slate.load(evening.folder / "data" / "slate" / str(evening.day + pd.Timedelta(days=1)))
    stale = slate.inputs.set_index("input")["stale"]
    assert stale["games"]
    assert slate.players["flags"].str.contains("stale games").all()


def test_the_morning_after_grades_once_and_a_corrected_box_score_grades_anew(evening):
    evening.run(evening.workspace())
    slate = slate_of(evening)
    absent = int(slate.players["player_id"].iloc[0])
    evening.play(without=(absent,))
    next_day = evening.workspace(evening.at(34))
    evening.run(next_day, "graded_forecasts")
    folder = evening.folder / "data" / "grades" / str(evening.day)
    first = (folder / "receipt.json").stat().st_mtime_ns
    grades = pd.read_parquet(folder / "forecasts.parquet")
    assert grades.loc[grades["player_id"] == absent, "void"].all()
    assert not grades.loc[grades["player_id"] != absent, "void"].any()
    playing = pd.read_parquet(folder / "playing.parquet").set_index("player_id")
    said = slate.players.set_index("player_id")
    pd.testing.assert_series_equal(playing["p_plays"], said["p_plays"].reindex(playing.index))
    assert not playing.loc[absent, "played"]
    assert playing.loc[absent, "brier"] == pytest.approx(said.loc[absent, "p_plays"] ** 2)
    before = pd.read_parquet(folder / "sums.parquet")
    evening.run(next_day, "graded_forecasts")
    assert (folder / "receipt.json").stat().st_mtime_ns == first
    evening.play(without=(absent,), points=2)
    evening.run(next_day, "graded_forecasts")
    after = pd.read_parquet(folder / "sums.parquet").set_index("stat")
    assert after.loc["all", "forecasts"] == before.set_index("stat").loc["all", "forecasts"]
    shift = after.loc["PTS", "error"] - before.set_index("stat").loc["PTS", "error"]
    assert shift == pytest.approx(-2 * after.loc["PTS", "graded"])
    # The board of the next run shows the totals.
    evening.run(next_day)
    page = (evening.folder / "data" / "reports" / "board.html").read_text()
    assert "All nights so far" in page
    assert "Who played and how long, all nights" in page


def test_nothing_is_graded_before_the_games_are_over(template):
    template.run(template.workspace(template.at(34)), "graded_forecasts")
    assert not (template.folder / "data" / "grades").exists()


def raw_quotes(evening: Evening, names: list[str], **changes: object) -> pd.DataFrame:
    teams = read.teams(evening.workspace().engine).set_index("team_id")["name"]
    rows = pd.DataFrame(
        {
            "captured_at": pd.Timestamp(evening.at(10)), "commence_time": pd.Timestamp(evening.at(19)),
            "game_date": pd.NaT, "home_team": teams[evening.teams[0]], "away_team": teams[evening.teams[1]],
            "bookmaker": "book", "player_name": names, "market": "player_points", "line": 12.0,
            "over_price": -110.0, "under_price": -110.0, "quote_set": "odds_api", **changes,
        }
    )  # fmt: skip
    moments = dict.fromkeys(("captured_at", "commence_time"), "datetime64[ns, UTC]")
    texts = dict.fromkeys(("home_team", "away_team", "bookmaker", "player_name", "market", "quote_set"), "str")
    return rows.astype({**moments, **texts, "game_date": "datetime64[ns]"})


def test_quotes_are_resolved_priced_and_shown(evening, monkeypatch):
    workspace = evening.workspace()
    rows = upcoming_rows(read.player_games(workspace.engine), games_of(evening))
    here = rows[rows["game_id"] == GAMES[0]]["player_name"].tolist()
    known = raw_quotes(evening, [here[0], here[1].upper(), "Nobody Atall"])
    future = raw_quotes(evening, [here[2]], captured_at=pd.Timestamp(evening.at(12)))
    sums = raw_quotes(evening, [here[0]], market="player_points_rebounds", line=18.0)
    together = pd.concat([known, future, sums], ignore_index=True)
    monkeypatch.setattr(night_module, "read_raw_quotes", lambda *_: together)
    evening.run(workspace)
    lines = slate_of(evening).lines
    quoted = lines[lines["bookmaker"].notna()]
    of_sum = quoted[quoted["stat"] == "PTS+REB"].iloc[0]
    single = lines[(lines["player_id"] == of_sum["player_id"]) & (lines["stat"] == "PTS")].iloc[0]
    assert 0 < of_sum["p_over"] < 1
    assert of_sum["p_over_final"] == pytest.approx(0.5 * (1 - of_sum["p_push"]))
    assert single["line"] == 12.0
    quoted = quoted[quoted["stat"] == "PTS"]
    assert len(quoted) == 2
    assert (quoted["p_push"] > 0).all()
    assert quoted[["ev_over", "ev_under", "fair_over", "p_consensus", "p_over_final"]].notna().all().all()
    assert (quoted["p_over"] + quoted["p_push"] + quoted["p_under"]).to_numpy() == pytest.approx([1, 1])
    ids = quoted["player_id"].tolist()
    asked = lines[lines["player_id"].isin(ids) & (lines["stat"] == "PTS")]
    assert set(asked["line_source"]) == {"quote"}
    page = (evening.folder / "data" / "reports" / "board.html").read_text()
    assert "Quoted lines (3)" in page
    assert "PTS+REB 18" in page
    assert "-110" in page


def test_a_source_that_stands_still_is_seen_a_minute_before_the_next_tip_off(template):
    settings = template.workspace().settings.model_copy(update={"present": None})
    workspace = template.workspace()
    workspace.settings = settings
    found = night_module.tonight(workspace)
    assert (found.day, found.clock) == (template.day, "archive")
    assert found.now == template.at(19) - pd.Timedelta(minutes=1)


def told(evening: Evening, *arguments: str, now: pd.Timestamp | None = None):
    from statmuse_pipeline_tests.defs.conftest import Project

    moment = (now or evening.morning).isoformat()
    return Project(evening.folder, {**evening.environment, "STATMUSE_NOW": moment}).statmuse(*arguments)


def test_the_command_line_prints_the_night_and_one_player(template):
    whole = told(template, "slate")
    assert whole.returncode == 0, whole.stderr
    player = slate_of(template).players.iloc[0]
    assert player["player_name"] in whole.stdout
    assert "Mean and 80% interval" in whole.stdout
    assert "Stale: injuries" in whole.stdout
    one = told(template, "slate", "--player", player["player_name"], "--stats", "PTS")
    assert one.returncode == 0, one.stderr
    assert player["player_name"] in one.stdout
    assert "REB" not in one.stdout
    assert slate_of(template).forecasts.frame["stat"].nunique() == 8  # what is shown narrows nothing that is made


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["slate", "--player", "Nobody Atall"], 1, "Closest"),
        (["slate", "--date", "2001-01-01"], 0, "There is no game on 2001-01-01"),
    ],
)
def test_what_can_not_be_shown_is_told_in_one_sentence(template, arguments, code, sentence):
    result = told(template, *arguments)
    assert result.returncode == code, result.stderr
    assert sentence in result.stdout + result.stderr
    assert "Traceback" not in result.stderr


def test_a_night_that_was_missed_and_models_that_are_missing_are_told(evening):
    late = told(evening, "slate", now=evening.at(23.5))
    assert late.returncode == 1
    assert "stays missed" in late.stderr
    (evening.folder / "data" / "pooled" / "receipt.json").unlink()
    untrained = told(evening, "slate", "--date", str(evening.day))
    assert untrained.returncode == 1
    assert "run `statmuse train` first" in untrained.stderr
    assert "Traceback" not in untrained.stderr
