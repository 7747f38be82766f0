"""Columns on one scale, as ridges, networks and small members read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

_CONSTANT = 1e-6
"""A standard deviation below this is rounding: the column never varied."""


@dataclass(frozen=True)
class Standardizer:
    """Centers and scales columns; what is unknown becomes 0, its column's mean.

    Attributes:
        location: means of the rows that were known, [columns]; 0 for a column that never was. NaN makes every value 0.
        scale: their standard deviations, [columns]; 1 for a column that never varied.
        farthest: standardised values are cut off here, so that one odd value cannot throw a forecast far off.
    """

    location: npt.NDArray[Any]
    scale: npt.NDArray[Any]
    farthest: float

    @classmethod
    def fit(cls, inputs: npt.NDArray[np.floating], farthest: float) -> Standardizer:
        """Of [rows, columns], what is missing left out; summed in double precision."""
        known = np.isfinite(inputs)
        count = np.maximum(known.sum(axis=0), 1)
        location = np.where(known, inputs, 0).sum(axis=0, dtype=np.float64) / count
        squares = np.where(known, inputs - location.astype(inputs.dtype), 0) ** 2
        scale = np.sqrt(squares.sum(axis=0, dtype=np.float64) / count)
        return cls(location, np.where(scale > _CONSTANT, scale, 1.0), farthest)

    def transform(
        self, inputs: npt.NDArray[np.floating], out: npt.NDArray[np.float32] | None = None
    ) -> npt.NDArray[np.float32]:
        """[rows, columns] float32 without missing values, C order, computed in the precision of the inputs.

        Args:
            inputs: [rows, columns].
            out: where to put the result; a new array where it is left out.
        """
        scaled = np.subtract(inputs, self.location.astype(inputs.dtype), out=out, casting="same_kind")
        scaled /= self.scale.astype(scaled.dtype)
        np.nan_to_num(scaled, copy=False, nan=0.0)
        np.clip(scaled, -self.farthest, self.farthest, out=scaled)
        return np.ascontiguousarray(scaled, dtype=np.float32) if out is None else out
