"""One night's forecasts as a whole: how they are stored, and which of them may be accepted when."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, fields
from pathlib import Path

import pandas as pd

from statmuse_pipeline.domain import PipelineError
from statmuse_pipeline.forecasting import Forecasts
from statmuse_pipeline.slate.games import begins, still_ahead

FORECASTS = "forecasts.parquet"


@dataclass(frozen=True)
class Slate:
    """Everything about one night.

    Attributes:
        games: contracts.SCHEDULED_GAMES.
        players: `players.COLUMNS`, one row a player, also those who are out.
        lines: contracts.SLATE_LINES.
        inputs: of `inputs.input_ages`, at the last time a forecast was made.
        forecasts: the distributions; None where there are none.
    """

    games: pd.DataFrame
    players: pd.DataFrame
    lines: pd.DataFrame
    inputs: pd.DataFrame
    forecasts: Forecasts | None

    def of_games(self, games: list[str]) -> Slate:
        """What is about those games; the table of games stays whole."""
        kept = None if self.forecasts is None else self.forecasts.select(games=games)
        return Slate(
            self.games,
            self.players[self.players["game_id"].isin(games)].reset_index(drop=True),
            self.lines[self.lines["game_id"].isin(games)].reset_index(drop=True),
            self.inputs,
            kept if kept is not None and len(kept.frame) else None,
        )

    def counts(self) -> dict[str, int]:
        """game_id -> number of forecasts, of the games that have some."""
        if self.forecasts is None:
            return {}
        return {str(game): int(count) for game, count in self.forecasts.frame["game_id"].value_counts().items()}

    def save(self, folder: Path) -> None:
        """Write one Parquet file a table into the folder."""
        for name in _TABLES:
            getattr(self, name).to_parquet(folder / f"{name}.parquet", index=False)
        if self.forecasts is not None:
            self.forecasts.save(folder / FORECASTS)

    @classmethod
    def load(cls, folder: Path) -> Slate:
        """The night that `save` wrote.

        Raises:
            PipelineError: when a file is missing or unreadable.
        """
        try:
            tables = {name: pd.read_parquet(folder / f"{name}.parquet") for name in _TABLES}
        except (OSError, ValueError) as error:
            raise PipelineError(f"The night in {folder} is not readable ({error}): delete that folder.") from error
        there = (folder / FORECASTS).is_file()
        return cls(**tables, forecasts=Forecasts.load(folder / FORECASTS) if there else None)


_TABLES = tuple(field.name for field in fields(Slate) if field.name != "forecasts")


def accepted(earlier: Slate | None, fresh: Slate, now: dt.datetime) -> Slate:
    """The night with fresh forecasts of the games still ahead of `now`, and the earlier ones of those that have begun.

    A forecast that comes after tip-off is not taken, whoever made it: what was not forecast before stays so.

    Args:
        earlier: the night as it stood; None where there was nothing.
        fresh: just made.
        now: the moment at which the fresh ones were complete.
    """
    ahead = set(fresh.games.loc[still_ahead(fresh.games, now), "game_id"])
    new = fresh.of_games([game for game in fresh.players["game_id"].unique() if game in ahead])
    if earlier is None:
        return new
    old = earlier.of_games([game for game in earlier.players["game_id"].unique() if game not in ahead])
    both = [part.forecasts for part in (old, new) if part.forecasts is not None]
    return Slate(
        fresh.games,
        _stacked(old.players, new.players),
        _stacked(old.lines, new.lines),
        fresh.inputs,
        Forecasts.concat(both) if both else None,
    )


def in_time(slate: Slate, played: pd.DataFrame) -> Slate:
    """What was forecast before the ball went up, of games that were played on the night's day.

    Args:
        slate: a night.
        played: contracts.GAMES of that day; the tip-off known afterwards counts, if it was earlier than the one known
            before.
    """
    before = slate.games.set_index("game_id")
    after = begins(played).set_axis(played["game_id"])
    tipoff = pd.concat([begins(slate.games).set_axis(before.index), after], axis=1).min(axis=1)
    made = slate.players.groupby("game_id")["made_at"].max()
    good = [str(game) for game in played["game_id"] if game in made.index and made[game] < tipoff[game]]
    return slate.of_games(good)


def _stacked(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    filled = [frame for frame in (old, new) if len(frame)]
    return pd.concat(filled, ignore_index=True) if filled else new
