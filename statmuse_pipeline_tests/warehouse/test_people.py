"""Who is meant by the names of injury reports, rosters and transactions, and that nobody else is."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from statmuse_pipeline.sources.injury_reports import ArchiveInjuries
from statmuse_pipeline.warehouse import read
from statmuse_pipeline.warehouse.engine import open_warehouse
from statmuse_pipeline.warehouse.load import LoadReport
from statmuse_pipeline.warehouse.people import PeopleResolution, resolve_people, without_returned
from statmuse_pipeline.warehouse.spelling import natural_order, normalise_name
from statmuse_pipeline_tests.warehouse.little_league import game_logs, load, rosters

NAMES = {
    11: "Nikola Šarić", 12: "Bruno Ackerman", 13: "P.J. Ackerman Jr.", 14: "Nic Claxton", 15: "Jalen Moore",
    21: "Jaylin Moore", 22: "Jay Moore", 31: "Same Name", 41: "Same Name",
}  # fmt: skip


@dataclass(frozen=True)
class League:
    """The frames that names are resolved against."""

    player_games: pd.DataFrame
    players: pd.DataFrame
    teams: pd.DataFrame

    @classmethod
    def of(cls, engine: sa.Engine) -> League:
        return cls(read.player_games(engine), read.players(engine), read.teams(engine))

    def resolve(self, listed: pd.DataFrame, roster: pd.DataFrame | None = None) -> PeopleResolution:
        return resolve_people(listed, self.player_games, self.players, self.teams, roster=roster)

    def without(self, hidden: np.ndarray) -> League:
        return replace(
            self,
            players=self.players[~self.players["player_id"].isin(hidden)],
            player_games=self.player_games[~self.player_games["player_id"].isin(hidden)],
        )


def listed(*rows: tuple[str, str, str]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["player_name", "team", "date"])
    return frame.assign(date=pd.to_datetime(frame["date"]).astype("datetime64[ns]"))


@pytest.fixture(scope="module")
def league(tmp_path_factory: pytest.TempPathFactory) -> League:
    logs = game_logs()
    logs["PLAYER_NAME"] = logs["PLAYER_ID"].map(NAMES).fillna(logs["PLAYER_NAME"])
    engine = open_warehouse(f"sqlite:///{tmp_path_factory.mktemp('people') / 'warehouse.db'}")
    load(engine, game_logs=logs, players=rosters())
    return League.of(engine)


@pytest.mark.parametrize(
    ("spelled", "team", "player_id", "method"),
    [
        ("Ackerman, Bruno", "Atlanta Hawks", 12, "exact"),
        ("Bruno Ackerman", "Hawks", 12, "exact"),
        ("Saric, Nikola", "Atlanta Hawks", 11, "normalised"),
        ("Ackerman Jr., P.J.", "Atlanta Hawks", 13, "exact"),
        ("Ackerman Jr., PJ", "Atlanta Hawks", 13, "normalised"),
        ("Ackerman, PJ", "Atlanta Hawks", 13, "normalised"),
        ("Claxton, Nicolas", "Atlanta Hawks", 14, "alias"),
        ("Somebody Claxton / Nicolas Claxton", "Hawks", 14, "alias"),
        ("Ackerman, B.", "Atlanta Hawks", 12, "shortened"),
        ("Ackerman, Brunno", "Atlanta Hawks", 12, "fuzzy"),
        ("Ackerman, Bruno", "", 12, "exact"),
        ("Ackerman, Bruno", "Seattle SuperSonics", 12, "exact"),
        ("Name, Same", "Chicago Bulls", 31, "exact"),
        ("Name, Same", "LA Clippers", 41, "exact"),
        ("Name, Same", "Los Angeles Clippers", 41, "exact"),
    ],
)
def test_a_name_is_understood_in_either_order_by_the_first_method_that_knows_it(
    league: League, spelled: str, team: str, player_id: int, method: str
) -> None:
    result = league.resolve(listed((spelled, team, "2023-11-03")))
    assert result.resolved[["player_name", "player_id", "method"]].to_numpy().tolist() == [[spelled, player_id, method]]
    assert result.unresolved.empty
    decision = result.decisions.iloc[0]
    assert (decision["player_name"], decision["player_id"], decision["method"], decision["rows"]) == (
        spelled, player_id, method, 1,
    )  # fmt: skip
    assert 0 < decision["score"] <= 100


@pytest.mark.parametrize(
    ("spelled", "team", "day", "reason"),
    [
        ("Else, Somebody", "Atlanta Hawks", "2023-11-03", "unknown player"),
        ("Ackerman, B.", "", "2023-11-03", "unknown player"),
        ("Ackerman, Brunno", "Boston Celtics", "2023-11-03", "unknown player"),
        ("Moore, Jalin", "Atlanta Hawks", "2023-11-03", "unknown player"),
        ("Name, Same", "Boston Celtics", "2023-11-03", "another of that name"),
        ("Name, Same", "", "2023-11-03", "ambiguous name"),
        ("Ackerman, Bruno", "Boston Celtics", "2023-11-04", "another of that name"),
    ],
)
def test_a_name_that_is_not_certain_is_listed_with_the_reason(
    league: League, spelled: str, team: str, day: str, reason: str
) -> None:
    result = league.resolve(listed((spelled, team, day), (spelled, team, day)))
    assert result.resolved.empty
    assert result.decisions.empty
    assert result.unresolved[["player_name", "reason", "rows"]].to_numpy().tolist() == [[spelled, reason, 2]]


def test_who_was_traded_and_has_not_played_yet_is_still_found(league: League) -> None:
    """Only who goes on for the old team is another person of that name."""
    last = league.player_games.loc[league.player_games["player_id"] == 12, "game_date"].max()
    after = (last + pd.Timedelta(days=1)).strftime("%Y-%m-%d")
    result = league.resolve(listed(("Ackerman, Bruno", "Boston Celtics", after)))
    assert result.resolved[["player_id", "on_team"]].to_numpy().tolist() == [[12, False]]


def test_a_roster_makes_known_who_has_not_played_for_the_team(league: League) -> None:
    fresh = listed(("Ackerman, Brunno", "Boston Celtics", "2024-11-03"))
    assert league.resolve(fresh).resolved.empty
    roster = pd.DataFrame({"season": ["2024-25"], "team_id": [2], "player_id": [12]})
    result = league.resolve(fresh, roster)
    assert result.resolved[["player_id", "method", "on_team"]].to_numpy().tolist() == [[12, "fuzzy", True]]


def test_columns_and_order_of_the_list_are_kept(league: League) -> None:
    names = listed(("Else, Somebody", "Hawks", "2023-11-03"), ("Ackerman, Bruno", "Hawks", "2023-11-03"),
                   ("Saric, Nikola", "Hawks", "2023-11-03"))  # fmt: skip
    result = league.resolve(names.assign(status=["Out", "Doubtful", "Out"]).set_index(pd.Index([7, 7, 3])))
    assert result.resolved[["status", "player_id", "team_id"]].to_numpy().tolist() == [
        ["Doubtful", 12, 1],
        ["Out", 11, 1],
    ]
    nothing = league.resolve(names.iloc[:0])
    assert nothing.resolved.empty
    assert nothing.unresolved.empty


@pytest.mark.parametrize(
    ("name", "turned"),
    [
        ("Porter Jr., Craig", "Craig Porter Jr."),
        ("Payton II, Gary", "Gary Payton II"),
        ("Towns, Karl-Anthony", "Karl-Anthony Towns"),
        ("Nikola Jokic", "Nikola Jokic"),
        ("Ackerman, Jr.", "Ackerman, Jr."),
        ("Ackerman,", "Ackerman,"),
        ("a, b, c", "a, b, c"),
    ],
)
def test_surname_first_is_turned_round(name: str, turned: str) -> None:
    assert natural_order(name) == turned


def test_a_status_ends_with_the_next_game_of_the_player_and_the_future_is_not_looked_at() -> None:
    played = pd.DataFrame(
        {"player_id": [1, 2, 3], "game_date": pd.to_datetime(["2024-01-05", "2024-01-04", "2024-01-08"])}
    )
    statuses = pd.DataFrame(
        {
            "player_id": [1, 2, 3, 4],
            # The end of 4 January, Eastern: a game of the 5th came after it, one of the 4th before.
            "reported_at": pd.to_datetime(["2024-01-05 05:00"] * 4, utc=True),
        }
    )
    left = without_returned(statuses, played, pd.Timestamp("2024-01-08"))
    assert left["player_id"].tolist() == [2, 3, 4]


@dataclass(frozen=True)
class Real:
    """Every transaction of the archive, and what became of its names."""

    league: League
    names: pd.DataFrame
    result: PeopleResolution


@pytest.fixture(scope="module")
def real(archive: Path, real_warehouse: tuple[sa.Engine, dict[str, LoadReport]]) -> Real:
    if not (archive / "injuries.parquet").is_file():
        pytest.skip("the archive holds no injuries.parquet")
    league = League.of(real_warehouse[0])
    names = ArchiveInjuries(archive).names()
    return Real(league, names, league.resolve(names))


def test_of_the_real_transactions_99_percent_are_understood(real: Real) -> None:
    assert len(real.names) > 10_000
    assert len(real.result.resolved) >= 0.996 * len(real.names)
    assert len(real.result.resolved) + real.result.unresolved["rows"].sum() == len(real.names)


def test_nobody_of_the_team_that_year_bears_the_surname_of_an_unknown_name(real: Real) -> None:
    unknown = real.result.unresolved.query("reason == 'unknown player'")
    assert 0 < unknown["rows"].sum() < 30
    teams = real.league.teams.assign(nick=real.league.teams["name"].str.rsplit(" ", n=1).str[-1])
    played = real.league.player_games.merge(teams[["team_id", "nick"]], on="team_id")
    for row in unknown.itertuples():
        near = (played["game_date"] - row.date).abs() < pd.Timedelta(days=240)
        team = played[near & (played["nick"] == row.team)]["player_name"].unique()
        assert len(team) > 10
        surname = normalise_name(row.player_name).split()[-1]
        assert surname not in {normalise_name(name).split()[-1] for name in team}, row


def test_no_real_name_means_two_players(real: Real) -> None:
    assert real.result.decisions["player_name"].is_unique


def test_the_team_that_the_transaction_names_confirms_the_player(real: Real) -> None:
    """The team takes no part in an exact match: that it agrees is evidence from outside.

    The rest, looked at one by one, are players who were hurt all season or before their first game for a new team.
    """
    resolved = real.result.resolved
    by_name = resolved[resolved["method"].isin(["exact", "normalised", "alias"]) & resolved["team_id"].notna()]
    assert len(by_name) > 10_000
    assert by_name["on_team"].mean() > 0.993
    by_likeness = resolved[~resolved.index.isin(by_name.index) & resolved["team_id"].notna()]
    assert by_likeness["on_team"].all()


def test_the_other_jaylin_williams_is_not_taken_for_the_one_of_the_thunder(real: Real) -> None:
    of_nuggets = real.result.unresolved.query("player_name.str.startswith('Jaylin Williams') and team == 'Nuggets'")
    assert of_nuggets["rows"].sum() == 8
    assert set(of_nuggets["reason"]) == {"another of that name"}
    mine = real.result.resolved.query("player_name.str.startswith('Jaylin Williams')")
    assert set(mine["team"]) == {"Thunder"}


@pytest.mark.parametrize("half", [0, 1])
def test_no_real_name_goes_to_another_when_its_player_is_hidden(real: Real, half: int) -> None:
    """The hardest case for a wrong match: the right answer is not among the choices."""
    ids = real.league.players["player_id"]
    hidden = ids[ids % 2 == half].to_numpy()
    names = real.result.resolved.query("player_id in @hidden")[["player_name", "team", "date"]]
    assert len(names) > 4_000
    assert real.league.without(hidden).resolve(names).decisions.to_numpy().tolist() == []


def test_real_names_with_the_surname_first_and_a_slip_go_to_the_same_player_or_to_nobody(real: Real) -> None:
    rng = random.Random(2)

    def slip(name: str) -> str:
        first, _, last = name.partition(" ")
        place = rng.randrange(1, len(last)) if len(last) > 1 else 0
        return f"{last[:place]}{rng.choice('aeinrst')}{last[place:]}, {first}"

    plain = real.result.resolved.query("on_team and not player_name.str.contains('[/(]')")
    once = plain.drop_duplicates(["player_name", "team"])
    slipped = once[["player_name", "team", "date"]].assign(truth=once["player_id"])
    slipped["player_name"] = slipped["player_name"].map(slip)
    resolved = real.league.resolve(slipped).resolved
    assert len(resolved) > 0.5 * len(slipped)
    assert (resolved["player_id"] == resolved["truth"]).all()
