"""What a network that attends sees of a player-game beside columns: every team mate, and every earlier game (tip-off).

Columns sum mates up before anything is learned of them. Here each mate who may take part stands for himself, and each
of the player's last games with how far the rotation then differed from tonight's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from statmuse_pipeline.domain import PipelineError
from statmuse_pipeline.features import rolling, rotation
from statmuse_pipeline.features.lineup import mates_in
from statmuse_pipeline.features.rolling import SLOW, History
from statmuse_pipeline.features.rotation import Members, TakePart
from statmuse_pipeline.features.rows import POSITIONS, Rows, prepare_rows

SEATS, GAMES = 20, 5
"""How many members of a team, those with most minutes lately, and how many of a player's last games are seen."""

_RATES = {"pts": 0.4, "reb": 0.2, "ast": 0.1, "fga": 0.4, "fg3a": 0.14, "blk": 0.025}
"""Stats of a mate that count, and what a player usually makes of them a minute: their unit."""

Figures = npt.NDArray[np.float16]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Squads:
    """Mates and earlier games of player-games, about as large as 1; 0 where there is none.

    Attributes:
        game_id: [rows].
        player_id: [rows].
        night: [rows], the place of his team's game in `members`.
        seat: [rows], his own place among its members; -1 when he is not among those that are seen.
        members: [nights, SEATS, figures]: minutes by five means, starts, experience, rates, games missed, days away,
            position, and whether he is known to take part or to be out.
        seated: [nights, SEATS], whether there is such a member.
        games: [rows, GAMES, figures], the newest first: minutes without overtime, how long ago, same team and season,
            margin, rank, fouls, days before it, and minutes of the mates who were there and are not, and reverse.
        played: [rows, GAMES], whether there was such a game.
    """

    game_id: npt.NDArray[np.object_]
    player_id: npt.NDArray[np.int64]
    night: npt.NDArray[np.int64]
    seat: npt.NDArray[np.int64]
    members: Figures
    seated: Mask
    games: Figures
    played: Mask

    def __len__(self) -> int:
        return len(self.player_id)

    def take(self, at: npt.NDArray[np.int64]) -> Squads:
        """Those rows, in that order, and the members of their teams alone."""
        nights, night = np.unique(self.night[at], return_inverse=True)
        return Squads(
            self.game_id[at], self.player_id[at], night, self.seat[at], self.members[nights], self.seated[nights],
            self.games[at], self.played[at],
        )  # fmt: skip

    def shown(self) -> list[npt.NDArray[Any]]:
        """Everything that a network sees of them."""
        return [self.night, self.seat, self.members, self.seated, self.games, self.played]

    def of(self, features: pd.DataFrame) -> Squads:
        """The rows of a feature table, in its order.

        Raises:
            PipelineError: when one of them is not here.
        """
        own = pd.MultiIndex.from_arrays([self.game_id, self.player_id])
        asked = [features["game_id"].to_numpy(object), features["player_id"].to_numpy(np.int64)]
        at = own.get_indexer(pd.MultiIndex.from_arrays(asked))
        if (at < 0).any():
            game, player = (column[int(np.argmin(at))] for column in asked)
            raise PipelineError(f"Nothing is known of whom player {player} plays with in game {game}.")
        return self if np.array_equal(at, np.arange(len(self))) else self.take(at)


def build_squads(
    player_games: pd.DataFrame,
    players: pd.DataFrame,
    upcoming: pd.DataFrame | None = None,
    *,
    only_upcoming: bool = False,
) -> Squads:
    """Mates and earlier games of the rows that `table.build_features` gives for the same arguments.

    Of tonight it is known which rotation players take part and which are out, and nothing else: who usually plays less
    may or may not.

    Raises:
        PipelineError: as `table.build_features`.
    """
    rows = prepare_rows(player_games, players, upcoming)
    wanted = rows.upcoming & ~rows.out if only_upcoming else ~rows.out
    history = rolling.player_history(rows)
    members = rotation.team_members(rows, history)
    nights, night = np.unique(rows.team_game[wanted], return_inverse=True)
    told, seated, seat = _members(rows, history, members, np.flatnonzero(wanted))
    games, played = _games(rows, rotation.take_part(rows, history, members), wanted)
    frame = rows.frame[wanted]
    return Squads(
        frame["game_id"].to_numpy(object), frame["player_id"].to_numpy(np.int64), night, seat, told[nights],
        seated[nights], games, played,
    )  # fmt: skip


def _members(
    rows: Rows, history: History, members: Members, asked: npt.NDArray[np.int64]
) -> tuple[Figures, Mask, npt.NDArray[np.int64]]:
    """Who belongs to every team of `rows.teams`, and the seats of the rows that are asked for."""
    span = int(rows.player.max()) + 1
    new = ~np.isin(rows.team_game * span + rows.player, members.team_game * span + members.player) & ~rows.out
    team_game = np.r_[members.team_game, rows.team_game[new]]
    player, group = np.r_[members.player, rows.player[new]], np.r_[members.group, rows.group[new]]
    present = np.r_[members.present, np.ones(new.sum(), dtype=bool)]
    missed = np.r_[members.missed, np.zeros(new.sum())]
    newcomer = np.r_[np.zeros(len(members.player), dtype=bool), np.ones(new.sum(), dtype=bool)]
    day = rows.teams.day[team_game]
    at = history.before(player, day)
    rotates = rotation.in_rotation(rows, history, at)
    away = np.clip(np.nan_to_num(day - history.days(at), nan=60.0), 0, 60)
    shown = {name: np.nan_to_num(history.take(values, at)) for name, values in _form(rows, history).items()}
    figures = np.column_stack([
        *shown.values(), np.log1p(np.minimum(missed, 20)), missed == 0, newcomer, np.log1p(away) / 2,
        *(group == place for place in range(len(POSITIONS))), rotates & present, rotates & ~present,
    ]).astype(np.float16)  # fmt: skip
    # Whether a newcomer who plays little takes part is known from the box score alone.
    told = (at >= 0) & (rotates | ~newcomer)
    order = np.flatnonzero(told)
    order = order[np.lexsort((player[order], -shown["lately"][order], team_game[order]))]
    team, person = team_game[order], player[order]
    seat = np.arange(len(order)) - np.searchsorted(team, team)
    seen = seat < SEATS
    order, team, person, seat = order[seen], team[seen], person[seen], seat[seen]
    found = np.zeros((len(rows.teams), SEATS, figures.shape[1]), dtype=np.float16)
    seated = np.zeros((len(rows.teams), SEATS), dtype=bool)
    found[team, seat], seated[team, seat] = figures[order], True
    own = pd.Series(seat, index=team * span + person)
    return found, seated, own.reindex(rows.team_game[asked] * span + rows.player[asked], fill_value=-1).to_numpy()


def _form(rows: Rows, history: History) -> dict[str, npt.NDArray[np.float64]]:
    """What is told of a mate's games, after each of them, in the order of the history."""
    played = rows.played
    minutes, regulation, rank = _nights(rows)
    minutes, regulation = history.sort(minutes[played]), history.sort(regulation[played])
    starts = history.sort((rank[played] <= rotation.STARTERS).astype(float))
    usual = np.maximum(history.ewm(minutes, SLOW), 1.0)
    return {
        "slow": history.ewm(regulation, SLOW) / 15 - 1,
        "lately": history.ewm(regulation, 0.1) / 15 - 1,
        "quick": history.ewm(regulation, 0.25) / 15 - 1,
        "newest": history.ewm(regulation, 0.5) / 15 - 1,
        "last": regulation / 15 - 1,
        "starts": history.ewm(starts, SLOW),
        "starts_lately": history.ewm(starts, 0.25),
        "experience": np.log1p(history.number) / 3 - 1,
        **{
            name: history.ewm(history.sort(rows.box[name][played]), SLOW) / usual / unit - 1
            for name, unit in _RATES.items()
        },
    }


def _nights(rows: Rows) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Minutes, minutes without overtime and rank in the team of every row; 0, 0 and 12 where it was not played."""
    minutes = np.nan_to_num(rows.box["min"])
    whole = np.bincount(rows.team_game, minutes, len(rows.teams))[rows.team_game]
    rank = np.full(len(rows), 12.0)
    rank[rows.played] = rotation.rank_in_team(rows.team_game[rows.played], minutes[rows.played])
    return minutes, minutes * 240 / np.maximum(whole, 240), rank


def _games(rows: Rows, tonight: TakePart, wanted: Mask) -> tuple[Figures, Mask]:
    present = mates_in(rows, tonight.team_game, tonight.player, tonight.minutes).roots
    _, regulation, rank = _nights(rows)
    played = rows.played
    margin = np.bincount(rows.team_game[played], rows.box["plus_minus"][played], len(rows.teams))[rows.team_game] / 5
    fouls = np.nan_to_num(rows.box["pf"])
    group = np.zeros(int(rows.player.max()) + 1, dtype=np.int64)
    group[rows.player] = rows.group
    place = np.cumsum(wanted) - 1
    found = np.zeros((int(wanted.sum()), GAMES, 13), dtype=np.float16)
    there = np.zeros((int(wanted.sum()), GAMES), dtype=bool)
    order = np.lexsort((rows.day, rows.player))
    starts = np.flatnonzero(np.r_[True, np.diff(rows.player[order]) != 0])
    for block in np.split(order, starts[1:]):
        here = np.flatnonzero(wanted[block])
        if not len(here):
            continue
        day = rows.day[block]
        games = np.flatnonzero(played[block])
        rest = np.minimum(np.diff(day[games], prepend=day[games[:1]] - 30), 30)
        apart = _apart(present[rows.team_game[block]], int(rows.player[block[0]]), group)
        number = np.searchsorted(day[games], day[here], side="left")
        for ago in range(GAMES):
            known = number > ago
            if not known.any():
                break
            now, then = here[known], games[number[known] - 1 - ago]
            row, earlier = block[now], block[then]
            # The last bits of matrix products depend on how many later games there are: they are rounded away.
            gone, fresh, position = (distance[now, then].round(6) / 40 - 0.5 for distance in apart)
            to = place[row]
            there[to, ago] = True
            found[to, ago] = np.column_stack([
                regulation[earlier] / 15 - 1, np.log1p(day[now] - day[then]) / 3 - 1, np.full(len(now), ago / 15 - 1),
                rows.team[row] == rows.team[earlier], rows.season[row] == rows.season[earlier],
                np.abs(margin[earlier]) / 12 - 1, np.clip(margin[earlier] / 12, -3, 3), rank[earlier] / 5 - 1,
                fouls[earlier] / 3 - 1, rest[number[known] - 1 - ago] / 10 - 0.5, gone, fresh, position,
            ])  # fmt: skip
    return found, there


def _apart(
    present: sparse.csr_array, player: int, group: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """[games, games] minutes of rotation mates of the one and not the other, the reverse, and both at his position."""
    mates = np.unique(present.indices)
    mates = mates[mates != player]
    there = present[:, mates].toarray()
    own = there[:, group[mates] == group[player]]
    both, both_own = there @ there.T, own @ own.T
    whole, whole_own = np.diag(both), np.diag(both_own)
    return (
        whole[:, None] - both,
        whole[None, :] - both,
        whole_own[:, None] + whole_own[None, :] - 2 * both_own,
    )
