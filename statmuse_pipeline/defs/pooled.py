"""The asset of everything that is fitted on all players together, and how others read it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from statmuse_pipeline.defs.earlier import EARLIER, earlier_models, earlier_seasons, earlier_sums
from statmuse_pipeline.defs.features import attention_network
from statmuse_pipeline.defs.freshness import RENEWED_WEEKLY
from statmuse_pipeline.defs.ingest import OWNERS
from statmuse_pipeline.defs.playing import fit_playing_time
from statmuse_pipeline.defs.resources import Workspace
from statmuse_pipeline.defs.training import dataset_facts, training_dataset
from statmuse_pipeline.domain import (
    EXPECTED_MINUTES,
    LARGEST_COUNT,
    MINIMUM_HISTORY,
    InformationLevel,
    PipelineError,
    Stat,
    prior_column,
)
from statmuse_pipeline.versions import code_version, fingerprint

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from statmuse_pipeline.calibration.isotonic import IsotonicCalibrator
    from statmuse_pipeline.modeling.dispersion import DispersionModel
    from statmuse_pipeline.modeling.interval_aims import IntervalAims
    from statmuse_pipeline.modeling.joint import JointModel

KEYS = ["game_id", "player_id"]
KNOWN_BEFORE_TEST = ("train", "validation")
EVERY_SPLIT = ("train", "validation", "test")


@dg.asset(
    deps=[training_dataset, earlier_seasons],
    group_name="training",
    kinds={"scikitlearn", "xgboost"},
    owners=OWNERS,
    freshness_policy=RENEWED_WEEKLY,
)
def pooled_models(workspace: dg.ResourceParam[Workspace]) -> dg.MaterializeResult:
    """Walk-forward priors of every row; widths and pooled calibrators; playing time; models for tonight."""
    facts = dataset_facts(workspace)
    wanted = fingerprint(
        {
            "dataset": facts["version"],
            "code": code_version(
                "modeling/prior.py",
                "modeling/design.py",
                "modeling/ridge.py",
                "modeling/distribution.py",
                "modeling/dispersion.py",
                "modeling/interval_aims.py",
                "modeling/importance.py",
                "modeling/joint.py",
                "calibration",
                "features/minutes.py",
                "features/networks.py",
                "features/attended.py",
                "features/attention.py",
                "features/running_error.py",
                "defs/pooled.py",
            ),
            "earlier": earlier.outputs if (earlier := workspace.shelf.receipt(EARLIER)) else {},
            "seed": workspace.settings.seed,
        }
    )
    receipt = workspace.shelf.receipt("pooled")
    if receipt is None or receipt.inputs != wanted:
        receipt = workspace.shelf.put("pooled", wanted, lambda folder: _fit(workspace, folder))
    fit_playing_time(workspace, facts, lambda: dataset_rows(workspace, EVERY_SPLIT))
    return dg.MaterializeResult(
        metadata={"dataset": facts["version"], "calibrators": dg.MetadataValue.json(receipt.facts["decisions"])}
    )


def _fit(workspace: Workspace, folder: Path) -> dict[str, Any]:
    import pandas as pd

    from statmuse_pipeline.features.minutes import INPUTS, MinutesModel, newest_error
    from statmuse_pipeline.modeling.importance import prior_importance, tree_importance
    from statmuse_pipeline.modeling.prior import PooledPrior, walk_forward_all

    rows = dataset_rows(workspace, EVERY_SPLIT)
    stats = tuple(Stat)
    priors = rows[KEYS].copy()
    importance: list[pd.DataFrame] = []
    starts, sums = earlier_models(workspace), earlier_sums(workspace)
    for level in workspace.progress(InformationLevel, len(InformationLevel), "Walk-forward priors"):
        means = walk_forward_all(rows, level, stats, earlier=sums.get(level))
        for stat in stats:
            priors[prior_column(stat, level)] = means[stat]
        fitted = PooledPrior.fit_all(rows, stats, level, sums.get(level))
        for stat, prior in fitted.items():
            (folder / f"prior-{level.value}-{stat.column}.bin").write_bytes(prior.to_bytes())
        minutes = MinutesModel.fit(rows, level, workspace.settings.seed, start=starts.get(level))
        if level is InformationLevel.TIPOFF:
            minutes = replace(minutes, attention=attention_network(workspace, rows))
        else:
            minutes = replace(minutes, lately=newest_error(rows))
        for name, content in minutes.to_bytes().items():
            (folder / f"{level.value}-{name}").write_bytes(content)
        importance += [prior_importance(fitted.values()), tree_importance(minutes.booster, INPUTS[level], level)]
    pd.concat(importance, ignore_index=True).to_parquet(folder / "importance.parquet", index=False)
    priors.to_parquet(folder / "priors.parquet", index=False)
    shapes, decisions = _shapes(rows, priors)
    shapes["joint"] = _joints(rows, priors, Pooled.of(shapes))
    (folder / "shapes.json").write_text(json.dumps(shapes, sort_keys=True))
    return {"decisions": decisions}


def _shapes(rows: "pd.DataFrame", priors: "pd.DataFrame") -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Dispersions and aims of intervals learned on train, isotonic calibrators on validation, a stat and level each."""
    import numpy as np

    from statmuse_pipeline.calibration.isotonic import choose_calibrator
    from statmuse_pipeline.modeling.dispersion import DispersionModel
    from statmuse_pipeline.modeling.interval_aims import IntervalAims
    from statmuse_pipeline.player_calibration import ladder_pairs

    shapes: dict[str, Any] = {}
    decisions: list[dict[str, Any]] = []
    counts = ((rows["min"] > 0) & (rows["games_before"] >= MINIMUM_HISTORY)).to_numpy()
    train, validation = (counts & (rows["split"] == name).to_numpy() for name in KNOWN_BEFORE_TEST)
    for level in InformationLevel:
        minutes = rows[EXPECTED_MINUTES[level]].to_numpy(dtype=float)
        for stat in Stat:
            mean = priors[prior_column(stat, level)].to_numpy(dtype=float)
            actual = rows[stat.column].to_numpy(dtype=float)
            largest = LARGEST_COUNT[stat]
            width = DispersionModel.fit(mean[train], actual[train], minutes=minutes[train], largest=largest)
            forecast = width.distribution(mean[validation], largest, minutes[validation])
            p, y, dates = ladder_pairs(forecast, stat, actual[validation], rows["game_date"].to_numpy()[validation])
            decision = choose_calibrator(p, y, dates)
            known = train & np.isfinite(mean)
            before = width.distribution(mean[known], largest, minutes[known])
            if decision.calibrator:
                before = before.mapped(decision.calibrator)
            shapes.setdefault(level.value, {})[stat.value] = {
                "dispersion": width.to_dict(),
                "calibrator": decision.calibrator.to_dict() if decision.calibrator else None,
                "aims": IntervalAims.fit(before, actual[known], minutes[known]).to_dict(),
            }
            decisions.append(
                {
                    "level": level.value, "stat": stat.value, "kept": decision.kept, "reason": decision.reason,
                    "brier_before": decision.brier_before, "brier_after": decision.brier_after,
                }
            )  # fmt: skip
    return shapes, decisions


def _joints(rows: "pd.DataFrame", priors: "pd.DataFrame", pooled: "Pooled") -> dict[str, Any]:
    """How points, rebounds and assists go together, learned on train round the marginals as they are served."""
    import numpy as np

    from statmuse_pipeline.modeling.joint import FITTED_ROWS, MINIMUM_ROWS, PARTS, JointModel

    train = (rows["min"] > 0) & (rows["games_before"] >= MINIMUM_HISTORY) & (rows["split"] == "train")
    joints: dict[str, Any] = {}
    for level in InformationLevel:
        columns = {stat: prior_column(stat, level) for stat in PARTS}
        known = np.flatnonzero(train.to_numpy() & priors[list(columns.values())].notna().all(axis=1).to_numpy())
        games = known[:: max(1, -(-len(known) // FITTED_ROWS))]
        means, minutes = priors.iloc[games], rows[EXPECTED_MINUTES[level]].to_numpy(dtype=float)[games]
        joint = JointModel.independent()
        if len(games) >= MINIMUM_ROWS:
            joint = JointModel.fit(
                {s: pooled.distribution(means[c].to_numpy(dtype=float), s, level, minutes) for s, c in columns.items()},
                {stat: rows[stat.column].to_numpy()[games] for stat in PARTS},
            )
        joints[level.value] = joint.to_dict()
    return joints


def dataset_rows(workspace: Workspace, splits: Sequence[str]) -> "pd.DataFrame":
    """Rows of the named splits in the order of time, with a column `split`."""
    import pandas as pd

    version = dataset_facts(workspace)["version"]
    parts = workspace.remember("dataset", version, lambda: workspace.datasets.load(version)).parts()
    return pd.concat([parts[name].assign(split=name) for name in splits], ignore_index=True)


def read_history(workspace: Workspace, splits: Sequence[str]) -> "pd.DataFrame":
    """Rows of the named splits with the walk-forward priors and each player's residual history."""
    version = workspace.shelf.require("pooled", made_by="statmuse train").outputs["priors.parquet"]
    rows = workspace.remember("history", version, lambda: _history(workspace))
    return rows[rows["split"].isin(splits)].reset_index(drop=True)


def _history(workspace: Workspace) -> "pd.DataFrame":
    """Rows of all splits: the history of a row reaches back over all of them."""
    import pandas as pd

    from statmuse_pipeline.modeling.residuals import add_residual_history

    priors = pd.read_parquet(workspace.shelf.folder("pooled") / "priors.parquet")
    return add_residual_history(dataset_rows(workspace, EVERY_SPLIT).merge(priors, on=KEYS, validate="one_to_one"))


@dataclass(frozen=True)
class Pooled:
    """Shapes of predictive distributions that all players share, per information level and stat.

    Attributes:
        dispersions: how wide distributions are.
        aims: where their intervals end; what an earlier version learned has none.
        calibrators: maps of their probabilities, where one helps.
        joints: how points, rebounds and assists of one game go together; empty in what an earlier version learned.
    """

    dispersions: "Mapping[InformationLevel, Mapping[Stat, DispersionModel]]"
    aims: "Mapping[InformationLevel, Mapping[Stat, IntervalAims]]"
    calibrators: "Mapping[InformationLevel, Mapping[Stat, IsotonicCalibrator]]"
    joints: "Mapping[InformationLevel, JointModel]"

    @classmethod
    def read(cls, workspace: Workspace) -> "Pooled":
        """What `pooled_models` learned."""
        workspace.shelf.require("pooled", made_by="statmuse train")
        return cls.of(json.loads((workspace.shelf.folder("pooled") / "shapes.json").read_text()))

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> "Pooled":
        """What is written in `shapes.json`; there may be no joint distributions yet."""
        from statmuse_pipeline.calibration.isotonic import IsotonicCalibrator
        from statmuse_pipeline.modeling.dispersion import DispersionModel
        from statmuse_pipeline.modeling.interval_aims import IntervalAims
        from statmuse_pipeline.modeling.joint import JointModel

        return cls(
            {
                level: {stat: DispersionModel.from_dict(told[level.value][stat.value]["dispersion"]) for stat in Stat}
                for level in InformationLevel
            },
            {
                level: {stat: IntervalAims.from_dict(told[level.value][stat.value].get("aims", {})) for stat in Stat}
                for level in InformationLevel
            },
            {
                level: {
                    stat: IsotonicCalibrator.from_dict(content)
                    for stat in Stat
                    if (content := told[level.value][stat.value]["calibrator"])
                }
                for level in InformationLevel
            },
            {InformationLevel(level): JointModel.from_dict(joint) for level, joint in told.get("joint", {}).items()},
        )

    @property
    def known_joints(self) -> "Mapping[InformationLevel, JointModel]":
        """The joint distribution of every level.

        Raises:
            PipelineError: when there is none yet.
        """
        if not self.joints:
            raise PipelineError("Sums of stats are not learned yet: run `statmuse train` first.")
        return self.joints

    def distribution(self, mean: "np.ndarray", stat: Stat, level: InformationLevel, minutes: "np.ndarray") -> Any:
        """Calibrated predictive distributions round the given means [n], given the expected minutes [n]."""
        forecast = self.dispersions[level][stat].distribution(mean, LARGEST_COUNT[stat], minutes)
        calibrator = self.calibrators[level].get(stat)
        return forecast.mapped(calibrator) if calibrator else forecast
