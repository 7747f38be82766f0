"""Fits on the shelf: made once, and again when their rows or what makes them changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from statmuse_pipeline.defs.kept_fits import keeping
from statmuse_pipeline.receipts import Shelf


class Maker:
    """Makes a fit and counts how often."""

    def __init__(self, content: bytes = b"trees") -> None:
        self.content, self.times = content, 0

    def __call__(self) -> dict[str, bytes]:
        self.times += 1
        return {"model.ubj": self.content, "model.json": b"{}"}


def test_a_fit_is_made_once_for_the_same_rows(tmp_path: Path) -> None:
    remember, make = keeping(Shelf(tmp_path), "minutes", "features/minutes.py"), Maker()
    assert remember("tipoff", "rows", make) == {"model.ubj": b"trees", "model.json": b"{}"}
    again = keeping(Shelf(tmp_path), "minutes", "features/minutes.py")
    assert again("tipoff", "rows", make) == {"model.ubj": b"trees", "model.json": b"{}"}
    assert make.times == 1


@pytest.mark.parametrize(
    ("folder", "fit", "inputs", "code"),
    [
        ("minutes", "tipoff", "other rows", "features/minutes.py"),
        ("minutes", "tipoff", "rows", "features/networks.py"),
        ("minutes", "pregame", "rows", "features/minutes.py"),
        ("playing_time_fits", "tipoff", "rows", "features/minutes.py"),
    ],
)
def test_other_rows_or_code_make_it_anew(tmp_path: Path, folder: str, fit: str, inputs: str, code: str) -> None:
    first, other = Maker(), Maker(b"other trees")
    keeping(Shelf(tmp_path), "minutes", "features/minutes.py")("tipoff", "rows", first)
    assert keeping(Shelf(tmp_path), folder, code)(fit, inputs, other)["model.ubj"] == b"other trees"
    assert (first.times, other.times) == (1, 1)
