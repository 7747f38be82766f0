"""The asset of seasons that are only learned from: they lie before those that are loaded, forecast and judged."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from statmuse_pipeline.defs.ingest import FRAMES, OWNERS
from statmuse_pipeline.defs.resources import Workspace
from statmuse_pipeline.domain import InformationLevel, PipelineError
from statmuse_pipeline.versions import code_version, fingerprint

if TYPE_CHECKING:
    import pandas as pd

    from statmuse_pipeline.features.attention import Lesson
    from statmuse_pipeline.features.minutes import MinutesModel
    from statmuse_pipeline.modeling.ridge import RidgeSums
    from statmuse_pipeline.sources.archive import ArchiveSource

EARLIER = "earlier"

_LESSON = "tipoff-lesson.npz"
"""Player-games of those seasons, which attending networks learn from beside newer ones."""


@dg.asset(group_name="features", kinds={"xgboost"}, owners=OWNERS)
def earlier_seasons(workspace: dg.ResourceParam[Workspace]) -> dg.MaterializeResult:
    """What the archive's earlier seasons teach, from which every later fit starts: minutes models, sums of the ridge.

    Without an archive, or for the simulated league, there are none, and fits start from nothing.
    """
    archive = _archive(workspace)
    seasons = archive.earlier_seasons(workspace.settings.seasons[0]) if archive else ()
    wanted = fingerprint(
        {
            "seasons": {season: archive.fingerprint(season) for season in seasons} if archive else {},
            "code": code_version(
                "features",
                "modeling/prior.py",
                "modeling/design.py",
                "modeling/ridge.py",
                "modeling/absence.py",
                "participation_backtest.py",
                "warehouse/validation.py",
                "warehouse/load.py",
                "defs/earlier.py",
            ),
            "seed": workspace.settings.seed,
        }
    )
    receipt = workspace.shelf.receipt(EARLIER)
    if receipt is None or receipt.inputs != wanted:

        def write(folder: Path) -> dict[str, Any]:
            rows = _learn(workspace, archive, seasons, folder) if archive and seasons else 0
            return {"seasons": list(seasons), "rows": rows}

        receipt = workspace.shelf.put(EARLIER, wanted, write)
    return dg.MaterializeResult(metadata=dict(receipt.facts))


def _archive(workspace: Workspace) -> "ArchiveSource | None":
    """The configured archive; stats.nba.com may have one beside it, the simulated league's past is not the real one."""
    from statmuse_pipeline.sources.archive import ArchiveSource

    source, folder = workspace.choice.source, workspace.settings.archive
    if isinstance(source, ArchiveSource):
        return source
    return ArchiveSource(folder) if folder and source.name != "demo" else None


def _learn(workspace: Workspace, archive: "ArchiveSource", seasons: tuple[str, ...], folder: Path) -> int:
    """Writes what those seasons teach; from how many player-games."""
    from statmuse_pipeline.features.attended import lesson_of
    from statmuse_pipeline.features.minutes import NETWORK_INPUTS, add_minutes_forecasts, learn_earlier
    from statmuse_pipeline.features.roster import roster_features
    from statmuse_pipeline.features.squads import build_squads
    from statmuse_pipeline.features.table import build_features
    from statmuse_pipeline.modeling.prior import learn_sums
    from statmuse_pipeline.participation_backtest import known_chances

    seed = workspace.settings.seed
    player_games, games, players = _loaded(workspace, archive, seasons)
    # Walk-forward within those seasons, too: a ridge must learn from minutes that were forecast, not fitted.
    chances = known_chances(roster_features(player_games, players), seed)
    features = add_minutes_forecasts(build_features(player_games, games, players, chances=chances), seed)
    lesson = lesson_of(features, build_squads(player_games, players), NETWORK_INPUTS[InformationLevel.TIPOFF])
    (folder / _LESSON).write_bytes(lesson.to_bytes())
    for level, model in learn_earlier(features, seed).items():
        for name, content in model.to_bytes().items():
            (folder / f"{level.value}-{name}").write_bytes(content)
        (folder / _sums_file(level)).write_bytes(learn_sums(features, level).to_bytes())
    return len(features)


def _sums_file(level: InformationLevel) -> str:
    return f"{level.value}-ridge.npz"


def _loaded(
    workspace: Workspace, archive: "ArchiveSource", seasons: tuple[str, ...]
) -> "tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]":
    """Those seasons through the warehouse's own validation, in a warehouse that is forgotten afterwards."""
    from statmuse_pipeline.warehouse import load, read
    from statmuse_pipeline.warehouse.engine import open_warehouse

    engine = open_warehouse("sqlite://")
    for season in workspace.progress(seasons, len(seasons), "Reading earlier seasons"):
        payload = archive.fetch(season)
        load.load_season(
            engine,
            source=archive.name,
            season=season,
            **{name: getattr(payload, name) for name in FRAMES},
            origin=payload.origin,
            fetched_at=payload.fetched_at,
            sha256=payload.sha256,
        )
    return read.player_games(engine), read.games(engine), read.players(engine)


def earlier_models(workspace: Workspace) -> "dict[InformationLevel, MinutesModel]":
    """The minutes models of `earlier_seasons`; empty where there were no earlier seasons."""
    return read_minutes_models(workspace.shelf.folder(EARLIER)) if _outputs(workspace) else {}


def earlier_sums(workspace: Workspace) -> "dict[InformationLevel, RidgeSums]":
    """The sums of the ridge of `earlier_seasons`; empty where there were no earlier seasons.

    Raises:
        PipelineError: when another version learned from them, which kept no sums.
    """
    from statmuse_pipeline.modeling.ridge import RidgeSums

    outputs = _outputs(workspace)
    if not outputs:
        return {}
    if not {_sums_file(level) for level in InformationLevel} <= set(outputs):
        raise PipelineError("What earlier seasons taught was learned by another version: run `statmuse train` again.")
    folder = workspace.shelf.folder(EARLIER)
    return {level: RidgeSums.from_bytes((folder / _sums_file(level)).read_bytes()) for level in InformationLevel}


def earlier_lesson(workspace: Workspace) -> "tuple[str, Callable[[], Lesson]] | None":
    """Content hash of the player-games of `earlier_seasons`, and what reads them; None where there are none."""
    outputs = _outputs(workspace)
    if _LESSON not in outputs:
        return None

    def read() -> "Lesson":
        from statmuse_pipeline.features.attention import Lesson

        return Lesson.from_bytes((workspace.shelf.folder(EARLIER) / _LESSON).read_bytes())

    return outputs[_LESSON], read


def earlier_minutes_version(workspace: Workspace) -> dict[str, str]:
    """Content hashes of what minutes learn from in `earlier_seasons`: all of it that features rest on."""
    sums = {_sums_file(level) for level in InformationLevel}
    return {name: content for name, content in _outputs(workspace).items() if name not in sums}


def _outputs(workspace: Workspace) -> dict[str, str]:
    receipt = workspace.shelf.receipt(EARLIER)
    return dict(receipt.outputs) if receipt else {}


def read_minutes_models(folder: Path) -> "dict[InformationLevel, MinutesModel]":
    """The models of both levels, whose files lie in the folder as `<level>-<file>`.

    Raises:
        PipelineError: when they are another version's.
    """
    from statmuse_pipeline.features import attended
    from statmuse_pipeline.features.minutes import FILES, MinutesModel

    models = {}
    for level in InformationLevel:
        files = {name: folder / f"{level.value}-{name}" for name in (*FILES, attended.FILE)}
        models[level] = MinutesModel.from_bytes(
            {name: file.read_bytes() for name, file in files.items() if file.exists()}
        )
    return models
