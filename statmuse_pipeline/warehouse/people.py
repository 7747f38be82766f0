"""Who is meant: names from books, injury reports and rosters to NBA ids, every decision on record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from statmuse_pipeline.warehouse.quoted_games import team_key
from statmuse_pipeline.warehouse.spelling import (
    alias,
    is_short_for,
    likeness,
    natural_order,
    normalise_name,
    reordered,
    unspaced,
)

LEAST_LIKENESS = 94.0
"""A fuzzy match must reach this (0 to 100)."""

LEAST_LEAD = 6.0
"""A fuzzy match must be this much likelier than the next player of the two teams."""

ROSTER = ("season", "team_id", "player_id")


@dataclass(frozen=True)
class PeopleResolution:
    """What became of a list of names.

    Attributes:
        resolved: the rows that were understood, in their order and with their columns, and player_id, team_id
            (nullable), method, score (0 to 100), on_team (whether the player has played for that team that season).
        unresolved: player_name, team, date, reason, rows.
        decisions: player_name, player_id, method, score, rows; one row for each way in which a name was understood.
    """

    resolved: pd.DataFrame
    unresolved: pd.DataFrame
    decisions: pd.DataFrame


def resolve_people(
    listed: pd.DataFrame,
    player_games: pd.DataFrame,
    players: pd.DataFrame,
    teams: pd.DataFrame,
    *,
    roster: pd.DataFrame | None = None,
) -> PeopleResolution:
    """Finds the player behind every name of a list, by the rules of `candidates_for`.

    `Last, First` is turned round, and of two names with a slash between them (`Louis Williams / Lou Williams`) either
    will do. Who has not played for the team that season, but for one and the same other before and after that day, or
    was born on another day than the list says, is another of that name.

    Args:
        listed: player_name, team (`Boston Celtics` or `Celtics`; may be empty) and date (datetime64[ns]).
        player_games, players: frames of the contracts of these names.
        teams: team_id, name.
        roster: season, team_id, player_id: who belongs to a team beside those who have played for it.
    """
    rows = listed.reset_index(drop=True)
    season_start = rows["date"].dt.year - (rows["date"].dt.month < 8)
    ends = (season_start + 1).mod(100).astype("str").str.zfill(2)
    keyed = rows[["player_name", "team", "date"]].assign(
        season=season_start.astype("str") + "-" + ends, team_id=team_ids(rows["team"], teams)
    )
    pairs = keyed.drop_duplicates(ignore_index=True)
    pairs["pair"] = np.arange(len(pairs))
    known = [roster_of(player_games), *([roster[list(ROSTER)]] if roster is not None else [])]
    verdict = _verdicts(pairs, _spelled(pairs), player_games, players, pd.concat(known).drop_duplicates())
    place = keyed.merge(pairs, how="left")["pair"]
    found = verdict.iloc[place.to_numpy()].set_axis(rows.index)
    kept = found["reason"] == ""
    resolved = rows[kept].assign(
        player_id=found.loc[kept, "player_id"].astype("int64"),
        **{name: found.loc[kept, name] for name in ("team_id", "method", "score", "on_team")},
    )
    lost = rows.loc[~kept, ["player_name", "team", "date"]].assign(reason=found.loc[~kept, "reason"].astype("str"))
    told = resolved.groupby(["player_name", "player_id", "method", "score"], observed=True).size()
    missing = lost.groupby(["player_name", "team", "date", "reason"], dropna=False, observed=True).size()
    return PeopleResolution(
        resolved.reset_index(drop=True), missing.rename("rows").reset_index(), told.rename("rows").reset_index()
    )


def without_returned(statuses: pd.DataFrame, player_games: pd.DataFrame, day: pd.Timestamp) -> pd.DataFrame:
    """The statuses of players who have not played between the status and that day.

    Args:
        statuses: player_id and reported_at; where that is the end of a day, a game of that day came before it.
        player_games: player_id, game_date.
        day: only games before it are looked at, so that nothing of the future is used.
    """
    past = player_games[player_games["game_date"] < day]
    last = statuses["player_id"].map(past.groupby("player_id")["game_date"].max())
    reported = statuses["reported_at"].dt.tz_convert("America/New_York").dt.tz_localize(None)
    return statuses[~(last >= reported)]


def team_ids(names: pd.Series, teams: pd.DataFrame) -> pd.Series:
    """Ids by full name, abbreviation or the name's end (`Celtics`, `Blazers`); missing where none or several fit.

    Args:
        names: as lists have them.
        teams: team_id, name and, where abbreviations are to be understood, abbreviation.
    """
    full = {team_key(name): int(team_id) for name, team_id in zip(teams["name"], teams["team_id"], strict=True)}
    short = dict(zip(teams["abbreviation"], teams["team_id"], strict=True)) if "abbreviation" in teams else {}

    def team_id(name: object) -> int | None:
        asked = team_key(str(name))
        if asked in full or name in short:
            return full.get(asked) or int(short[name])
        ends = [known for team, known in full.items() if asked and team.endswith(f" {asked}")]
        return ends[0] if len(ends) == 1 else None

    return names.map({name: team_id(name) for name in names.dropna().unique()}).astype("Int64")


def roster_of(player_games: pd.DataFrame) -> pd.DataFrame:
    """season, team_id, player_id: who has played for whom."""
    return player_games[list(ROSTER)].drop_duplicates()


def candidates_for(pairs: pd.DataFrame, players: pd.DataFrame, roster: pd.DataFrame) -> pd.DataFrame:
    """Whom a name can mean.

    A name is understood by the first method that knows it: `exact`, `normalised` (case, accents, punctuation, suffix),
    `reordered` (surname first), `alias`; each among all players. A name that none of them knows is compared with the
    players of its two teams in that season: `shortened` (the first name differs only in how far it is written out),
    then `fuzzy` (likely enough, and more so than the next one).

    Args:
        pairs: pair (a number), player_name, season, home_team_id, away_team_id and placed (whether these are known);
            other columns are kept.
        players: player_id, player_name.
        roster: season, team_id, player_id.

    Returns:
        One row a pair and candidate: the columns of `pairs`, player_id, method, score, rostered (played for one of the
        two teams in that season).
    """
    by_name = _by_name(pd.Series(pairs["player_name"].unique()), players)
    candidates = pairs.merge(by_name, on="player_name", how="inner")
    unknown = pairs[~pairs["player_name"].isin(by_name["player_name"])]
    if len(unknown):
        candidates = pd.concat([candidates, _by_likeness(unknown, players, roster)], ignore_index=True)
    return candidates.assign(rostered=_rostered(candidates, roster))


def best_of(candidates: pd.DataFrame) -> pd.DataFrame:
    """The candidates of each pair who are on its teams, or all where nobody is."""
    rank = candidates["rostered"].astype("int64")
    return candidates[rank == rank.groupby(candidates["pair"]).transform("max")]


def _spelled(pairs: pd.DataFrame) -> pd.DataFrame:
    """Each pair with every spelling of its name, in the columns that `candidates_for` wants."""
    spellings = pairs["player_name"].str.split(" / ", regex=False)
    each = pairs.assign(player_name=spellings).explode("player_name", ignore_index=True)
    each["player_name"] = each["player_name"].map(natural_order).astype("str")
    return each.assign(
        home_team_id=each["team_id"], away_team_id=each["team_id"], placed=each["team_id"].notna().to_numpy()
    )


def _verdicts(
    pairs: pd.DataFrame,
    spelled: pd.DataFrame,
    player_games: pd.DataFrame,
    players: pd.DataFrame,
    roster: pd.DataFrame,
) -> pd.DataFrame:
    """One row a pair, same order: player_id (nullable), team_id, method, score, on_team, reason."""
    candidates = candidates_for(spelled, players, roster)
    elsewhere = _elsewhere(candidates, player_games) | _born_otherwise(candidates, players)
    best = best_of(candidates[~elsewhere]).sort_values("score", ascending=False, kind="stable")
    best = best.drop_duplicates(["pair", "player_id"])
    single = best[~best["pair"].duplicated(keep=False)].set_index("pair")
    verdict = pairs[["team_id"]].assign(player_id=single["player_id"].astype("Int64"))
    for name in ("method", "score"):
        verdict[name] = single[name]
    verdict["on_team"] = single["rostered"].reindex(verdict.index, fill_value=False).astype(bool)
    verdict["reason"] = np.select(
        [
            verdict["player_id"].notna(),
            verdict.index.isin(best["pair"]),
            verdict.index.isin(candidates.loc[elsewhere, "pair"]),
        ],
        ["", "ambiguous name", "another of that name"],
        default="unknown player",
    )
    return verdict


def _elsewhere(candidates: pd.DataFrame, player_games: pd.DataFrame) -> np.ndarray:
    """Whether a candidate played for one and the same other team before and after the day, however long before."""
    played = player_games[["player_id", "game_date", "team_id"]].rename(columns={"game_date": "date"})
    played = played.sort_values("date", kind="stable")
    asked = candidates[["player_id", "date"]].assign(order=np.arange(len(candidates)))
    asked = asked.sort_values("date", kind="stable")
    before = pd.merge_asof(asked, played, on="date", by="player_id")
    after = pd.merge_asof(asked, played, on="date", by="player_id", direction="forward", allow_exact_matches=False)
    sides = [side.sort_values("order")["team_id"].to_numpy(dtype="float64") for side in (before, after)]
    named = candidates["team_id"].to_numpy(dtype="float64", na_value=np.nan)
    return (sides[0] == sides[1]) & (sides[0] != named) & ~np.isnan(named) & ~candidates["rostered"].to_numpy()


def _born_otherwise(candidates: pd.DataFrame, players: pd.DataFrame) -> np.ndarray:
    """Whether the name says another day of birth, `Jaylin Williams (b. 2000-07-26)`, of one who is not on the team.

    The lists err in these days too, so that they do not count against a player of the team.
    """
    said = candidates["player_name"].str.extract(r"\(b\. (\d{4}-\d{2}-\d{2})\)", expand=False)
    born = candidates["player_id"].map(players.set_index("player_id")["birthdate"]).dt.strftime("%Y-%m-%d")
    differs = said.notna() & born.notna() & (said != born)
    return (differs & ~candidates["rostered"]).to_numpy(dtype=bool)


def _by_name(names: pd.Series, players: pd.DataFrame) -> pd.DataFrame:
    """player_name, player_id, method, score: who a name can mean by itself, by the first method that knows it."""
    methods: dict[str, tuple[Callable[[str], str | None], Callable[[str], str]]] = {
        "exact": (str, str),
        "normalised": (unspaced, unspaced),
        "reordered": (reordered, reordered),
        "alias": (alias, unspaced),
    }
    found = []
    for method, (of_quote, of_player) in methods.items():
        asked = pd.DataFrame({"player_name": names, "key": names.map(of_quote)}).dropna()
        known = pd.DataFrame({"player_id": players["player_id"], "key": players["player_name"].map(of_player)})
        hits = asked.merge(known, on="key")[["player_name", "player_id"]]
        found.append(hits.assign(method=method, score=100.0))
        names = names[~names.isin(hits["player_name"])]
    return pd.concat(found, ignore_index=True)


def _by_likeness(unknown: pd.DataFrame, players: pd.DataFrame, roster: pd.DataFrame) -> pd.DataFrame:
    """The pairs with the players of their two teams whom a name may mean that nobody bears, method and score.

    Several are left for a pair where it could be either.
    """
    pairs = unknown[unknown["placed"]].merge(_alike(unknown["player_name"].unique(), players), on="player_name")
    pairs = pairs[_rostered(pairs, roster)]
    any_short = pairs["short"].groupby(pairs["pair"]).transform("any")
    best = pairs["score"].groupby(pairs["pair"]).transform("max")
    fuzzy = ~any_short & (best >= LEAST_LIKENESS) & (pairs["score"] > best - LEAST_LEAD)
    method = pd.Series(np.where(any_short, "shortened", "fuzzy"), index=pairs.index, dtype="str")
    return pairs.assign(method=method)[pairs["short"] | fuzzy].drop(columns="short")


def _alike(names: np.ndarray, players: pd.DataFrame) -> pd.DataFrame:
    """player_name, player_id, score, short: of each name the players of a name near enough to be compared further."""
    ours = pd.Series([normalise_name(name) for name in names], dtype="str")
    theirs = players["player_name"].map(normalise_name).astype("str").reset_index(drop=True)
    scores = likeness(ours.tolist(), theirs.tolist())
    near = pd.DataFrame(np.argwhere(scores > LEAST_LIKENESS - LEAST_LEAD), columns=["name", "player"])
    rest, their_rest = (keys.str.replace(r"^\S+ ?", "", regex=True) for keys in (ours, theirs))
    surnames = pd.DataFrame({"name": ours.index, "rest": rest})
    same_rest = surnames.merge(pd.DataFrame({"player": theirs.index, "rest": their_rest}), on="rest")
    found = pd.concat([near, same_rest[["name", "player"]]]).drop_duplicates()
    name, player = found["name"].to_numpy(), found["player"].to_numpy()
    return pd.DataFrame(
        {
            "player_name": pd.Series(names, dtype="str").to_numpy()[name],
            "player_id": players["player_id"].to_numpy()[player],
            "score": scores[name, player].astype("float64"),
            "short": np.array(list(map(is_short_for, ours[name], theirs[player])), dtype=bool),
        }
    ).astype({"player_name": "str"})


def _rostered(candidates: pd.DataFrame, roster: pd.DataFrame) -> np.ndarray:
    """Whether a candidate played for one of the pair's two teams in that season."""
    known = pd.MultiIndex.from_frame(roster[list(ROSTER)])
    sides = (
        pd.MultiIndex.from_frame(candidates[["season", side, "player_id"]]).isin(known)
        for side in ("home_team_id", "away_team_id")
    )
    return np.logical_or(*sides) & candidates["placed"].to_numpy(dtype=bool)
