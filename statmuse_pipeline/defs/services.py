"""Services beside the game logs, as the settings have them: quotes and injury statuses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from statmuse_pipeline.defs.resources import Workspace

if TYPE_CHECKING:
    from statmuse_pipeline.sources.injury_reports import InjurySource
    from statmuse_pipeline.sources.odds_api_client import OddsApiClient
    from statmuse_pipeline.sources.raw_store import RawStore


def responses(workspace: Workspace) -> RawStore:
    """Every raw answer of every service."""
    from statmuse_pipeline.sources.raw_store import RawStore

    return RawStore(workspace.settings.data / "responses")


def fetched_quotes(workspace: Workspace) -> Path:
    """The folder of quotes that were fetched, for `store_quotes` and `QuoteFiles`."""
    return workspace.settings.data / "fetched_quotes"


def odds_api(workspace: Workspace) -> OddsApiClient:
    """The Odds API with the configured key, bookmakers and reserve."""
    from statmuse_pipeline.sources.odds_api_client import OddsApiClient

    settings = workspace.settings
    return OddsApiClient(
        key=settings.odds_api_key.get_secret_value() if settings.odds_api_key else "",
        base_url=settings.odds_api_url,
        regions=settings.odds_api_regions,
        bookmakers=settings.odds_api_bookmakers,
        reserve=settings.odds_api_reserve,
        store=responses(workspace),
    )


def injuries(workspace: Workspace) -> InjurySource | None:
    """The archive's transactions, the NBA's reports beside stats.nba.com; None where there are none.

    Raises:
        SourceError: when the archive's file cannot be read.
    """
    from statmuse_pipeline.sources.archive import archive_root
    from statmuse_pipeline.sources.injury_reports import ArchiveInjuries, InjuryReportClient, NbaInjuryReports

    settings, source = workspace.settings, workspace.choice.source.name
    if source == "nba_api":
        client = InjuryReportClient(base_url=settings.injury_report_url, store=responses(workspace))
        return NbaInjuryReports(client)
    if source == "archive" and settings.archive and (archive_root(settings.archive) / "injuries.parquet").is_file():
        return ArchiveInjuries(settings.archive)
    return None
