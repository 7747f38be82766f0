"""Decides which rows of a season's game logs are believed, and says why of the others."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import pandera.pandas as pa

from statmuse_pipeline.contracts import BOX_COLUMNS, GAME_LOG_COLUMNS
from statmuse_pipeline.domain import PipelineError, Season

LARGEST_SHARE_OF_BAD_ROWS = 0.01
"""A season with a larger share of bad rows is not loaded: its source is broken, not single rows."""

SMALLEST_GAME = 10
"""Two teams of five: no game has fewer players."""

_LARGEST = {
    "MIN": 70, "FGM": 50, "FGA": 80, "FG3M": 30, "FG3A": 50, "FTM": 45, "FTA": 55, "OREB": 35, "DREB": 45, "REB": 60,
    "AST": 45, "STL": 20, "BLK": 20, "TOV": 25, "PF": 12, "PTS": 110, "PLUS_MINUS": 100,
}  # fmt: skip
"""Above every single-game mark since 1946 (100 points, 55 rebounds, 30 assists, 69 minutes ...)."""

_NUMBERS = tuple(name.upper() for name in BOX_COLUMNS)
_IDS = ("PLAYER_ID", "TEAM_ID")
_TEXTS = ("SEASON_ID", "PLAYER_NAME", "TEAM_ABBREVIATION", "TEAM_NAME", "GAME_ID", "MATCHUP", "WL")


class SeasonRejected(PipelineError):
    """A season of which too many rows are bad; `quarantined` holds them with their reasons."""

    def __init__(self, message: str, quarantined: pd.DataFrame) -> None:
        super().__init__(message)
        self.quarantined = quarantined


@dataclass(frozen=True)
class ValidatedLogs:
    """The rows of a season, parted.

    `good` has the columns of `contracts.GAME_LOG_COLUMNS` with integer ids and counts, `GAME_DATE` as datetime64[ns],
    sorted by date, game and player. `quarantined` has the rows as delivered, and `reason`.
    """

    good: pd.DataFrame
    quarantined: pd.DataFrame


def validate_season(
    payload_game_logs: pd.DataFrame, season: str, schedule: pd.DataFrame | None = None
) -> ValidatedLogs:
    """Parts a season's LeagueGameLog rows into believed ones and bad ones with the reasons.

    A row is bad when a value has the wrong type or range, when it contradicts itself (points, rebounds, made above
    attempted), when it lies outside the season, repeats a (player, game) pair, or belongs to a game that has fewer than
    ten players, not exactly two teams, not exactly one winner, or other teams than the schedule says.

    Args:
        payload_game_logs: the columns of `contracts.GAME_LOG_COLUMNS` at least.
        season: its label, `2023-24`.
        schedule: GAME_ID, HOME_TEAM_ID, AWAY_TEAM_ID of games; may be empty or miss games.

    Raises:
        SeasonRejected: when columns or all rows are missing, or more than 1% of the rows are bad.
    """
    label = Season.parse(season)
    if missing := [name for name in GAME_LOG_COLUMNS if name not in payload_game_logs]:
        raise SeasonRejected(
            f"The game logs of {season} lack the column{'s' * (len(missing) > 1)} {', '.join(missing)}: "
            "the source changed its format.",
            payload_game_logs.iloc[:0],
        )
    if payload_game_logs.empty:
        raise SeasonRejected(f"The source delivered no game logs at all for {season}.", payload_game_logs)
    raw = payload_game_logs.reset_index(drop=True)
    typed = _typed(raw)
    reasons = _row_reasons(typed, label)
    believed = typed[reasons.reindex(typed.index).isna()]
    for judge in (_repeats, _broken_games):
        found = judge(raw.loc[believed.index], believed)
        reasons = pd.concat([reasons, found])
        believed = believed.drop(index=found.index)
    if schedule is not None and not schedule.empty:
        found = _misscheduled(believed, schedule)
        reasons = pd.concat([reasons, found])
        believed = believed.drop(index=found.index)
    quarantined = raw.loc[reasons.sort_index().index].assign(reason=reasons.sort_index())
    _refuse_bad_season(season, len(raw), quarantined)
    good = believed.astype(dict.fromkeys((*_IDS, *_NUMBERS), "int64"))
    return ValidatedLogs(
        good.sort_values(["GAME_DATE", "GAME_ID", "PLAYER_ID"], ignore_index=True), quarantined.reset_index(drop=True)
    )


def _typed(raw: pd.DataFrame) -> pd.DataFrame:
    """Numbers as float64 and dates as datetime64[ns], NaN and NaT where a value is neither."""
    typed = pd.DataFrame(index=raw.index)
    for name in GAME_LOG_COLUMNS:
        if name in _NUMBERS or name in _IDS:
            typed[name] = pd.to_numeric(raw[name], errors="coerce").astype("float64")
        elif name == "GAME_DATE":
            dates = pd.to_datetime(raw[name], errors="coerce", format="ISO8601")
            typed[name] = dates.dt.normalize().astype("datetime64[ns]")
        else:
            typed[name] = raw[name].astype("str")
    return typed


def season_schema(season: Season) -> pa.DataFrameSchema:
    """What every row of a season's game logs must satisfy by itself."""
    first, last = pd.Timestamp(season.start_year, 9, 1), pd.Timestamp(season.start_year + 1, 8, 31)

    def number(name: str) -> pa.Column:
        low, high = (-_LARGEST[name] if name == "PLUS_MINUS" else 0), _LARGEST[name]
        return pa.Column(
            float,
            [
                pa.Check.in_range(low, high, error=f"{name} is not within {low} and {high}"),
                pa.Check(lambda values: values % 1 == 0, error=f"{name} is not a whole number"),
            ],
        )

    def identity(holds: object, error: str) -> pa.Check:
        return pa.Check(holds, error=error)  # type: ignore[arg-type]

    whole = pa.Check(lambda values: (values > 0) & (values % 1 == 0), error="an id is not a positive whole number")
    return pa.DataFrameSchema(
        {
            **{name: number(name) for name in _NUMBERS},
            **{name: pa.Column(float, whole) for name in _IDS},
            **{name: pa.Column(str, pa.Check.str_length(min_value=1, error=f"{name} is empty")) for name in _TEXTS},
            "SEASON_ID": pa.Column(str, pa.Check.eq(season.season_id, error=f"SEASON_ID is not {season.season_id}")),
            "GAME_ID": pa.Column(str, pa.Check.str_matches(r"^\d{10}$", error="GAME_ID is not ten digits")),
            "WL": pa.Column(str, pa.Check.isin(["W", "L"], error="WL is neither W nor L")),
            "MATCHUP": pa.Column(
                str,
                pa.Check.str_matches(r"^\S+ (vs\.|@) \S+$", error="MATCHUP reads neither 'A vs. B' nor 'A @ B'"),
            ),
            "GAME_DATE": pa.Column(
                "datetime64[ns]",
                pa.Check.in_range(first, last, error=f"GAME_DATE is outside the season {season}"),
            ),
        },
        checks=[
            identity(
                lambda row: row["PTS"] == 2 * (row["FGM"] - row["FG3M"]) + 3 * row["FG3M"] + row["FTM"],
                "PTS is not 2*(FGM-FG3M) + 3*FG3M + FTM",
            ),
            identity(lambda row: row["OREB"] + row["DREB"] == row["REB"], "OREB + DREB is not REB"),
            identity(lambda row: row["FG3M"] <= row["FGM"], "FG3M is above FGM"),
            *(
                identity(lambda row, made=made, tried=tried: row[made] <= row[tried], f"{made} is above {tried}")
                for made, tried in (("FGM", "FGA"), ("FG3M", "FG3A"), ("FTM", "FTA"), ("FG3A", "FGA"))
            ),
            identity(
                lambda row: pd.Series(
                    map(str.startswith, row["MATCHUP"].astype("str"), row["TEAM_ABBREVIATION"].astype("str") + " "),
                    index=row.index,
                ),
                "MATCHUP does not begin with TEAM_ABBREVIATION",
            ),
        ],
    )


def _row_reasons(typed: pd.DataFrame, season: Season) -> pd.Series:
    """Index -> reason, of the rows that are bad by themselves."""
    try:
        season_schema(season).validate(typed, lazy=True)
    except pa.errors.SchemaErrors as error:
        cases = error.failure_cases.dropna(subset=["index"])
        told = cases["check"].where(
            cases["check"] != "not_nullable", cases["column"] + " is missing or of another type"
        )
        by_row = told.groupby(cases["index"].astype("int64")).agg(lambda reasons: "; ".join(sorted(set(reasons))))
        return by_row.astype("str")
    return pd.Series(dtype="str")


def _repeats(raw: pd.DataFrame, typed: pd.DataFrame) -> pd.Series:
    """A copy of a row is dropped; where two rows of one (player, game) differ, none of them can be believed."""
    keys = typed[["PLAYER_ID", "GAME_ID"]]
    repeated = keys.duplicated(keep=False)
    rows = raw.loc[repeated[repeated].index]
    copies = rows.astype("str").duplicated(keep="first")
    first_of_pair = rows[~copies]
    contradicting = keys.loc[first_of_pair.index].duplicated(keep=False)
    bad_pairs = keys.loc[contradicting[contradicting].index].drop_duplicates()
    in_bad_pair = keys.loc[rows.index].merge(bad_pairs, how="left", indicator=True)["_merge"].eq("both").to_numpy()
    reasons = pd.Series("the same player and game twice: a copy", index=rows.index[copies & ~in_bad_pair], dtype="str")
    return pd.concat(
        [
            reasons,
            pd.Series(
                "the same player and game twice, with different values", index=rows.index[in_bad_pair], dtype="str"
            ),
        ]
    )


def _broken_games(_raw: pd.DataFrame, typed: pd.DataFrame) -> pd.Series:
    """Every row of a game that is too small, has not two teams, two dates, or no single winner."""
    facts = typed.groupby("GAME_ID").agg(players=("PLAYER_ID", "size"), dates=("GAME_DATE", "nunique"))
    teams = typed.drop_duplicates(["GAME_ID", "TEAM_ID", "WL"]).groupby("GAME_ID")
    facts["teams"] = teams["TEAM_ID"].nunique()
    facts["sides"] = teams["WL"].agg("".join).map(sorted).map("".join)
    told = {
        f"the game has fewer than {SMALLEST_GAME} believable rows": facts["players"] < SMALLEST_GAME,
        "the game has not exactly two teams": facts["teams"] != 2,
        "the game has two dates": facts["dates"] != 1,
        "the game has not one winner and one loser": facts["sides"] != "LW",
    }
    return _of_games(typed, pd.DataFrame(told))


def _misscheduled(typed: pd.DataFrame, schedule: pd.DataFrame) -> pd.Series:
    """Every row of a game of which the schedule names other teams."""
    sides = schedule.drop_duplicates("GAME_ID").set_index("GAME_ID")[["HOME_TEAM_ID", "AWAY_TEAM_ID"]]
    known = typed[["GAME_ID", "TEAM_ID"]].drop_duplicates().join(sides, on="GAME_ID").dropna()
    stranger = known["TEAM_ID"].ne(known["HOME_TEAM_ID"]) & known["TEAM_ID"].ne(known["AWAY_TEAM_ID"])
    games = pd.Index(known.loc[stranger, "GAME_ID"].unique())
    return _of_games(typed, pd.DataFrame({"the schedule names other teams for the game": True}, index=games))


def _of_games(typed: pd.DataFrame, told: pd.DataFrame) -> pd.Series:
    """Reasons of games (one boolean column each), spread over their rows."""
    reasons = pd.Series(
        ["; ".join(told.columns[row]) for row in told.to_numpy(dtype=bool)], index=told.index, dtype="str"
    )
    bad = reasons[reasons != ""]
    return typed["GAME_ID"].map(bad).dropna().astype("str")


def _refuse_bad_season(season: str, rows: int, quarantined: pd.DataFrame) -> None:
    if len(quarantined) <= LARGEST_SHARE_OF_BAD_ROWS * rows:
        return
    common = quarantined["reason"].value_counts().head(3)
    told = "; ".join(f"{reason} ({count})" for reason, count in common.items())
    raise SeasonRejected(
        f"{len(quarantined)} of {rows} rows of {season} are bad, more than {LARGEST_SHARE_OF_BAD_ROWS:.0%}: the season "
        f"was not loaded. Most frequent: {told}.",
        quarantined,
    )
