"""Forecast of minutes, walk-forward: boosted trees and networks on form, role, schedule and, at tip-off, absences.

Before the day it is told how likely each mate is to play, and what such forecasts were off by lately is taken off
(`running_error.py`). At tip-off networks that attend to every mate and every earlier game (`attended.py`) have half of
the say, where there are earlier seasons to learn from.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
import xgboost as xgb
from threadpoolctl import threadpool_limits

from statmuse_pipeline.contracts import FEATURE_KEYS
from statmuse_pipeline.domain import MINIMUM_HISTORY, InformationLevel, PipelineError
from statmuse_pipeline.features import attended, rotation
from statmuse_pipeline.features.attended import Attending
from statmuse_pipeline.features.attention import AttentionNetwork
from statmuse_pipeline.features.blocks import block_features
from statmuse_pipeline.features.catalog import PREGAME, TIPOFF, Feature
from statmuse_pipeline.features.networks import NetworkBag
from statmuse_pipeline.features.running_error import RunningError, without_running_error
from statmuse_pipeline.features.squads import Squads
from statmuse_pipeline.kept_fits import Files, Remember, fit_anew

_PREGAME_INPUTS = (
    "min_last", "min_regulation_last", "min_ewm_50", "min_ewm_10", "min_ewm_03", "min_mean_5", "min_mean_20",
    "min_median_10", "min_min_10", "min_std_10", "min_slope_10", "min_season", "games_before", "season_games_before",
    "min_rank_ewm_25", "starter_last", "starter_ewm_25", "starter_ewm_03", "margin_last", "games_since_return",
    "games_with_team", "share_of_games_30d", "games_missed", "rotation_rank", "mates_min", "mates_min_pos",
    "mates_out_last_min", "mates_out_last_min_pos", "out_min_usual", "rest_days", "team_season_games",
    "net_rating_gap", "blowout_risk", "age", "pf_per_min_03", "pts_per_min_03", "plus_minus_ewm_03",
    "like_min", "like_gain", "like_games", "mates_min_new", "mates_min_lately", "mates_min_pos_new", "likely_count",
    "likely_min", "likely_out_min", "p_plays",
)  # fmt: skip

_TIPOFF_INPUTS = (
    *_PREGAME_INPUTS, "exp_min_pregame", "tip_mates_exp_min", "tip_out_min", "tip_out_min_pos", "tip_out_min_new",
    "tip_out_min_pos_new", "tip_back_min", "tip_mates_min", "tip_mates_count", "tip_mates_min_pos",
    "tip_mates_min_new", "tip_mates_min_lately", "tip_mates_min_pos_new", "tip_rotation_rank_new", "tip_min_share",
    "tip_opp_out_min", "tip_like_min", "tip_like_gain", "tip_like_games", "tip_alike_min", "tip_alike_gain",
    "tip_alike_games",
)  # fmt: skip

INPUTS = {InformationLevel.PREGAME: _PREGAME_INPUTS, InformationLevel.TIPOFF: _TIPOFF_INPUTS}
"""Features that the trees of each level read."""

_NETWORK_GROUPS = (
    "absences", "likely absences", "role", "own team", "like lineups", "profile", "opponent", "efficiency",
)  # fmt: skip
"""Groups of features that networks read beside what the trees read.

Chosen on 2023-10 to 2024-03 and on validation: at tip-off 154 columns do as well as all 471, in less than half of the
time. What a player makes and what opponents allow, 300 columns, tells nothing about minutes; nor does the calendar.
"""


def _network_inputs(level: InformationLevel) -> tuple[str, ...]:
    known = [feature for feature in block_features() if level.may_use(feature.level)]
    grouped = [feature.name for feature in known if feature.group in _NETWORK_GROUPS]
    return tuple(dict.fromkeys((*INPUTS[level], *grouped)))


NETWORK_INPUTS = {level: _network_inputs(level) for level in InformationLevel}
"""Features that the networks of each level read."""

NETWORK_SHARE = 0.6
"""Weight of the networks in the forecast. Walk-forward on 2022-10 to 2024-12, .5 to .7 are best at either level."""

REFIT_DAYS = ((12, 15), (2, 10))
"""Month and day on which a new model may begin to serve, in every season: the calendar, not the data, says when."""

GROWTH = 4 / 3
"""It does when the player-games to learn from grew by this factor: what little new rows teach is not worth a fit."""

FIRST_FIT_ROWS = 4000
"""Fewer player-games than this teach nothing: until then the exponentially weighted mean serves."""


@dataclass(frozen=True)
class Effort:
    """How many trees a fit grows, how deep, from how many player-games a leaf may learn; networks, and their epochs."""

    rounds: int
    depth: int
    leaf: int
    networks: int
    epochs: int


ALONE, EARLIER, ON_TOP = Effort(250, 6, 30, 3, 8), Effort(400, 6, 100, 6, 12), Effort(80, 5, 60, 6, 1)
"""Of a fit with nothing before it; of one on earlier seasons; and of one that starts from that.

Measured on validation with the six seasons before: RMSE of the trees' minutes at tip-off 5.763 instead of 5.785,
pregame 6.195 instead of 6.203, in less time, since the trees on top are small. In a trial on slightly other inputs, all
ten seasons in every fit, older ones counting less, gained .5% where this gained .35%, in ten times the time. Of the
networks, 12 to 20 epochs on earlier seasons and none to 8 on top differ by .1% of the RMSE. Where fits with nothing
before them serve, three networks are .04 to .08% above six (2017-18 to 2020-21), in half of the time.
"""

_PARAMETERS = {
    "objective": "reg:squarederror", "tree_method": "hist", "max_bin": 48, "eta": 0.04,
    "subsample": 0.8, "colsample_bytree": 0.4, "lambda": 5.0, "nthread": 1, "verbosity": 0,
}  # fmt: skip

FILES = ("minutes.ubj", "networks.npz", "minutes.json")
"""Names of the files that every model has."""


@dataclass(frozen=True)
class MinutesModel:
    """Expected minutes of a player-game, given that the player takes part.

    Trees and networks learn the difference to the exponentially weighted mean of his minutes, each for itself.

    Attributes:
        level: whose inputs are read.
        booster: the trees.
        networks: the networks.
        share: weight of the networks; the trees have the rest.
        attention: network that has `attended.SHARE` of the say over both, at tip-off; None where there is none.
        lately: what such forecasts were off by lately, which is taken off, before the day; None for nothing.
    """

    level: InformationLevel
    booster: xgb.Booster
    networks: NetworkBag
    share: float = NETWORK_SHARE
    attention: AttentionNetwork | None = None
    lately: RunningError | None = None

    @classmethod
    def fit(
        cls,
        features: pd.DataFrame,
        level: InformationLevel,
        seed: int,
        *,
        start: MinutesModel | None = None,
        effort: Effort | None = None,
        share: float = NETWORK_SHARE,
    ) -> MinutesModel:
        """Fit on all rows with MIN > 0 and a history.

        Args:
            features: the rows.
            level: whose inputs may be read.
            seed: of the samples that each tree sees, and of the networks.
            start: a model of earlier rows, whose trees stand first and whose networks learn on.
            effort: `ALONE`, or `ON_TOP` of a start, when left out.
            share: weight of the networks.

        Raises:
            PipelineError: when fewer than 100 rows can be learned from.
        """
        usable = ((features["min"] > 0) & (features["games_before"] > 0)).to_numpy()
        if usable.sum() < 100:
            raise PipelineError(f"Only {usable.sum()} player-games to learn minutes from: load at least 100.")
        rows = features[usable]
        label = (rows["min"] - rows["min_ewm_10"]).to_numpy(np.float32)
        wanted = effort or (ON_TOP if start else ALONE)
        parameters = {**_PARAMETERS, "seed": seed, "max_depth": wanted.depth, "min_child_weight": wanted.leaf}
        networks = NetworkBag.fit(
            _inputs(rows, NETWORK_INPUTS[level]), label, NETWORK_INPUTS[level], seed, wanted.networks,
            wanted.epochs, start=start.networks if start else None,
        )  # fmt: skip
        inputs, threads = _inputs(rows, INPUTS[level]), _PARAMETERS["nthread"]
        if start is None:
            data = xgb.QuantileDMatrix(inputs, label=label, max_bin=_PARAMETERS["max_bin"], nthread=threads)
            return cls(level, xgb.train(parameters, data, wanted.rounds), networks, share)
        # The first trees split between the quantiles of other rows: they need the values themselves.
        values = xgb.DMatrix(inputs, label=label, nthread=threads)
        return cls(level, xgb.train(parameters, values, wanted.rounds, xgb_model=start.booster), networks, share)

    def predict(self, features: pd.DataFrame, squads: Squads | None = None) -> np.ndarray:
        """Expected minutes of each row, 0 to 53; NaN for players without an earlier game.

        Args:
            features: the rows.
            squads: that hold the rows; not needed where no network attends.

        Raises:
            PipelineError: when a network attends and there is nothing that it could attend to.
        """
        if not len(features):
            return np.array([])
        by_trees = self.booster.inplace_predict(_inputs(features, INPUTS[self.level])).astype(np.float64)
        by_networks = self.networks.predict(_inputs(features, NETWORK_INPUTS[self.level])).astype(np.float64)
        step = (1 - self.share) * by_trees + self.share * by_networks
        found = np.clip(features["min_ewm_10"].to_numpy(np.float64) + step, 0.0, attended.LONGEST)
        if self.lately is not None:
            found = np.minimum(self.lately.taken_off(found), attended.LONGEST)
        if self.attention is None:
            return found
        if squads is None:
            raise PipelineError("This model of minutes attends to mates and earlier games: give it the rows' squads.")
        return attended.blend(found, features, self.attention, squads)

    def to_bytes(self) -> dict[str, bytes]:
        """`FILES` and perhaps attended.FILE, which `from_bytes` reads: XGBoost's own format, arrays and JSON."""
        facts = {
            "level": self.level.value, "inputs": list(INPUTS[self.level]), "share": self.share,
            "lately": list(self.lately.minutes) if self.lately else None,
        }  # fmt: skip
        contents = (
            bytes(self.booster.save_raw("ubj")),
            self.networks.to_bytes(),
            json.dumps(facts, sort_keys=True).encode(),
        )
        files = dict(zip(FILES, contents, strict=True))
        return files if self.attention is None else {**files, attended.FILE: self.attention.to_bytes()}

    @classmethod
    def from_bytes(cls, files: dict[str, bytes]) -> MinutesModel:
        """The model that `to_bytes` wrote.

        Raises:
            PipelineError: when the model was fitted on other inputs than this version's, or has other parts.
        """
        if not set(FILES) <= set(files):
            raise PipelineError("The minutes model was fitted by another version, without networks: fit it again.")
        trees, networks, told = (files[name] for name in FILES)
        facts, bag = json.loads(told), NetworkBag.from_bytes(networks)
        level = InformationLevel(facts["level"])
        if facts["inputs"] != list(INPUTS[level]) or "lately" not in facts or bag.columns != NETWORK_INPUTS[level]:
            raise PipelineError("The minutes model was fitted by another version, on other inputs: fit it again.")
        booster = xgb.Booster({"nthread": _PARAMETERS["nthread"]})
        booster.load_model(bytearray(trees))
        attention = AttentionNetwork.from_bytes(files[attended.FILE]) if attended.FILE in files else None
        if attention is not None and attention.columns != NETWORK_INPUTS[level]:
            raise PipelineError("The minutes model was fitted by another version, on other inputs: fit it again.")
        lately = RunningError(tuple(facts["lately"])) if facts["lately"] else None
        return cls(level, booster, bag, facts["share"], attention, lately)


def _inputs(features: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    return features[list(columns)].to_numpy(np.float32)


def add_minutes_forecasts(
    features: pd.DataFrame,
    seed: int,
    earlier: Mapping[InformationLevel, MinutesModel] | None = None,
    remember: Remember = fit_anew,
    share: float = NETWORK_SHARE,
    attending: Attending | None = None,
) -> pd.DataFrame:
    """The table with the forecasts of minutes before the day and at tip-off, walk-forward: columns of `catalog`.

    Each row is forecast by a fit on earlier days only. Rows before the first fit get the exponentially weighted mean
    of the player's minutes, and so NaN in a first game. The tip-off model also sees the pregame forecast and the sum
    of those of the rotation mates who take part.

    Args:
        features: of `build_features`.
        seed: of the fits.
        earlier: models of `learn_earlier`, of seasons that had ended before these began: they serve before the first
            fit, and every fit starts from them.
        remember: keeps fits: from one night to the next none is made from anything else.
        share: weight of the networks.
        attending: for networks that attend, `attended.attend`; without it none do.
    """
    start = earlier or {}
    table = _with_pregame(features, seed, start.get(InformationLevel.PREGAME), remember, share)
    tipoff = _walk_forward(table, InformationLevel.TIPOFF, seed, start.get(InformationLevel.TIPOFF), remember, share)
    table = table.assign(tip_exp_min_columns=tipoff)
    table = table.assign(
        tip_exp_min=attended.attend(table, tipoff, NETWORK_INPUTS[InformationLevel.TIPOFF], seed, attending, remember)
        if attending
        else tipoff
    )
    return features.assign(**{feature.name: table[feature.name] for feature in catalog()})


def _with_pregame(
    features: pd.DataFrame,
    seed: int,
    start: MinutesModel | None,
    remember: Remember,
    share: float,
) -> pd.DataFrame:
    """Keys and inputs, with the walk-forward forecasts before the day and their sums over mates."""
    inputs = dict.fromkeys((*_TIPOFF_INPUTS, *NETWORK_INPUTS[InformationLevel.TIPOFF], *FEATURE_KEYS, "min"))
    table = features[[name for name in inputs if name in features]]
    pregame = _walk_forward(table, InformationLevel.PREGAME, seed, start, remember, share)
    table = table.assign(exp_min_fitted=pregame, exp_min_pregame=pregame)
    if len(fitted := np.flatnonzero(_is_fitted(table, start))):
        rows = table.iloc[fitted]
        mended = pregame.astype(np.float64)
        mended[fitted] = np.minimum(without_running_error(*_told(rows)), attended.LONGEST)
        table = table.assign(exp_min_pregame=mended.astype(np.float32))
    return table.assign(tip_mates_exp_min=_mates_forecast(table))


def _is_fitted(table: pd.DataFrame, start: MinutesModel | None) -> np.ndarray:
    """Rows that are forecast by a fit and not by a moving average."""
    if start is not None:
        return np.ones(len(table), dtype=bool)
    dates, known = table["game_date"].to_numpy("datetime64[D]"), table["min"].notna().to_numpy()
    periods = _periods(dates, known)
    return dates >= periods[0][0] if periods else np.zeros(len(table), dtype=bool)


def _told(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Expected minutes, those played of players with some history, and days: what the running error goes by."""
    played = rows["min"].where(rows["games_before"] >= MINIMUM_HISTORY)
    day = rows["game_date"].to_numpy("datetime64[D]").astype(np.int64)
    return rows["exp_min_fitted"].to_numpy(np.float64), played.to_numpy(np.float64), day


def newest_error(features: pd.DataFrame) -> RunningError:
    """What forecasts before the day, of `add_minutes_forecasts`, were off by lately after the last of the rows."""
    return RunningError.newest(*_told(features))


def learn_earlier(features: pd.DataFrame, seed: int) -> dict[InformationLevel, MinutesModel]:
    """Models of seasons that are only learned from, for `add_minutes_forecasts` and `MinutesModel.fit` to start from.

    Args:
        features: of `add_minutes_forecasts`, of those seasons.
        seed: of the fits.
    """
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        fits = pool.map(lambda level: MinutesModel.fit(features, level, seed, effort=EARLIER), InformationLevel)
        return dict(zip(InformationLevel, fits, strict=True))


def forecast_minutes(
    features: pd.DataFrame, models: Mapping[InformationLevel, MinutesModel], squads: Squads | None = None
) -> pd.DataFrame:
    """The rows of games to be played with the forecasts of `add_minutes_forecasts`, from models fitted before them.

    All but those that nothing is forecast from and that are there for comparison.

    Args:
        features: of `build_features`, all rows of the games, since a player's minutes depend on his mates'.
        models: one a level.
        squads: that hold the rows; not needed where no network attends.
    """
    table = features.assign(exp_min_pregame=models[InformationLevel.PREGAME].predict(features))
    table = table.assign(tip_mates_exp_min=_mates_forecast(table))
    return table.assign(tip_exp_min=models[InformationLevel.TIPOFF].predict(table, squads))


def _mates_forecast(table: pd.DataFrame) -> np.ndarray:
    """Sum of the pregame forecasts of the rotation mates who take part; NaN where nobody was told to be out or in."""
    own = table["exp_min_pregame"].where(rotation.rotates(table), 0.0).astype("float64")
    mates = own.groupby([table["game_id"], table["team_id"]]).transform("sum") - own
    return mates.where(table["tip_mates_min"].notna()).to_numpy(np.float32)


def _walk_forward(
    table: pd.DataFrame,
    level: InformationLevel,
    seed: int,
    earlier: MinutesModel | None,
    remember: Remember,
    share: float,
) -> np.ndarray:
    """Forecasts of one level, float32, aligned with the table."""
    dates = table["game_date"].to_numpy("datetime64[D]")
    known = table["min"].notna().to_numpy()
    periods = _periods(dates, known)
    forecasts = table["min_ewm_10"].to_numpy(np.float32).copy()
    if earlier is not None:
        before = dates < (periods[0][0] if periods else dates.max() + 1)
        forecasts[before] = earlier.predict(table[before])

    def forecast(period: tuple[np.datetime64, np.datetime64]) -> None:
        start, end = period
        now = (dates >= start) & (dates < end)
        rows = table[known & (dates < start)]

        def fit() -> Files:
            return MinutesModel.fit(rows, level, seed, start=earlier, share=share).to_bytes()

        files = remember(f"{level.value}-{start}", _made_from(rows, level, seed, earlier, share), fit)
        forecasts[now] = MinutesModel.from_bytes(files).predict(table[now])

    # A fit runs on one thread, so that its bytes do not depend on the number of cores; the fits run side by side,
    # the largest first.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        list(pool.map(forecast, reversed(periods)))
    return forecasts


def _made_from(rows: pd.DataFrame, level: InformationLevel, seed: int, start: MinutesModel | None, share: float) -> str:
    """Fingerprint of everything that goes into a fit on these rows."""
    digest = hashlib.sha256(f"{level.value} {seed} {share}".encode())
    digest.update(_inputs(rows, tuple(dict.fromkeys((*INPUTS[level], *NETWORK_INPUTS[level])))).tobytes())
    digest.update(rows[["min", "min_ewm_10", "games_before"]].to_numpy(np.float32).tobytes())
    for content in start.to_bytes().values() if start else ():
        digest.update(content)
    return digest.hexdigest()


def _periods(dates: np.ndarray, known: np.ndarray) -> list[tuple[np.datetime64, np.datetime64]]:
    """[start, end) of each model's service: from a refit day with enough new rows before it to the next."""
    first, last = (int(str(day)[:4]) for day in (dates.min(), dates.max()))
    days = sorted(
        np.datetime64(f"{year}-{month:02d}-{day:02d}") for year in range(first, last + 1) for month, day in REFIT_DAYS
    )
    starts, needed = [], float(FIRST_FIT_ROWS)
    for start in days:
        rows = int((known & (dates < start)).sum())
        if rows >= needed and start <= dates.max():
            starts.append(start)
            needed = GROWTH * rows
    return list(pairwise([*starts, dates.max() + 1]))


def catalog() -> list[Feature]:
    """The columns of `add_minutes_forecasts`."""
    return [
        Feature("exp_min_fitted", PREGAME, "minutes", "exp_min_pregame with its running error, for comparison"),
        Feature("exp_min_pregame", PREGAME, "minutes", "expected minutes before the day, walk-forward"),
        Feature("tip_mates_exp_min", TIPOFF, "minutes", "exp_min_pregame of the rotation mates who take part, summed"),
        Feature("tip_exp_min_columns", TIPOFF, "minutes", "tip_exp_min without networks that attend, for comparison"),
        Feature("tip_exp_min", TIPOFF, "minutes", "expected minutes at tip-off, walk-forward"),
    ]
