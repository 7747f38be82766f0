"""Joins what was fetched of a season's part with what was known of the whole."""

from __future__ import annotations

import dataclasses

import pandas as pd

from statmuse_pipeline.sources.source import SeasonPayload, SourceError, content_hash, player_frame, schedule_frame


class IncompleteSeason(SourceError):
    """A part of a season that cannot stand for the whole of it."""


def merge_increment(previous: SeasonPayload | None, increment: SeasonPayload) -> SeasonPayload:
    """The whole season: the rows that the increment covers replace the previous ones, all others stay.

    Every payload may be given, also a complete one, which is returned as it is; the result is always complete, so
    that this is the one gate between `fetch` and `load_season`.

    - All players since a day: game logs of that day and later, and of games that the increment has under another
      day, are replaced.
    - Single players: only their rows in the covered days are replaced. Players of whom nothing came keep their rows.
    - Schedule: games of the increment replace those of the same id; known games that it lacks stay.
    - Players: the increment's row replaces the previous one, except where it is empty.

    Args:
        previous: the complete payload the season was last loaded from; None when there is none.
        increment: what `fetch` gave.

    Raises:
        IncompleteSeason: when a part has nothing to be merged into, or has no games where games are known.
        SourceError: when the two are of different seasons.
    """
    if increment.complete:
        return increment
    part = _told(increment)
    if previous is None or not previous.complete:
        raise IncompleteSeason(
            f"{increment.origin} gave only {part} and nothing complete of that season is known to add it to: "
            f"fetch the whole season {increment.season} first."
        )
    if previous.season != increment.season:
        raise SourceError(f"Games of {increment.season} cannot be added to the season {previous.season}.")
    logs = _game_logs(previous.game_logs, increment, part)
    schedule = schedule_frame(_newer(previous.schedule, increment.schedule, "GAME_ID"))
    players = player_frame(_players(previous.players, increment.players))
    return dataclasses.replace(
        increment,
        game_logs=logs,
        schedule=schedule,
        players=players,
        origin=f"{previous.origin} + {part} from {increment.origin}",
        sha256=content_hash(logs, schedule, players),
        since=None,
        player_ids=None,
    )


def _told(increment: SeasonPayload) -> str:
    who = "all players" if increment.player_ids is None else f"{len(increment.player_ids)} single players"
    return who if increment.since is None else f"{who} since {increment.since}"


def _game_logs(previous: pd.DataFrame, increment: SeasonPayload, part: str) -> pd.DataFrame:
    fresh = increment.game_logs
    covered = pd.Series(True, index=previous.index)
    if increment.since is not None:
        covered &= previous["GAME_DATE"] >= increment.since.isoformat()
    if increment.player_ids is None:
        if fresh.empty and covered.any():
            raise IncompleteSeason(
                f"{increment.origin} gave no games at all for {part} of {increment.season}, though "
                f"{previous.loc[covered, 'GAME_ID'].nunique()} are known: nothing was changed, try again later."
            )
        # A game that moved to another day, or whose date was corrected, must not stay under the old one.
        covered |= previous["GAME_ID"].isin(fresh["GAME_ID"])
    else:
        covered &= previous["PLAYER_ID"].isin(fresh["PLAYER_ID"])
        keys = pd.MultiIndex.from_frame(fresh[["PLAYER_ID", "GAME_ID"]])
        covered |= pd.MultiIndex.from_frame(previous[["PLAYER_ID", "GAME_ID"]]).isin(keys)
    if fresh.empty:
        return previous.reset_index(drop=True)
    kept = previous[~covered]
    merged = pd.concat([kept, fresh.reindex(columns=previous.columns)]) if len(kept) else fresh
    return merged.sort_values(["GAME_DATE", "GAME_ID"], kind="stable").reset_index(drop=True)


def _newer(previous: pd.DataFrame, fresh: pd.DataFrame, key: str) -> pd.DataFrame:
    kept = previous[~previous[key].isin(fresh[key])]
    if fresh.empty or kept.empty:
        return (kept if fresh.empty else fresh).reset_index(drop=True)
    return pd.concat([kept, fresh]).sort_values(key, kind="stable").reset_index(drop=True)


def _players(previous: pd.DataFrame, fresh: pd.DataFrame) -> pd.DataFrame:
    """An increment whose roster request failed must not blank what is known of a player."""
    if fresh.empty or previous.empty:
        return (previous if fresh.empty else fresh).reset_index(drop=True)
    filled = fresh.set_index("PLAYER_ID").combine_first(previous.set_index("PLAYER_ID"))
    return filled.reset_index().sort_values("PLAYER_ID", ignore_index=True)
