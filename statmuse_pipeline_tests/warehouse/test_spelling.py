"""Spellings of names."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from statmuse_pipeline.warehouse.spelling import (
    ALIASES,
    alias,
    closest_names,
    closest_players,
    is_short_for,
    normalise_name,
    reordered,
    unspaced,
)

NAMES = ["Luka Dončić", "LeBron James", "Nikola Jokić", "Nikola Jović", "Jalen Williams", "Jaylin Williams"]


@pytest.mark.parametrize(
    ("spelled", "plain"),
    [
        ("Luka Dončić", "luka doncic"),
        ("P.J. Washington Jr.", "pj washington"),
        ("P. J. Tucker", "pj tucker"),
        ("Shai Gilgeous-Alexander", "shai gilgeous alexander"),
        ("Royce O\u2019Neale", "royce oneale"),
        ("Robert Williams III", "robert williams"),
        ("Xavier Tillman, Sr.", "xavier tillman"),
        ("Daniel Theis (IND)", "daniel theis"),
        ("Dalano  Banton", "dalano banton"),
        ("Ivica Zubac", "ivica zubac"),
        ("J.R. Smith", "jr smith"),
    ],
)
def test_variants_of_a_name_have_one_normal_form(spelled: str, plain: str) -> None:
    assert normalise_name(spelled) == plain


@given(st.text(max_size=30))
def test_normalising_twice_changes_nothing_and_never_fails(name: str) -> None:
    once = normalise_name(name)
    assert normalise_name(once) == once
    assert unspaced(once) == unspaced(name)
    assert reordered(" ".join(reversed(once.split()))) is not None


def test_aliases_work_in_both_directions_and_in_any_order() -> None:
    for one, other in ALIASES.items():
        assert alias(one) == unspaced(other)
        assert alias(" ".join(reversed(one.split()))) == unspaced(other)
        assert alias(other) is not None
    assert alias("LeBron James") is None


@pytest.mark.parametrize(
    ("one", "other", "short"),
    [
        ("a burks", "alec burks", True),
        ("cameron johnson", "cam johnson", True),
        ("mil bridges", "miles bridges", True),
        ("mil bridges", "mikal bridges", False),
        ("t antetokounmpo", "giannis antetokounmpo", False),
        ("a burks", "alec burkson", False),
        ("burks", "burks", False),
    ],
)
def test_a_short_first_name_needs_the_same_surname(one: str, other: str, short: bool) -> None:
    assert is_short_for(one, other) is short
    assert is_short_for(other, one) is short


def test_the_closest_names_come_first_and_as_many_as_asked_for() -> None:
    assert closest_names("Luka Doncik", NAMES)[0] == "Luka Dončić"
    assert set(closest_names("nikola jovich", NAMES, limit=2)) == {"Nikola Jokić", "Nikola Jović"}
    assert len(closest_names("x", NAMES, limit=99)) == len(NAMES)
    assert closest_names("x", []) == []


def test_the_closest_players_are_taken_from_a_players_frame() -> None:
    players = pd.DataFrame({"player_id": range(6), "player_name": NAMES})
    assert closest_players("labron james", players) == closest_names("labron james", NAMES)
    assert closest_players("labron james", players)[0] == "LeBron James"
