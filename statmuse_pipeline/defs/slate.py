"""The asset of the night: forecasts of the games to come, and the page that shows them."""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from statmuse_pipeline.defs.betting import read_quotes
from statmuse_pipeline.defs.grading import graded_forecasts, read_playing_totals, read_totals, totals_metadata
from statmuse_pipeline.defs.ingest import OWNERS
from statmuse_pipeline.defs.live import LIVE
from statmuse_pipeline.defs.metadata import markdown_table
from statmuse_pipeline.defs.night import (
    ARCHIVE,
    SLATES,
    Night,
    current_rosters,
    input_times,
    night_injuries,
    night_quotes,
    open_ledger,
    tonight,
)
from statmuse_pipeline.defs.players import REFITTED, registry_version
from statmuse_pipeline.defs.playing import PLAYING, read_playing_models
from statmuse_pipeline.defs.pooled import Pooled
from statmuse_pipeline.defs.resources import Workspace
from statmuse_pipeline.defs.upcoming import (
    earlier_rows,
    served_models,
    upcoming_features,
    upcoming_roster,
    upcoming_rotation,
    upcoming_squads,
)
from statmuse_pipeline.domain import Combination
from statmuse_pipeline.versions import code_version, fingerprint

if TYPE_CHECKING:
    import pandas as pd

    from statmuse_pipeline.combinations import Quotable
    from statmuse_pipeline.reports.board import BoardContext
    from statmuse_pipeline.slate.night import Slate
    from statmuse_pipeline.warehouse.ledger import Ledger


@dg.asset(
    deps=[graded_forecasts, "live_models", "player_calibrators", "pooled_models", "player_features", "market_quotes"],
    group_name="tonight",
    kinds={"parquet", "html"},
    owners=OWNERS,
)
def slate_forecasts(workspace: dg.ResourceParam[Workspace]) -> dg.MaterializeResult:
    """Every eligible player and stat of the next games on every quoted line, and the page `reports/board.html`.

    Forecasts are accepted only for games that have not begun; the ledger tells what was expected and what became of it.
    """
    from statmuse_pipeline.reports.board import write_board
    from statmuse_pipeline.slate.games import still_ahead
    from statmuse_pipeline.warehouse.ledger import Output

    night = tonight(workspace)
    ledger = open_ledger(workspace, night)
    announce(ledger, night)
    ahead = night.games[still_ahead(night.games, night.now)].reset_index(drop=True)
    if len(ahead):
        try:
            made = _renew(workspace, night, ahead)
        except Exception as error:
            ledger.fail(night.day, Output.SLATE, ahead["game_id"], f"{type(error).__name__}: {error}")
            raise
        ledger.complete(night.day, Output.SLATE, made)
        ledger.expect(night.day, Output.GRADES, dict.fromkeys(made))
    context = board_context(workspace, night)
    page = write_board(context, workspace.reports)
    return dg.MaterializeResult(metadata=_metadata(context, page))


def announce(ledger: "Ledger", night: Night) -> None:
    """Put what is expected of a night on the ledger, after closing what is past.

    Expected is a forecast of each game before its tip-off. Game days since the last one on the ledger on which nobody
    announced anything are put there too, and are missed at once.
    """
    from statmuse_pipeline.slate.games import eastern_day, games_of
    from statmuse_pipeline.warehouse.ledger import Output

    ledger.close()
    today = eastern_day(night.now)
    known = ledger.read(output=Output.SLATE)["game_day"]
    if len(known):
        silent = {
            day.date() for day in night.scheduled["game_date"] if known.max() < day.date() < min(today, night.day)
        }
        for day in sorted(silent):
            _announce_day(ledger, day, games_of(night.scheduled, day))
    if night.day >= today:
        _announce_day(ledger, night.day, night.games)


def _announce_day(ledger: "Ledger", day: dt.date, games: "pd.DataFrame") -> None:
    from statmuse_pipeline.slate.games import OFF, begins
    from statmuse_pipeline.warehouse.ledger import WHOLE_DAY, Output

    off = games["status"].isin(OFF)
    due = dict(zip(games["game_id"], begins(games), strict=True))
    played = {game: due[game].to_pydatetime() for game in games.loc[~off, "game_id"]}
    ledger.expect(day, Output.SLATE, played)
    ledger.empty(day, Output.SLATE, games.loc[off, "game_id"], "postponed or cancelled")
    if not played:
        ledger.empty(day, Output.SLATE, [WHOLE_DAY], "no games")


def _renew(workspace: Workspace, night: Night, ahead: "pd.DataFrame") -> dict[str, int]:
    """Make the night's forecasts anew unless they rest on what is there now; game_id -> forecasts of games ahead."""
    from statmuse_pipeline.slate.night import Slate, accepted
    from statmuse_pipeline.slate.roster import upcoming_rows, with_statuses
    from statmuse_pipeline.warehouse import read

    name = f"{SLATES}/{night.day}"
    history = read.player_games(workspace.engine)
    roster = current_rosters(workspace, night.day)
    injuries, reports = night_injuries(workspace, night, roster)
    rows = with_statuses(upcoming_rows(history, ahead, roster), injuries, night.now, reports)
    quotes = night_quotes(workspace, night, rows)
    inputs = _inputs(workspace, night, quotes, rows)
    wanted = _version(workspace, ahead, rows, quotes, inputs)
    receipt = workspace.shelf.receipt(name)
    if receipt is None or receipt.inputs != wanted:
        earlier = Slate.load(workspace.shelf.folder(name)) if receipt else None
        fresh, done = _make(workspace, night, ahead, history, rows, quotes, inputs, _transactions(injuries))
        slate = accepted(earlier, fresh, done)

        def write(folder: Path) -> dict[str, Any]:
            slate.save(folder)
            return {"forecasts": slate.counts(), "made_at": done.isoformat(), "clock": night.clock}

        receipt = workspace.shelf.put(name, wanted, write)
    counts: dict[str, int] = receipt.facts["forecasts"]
    return {game: counts[game] for game in ahead["game_id"] if game in counts}


def _make(
    workspace: Workspace,
    night: Night,
    ahead: "pd.DataFrame",
    history: "pd.DataFrame",
    rows: "pd.DataFrame",
    quotes: "pd.DataFrame",
    inputs: "pd.DataFrame",
    transactions: "pd.Series | None",
) -> "tuple[Slate, Any]":
    """Fresh forecasts of the games ahead, and the moment at which they were complete."""
    from statmuse_pipeline.combinations import Quotable, combine
    from statmuse_pipeline.features.minutes import forecast_minutes
    from statmuse_pipeline.participation import chances_before, forecast_participation
    from statmuse_pipeline.serving import forecast_upcoming
    from statmuse_pipeline.slate.lines import average_lines, price_lines
    from statmuse_pipeline.slate.night import Slate
    from statmuse_pipeline.slate.players import slate_players
    from statmuse_pipeline.slate.roster import OUT, levels

    told = rows.assign(out=rows["status"] == OUT)
    at = levels(rows, upcoming_rotation(workspace, history, ahead, rows), night.now)
    playing_models, roster = read_playing_models(workspace), upcoming_roster(workspace, history, ahead, rows)
    chances = chances_before(playing_models, roster, rows, at, transactions)
    features = upcoming_features(workspace, history, ahead, told, chances)
    players = [int(player) for player in features["player_id"]]
    models = served_models(workspace, players)
    squads = upcoming_squads(workspace, history, ahead, told, models)
    earlier = earlier_rows(workspace, players, night.day)
    forecasts = forecast_upcoming(features, earlier, models, at, workspace.stats, squads)
    quoted = [item for item in Combination if (quotes["stat"] == item).any()]
    joints = Pooled.read(workspace).known_joints if quoted else {}
    quotable = Quotable(forecasts, combine(forecasts, joints, quoted))
    market = _with_market(workspace, quotes, history, quotable)
    lines = price_lines(quotable, market, average_lines(forecasts, features), night.now)
    done = night.now if night.clock == ARCHIVE else workspace.settings.now()
    expected = forecast_minutes(features, models.minutes, squads)
    playing = forecast_participation(playing_models, roster, rows, expected, at, transactions)
    table = slate_players(rows, features, forecasts, at, _recorded(workspace, players), inputs, done, playing)
    return Slate(night.games, table, lines, inputs, forecasts), done


def _transactions(injuries: "pd.DataFrame | None") -> "pd.Series | None":
    """player_id -> status where they come from a list of transactions, of which only days are known."""
    if injuries is None or injuries.empty or "precision" not in injuries or not (injuries["precision"] == "day").all():
        return None
    return injuries.drop_duplicates("player_id", keep="last").set_index("player_id")["status"]


def _with_market(
    workspace: Workspace, quotes: "pd.DataFrame", history: "pd.DataFrame", forecasts: "Quotable"
) -> "pd.DataFrame":
    """The night's quotes with the market's view of them, learned from earlier quotes where there are some."""
    import pandas as pd

    from statmuse_pipeline.slate.market import add_market, no_weights, with_actuals

    at = forecasts.frame[["game_id", "player_id", "stat", "level"]]
    asked = quotes.drop(columns="level").merge(at, on=["game_id", "player_id", "stat"], how="inner")
    asked = asked.assign(p_over=forecasts.over(asked), p_push=forecasts.push(asked))
    receipts = [workspace.shelf.receipt(f"quotes/{season}") for season in workspace.settings.seasons]
    of_sums = asked["stat"].isin(list(Combination)).any()
    # Quotes of a season that an earlier version resolved are without those of sums.
    of_sums &= all(receipt and "combinations.parquet" in receipt.outputs for receipt in receipts)
    earlier = asked.head(0)
    if all(receipts) and len(asked):
        kinds = ("quotes", "combinations") if of_sums else ("quotes",)
        known = pd.concat([read_quotes(workspace, kind) for kind in kinds], ignore_index=True)
        earlier = with_actuals(known, history)
    weights = no_weights()
    if workspace.shelf.receipt("backtest"):
        stored = pd.read_parquet(workspace.shelf.folder("backtest") / "blend_weights.parquet")
        weights = stored if len(stored) else weights
    return add_market(asked, earlier, weights)


def _inputs(workspace: Workspace, night: Night, quotes: "pd.DataFrame", rows: "pd.DataFrame") -> "pd.DataFrame":
    from statmuse_pipeline.slate.inputs import input_ages

    times = input_times(workspace, newest_report=rows["reported_at"].max(), newest_quote=quotes["captured_at"].max())
    return input_ages(times, night.scheduled, night.day, night.now)


def _version(
    workspace: Workspace,
    ahead: "pd.DataFrame",
    rows: "pd.DataFrame",
    quotes: "pd.DataFrame",
    inputs: "pd.DataFrame",
) -> str:
    """Fingerprint of everything the night's forecasts rest on; the passing of time alone is no new forecast."""
    from statmuse_pipeline.sources.source import content_hash
    from statmuse_pipeline.warehouse.read import season_fingerprint

    seasons = workspace.settings.seasons
    features = {season: workspace.shelf.require(f"features/{season}", made_by="statmuse train") for season in seasons}
    return fingerprint(
        {
            "games": content_hash(ahead),
            "players": content_hash(rows),
            "quotes": content_hash(quotes),
            "stale": sorted(inputs.loc[inputs["stale"], "input"]),
            "features": {season: receipt.outputs for season, receipt in features.items()},
            "pooled": workspace.shelf.require("pooled", made_by="statmuse train").outputs,
            "playing": workspace.shelf.require(PLAYING, made_by="statmuse train").outputs,
            "registry": registry_version(workspace, (REFITTED, "calibrator", LIVE)),
            "warehouse": {season: season_fingerprint(workspace.engine, season) for season in seasons},
            "stats": list(workspace.stats),
            "code": code_version(
                "serving.py",
                "participation.py",
                "forecasting.py",
                "combinations.py",
                "slate",
                "features",
                "modeling",
                "betting",
            ),
        }
    )


def _recorded(workspace: Workspace, players: list[int]) -> "pd.Series":
    """player_id -> when his own models were recorded."""
    from statmuse_pipeline.registry.metadata import read_models

    recorded = read_models(workspace.engine, players, with_json=False)
    own = recorded[recorded["kind"].isin([REFITTED, LIVE]) & recorded["artefact"].notna()]
    return own.groupby("player_id")["recorded_at"].max()


def read_slate(workspace: Workspace, night: Night) -> "Slate | None":
    """What is stored of a night; None where nothing was forecast."""
    from statmuse_pipeline.slate.night import Slate

    name = f"{SLATES}/{night.day}"
    return Slate.load(workspace.shelf.folder(name)) if workspace.shelf.receipt(name) else None


def board_context(workspace: Workspace, night: Night) -> "BoardContext":
    """Everything that the board shows."""
    from statmuse_pipeline.reports.board import BoardContext
    from statmuse_pipeline.slate.games import begins
    from statmuse_pipeline.slate.inputs import input_ages
    from statmuse_pipeline.warehouse.ledger import Ledger, Output
    from statmuse_pipeline.warehouse.read import teams

    slate, known = read_slate(workspace, night), teams(workspace.engine)
    inputs = slate.inputs if slate else input_ages(input_times(workspace), night.scheduled, night.day, night.now)
    return BoardContext(
        day=night.day,
        now=night.now,
        clock=night.clock,
        source=workspace.choice.source.name,
        demo_banner=workspace.choice.demo_banner,
        teams=dict(zip(known["team_id"], known["abbreviation"], strict=True)),
        games=night.games.assign(begins=begins(night.games)),
        players=slate.players if slate else None,
        lines=slate.lines if slate else None,
        forecasts=slate.forecasts.frame if slate and slate.forecasts else None,
        inputs=inputs,
        ledger=Ledger(workspace.engine).read(output=Output.SLATE),
        totals=read_totals(workspace),
        playing_totals=read_playing_totals(workspace),
    )


def _metadata(context: "BoardContext", page: Path) -> Mapping[str, Any]:
    players, lines = context.players, context.lines
    return {
        "day": str(context.day),
        "page": dg.MetadataValue.path(page),
        "games": len(context.games),
        "players": 0 if players is None else int(players["forecast"].sum()),
        "players out": 0 if players is None else int((players["status"] == "Out").sum()),
        "players with flags": 0 if players is None else int((players["flags"] != "").sum()),
        "quoted lines": 0 if lines is None else int(lines["bookmaker"].notna().sum()),
        "stale inputs": int(context.inputs["stale"].sum()),
        "inputs": dg.MetadataValue.md(markdown_table(context.inputs)),
        **{f"so far: {name}": value for name, value in totals_metadata(context.totals, context.playing_totals).items()},
    }
