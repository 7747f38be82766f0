"""The parts of the feature table that are computed straight from games: all but the forecasts of minutes."""

from __future__ import annotations

from statmuse_pipeline.features import (
    availability,
    efficiency,
    lineup,
    lineup_rates,
    opponent,
    rolling,
    rotation,
    schedule,
    travel,
)
from statmuse_pipeline.features.catalog import Feature

_BLOCKS = (rolling, efficiency, schedule, travel, opponent, rotation, availability, lineup, lineup_rates)


def block_features() -> list[Feature]:
    """Every feature of those parts, in the order of the table."""
    return [feature for block in _BLOCKS for feature in block.catalog()]
