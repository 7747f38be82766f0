"""What `statmuse ablate` does: the ablation table of the current dataset, kept with a receipt."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from statmuse_pipeline.defs.betting import priced_quotes
from statmuse_pipeline.defs.earlier import EARLIER, earlier_sums
from statmuse_pipeline.defs.forecasts import read_families, read_forecasts, read_outcomes
from statmuse_pipeline.defs.injuries import raw_transactions
from statmuse_pipeline.defs.playing import roster_members
from statmuse_pipeline.defs.pooled import KNOWN_BEFORE_TEST, dataset_rows
from statmuse_pipeline.defs.resources import Workspace
from statmuse_pipeline.defs.training import dataset_facts
from statmuse_pipeline.versions import code_version, fingerprint

if TYPE_CHECKING:
    import pandas as pd

    from statmuse_pipeline.ablations.study import Study


def ablate(workspace: Workspace, *, quick: bool = False) -> Path:
    """Measure every choice on validation, unless that was done from the same inputs; the folder of the results.

    Raises:
        PipelineError: when there is no dataset yet.
    """
    from statmuse_pipeline.sources.source import content_hash

    version, transactions = dataset_facts(workspace)["version"], raw_transactions(workspace)
    spreads = _spreads(workspace)
    players = _players(workspace, version)
    forecasts = workspace.shelf.receipt("forecasts")
    quotes = {season: workspace.shelf.receipt(f"quotes/{season}") for season in workspace.settings.seasons}
    wanted = fingerprint(
        {
            "dataset": version,
            "earlier": earlier.outputs if (earlier := workspace.shelf.receipt(EARLIER)) else {},
            "transactions": None if transactions is None else content_hash(transactions),
            "spreads": content_hash(spreads),
            "players": forecasts.outputs["families.parquet"] if forecasts and players is not None else None,
            "quotes": {season: receipt.outputs if receipt else None for season, receipt in quotes.items()},
            "stats": [stat.value for stat in workspace.stats],
            "quick": quick,
            "seed": workspace.settings.seed,
            "code": code_version(
                "ablations",
                "betting",
                "modeling",
                "calibration",
                "features",
                "participation_backtest.py",
                "evaluation",
                "defs/ablation.py",
            ),
        }
    )
    name = "ablations_quick" if quick else "ablations"
    receipt = workspace.shelf.receipt(name)
    if receipt is None or receipt.inputs != wanted:
        workspace.shelf.put(name, wanted, lambda folder: _measure(workspace, folder, players, spreads, quick))
    return workspace.shelf.folder(name)


def _measure(
    workspace: Workspace, folder: Path, players: "pd.DataFrame | None", spreads: "pd.DataFrame", quick: bool
) -> dict[str, Any]:
    import pandas as pd

    from statmuse_pipeline.ablations.spreads import measure_spreads
    from statmuse_pipeline.ablations.study import QUICK_DRAWS, Study, measure
    from statmuse_pipeline.ablations.table import markdown
    from statmuse_pipeline.evaluation.scores import DRAWS

    study = Study(
        dataset_rows(workspace, KNOWN_BEFORE_TEST),
        workspace.stats,
        seed=workspace.settings.seed,
        quick=quick,
        earlier=earlier_sums(workspace),
        tables={name: partial(_expecting, workspace, name) for name in _tables(workspace)},
        workers=workspace.settings.workers,
        progress=workspace.progress,
    )
    told = measure_spreads(study.rows, spreads, study.seed, QUICK_DRAWS if quick else DRAWS)
    told += _market(workspace, study) if players is not None else []
    parts = [measure(study, players), _playing_time(workspace, study), *([pd.DataFrame(told)] if told else [])]
    table = pd.concat(parts, ignore_index=True)
    table.to_parquet(folder / "ablations.parquet", index=False)
    (folder / "ablations.md").write_text(markdown(table))
    return {"rows": len(table)}


def _tables(workspace: Workspace) -> "tuple[str, ...]":
    """Names of the feature tables that expect something else of absences than the released one."""
    from statmuse_pipeline.ablations.choices import BOX_SCORES, LAST_GAME

    return (LAST_GAME,) if raw_transactions(workspace) is None else (LAST_GAME, BOX_SCORES)


def _expecting(workspace: Workspace, name: str) -> "pd.DataFrame":
    """The feature table without forecasts of minutes, as it is where less is known of who is likely to play."""
    from statmuse_pipeline.ablations.choices import BOX_SCORES
    from statmuse_pipeline.features.roster import roster_features
    from statmuse_pipeline.features.table import build_features
    from statmuse_pipeline.participation_backtest import known_chances
    from statmuse_pipeline.warehouse import read

    seasons = workspace.settings.seasons
    player_games, players = read.player_games(workspace.engine, seasons), read.players(workspace.engine)
    chances = None
    if name == BOX_SCORES:
        chances = known_chances(roster_features(player_games, players), workspace.settings.seed)
    return build_features(player_games, read.games(workspace.engine, seasons), players, chances=chances)


def _playing_time(workspace: Workspace, study: "Study") -> "pd.DataFrame":
    """Choices about who plays and how long."""
    import pandas as pd

    from statmuse_pipeline.ablations.playing_time import measure_absences, measure_minutes
    from statmuse_pipeline.ablations.study import QUICK_DRAWS
    from statmuse_pipeline.evaluation.scores import DRAWS
    from statmuse_pipeline.features.roster import LISTED, ROSTER_COLUMNS

    members = roster_members(workspace, dataset_facts(workspace), raw_transactions(workspace))
    members = members[members["usual_min"].notna() & members["split"].isin(KNOWN_BEFORE_TEST)]
    listed = LISTED if LISTED in members else None
    draws = QUICK_DRAWS if study.quick else DRAWS
    absences = measure_absences(members, ROSTER_COLUMNS, listed, study.seed, draws, quick=study.quick)
    return pd.DataFrame([*absences, *measure_minutes(study.rows, study.seed, draws)])


def _market(workspace: Workspace, study: "Study") -> list[dict[str, Any]]:
    """Choices about the blend, and what lines know, on quotes of train and validation; none where there are none."""
    from statmuse_pipeline.ablations.blend import measure_blend
    from statmuse_pipeline.ablations.market_lines import measure_market_lines
    from statmuse_pipeline.ablations.study import QUICK_DRAWS
    from statmuse_pipeline.betting.consensus import market_view
    from statmuse_pipeline.evaluation.scores import DRAWS

    if any(workspace.shelf.receipt(f"quotes/{season}") is None for season in workspace.settings.seasons):
        return []
    forecasts = read_forecasts(workspace).select(split="validation")
    quotes = priced_quotes(workspace, forecasts, read_outcomes(workspace, KNOWN_BEFORE_TEST))
    if quotes.empty:
        return []
    blends = measure_blend(quotes, QUICK_DRAWS if study.quick else DRAWS)
    return [*blends, *measure_market_lines(study, market_view(quotes).quotes)]


def _spreads(workspace: Workspace) -> "pd.DataFrame":
    """Spreads of the games of the warehouse; no rows where the source has none."""
    from statmuse_pipeline.sources.game_odds import read_spreads
    from statmuse_pipeline.warehouse import read
    from statmuse_pipeline.warehouse.spreads import spreads_of_games

    # Simulated games have no market: real spreads belong to real games alone.
    real = workspace.choice.source.name != "demo"
    closing, quoted = read_spreads(workspace.settings.archive if real else None)
    return spreads_of_games(closing, quoted, read.games(workspace.engine), read.teams(workspace.engine))


def _players(workspace: Workspace, version: str) -> "pd.DataFrame | None":
    """Validation means of members and ensembles; None where none were made from this dataset."""
    receipt = workspace.shelf.receipt("forecasts")
    if receipt is None or receipt.facts["dataset"] != version:
        return None
    families = read_families(workspace)
    return families[families["split"] == "validation"].drop(columns="split")
