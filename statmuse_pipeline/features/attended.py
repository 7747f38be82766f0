"""Minutes at tip-off by networks that attend to every mate and every earlier game (`attention.py`), walk-forward.

A fit learns from all seasons at once, those that are only learned from among them, takes most of a minute and serves
for a season. Beside trees and networks on columns (`minutes.py`) its forecast has half of the say.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from statmuse_pipeline.features.attention import AttentionNetwork, Lesson
from statmuse_pipeline.features.squads import Squads
from statmuse_pipeline.kept_fits import Files, Remember

SHARE = 0.5
"""Weight of the attending network. On 2023-10 to 2024-03, .4 to .6 are alike."""

BEGINS = (9, 1)
"""Month and day from which a new network serves: between two seasons."""

ROWS = 40_000
"""Player-games that must lie between the earlier seasons and the first fit: two seasons."""

LONGEST = 53.0
"""Minutes with one overtime: nobody is forecast more."""

FILE = "attention.npz"
"""Of a kept fit, and of a model of minutes in which it has its say."""


@dataclass(frozen=True)
class Attending:
    """What attending networks see and learn from.

    Attributes:
        squads: of the feature table's rows.
        earlier: reads the player-games of earlier seasons; asked only where a fit is made.
        version: content hash of those.
        rows: player-games that must lie between them and the first fit.
    """

    squads: Squads
    earlier: Callable[[], Lesson]
    version: str
    rows: int


def lesson_of(features: pd.DataFrame, squads: Squads, columns: Sequence[str]) -> Lesson:
    """What a network learns from the rows with MIN > 0 and a history: how minutes differ from their moving average.

    Args:
        features: of `minutes.add_minutes_forecasts`.
        squads: that hold the rows.
        columns: that the network reads.
    """
    rows = features[((features["min"] > 0) & (features["games_before"] > 0)).to_numpy()]
    label = (rows["min"] - rows["min_ewm_10"]).to_numpy(np.float32)
    return Lesson(rows[list(columns)].to_numpy(np.float32), label, squads.of(rows))


def blend(found: np.ndarray, features: pd.DataFrame, network: AttentionNetwork, squads: Squads) -> np.ndarray:
    """Forecasts of minutes in which the network has its share.

    Args:
        found: what was forecast without it, [rows].
        features: the rows.
        network: fitted before them.
        squads: that hold the rows.
    """
    step = network.predict(features[list(network.columns)].to_numpy(np.float32), squads.of(features))
    alone = np.clip(features["min_ewm_10"].to_numpy(np.float64) + step, 0.0, LONGEST)
    return np.asarray((1 - SHARE) * found + SHARE * alone)


def attend(
    table: pd.DataFrame,
    found: np.ndarray,
    columns: Sequence[str],
    seed: int,
    attending: Attending,
    remember: Remember,
) -> np.ndarray:
    """The forecasts of minutes, blended with those of networks fitted before them; float32, aligned with the table.

    Args:
        table: the feature table with everything that the networks read.
        found: what was forecast without them, [rows].
        columns: that the networks read.
        seed: of the fits.
        attending: what they see and learn from.
        remember: keeps fits: one is made once a season.
    """
    dates = table["game_date"].to_numpy("datetime64[D]")
    squads = attending.squads.of(table)
    blended = found.astype(np.float32)

    def forecast(period: tuple[np.datetime64, np.datetime64]) -> None:
        start, end = period
        before, now = np.flatnonzero(dates < start), np.flatnonzero((dates >= start) & (dates < end))
        lesson = lesson_of(table.iloc[before], squads.take(before), columns)

        def fit() -> Files:
            return {FILE: AttentionNetwork.fit((attending.earlier(), lesson), columns, seed).to_bytes()}

        files = remember(f"attention-{start}", _made_from(lesson, columns, seed, attending.version), fit)
        network = AttentionNetwork.from_bytes(files[FILE])
        blended[now] = blend(found[now].astype(np.float64), table.iloc[now], network, squads.take(now))

    starts = begins(table, attending.rows)
    periods = list(pairwise([*starts, dates.max() + 1])) if starts else []
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        # The largest first.
        list(pool.map(forecast, reversed(periods)))
    return blended


def begins(features: pd.DataFrame, rows: int) -> list[np.datetime64]:
    """The days from which networks serve in the table, in the order of time.

    Args:
        features: game_date, min and games_before.
        rows: player-games with a history that must lie before the first.
    """
    dates = features["game_date"].to_numpy("datetime64[D]")
    if not len(dates):
        return []
    learned = ((features["min"] > 0) & (features["games_before"] > 0)).to_numpy()
    years = range(int(str(dates.min())[:4]), int(str(dates.max())[:4]) + 1)
    days = [np.datetime64(f"{year}-{BEGINS[0]:02d}-{BEGINS[1]:02d}") for year in years]
    return [day for day in days if day <= dates.max() and (learned & (dates < day)).sum() >= rows]


def _made_from(lesson: Lesson, columns: Sequence[str], seed: int, version: str) -> str:
    """Fingerprint of everything that goes into a fit."""
    digest = hashlib.sha256(f"{seed} {version} {' '.join(columns)}".encode())
    for part in (lesson.inputs, lesson.label, *lesson.squads.shown()):
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()
