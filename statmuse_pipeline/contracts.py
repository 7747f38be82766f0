"""Schemas of every table that crosses a stage.

Each column carries `metadata={"known": ...}`: the moment from which its value is known.
`pregame` columns are known before the day of the game, `tipoff` columns when the ball goes up,
`quote` columns at the moment the quote was captured, `final` columns after the game.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import pandera.pandas as pa

from statmuse_pipeline.domain import Combination, PipelineError, Stat

BOX_COLUMNS = (
    "min", "fgm", "fga", "fg3m", "fg3a", "ftm", "fta", "oreb", "dreb", "reb",
    "ast", "stl", "blk", "tov", "pf", "pts", "plus_minus",
)  # fmt: skip
"""Box-score counts of a player-game, in the order of LeagueGameLog. `min` is whole minutes."""

GAME_LOG_COLUMNS = (
    "SEASON_ID", "PLAYER_ID", "PLAYER_NAME", "TEAM_ID", "TEAM_ABBREVIATION", "TEAM_NAME",
    "GAME_ID", "GAME_DATE", "MATCHUP", "WL", "MIN", "FGM", "FGA", "FG3M", "FG3A", "FTM", "FTA",
    "OREB", "DREB", "REB", "AST", "STL", "BLK", "TOV", "PF", "PTS", "PLUS_MINUS",
)  # fmt: skip
"""The LeagueGameLog columns that a source must deliver; others are kept out of the warehouse."""


def _column(dtype: object, known: str, **options: object) -> pa.Column:
    return pa.Column(dtype, metadata={"known": known}, **options)  # type: ignore[arg-type]


def _keys() -> dict[str, pa.Column]:
    return {
        "season": _column(str, "pregame"),
        "game_id": _column(str, "pregame", checks=pa.Check.str_length(10, 10)),
        "game_date": _column("datetime64[ns]", "pregame"),
    }


GAMES = pa.DataFrameSchema(
    {
        **_keys(),
        "tipoff_utc": _column("datetime64[ns, UTC]", "pregame", nullable=True),
        "home_team_id": _column("int64", "pregame"),
        "away_team_id": _column("int64", "pregame"),
    },
    unique=["game_id"],
    name="games",
)
"""One row a game, `game_date` the Eastern calendar day at midnight."""

PLAYERS = pa.DataFrameSchema(
    {
        "player_id": _column("int64", "pregame"),
        "player_name": _column(str, "pregame"),
        "position": _column(str, "pregame", nullable=True),
        "height_in": _column("float64", "pregame", nullable=True),
        "weight_lb": _column("float64", "pregame", nullable=True),
        "birthdate": _column("datetime64[ns]", "pregame", nullable=True),
    },
    unique=["player_id"],
    name="players",
)
"""One row a player; position is the roster's (G, F, C, G-F ...)."""

PLAYER_GAMES = pa.DataFrameSchema(
    {
        **_keys(),
        "player_id": _column("int64", "pregame"),
        "player_name": _column(str, "pregame"),
        "team_id": _column("int64", "pregame"),
        "opponent_team_id": _column("int64", "pregame"),
        "is_home": _column(bool, "pregame"),
        "won": _column(bool, "final"),
        **{name: _column("int64", "final") for name in BOX_COLUMNS},
        "pra": _column("int64", "final"),
    },
    unique=["game_id", "player_id"],
    name="player_games",
)
"""One row a player and game in which the player entered, sorted by game_date, game_id, player_id."""

TEAM_GAMES = pa.DataFrameSchema(
    {
        **_keys(),
        "team_id": _column("int64", "pregame"),
        "opponent_team_id": _column("int64", "pregame"),
        "is_home": _column(bool, "pregame"),
        "won": _column(bool, "final"),
        **{name: _column("int64", "final") for name in BOX_COLUMNS if name != "plus_minus"},
    },
    unique=["game_id", "team_id"],
    name="team_games",
)
"""Sums of the player rows, one row a team and game."""

FEATURE_KEYS = (
    "season", "game_id", "game_date", "player_id", "player_name", "team_id", "opponent_team_id",
)  # fmt: skip
"""Columns that identify a row of the feature table."""

TARGETS = ("min", *(stat.column for stat in Stat))
"""Outcome columns of the feature table; known only after the game."""

QUOTES_RAW = pa.DataFrameSchema(
    {
        "captured_at": _column("datetime64[ns, UTC]", "quote", nullable=True),
        "commence_time": _column("datetime64[ns, UTC]", "quote", nullable=True),
        "game_date": _column("datetime64[ns]", "quote", nullable=True),
        "home_team": _column(str, "quote", nullable=True),
        "away_team": _column(str, "quote", nullable=True),
        "bookmaker": _column(str, "quote"),
        "player_name": _column(str, "quote"),
        "market": _column(str, "quote"),
        "line": _column("float64", "quote", nullable=True),
        "over_price": _column("float64", "quote", nullable=True),
        "under_price": _column("float64", "quote", nullable=True),
        "quote_set": _column(str, "quote"),
    },
    name="quotes as received",
)
"""Quotes as a source gave them: American prices, team and player names in the book's spelling.

`quote_set` names the collection (file) they came from, such as `pra_closing_2023-24`.
"""

QUOTED = [item.value for item in (*Stat, *Combination)]
"""What a quote may be about."""

QUOTES = pa.DataFrameSchema(
    {
        **_keys(),
        "player_id": _column("int64", "pregame"),
        "stat": _column(str, "pregame", checks=pa.Check.isin(QUOTED)),
        "bookmaker": _column(str, "quote"),
        "captured_at": _column("datetime64[ns, UTC]", "quote", nullable=True),
        "tipoff_utc": _column("datetime64[ns, UTC]", "pregame", nullable=True),
        "line": _column("float64", "quote"),
        "over_price": _column("float64", "quote", nullable=True),
        "under_price": _column("float64", "quote", nullable=True),
        "quote_set": _column(str, "quote"),
        "level": _column(str, "quote", checks=pa.Check.isin(["pregame", "tipoff"])),
    },
    name="market_quotes",
)
"""Resolved quotes of player-games that were played, one row a book, line and moment.

`level` is the information level that was public when the quote was captured.
"""

SCHEDULED_GAMES = pa.DataFrameSchema(
    {
        **_keys(),
        "tipoff_utc": _column("datetime64[ns, UTC]", "pregame", nullable=True),
        "home_team_id": _column("int64", "pregame"),
        "away_team_id": _column("int64", "pregame"),
        "status": _column(
            str, "pregame", checks=pa.Check.isin(["scheduled", "live", "final", "postponed", "cancelled"])
        ),
    },
    unique=["game_id"],
    name="scheduled games",
)
"""One row a game, played or to be played, as the schedule or the scoreboard has it."""

INJURY_STATUSES = pa.DataFrameSchema(
    {
        "player_id": _column("int64", "quote"),
        "status": _column(
            str, "quote", checks=pa.Check.isin(["Out", "Doubtful", "Questionable", "Probable", "Available"])
        ),
        "reported_at": _column("datetime64[ns, UTC]", "quote"),
    },
    name="injury statuses",
)
"""What a report said of a player, `reported_at` the moment it was published; several rows a player are fine."""

FORECASTS = pa.DataFrameSchema(
    {
        **_keys(),
        "player_id": _column("int64", "pregame"),
        "stat": _column(str, "pregame", checks=pa.Check.isin([stat.value for stat in Stat])),
        "level": _column(str, "pregame", checks=pa.Check.isin(["pregame", "tipoff"])),
        "split": _column(str, "pregame"),
        "model": _column(str, "pregame"),
        "mean": _column("float64", "pregame", checks=pa.Check.ge(0)),
        "median": _column("float64", "pregame", checks=pa.Check.ge(0)),
        **{f"{side}{level}": _column("float64", "pregame") for level in (50, 80, 95) for side in ("lo", "hi")},
    },
    unique=["game_id", "player_id", "stat", "level"],
    name="forecasts",
)
"""One row a player-game, stat and information level; the distribution travels beside it."""

_SHARE = pa.Check.in_range(-1e-9, 1 + 1e-9)

SLATE_LINES = pa.DataFrameSchema(
    {
        "game_id": _column(str, "pregame"),
        "player_id": _column("int64", "pregame"),
        "stat": _column(str, "pregame", checks=pa.Check.isin(QUOTED)),
        "level": _column(str, "pregame", checks=pa.Check.isin(["pregame", "tipoff"])),
        "line": _column("float64", "quote"),
        "line_source": _column(str, "quote", checks=pa.Check.isin(["quote", "season average", "long-run average"])),
        "bookmaker": _column(str, "quote", nullable=True),
        "captured_at": _column("datetime64[ns, UTC]", "quote", nullable=True),
        **{name: _column("float64", "quote", nullable=True) for name in ("over_price", "under_price")},
        **{name: _column("float64", "quote", checks=_SHARE) for name in ("p_over", "p_push", "p_under")},
        **{name: _column("float64", "quote", nullable=True) for name in ("fair_over", "fair_under")},
        **{name: _column("float64", "quote", nullable=True) for name in ("ev_over", "ev_under")},
        "p_consensus": _column("float64", "quote", nullable=True),
        "books": _column("int64", "quote"),
        "p_over_final": _column("float64", "quote", nullable=True),
        **{name: _column("float64", "quote", nullable=True) for name in ("ev_over_final", "ev_under_final")},
        "flags": _column(str, "quote"),
    },
    name="slate lines",
)
"""One row a player, stat, line and book of a night; without a book where nobody quotes, at the average line.

Prices are American; fair prices and `p_consensus` are those of a bet that is not a push; EV is the profit of a stake
of 1. `flags` says what is out of the ordinary, such as why a quote can't be bet on; "" where nothing is.
"""

BETS = pa.DataFrameSchema(
    {
        **_keys(),
        "player_id": _column("int64", "pregame"),
        "stat": _column(str, "pregame"),
        "bookmaker": _column(str, "quote"),
        "captured_at": _column("datetime64[ns, UTC]", "quote", nullable=True),
        "side": _column(str, "quote", checks=pa.Check.isin(["over", "under"])),
        "line": _column("float64", "quote"),
        "price": _column("float64", "quote"),
        "probability": _column("float64", "quote", checks=pa.Check.in_range(0, 1)),
        "ev": _column("float64", "quote"),
        "stake": _column("float64", "quote", checks=pa.Check.gt(0)),
        "strategy": _column(str, "quote"),
        "profit": _column("float64", "final"),
    },
    name="bets",
)
"""Graded bets; `price` American, `stake` and `profit` in units of the flat stake."""


def check(schema: pa.DataFrameSchema, frame: pd.DataFrame) -> pd.DataFrame:
    """The frame, if it fits the schema.

    Raises:
        PipelineError: naming the table, the columns and the first offending values.
    """
    try:
        return schema.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as error:
        cases = error.failure_cases[["column", "check", "failure_case"]].drop_duplicates().head(5)
        told = "; ".join(f"{row.column}: {row.check} ({row.failure_case})" for row in cases.itertuples())
        raise PipelineError(f"The table {schema.name!r} breaks its contract: {told}") from error


def known_moments(schema: pa.DataFrameSchema) -> Mapping[str, str]:
    """Column -> the moment from which it is known."""
    return {name: (column.metadata or {})["known"] for name, column in schema.columns.items()}
