"""The network that attends to mates and earlier games."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from statmuse_pipeline.domain import PipelineError
from statmuse_pipeline.features.attention import AttentionNetwork, Lesson
from statmuse_pipeline.features.squads import Squads

COLUMNS = ("a", "b", "c")


def made_up(seed: int, nights: int = 800) -> tuple[Lesson, np.ndarray]:
    """Rows whose label is a column, the mates that are out, and earlier games like tonight; and the truth."""
    rng = np.random.default_rng(seed)
    night = np.sort(rng.integers(0, nights, 8 * nights))
    night = np.unique(night, return_inverse=True)[1]
    rows, nights = len(night), night[-1] + 1
    inputs = rng.normal(0, 1, (rows, 3)).astype(np.float32)
    seated = np.arange(6)[None, :] < rng.integers(1, 7, nights)[:, None]
    members = rng.normal(0, 1, (nights, 6, 4))
    members[..., 3] = rng.random((nights, 6)) < 0.3
    members[~seated] = 0
    seat = rng.integers(-1, 6, rows)
    seat[~seated[night, seat]] = -1
    games = rng.normal(0, 1, (rows, 5, 3))
    games[..., 1] = rng.random((rows, 5)) < 0.4
    played = np.arange(5)[None, :] < rng.integers(0, 6, rows)[:, None]
    games[~played] = 0
    squads = Squads(
        np.array([f"{n:010d}" for n in night], dtype=object), np.arange(rows), night, seat,
        members.astype(np.float16), seated, games.astype(np.float16), played,
    )  # fmt: skip
    freed = members[..., 3] * np.maximum(members[..., 0], 0)
    own = np.where(seat >= 0, freed[night, seat], 0)
    usual = (games[..., 1] * games[..., 0]).sum(axis=1) / np.maximum(games[..., 1].sum(axis=1), 1)
    truth = inputs[:, 0] + freed.sum(axis=1)[night] - own + 2 * usual
    return Lesson(inputs, (truth + rng.normal(0, 0.5, rows)).astype(np.float32), squads), truth


def some(lesson: Lesson, rows: np.ndarray) -> Lesson:
    return Lesson(lesson.inputs[rows], lesson.label[rows], lesson.squads.take(rows))


@pytest.fixture(scope="module")
def network() -> AttentionNetwork:
    return AttentionNetwork.fit((made_up(1)[0], made_up(2, nights=250)[0]), COLUMNS, seed=1)


def test_who_is_out_and_games_like_tonight_are_learned(network: AttentionNetwork) -> None:
    lesson, truth = made_up(3)
    columns = np.column_stack([np.ones(len(truth)), lesson.inputs])
    line = columns @ np.linalg.lstsq(columns, lesson.label)[0]
    error = np.mean((network.predict(lesson.inputs, lesson.squads) - truth) ** 2)
    assert error < 0.35 * np.mean((line - truth) ** 2)


def test_a_forecast_does_not_depend_on_the_rows_beside_it_nor_on_the_order_of_mates(network: AttentionNetwork) -> None:
    lesson, _ = made_up(4, nights=40)
    whole = network.predict(lesson.inputs, lesson.squads)
    for rows in (np.array([0]), np.array([7]), np.arange(len(whole))[::-1]):
        part = some(lesson, rows)
        np.testing.assert_array_equal(network.predict(part.inputs, part.squads), whole[rows])
    seen = lesson.squads
    turned = replace(
        seen, members=seen.members[:, ::-1], seated=seen.seated[:, ::-1], games=seen.games[:, ::-1],
        played=seen.played[:, ::-1], seat=np.where(seen.seat >= 0, 5 - seen.seat, -1),
    )  # fmt: skip
    np.testing.assert_allclose(network.predict(lesson.inputs, turned), whole, rtol=1e-5, atol=1e-5)


def test_a_crowded_night_is_forecast_as_a_quiet_one(network: AttentionNetwork) -> None:
    lesson, _ = made_up(8, nights=3)
    many = np.tile(np.flatnonzero(lesson.squads.night == 0), 5)
    assert len(many) > 2 * 13
    crowd = some(lesson, many)
    whole = network.predict(lesson.inputs, lesson.squads)
    np.testing.assert_array_equal(network.predict(crowd.inputs, crowd.squads), whole[many])


def test_whoever_is_not_there_has_no_say(network: AttentionNetwork) -> None:
    lesson, _ = made_up(5, nights=30)
    seen = lesson.squads
    noisy = replace(
        seen, members=np.where(seen.seated[..., None], seen.members, np.float16(9)),
        games=np.where(seen.played[..., None], seen.games, np.float16(9)),
    )  # fmt: skip
    expected = network.predict(lesson.inputs, seen)
    np.testing.assert_allclose(network.predict(lesson.inputs, noisy), expected, rtol=1e-6, atol=1e-6)
    alone = replace(
        seen, seat=np.full_like(seen.seat, -1), seated=np.zeros_like(seen.seated), played=np.zeros_like(seen.played)
    )
    assert np.isfinite(network.predict(np.full_like(lesson.inputs, np.nan), alone)).all()


def test_the_same_lessons_give_the_same_bytes() -> None:
    lesson = made_up(6, nights=90)[0]
    one, other = (AttentionNetwork.fit((lesson,), COLUMNS, seed=1, epochs=2) for _ in range(2))
    assert one.to_bytes() == other.to_bytes()


def test_networks_and_lessons_come_back_from_their_bytes_and_others_are_refused(network: AttentionNetwork) -> None:
    lesson = made_up(7, nights=12)[0]
    content = network.to_bytes()
    again = AttentionNetwork.from_bytes(content)
    assert again.columns == COLUMNS
    told = network.predict(lesson.inputs, lesson.squads)
    np.testing.assert_array_equal(again.predict(lesson.inputs, lesson.squads), told)
    read = Lesson.from_bytes(lesson.to_bytes())
    np.testing.assert_array_equal(read.inputs, lesson.inputs)
    np.testing.assert_array_equal(network.predict(read.inputs, read.squads), told)
    assert read.to_bytes() == lesson.to_bytes()
    for torn in (b"", content[: len(content) // 2], lesson.to_bytes()):
        with pytest.raises(PipelineError, match="no attending network"):
            AttentionNetwork.from_bytes(torn)
    for torn in (b"", lesson.to_bytes()[:1000], content):
        with pytest.raises(PipelineError, match="no player-games to learn from"):
            Lesson.from_bytes(torn)
