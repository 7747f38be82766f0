"""The table of the official injury report, read from PDFs laid out as the NBA's are."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statmuse_pipeline.sources.injury_report_pdf import FIELDS, STATUSES, InjuryReportTable, read_injury_report
from statmuse_pipeline.sources.source import SourceError
from statmuse_pipeline_tests.sources.injury_report_maker import HEADER, LEFTS, Layout, Row, injury_report

FIRST, SECOND = "11/05/2024", "11/06/2024"
LONG = (
    "Injury/Illness - Right Adductor; Strain that is told at such length that it takes four lines of the column, "
    "as no real one does"
)
ROWS: list[Row] = [
    (FIRST, "07:00 (ET)", "MIL@CLE", "Milwaukee Bucks", "Middleton, Khris", "Out", "Injury/Illness - Ankle; Surgery"),
    (FIRST, "07:00 (ET)", "MIL@CLE", "Milwaukee Bucks", "Antetokounmpo, Giannis", "Probable", LONG),
    (FIRST, "07:00 (ET)", "MIL@CLE", "Cleveland Cavaliers", "Porter Jr., Craig", "Questionable", "Rest"),
    (FIRST, "07:30 (ET)", "PHX@MIA", "Phoenix Suns", "", "", "NOT YET SUBMITTED"),
    (FIRST, "07:30 (ET)", "PHX@MIA", "Miami Heat", "Jovic, Nikola", "Available", "G League - On Assignment"),
    (FIRST, "10:00 (ET)", "PHI@LAC", "Philadelphia 76ers", "Oubre Jr., Kelly", "Doubtful", LONG),
    (FIRST, "10:00 (ET)", "PHI@LAC", "LA Clippers", "Leonard, Kawhi", "Out", "Injury/Illness - Knee; Inflammation"),
    (SECOND, "07:00 (ET)", "ORL@IND", "Orlando Magic", "Banchero, Paolo", "Out", "Injury/Illness - Oblique; Torn"),
    (SECOND, "07:00 (ET)", "ORL@IND", "Indiana Pacers", "", "", "NOT YET SUBMITTED"),
]  # fmt: skip


def expected(rows: list[Row]) -> list[list[str]]:
    return [list(row) for row in rows if row[5]]


def read(table: InjuryReportTable) -> list[list[str]]:
    return (
        table.rows.assign(game_date=table.rows["game_date"].dt.strftime("%m/%d/%Y"))[list(FIELDS)].to_numpy().tolist()
    )


@pytest.mark.parametrize(
    "layout",
    [
        Layout(),
        Layout(rules=False),
        Layout(indent=0.0),
        Layout(bottom=130.0),
        Layout(bottom=130.0, header_on_every_page=True),
        Layout(bottom=160.0, split_cells=True),
        Layout(bottom=130.0, rules=False),
        Layout(footer=False),
        Layout(lefts=(15.0, 90.0, 160.0, 234.0, 362.0, 486.0, 594.0)),
    ],
    ids=["one page", "no rules", "text at the border", "pages", "headers", "a reason over the page",
         "pages without rules", "no footer", "other columns"],
)  # fmt: skip
def test_every_row_is_read_whole_and_in_order(layout: Layout) -> None:
    table = read_injury_report(injury_report(ROWS, layout))
    assert read(table) == expected(ROWS)
    assert table.problems.empty
    assert table.not_submitted[["matchup", "team"]].to_numpy().tolist() == [
        ["PHX@MIA", "Phoenix Suns"], ["ORL@IND", "Indiana Pacers"],
    ]  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_report_reads_back_as_it_was_written(data: st.DataObject) -> None:
    word = st.text("abcdefghijklmnop;-", min_size=1, max_size=12)
    rows: list[Row] = []
    for matchup, teams in (
        ("MIL@CLE", ("Milwaukee Bucks", "Cleveland Cavaliers")),
        ("PHX@MIA", ("Phoenix Suns", "Miami Heat")),
    ):
        for team in teams:
            for number in range(data.draw(st.integers(1, 6))):
                reason = " ".join(data.draw(st.lists(word, min_size=1, max_size=14)))
                status = data.draw(st.sampled_from(STATUSES))
                rows.append((FIRST, "07:00 (ET)", matchup, team, f"Last{number} Jr., First", status, reason))
    bottom = data.draw(st.sampled_from([130.0, 200.0, 333.0, 540.0]))
    table = read_injury_report(injury_report(rows, Layout(bottom=bottom, split_cells=data.draw(st.booleans()))))
    assert read(table) == expected(rows)
    assert table.problems.empty


@pytest.mark.parametrize(
    ("title", "moment"),
    [
        ("Injury Report: 11/05/24 05:30 PM", dt.datetime(2024, 11, 5, 22, 30)),
        ("Injury Report: 07/01/2025 12:15 AM", dt.datetime(2025, 7, 1, 4, 15)),
        # The hour that comes twice: the later one, lest a status seem known before it was.
        ("Injury Report: 11/03/24 01:30 AM", dt.datetime(2024, 11, 3, 6, 30)),
    ],
)
def test_the_title_tells_the_moment_in_eastern_time(title: str, moment: dt.datetime) -> None:
    table = read_injury_report(injury_report(ROWS, Layout(title=title)))
    assert table.reported_at == moment.replace(tzinfo=dt.UTC)


def test_a_report_without_rows_is_one_with_nobody_in_it() -> None:
    table = read_injury_report(injury_report([]))
    assert (len(table.rows), len(table.not_submitted), len(table.problems)) == (0, 0, 0)
    assert str(table.rows["game_date"].dtype) == "datetime64[ns]"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({5: "Out of sorts"}, "unknown status 'Out of sorts'"),
        ({5: ""}, "no status"),
        ({4: "Nene"}, "the player's name is not `Last, First`"),
        ({0: "Tonight"}, "no game date"),
        ({2: "MIL v CLE"}, "no matchup"),
        ({3: ""}, "no team"),
    ],
)
def test_a_row_that_cannot_be_understood_is_listed_and_the_others_stay(changes: dict[int, str], reason: str) -> None:
    odd = ["11/07/2024", "08:00 (ET)", "DEN@LAL", "Denver Nuggets", "Murray, Jamal", "Out", "Rest"]
    for place, text in changes.items():
        odd[place] = text
    table = read_injury_report(injury_report([*ROWS, tuple(odd)]))
    assert read(table) == expected(ROWS)
    assert table.problems["reason"].tolist() == [reason]
    assert "Rest" in table.problems["text"].iloc[0]


@pytest.mark.parametrize(
    ("layout", "told"),
    [
        (Layout(header=(*HEADER[:5], "Status", "Reason")), "its columns are 'Game Date .* Player Name Status Reason'"),
        (Layout(header=(*HEADER[:3], "Player Name", "Team", *HEADER[5:])), "its columns are"),
        (Layout(header=HEADER[:6], lefts=LEFTS[:6]), "its columns are"),
        (Layout(title="Injuries of the week"), "no title with a date and a time"),
        (Layout(title="Injury Report: 31/12/24 05:30 PM"), "its title reads"),
    ],
    ids=["renamed", "swapped", "one less", "no title", "another date"],
)
def test_another_layout_is_one_clear_error(layout: Layout, told: str) -> None:
    rows = [] if len(layout.lefts) < len(LEFTS) else ROWS
    with pytest.raises(SourceError, match=f"layout of the NBA's injury report has changed .*{told}"):
        read_injury_report(injury_report(rows, layout))


def test_missing_pages_are_noticed() -> None:
    whole = injury_report(ROWS, Layout(bottom=130.0))
    assert b"/Count 1" not in whole
    one_page = injury_report(ROWS[:1], replace(Layout(), footer=False))
    with pytest.raises(SourceError, match="has 1 of 3 pages"):
        read_injury_report(injury_report(ROWS[:1], Layout(footer_text="Page 1 of 3")))
    assert read(read_injury_report(one_page)) == expected(ROWS[:1])


@pytest.mark.parametrize("kept", [0, 20, 700, 2000])
def test_a_damaged_file_is_one_clear_error(kept: int) -> None:
    with pytest.raises(SourceError):
        read_injury_report(injury_report(ROWS)[:kept])
