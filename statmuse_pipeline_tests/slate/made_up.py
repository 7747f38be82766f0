"""A night of two games of four teams, five players each, made up by hand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import numpy as np
import pandas as pd

from statmuse_pipeline.contracts import BOX_COLUMNS
from statmuse_pipeline.domain import LARGEST_COUNT, InformationLevel, Stat
from statmuse_pipeline.forecasting import Forecasts, make_forecasts
from statmuse_pipeline.modeling.dispersion import negative_binomial
from statmuse_pipeline.modeling.distribution import CountDistribution
from statmuse_pipeline.slate.games import from_schedule

DAY = dt.date(2024, 11, 5)
EARLY, LATE = "0022409901", "0022409902"
TIPOFF = {EARLY: pd.Timestamp("2024-11-06 00:10", tz="UTC"), LATE: pd.Timestamp("2024-11-06 03:10", tz="UTC")}
NOON = dt.datetime(2024, 11, 5, 17, 0, tzinfo=dt.UTC)
TEAMS = (1, 2, 3, 4)
PER_TEAM = 5


def schedule(**changes: object) -> pd.DataFrame:
    rows = pd.DataFrame(
        {
            "GAME_ID": [EARLY, LATE],
            "GAME_DATE": [str(DAY)] * 2,
            "TIPOFF_UTC": [TIPOFF[EARLY], TIPOFF[LATE]],
            "HOME_TEAM_ID": [1, 3],
            "AWAY_TEAM_ID": [2, 4],
        }
    )
    return from_schedule(rows.assign(**changes), "2024-25")


def player_games(days: int = 12) -> pd.DataFrame:
    """Every team plays every second day before the night; player 10 * team + seat."""
    rng = np.random.default_rng(5)
    rows = []
    for number in range(days):
        date = pd.Timestamp(DAY) - pd.Timedelta(days=2 * (days - number))
        for team, opponent in ((1, 3), (3, 1), (2, 4), (4, 2)):
            for seat in range(PER_TEAM):
                box = {name: int(rng.integers(0, 12)) for name in BOX_COLUMNS}
                box["min"] = 32 - 5 * seat
                rows.append(
                    {
                        "season": "2024-25",
                        "game_id": f"002240{number:02d}{min(team, opponent):02d}",
                        "game_date": date,
                        "player_id": 10 * team + seat,
                        "player_name": f"Player {10 * team + seat}",
                        "team_id": team,
                        "opponent_team_id": opponent,
                        "is_home": team < opponent,
                        "won": team < opponent,
                        **box,
                        "pra": box["pts"] + box["reb"] + box["ast"],
                    }
                )
    return pd.DataFrame(rows).astype({"game_date": "datetime64[ns]", "season": "str", "game_id": "str"})


def statuses(reported_at: str, **status: str) -> pd.DataFrame:
    """`p12="Out"` -> a status of player 12."""
    return pd.DataFrame(
        {
            "player_id": [int(name[1:]) for name in status],
            "status": list(status.values()),
            "reported_at": pd.to_datetime([reported_at] * len(status), utc=True).astype("datetime64[ns, UTC]"),
        }
    ).astype({"player_id": "int64", "status": "str"})


class Wide:
    """Negative binomials of dispersion 0.1."""

    def distribution(self, mean: object, largest: int, minutes: object = None) -> CountDistribution:
        return negative_binomial(mean, 0.1, largest)  # type: ignore[arg-type]


def forecasts(
    means: Mapping[tuple[str, int], float], stats: tuple[Stat, ...] = (Stat.PTS,), level: str = "pregame"
) -> Forecasts:
    """(game, player) -> mean, the same for every stat."""
    keys = pd.DataFrame(list(means), columns=["game_id", "player_id"])
    rows = keys.assign(season="2024-25", game_date=pd.Timestamp(DAY), split="upcoming").astype(
        {"season": "str", "split": "str", "game_date": "datetime64[ns]"}
    )
    values = np.array(list(means.values()), dtype=float)
    made = {stat: np.minimum(values, LARGEST_COUNT[stat] / 3) for stat in stats}
    return make_forecasts(rows, made, dict.fromkeys(Stat, Wide()), level=InformationLevel(level))


def quotes(*rows: dict[str, object]) -> pd.DataFrame:
    """contracts.QUOTES, what is not named as in the first game at noon."""
    usual = {
        "season": "2024-25", "game_id": EARLY, "game_date": pd.Timestamp(DAY), "player_id": 10, "stat": "PTS",
        "bookmaker": "book", "captured_at": pd.Timestamp(NOON), "tipoff_utc": TIPOFF[EARLY], "line": 10.5,
        "over_price": -110.0, "under_price": -110.0, "quote_set": "odds_api", "level": "pregame",
    }  # fmt: skip
    frame = pd.DataFrame([{**usual, **row} for row in rows], columns=list(usual))
    moments = dict.fromkeys(("captured_at", "tipoff_utc"), "datetime64[ns, UTC]")
    texts = dict.fromkeys(("season", "game_id", "stat", "bookmaker", "quote_set", "level"), "str")
    numbers = dict.fromkeys(("line", "over_price", "under_price"), "float64")
    return frame.astype({**moments, **texts, **numbers, "player_id": "int64", "game_date": "datetime64[ns]"})
