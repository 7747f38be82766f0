from __future__ import annotations

import io
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from statmuse_pipeline.domain import PipelineError
from statmuse_pipeline.evaluation import scores
from statmuse_pipeline.evaluation.reliability import (
    ReliabilityPlotter,
    ladder_tables,
    plot_many,
    plot_reliability,
    reliability_table,
)
from statmuse_pipeline.evaluation.scores import ece
from statmuse_pipeline_tests.evaluation.small_league import SmallLeague


def table_of(seed: int, rows: int = 500) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    p = generator.beta(0.7, 1.2, rows)
    return reliability_table(p, generator.random(rows) < p)


@given(hnp.arrays(np.float64, st.integers(1, 80), elements=st.floats(0, 1)), st.integers(0, 2**31))
def test_the_weighted_gap_of_the_table_is_the_calibration_error(p: np.ndarray, seed: int) -> None:
    y = (np.random.default_rng(seed).random(len(p)) < p).astype(float)
    table = reliability_table(p, y)
    gap = (table["count"] * (table["mean_probability"] - table["frequency"]).abs()).sum() / len(p)
    assert gap == pytest.approx(ece(p, y))
    assert table["count"].sum() == len(p)
    seen = table[table["count"] > 0]
    assert ((seen["low"] <= seen["frequency"] + 1e-12) & (seen["frequency"] <= seen["high"] + 1e-12)).all()
    assert (seen["mean_probability"].between(seen["bin_low"] - 1e-12, seen["bin_high"] + 1e-12)).all()


def test_every_players_table_holds_the_players_own_ladder(league: SmallLeague) -> None:
    happened = scores.outcomes(league.features)
    tables = ladder_tables(league.ladder, happened, "player_id")
    rows = scores.counted(league.ladder, happened)
    assert list(tables) == sorted(rows["player_id"].unique())
    own = rows[rows["player_id"] == 105]
    over = own["actual"] > own["line"]
    assert tables[105]["count"].sum() == len(own)
    assert (tables[105]["count"] * tables[105]["frequency"]).sum() == pytest.approx(over.sum())


def test_the_frequency_interval_is_the_wilson_interval_of_the_textbook() -> None:
    """10 of 20: 0.299 to 0.701 (Newcombe 1998 gives the formula; values by hand)."""
    table = reliability_table(np.full(20, 0.45), np.arange(20) % 2)
    row = table[table["count"] > 0].iloc[0]
    assert (row["low"], row["high"]) == pytest.approx((0.2993, 0.7007), abs=1e-4)


def test_probabilities_outside_the_unit_interval_are_refused() -> None:
    with pytest.raises(PipelineError, match=r"\[0, 1\]"):
        reliability_table([0.5, np.nan], [0, 1])
    with pytest.raises(PipelineError, match="cannot meet"):
        reliability_table([0.5], [0, 1])


def test_a_diagram_is_the_same_bytes_whatever_was_drawn_before_it() -> None:
    fresh = plot_reliability(table_of(1), "One")
    plotter = ReliabilityPlotter()
    plotter.png(table_of(2), "A much longer title that must leave no trace")
    assert plotter.png(table_of(1), "One") == fresh
    assert plotter.png(table_of(2), "One") != fresh


def test_a_diagram_is_a_picture_without_date_or_software() -> None:
    picture = Image.open(io.BytesIO(plot_reliability(table_of(1), "Luka Dončić, points")))
    assert picture.size[0] > 300
    assert picture.size[1] > 300
    assert picture.info == {}


def test_a_diagram_of_nothing_is_still_drawn() -> None:
    assert plot_reliability(reliability_table([], []), "Nobody").startswith(b"\x89PNG")


def test_many_diagrams_are_the_same_with_one_worker_and_with_two(tmp_path: Path) -> None:
    items = [(f"player-{number}", f"Player {number}", table_of(number)) for number in range(6)]
    one = plot_many(iter(items), tmp_path / "one", workers=1)
    two = plot_many(items, tmp_path / "two", workers=2)
    assert [path.name for path in one] == [path.name for path in two] == [f"player-{n}.png" for n in range(6)]
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == sorted(path.name for path in one)


def test_five_hundred_diagrams_fit_into_half_a_minute_of_one_core() -> None:
    plotter, table = ReliabilityPlotter(), table_of(1, 2000)
    started = time.process_time()
    for number in range(20):
        plotter.png(table, f"Player {number}")
    assert (time.process_time() - started) / 20 < 0.060


def test_names_that_would_leave_the_folder_or_collide_are_refused(tmp_path: Path) -> None:
    for stem in ("../up", ".hidden", "a/b", ""):
        with pytest.raises(PipelineError, match="cannot name a plot"):
            plot_many([(stem, "x", table_of(1))], tmp_path)
    with pytest.raises(PipelineError, match="same file name"):
        plot_many([("a", "x", table_of(1)), ("a", "y", table_of(2))], tmp_path)
    assert list(tmp_path.iterdir()) == []
