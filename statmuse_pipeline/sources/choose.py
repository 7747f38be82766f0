"""Which source a run takes its game logs from, and why."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from statmuse_pipeline.sources.archive import ArchiveSource
from statmuse_pipeline.sources.source import GameLogSource, SourceError
from statmuse_pipeline.sources.stats_nba import StatsNbaSource

NAMES = ("auto", "archive", "nba_api", "demo")

DEMO_BANNER = (
    "DEMO LEAGUE - SIMULATED DATA. No number below is about a real player, game or bookmaker. "
    "For real game logs set STATMUSE_ARCHIVE to a folder of season files, or STATMUSE_SOURCE=nba_api."
)
"""Shown in the console, in the report and in the metadata of assets whenever the league is simulated."""


@dataclass(frozen=True)
class Choice:
    """The source of a run.

    Attributes:
        source: where game logs come from.
        demo_banner: text that must be shown wherever results are; None when the data are real.
        reason: one sentence on why this source was taken.
    """

    source: GameLogSource
    demo_banner: str | None
    reason: str


def choose_source(
    name: str,
    archive: Path | None,
    seasons: Sequence[str],
    seed: int,
    *,
    teams: int = 30,
    games_per_team: int = 82,
    probe_seconds: float = 5.0,
    stats_nba: Callable[[], StatsNbaSource] = StatsNbaSource,
) -> Choice:
    """The source called `name`; `auto` takes the archive if there is one, else stats.nba.com, else the demo league.

    stats.nba.com is only asked beforehand under `auto`: named explicitly, its own errors say why it does not answer.

    Args:
        name: one of `NAMES`.
        archive: STATMUSE_ARCHIVE, None when it is not set.
        seasons: what the demo league plays.
        seed: of the demo league.
        teams: size of the demo league.
        games_per_team: length of the demo league's season.
        probe_seconds: how long stats.nba.com may take to answer under `auto`.
        stats_nba: makes the source for stats.nba.com, with its raw store and the players of its fallback.

    Raises:
        SourceError: for an unknown name, `archive` without a folder, or a folder without seasons.
    """
    if name not in NAMES:
        close = difflib.get_close_matches(name, NAMES, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise SourceError(f"{name!r} is not a source: STATMUSE_SOURCE may be {', '.join(NAMES)}.{hint}")
    if name == "archive" and archive is None:
        raise SourceError("STATMUSE_SOURCE=archive needs STATMUSE_ARCHIVE: set it to a folder of season files.")
    if archive is not None and name in ("auto", "archive"):
        return Choice(ArchiveSource(archive), None, f"STATMUSE_ARCHIVE names {archive}.")
    if name == "nba_api":
        return Choice(stats_nba(), None, "STATMUSE_SOURCE names nba_api.")
    if name == "auto":
        live = stats_nba()
        if live.probe(probe_seconds):
            return Choice(live, None, "No archive is configured and stats.nba.com answers.")
        reason = f"No archive is configured and stats.nba.com did not answer within {probe_seconds:g} s."
    else:
        reason = "STATMUSE_SOURCE names demo."
    # Only the demo league needs the simulator's imports.
    from statmuse_pipeline.sources.demo_league import DemoLeague

    league = DemoLeague(seasons, seed, teams=teams, games_per_team=games_per_team)
    return Choice(league, f"{DEMO_BANNER} ({reason})", reason)
