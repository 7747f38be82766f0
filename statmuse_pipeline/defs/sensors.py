"""What the daemon watches: games that are over, corrected box scores, new quotes.

Every sensor compares what there is outside with what the warehouse and the shelves hold. Nothing depends on a tick that
was missed: after a restart, or with its cursor lost, a sensor finds the same differences again, and a request carries a
run key made of the difference, so that the same one is never run twice.
"""

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg

from statmuse_pipeline.defs.abandoned import end_abandoned
from statmuse_pipeline.defs.automation import ingest
from statmuse_pipeline.defs.nightly import after_games, nightly, quotes, weekly
from statmuse_pipeline.defs.resources import Workspace
from statmuse_pipeline.settings import load_settings
from statmuse_pipeline.versions import fingerprint

if TYPE_CHECKING:
    from statmuse_pipeline.sources.stats_nba import StatsNbaSource

Requests = Iterator[dg.RunRequest | dg.SkipReason]

TICK_SECONDS = 10
"""Between two looks at the warehouse, which cost nothing; the second run follows the first so soon."""

ASK_EVERY = dt.timedelta(minutes=10)
"""Between two questions to stats.nba.com whether games are over."""

LOOK_BACK = 7
"""Days; a game that is still not over a week after its day is left to the weekly renewal."""

STATUS = dg.DefaultSensorStatus.RUNNING if load_settings().automation else dg.DefaultSensorStatus.STOPPED


@dataclass(frozen=True)
class Seen:
    """The cursor of `new_games`.

    Attributes:
        since: the first day that is not settled: with a game that is not over or not in the warehouse. Empty at first.
        asked_at: when stats.nba.com was last asked.
        missing: games that were over then and not in the warehouse.
        trained: content of the season for which the players who played were last asked to be retrained.
    """

    since: str = ""
    asked_at: str = ""
    missing: tuple[str, ...] = ()
    trained: str = ""

    @classmethod
    def parse(cls, cursor: str | None) -> "Seen":
        """The cursor as it was written; from the start where there is none."""
        told = json.loads(cursor) if cursor else {}
        return cls(**{**told, "missing": tuple(told.get("missing", ()))})

    def dump(self) -> str:
        """Text that `parse` reads."""
        return json.dumps(asdict(self))


@dg.sensor(
    jobs=[ingest, after_games],
    minimum_interval_seconds=TICK_SECONDS,
    default_status=STATUS,
    description="Final games that the warehouse lacks: one run takes them in, one retrains the players who played.",
)
def new_games(context: dg.SensorEvaluationContext, workspace: dg.ResourceParam[Workspace]) -> dg.SensorResult:
    """First the ingest of the season; once that is done, a run for just the players whose games changed."""
    seen = Seen.parse(context.cursor)
    source = _live(workspace)
    if source is None:
        return dg.SensorResult(skip_reason=f"The source {workspace.choice.source.name!r} plays no games.")
    season = source.present_season()
    if season not in workspace.settings.seasons:
        return dg.SensorResult(skip_reason=f"SEASONS ends before the season that is being played: add {season}.")
    if busy := _running(context.instance, (ingest.name, after_games.name, nightly.name, weekly.name)):
        return dg.SensorResult(skip_reason=f"{busy} is running.")
    loaded = _loaded_games(workspace, season)
    now = workspace.settings.now()
    if loaded is None:
        key = f"{season} from its start, {now:%Y-%m-%d}"
        return dg.SensorResult([dg.RunRequest(key, job_name=ingest.name, partition_key=season)], cursor=seen.dump())
    if not seen.asked_at or now - dt.datetime.fromisoformat(seen.asked_at) >= ASK_EVERY:
        seen = _ask(source, seen, loaded, now)
    missing = sorted(set(seen.missing) - set(loaded))
    if missing:
        # The last load is in the key: if these games were not published yet when it ran, the next question asks again.
        load = _last_load(workspace, season)
        key = f"{season} {fingerprint({'games': missing})[:16]} after load {load}, {now:%Y-%m-%d}"
        request = dg.RunRequest(
            key, job_name=ingest.name, partition_key=season, tags={"statmuse/new_games": str(len(missing))}
        )
        return dg.SensorResult([request], cursor=seen.dump())
    return _players(workspace, seen, season)


def _ask(source: "StatsNbaSource", seen: Seen, loaded: dict[str, str], now: dt.datetime) -> Seen:
    """The cursor after stats.nba.com was asked for the games of every day that is not settled."""
    from zoneinfo import ZoneInfo

    from statmuse_pipeline.sources.schedule_nba import todays_games

    today = now.astimezone(ZoneInfo("America/New_York")).date()
    first = dt.date.fromisoformat(seen.since or max(loaded.values(), default=today.isoformat()))
    first = max(first, today - dt.timedelta(days=LOOK_BACK))
    missing: list[str] = []
    open_days: list[dt.date] = [today]
    for day in (first + dt.timedelta(days=number) for number in range((today - first).days + 1)):
        games = todays_games(source.client, day)
        final = games.loc[games["STATUS"] == "final", "GAME_ID"]
        lacking = [str(game) for game in final if game not in loaded]
        missing += lacking
        if lacking or games["STATUS"].isin(["scheduled", "live"]).any():
            open_days.append(day)
    return Seen(min(open_days).isoformat(), now.isoformat(), tuple(sorted(missing)), seen.trained)


def _players(workspace: Workspace, seen: Seen, season: str) -> dg.SensorResult:
    """A run for just the players whose games changed since their live models were made."""
    from statmuse_pipeline.defs.live import live_versions, stale_live_players
    from statmuse_pipeline.warehouse.read import season_fingerprint

    content = season_fingerprint(workspace.engine, season)
    if content == seen.trained:
        return dg.SensorResult(skip_reason="Nothing is new.", cursor=seen.dump())
    if workspace.shelf.receipt("pooled") is None or workspace.shelf.receipt("tuning") is None:
        return dg.SensorResult(skip_reason="There are no pooled models yet: run the job weekly.", cursor=seen.dump())
    keys, versions = stale_live_players(workspace), live_versions(workspace)
    cursor = Seen(seen.since, seen.asked_at, seen.missing, content).dump()
    if not keys:
        return dg.SensorResult(skip_reason="Everyone's live models are up to date.", cursor=cursor)
    request = dg.RunRequest(
        f"players {fingerprint({key: versions[key] for key in keys})[:16]}",
        job_name=after_games.name,
        run_config={"ops": {"retrain_players": {"config": {"keys": keys}}}},
        tags={"statmuse/players": str(len(keys))},
    )
    return dg.SensorResult([request], cursor=cursor)


@dg.sensor(
    job=ingest,
    minimum_interval_seconds=6 * 3600,
    default_status=STATUS,
    description="Seasons whose content changed at the source since it was loaded, such as by a corrected box score.",
)
def corrected_box_scores(context: dg.SensorEvaluationContext, workspace: dg.ResourceParam[Workspace]) -> Requests:
    """A run for every season that its source has otherwise than the shelf; of a running one the last days are compared.

    The players whose own lines were corrected are then retrained as after new games.
    """
    from statmuse_pipeline.defs.ingest import changed_season

    if busy := _running(context.instance, (ingest.name, nightly.name, weekly.name)):
        yield dg.SkipReason(f"{busy} is running.")
        return
    for season in workspace.settings.seasons:
        if workspace.shelf.receipt(f"raw/{season}") is None:
            continue
        if changed := changed_season(workspace, season):
            yield dg.RunRequest(f"{season} {changed[:16]}", partition_key=season)


@dg.sensor(
    job=quotes,
    minimum_interval_seconds=300,
    default_status=STATUS,
    description="Quotes that came in since they were last resolved.",
)
def new_quotes(context: dg.SensorEvaluationContext, workspace: dg.ResourceParam[Workspace]) -> dg.SensorResult:
    """A run that resolves them and prices tonight's lines anew."""
    from statmuse_pipeline.defs.betting import quotes_fingerprint
    from statmuse_pipeline.sources.quote_files import QuoteFiles

    content = quotes_fingerprint(workspace)
    if content in (context.cursor, QuoteFiles(None).fingerprint()):
        return dg.SensorResult(skip_reason="No quote is new.")
    if workspace.shelf.receipt("pooled") is None or _loaded_games(workspace, workspace.settings.seasons[-1]) is None:
        return dg.SensorResult(skip_reason="Nothing is loaded and trained yet.")
    return dg.SensorResult([dg.RunRequest(f"quotes {content[:16]}")], cursor=content)


def _live(workspace: Workspace) -> "StatsNbaSource | None":
    """The source, where games are being played there."""
    from statmuse_pipeline.sources.stats_nba import StatsNbaSource

    source = workspace.choice.source
    return source if isinstance(source, StatsNbaSource) and not source.client.replay else None


def _running(instance: dg.DagsterInstance, jobs: Sequence[str]) -> str | None:
    """A job among these that is queued or running; runs of processes that are gone are ended first."""
    end_abandoned(instance)
    unfinished = [
        dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
    ]  # fmt: skip
    for run in instance.get_runs(dg.RunsFilter(statuses=unfinished)):
        if run.job_name in jobs:
            return run.job_name
    return None


def _loaded_games(workspace: Workspace, season: str) -> dict[str, str] | None:
    """Game id -> day of the season's games in the warehouse; None when the season was never loaded."""
    from statmuse_pipeline.warehouse.engine import is_there
    from statmuse_pipeline.warehouse.read import games

    if not is_there(workspace.settings.warehouse_url) or _last_load(workspace, season) == 0:
        return None
    known = games(workspace.engine, [season])
    return dict(zip(known["game_id"], known["game_date"].dt.strftime("%Y-%m-%d"), strict=True))


def _last_load(workspace: Workspace, season: str) -> int:
    """The number of the season's newest load; 0 when there was none."""
    from statmuse_pipeline.warehouse.read import last_load

    return last_load(workspace.engine, season)


SENSORS: list[Any] = [new_games, corrected_box_scores, new_quotes]


@dg.definitions
def sensors() -> dg.Definitions:
    """What the daemon watches."""
    return dg.Definitions(sensors=SENSORS)
