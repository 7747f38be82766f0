"""The workspace a command works in, from the settings and the options that many commands share."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from statmuse_pipeline.console import progress
from statmuse_pipeline.dagster_home import prepare_home
from statmuse_pipeline.domain import PipelineError, Stat
from statmuse_pipeline.settings import load_settings

if TYPE_CHECKING:
    import dagster as dg

    from statmuse_pipeline.defs.resources import Workspace

Seasons = Annotated[str | None, typer.Option(help="Comma list such as 2023-24,2024-25 instead of SEASONS.")]
Players = Annotated[str | None, typer.Option(help="Comma list of names, ids or keys; everyone eligible when left out.")]
Stats = Annotated[str | None, typer.Option(help="Comma list of PTS,REB,AST,FG3M,STL,BLK,TOV,PRA; all when left out.")]
MaxPlayers = Annotated[
    int | None, typer.Option(min=1, help="At most so many players, those with the most games first.")
]


def chosen_stats(text: str | None) -> tuple[Stat, ...]:
    """The stats of a comma list in their usual order; all when there is none.

    Raises:
        PipelineError: when one is unknown.
    """
    if text is None:
        return tuple(Stat)
    known = {stat.value for stat in Stat}
    wanted = [part.strip().upper() for part in text.split(",") if part.strip()]
    if unknown := [part for part in wanted if part not in known]:
        raise PipelineError(f"Unknown stat {', '.join(unknown)}: choose from {', '.join(sorted(known))}.")
    return tuple(stat for stat in Stat if stat.value in wanted)


def open_workspace(
    seasons: str | None = None,
    stats: str | None = None,
    players: str | None = None,
    max_players: int | None = None,
) -> tuple[dg.DagsterInstance, Workspace]:
    """The Dagster instance and the workspace that a command works in.

    Args:
        seasons, stats, players: comma lists as a user gives them; None for what the settings say, or all.
        max_players: at most so many, those with the most games first.

    Raises:
        PipelineError: when a setting or option is wrong or the data folder can't be written.
    """
    if seasons is not None:
        os.environ["SEASONS"] = seasons  # the season partitions are defined from the settings
    settings = load_settings()
    try:
        prepare_home(settings.data, settings.warehouse_url)
    except OSError as error:
        raise PipelineError(
            f"Cannot write to {settings.data}: {error.strerror}. Set STATMUSE_DATA to a writable folder."
        ) from error
    import dagster as dg

    from statmuse_pipeline.defs.resources import Workspace

    wanted = tuple(part.strip() for part in players.split(",") if part.strip()) if players else None
    workspace = Workspace(
        settings=settings, stats=chosen_stats(stats), players=wanted, max_players=max_players, progress=progress
    )
    return dg.DagsterInstance.get(), workspace
