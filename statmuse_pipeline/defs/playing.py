"""Who plays and for how long: fitted beside the other pooled models, scored with them, asked about every night."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from statmuse_pipeline.defs.injuries import listed_members, raw_transactions
from statmuse_pipeline.defs.kept_fits import keeping
from statmuse_pipeline.defs.resources import Workspace
from statmuse_pipeline.domain import InformationLevel
from statmuse_pipeline.receipts import Receipt
from statmuse_pipeline.versions import code_version, fingerprint

if TYPE_CHECKING:
    import pandas as pd

    from statmuse_pipeline.kept_fits import Remember
    from statmuse_pipeline.modeling.absence import AbsenceModel
    from statmuse_pipeline.modeling.playing_time import MinutesShape
    from statmuse_pipeline.participation import ParticipationModels

PLAYING = "playing_time"
"""`<data>/playing_time/`: models for tonight, fitted on all games; and what earlier fits said of validation and
test, refitted every month."""

_MODELS = ("modeling/absence.py", "modeling/playing_time.py", "modeling/distribution.py")
"""What fits are made by."""

PLAIN, LISTED = "plain", "listed"
"""Models of absences that know box scores alone, and also under which status a player is listed."""


def fit_playing_time(
    workspace: Workspace, facts: Mapping[str, Any], dataset_rows: Callable[[], pd.DataFrame]
) -> Receipt:
    """Fit and store the models of playing time, unless they rest on what is there now.

    Args:
        workspace: where everything is.
        facts: of the dataset: version, validation_from, test_from.
        dataset_rows: gives the dataset's rows in the order of time, with `split`.
    """
    from statmuse_pipeline.sources.source import content_hash
    from statmuse_pipeline.warehouse.read import season_fingerprint

    transactions = raw_transactions(workspace)
    wanted = fingerprint(
        {
            "dataset": facts["version"],
            "warehouse": {
                season: season_fingerprint(workspace.engine, season) for season in workspace.settings.seasons
            },
            "transactions": None if transactions is None else content_hash(transactions),
            "code": code_version(
                *_MODELS,
                "features/roster.py",
                "participation_backtest.py",
                "defs/playing.py",
                "defs/injuries.py",
                "warehouse/people.py",
            ),
            "seed": workspace.settings.seed,
        }
    )
    receipt = workspace.shelf.receipt(PLAYING)
    if receipt is None or receipt.inputs != wanted:
        remember = keeping(workspace.shelf, "playing_time_fits", *_MODELS)

        def write(folder: Path) -> dict[str, Any]:
            members = roster_members(workspace, facts, transactions)
            return _fit(folder, members, dataset_rows(), facts, workspace.settings.seed, remember)

        receipt = workspace.shelf.put(PLAYING, wanted, write)
    return receipt


def roster_members(workspace: Workspace, facts: Mapping[str, Any], transactions: pd.DataFrame | None) -> pd.DataFrame:
    """The members of every team before every game, their split, and what they were listed as where that is known.

    Args:
        workspace: where the warehouse is.
        facts: of the dataset.
        transactions: of `injuries.raw_transactions`.
    """
    from statmuse_pipeline.warehouse import read

    player_games = read.player_games(workspace.engine, workspace.settings.seasons)
    members = listed_members(workspace, transactions, player_games, read.players(workspace.engine))
    day = members["game_date"].dt.strftime("%Y-%m-%d")
    later = day.ge(facts["validation_from"]).astype("int64") + day.ge(facts["test_from"])
    return members.assign(split=later.map(dict(enumerate(("train", "validation", "test")))).astype("str"))


def _fit(
    folder: Path, members: pd.DataFrame, rows: pd.DataFrame, facts: Mapping[str, Any], seed: int, remember: Remember
) -> dict[str, Any]:
    """Models of all games into the folder, and what earlier fits said of the members and minutes since validation."""
    import pandas as pd

    from statmuse_pipeline.participation_backtest import backtest_absences, backtest_minutes

    first = pd.Timestamp(facts["validation_from"])
    known_of = members[members["usual_min"].notna()]
    said = backtest_absences(members, first, seed, remember).reindex(known_of.index)
    kept = known_of[["game_id", "player_id", "split", "played", "missed"]].join(said)
    kept.to_parquet(folder / "members.parquet", index=False)
    backtest_minutes(rows, first, seed, remember).to_parquet(folder / "minutes.parquet", index=False)
    tonight = _models(members, rows, seed)
    shapes = {level.value: shape for level, shape in tonight.shapes.items()}
    parts: dict[str, AbsenceModel | MinutesShape] = {PLAIN: tonight.plain, **shapes}
    if tonight.listed is not None:
        parts[LISTED] = tonight.listed
    for name, model in parts.items():
        for file, content in model.to_bytes().items():
            (folder / f"{name}-{file}").write_bytes(content)
    return {"members": len(members), "absent": float(1 - members["played"].mean()), "listed": LISTED in parts}


def _models(members: pd.DataFrame, rows: pd.DataFrame, seed: int) -> ParticipationModels:
    from statmuse_pipeline.features.roster import LISTED as listed
    from statmuse_pipeline.features.roster import ROSTER_COLUMNS
    from statmuse_pipeline.modeling.absence import AbsenceModel
    from statmuse_pipeline.modeling.playing_time import MinutesShape
    from statmuse_pipeline.participation import ParticipationModels

    # Each fit runs on one thread, so that its bytes do not depend on the machine; the fits run side by side.
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        plain = pool.submit(AbsenceModel.fit, members, ROSTER_COLUMNS, seed)
        named = pool.submit(AbsenceModel.fit, members, (*ROSTER_COLUMNS, listed), seed) if listed in members else None
        shapes = {level: pool.submit(MinutesShape.fit, rows, level, seed) for level in InformationLevel}
    return ParticipationModels(
        plain=plain.result(),
        listed=named.result() if named else None,
        shapes={level: shape.result() for level, shape in shapes.items()},
    )


def read_playing_scores(workspace: Workspace) -> dict[str, pd.DataFrame]:
    """Tables `absences` and `minutes` of the metric report: validation and test, by models refitted every month."""
    import pandas as pd

    from statmuse_pipeline.evaluation.playing_time import score_absences, score_minutes

    workspace.shelf.require(PLAYING, made_by="statmuse train")
    folder = workspace.shelf.folder(PLAYING)
    return {
        "absences": score_absences(pd.read_parquet(folder / "members.parquet")),
        "minutes": score_minutes(pd.read_parquet(folder / "minutes.parquet")),
    }


def read_playing_models(workspace: Workspace) -> ParticipationModels:
    """The models of tonight.

    Raises:
        PipelineError: when they were not fitted yet.
    """
    from statmuse_pipeline.modeling import absence, playing_time
    from statmuse_pipeline.participation import ParticipationModels

    receipt = workspace.shelf.require(PLAYING, made_by="statmuse train")
    folder = workspace.shelf.folder(PLAYING)

    def files(name: str, wanted: tuple[str, ...]) -> dict[str, bytes]:
        return {file: (folder / f"{name}-{file}").read_bytes() for file in wanted}

    return ParticipationModels(
        plain=absence.AbsenceModel.from_bytes(files(PLAIN, absence.FILES)),
        listed=absence.AbsenceModel.from_bytes(files(LISTED, absence.FILES)) if receipt.facts["listed"] else None,
        shapes={
            level: playing_time.MinutesShape.from_bytes(files(level, playing_time.FILES)) for level in InformationLevel
        },
    )
