"""The board: a whole page without requests that hides nothing, and escapes what it is told."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from statmuse_pipeline.domain import Stat
from statmuse_pipeline.participation import PARTICIPATION
from statmuse_pipeline.reports.board import BoardContext, game_views, only, render_board, write_board
from statmuse_pipeline.slate.games import begins
from statmuse_pipeline.slate.lines import price_lines
from statmuse_pipeline_tests.slate.made_up import DAY, EARLY, LATE, NOON, quotes, schedule
from statmuse_pipeline_tests.slate.test_lines import no_averages, nothing
from statmuse_pipeline_tests.slate.test_night import a_night, inputs

MISSED = "0022409903"


def context(**changes: object) -> BoardContext:
    night = a_night(20.0, NOON)
    assert night.forecasts is not None
    asked = quotes(
        {"player_id": 10}, {"player_id": 10, "bookmaker": "other", "over_price": 105.0, "under_price": -130.0},
        {"player_id": 10, "line": 20.0, "under_price": float("nan")},
    )  # fmt: skip
    lines = price_lines(night.forecasts, asked.drop(columns="level").assign(**nothing), no_averages(), NOON)
    ledger = pd.DataFrame(
        {
            "game_day": [DAY] * 3, "output": "slate", "game_id": [EARLY, LATE, MISSED],
            "state": ["complete", "complete", "missed"], "due_at": pd.Timestamp(NOON),
            "recorded_at": pd.Timestamp(NOON),
            "rows": 3, "detail": ["", "", "no models"],
        }
    )  # fmt: skip
    late = schedule().iloc[:1].assign(game_id=MISSED, home_team_id=5, away_team_id=6)
    games = pd.concat([schedule(), late], ignore_index=True)
    values: dict[str, object] = {
        "day": DAY, "now": NOON, "clock": "live", "source": "archive", "demo_banner": None,
        "teams": {1: "ATL", 2: "BOS", 3: "CHI", 4: "LAC"}, "games": games.assign(begins=begins(games)),
        "players": night.players, "lines": lines, "forecasts": night.forecasts.frame, "inputs": inputs(),
        "ledger": ledger, "totals": pd.DataFrame({"stat": []}),
        "playing_totals": pd.DataFrame({"group": []}),
    }  # fmt: skip
    return BoardContext(**{**values, **changes})  # type: ignore[arg-type]


def test_the_page_has_every_player_his_flags_and_the_best_price_of_each_side():
    page = render_board(context())
    for player in (10, 11, 20, 30, 31, 40):
        assert f"Player {player}" in page
    assert "status unknown; no own model" in page
    assert page.count("<small>other</small>") == 1  # the best over price
    assert "+105" in page
    assert "-110" in page
    assert "Quoted lines (2)" in page


def with_playing_time() -> pd.DataFrame:
    """Player 10 all but sure to play, player 11 out, the rest unlikely; nothing is expected of player 31."""
    players = a_night(20.0, NOON).players
    first, out, unknown = (players["player_id"] == player for player in (10, 11, 31))
    said = {"p_plays": 0.07, "exp_min": 31.4, "min_lo80": 24.0, "min_hi80": 38.0, "p_limited": 0.004, "p_extended": 0.1}
    players = players.assign(**said)
    players.loc[first, "p_plays"] = 0.9971
    players.loc[out, ["p_plays", "p_limited", "p_extended"]] = 0.0
    players.loc[unknown, ["p_plays", "exp_min"]] = float("nan")
    return players


def test_playing_time_is_told_and_nobody_is_said_to_be_certain_who_is_not():
    first, second, _ = game_views(context(players=with_playing_time()))
    assert first.playing is not None
    assert second.playing is not None
    assert [label for label, _ in first.playing.headers][2:] == ["Plays", "Minutes", "Limited", "Extended"]
    rows = {row[0].text: [cell.text for cell in row[2:]] for row in first.playing.rows + second.playing.rows}
    assert rows["Player 10"] == [">99%", "31 (24-38)", "<1%", "10%"]
    assert rows["Player 20"][0] == "7%"
    assert "Player 11" not in rows
    assert "Player 31" not in rows
    assert second.forecasts is not None
    assert {row[0].text: row[2].text for row in second.forecasts.rows}["Player 31"] == "n/a"


def test_a_night_stored_before_playing_time_was_told_is_still_shown():
    players = a_night(20.0, NOON).players
    old = players.drop(columns=list(PARTICIPATION))
    assert game_views(context(players=old))[0].playing is None
    assert "Player 10" in render_board(context(players=old))


def test_what_was_said_of_playing_time_so_far_is_shown_beside_what_came():
    assert "Who played and how long" not in render_board(context())
    row = {
        "group": "bench", "nights": 3, "asked": 120, "absent": 0.25, "brier": 0.1234, "brier_base": 0.1875,
        "expected": 90, "bias": 0.25, "cover80": 0.789, "limited": 0.3, "limited_said": 0.28, "extended": 0.1,
        "extended_said": 0.11,
    }  # fmt: skip
    graded = pd.DataFrame([{"stat": "all", "nights": 3, "graded": 90, "brier": 0.2, "decided_lines": 10}])
    page = render_board(context(totals=graded, playing_totals=pd.DataFrame([row])))
    section = page[page.index("Who played and how long") :]
    for text in ("bench", "120", "25.0%", "0.1234", "0.1875", "+0.250", "78.9%", "30.0%", "28.0%", "11.0%"):
        assert text in section[:6000]


def test_a_missed_forecast_is_shown_as_missed_with_its_reason():
    page = render_board(context())
    section = page[page.index(f'id="g{MISSED}"') :]
    assert "missed" in section[:600]
    assert "(no models)" in section[:600]
    assert "No forecast was made before tip-off." in section[:900]


def test_players_who_are_out_are_named_and_stale_inputs_are_red():
    players = a_night(20.0, NOON).players
    out = players["player_id"] == 11
    shown = context(
        players=players.assign(status=players["status"].mask(out, "Out"), forecast=players["forecast"] & ~out),
        inputs=inputs(newest_game=pd.Timestamp("2024-11-01")),
    )
    page = render_board(shown)
    assert "<b>Out:</b> Player 11 (ATL)" in page
    assert re.search(r'class="bad">stale</td>', page)
    assert "a game of 2024-11-04 is not loaded" in page


def test_a_day_without_games_says_so():
    page = render_board(context(games=context().games.head(0), players=None, lines=None, forecasts=None))
    assert "There is no game on 2024-11-05" in page


def test_the_page_stands_alone_and_carries_the_disclaimer_and_where_to_find_help():
    page = render_board(context())
    assert "<script" not in page
    assert not re.findall(
        r'(?:src|href)="(?!#|data:|tel:|https://(?:www\.)?(?:ncpgambling|begambleaware|gamblersanonymous))', page
    )
    assert "nothing here promises profit" in page
    assert "1-800-GAMBLER" in page
    assert 'name="viewport"' in page


def test_names_are_escaped():
    players = a_night(20.0, NOON).players.assign(player_name="<b>O'Neal</b>")
    assert "<b>O'Neal" not in render_board(context(players=players))


def test_the_same_context_gives_the_same_bytes(tmp_path):
    path = write_board(context(), tmp_path)
    first = path.read_bytes()
    assert write_board(context(), tmp_path).read_bytes() == first
    assert [file.name for file in tmp_path.iterdir()] == ["board.html"]


@pytest.mark.parametrize(("clock", "said"), [("live", ""), ("set", "this is a replay"), ("archive", "stands still")])
def test_a_replay_is_told_from_the_present(clock, said):
    assert said in render_board(context(clock=clock))
    assert ("replay" in render_board(context(clock=clock))) == (clock == "set")


def test_one_player_and_some_stats_can_be_picked_out():
    picked = only(context(), [Stat.PTS], 30)
    assert picked.games["game_id"].tolist() == [LATE]
    assert picked.players is not None
    assert picked.players["player_id"].tolist() == [30]
    assert only(context(), [Stat.REB]).forecasts.empty  # type: ignore[union-attr]
