"""The simulated league: honest box scores, known probabilities, and statistics like the real ones."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from statmuse_pipeline.contracts import BOX_COLUMNS, GAME_LOG_COLUMNS
from statmuse_pipeline.domain import LADDER, LARGEST_COUNT, InformationLevel, PipelineError, Season, Stat
from statmuse_pipeline.features.minutes import add_minutes_forecasts
from statmuse_pipeline.features.table import build_features
from statmuse_pipeline.modeling.dispersion import DispersionModel
from statmuse_pipeline.modeling.prior import walk_forward_all
from statmuse_pipeline.sources.demo_careers import campaigns
from statmuse_pipeline.sources.demo_games import box_scores, expectations
from statmuse_pipeline.sources.demo_league import ORIGIN, DemoLeague
from statmuse_pipeline.sources.demo_schedule import make_schedule
from statmuse_pipeline.sources.demo_truth import true_overs
from statmuse_pipeline.sources.source import PLAYER_COLUMNS, SCHEDULE_COLUMNS, SeasonPayload, SourceError, content_hash
from statmuse_pipeline.warehouse.validation import validate_season

SEASONS = ("2021-22", "2022-23", "2023-24", "2024-25")
SEED = 20211019
KEYS = ["game_id", "player_id"]


def little_league(seasons: tuple[str, ...] = ("2022-23", "2023-24"), seed: int = 3) -> DemoLeague:
    return DemoLeague(seasons, seed, teams=6, games_per_team=30)


@pytest.fixture(scope="module")
def payload() -> SeasonPayload:
    return little_league().fetch("2023-24")


@pytest.fixture(scope="module")
def full_league() -> tuple[DemoLeague, dict[str, SeasonPayload], float]:
    """The league at the size of the NBA, its four seasons, and the seconds it took."""
    started = time.process_time()
    league = DemoLeague(SEASONS, SEED)
    payloads = {season: league.fetch(season) for season in SEASONS}
    return league, payloads, time.process_time() - started


def player_games(payload: SeasonPayload) -> pd.DataFrame:
    """contracts.PLAYER_GAMES of a season, as the warehouse would give them."""
    good = validate_season(payload.game_logs, payload.season, payload.schedule).good.rename(columns=str.lower)
    sides = payload.schedule.set_index("GAME_ID")[["HOME_TEAM_ID", "AWAY_TEAM_ID"]].loc[good["game_id"]].to_numpy()
    at_home = good["team_id"].to_numpy() == sides[:, 0]
    frame = good.assign(
        season=payload.season,
        is_home=at_home,
        opponent_team_id=np.where(at_home, sides[:, 1], sides[:, 0]),
        won=good["wl"] == "W",
        pra=good["pts"] + good["reb"] + good["ast"],
    )
    keys = ["season", "game_id", "game_date", "player_id", "player_name", "team_id", "opponent_team_id", "is_home"]
    return frame[[*keys, "won", *BOX_COLUMNS, "pra"]]


# --- the payload ------------------------------------------------------------------------------------------------------


def test_every_row_passes_the_checks_of_the_warehouse(payload: SeasonPayload) -> None:
    validated = validate_season(payload.game_logs, "2023-24", payload.schedule)
    assert validated.quarantined.empty
    assert len(validated.good) == len(payload.game_logs) > 1600


def test_the_payload_has_the_columns_of_every_source(payload: SeasonPayload) -> None:
    assert tuple(payload.game_logs) == GAME_LOG_COLUMNS
    assert tuple(payload.schedule) == SCHEDULE_COLUMNS
    assert tuple(payload.players) == PLAYER_COLUMNS
    assert payload.fetched_at is None
    assert payload.complete
    assert payload.sha256 == content_hash(payload.game_logs, payload.schedule, payload.players)


def test_a_team_plays_the_minutes_of_a_game_and_its_plus_minus_adds_up(payload: SeasonPayload) -> None:
    teams = payload.game_logs.groupby(["GAME_ID", "TEAM_ID"])
    facts = teams[["MIN", "PTS", "PLUS_MINUS"]].sum().assign(players=teams.size(), won=teams["WL"].first() == "W")
    margin = 2 * facts["PTS"] - facts.groupby("GAME_ID")["PTS"].transform("sum")
    assert ((margin > 0) == facts["won"]).all()
    assert (margin != 0).all()
    assert (facts["PLUS_MINUS"] - 5 * margin).abs().max() <= 6
    assert facts["MIN"].between(234, 250).all()
    assert facts["MIN"].mean() == pytest.approx(240, abs=1)
    assert facts["players"].between(8, 15).all()


def test_players_are_described_once_and_under_names_of_their_own(payload: SeasonPayload) -> None:
    players = payload.players
    assert set(players["PLAYER_ID"]) == set(payload.game_logs["PLAYER_ID"])
    assert players["PLAYER_ID"].is_unique
    assert players["PLAYER_NAME"].is_unique
    named = payload.game_logs.drop_duplicates("PLAYER_ID").set_index("PLAYER_ID")["PLAYER_NAME"]
    assert (players.set_index("PLAYER_ID")["PLAYER_NAME"] == named.sort_index()).all()
    assert set(players["POSITION"]) <= {"G", "G-F", "F-G", "F", "F-C", "C-F", "C"}
    assert players["HEIGHT_IN"].between(70, 90).all()
    ages = (pd.Timestamp("2023-10-18") - players["BIRTHDATE"]).dt.days / 365.25
    assert ages.between(18.9, 45).all()


def test_the_schedule_looks_like_one_of_the_nba(
    full_league: tuple[DemoLeague, dict[str, SeasonPayload], float],
) -> None:
    for season, payload in full_league[1].items():
        schedule = payload.schedule
        sides = [
            schedule[["GAME_DATE", f"{side}_TEAM_ID"]].set_axis(["day", "team"], axis=1) for side in ("HOME", "AWAY")
        ]
        played = pd.concat(sides).assign(day=lambda frame: pd.to_datetime(frame["day"])).sort_values(["team", "day"])
        assert (played.groupby("team").size() == 82).all()
        gap = played.groupby("team")["day"].diff().dt.days
        assert gap.min() == 1
        assert not ((gap == 1) & (gap.shift() == 1)).any()
        assert 12 <= (gap == 1).sum() / 30 <= 18
        assert schedule["HOME_TEAM_ID"].value_counts().between(39, 43).all()
        assert {Season.of_date(day.date()).label for day in played["day"]} == {season}
        assert {day.month for day in played["day"]} == {10, 11, 12, 1, 2, 3, 4}
        eastern = schedule["TIPOFF_UTC"].dt.tz_convert("America/New_York")
        assert (eastern.dt.strftime("%Y-%m-%d") == schedule["GAME_DATE"]).all()
        assert eastern.dt.hour.between(15, 23).all()


def test_ids_are_nobody_elses_in_the_real_league(payload: SeasonPayload) -> None:
    assert payload.game_logs["GAME_ID"].str.fullmatch(r"00923\d{5}").all()
    assert not payload.game_logs["TEAM_ID"].between(1610612737, 1610612766).any()
    assert (payload.game_logs["PLAYER_ID"] > 9_000_000).all()


def test_only_the_games_since_a_day_are_delivered_when_asked_so(payload: SeasonPayload) -> None:
    day = dt.date(2023, 11, 20)
    part = little_league().fetch("2023-24", since=day)
    assert part.since == day
    assert part.game_logs["GAME_DATE"].min() == part.schedule["GAME_DATE"].min() == "2023-11-20"
    late = payload.game_logs["GAME_DATE"] >= day.isoformat()
    pd.testing.assert_frame_equal(part.game_logs, payload.game_logs[late].reset_index(drop=True))
    assert set(part.players["PLAYER_ID"]) == set(part.game_logs["PLAYER_ID"])


# --- the same league again --------------------------------------------------------------------------------------------


def test_a_season_is_the_same_whichever_others_are_asked_for(payload: SeasonPayload) -> None:
    alone = little_league(("2023-24",)).fetch("2023-24")
    assert alone.sha256 == payload.sha256
    backwards = little_league(("2023-24", "2024-25"))
    backwards.fetch("2024-25")
    again = backwards.fetch("2023-24")
    pd.testing.assert_frame_equal(again.game_logs, payload.game_logs)
    assert again.sha256 == payload.sha256


def test_another_seed_gives_another_league(payload: SeasonPayload) -> None:
    assert little_league(seed=4).fetch("2023-24").sha256 != payload.sha256


def test_what_is_done_to_a_delivered_frame_does_not_come_back() -> None:
    league = little_league()
    first = league.fetch("2023-24")
    first.game_logs["PTS"] = 0
    assert league.fetch("2023-24").game_logs["PTS"].sum() > 0


def test_the_fingerprint_follows_the_parameters_without_playing_a_game() -> None:
    leagues = [
        little_league(),
        little_league(seed=4),
        DemoLeague(["2023-24"], 3, teams=8, games_per_team=30),
        DemoLeague(["2023-24"], 3, teams=6, games_per_team=31),
    ]
    started = time.process_time()
    prints = {league.fingerprint("2023-24") for league in leagues}
    full = DemoLeague(SEASONS, 3)
    prints |= {full.fingerprint(season) for season in SEASONS}
    assert time.process_time() - started < 0.2
    assert len(prints) == 8
    assert little_league(("2023-24",)).fingerprint("2023-24") == leagues[0].fingerprint("2023-24")


def test_players_carry_over_from_season_to_season_with_rookies_and_retirements() -> None:
    league = little_league()
    before, after = (league.fetch(season).players for season in league.seasons())
    stayed = before.merge(after, on="PLAYER_ID")
    assert 0.75 < len(stayed) / len(before) < 0.99
    assert (stayed["PLAYER_NAME_x"] == stayed["PLAYER_NAME_y"]).all()
    assert (stayed["BIRTHDATE_x"] == stayed["BIRTHDATE_y"]).all()
    moved = [
        set(map(tuple, league.fetch(season).game_logs[["PLAYER_ID", "TEAM_ID"]].to_numpy())) for season in SEASONS[1:3]
    ]
    assert moved[0] != moved[1]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"teams": 7}, "7 teams: choose an even number from 4 to 30"),
        ({"teams": 32}, "32 teams"),
        ({"games_per_team": 83}, "83 games a team: choose 1 to 82"),
        ({"seasons": ["2009-10"]}, f"plays from {ORIGIN} on"),
        ({"seasons": []}, "set SEASONS"),
        ({"seed": -1}, "seed can't be -1"),
    ],
)
def test_an_impossible_league_is_refused_at_once(arguments: dict[str, object], told: str) -> None:
    with pytest.raises(SourceError, match=told):
        DemoLeague(**{"seasons": ["2023-24"], "seed": 1, **arguments})  # type: ignore[arg-type]


def test_a_season_that_was_not_asked_for_is_refused_by_every_method() -> None:
    league = little_league()
    for ask in (league.fetch, league.fingerprint, league.true_probabilities):
        with pytest.raises(SourceError, match="does not play 2024-25 but 2022-23, 2023-24"):
            ask("2024-25")
    with pytest.raises(PipelineError, match="write it like 2023-24"):
        DemoLeague(["2023"], 1)


# --- the truth --------------------------------------------------------------------------------------------------------


def test_the_true_probabilities_are_the_frequencies_of_the_same_nights_played_over_and_over() -> None:
    """A second, slow way: draw the luck of the same nights 2,000 times and count."""
    nights = 2000
    campaign = next(campaigns(Season(2020), 5, 4, 3))
    rng = np.random.default_rng(8)
    schedule = make_schedule(campaign.season, 4, 3, rng)
    known = expectations(campaign, schedule, rng)
    game = schedule.game[np.divmod(known.team_game, 4)]
    truth = true_overs(known)
    count = {stat: np.zeros_like(overs) for stat, overs in truth.items()}
    for _ in range(nights):
        box = box_scores(known, game, rng)
        for stat, lines in LADDER.items():
            value = sum(box[part.value] for part in stat.parts)
            count[stat] += value[:, None] > np.array(lines)
    for stat, overs in truth.items():
        noise = np.sqrt(np.maximum(overs * (1 - overs), 1e-4) / nights)
        off = (count[stat] / nights - overs) / noise
        assert np.abs(off).max() < 5.5, stat
        assert np.sqrt((off**2).mean()) == pytest.approx(1, abs=0.2), stat


def test_true_probabilities_cover_the_ladder_of_every_player_game_and_fall_with_the_line(
    payload: SeasonPayload,
) -> None:
    truth = little_league().true_probabilities("2023-24")
    assert list(truth) == [*KEYS, "stat", "line", "p_over"]
    lines = sum(len(lines) for lines in LADDER.values())
    assert len(truth) == lines * len(payload.game_logs)
    assert not truth.duplicated([*KEYS, "stat", "line"]).any()
    rows = set(map(tuple, payload.game_logs[["GAME_ID", "PLAYER_ID"]].to_numpy()))
    assert set(map(tuple, truth[KEYS].drop_duplicates().to_numpy())) == rows
    assert truth["p_over"].between(0, 1).all()
    for stat, part in truth.groupby("stat"):
        table = part["p_over"].to_numpy().reshape(-1, len(LADDER[Stat(stat)]))
        assert (np.diff(table, axis=1) <= 1e-9).all()
        assert table.std() > 0.05


@pytest.fixture(scope="module")
def last_truth(full_league: tuple[DemoLeague, dict[str, SeasonPayload], float]) -> tuple[pd.DataFrame, float]:
    started = time.process_time()
    truth = full_league[0].true_probabilities("2024-25")
    return truth, time.process_time() - started


def test_true_probabilities_of_a_full_season_are_calibrated_on_its_box_scores(
    full_league: tuple[DemoLeague, dict[str, SeasonPayload], float], last_truth: tuple[pd.DataFrame, float]
) -> None:
    logs = full_league[1]["2024-25"].game_logs.assign(PRA=lambda frame: frame[["PTS", "REB", "AST"]].sum(axis=1))
    for stat, lines in LADDER.items():
        p = last_truth[0].loc[last_truth[0]["stat"] == stat, "p_over"].to_numpy()
        hit = (logs[stat.value].to_numpy()[:, None] > np.array(lines)).ravel()
        assert hit.mean() == pytest.approx(p.mean(), abs=0.005)
        bins = np.minimum((p * 10).astype(int), 9)
        gap = np.abs(np.bincount(bins, hit - p, 10)).sum() / len(p)
        assert gap < 0.006, stat


# --- like the real league ---------------------------------------------------------------------------------------------


def test_the_full_league_is_as_large_as_the_real_one_and_quick(
    full_league: tuple[DemoLeague, dict[str, SeasonPayload], float], last_truth: tuple[pd.DataFrame, float]
) -> None:
    _, payloads, seconds = full_league
    assert seconds < 15
    assert last_truth[1] < 25
    logs = pd.concat([payload.game_logs for payload in payloads.values()])
    assert all(payload.game_logs["GAME_ID"].nunique() == 1230 for payload in payloads.values())
    assert all(24_500 < len(payload.game_logs) < 29_000 for payload in payloads.values())
    assert logs["PLAYER_ID"].nunique() > 520
    early = logs.sort_values("GAME_DATE").head(int(0.85 * len(logs)))
    assert (early.groupby("PLAYER_ID").size() >= 50).sum() > 400
    for stat, largest in LARGEST_COUNT.items():
        assert sum(logs[part.value] for part in stat.parts).max() <= largest


LIKENESS = {
    # stat: mean, variance, share of zeros (difference), dispersion within a player's season; ratios to the real ones
    "MIN": (0.06, 0.15, 0.02, 0.55), "PTS": (0.06, 0.12, 0.03, 0.15), "REB": (0.06, 0.12, 0.03, 0.10),
    "AST": (0.06, 0.15, 0.03, 0.12), "FG3M": (0.07, 0.12, 0.03, 0.15), "STL": (0.08, 0.12, 0.03, 0.08),
    "BLK": (0.08, 0.12, 0.03, 0.10), "TOV": (0.08, 0.12, 0.03, 0.08), "PRA": (0.06, 0.12, 0.03, 0.25),
    "FGA": (0.06, 0.12, 0.03, 0.15), "FG3A": (0.08, 0.15, 0.05, 0.12), "FTM": (0.08, 0.15, 0.04, 0.15),
    "OREB": (0.06, 0.12, 0.03, 0.15),
}  # fmt: skip
"""Allowed distance from the real league. Minutes vary less within a season: no roles turn over night, no blowouts."""


def likeness(logs: pd.DataFrame) -> pd.DataFrame:
    names = list(LIKENESS)
    logs = logs.assign(PRA=logs["PTS"] + logs["REB"] + logs["AST"])
    often = logs[logs.groupby(["SEASON_ID", "PLAYER_ID"])["MIN"].transform("size") >= 30]
    seasons = often.groupby(["SEASON_ID", "PLAYER_ID"])[names]
    return pd.DataFrame(
        {
            "mean": logs[names].mean(),
            "variance": logs[names].var(),
            "zeros": (logs[names] == 0).mean(),
            "dispersion": seasons.var().mean() / seasons.mean().mean(),
        }
    )


def of_teams(logs: pd.DataFrame) -> dict[str, float]:
    points = logs.groupby(["GAME_ID", "TEAM_ID"])["PTS"].sum()
    pair = points.groupby("GAME_ID").agg(["first", "last"])
    at_home = logs[logs["MATCHUP"].str.contains(" vs. ", regex=False)].drop_duplicates("GAME_ID")
    wins = logs.drop_duplicates(["GAME_ID", "TEAM_ID"]).assign(won=lambda frame: frame["WL"] == "W")
    return {
        "points": points.mean(),
        "points_sd": points.std(),
        "margin_sd": (pair["first"] - pair["last"]).std(),
        "total_sd": pair.sum(axis=1).std(),
        "players": logs.groupby(["GAME_ID", "TEAM_ID"]).size().mean(),
        "home_wins": (at_home["WL"] == "W").mean(),
        "wins_sd": wins.groupby(["SEASON_ID", "TEAM_ID"])["won"].mean().std(),
    }


def test_box_scores_are_distributed_like_the_real_ones(
    full_league: tuple[DemoLeague, dict[str, SeasonPayload], float], archive: Path
) -> None:
    real = pd.concat([pd.read_parquet(archive / "game_logs" / f"{season}.parquet") for season in SEASONS])
    demo = pd.concat([payload.game_logs for payload in full_league[1].values()])
    ours, theirs = likeness(demo), likeness(real)
    off = pd.DataFrame(
        {
            "mean": (ours["mean"] / theirs["mean"] - 1).abs(),
            "variance": (ours["variance"] / theirs["variance"] - 1).abs(),
            "zeros": (ours["zeros"] - theirs["zeros"]).abs(),
            "dispersion": (ours["dispersion"] / theirs["dispersion"] - 1).abs(),
        }
    )
    allowed = pd.DataFrame(LIKENESS, index=list(off)).T
    assert (off <= allowed).all(axis=None), (off - allowed).round(3).to_string()


def test_teams_score_win_and_rotate_like_the_real_ones(
    full_league: tuple[DemoLeague, dict[str, SeasonPayload], float], archive: Path
) -> None:
    real = of_teams(pd.concat([pd.read_parquet(archive / "game_logs" / f"{season}.parquet") for season in SEASONS]))
    demo = of_teams(pd.concat([payload.game_logs for payload in full_league[1].values()]))
    for name in ("points", "points_sd", "margin_sd", "total_sd", "players"):
        assert demo[name] == pytest.approx(real[name], rel=0.15), name
    assert demo["home_wins"] == pytest.approx(real["home_wins"], abs=0.03)
    assert demo["wins_sd"] == pytest.approx(real["wins_sd"], abs=0.04)


# --- a league that can be learned -------------------------------------------------------------------------------------


def test_forecasts_from_the_history_alone_come_close_to_the_truth(
    full_league: tuple[DemoLeague, dict[str, SeasonPayload], float], last_truth: tuple[pd.DataFrame, float]
) -> None:
    """The pipeline's minutes model and ridge, with nothing but a negative binomial round their means."""
    payloads = [full_league[1][season] for season in SEASONS[2:]]
    games = pd.concat([payload.schedule for payload in payloads]).rename(columns=str.lower)
    games["game_date"] = pd.to_datetime(games["game_date"]).astype("datetime64[ns]")
    players = pd.concat([payload.players for payload in payloads]).rename(columns=str.lower)
    players = players.drop_duplicates("player_id", keep="last")
    history = pd.concat([player_games(payload) for payload in payloads], ignore_index=True)
    features = add_minutes_forecasts(build_features(history, games, players), seed=1)
    means = walk_forward_all(features, InformationLevel.TIPOFF)
    counted = features["games_before"] >= 10
    test = counted & (features["game_date"] >= "2025-02-01")
    fit = counted & features["game_date"].between("2024-01-15", "2025-01-31")
    index = pd.MultiIndex.from_frame(features.loc[test, KEYS])
    distance, brier, oracle, rows = 0.0, 0.0, 0.0, 0
    for stat, lines in LADDER.items():
        width = DispersionModel.fit(means.loc[fit, stat.value], features.loc[fit, stat.column])
        forecast = width.distribution(means.loc[test, stat.value], LARGEST_COUNT[stat])
        p = np.column_stack([forecast.over(line) for line in lines])
        of_stat = last_truth[0][last_truth[0]["stat"] == stat].pivot_table(index=KEYS, columns="line", values="p_over")
        truth = of_stat.loc[index].to_numpy()
        came = features.loc[test, stat.column].to_numpy()[:, None] > np.array(lines)
        distance += np.abs(p - truth).sum()
        brier += ((p - came) ** 2).sum()
        oracle += ((truth - came) ** 2).sum()
        rows += p.size
    assert distance / rows < 0.020
    assert 1.0 < brier / oracle < 1.02
