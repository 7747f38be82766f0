"""One self-contained HTML page with everything a reader needs to judge the forecasts."""

from __future__ import annotations

import contextlib
import datetime as dt
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
from markupsafe import Markup

from statmuse_pipeline.domain import PipelineError
from statmuse_pipeline.reports.figures import LINE_COLOURS, Estimate, interval_chart, line_chart, png_uri
from statmuse_pipeline.reports.page import render_page
from statmuse_pipeline.reports.tables import GLOSSARY, TableView, pivot_view, table_view

TARGET_ROI = 0.05
PLACEBO = "placebo: "
REFERENCE = "reference: "
"""Prefixes of strategy names: bets without knowledge, and bets on lines that nobody offered."""

STAKINGS = {"flat": "flat stakes", "kelly": "fractional Kelly stakes"}
WORST_ROWS = 20
TOP_COLUMNS = 25

SUMMARY_COLUMNS = (
    "stat", "rmse_ratio", "bias", "mae_ratio", "median_mae_ratio", "rmse", "mae", "rows", "coverage",
    "cover50", "cover80", "cover95",
)  # fmt: skip
PROBABILITY_COLUMNS = (
    "stat", "ladder_brier", "ladder_ece", "ladder_log_loss", "season_brier", "crps",
)  # fmt: skip
MONTH_COLUMNS = ("split", "month", "stat", "rows", "rmse_ratio", "bias", "ladder_brier")
COVERAGE_COLUMNS = (
    "role", "stat", "rows", "cover50", "claimed50", "cover80", "claimed80", "cover95", "claimed95",
)  # fmt: skip
OWN_COLUMNS = ("split", "model", "stat", "gain", "players", "better", "worse", "turned_off")
OWN_PLAYER_COLUMNS = (
    "player_name", "games", "stats_on", "gain_served", "gain_served_lo", "gain_served_hi", "gain_voting",
    "gain_stacking",
)  # fmt: skip
ERROR_COLUMNS = ("split", "stat", "rows", "mse", "minutes", "noise", "rest")
SUM_COLUMNS = ("stat", "split", "model", "rows", "ladder_brier", "ladder_brier_diff", "crps", "crps_diff")
SUM_QUOTE_COLUMNS = (
    "stat", "split", "model", "quotes", "brier_market", "brier_model", "model_minus_market", "ece_model", "overround",
)  # fmt: skip
MARKET_COLUMNS = (
    "quote_set", "stat", "quotes", "model_minus_market", "brier_model", "brier_market", "final_minus_market",
    "brier_final", "overround", "ece_model", "line_set",
)  # fmt: skip
BACKTEST_COLUMNS = (
    "strategy", "roi", "verdict", "bets", "hit_rate", "profit", "staked", "days", "max_drawdown", "sharpe", "clv",
)  # fmt: skip
PLAYER_COLUMNS = (
    "player_name", "games", "rmse_ratio", "mae_ratio", "worst_stat", "worst_rmse_ratio", "ladder_brier", "ladder_ece",
    "why",
)  # fmt: skip


class Gate(Protocol):
    """What the report shows of a gate (evaluation.gate.GateResult)."""

    @property
    def passed(self) -> bool:
        """Whether every check passed."""

    @property
    def checks(self) -> pd.DataFrame:
        """check, line_set, value, limit, passed, rows, note."""

    @property
    def failing_players(self) -> pd.DataFrame:
        """Players beyond a limit, with `why`."""


@dataclass(frozen=True)
class ReportContext:
    """Everything that goes into the report. None or empty parts are said to be missing, not made up.

    Attributes:
        source: where the games come from ("archive", "nba_api", "demo") with whatever describes it.
        generated_for: the date of the last game that is in; never the wall clock.
        dataset_version: content hash of the dataset.
        seasons: labels.
        level: information level of the forecasts that were scored.
        counts: label -> number, in the order to show, such as {"Players with models": 412}.
        summary: one row a stat: columns of `score_means` and ladder_brier, ladder_ece, ladder_log_loss,
            season_brier, crps, as far as known.
        overall: rmse_ratio, mae_ratio (means over stats), ladder_brier, ladder_ece (all lines pooled), ...
        demo_banner: a sentence to put on top in red, or None.
        cut_dates: label -> date, such as {"Validation from": ..., "Test from": ...}.
        families: stat, model, rmse_ratio [mae_ratio, bias, ladder_brier, ...], one row a stat and model.
        calibration: what calibrators did: stat, kept, reason, brier_before, brier_after, ...
        market: of `evaluation.market.score_market`.
        reliability: title -> PNG bytes of the diagrams to embed.
        gate: the verdict of the metric gate.
        backtest_summary, bankroll, exclusions, by_book, by_stat: of the backtest. Strategies whose name begins
            with "placebo: " or "reference: " are set apart.
        main_strategy: the strategy, named before looking, whose ROI stands at the top; the first, if None.
        unresolved: quotes that found no player-game: reason, quotes, ...
        worst_players: of `evaluation.players.score_players`, worst first.
        failures: player_name, stat, reason of models that could not be fitted.
        tuning: what the search for parameters found.
        months: of `evaluation.slices.by_month`.
        coverage: of `evaluation.slices.coverage_by_role`.
        absences, minutes: of `evaluation.playing_time`.
        own_models, own_players: of `evaluation.own_models`, with the split.
        combinations, combination_quotes: of sums such as points and rebounds, from every way of making them, on
            fixed lines (`evaluation.combinations.score_sum`) and on real quotes, with stat and split.
        error_parts: of `evaluation.error_split.split_error`, with split and stat.
        readings: how often the test split was read, one sentence.
        importance: name, of, level, importance, largest: what the pooled models lean on, most first.
        notes: sentences to show, such as what changed against an earlier run.
    """

    source: str
    generated_for: dt.date
    dataset_version: str
    seasons: Sequence[str]
    level: str
    counts: Mapping[str, int]
    summary: pd.DataFrame
    overall: Mapping[str, float]
    demo_banner: str | None = None
    cut_dates: Mapping[str, dt.date] = field(default_factory=dict)
    families: pd.DataFrame | None = None
    calibration: pd.DataFrame | None = None
    market: pd.DataFrame | None = None
    reliability: Mapping[str, bytes] = field(default_factory=dict)
    gate: Gate | None = None
    backtest_summary: pd.DataFrame | None = None
    main_strategy: str | None = None
    bankroll: pd.DataFrame | None = None
    exclusions: pd.DataFrame | None = None
    by_book: pd.DataFrame | None = None
    by_stat: pd.DataFrame | None = None
    unresolved: pd.DataFrame | None = None
    worst_players: pd.DataFrame | None = None
    failures: pd.DataFrame | None = None
    tuning: pd.DataFrame | None = None
    months: pd.DataFrame | None = None
    coverage: pd.DataFrame | None = None
    absences: pd.DataFrame | None = None
    minutes: pd.DataFrame | None = None
    own_models: pd.DataFrame | None = None
    own_players: pd.DataFrame | None = None
    combinations: pd.DataFrame | None = None
    combination_quotes: pd.DataFrame | None = None
    error_parts: pd.DataFrame | None = None
    readings: str | None = None
    importance: pd.DataFrame | None = None
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class KeyFigure:
    """A number at the top of the page."""

    label: str
    value: str
    detail: str
    tone: str = ""


@dataclass(frozen=True)
class Chart:
    """An SVG with the names of its lines."""

    svg: Markup
    legend: Sequence[str] = ()


def target_verdict(low: float, high: float, target: float = TARGET_ROI) -> str:
    """Whether a ROI with this 95% interval is "met", "not met" or "undecided" against the target."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return "undecided"
    return "met" if low > target else "not met" if high < target else "undecided"


def render_report(context: ReportContext) -> str:
    """The page as HTML: no script, no request to anywhere, the same bytes for the same context."""
    real, placebos, reference = _split(context.backtest_summary)
    page = {
        "context": context,
        "figures": _key_figures(context, real),
        "answer": _answer(context, real),
        "tables": {**_accuracy_tables(context), **_betting_tables(context, real, placebos, reference)},
        "charts": {**_accuracy_charts(context), **_betting_charts(context, real, placebos)},
        "diagrams": [(title, png_uri(png)) for title, png in context.reliability.items()],
        "glossary": GLOSSARY,
        "target": f"{TARGET_ROI:.0%}",
    }
    return render_page("report.html.j2", page)


def write_report(context: ReportContext, folder: Path) -> Path:
    """Render into `<folder>/index.html`, replacing it whole.

    Raises:
        PipelineError: when the file cannot be written.
    """
    path = folder / "index.html"
    html = render_report(context)
    temporary = folder / f".index.{os.getpid()}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary.write_text(html, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise PipelineError(f"The report {path} cannot be written: {error.strerror or error}.") from error
    return path


def _split(summary: pd.DataFrame | None) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Strategies on real quotes, placebos on real quotes, everything on reference lines."""
    if summary is None or summary.empty:
        return pd.DataFrame(), pd.DataFrame(), pd.DataFrame()
    verdicts = [target_verdict(*ends) for ends in zip(summary["roi_low"], summary["roi_high"], strict=True)]
    told = summary if "verdict" in summary else summary.assign(verdict=verdicts)
    names = told["strategy"].astype(str)
    reference = names.str.startswith(REFERENCE)
    placebo = names.str.startswith(PLACEBO)
    return told[~reference & ~placebo], told[placebo], told[reference]


def _figure(value: float | None, digits: int) -> str:
    return "n/a" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def _key_figures(context: ReportContext, real: pd.DataFrame) -> list[KeyFigure]:
    overall = context.overall
    figures = [KeyFigure(label, f"{count:,}", "") for label, count in context.counts.items()]
    for label, name, digits, detail in (
        ("RMSE ratio", "rmse_ratio", 3, "against the moving average, mean of the stats; below 1 is better"),
        ("MAE ratio", "mae_ratio", 3, "the same with absolute errors"),
        ("Ladder Brier", "ladder_brier", 4, "on fixed lines; 0 is perfect"),
        ("Ladder ECE", "ladder_ece", 4, "gap between probability and frequency"),
    ):
        if name in overall:
            tone = ("good" if overall[name] < 1 else "bad") if name.endswith("ratio") else ""
            figures.append(KeyFigure(label, _figure(overall[name], digits), detail, tone))
    if len(real):
        named = real[real["strategy"] == context.main_strategy]
        main = (named if len(named) else real).iloc[0]
        interval = f"95%: {main['roi_low']:+.1%} to {main['roi_high']:+.1%}"
        verdict = f"{TARGET_ROI:.0%} target {main['verdict']}"
        detail = f"{main['strategy']}, {int(main['bets']):,} bets; {interval}; {verdict}"
        figures.append(KeyFigure("ROI on real quotes", f"{main['roi']:+.1%}", detail))
    if context.gate is not None:
        passed = context.gate.passed
        failed = int((~context.gate.checks["passed"].astype(bool)).sum())
        detail = f"{len(context.gate.checks)} checks" + (f", {failed} failed" if failed else "")
        figures.append(KeyFigure("Gate", "passed" if passed else "failed", detail, "good" if passed else "bad"))
    return figures


def _answer(context: ReportContext, real: pd.DataFrame) -> list[str]:
    """Whether the forecasts beat the market, in sentences that follow from the intervals alone."""
    sentences = []
    market = context.market
    if market is not None and not market.empty and "model_minus_market_lo" in market:
        row = market[market["stat"] == "all"].iloc[0] if (market["stat"] == "all").any() else market.iloc[0]
        for label, name in (("our forecast alone", "model"), ("our forecast blended with the market", "final")):
            if f"{name}_minus_market" not in row or pd.isna(row[f"{name}_minus_market"]):
                continue
            low, high = row[f"{name}_minus_market_lo"], row[f"{name}_minus_market_hi"]
            found = "better than" if high < 0 else "worse than" if low > 0 else "not distinguishable from"
            sentences.append(
                f"On {int(row['quotes']):,} real quotes {label} is {found} the bookmakers' own no-vig probability "
                f"(difference of Brier scores {row[f'{name}_minus_market']:+.4f}, 95% {low:+.4f} to {high:+.4f})."
            )
    if len(real):
        counts = {verdict: int((real["verdict"] == verdict).sum()) for verdict in ("met", "not met", "undecided")}
        sentences.append(
            f"Of {len(real)} strategies on real quotes the target ROI of {TARGET_ROI:.0%} is met by {counts['met']}, "
            f"not met by {counts['not met']} and undecided for {counts['undecided']} at 95%."
        )
        if counts["met"] and len(real) > 1:
            sentences.append("With so many strategies tried on one season, one that looks good may be luck.")
    else:
        sentences.append(
            "There are no bets on real quotes in this run, so nothing here speaks about beating the market."
        )
    return sentences


def _accuracy_tables(context: ReportContext) -> dict[str, TableView | None]:
    gate, families = context.gate, context.families
    several = families is not None and not families.empty
    tables: dict[str, TableView | None] = {
        "summary": table_view(context.summary, SUMMARY_COLUMNS, caption="Forecast means and intervals by stat"),
        "probabilities": None,
        "market": table_view(context.market, MARKET_COLUMNS, caption="Model and market on the same real quotes"),
        "calibration": table_view(context.calibration, caption="Calibrators: before and after"),
        "families": pivot_view(families, "model", "stat", "rmse_ratio", caption="RMSE ratio by model and stat")
        if several and families is not None
        else None,
        "families_long": table_view(families, caption="All scores by stat and model"),
        "gate": table_view(gate.checks if gate else None, caption="Checks of the gate"),
        "failing_players": table_view(
            gate.failing_players if gate else None, PLAYER_COLUMNS, caption="Players beyond a limit", limit=WORST_ROWS
        ),
        **_sliced_tables(context),
        "worst_players": table_view(context.worst_players, PLAYER_COLUMNS, caption="Worst players", limit=WORST_ROWS),
        "failures": table_view(context.failures, caption="Models that could not be fitted", limit=50),
        "tuning": table_view(context.tuning, caption="Tuning"),
        "importance": table_view(context.importance, caption="Columns that weigh most", limit=TOP_COLUMNS),
    }
    if set(PROBABILITY_COLUMNS[1:]) & set(context.summary.columns):
        tables["probabilities"] = table_view(
            context.summary, PROBABILITY_COLUMNS, caption="Forecast probabilities by stat"
        )
    return tables


def _sliced_tables(context: ReportContext) -> dict[str, TableView | None]:
    """Months, roles and own models: the short form in sight, the whole behind a fold."""
    months, coverage, own, players = context.months, context.coverage, context.own_models, context.own_players
    tables: dict[str, TableView | None] = {
        "months": None,
        "months_long": table_view(months, MONTH_COLUMNS, caption="Every month and stat"),
        "coverage": None,
        "coverage_long": table_view(coverage, COVERAGE_COLUMNS, caption="Intervals by role and stat"),
        "absences": table_view(context.absences, caption="Probability of not playing"),
        "minutes": table_view(context.minutes, caption="Minutes of those who play"),
        "own_models": None,
        "own_models_long": table_view(own, OWN_COLUMNS, caption="Gain of own models by stat"),
        "own_players": None,
        "error_parts": table_view(
            context.error_parts, ERROR_COLUMNS, caption="What the remaining error is made of", tones=False
        ),
        "combinations": table_view(context.combinations, SUM_COLUMNS, caption="Sums of stats on fixed lines"),
        "combination_quotes": table_view(
            context.combination_quotes, SUM_QUOTE_COLUMNS, caption="Sums of stats on real quotes"
        ),
    }
    if months is not None and len(months):
        named = months.assign(month=months["month"] + " " + months["split"])
        tables["months"] = pivot_view(named, "month", "stat", "rmse_ratio", caption="RMSE ratio by month")
    if coverage is not None and len(coverage):
        pooled = coverage[coverage["stat"] == "all"]
        tables["coverage"] = table_view(pooled, COVERAGE_COLUMNS, caption="Intervals by role, all stats")
    if own is not None and len(own):
        tables["own_models"] = table_view(own[own["stat"] == "all"], OWN_COLUMNS, caption="Gain of own models")
    if players is not None and len(players):
        test = players[players["split"] == "test"].sort_values("gain_served", ascending=False)
        caption = "What own models add on test, player by player"
        tables["own_players"] = table_view(test, OWN_PLAYER_COLUMNS, caption=caption, limit=500)
    return tables


def _betting_tables(
    context: ReportContext, real: pd.DataFrame, placebos: pd.DataFrame, reference: pd.DataFrame
) -> dict[str, TableView | None]:
    by_stat, narrow = _split(context.by_stat), BACKTEST_COLUMNS[1:6]
    unreal = "not real prices"
    return {
        "strategies": table_view(real, BACKTEST_COLUMNS, caption="Strategies on real quotes"),
        "placebos": table_view(placebos, BACKTEST_COLUMNS, caption="Placebos on the same quotes"),
        # No green or red where nothing was on offer.
        "reference": table_view(reference, BACKTEST_COLUMNS, caption=f"Reference lines: {unreal}", tones=False),
        "by_book": table_view(_split(context.by_book)[0], ("strategy", "bookmaker", *narrow), caption="By book"),
        "by_stat": table_view(by_stat[0], ("strategy", "stat", *narrow), caption="By stat"),
        "reference_by_stat": table_view(
            by_stat[2], ("strategy", "stat", *narrow), caption=f"Reference lines by stat: {unreal}", tones=False
        ),
        "exclusions": table_view(context.exclusions, caption="Quotes left out"),
        "unresolved": table_view(
            context.unresolved, caption="Quotes whose player-game was not found", limit=WORST_ROWS
        ),
    }


def _accuracy_charts(context: ReportContext) -> dict[str, Chart]:
    summary = context.summary
    if not {"rmse_ratio_lo", "rmse_ratio_hi"} <= set(summary.columns):
        return {}
    estimates = [
        Estimate(str(row["stat"]), row["rmse_ratio"], row["rmse_ratio_lo"], row["rmse_ratio_hi"])
        for row in summary.to_dict("records")
    ]
    marks = [(1.0, "baseline")]
    return {"accuracy": Chart(interval_chart(estimates, marks, lambda x: f"{x:.3f}", "RMSE ratio by stat"))}


def _betting_charts(context: ReportContext, real: pd.DataFrame, placebos: pd.DataFrame) -> dict[str, Chart]:
    charts = {}
    told = pd.concat([real, placebos])
    if len(told):
        estimates = [
            Estimate(str(row["strategy"]), row["roi"], row["roi_low"], row["roi_high"])
            for row in told.to_dict("records")
        ]
        marks = [(0.0, "break-even"), (TARGET_ROI, f"{TARGET_ROI:.0%} target")]
        charts["roi"] = Chart(interval_chart(estimates, marks, lambda x: f"{x:+.1%}", "ROI by strategy"))
    curves = context.bankroll
    if curves is None or curves.empty:
        return charts
    curves = curves[~curves["strategy"].astype(str).str.startswith(REFERENCE)]
    stakings: Sequence[Any] = sorted(curves["staking"].unique()) if "staking" in curves else [""]
    for staking in stakings:
        part = curves[curves["staking"] == staking] if "staking" in curves else curves
        order = {name: place for place, name in enumerate(told["strategy"].unique())} if len(told) else {}
        names = sorted(part["strategy"].unique(), key=lambda name: (order.get(name, len(order)), name))[:LINE_COLOURS]
        lines = [
            (str(name), part[part["strategy"] == name].set_index("game_date")["bankroll"].astype(float))
            for name in names
        ]
        title = f"Bankroll on real quotes, {STAKINGS.get(staking, staking)}".removesuffix(", ")
        charts[title] = Chart(line_chart(lines, title), [name for name, _ in lines])
    return charts
