"""Players' names in quotes to NBA ids and games, every decision on record."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from statmuse_pipeline.contracts import QUOTES
from statmuse_pipeline.domain import Combination, Stat
from statmuse_pipeline.warehouse.people import best_of, candidates_for, roster_of
from statmuse_pipeline.warehouse.quoted_games import match_games
from statmuse_pipeline.warehouse.spelling import closest_names, closest_players

__all__ = ["COMBINED_MARKETS", "MARKETS", "Resolution", "closest_names", "closest_players", "resolve_quotes"]

MARKETS = {
    "player_points": Stat.PTS,
    "player_rebounds": Stat.REB,
    "player_assists": Stat.AST,
    "player_threes": Stat.FG3M,
    "player_points_rebounds_assists": Stat.PRA,
    "player_steals": Stat.STL,
    "player_blocks": Stat.BLK,
    "player_turnovers": Stat.TOV,
}
"""Markets of The Odds API that are forecast."""

COMBINED_MARKETS = {
    "player_points_rebounds": Combination.PTS_REB,
    "player_points_assists": Combination.PTS_AST,
    "player_rebounds_assists": Combination.REB_AST,
}
"""Markets of sums, priced by the joint distribution of their parts."""

GROUPED = ["player_name", "game_date", "bookmaker", "market"]


@dataclass(frozen=True)
class Resolution:
    """What became of a set of quotes.

    `resolved`: `contracts.QUOTES` without `level`, of players with a row in the game, in the order of the input.
    `unresolved`: player_name, game_date, bookmaker, market, reason, quotes. `voids`: the same, of players who are known
    but have no row in the game. `decisions`: player_name, player_id, method, score (0 to 100), quotes; one row for each
    way in which a name was understood, voids included.
    """

    resolved: pd.DataFrame
    unresolved: pd.DataFrame
    voids: pd.DataFrame
    decisions: pd.DataFrame


def resolve_quotes(
    raw: pd.DataFrame, games: pd.DataFrame, player_games: pd.DataFrame, players: pd.DataFrame, teams: pd.DataFrame
) -> Resolution:
    """Finds the player-game and the stat of every quote.

    A name is understood by the first method that knows it: `exact`, `normalised` (case, accents, punctuation, suffix),
    `reordered` (surname first), `alias`; each among all players. A name that none of them knows is compared with the
    players of the two teams in that season: `shortened` (the first name differs only in how far it is written out),
    then `fuzzy`. Where several players are left, one of the two teams wins over the others; if two remain, the quote is
    unresolved. Who has a row in the game decides nothing: the one without a row may be the one who is meant.

    Args:
        raw: `contracts.QUOTES_RAW`.
        games, player_games, players: frames of the contracts of these names.
        teams: team_id, name.
    """
    raw = raw.reset_index(drop=True)
    known = {**MARKETS, **COMBINED_MARKETS}
    stat = raw["market"].map({market: item.value for market, item in known.items()})
    matched = match_games(raw, games, teams)
    reason = pd.Series(matched["reason"].to_numpy(dtype=object), index=raw.index)
    reason[raw["line"].isna() | raw["over_price"].isna()] = "no line or no over price"
    reason[stat.isna()] = "market not forecast"
    open_ = (reason == "").to_numpy()
    name_codes, names = pd.factorize(raw["player_name"])
    days = matched["day"].astype("int64").to_numpy() // 86_400_000_000_000
    event = np.where(matched["game"] >= 0, matched["game"], -1 - days)
    wide = np.column_stack([name_codes, event])[open_]
    pairs, pair_of = np.unique(wide, axis=0, return_inverse=True) if len(wide) else (wide, np.empty(0, dtype="int64"))
    asked = _pairs_frame(pairs, names, games)
    understood = _understand(asked, games, player_games, players)
    verdict = understood.iloc[pair_of.reshape(-1)].set_axis(raw.index[open_])
    reason[open_] = verdict["reason"].to_numpy(dtype=object)
    quotes = _Quotes(raw, matched, stat, reason, verdict)
    return Resolution(
        resolved=quotes.resolved(games),
        unresolved=quotes.listed(~reason.isin(["", "did not play"])),
        voids=quotes.listed(reason == "did not play"),
        decisions=quotes.decisions(),
    )


@dataclass(frozen=True)
class _Quotes:
    """The quotes with what was found out about each of them."""

    raw: pd.DataFrame
    matched: pd.DataFrame
    stat: pd.Series
    reason: pd.Series
    verdict: pd.DataFrame

    def resolved(self, games: pd.DataFrame) -> pd.DataFrame:
        kept = self.reason == ""
        raw, verdict = self.raw[kept], self.verdict.loc[self.raw.index[kept]]
        game = games.iloc[verdict["game"].to_numpy(dtype="int64")].set_axis(raw.index)
        frame = raw.assign(
            **{name: game[name] for name in ("season", "game_id", "game_date", "tipoff_utc")},
            player_id=verdict["player_id"].astype("int64"),
            stat=self.stat[kept].astype("str"),
        )
        return frame[[name for name in QUOTES.columns if name != "level"]].reset_index(drop=True)

    def listed(self, mask: pd.Series) -> pd.DataFrame:
        rows = self.raw.loc[mask, ["player_name", "bookmaker", "market"]].assign(
            game_date=self.matched.loc[mask, "day"], reason=self.reason[mask].astype("str")
        )
        grouped = rows.groupby([*GROUPED, "reason"], dropna=False, observed=True).size()
        return grouped.rename("quotes").reset_index()

    def decisions(self) -> pd.DataFrame:
        known = self.verdict[self.verdict["player_id"].notna()]
        rows = known[["player_id", "method", "score"]].assign(player_name=self.raw.loc[known.index, "player_name"])
        grouped = rows.groupby(["player_name", "player_id", "method", "score"], observed=True).size()
        frame = grouped.rename("quotes").reset_index()
        return frame.astype({"player_id": "int64"})


def _pairs_frame(pairs: np.ndarray, names: pd.Index, games: pd.DataFrame) -> pd.DataFrame:
    """One row a name and game (or day, where the quote names no teams): what has to be understood."""
    game = pairs[:, 1]
    day = pd.Series(np.where(game < 0, -1 - game, 0)).mul(86_400_000_000_000).astype("datetime64[ns]")
    place = np.where(game < 0, 0, game)
    frame = pd.DataFrame({"player_name": names.take(pairs[:, 0]), "game": np.maximum(game, -1)})
    for name in ("season", "home_team_id", "away_team_id"):
        frame[name] = games[name].to_numpy()[place] if len(games) else pd.NA
    dates = games["game_date"].to_numpy()[place] if len(games) else day
    frame["game_date"] = day.where(game < 0, pd.Series(dates))
    return frame


def _understand(
    asked: pd.DataFrame, games: pd.DataFrame, player_games: pd.DataFrame, players: pd.DataFrame
) -> pd.DataFrame:
    """One row a pair, same order: player_id (nullable), game, method, score, reason."""
    pairs = asked.assign(pair=np.arange(len(asked)), placed=asked["game"] >= 0)
    candidates = candidates_for(pairs, players, roster_of(player_games))
    rows = player_games[["game_date", "player_id", "game_id"]]
    rows = rows.assign(row=pd.Index(games["game_id"]).get_indexer(rows["game_id"]))[["game_date", "player_id", "row"]]
    candidates = candidates.merge(rows, on=["game_date", "player_id"], how="left")
    candidates["played"] = candidates["row"].notna() & (
        (candidates["row"] == candidates["game"]) | (candidates["game"] < 0)
    )
    return _verdicts(len(asked), candidates, pairs)


def _verdicts(count: int, candidates: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """The best candidate of each pair, if there is exactly one."""
    best = best_of(candidates)
    single = best[~best["pair"].duplicated(keep=False)].set_index("pair")
    verdict = pd.DataFrame(index=pd.RangeIndex(count))
    verdict["player_id"] = single["player_id"].astype("Int64")
    verdict["method"], verdict["score"] = single["method"], single["score"]
    verdict["game"] = single["row"].where(single["played"]).astype("Int64")
    verdict["game"] = verdict["game"].fillna(pairs["game"].astype("Int64"))
    played = single["played"].reindex(verdict.index, fill_value=False).astype(bool)
    verdict["reason"] = np.select(
        [played, verdict["player_id"].notna(), verdict.index.isin(best["pair"])],
        ["", "did not play", "ambiguous name"],
        default="unknown player",
    )
    return verdict
