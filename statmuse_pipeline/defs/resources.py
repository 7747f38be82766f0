"""What assets share: settings, folders, the warehouse, the source; and how a run reports its progress."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import dagster as dg

from statmuse_pipeline.domain import Stat
from statmuse_pipeline.receipts import Shelf
from statmuse_pipeline.settings import Settings, load_settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from statmuse_pipeline.datasets.store import DatasetStore
    from statmuse_pipeline.registry.store import ArtefactStore
    from statmuse_pipeline.sources.choose import Choice
    from statmuse_pipeline.sources.stats_nba import StatsNbaSource

Item = TypeVar("Item")
Progress = Callable[[Iterable[Item], int, str], Iterator[Item]]


def _silent(items: Iterable[Item], total: int, label: str) -> Iterator[Item]:
    return iter(items)


@dataclass
class Workspace:
    """One project folder with its settings.

    Attributes:
        settings: typed settings of this process.
        stats: the stats to forecast.
        players: names, ids or partition keys to cover; None stands for every eligible player.
        max_players: at most so many of them, those with the most games first.
        tune_players: whether players are tuned one by one instead of getting the pooled parameters.
        whole_seasons: fetch the running season from its start, not only its last days.
        progress: wraps a long iteration, given its length and a label; the console draws a bar.
        slate_day: the Eastern day to forecast; None stands for the next one with games.
    """

    settings: Settings = field(default_factory=load_settings)
    stats: tuple[Stat, ...] = tuple(Stat)
    players: tuple[str, ...] | None = None
    max_players: int | None = None
    tune_players: bool = False
    whole_seasons: bool = False
    progress: Progress = _silent
    slate_day: dt.date | None = None
    _memory: dict[str, tuple[str, Any]] = field(default_factory=dict, repr=False)

    @cached_property
    def engine(self) -> Engine:
        """The warehouse, migrated to the newest schema."""
        from statmuse_pipeline.warehouse.engine import open_warehouse

        self.settings.data.mkdir(parents=True, exist_ok=True)
        return open_warehouse(self.settings.warehouse_url, busy_seconds=self.settings.busy_seconds)

    @cached_property
    def choice(self) -> Choice:
        """The source of game logs and why it was chosen."""
        from statmuse_pipeline.sources.choose import choose_source

        settings = self.settings
        return choose_source(
            settings.source,
            settings.archive,
            settings.seasons,
            settings.seed,
            teams=settings.demo_teams,
            games_per_team=settings.demo_games,
            stats_nba=self._stats_nba,
        )

    def _stats_nba(self) -> StatsNbaSource:
        """stats.nba.com with every answer kept, and the players to ask for when whole seasons do not come."""
        from statmuse_pipeline.sources.raw_store import RawStore
        from statmuse_pipeline.sources.stats_nba import StatsNbaSource
        from statmuse_pipeline.sources.stats_nba_client import StatsNbaClient

        settings = self.settings
        client = StatsNbaClient(
            store=RawStore(settings.data / "responses"),
            replay=settings.replay,
            base_url=settings.stats_nba_url,
            now=settings.now,
        )
        return StatsNbaSource(client, needed_players=self._most_games, fallback_limit=settings.nba_fallback_limit)

    def _most_games(self) -> list[int]:
        """Ids of the players who can have models of their own, those with the most games first."""
        from statmuse_pipeline.warehouse.engine import is_there
        from statmuse_pipeline.warehouse.read import eligible_players

        if not is_there(self.settings.warehouse_url):
            return []
        known = eligible_players(self.engine).sort_values(["games", "player_id"], ascending=[False, True])
        return [int(player) for player in known["player_id"]]

    def remember(self, what: str, version: str, make: Callable[[], Item]) -> Item:
        """`make()`, or what it gave the last time for the same version: large tables are read once a process."""
        if self._memory.get(what, ("", None))[0] != version:
            self._memory[what] = version, make()
        return self._memory[what][1]  # type: ignore[no-any-return]

    @property
    def shelf(self) -> Shelf:
        """Finished outputs under the data folder."""
        return Shelf(self.settings.data)

    @property
    def datasets(self) -> DatasetStore:
        """Versioned datasets."""
        from statmuse_pipeline.datasets.store import DatasetStore

        return DatasetStore(self.settings.data / "datasets")

    @property
    def artefacts(self) -> ArtefactStore:
        """Trained artefacts."""
        from statmuse_pipeline.registry.store import ArtefactStore

        return ArtefactStore(self.settings.models_path)

    @property
    def reports(self) -> Path:
        """Where pages and plots go."""
        return self.settings.data / "reports"


@dg.definitions
def resources() -> dg.Definitions:
    """The resources every asset may ask for."""
    return dg.Definitions(resources={"workspace": Workspace()}, executor=dg.in_process_executor)
