from __future__ import annotations

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from statmuse_pipeline.domain import PipelineError
from statmuse_pipeline.evaluation.gate import run_gate
from statmuse_pipeline.reports.figures import Estimate, interval_chart
from statmuse_pipeline.reports.report import ReportContext, render_report, target_verdict, write_report
from statmuse_pipeline_tests.reports import made_up

VOID = {"meta", "link", "img", "br", "line", "circle", "polyline"}


class Page(HTMLParser):
    """Tables by caption, loads, links and text of a page; fails on tags that do not close."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.tones: dict[str, list[list[str]]] = {}
        self.loads: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self._caption = ""
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        if "id" in given:
            self.ids.append(given["id"] or "")
        if tag == "a":
            self.links.append(given.get("href") or "")
        self.loads += [given[name] or "" for name in ("src", "srcset", "data", "action", "poster") if name in given]
        if tag in {"link", "use", "image"}:
            self.loads.append(given.get("href") or "")
        if tag == "figcaption":
            self._caption = ""
        if tag == "table":
            self.tables[self._caption] = []
            self.tones[self._caption] = []
        if tag == "tr":
            self.tables[self._caption].append([])
            self.tones[self._caption].append([])
        if tag in {"td", "th"}:
            self.tables[self._caption][-1].append("")
            self.tones[self._caption][-1].append(given.get("class") or "")
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self._open and self._open[-1] in {"td", "th"}:
            self.tables[self._caption][-1][-1] += data
        if self._open and self._open[-1] == "figcaption":
            self._caption += data

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    def column(self, caption: str, header: str) -> list[str]:
        head, *rows = self.tables[caption]
        return [row[head.index(header)] for row in rows]


@pytest.fixture(scope="module")
def context() -> ReportContext:
    return made_up.full_context()


@pytest.fixture(scope="module")
def html(context: ReportContext) -> str:
    return render_report(context)


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_the_numbers_shown_are_the_numbers_given(page: Page, context: ReportContext) -> None:
    means = "Forecast means and intervals by stat"
    assert page.column(means, "Stat") == list(context.summary["stat"])
    shown = [float(text) for text in page.column(means, "RMSE ratio")]
    assert shown == pytest.approx(list(context.summary["rmse_ratio"]), abs=0.0005)
    assert [float(text) for text in page.column(means, "Bias")] == pytest.approx(
        list(context.summary["bias"]), abs=6e-4
    )
    low, high = context.summary[["rmse_ratio_lo", "rmse_ratio_hi"]].iloc[0]
    assert page.column(means, "95% interval")[0] == f"{low:.3f} to {high:.3f}"
    brier = [float(text) for text in page.column("Forecast probabilities by stat", "Ladder Brier")]
    assert brier == pytest.approx(list(context.summary["ladder_brier"]), abs=5e-5)


def test_months_of_two_splits_stay_apart_and_the_readings_of_test_are_told(page: Page, context: ReportContext) -> None:
    months = page.column("RMSE ratio by month", "Month")
    assert months == ["2024-03 train", "2024-11 validation", "2025-01 validation", "2025-01 test"]
    assert page.column("RMSE ratio by month", "PTS") == ["0.930", "0.940", "0.950", "0.960"]
    assert str(context.readings) in page.text


def test_what_intervals_hold_stands_beside_what_they_claim(page: Page) -> None:
    table = "Intervals by role, all stats"
    assert page.column(table, "Role") == ["everyone", "starter", "rotation", "bench"]
    assert page.column(table, "In 50% interval") == ["54.3%"] * 4
    assert page.column(table, "Claimed") == ["54.4%"] * 4


def test_the_gain_of_own_models_is_told_with_its_interval_and_players_by_what_they_gain(page: Page) -> None:
    table = "Gain of own models"
    assert page.column(table, "Squared error gained") == ["-0.68%", "+0.01%"] * 2
    assert page.column(table, "Turned off") == ["n/a", "8.6%"] * 2
    own = "What own models add on test, player by player"
    assert page.column(own, "Player")[0] == "Luka Dončić"
    assert page.column(own, "Served") == ["+2.1%", "+0.4%", "+0.0%", "-1.2%"]
    assert page.column(own, "95% interval")[0] == "+1.1% to +3.1%"


def test_the_error_and_the_sums_are_told_by_split_with_their_intervals(page: Page) -> None:
    table = "What the remaining error is made of"
    assert page.column(table, "Minutes") == ["27.7%"] * 16
    assert page.column(table, "Noise of events") == ["71.3%"] * 16
    assert page.column(table, "95% interval")[0] == "26.7% to 28.7%"
    assert page.column("Sums of stats on fixed lines", "Brier - joint") == ["+0.00000", "+0.00009"] * 4
    assert page.column("Sums of stats on real quotes", "Model") == ["joint", "independent"]


def test_the_key_figures_stand_at_the_top(page: Page) -> None:
    top = page.text[: page.text.index("Do the forecasts beat the market?")]
    for told in ("423", "104,641", "0.960", "0.964", "0.0775", "0.0042", "+1.4%", "-3.1% to +5.9%", "passed"):
        assert told in top
    assert "own ev>2%, 2,718 bets" in top, "the main strategy, not the luckiest one"


def test_strategies_placebos_and_reference_lines_are_kept_apart(page: Page, context: ReportContext) -> None:
    assert context.backtest_summary is not None
    real = page.column("Strategies on real quotes", "Strategy")
    placebos = page.column("Placebos on the same quotes", "Strategy")
    reference = page.column("Reference lines: not real prices", "Strategy")
    assert [*real, *placebos, *reference] == list(context.backtest_summary["strategy"])
    assert all(name.startswith("placebo: ") for name in placebos)
    assert all(name.startswith("reference: ") for name in reference)
    assert "No bookmaker offered these lines" in page.text


def test_every_strategy_is_told_whether_it_met_the_target(page: Page, context: ReportContext) -> None:
    assert context.backtest_summary is not None
    told = dict(
        zip(
            page.column("Strategies on real quotes", "Strategy"),
            page.column("Strategies on real quotes", "5% target"),
            strict=True,
        )
    )
    assert told["blend ev>2%"] == "met"
    assert told["own ev>0%"] == "not met"
    assert told["own ev>2%"] == "undecided"
    assert "is met by 1, not met by 3 and undecided for 3 at 95%" in page.text
    assert "may be luck" in page.text


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.051, 0.2, "met"), (-0.1, 0.049, "not met"), (0.01, 0.09, "undecided"), (float("nan"), 0.1, "undecided")],
)
def test_the_target_is_met_only_beyond_doubt(low: float, high: float, expected: str) -> None:
    assert target_verdict(low, high) == expected


def test_colour_is_kept_for_what_is_beyond_doubt(page: Page) -> None:
    head, *rows = page.tables["Strategies on real quotes"]
    tones = {
        row[0]: tone[head.index("ROI")]
        for row, tone in zip(rows, page.tones["Strategies on real quotes"][1:], strict=True)
    }
    assert "good" in tones["blend ev>2%"]
    assert "bad" in tones["over below average"]
    assert "good" not in tones["own ev>2%"]
    assert "bad" not in tones["own ev>0%"]
    assert not any("good" in tone for row in page.tones["Reference lines: not real prices"] for tone in row)


def test_the_market_is_said_to_be_beaten_only_when_the_interval_says_so(page: Page) -> None:
    assert "our forecast alone is worse than the bookmakers' own no-vig probability" in page.text
    assert "blended with the market is not distinguishable from" in page.text
    better = made_up.market().assign(
        model_minus_market=-0.002, model_minus_market_lo=-0.003, model_minus_market_hi=-0.001
    )
    assert "our forecast alone is better than" in Page(render_report(made_up.full_context(market=better))).text


def test_the_page_loads_nothing_from_anywhere(page: Page, html: str) -> None:
    assert page.loads
    assert all(load.startswith("data:") for load in page.loads)
    assert "script" not in page.tags
    assert "iframe" not in page.tags
    style = html[html.index("<style>") : html.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert set(re.findall(r"https?://[^\"'\s<)]+", html)) == {
        "https://www.ncpgambling.org/", "https://www.begambleaware.org/", "https://gamblersanonymous.org/",
    }  # fmt: skip


def test_the_diagrams_are_embedded_byte_for_byte(page: Page, context: ReportContext) -> None:
    pictures = [base64.b64decode(load.split(",", 1)[1]) for load in page.loads if load.startswith("data:image/png")]
    assert pictures == list(context.reliability.values())
    assert page.tags.count("svg") == 4


def test_every_jump_on_the_page_lands(page: Page) -> None:
    inside = [link[1:] for link in page.links if link.startswith("#")]
    assert len(inside) == 10
    assert set(inside) <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


def test_it_warns_and_names_help_and_promises_nothing(page: Page) -> None:
    for told in ("nothing here promises profit", "1-800-GAMBLER", "begambleaware.org", "gamblersanonymous.org"):
        assert told in page.text
    assert "archive of four seasons" in page.text
    assert "3f9ac2b7d1e0" in page.text
    assert "2025-04-13" in page.text


def test_names_are_escaped_and_shown_as_they_are(page: Page, html: str) -> None:
    assert "<script>alert('x')</script>" in page.column("Worst players", "Player")
    assert "Luka Dončić" in page.column("Worst players", "Player")
    assert "<script>" not in html
    assert page.column("Quotes whose player-game was not found", "Player") == ["O'Neal & Sons"]


def test_hostile_text_is_escaped_in_charts_titles_and_banner() -> None:
    evil = '"><script>alert(1)</script>'
    summary = made_up.backtest_summary().assign(strategy=lambda d: d["strategy"].replace("own ev>2%", evil))
    bankroll = made_up.bankroll().assign(strategy=lambda d: d["strategy"].replace("own ev>2%", evil))
    context = made_up.full_context(
        backtest_summary=summary, bankroll=bankroll, source=evil, demo_banner=evil, notes=(evil,),
        reliability={evil: made_up.diagrams()["PTS, served"]}, counts={evil: 3},
    )  # fmt: skip
    page = Page(render_report(context))
    assert "script" not in page.tags
    assert page.text.count("alert(1)") > 6


def test_the_demo_banner_is_there_for_demo_data_only(page: Page) -> None:
    sentence = "Simulated league: no real game, player or price."
    assert "Demo data." not in page.text
    demo = Page(render_report(made_up.full_context(demo_banner=sentence)))
    assert sentence in demo.text
    assert demo.text.index(sentence) < demo.text.index("Games up to")


def test_a_run_with_nothing_but_forecasts_says_what_is_missing() -> None:
    page = Page(render_report(made_up.bare_context()))
    for told in (
        "No real quotes in this run", "No bets on real quotes in this run", "No calibrators in this run",
        "No reliability diagrams", "No comparison of models", "No importance of columns", "The gate was not run",
        "No scores by player",
        "nothing here speaks about beating the market",
    ):  # fmt: skip
        assert told in page.text
    assert list(page.tables) == ["Forecast means and intervals by stat"]
    assert "nan" not in page.text.lower().replace("finance", "")


@pytest.mark.parametrize(
    "part",
    ["families", "calibration", "market", "gate", "backtest_summary", "bankroll", "exclusions", "by_book", "by_stat",
     "unresolved", "worst_players", "failures", "tuning", "months", "coverage", "absences", "minutes", "own_models",
     "own_players", "importance", "error_parts", "combinations", "combination_quotes"],
)  # fmt: skip
def test_any_single_part_may_be_missing_or_empty(part: str, context: ReportContext) -> None:
    missing = Page(render_report(replace(context, **{part: None})))
    if part != "gate":
        empty = Page(render_report(replace(context, **{part: getattr(context, part).head(0)})))
        assert empty.text == missing.text


def test_the_columns_that_weigh_most_are_shown_with_their_share(context: ReportContext) -> None:
    page = Page(render_report(context))
    assert page.column("Columns that weigh most", "Column") == ["usual_pts", "min_last"]
    assert page.column("Columns that weigh most", "Share of all weight") == ["3.1%", "20.0%"]


def test_a_run_with_reference_lines_only_claims_nothing_about_the_market() -> None:
    summary = made_up.backtest_summary()
    only = summary[summary["strategy"].str.startswith("reference: ")]
    page = Page(render_report(made_up.full_context(backtest_summary=only, market=None)))
    assert "nothing here speaks about beating the market" in page.text
    assert "Strategies on real quotes" not in page.tables
    assert "ROI on real quotes" not in page.text[: page.text.index("Do the forecasts")]


def test_a_failed_gate_is_told_at_the_top() -> None:
    ladder = pd.DataFrame([{"stat": "all", "line_set": "ladder", "rows": 9, "brier": 0.3, "ece": 0.01}])
    gate = run_gate(means=made_up.summary(), ladder=ladder)
    page = Page(render_report(made_up.full_context(gate=gate)))
    assert "failed 10 checks, 1 failed" in page.text
    assert page.column("Checks of the gate", "Passed")[0] == "no"


def test_the_same_context_gives_the_same_bytes(html: str) -> None:
    assert render_report(made_up.full_context()) == html


def test_the_file_is_replaced_whole(tmp_path: Path, context: ReportContext, html: str) -> None:
    (tmp_path / "index.html").write_text("old")
    path = write_report(context, tmp_path)
    assert path.read_text(encoding="utf-8") == html
    assert [entry.name for entry in tmp_path.iterdir()] == ["index.html"]


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path, context: ReportContext) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(PipelineError, match="cannot be written"):
        write_report(context, tmp_path / "file")


@pytest.mark.parametrize("mark", [0.8, 0.97, 1.0])
def test_values_are_printed_beside_a_mark_near_the_edge_and_not_across_it(mark: float) -> None:
    drawn = str(interval_chart([Estimate("PTS", 0.9, 0.7, 0.95)], [(mark, "baseline")], "{:.2f}".format, "ratios"))
    line = float(re.search(r'class="mark" x1="([\d.]+)"', drawn)[1])  # type: ignore[index]
    end = float(re.search(r'x="([\d.]+)" y="37" text-anchor="end">0\.90', drawn)[1])  # type: ignore[index]
    assert end < line - 4 or line < end - 110
    assert end > 200
