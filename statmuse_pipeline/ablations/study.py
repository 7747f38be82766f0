"""Every choice scored on the validation split against what is released; the test split is not asked for.

Means come from walk-forward fits over train and validation, as in production; distributions are learned on train.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from statmuse_pipeline.ablations.choices import CHOICES, PREGAME, TIPOFF, Choice
from statmuse_pipeline.ablations.families import FAMILIES, SLOW, Family, Games, released
from statmuse_pipeline.domain import EXPECTED_MINUTES, LADDER, MINIMUM_HISTORY, InformationLevel, PipelineError, Stat
from statmuse_pipeline.evaluation.combinations import sum_lines
from statmuse_pipeline.evaluation.paired import DateBootstrap, GameScores
from statmuse_pipeline.evaluation.scores import DRAWS, EVERY_STAT
from statmuse_pipeline.modeling.distribution import CountDistribution
from statmuse_pipeline.modeling.joint import COMBINATIONS, JointModel
from statmuse_pipeline.modeling.prior import FIRST_FIT_ROWS, REFIT_DAYS, RELEASED, walk_forward_all
from statmuse_pipeline.modeling.ridge import RidgeSums

RELEASED_ROW = "released"
QUICK_DRAWS = 200
_SEEN = ("min_std_10", "starter_ewm_25", "games_before")
"""What the regression of quantiles sees besides mean, minutes and the stat's own deviation."""

Scores = dict[Stat, GameScores]
Progress = Callable[[Iterable[Any], int, str], Iterator[Any]]


def _silent(items: Iterable[Any], total: int, label: str) -> Iterator[Any]:
    return iter(items)


@dataclass(frozen=True)
class Study:
    """What a study works on.

    Attributes:
        rows: feature table of train and validation with minutes forecasts and `split`, in the order of time.
        stats: which stats.
        seed: of the minutes models.
        quick: without the choices that take long, and with few bootstrap draws.
        first_fit_rows: of the walk-forward priors.
        earlier: sums of the priors' ridge from earlier seasons, a level each; empty where there are none.
        tables: other feature tables by name, without forecasts of minutes: they are made when they are asked for, and
            choices about any that is not here are left out.
        workers: threads that score.
        progress: wraps the list of the choices.
    """

    rows: pd.DataFrame
    stats: tuple[Stat, ...] = tuple(Stat)
    seed: int = 0
    quick: bool = False
    first_fit_rows: int = FIRST_FIT_ROWS
    earlier: Mapping[InformationLevel, RidgeSums] = field(default_factory=dict)
    tables: Mapping[str, Callable[[], pd.DataFrame]] = field(default_factory=dict)
    workers: int = 1
    progress: Progress = _silent
    _prepared: dict[Any, pd.DataFrame] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        found = set(self.rows["split"].unique())
        if found != {"train", "validation"}:
            raise PipelineError(f"Choices are measured on train and validation rows alone, not on {sorted(found)}.")
        if not self.rows["game_date"].is_monotonic_increasing:
            raise PipelineError("The rows of an ablation must be in the order of time.")

    @property
    def counted(self) -> npt.NDArray[np.bool_]:
        """Rows that count."""
        return ((self.rows["min"] > 0) & (self.rows["games_before"] >= MINIMUM_HISTORY)).to_numpy()

    def part(self, split: str) -> npt.NDArray[np.bool_]:
        """Rows of that split that count."""
        return self.counted & (self.rows["split"] == split).to_numpy()

    @property
    def bootstrap(self) -> DateBootstrap:
        """Over the dates of the validation rows that count."""
        dates = self.rows.loc[self.part("validation"), "game_date"]
        return DateBootstrap(dates, draws=QUICK_DRAWS if self.quick else DRAWS)

    def means(self, level: InformationLevel, choice: Choice | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Walk-forward means of all rows as released or with a choice, and the feature table they were made from."""
        table = self.rows
        if choice is not None and choice.prepare is not None:
            # The two levels of a choice follow each other and share what takes longest.
            wanted = choice.prepare, choice.table
            if wanted not in self._prepared:
                self._prepared.clear()
                self._prepared[wanted] = choice.prepare(self._table(choice.table), self.seed)
            table = self._prepared[wanted]
        settings = RELEASED if choice is None else choice.settings
        refit_days = REFIT_DAYS if choice is None else choice.refit_days
        earlier = self.earlier.get(level) if choice is None or choice.earlier else None
        means = walk_forward_all(table, level, self.stats, refit_days, self.first_fit_rows, settings, earlier)
        return means, table

    def _table(self, name: str | None) -> pd.DataFrame:
        """That feature table, or the released one: the same rows in the same order."""
        if name is None:
            return self.rows
        keys = self.rows[["game_id", "player_id", "split"]]
        return keys.merge(self.tables[name](), on=["game_id", "player_id"], how="left", validate="one_to_one")

    def games(self, stat: Stat, means: pd.DataFrame, table: pd.DataFrame, level: InformationLevel) -> Games:
        """The games of all rows."""
        columns = [*_SEEN, f"{stat.column}_std_10"]
        return Games(
            mean=means[stat.value].to_numpy(np.float64),
            minutes=table[EXPECTED_MINUTES[level]].to_numpy(np.float64),
            columns=table[columns].to_numpy(np.float64),
            actual=table[stat.column].to_numpy(np.float64),
            played=table["min"].to_numpy(np.float64),
        )


def measure(study: Study, players: pd.DataFrame | None = None) -> pd.DataFrame:
    """The ablation table.

    Args:
        study: rows and settings.
        players: means of every member and ensemble on validation (game_id, player_id, stat, own, one column a model,
            among them `prior` and `served`), or None when no player was trained.

    Returns:
        One row a choice, stat and level, and rows with stat "all": group, name, changed, level, stat, rows, rmse, crps,
        log_score, ladder_brier, over_median, over_median_true, and for the first four scores `_diff`, `_diff_lo`,
        `_diff_hi`: the difference to what is released, with its 95% interval (dates drawn with replacement, the same
        for all). Sums that nothing released forecasts directly are compared with the joint distribution.
        Rows of stat "all" average every score over the stats, in units of the base's score.

    Raises:
        PipelineError: when the rows hold other splits than train and validation, or a column is missing.
    """
    bootstrap = study.bootstrap
    means, _ = zip(*(study.means(level) for level in (PREGAME, TIPOFF)), strict=True)
    base = {
        level: _score(study, released, found, study.rows, level)
        for level, found in zip((PREGAME, TIPOFF), means, strict=True)
    }
    table = []
    for level, scores in base.items():
        told = {"group": "released", "name": RELEASED_ROW, "changed": "nothing", "level": level.value}
        table += _compared(told, scores, scores, bootstrap)
    told = {"group": "level", "name": "pregame", "changed": "who is out is not known", "level": PREGAME.value}
    table += _compared(told, base[PREGAME], base[TIPOFF], bootstrap)
    choices = [
        choice
        for choice in CHOICES
        if not (study.quick and choice.slow) and (choice.table is None or choice.table in study.tables)
    ]
    for choice in study.progress(choices, len(choices), "Choices about means"):
        found, prepared = study.means(choice.level, choice)
        scores = _score(study, released, found, prepared, choice.level)
        told = {"group": choice.group, "name": choice.name, "changed": choice.changed, "level": choice.level.value}
        table += _compared(told, scores, base[choice.level], bootstrap)
    families = [pair for pair in FAMILIES.items() if not (study.quick and pair[0] in SLOW)]
    for name, (family, changed) in study.progress(families, len(families), "Families of distributions"):
        told = {"group": "distribution", "name": name, "changed": changed, "level": TIPOFF.value}
        table += _compared(told, _score(study, family, means[1], study.rows, TIPOFF), base[TIPOFF], bootstrap)
    if set(Stat.PRA.parts) <= set(study.stats):
        table += _of_sums(study, means[1], bootstrap)
    if players is not None:
        table += _of_players(study, means[1], players)
    return pd.DataFrame(table)


def _score(study: Study, family: Family, means: pd.DataFrame, table: pd.DataFrame, level: InformationLevel) -> Scores:
    """Scores on validation of a family learned on train."""
    train, validation = study.part("train"), study.part("validation")

    def score(stat: Stat) -> GameScores:
        games = study.games(stat, means, table, level)
        judged = games.take(validation)
        forecast = family(games.take(train & np.isfinite(games.mean)), stat)(judged)
        return _of(judged.mean, forecast, judged.actual, stat)

    # Array arithmetic lets go of the interpreter, so that threads are enough; a stat gives the same numbers as alone.
    with ThreadPoolExecutor(max_workers=study.workers) as pool:
        return dict(zip(study.stats, pool.map(score, study.stats), strict=True))


def _of(mean: npt.NDArray[np.float64], forecast: CountDistribution, actual: Any, stat: Stat) -> GameScores:
    return GameScores.of(mean, forecast.survival, actual, LADDER[stat])


def _compared(told: Mapping[str, str], scores: Scores, base: Scores, bootstrap: DateBootstrap) -> list[dict[str, Any]]:
    """One row a stat and one for all of them."""
    table = []
    pairs: dict[str, tuple[GameScores, GameScores]] = {s.value: (scores[s], base[s]) for s in scores}
    if len(scores) > 1:
        pairs[EVERY_STAT] = _relative(scores, base), _relative(base, base)
    for stat, (one, other) in pairs.items():
        row = {**told, "stat": stat, **one.summary()}
        table.append({**row, **bootstrap.differences(one, other)})
    return table


def _relative(scores: Scores, base: Scores) -> GameScores:
    """Mean over the stats of every score in units of the base's mean."""

    def mean(name: str, *, unit: bool) -> npt.NDArray[np.float64]:
        parts = [
            getattr(own, name) / (getattr(base[stat], name).mean() if unit else 1.0) for stat, own in scores.items()
        ]
        return np.asarray(np.mean(parts, axis=0))

    inside = {name: mean(name, unit=True) for name in ("squared", "crps", "log_score", "brier")}
    return GameScores(**inside, **{name: mean(name, unit=False) for name in ("above_median", "was_above")})


def _of_sums(study: Study, means: pd.DataFrame, bootstrap: DateBootstrap) -> list[dict[str, Any]]:
    """Sums of points, rebounds and assists: from the joint distribution, as if independent, and modelled directly."""
    train, validation = study.part("train"), study.part("validation")
    games = {stat: study.games(stat, means, study.rows, TIPOFF) for stat in Stat.PRA.parts}
    known = train & np.isfinite([own.mean for own in games.values()]).all(axis=0)
    forecasters = {stat: released(own.take(known), stat) for stat, own in games.items()}
    joint = JointModel.fit(
        {stat: forecasters[stat](own.take(known)) for stat, own in games.items()},
        {stat: own.actual[known] for stat, own in games.items()},
    )
    judged = {stat: own.take(validation) for stat, own in games.items()}
    marginals = {stat: forecasters[stat](own) for stat, own in judged.items()}
    loadings = ", ".join(f"{stat} {a:.2f}" for stat, a in joint.loadings.items())
    ways = {
        "joint": (joint, f"one-factor copula on the marginals, loadings {loadings}"),
        "independent": (JointModel.independent(), "the parts as if independent"),
    }
    table = []
    for parts in COMBINATIONS:
        mean = np.sum([judged[stat].mean for stat in parts], axis=0)
        actual = np.sum([judged[stat].actual for stat in parts], axis=0)
        scores = {
            name: GameScores.of(mean, model.total(marginals, parts).survival, actual, sum_lines(parts))
            for name, (model, _) in ways.items()
        }
        base = scores["joint"]
        if parts == Stat.PRA.parts and Stat.PRA in study.stats:
            direct = study.games(Stat.PRA, means, study.rows, TIPOFF)
            own = direct.take(validation)
            forecast = released(direct.take(known), Stat.PRA)(own)
            base = GameScores.of(own.mean, forecast.survival, own.actual, sum_lines(parts))
        for name, (_, changed) in ways.items():
            told = {"group": "sums", "name": f"{'+'.join(parts)}, {name}", "changed": changed, "level": TIPOFF.value}
            row = {**told, "stat": "+".join(parts), **scores[name].summary()}
            table.append({**row, **bootstrap.differences(scores[name], base)})
    return table


def _of_players(study: Study, means: pd.DataFrame, players: pd.DataFrame) -> list[dict[str, Any]]:
    """Prior, members and ensembles of players with own models, against what they are served."""
    validation, train = study.part("validation"), study.part("train")
    keys = study.rows.loc[validation, ["game_id", "player_id", "game_date"]]
    wanted = players[players["stat"].isin([stat.value for stat in study.stats]) & players["own"]]
    complete = wanted.groupby(["game_id", "player_id"])["stat"].transform("size") == len(study.stats)
    wanted = wanted[complete]
    if wanted.empty:
        return []
    names = [name for name in players.columns if name not in ("game_id", "player_id", "stat", "own", "split")]
    scores: dict[str, Scores] = {name: {} for name in names}
    dates = keys["game_date"]
    for stat in study.stats:
        own = keys.merge(wanted[wanted["stat"] == stat.value], on=["game_id", "player_id"], how="left")
        rows = own["own"].notna().to_numpy()
        games = study.games(stat, means, study.rows, TIPOFF)
        forecaster, judged = released(games.take(train), stat), games.take(validation).take(rows)
        dates = own.loc[rows, "game_date"]
        for name in names:
            mean = np.maximum(own.loc[rows, name].to_numpy(np.float64), 1e-3)
            served = Games(mean, judged.minutes, judged.columns, judged.actual, judged.played)
            scores[name][stat] = _of(mean, forecaster(served), judged.actual, stat)
    bootstrap = DateBootstrap(dates, draws=QUICK_DRAWS if study.quick else DRAWS)
    table = []
    for name in names:
        plain = name.replace("_", " ")
        told = {
            "group": "player models", "name": plain, "level": TIPOFF.value,
            "changed": "nothing: players with own models alone" if name == "served" else f"{plain} instead of served",
        }  # fmt: skip
        table += _compared(told, scores[name], scores["served"], bootstrap)
    return table
