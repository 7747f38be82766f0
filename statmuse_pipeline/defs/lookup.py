"""Who and what a user means: players, teams and days of the warehouse, with suggestions for slips."""

import datetime as dt
import difflib
from typing import Any

from statmuse_pipeline.defs.resources import Workspace
from statmuse_pipeline.domain import PipelineError, player_slug


def one_player(workspace: Workspace, wanted: str) -> Any:
    """The warehouse's player of that name, id or key: a row with player_id and player_name.

    Raises:
        PipelineError: when there is none or more than one, with the closest names.
    """
    from statmuse_pipeline.warehouse.names import closest_players
    from statmuse_pipeline.warehouse.read import players

    known = players(workspace.engine)
    slugs = known["player_name"].map(player_slug)
    keys = slugs + "-" + known["player_id"].astype(str)
    found = known[(known["player_id"].astype(str) == wanted) | (keys == wanted) | (slugs == player_slug(wanted))]
    if len(found) == 1:
        return found.iloc[0]
    if len(found) > 1:
        raise PipelineError(f"{wanted!r} could be {' or '.join(sorted(keys[found.index]))}: give the id.")
    raise PipelineError(f"No player {wanted!r}. Closest: {', '.join(closest_players(wanted, known)) or 'none'}.")


def one_team(workspace: Workspace, abbreviation: str) -> int:
    """The id of the team with that abbreviation.

    Raises:
        PipelineError: when there is none, with the closest ones.
    """
    from statmuse_pipeline.warehouse.read import teams

    known = teams(workspace.engine).set_index("abbreviation")["team_id"]
    if abbreviation.upper() not in known.index:
        near = difflib.get_close_matches(abbreviation.upper(), list(known.index), n=3, cutoff=0.3)
        raise PipelineError(f"No team {abbreviation!r}. Closest: {', '.join(near) or ', '.join(known.index)}.")
    return int(known[abbreviation.upper()])


def team_of(workspace: Workspace, player_id: int) -> int:
    """The team of a player's last game."""
    from statmuse_pipeline.warehouse.read import player_games

    games = player_games(workspace.engine)
    return int(games.loc[games["player_id"] == player_id].sort_values("game_date")["team_id"].iloc[-1])


def next_day(workspace: Workspace) -> dt.date:
    """The day after the last game of the warehouse."""
    from statmuse_pipeline.warehouse.read import games

    return (games(workspace.engine)["game_date"].max() + dt.timedelta(days=1)).date()  # type: ignore[no-any-return]
