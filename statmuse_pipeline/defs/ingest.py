"""Assets from the source to the warehouse: raw game logs and the season tables."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from statmuse_pipeline.defs.metadata import column_schema
from statmuse_pipeline.defs.partitions import ONE_RUN, SEASONS
from statmuse_pipeline.defs.resources import Workspace
from statmuse_pipeline.receipts import Receipt
from statmuse_pipeline.versions import fingerprint

if TYPE_CHECKING:
    from statmuse_pipeline.sources.source import SeasonPayload

OWNERS = ["team:pipeline"]
FRAMES = ("game_logs", "schedule", "players")

OVERLAP = timedelta(days=3)
"""How far an increment reaches back behind the last day that is covered: corrections mostly come the next day."""


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

    Of the season that is being played only the last days are asked for and merged into what is stored. With
    `DRY_RUN=1` nothing is written but an audit of what would change under `data/audit/`.
    """
    from statmuse_pipeline.warehouse.audit import audit_season, write_audit
    from statmuse_pipeline.warehouse.engine import is_there

    choice, settings = workspace.choice, workspace.settings
    if choice.demo_banner:
        context.log.warning(choice.demo_banner)
    audits: list[dict[str, Any]] = []
    seasons = sorted(context.partition_keys)
    for season in workspace.progress(seasons, len(seasons), "Fetching game logs"):
        receipt = workspace.shelf.receipt(f"raw/{season}")
        fetched = _fetch(workspace, season)
        if fetched is not None:
            payload = fetched.payload
            engine = workspace.engine if not settings.dry_run or is_there(settings.warehouse_url) else None
            audits.append(audit_season(engine, season, payload.game_logs, payload.schedule))
            if settings.dry_run:
                continue
            receipt = _store(workspace, fetched)
        assert receipt is not None
        context.add_asset_metadata({**receipt.facts, "banner": choice.demo_banner or ""}, partition_key=season)
    if audits:
        context.log.info(f"Audit: {write_audit(settings.data / 'audit', audits)}")
    if not settings.dry_run:
        yield dg.MaterializeResult(metadata={"seasons": len(seasons), "source": choice.source.name})


@dataclass(frozen=True)
class Fetched:
    """A whole season as its source has it now, the fingerprint of that, and the last day of which everyone came."""

    payload: "SeasonPayload"
    inputs: str
    covered_to: str


def _fetch(workspace: Workspace, season: str) -> Fetched | None:
    """The season as its source has it now; None when that is what is stored.

    Of a season that is being played, a live source is asked for the last days only, unless `whole_seasons` is set:
    what it gives is merged into what is stored. A dry run always fetches, to have something to audit.
    """
    from statmuse_pipeline.sources.increment import merge_increment

    source = workspace.choice.source
    receipt = workspace.shelf.receipt(f"raw/{season}")
    known = stored_season(workspace, season) if receipt and receipt.facts["source"] == source.name else None
    since = _since(workspace, season) if known else None
    if known and since:
        part = source.increment(known, since)  # type: ignore[attr-defined]
        content = merge_increment(known, part).sha256
    else:
        part, content = None, source.fingerprint(season)
    wanted = fingerprint({"source": source.name, "content": content})
    if receipt is not None and receipt.inputs == wanted and not workspace.settings.dry_run:
        return None
    part = part or source.fetch(season)
    payload = merge_increment(known, part)
    if part.player_ids is not None:
        # Single players do not cover a night: the next request goes back to the last day of which everyone came.
        inputs = fingerprint({"source": source.name, "content": payload.sha256})
        return Fetched(payload, inputs, receipt.facts["covered_to"] if receipt else "")
    return Fetched(payload, wanted, str(payload.game_logs["GAME_DATE"].max()))


def _since(workspace: Workspace, season: str) -> date | None:
    """From which day on an increment of that season is needed; None when all of it has to be fetched."""
    from statmuse_pipeline.sources.stats_nba import StatsNbaSource

    source, receipt = workspace.choice.source, workspace.shelf.receipt(f"raw/{season}")
    if not isinstance(source, StatsNbaSource) or source.client.replay or workspace.whole_seasons or receipt is None:
        return None
    return date.fromisoformat(receipt.facts["covered_to"]) - OVERLAP if source.is_running(season) else None


def changed_season(workspace: Workspace, season: str) -> str | None:
    """The fingerprint of a stored season as its source has it now, where games that are stored have changed; else None.

    While there are new games it is None: they are taken in with the same days, and so with the same corrections.
    """
    fetched = _fetch(workspace, season)
    if fetched is None or set(fetched.payload.game_logs["GAME_ID"]) - set(
        stored_season(workspace, season).game_logs["GAME_ID"]
    ):
        return None
    return fetched.inputs


def stored_season(workspace: Workspace, season: str) -> "SeasonPayload":
    """The season as it was last received.

    Raises:
        PipelineError: when it never was, or a file was altered.
    """
    import pandas as pd

    from statmuse_pipeline.sources.source import SeasonPayload

    facts = workspace.shelf.require(f"raw/{season}", made_by="statmuse sync").facts
    folder = workspace.shelf.folder(f"raw/{season}")
    return SeasonPayload(
        season=season,
        game_logs=pd.read_parquet(folder / "game_logs.parquet"),
        schedule=pd.read_parquet(folder / "schedule.parquet"),
        players=pd.read_parquet(folder / "players.parquet"),
        origin=facts["origin"],
        fetched_at=datetime.fromisoformat(facts["fetched_at"]) if facts["fetched_at"] else None,
        sha256=facts["sha256"],
    )


def _store(workspace: Workspace, fetched: Fetched) -> Receipt:
    payload = fetched.payload

    def write(folder: Path) -> dict[str, Any]:
        for frame in FRAMES:
            getattr(payload, frame).to_parquet(folder / f"{frame}.parquet", index=False)
        return {
            "source": workspace.choice.source.name,
            "origin": payload.origin,
            "fetched_at": payload.fetched_at and payload.fetched_at.isoformat(),
            "sha256": payload.sha256,
            "rows": len(payload.game_logs),
            "covered_to": fetched.covered_to,
        }

    return workspace.shelf.put(f"raw/{payload.season}", fetched.inputs, write)


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
    from statmuse_pipeline import contracts
    from statmuse_pipeline.warehouse import load, read

    seasons = sorted(context.partition_keys)
    if workspace.settings.dry_run:
        context.log.info("DRY_RUN=1: the warehouse is left as it is.")
        return
    for season in workspace.progress(seasons, len(seasons), "Loading seasons"):
        payload = stored_season(workspace, season)
        report = load.load_season(
            workspace.engine,
            source=workspace.shelf.require(f"raw/{season}", made_by="statmuse sync").facts["source"],
            season=season,
            **{name: getattr(payload, name) for name in FRAMES},
            origin=payload.origin,
            fetched_at=payload.fetched_at,
            sha256=payload.sha256,
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
