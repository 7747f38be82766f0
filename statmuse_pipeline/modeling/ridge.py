"""Sums that a ridge is solved from: X'X and X'y of games, older ones counting less.

A refit needs no rows, only sums, which grow by a week's games and are solved again; those of earlier seasons are kept
as a file and grown from.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import linalg

from statmuse_pipeline.domain import PipelineError, Stat
from statmuse_pipeline.standardizer import Standardizer

Floats = npt.NDArray[np.float64]

_BLOCK = 8192
FARTHEST = 8.0
"""Standard deviations at which columns are cut off."""


@dataclass(frozen=True)
class RidgeSums:
    """What was seen up to a day.

    Attributes:
        columns: names of the design's columns.
        stats: of X'y, in order.
        standard: of the columns.
        xx: X'X, [1 + columns, 1 + columns]; the first column is a column of ones.
        xy: X'y, [1 + columns, stats].
        as_of: the day for which older games are discounted, in days since 1970.
    """

    columns: tuple[str, ...]
    stats: tuple[Stat, ...]
    standard: Standardizer
    xx: Floats
    xy: Floats
    as_of: int

    @classmethod
    def empty(
        cls, columns: Sequence[str], stats: Sequence[Stat], seen: npt.NDArray[np.float32], as_of: int
    ) -> RidgeSums:
        """Nothing seen yet; columns are standardised as those of `seen`, [rows, columns], are distributed."""
        size = len(columns) + 1
        standard = Standardizer.fit(seen, FARTHEST)
        return cls(tuple(columns), tuple(stats), standard, np.zeros((size, size)), np.zeros((size, len(stats))), as_of)

    def rows(self, columns: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """[n, 1 + columns]: a column of ones, then the standardised columns."""
        return design_rows(self.standard, columns)

    def grown(
        self, x: npt.NDArray[np.float32], y: Floats, days: npt.NDArray[np.int64], as_of: int, half_life: float
    ) -> RidgeSums:
        """The sums on a later day, with more games in them.

        Args:
            x: [n, 1 + columns], of `rows`.
            y: [n, stats].
            days: [n] of the games, in days since 1970.
            as_of: the day, not before `self.as_of`.
            half_life: days after which a game counts half; infinite for no forgetting.
        """
        aged = 0.5 ** ((as_of - self.as_of) / half_life)
        xx, xy, weights = self.xx * aged, self.xy * aged, 0.5 ** ((as_of - days) / half_life)
        for start in range(0, len(x), _BLOCK):
            part = slice(start, start + _BLOCK)
            # Sums in double precision hardly depend on the order of the rows or the number of threads.
            block = x[part].astype(np.float64)
            weighted = (block * weights[part, None]).T
            xx += weighted @ block
            xy += weighted @ y[part]
        return RidgeSums(self.columns, self.stats, self.standard, xx, xy, as_of)

    def solve(self, penalty: float) -> Floats:
        """Coefficients [1 + columns, stats]; the intercept is not penalised."""
        penalised = self.xx.copy()
        inner = np.arange(1, len(penalised))
        penalised[inner, inner] += penalty
        return linalg.solve(penalised, self.xy, assume_a="pos")

    def take(self, columns: Sequence[str], stats: Sequence[Stat]) -> RidgeSums:
        """The sums of some columns and stats, in the order asked for.

        Raises:
            PipelineError: when a column or a stat is not among them.
        """
        unknown = [name for name in columns if name not in self.columns]
        unknown += [stat.value for stat in stats if stat not in self.stats]
        if unknown:
            raise PipelineError(
                f"What was learned from earlier seasons knows no {', '.join(unknown)}: "
                "it is another version's, run `statmuse train` again."
            )
        place = np.array([self.columns.index(name) for name in columns], dtype=np.int64)
        inside = np.r_[0, place + 1]
        standard = Standardizer(self.standard.location[place], self.standard.scale[place], self.standard.farthest)
        xy = self.xy[np.ix_(inside, [self.stats.index(stat) for stat in stats])]
        return RidgeSums(tuple(columns), tuple(stats), standard, self.xx[np.ix_(inside, inside)], xy, self.as_of)

    def to_bytes(self) -> bytes:
        """NumPy's own archive of arrays, without pickles; the same sums give the same bytes."""
        arrays: dict[str, Any] = {
            "columns": np.array(self.columns), "stats": np.array([stat.value for stat in self.stats]),
            "location": self.standard.location, "scale": self.standard.scale, "xx": self.xx, "xy": self.xy,
            "as_of": np.array(self.as_of),
        }  # fmt: skip
        content = io.BytesIO()
        np.savez_compressed(content, **arrays)
        return content.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> RidgeSums:
        """The sums that `to_bytes` wrote.

        Raises:
            PipelineError: when the content is not of that form.
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                return cls(
                    tuple(str(name) for name in arrays["columns"]),
                    tuple(Stat(name) for name in arrays["stats"]),
                    Standardizer(arrays["location"], arrays["scale"], FARTHEST),
                    arrays["xx"],
                    arrays["xy"],
                    int(arrays["as_of"]),
                )
        except (KeyError, OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise PipelineError(f"These bytes are no sums of a ridge: {error}.") from error


def design_rows(standard: Standardizer, columns: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """[n, 1 + columns]: a column of ones, then the standardised columns."""
    rows = np.ones((len(columns), columns.shape[1] + 1), dtype=np.float32)
    standard.transform(columns, out=rows[:, 1:])
    return rows
