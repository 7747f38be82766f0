"""Assets from the source to the warehouse: raw game logs and the season tables."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg

from statmuse_pipeline.defs.metadata import column_schema
from statmuse_pipeline.defs.partitions import ONE_RUN, SEASONS
from statmuse_pipeline.defs.resources import Workspace
from statmuse_pipeline.domain import PipelineError
from statmuse_pipeline.versions import code_version, fingerprint

OWNERS = ["team:pipeline"]
FRAMES = ("game_logs", "schedule", "players")


@dg.asset(
    partitions_def=SEASONS,
    backfill_policy=ONE_RUN,
    group_name="ingest",
    kinds={"parquet", "nba"},
    owners=OWNERS,
    output_required=False,
    pool="season_writer",
)
def raw_game_logs(
    context: dg.AssetExecutionContext, workspace: dg.ResourceParam[Workspace]
) -> Iterator[dg.MaterializeResult]:
    """Game logs as received, one folder a season, with source, fetch time and hash.

    With `DRY_RUN=1` nothing is written but an audit of what would change under `data/audit/`.
    """
    from statmuse_pipeline.warehouse.audit import audit_season, write_audit

    choice, settings = workspace.choice, workspace.settings
    if choice.demo_banner:
        context.log.warning(choice.demo_banner)
    audits: list[dict[str, Any]] = []
    seasons = sorted(context.partition_keys)
    for season in workspace.progress(seasons, len(seasons), "Fetching game logs"):
        wanted = fingerprint({"source": choice.source.name, "content": choice.source.fingerprint(season)})
        receipt = workspace.shelf.receipt(f"raw/{season}")
        if settings.dry_run or receipt is None or receipt.inputs != wanted:
            payload = choice.source.fetch(season)
            if not payload.complete:
                # Loading makes the warehouse equal to the payload: a part would remove the rest of the season.
                raise PipelineError(
                    f"{choice.source.name} gave only a part of {season}: nothing was changed, sync again."
                )
            engine = workspace.engine if not settings.dry_run or _warehouse_exists(settings.warehouse_url) else None
            audit = audit_season(engine, season, payload.game_logs, payload.schedule)
            audits.append(audit)
            if settings.dry_run:
                continue

            def write(folder: Path, payload: Any = payload) -> dict[str, Any]:
                for name in FRAMES:
                    getattr(payload, name).to_parquet(folder / f"{name}.parquet", index=False)
                return {
                    "source": choice.source.name,
                    "origin": payload.origin,
                    "fetched_at": payload.fetched_at and payload.fetched_at.isoformat(),
                    "sha256": payload.sha256,
                    "rows": len(payload.game_logs),
                }

            receipt = workspace.shelf.put(f"raw/{season}", wanted, write)
        assert receipt is not None
        context.add_asset_metadata({**receipt.facts, "banner": choice.demo_banner or ""}, partition_key=season)
    if audits:
        context.log.info(f"Audit: {write_audit(settings.data / 'audit', audits)}")
    if not settings.dry_run:
        yield dg.MaterializeResult(metadata={"seasons": len(seasons), "source": choice.source.name})


def _warehouse_exists(url: str) -> bool:
    """Whether there is a database to compare with; a dry run must not create one."""
    from sqlalchemy import make_url

    parsed = make_url(url)
    return parsed.get_backend_name() != "sqlite" or (bool(parsed.database) and Path(str(parsed.database)).exists())


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            name,
            deps=[raw_game_logs],
            description=description,
            group_name="ingest",
            kinds={"sql"},
            owners=OWNERS,
            skippable=True,
        )
        for name, description in {
            "player_games": "Table `player_stats`: one row a player and game.",
            "team_games": "View `team_games`: sums of the player rows, one row a team and game.",
            "players": "Table `players`: names, positions, heights, birth dates.",
        }.items()
    ],
    partitions_def=SEASONS,
    backfill_policy=ONE_RUN,
    pool="season_writer",
)
def season_tables(
    context: dg.AssetExecutionContext, workspace: dg.ResourceParam[Workspace]
) -> Iterator[dg.MaterializeResult]:
    """Validated rows in the warehouse, one transaction a season; bad rows in `quarantine` with the reason."""
    import pandas as pd

    from statmuse_pipeline import contracts
    from statmuse_pipeline.warehouse import load, read

    seasons = sorted(context.partition_keys)
    if workspace.settings.dry_run:
        context.log.info("DRY_RUN=1: the warehouse is left as it is.")
        return
    for season in workspace.progress(seasons, len(seasons), "Loading seasons"):
        receipt = workspace.shelf.require(f"raw/{season}", made_by="statmuse sync")
        facts = receipt.facts
        folder = workspace.shelf.folder(f"raw/{season}")
        frames = {name: pd.read_parquet(folder / f"{name}.parquet") for name in FRAMES}
        report = load.load_season(
            workspace.engine,
            source=facts["source"],
            season=season,
            **frames,
            origin=facts["origin"],
            fetched_at=datetime.fromisoformat(facts["fetched_at"]) if facts["fetched_at"] else None,
            sha256=facts["sha256"],
        )
        for name in ("player_games", "team_games", "players"):
            context.add_asset_metadata(
                {
                    field: int(getattr(report, field))
                    for field in ("rows", "inserted", "updated", "unchanged", "removed", "quarantined", "games")
                },
                asset_key=name,
                partition_key=season,
            )
    newest = seasons[-1:]
    tables = {
        "player_games": (read.player_games(workspace.engine, newest), contracts.PLAYER_GAMES),
        "team_games": (read.team_games(workspace.engine, newest), contracts.TEAM_GAMES),
        "players": (read.players(workspace.engine), contracts.PLAYERS),
    }
    for name, (table, contract) in tables.items():
        known = {column: f"known: {moment}" for column, moment in contracts.known_moments(contract).items()}
        yield dg.MaterializeResult(asset_key=name, metadata={"rows read": len(table), **column_schema(table, known)})


@dg.asset_check(asset="player_games", blocking=True)
def enough_players(workspace: dg.ResourceParam[Workspace]) -> dg.AssetCheckResult:
    """At least 50 players have at least 50 games, and at most 1% of the rows are in quarantine."""
    from statmuse_pipeline.warehouse.read import verify

    report = verify(workspace.engine)
    return dg.AssetCheckResult(
        passed=report.passed,
        metadata={"players with 50 games": report.players_with_enough, **report.counts, "source": report.source or ""},
    )


def features_version(workspace: Workspace, season: str) -> str:
    """Fingerprint of everything a season's features rest on: its own rows, all before it, and the code."""
    from statmuse_pipeline.warehouse.read import season_fingerprint

    seasons = [label for label in workspace.settings.seasons if label <= season]
    return fingerprint(
        {
            "seasons": {label: season_fingerprint(workspace.engine, label) for label in seasons},
            "code": code_version("features"),
            "seed": workspace.settings.seed,
        }
    )
