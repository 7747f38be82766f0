"""How likely players are to play, as features of a night may know it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from statmuse_pipeline.domain import InformationLevel
from statmuse_pipeline.features.roster import LISTED, ROSTER_COLUMNS
from statmuse_pipeline.modeling.absence import AbsenceModel
from statmuse_pipeline.participation import ParticipationModels, chances_before

BEFORE, AT = "0022300001", "0022300002"
LEVELS = {BEFORE: InformationLevel.PREGAME, AT: InformationLevel.TIPOFF}


def roster(rows: int = 4000, seed: int = 5) -> pd.DataFrame:
    """Who missed games plays in a third of the cases, who is listed as out, a fifth of all, in a tenth."""
    rng = np.random.default_rng(seed)
    missed, listed = rng.integers(0, 2, rows), np.where(rng.random(rows) < 0.2, 3.0, 0.0)
    chance = np.where(listed == 3, 0.1, np.where(missed == 1, 0.33, 0.95))
    table = pd.DataFrame(0.0, index=range(rows), columns=list(ROSTER_COLUMNS), dtype="float32")
    return table.assign(
        missed=missed.astype("float32"), usual_min=rng.uniform(20, 36, rows).astype("float32"),
        played=(rng.random(rows) < chance).astype("float32"), **{LISTED: listed.astype("float32")},
    )  # fmt: skip


@pytest.fixture(scope="module")
def models() -> ParticipationModels:
    table = roster()
    return ParticipationModels(
        plain=AbsenceModel.fit(table, ROSTER_COLUMNS, seed=1),
        listed=AbsenceModel.fit(table, (*ROSTER_COLUMNS, LISTED), seed=1),
        shapes={},
    )


def night(*statuses: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The same players in both games: their rows, and what is known of them. All played the last game."""
    rows = pd.DataFrame({
        "game_id": [BEFORE] * len(statuses) + [AT] * len(statuses), "player_id": range(2 * len(statuses)),
        "status": [*statuses, *statuses],
    })  # fmt: skip
    known = pd.DataFrame(0.0, index=range(len(rows)), columns=list(ROSTER_COLUMNS), dtype="float32")
    return rows, known.assign(player_id=rows["player_id"], usual_min=np.float32(30.0))


def told(models: ParticipationModels, *statuses: str, listed: dict[int, str] | None = None) -> dict[str, list[float]]:
    rows, known = night(*statuses)
    found = chances_before(models, known, rows, LEVELS, None if listed is None else pd.Series(listed, dtype="str"))
    assert found[["game_id", "player_id"]].equals(rows[["game_id", "player_id"]])
    return {game: found.loc[found["game_id"] == game, "p_plays"].tolist() for game in LEVELS}


def test_before_the_day_a_report_counts_as_far_as_it_goes(models: ParticipationModels) -> None:
    out, questionable, probable, available, unknown = told(
        models, "Out", "Questionable", "Probable", "Available", "Unknown"
    )[BEFORE]
    assert out == 0
    assert questionable == pytest.approx(0.5 * unknown, abs=0.05)
    assert questionable < probable < unknown
    assert unknown > 0.7
    assert available >= unknown


def test_at_tip_off_the_columns_of_before_the_day_do_not_know_the_report(models: ParticipationModels) -> None:
    both = told(models, "Out", "Questionable", "Available", "Unknown")
    assert len(set(both[AT])) == 1
    assert both[AT][-1] == both[BEFORE][-1]


def test_transactions_of_earlier_days_count_at_both_levels(models: ParticipationModels) -> None:
    both = told(models, "Out", "Unknown", listed={0: "Out", 2: "Out"})
    assert both[BEFORE] == both[AT]
    assert 0.02 < both[AT][0] < 0.25
    assert both[AT][1] > 0.8
