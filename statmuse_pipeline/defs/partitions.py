"""The two partitionings: by season and by player."""

from collections.abc import Iterable, Sequence

import dagster as dg

from statmuse_pipeline.settings import load_settings

SEASONS = dg.StaticPartitionsDefinition(list(load_settings().seasons))
"""The configured seasons (`SEASONS`)."""

PLAYERS = dg.DynamicPartitionsDefinition(name="players")
"""Every player with enough games, keyed `firstname-lastname-<nba id>`; `training_dataset` adds them."""

ONE_RUN = dg.BackfillPolicy.single_run()
"""Many partitions in one run: bookkeeping is 40 ms a partition there and seconds with a run each."""

EARLIER_SEASONS = dg.AllPartitionMapping()
"""A season's features rest on all seasons before it."""


def contiguous_ranges(wanted: Iterable[str], keys: Sequence[str]) -> list[tuple[str, str]]:
    """The (first, last) ranges of `keys` that cover exactly the wanted ones: a run takes one range."""
    places = sorted(place for place, key in enumerate(keys) if key in set(wanted))
    ranges: list[list[int]] = []
    for place in places:
        if ranges and ranges[-1][1] == place - 1:
            ranges[-1][1] = place
        else:
            ranges.append([place, place])
    return [(keys[first], keys[last]) for first, last in ranges]
