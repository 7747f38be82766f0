"""Reliability tables and diagrams: do things forecast at 30% happen 30% of the time."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from joblib import Parallel, delayed
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from statmuse_pipeline.domain import PipelineError
from statmuse_pipeline.evaluation.scores import BINS, counted, on_ladder, probability_bin

SIZE_INCHES = (4.0, 4.4)
DPI = 90
INK, ACCENT, PALE = "#24292f", "#1f5fa8", "#b9cde4"

Titled = tuple[str, str, pd.DataFrame]
"""File stem, title and reliability table of one diagram."""


def reliability_table(p: npt.ArrayLike, y: npt.ArrayLike, bins: int = BINS) -> pd.DataFrame:
    """Forecast probability against frequency in equal-width bins (Murphy and Winkler 1977).

    Args:
        p: [n] probabilities.
        y: [n] outcomes, 0 or 1.
        bins: how many.

    Returns:
        One row a bin: bin_low, bin_high, count, mean_probability, frequency, low, high. The last two are
        the Wilson 95% interval of the frequency; empty bins have NaN. Count-weighted
        |mean_probability - frequency| is the ECE.

    Raises:
        PipelineError: when a probability is missing or outside [0, 1], or lengths differ.
    """
    probability, happened = np.asarray(p, dtype="float64"), np.asarray(y, dtype="float64")
    if probability.shape != happened.shape:
        raise PipelineError(f"{probability.shape} probabilities cannot meet {happened.shape} outcomes.")
    if not ((probability >= 0) & (probability <= 1)).all():
        raise PipelineError("A reliability table needs probabilities in [0, 1]; some are missing or outside.")
    which = probability_bin(probability, bins)
    count = np.bincount(which, minlength=bins)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(which, probability, minlength=bins) / count
        frequency = np.bincount(which, happened, minlength=bins) / count
        z = 1.959964
        centre = (frequency + z**2 / (2 * count)) / (1 + z**2 / count)
        half = z / (1 + z**2 / count) * np.sqrt(frequency * (1 - frequency) / count + z**2 / (4 * count**2))
    edges = np.linspace(0, 1, bins + 1)
    return pd.DataFrame(
        {"bin_low": edges[:-1], "bin_high": edges[1:], "count": count, "mean_probability": mean,
         "frequency": frequency, "low": centre - half, "high": centre + half}
    )  # fmt: skip


def ladder_tables(ladder: pd.DataFrame, outcomes: pd.DataFrame, by: str) -> dict[Any, pd.DataFrame]:
    """A reliability table of every group of ladder forecasts, such as every player, in sorted order.

    Args:
        ladder: game_id, player_id, stat, line, p_over and the column `by`.
        outcomes: of `scores.outcomes`.
        by: the column to group by.
    """
    rows = counted(ladder[on_ladder(ladder)], outcomes)
    return {
        name: reliability_table(group["p_over"], group["actual"] > group["line"])
        for name, group in rows.groupby(by, sort=True, observed=True)
    }


class ReliabilityPlotter:
    """Draws diagrams one after the other on one canvas.

    The frame (axes, ticks, diagonal) is drawn once and copied back for each diagram, which takes a
    tenth of the time of drawing it anew. The same table gives the same bytes.
    """

    def __init__(self) -> None:
        self._figure = Figure(figsize=SIZE_INCHES, dpi=DPI, facecolor="white")
        self._canvas = FigureCanvasAgg(self._figure)
        self._axes = self._figure.add_axes((0.13, 0.29, 0.83, 0.59))
        self._counts = self._figure.add_axes((0.13, 0.10, 0.83, 0.13))
        self._draw_frame()
        self._background = self._canvas.copy_from_bbox(self._figure.bbox)  # type: ignore[attr-defined]
        self._artists()

    def _draw_frame(self) -> None:
        for axes in (self._axes, self._counts):
            axes.set_xlim(0, 1)
            axes.set_ylim(0, 1)
            axes.set_xticks(np.linspace(0, 1, 6))
            axes.tick_params(labelsize=8, colors=INK, length=3)
            axes.spines[["top", "right"]].set_visible(False)
        self._axes.set_yticks(np.linspace(0, 1, 6))
        self._axes.grid(color="#e5e8eb", linewidth=0.8)
        self._axes.plot([0, 1], [0, 1], color="#8b949e", linewidth=1, linestyle="--")
        self._axes.set_ylabel("came true", fontsize=9, color=INK)
        self._counts.set_yticks([])
        self._counts.spines["left"].set_visible(False)
        self._counts.set_xlabel("forecast probability (bars: share of the forecasts)", fontsize=9, color=INK)
        self._canvas.draw()

    def _artists(self) -> None:
        self._title = self._figure.text(0.13, 0.945, "", fontsize=10.5, fontweight="bold", color=INK)
        self._subtitle = self._figure.text(0.13, 0.903, "", fontsize=8, color="#57606a")
        (self._line,) = self._axes.plot([], [], color=ACCENT, linewidth=1.6, marker="o", markersize=4.5)
        self._bands = self._axes.vlines([], [], [], color=ACCENT, linewidth=1)
        self._bars = self._counts.bar(np.arange(BINS) / BINS + 0.5 / BINS, np.zeros(BINS), 0.8 / BINS, color=PALE)

    def png(self, table: pd.DataFrame, title: str) -> bytes:
        """The diagram of a `reliability_table` of `BINS` bins as PNG bytes without date or software name."""
        seen = table[table["count"] > 0]
        total = int(table["count"].sum())
        gap = (
            float((seen["count"] * (seen["mean_probability"] - seen["frequency"]).abs()).sum() / total) if total else 0
        )
        self._title.set_text(title)
        self._subtitle.set_text(f"ECE {gap:.4f} on {total:,} forecasts" if total else "no forecasts")
        self._line.set_data(seen["mean_probability"], seen["frequency"])
        middle = seen["mean_probability"].to_numpy()
        self._bands.set_segments(
            [np.array([[x, low], [x, high]]) for x, low, high in zip(middle, seen["low"], seen["high"], strict=True)]
        )
        for bar, count in zip(self._bars, table["count"], strict=True):
            bar.set_height(count / max(int(table["count"].max()), 1))
        self._canvas.restore_region(self._background)  # type: ignore[attr-defined]
        self._figure.draw_artist(self._title)
        self._figure.draw_artist(self._subtitle)
        self._axes.draw_artist(self._bands)
        self._axes.draw_artist(self._line)
        for bar in self._bars:
            self._counts.draw_artist(bar)
        return self._encode()

    def _encode(self) -> bytes:
        # A palette of 64 colours is a third of the bytes of true colour and looks the same here.
        picture = Image.fromarray(np.asarray(self._canvas.buffer_rgba())[..., :3])
        packed = io.BytesIO()
        picture.quantize(64, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(packed, "PNG")
        return packed.getvalue()


def plot_reliability(table: pd.DataFrame, title: str) -> bytes:
    """One reliability diagram as PNG bytes; for many use `plot_many`."""
    return ReliabilityPlotter().png(table, title)


def plot_many(tables: Iterable[Titled], folder: Path, workers: int = 1) -> list[Path]:
    """Write `<folder>/<stem>.png` for every (stem, title, table), in the order given.

    Every file is replaced whole or not at all.

    Raises:
        PipelineError: when two stems are the same or one could leave the folder.
    """
    items = list(tables)
    stems = [stem for stem, _, _ in items]
    odd = next((stem for stem in stems if not re.fullmatch(r"[\w.+-]+", stem) or stem.startswith(".")), None)
    if odd is not None:
        raise PipelineError(f"{odd!r} cannot name a plot: use letters, digits, dots and dashes.")
    if len(set(stems)) < len(stems):
        raise PipelineError("Two plots have the same file name: every stem must be its own.")
    folder.mkdir(parents=True, exist_ok=True)
    size = -(-len(items) // max(workers, 1)) or 1
    chunks = [items[start : start + size] for start in range(0, len(items), size)]
    if workers <= 1 or len(chunks) <= 1:
        parts = [_plot_chunk(chunk, folder) for chunk in chunks]
    else:
        parts = Parallel(n_jobs=workers, backend="loky")(delayed(_plot_chunk)(chunk, folder) for chunk in chunks)
    return [path for part in parts for path in part]


def _plot_chunk(items: Sequence[Titled], folder: Path) -> list[Path]:
    plotter = ReliabilityPlotter()
    paths = []
    for stem, title, table in items:
        path = folder / f"{stem}.png"
        temporary = folder / f".{stem}.{os.getpid()}.tmp"
        temporary.write_bytes(plotter.png(table, title))
        temporary.replace(path)
        paths.append(path)
    return paths
