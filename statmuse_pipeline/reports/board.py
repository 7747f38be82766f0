"""The page of a night: every game's forecasts and lines, what they rest on, and how earlier nights went."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from statmuse_pipeline.domain import Combination, InformationLevel, Stat
from statmuse_pipeline.receipts import replace_file
from statmuse_pipeline.reports.page import render_page
from statmuse_pipeline.reports.tables import Cell, TableView, table_view

EASTERN = "America/New_York"

CLOCKS = {
    "live": "",
    "set": "The present moment was set by hand: this is a replay.",
    "archive": "The games come from a source that stands still: this is what could be said a minute before the first "
    "tip-off after the newest game loaded.",
}

LEVELS = {
    InformationLevel.PREGAME.value: "pregame: absences count as far as they are likely",
    InformationLevel.TIPOFF.value: "tip-off: it is known who is out",
}

LEDGER_DAYS = 14
MOST_LINES = 400

TOTAL_COLUMNS = (
    "stat", "nights", "graded", "void", "mae", "bias", "cover80", "crps", "decided_lines", "brier", "hit_rate",
    "market_lines", "brier_on_market", "market_brier", "final_brier",
)  # fmt: skip

PLAYING_TOTAL_COLUMNS = (
    "group", "nights", "asked", "absent", "brier", "brier_base", "expected", "bias", "cover80", "limited",
    "limited_said", "extended", "extended_said",
)  # fmt: skip

GLOSSARY = (
    ("Mean (80%)", "Our expected count, and the run of counts that should hold the result 80 times in 100."),
    ("Plays", "Our probability that he takes part, from box scores and what is known of injuries. Everything else is "
     "for the case that he does: a bet on a player who does not play is void."),
    ("Minutes", "Expected minutes if he plays, and the run of whole minutes that should hold them 80 times in 100."),
    ("Limited", "Probability that he plays, but less than 60% of his usual minutes: an early exit or a restriction."),
    ("Extended", "Probability that he plays at least 6 minutes more than usual: overtime, or a bigger part."),
    ("Average line", "Where nobody quotes: just above the whole part of the season average. No one offers it."),
    ("P(over)", "Our probability that the result is above the line; on the line is a push and counts as neither."),
    ("Fair", "The price, without any margin, at which a bet would neither win nor lose by our forecast alone."),
    ("EV", "Expected profit of a stake of 1 at the quoted price by our forecast alone, pushes returned. Our forecast "
     "alone has not beaten the market: read it beside the blend."),
    ("Market", "The sound books' probabilities without their margins, brought to this line and averaged."),
    ("Blend", "Market and our forecast together, with weights learned from earlier quotes."),
    ("No own model", "Served by the prior that all players share."),
    ("Void", "The player did not play: his forecasts and lines are not graded."),
)  # fmt: skip


@dataclass(frozen=True)
class BoardContext:
    """Everything that goes onto the board.

    Attributes:
        day: the game day.
        now: the moment the page is about.
        clock: what tells it, a key of CLOCKS.
        source: where games come from.
        demo_banner: a sentence to put on top in red, or None.
        teams: team id -> abbreviation.
        games: contracts.SCHEDULED_GAMES with `begins`.
        players: one row a player (`slate.players.COLUMNS`); None where nothing was forecast.
        lines: contracts.SLATE_LINES; None likewise.
        forecasts: contracts.FORECASTS; None likewise.
        inputs: input, as_of, age_hours, stale, note.
        ledger: of `warehouse.ledger.Ledger.read`, the slates' rows.
        totals: of `evaluation.grading.totals`.
        playing_totals: of `evaluation.playing_grades.playing_totals`.
    """

    day: dt.date
    now: dt.datetime
    clock: str
    source: str
    demo_banner: str | None
    teams: Mapping[int, str]
    games: pd.DataFrame
    players: pd.DataFrame | None
    lines: pd.DataFrame | None
    forecasts: pd.DataFrame | None
    inputs: pd.DataFrame
    ledger: pd.DataFrame
    totals: pd.DataFrame
    playing_totals: pd.DataFrame


@dataclass(frozen=True)
class GameView:
    """One game on the page."""

    anchor: str
    title: str
    tipoff: str
    level: str
    state: str
    note: str
    out: str
    forecasts: TableView | None
    playing: TableView | None
    quotes: TableView | None
    averages: TableView | None


def game_views(context: BoardContext) -> list[GameView]:
    """Every game as text."""
    return [_game(context, row) for row in context.games.to_dict("records")]


def only(context: BoardContext, stats: Sequence[Stat], player_id: int | None = None) -> BoardContext:
    """The board of some stats and their sums, and of one player where one is named."""
    wanted = [*stats, *(item for item in Combination if set(item.parts) <= set(stats))]

    def of_player(frame: pd.DataFrame | None) -> pd.DataFrame | None:
        return frame if frame is None or player_id is None else frame[frame["player_id"] == player_id]

    def of_stats(frame: pd.DataFrame | None) -> pd.DataFrame | None:
        return None if frame is None else frame[frame["stat"].isin(wanted)]

    players = of_player(context.players)
    games = context.games
    if players is not None and player_id is not None:
        games = games[games["game_id"].isin(players["game_id"])]
    return replace(
        context,
        games=games,
        players=players,
        lines=of_stats(of_player(context.lines)),
        forecasts=of_stats(of_player(context.forecasts)),
    )


def render_board(context: BoardContext) -> str:
    """The page as HTML: no script, no request to anywhere, the same bytes for the same context."""
    page = {
        "context": context,
        "told": CLOCKS[context.clock],
        "now": _moment(context.now),
        "figures": _figures(context),
        "inputs": _inputs(context.inputs),
        "games": game_views(context),
        "totals": table_view(context.totals, TOTAL_COLUMNS, caption="All nights so far", tones=False),
        "playing_totals": table_view(
            context.playing_totals, PLAYING_TOTAL_COLUMNS, caption="Who played and how long, all nights", tones=False
        ),
        "ledger": _ledger(context),
        "glossary": GLOSSARY,
    }
    return render_page("board.html.j2", page)


def write_board(context: BoardContext, folder: Path) -> Path:
    """Render into `<folder>/board.html`, replacing it whole.

    Raises:
        PipelineError: when the file cannot be written.
    """
    return replace_file(folder / "board.html", render_board(context).encode())


def _moment(moment: Any) -> str:
    """An Eastern time of day with its date."""
    if moment is None or pd.isna(moment):
        return "unknown"
    local = pd.Timestamp(moment).tz_convert(EASTERN)
    return f"{local:%a %d %b %Y, %I:%M %p} ET".replace(", 0", ", ")


def _age(hours: float) -> str:
    if pd.isna(hours):
        return "n/a"
    if hours < 1:
        return f"{hours * 60:.0f} min"
    return f"{hours:.0f} h" if hours < 72 else f"{hours / 24:.0f} days"


def _price(american: float) -> str:
    return "n/a" if pd.isna(american) else f"{american:+.0f}"


def _share(value: float) -> str:
    return "n/a" if pd.isna(value) else f"{value:.1%}"


def _figures(context: BoardContext) -> list[tuple[str, str, str]]:
    """Label, value and detail of the numbers at the top."""
    players, lines = context.players, context.lines
    figures = [("Games", f"{len(context.games)}", "")]
    if players is not None and lines is not None:
        flagged = int((players["flags"] != "").sum())
        figures += [
            ("Players", f"{int(players['forecast'].sum())}", f"{int((players['status'] == 'Out').sum())} out"),
            ("Quoted lines", f"{int(lines['bookmaker'].notna().sum()):,}", ""),
            ("Players with flags", f"{flagged}", "an unknown status, no own model, old inputs"),
        ]
    stale = context.inputs.loc[context.inputs["stale"], "input"]
    figures.append(("Stale inputs", f"{len(stale)}", ", ".join(stale)))
    every = context.totals[context.totals["stat"] == "all"]
    if len(every):
        row = every.iloc[0]
        nights = f"{int(row['nights'])} night{'s' if row['nights'] > 1 else ''}"
        figures.append(("Brier so far", f"{row['brier']:.4f}", f"on {int(row['decided_lines']):,} lines of {nights}"))
    return figures


def _inputs(inputs: pd.DataFrame) -> TableView:
    rows = [
        [
            Cell(row["input"]),
            Cell("stale" if row["stale"] else "current", "bad" if row["stale"] else "good"),
            Cell(_age(row["age_hours"])),
            Cell(_moment(row["as_of"]) if pd.notna(row["as_of"]) else "none"),
            Cell(row["note"]),
        ]
        for row in inputs.to_dict("records")
    ]
    return TableView("", [("Input", False), ("State", False), ("Age", True), ("As of", False), ("Why", False)], rows)


def _game(context: BoardContext, game: Mapping[Any, Any]) -> GameView:
    identity = game["game_id"]
    states = context.ledger[context.ledger["game_id"] == identity]
    players, lines, forecasts = (
        None if frame is None else frame[frame["game_id"] == identity]
        for frame in (context.players, context.lines, context.forecasts)
    )
    told = states.iloc[-1] if len(states) else None
    level = players["level"].iloc[0] if players is not None and len(players) else ""
    away, home = (context.teams.get(game[f"{side}_team_id"], "?") for side in ("away", "home"))
    return GameView(
        anchor=f"g{identity}",
        title=f"{away} @ {home}",
        tipoff=_moment(game["begins"]) if pd.notna(game["tipoff_utc"]) else "tip-off time unknown",
        level=LEVELS.get(level, ""),
        state=str(told["state"]) if told is not None else "expected",
        note=str(told["detail"]) if told is not None else "",
        out=_out(context, players),
        forecasts=_forecast_table(context, players, forecasts),
        playing=_playing_table(context, players),
        quotes=_quote_table(context, players, lines),
        averages=_average_table(players, lines),
    )


def _out(context: BoardContext, players: pd.DataFrame | None) -> str:
    if players is None:
        return ""
    out = players[players["status"] == "Out"]
    names = [
        f"{name} ({context.teams.get(team, '?')})"
        for name, team in zip(out["player_name"], out["team_id"], strict=True)
    ]
    return ", ".join(names)


def _forecast_table(
    context: BoardContext, players: pd.DataFrame | None, forecasts: pd.DataFrame | None
) -> TableView | None:
    """One row a player: mean and 80% interval of every stat, status and flags."""
    if players is None or forecasts is None or forecasts.empty:
        return None
    cells = {
        (row["player_id"], row["stat"]): f"{row['mean']:.1f} ({row['lo80']:.0f}-{row['hi80']:.0f})"
        for row in forecasts.to_dict("records")
    }
    order = forecasts[forecasts["stat"] == forecasts["stat"].iloc[0]].set_index("player_id")["mean"]
    shown = players[players["forecast"]]
    shown = shown.assign(_mean=shown["player_id"].map(order)).sort_values(
        ["is_home", "_mean"], ascending=[True, False], kind="stable"
    )
    stats = [stat.value for stat in Stat if (forecasts["stat"] == stat.value).any()]
    rows = [
        [
            Cell(row["player_name"], note=row["flags"]),
            Cell(context.teams.get(row["team_id"], "?")),
            Cell(_chance(row.get("p_plays"))),
            *(Cell(cells.get((row["player_id"], stat), "n/a")) for stat in stats),
        ]
        for row in shown.to_dict("records")
    ]
    headers = [("Player", False), ("Team", False), ("Plays", True), *((stat, True) for stat in stats)]
    return TableView("Mean and 80% interval", headers, rows)


def _playing_table(context: BoardContext, players: pd.DataFrame | None) -> TableView | None:
    """One row a player who is not out: P(plays), minutes if he does, and what else may become of his night."""
    if players is None or "exp_min" not in players:
        return None
    shown = players[players["p_plays"].gt(0) & players["exp_min"].notna()]
    if shown.empty:
        return None
    shown = shown.sort_values(["is_home", "exp_min"], ascending=[True, False], kind="stable")
    rows = [
        [
            Cell(row["player_name"]),
            Cell(context.teams.get(row["team_id"], "?")),
            Cell(_chance(row["p_plays"])),
            Cell(f"{row['exp_min']:.0f} ({row['min_lo80']:.0f}-{row['min_hi80']:.0f})"),
            *(Cell(_chance(row[name])) for name in ("p_limited", "p_extended")),
        ]
        for row in shown.to_dict("records")
    ]
    told = ("Plays", "Minutes", "Limited", "Extended")
    return TableView("Playing time", [("Player", False), ("Team", False), *((name, True) for name in told)], rows)


def _chance(value: Any) -> str:
    """A probability in whole percent; none is said to be certain that is not."""
    if value is None or pd.isna(value):
        return "n/a"
    if 0 < value < 0.005 or 0.995 <= value < 1:
        return "<1%" if value < 0.5 else ">99%"
    return f"{value:.0%}"


def _quote_table(context: BoardContext, players: pd.DataFrame | None, lines: pd.DataFrame | None) -> TableView | None:
    """One row a quoted line with the best price of each side, in the order of the players, stats and lines."""
    if players is None or lines is None:
        return None
    quoted = lines[lines["bookmaker"].notna()]
    if quoted.empty:
        return None
    names = players.set_index("player_id")["player_name"]
    headers = [
        ("Player", False), ("Line", False), ("P(over)", True), ("Market", True), ("Blend", True),
        ("Push", True), ("Fair over", True), ("Fair under", True), ("Best over", True), ("EV", True),
        ("EV, blend", True), ("Best under", True), ("EV", True), ("EV, blend", True), ("Age", True), ("Note", False),
    ]  # fmt: skip
    groups = [group for _, group in quoted.groupby(["player_id", "stat", "line"], sort=False)]
    rows = [
        [Cell(str(names.get(group["player_id"].iloc[0], "?"))), *_quoted_line(context, group)]
        for group in groups[:MOST_LINES]
    ]
    return TableView("Quoted lines", headers, rows, len(groups) - len(rows))


def _quoted_line(context: BoardContext, quotes: pd.DataFrame) -> list[Cell]:
    """What is told of one line that some books quote, but for the player."""
    newest = quotes.sort_values("captured_at").iloc[-1]
    hours = (pd.Timestamp(context.now) - newest["captured_at"]) / pd.Timedelta(hours=1)
    flags = "; ".join(sorted({flag for flag in quotes["flags"] if flag}))
    return [
        Cell(f"{newest['stat']} {newest['line']:g}"),
        *(Cell(_share(newest[name])) for name in ("p_over", "p_consensus", "p_over_final", "p_push")),
        *(Cell(_price(newest[name])) for name in ("fair_over", "fair_under")),
        *_best(quotes, "over"),
        *_best(quotes, "under"),
        Cell(_age(hours)),
        Cell(flags),
    ]


def _best(quotes: pd.DataFrame, side: str) -> list[Cell]:
    """The best price of a side with its book, its EV by our forecast alone and by the blend."""
    offers = quotes[quotes[f"ev_{side}"].notna()].sort_values([f"ev_{side}", "bookmaker"], ascending=[False, True])
    if offers.empty:
        return [Cell("n/a")] * 3
    best = offers.iloc[0]
    return [
        Cell(_price(best[f"{side}_price"]), note=best["bookmaker"]),
        *(Cell(_signed(best[name])) for name in (f"ev_{side}", f"ev_{side}_final")),
    ]


def _signed(value: float) -> str:
    return "n/a" if pd.isna(value) else f"{value:+.1%}"


def _average_table(players: pd.DataFrame | None, lines: pd.DataFrame | None) -> TableView | None:
    """One row a player: the average line of every stat that nobody quotes, with P(over)."""
    if players is None or lines is None:
        return None
    unquoted = lines[lines["bookmaker"].isna()]
    if unquoted.empty:
        return None
    cells = {
        (row["player_id"], row["stat"]): f"{row['line']:g}: {row['p_over']:.0%}" for row in unquoted.to_dict("records")
    }
    stats = [stat.value for stat in Stat if (unquoted["stat"] == stat.value).any()]
    shown = players[players["player_id"].isin(unquoted["player_id"])]
    rows = [
        [Cell(row["player_name"]), *(Cell(cells.get((row["player_id"], stat), "quoted")) for stat in stats)]
        for row in shown.to_dict("records")
    ]
    headers = [("Player", False), *((stat, True) for stat in stats)]
    return TableView("Not quoted: season-average line and P(over)", headers, rows)


def _ledger(context: BoardContext) -> TableView | None:
    """What was expected and what became of it, one row a day."""
    recent = context.ledger[context.ledger["game_day"] > context.day - dt.timedelta(days=LEDGER_DAYS)]
    if recent.empty:
        return None
    states = ("expected", "complete", "empty", "failed", "missed")
    table = pd.crosstab(recent["game_day"], recent["state"]).reindex(columns=list(states), fill_value=0)
    rows = [
        [
            Cell(f"{day:%Y-%m-%d}"),
            *(Cell(f"{row[state]}", "bad" if row[state] and state in ("failed", "missed") else "") for state in states),
        ]
        for day, row in table.sort_index(ascending=False).iterrows()
    ]
    return TableView("", [("Day", False), *((state.capitalize(), True) for state in states)], rows)
