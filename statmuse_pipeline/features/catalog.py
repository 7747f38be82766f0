"""What a feature is: its name, the moment from which it is known, its group and its meaning."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from statmuse_pipeline.domain import InformationLevel

PREGAME, TIPOFF = InformationLevel.PREGAME, InformationLevel.TIPOFF

Columns = dict[str, np.ndarray]
"""Feature name -> one value a row."""


class Feature(NamedTuple):
    """One column of the feature table."""

    name: str
    level: InformationLevel
    group: str
    description: str
