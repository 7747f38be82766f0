"""A network that weighs each team mate and each earlier game by itself to forecast minutes at tip-off.

Attention (Vaswani et al. 2017, "Attention is all you need"): what is known of the player asks, mates and games answer.
Mates add up, since it matters how many there are; earlier games are averaged, those like tonight counting most. It
learns from all seasons at once, those of the archive that are only learned from among them; taught first on those and
then on newer ones it loses more than half of what it gains.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from multiprocessing import get_context
from typing import Any

import numpy as np
import numpy.typing as npt

from statmuse_pipeline.domain import PipelineError
from statmuse_pipeline.features.networks import standard_of
from statmuse_pipeline.features.squads import Squads
from statmuse_pipeline.standardizer import Standardizer

Floats = npt.NDArray[np.float32]

EPOCHS = 14
"""How often a fit sees every row: 20 at half the rate are as good."""

_WIDTH, _DEPTH, _HEADS = 64, 32, 4
_NIGHTS, _PLACES = 52, 13
"""Games of teams in a batch, and how many players of each: whoever is over that makes a night of his own."""

_BLOCK = 512
_RATE, _LAST_RATE = 2e-3, 0.05
"""The second as a share of the first."""

_PENALTY = 1 / 512
"""Of squared weights, beside the mean squared error."""

_DROPPED = 64
"""Of 256."""

_FARTHEST = 5.0
_LAYERS = ("own", "member", "member_deep", "ask_members", "mates", "game", "game_deep", "ask_games", "joined", "out")
_PARTS = tuple(field.name for field in fields(Squads))


@dataclass(frozen=True)
class Lesson:
    """Player-games to learn from.

    Attributes:
        inputs: [rows, columns] float32, NaN where unknown.
        label: [rows] float32.
        squads: of the rows.
    """

    inputs: Floats
    label: Floats
    squads: Squads

    def to_bytes(self) -> bytes:
        """NumPy's own archive of arrays, without pickles; the same lesson gives the same bytes."""
        content = io.BytesIO()
        squads = {name: getattr(self.squads, name) for name in _PARTS}
        squads["game_id"] = squads["game_id"].astype("U")
        np.savez_compressed(content, inputs=self.inputs, label=self.label, **squads)
        return content.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Lesson:
        """The lesson that `to_bytes` wrote.

        Raises:
            PipelineError: when the content is none.
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                squads = {name: arrays[name] for name in _PARTS}
                squads["game_id"] = squads["game_id"].astype(object)
                return cls(arrays["inputs"], arrays["label"], Squads(**squads))
        except (KeyError, OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise PipelineError(f"These bytes are no player-games to learn from: {error}.") from error


@dataclass(frozen=True)
class AttentionNetwork:
    """The network on standardised columns and on squads.

    Attributes:
        columns: names of the inputs, in order.
        standard: of the columns.
        layers: name -> weights [from, to], and name + "_bias" -> [to], float32.
    """

    columns: tuple[str, ...]
    standard: Standardizer
    layers: Mapping[str, Floats]

    @classmethod
    def fit(
        cls, lessons: Sequence[Lesson], columns: Sequence[str], seed: int, epochs: int = EPOCHS
    ) -> AttentionNetwork:
        """Learn from all lessons side by side, with dropout and a rate that falls to nearly nothing (Adam).

        It is done in a process of its own: a script that calls this must do so under `if __name__ == "__main__":`.

        Args:
            lessons: with at least one row together; columns are standardised as those of the first are distributed.
            columns: names of the inputs.
            seed: of the first weights, of the order of the rows and of what is dropped.
            epochs: how often each row is seen.
        """
        standard = standard_of(lessons[0].inputs, _FARTHEST)
        scaled = [standard.transform(lesson.inputs) for lesson in lessons]
        figures = lessons[0].squads
        layers = _first_layers(len(columns), figures.members.shape[2], figures.games.shape[2], seed)
        with ProcessPoolExecutor(1, get_context("spawn"), initializer=_on_one_thread) as alone:
            learned = alone.submit(_learn, layers, lessons, scaled, seed, epochs).result()
        return cls(tuple(columns), standard, learned)

    def predict(self, inputs: Floats, squads: Squads) -> Floats:
        """Forecasts, [rows].

        Computed in double precision and rounded: a row's forecast does not depend on the rows beside it.
        """
        found = np.empty(len(inputs), dtype=np.float32)
        layers = {name: values.astype(np.float64) for name, values in self.layers.items()}
        nights = _nights(squads.night, _PLACES)
        for first in range(0, len(nights), _BLOCK):
            rows = nights[first : first + _BLOCK]
            seen = _seen(self.standard.transform(inputs[rows]), squads, rows, np.float64)
            found[rows[rows >= 0]] = _forward(np, layers, seen)[rows >= 0]
        return found

    def to_bytes(self) -> bytes:
        """NumPy's own archive of arrays, without pickles; the same network gives the same bytes."""
        arrays: dict[str, Any] = {
            "columns": np.array(self.columns), "location": self.standard.location, "scale": self.standard.scale,
            **{f"layer-{name}": values for name, values in self.layers.items()},
        }  # fmt: skip
        content = io.BytesIO()
        np.savez(content, **arrays)
        return content.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> AttentionNetwork:
        """The network that `to_bytes` wrote.

        Raises:
            PipelineError: when the content is no such network.
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                layers = {name: arrays[f"layer-{name}"] for name in _names()}
                standard = Standardizer(arrays["location"], arrays["scale"], _FARTHEST)
                return cls(tuple(str(name) for name in arrays["columns"]), standard, layers)
        except (KeyError, OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise PipelineError(f"These bytes are no attending network: {error}.") from error


def _names() -> list[str]:
    return [f"{layer}{end}" for layer in _LAYERS for end in ("", "_bias")]


def _first_layers(columns: int, of_member: int, of_game: int, seed: int) -> dict[str, Floats]:
    """Random weights of He et al. (2015), a little smaller; those that ask start at half of that."""
    asked = _HEADS * _DEPTH
    sizes = {
        "own": (columns, _WIDTH), "member": (of_member, _DEPTH), "member_deep": (_DEPTH, _DEPTH),
        "ask_members": (_WIDTH + _DEPTH, asked), "mates": (asked, _WIDTH), "game": (of_game, _DEPTH),
        "game_deep": (_DEPTH, _DEPTH), "ask_games": (_WIDTH + _DEPTH, asked),
        "joined": (2 * _WIDTH + _DEPTH + asked, _DEPTH), "out": (_DEPTH, 1),
    }  # fmt: skip
    random = np.random.default_rng(seed)
    layers: dict[str, Floats] = {}
    for name, (wide, narrow) in sizes.items():
        spread = 0.8 * np.sqrt(2 / wide) * (0.5 if name.startswith("ask") else 1.0)
        layers[name] = (spread * random.standard_normal((wide, narrow))).astype(np.float32)
        layers[f"{name}_bias"] = np.zeros(narrow, dtype=np.float32)
    return layers


def _nights(night: npt.NDArray[np.int64], places: int) -> npt.NDArray[np.int64]:
    """[nights, places] of the rows that belong together, -1 where there is none."""
    order = np.argsort(night, kind="stable")
    ordered = night[order]
    place = np.arange(len(order)) - np.searchsorted(ordered, ordered)
    part = np.cumsum(place % places == 0) - 1
    found = np.full((part[-1] + 1 if len(part) else 0, places), -1, dtype=np.int64)
    found[part, place % places] = order
    return found


def _seen(scaled: Floats, squads: Squads, rows: npt.NDArray[np.int64], kind: type) -> tuple[npt.NDArray[Any], ...]:
    """What the network sees of [nights, places]; what stands where there is no row is not used."""
    night = squads.night[rows[:, 0]]
    seats = np.arange(squads.members.shape[1])
    return (
        scaled.astype(kind, copy=False), squads.members[night].astype(kind), squads.seated[night].astype(kind),
        (squads.seat[rows][..., None] == seats).astype(kind), squads.games[rows].astype(kind),
        squads.played[rows].astype(kind),
    )  # fmt: skip


def _forward(xp: Any, layers: Mapping[str, Any], seen: Sequence[Any], keep: Any = None) -> Any:
    """Forecasts [nights, places].

    Args:
        xp: NumPy, or JAX's copy of it while learning.
        layers: of the network.
        seen: of `_seen`.
        keep: what is dropped (0) while learning.
    """
    own, members, seated, himself, games, played = seen
    nights, places = own.shape[:2]

    def layer(name: str, values: Any) -> Any:
        flat = values.reshape(-1, values.shape[-1]) @ layers[name] + layers[f"{name}_bias"]
        return flat.reshape(*values.shape[:-1], flat.shape[-1])

    def bent(name: str, values: Any) -> Any:
        return xp.maximum(layer(name, values), 0)

    player = bent("own", own)
    told = bent("member_deep", bent("member", members))
    asking = xp.concatenate([player, xp.matmul(himself, told)], axis=-1)
    others = seated[:, None, :] * (1 - himself)

    asked = layer("ask_members", asking).reshape(nights, places * _HEADS, _DEPTH)
    likeness = xp.matmul(asked, xp.swapaxes(told, 1, 2)).reshape(nights, places, _HEADS, -1) / np.sqrt(_DEPTH)
    weights = others[:, :, None, :] / (1 + xp.exp(1 - likeness))
    answers = xp.matmul(weights.reshape(nights, places * _HEADS, -1), told)
    together = bent("mates", answers.reshape(nights, places, -1) / 4)
    whole = xp.matmul(others, told) / 8

    told = bent("game_deep", bent("game", games)).reshape(nights * places, *games.shape[2:3], _DEPTH)
    asked = layer("ask_games", asking).reshape(nights * places, _HEADS, _DEPTH)
    there = played.reshape(nights * places, 1, -1)
    likeness = xp.where(there > 0, xp.matmul(asked, xp.swapaxes(told, 1, 2)) / np.sqrt(_DEPTH), -1e9)
    # Without earlier games all weights are 0.
    weights = there * xp.exp(likeness - likeness.max(axis=-1, keepdims=True))
    weights = weights / xp.maximum(weights.sum(axis=-1, keepdims=True), 1e-9)
    before = xp.matmul(weights, told).reshape(nights, places, -1)

    joined = xp.concatenate([player, together, whole, before], axis=-1)
    return layer("out", bent("joined", joined if keep is None else joined * keep))[..., 0]


def _on_one_thread() -> None:
    """The last bits of sums depend on the number of threads, which JAX reads as it starts: in a process of its own."""
    os.environ["NPROC"] = "1"


def _learn(
    layers: dict[str, Floats], lessons: Sequence[Lesson], scaled: Sequence[Floats], seed: int, epochs: int
) -> dict[str, Floats]:
    # Imported here: only learning needs them, and they take two seconds to load.
    import jax
    import jax.numpy as jnp
    import optax

    nights = [_nights(lesson.squads.night, _PLACES) for lesson in lessons]
    counts = [max(len(rows) // _NIGHTS, 1) for rows in nights]
    adam = optax.adam(optax.cosine_decay_schedule(_RATE, epochs * sum(counts), alpha=_LAST_RATE))

    def loss(weights: Any, keep: Any, label: Any, here: Any, seen: Any) -> Any:
        error = here * (_forward(jnp, weights, seen, keep) - label)
        size = sum(jnp.sum(values**2) for name, values in weights.items() if not name.endswith("_bias"))
        return 0.5 * jnp.sum(error**2) / jnp.sum(here) + 0.5 * _PENALTY * size

    @jax.jit
    def step(weights: Any, state: Any, *batch: Any) -> Any:
        change, state = adam.update(jax.grad(loss)(weights, *batch), state)
        return optax.apply_updates(weights, change), state

    random = np.random.default_rng(seed)
    shape = (_NIGHTS, _PLACES, len(layers["joined"]))
    weights: Any = {name: jnp.asarray(values) for name, values in layers.items()}
    state = adam.init(weights)
    for _ in range(epochs):
        parts = [
            # All batches have one size, so that one program serves them all: a few nights wait for the next epoch.
            (n, np.resize(some, (_NIGHTS, _PLACES)))
            for n, count in enumerate(counts)
            for some in np.split(random.permutation(nights[n])[: count * _NIGHTS], count)
        ]
        for place in random.permutation(len(parts)):
            n, rows = parts[place]
            keep = (random.integers(0, 256, shape, dtype=np.uint8) >= _DROPPED) * np.float32(256 / (256 - _DROPPED))
            seen = _seen(scaled[n][rows], lessons[n].squads, rows, np.float32)
            here = (rows >= 0).astype(np.float32)
            weights, state = step(weights, state, keep, lessons[n].label[rows], here, seen)
    return {name: np.asarray(weights[name]) for name in layers}
