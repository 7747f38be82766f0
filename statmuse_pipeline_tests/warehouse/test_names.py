"""Who is meant by a quote, in which game, and that nobody else is."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from statmuse_pipeline import contracts
from statmuse_pipeline.domain import Combination
from statmuse_pipeline.sources.quote_files import QuoteFiles
from statmuse_pipeline.warehouse import read
from statmuse_pipeline.warehouse.load import LoadReport
from statmuse_pipeline.warehouse.names import MARKETS, Resolution, resolve_quotes
from statmuse_pipeline_tests.warehouse.conftest import REAL_SEASONS
from statmuse_pipeline_tests.warehouse.little_league import game_logs, load, rosters

FIRST_GAME = {"home_team": "Atlanta Hawks", "away_team": "Boston Celtics"}


@dataclass(frozen=True)
class League:
    """The frames that names are resolved against."""

    games: pd.DataFrame
    player_games: pd.DataFrame
    players: pd.DataFrame
    teams: pd.DataFrame

    @classmethod
    def of(cls, engine: sa.Engine) -> League:
        return cls(read.games(engine), read.player_games(engine), read.players(engine), read.teams(engine))

    def resolve(self, raw: pd.DataFrame) -> Resolution:
        return resolve_quotes(raw, self.games, self.player_games, self.players, self.teams)

    def without(self, hidden: np.ndarray) -> League:
        return replace(
            self,
            players=self.players[~self.players["player_id"].isin(hidden)],
            player_games=self.player_games[~self.player_games["player_id"].isin(hidden)],
        )


def quotes(*changes: dict[str, Any]) -> pd.DataFrame:
    """Quotes on the first game of the little league (2023-11-01, 7 pm Eastern), each with changes."""
    base = {
        "captured_at": "2023-11-01 18:00",
        "commence_time": "2023-11-01 23:10",
        "game_date": None,
        **FIRST_GAME,
        "bookmaker": "book",
        "player_name": "Bruno Ackerman",
        "market": "player_points",
        "line": 10.5,
        "over_price": -110.0,
        "under_price": -110.0,
        "quote_set": "set",
    }
    frame = pd.DataFrame([base | change for change in changes])
    for name in ("captured_at", "commence_time"):
        frame[name] = pd.to_datetime(frame[name], utc=True).astype("datetime64[ns, UTC]")
    frame["game_date"] = pd.to_datetime(frame["game_date"]).astype("datetime64[ns]")
    texts = ("home_team", "away_team", "bookmaker", "player_name", "market", "quote_set")
    return frame.astype(dict.fromkeys(texts, "str"))


@pytest.fixture(scope="module")
def league(tmp_path_factory: pytest.TempPathFactory) -> League:
    """The little league with some awkward names; player 28 is rostered but missed the first game."""
    from statmuse_pipeline.warehouse.engine import open_warehouse

    names = {
        11: "Nikola Šarić", 12: "Bruno Ackerman", 13: "P.J. Ackerman Jr.", 14: "Nic Claxton", 15: "Jalen Moore",
        21: "Jaylin Moore", 22: "Jay Moore", 23: "Karl-Anthony O'Neale", 31: "Same Name", 41: "Same Name",
    }  # fmt: skip
    logs = game_logs()
    logs["PLAYER_NAME"] = logs["PLAYER_ID"].map(names).fillna(logs["PLAYER_NAME"])
    logs = logs[~((logs["PLAYER_ID"] == 28) & (logs["GAME_ID"] == "0022300001"))]
    engine = open_warehouse(f"sqlite:///{tmp_path_factory.mktemp('names') / 'warehouse.db'}")
    load(engine, game_logs=logs, players=rosters())
    return League.of(engine)


@pytest.mark.parametrize(
    ("spelled", "player_id", "method"),
    [
        ("Bruno Ackerman", 12, "exact"),
        ("BRUNO ACKERMAN", 12, "normalised"),
        ("Nikola Saric", 11, "normalised"),
        ("PJ Ackerman", 13, "normalised"),
        ("P. J. Ackerman", 13, "normalised"),
        ("P.J Ackerman, Jr", 13, "normalised"),
        ("pjackerman", 13, "normalised"),
        ("Bruno Ackerman (ATL)", 12, "normalised"),
        ("Bruno Ackerman III", 12, "normalised"),
        ("Karl Anthony O\u2019Neale", 23, "normalised"),
        ("Ackerman Bruno", 12, "reordered"),
        ("Ackerman, Bruno", 12, "reordered"),
        ("Nicolas Claxton", 14, "alias"),
        ("B. Ackerman", 12, "shortened"),
        ("K Oneale", None, None),
        ("Brunno Ackerman", 12, "fuzzy"),
        ("Jalin Moore", None, None),
        ("J. Moore", None, None),
        ("Somebody Else", None, None),
    ],
)
def test_a_name_is_understood_by_the_first_method_that_knows_it(
    league: League, spelled: str, player_id: int | None, method: str | None
) -> None:
    result = league.resolve(quotes({"player_name": spelled}))
    if player_id is None:
        assert result.resolved.empty
        assert result.decisions.empty
        assert result.unresolved["quotes"].sum() == 1
    else:
        assert result.resolved["player_id"].tolist() == [player_id]
        decision = result.decisions.iloc[0]
        assert (decision["player_name"], decision["player_id"], decision["method"]) == (spelled, player_id, method)
        assert 0 < decision["score"] <= 100


def test_resolved_quotes_keep_their_contract_order_and_values(league: League) -> None:
    raw = quotes({}, {"market": "player_threes", "line": 2.5}, {"player_name": "Nikola Saric", "under_price": None})
    raw.index = pd.Index([5, 5, 1])
    resolved = league.resolve(raw).resolved
    contracts.check(contracts.QUOTES, resolved.assign(level="pregame"))
    assert resolved["stat"].tolist() == ["PTS", "FG3M", "PTS"]
    assert resolved["player_id"].tolist() == [12, 12, 11]
    assert resolved["game_id"].unique().tolist() == ["0022300001"]
    assert resolved["tipoff_utc"].unique().tolist() == [pd.Timestamp("2023-11-01 23:00", tz="UTC")]
    assert resolved["under_price"].isna().tolist() == [False, False, True]


def test_a_known_player_without_a_row_in_the_game_is_void(league: League) -> None:
    absent, elsewhere = {"player_name": "Hector Bellweather"}, {"player_name": "Bruno Castellano"}
    result = league.resolve(quotes(absent, elsewhere, elsewhere, {}))
    assert len(result.resolved) == 1
    assert result.unresolved.empty
    assert result.voids[["player_name", "quotes", "reason"]].to_numpy().tolist() == [
        ["Bruno Castellano", 2, "did not play"],
        ["Hector Bellweather", 1, "did not play"],
    ]
    assert result.decisions["quotes"].sum() == 4, "voids are decisions too"


def test_the_absent_player_is_not_replaced_by_one_of_a_similar_name(league: League) -> None:
    """Jalen Moore is out in a game that Jaylin Moore plays: a quote on Jalen is void, not Jaylin's."""
    out = (league.player_games["player_id"] == 15) & (league.player_games["game_id"] == "0022300001")
    without = replace(league, player_games=league.player_games[~out])
    result = without.resolve(quotes({"player_name": "Jalen Moore"}, {"player_name": "Jaylin Moore"}))
    assert result.resolved["player_id"].tolist() == [21]
    assert result.voids["player_name"].tolist() == ["Jalen Moore"]


def test_of_two_players_of_one_name_the_one_of_the_two_teams_is_meant(league: League) -> None:
    third = {"home_team": "Atlanta Hawks", "away_team": "Chicago Bulls", "commence_time": "2023-11-02 23:10"}
    both = {"home_team": "Chicago Bulls", "away_team": "LA Clippers", "commence_time": "2023-11-09 23:10"}
    result = league.resolve(quotes({"player_name": "Same Name"} | third, {"player_name": "Same Name"} | both))
    assert result.resolved["player_id"].tolist() == [31]
    assert result.unresolved["reason"].tolist() == ["ambiguous name"]


@pytest.mark.parametrize(
    ("when", "game_id"),
    [
        ({"commence_time": "2023-11-01 23:10"}, "0022300001"),
        ({"commence_time": "2023-11-02 03:30"}, "0022300001"),  # 11:30 pm Eastern, the next day in UTC
        ({"commence_time": "2023-11-02 04:30"}, None),  # half past midnight Eastern
        ({"commence_time": None, "captured_at": "2023-11-01 22:59"}, "0022300001"),
        ({"commence_time": None, "captured_at": "2023-11-02 00:30"}, "0022300001"),  # during the game
        ({"commence_time": None, "captured_at": "2023-11-02 03:00"}, None),  # after the game
        ({"commence_time": None, "captured_at": "2023-10-31 12:00"}, "0022300001"),  # the day before
        ({"commence_time": None, "captured_at": "2023-10-31 10:00"}, None),  # 37 hours before
        ({"commence_time": None, "captured_at": None, "game_date": "2023-11-01"}, "0022300001"),
        ({"commence_time": None, "captured_at": None, "game_date": "2023-11-02"}, None),
        ({"home_team": "Boston Celtics", "away_team": "Atlanta Hawks"}, "0022300001"),  # sides exchanged
        (
            {"home_team": "Boston Celtics", "away_team": "Atlanta Hawks", "commence_time": "2023-11-04 23:10"},
            "0022300004",
        ),
    ],
)
def test_the_game_is_found_by_teams_and_eastern_day_or_moment(
    league: League, when: dict[str, Any], game_id: str | None
) -> None:
    result = league.resolve(quotes(when))
    assert result.resolved["game_id"].tolist() == ([game_id] if game_id else [])
    assert result.unresolved["reason"].tolist() == ([] if game_id else ["no such game"])


@pytest.mark.parametrize("name", ["LA Clippers", "Los Angeles Clippers", "los angeles  clippers"])
def test_both_names_of_the_clippers_are_known(league: League, name: str) -> None:
    result = league.resolve(
        quotes({"home_team": "Atlanta Hawks", "away_team": name, "commence_time": "2023-11-03 23:10"})
    )
    assert result.resolved["game_id"].tolist() == ["0022300003"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"market": "player_double_double"}, "market not forecast"),
        ({"line": None}, "no line or no over price"),
        ({"over_price": None}, "no line or no over price"),
        ({"home_team": "Seattle SuperSonics"}, "unknown team"),
        ({"commence_time": "2024-05-01 23:10"}, "no such game"),
        ({"commence_time": None, "captured_at": None}, "no date"),
        ({"player_name": "Somebody Else"}, "unknown player"),
    ],
)
def test_every_quote_that_is_not_resolved_is_listed_with_the_reason(
    league: League, change: dict[str, Any], reason: str
) -> None:
    result = league.resolve(quotes(change, {}, change))
    assert len(result.resolved) == 1
    assert result.unresolved[["reason", "quotes"]].to_numpy().tolist() == [[reason, 2]]
    assert list(result.unresolved.columns) == ["player_name", "game_date", "bookmaker", "market", "reason", "quotes"]


def test_a_quote_without_teams_is_resolved_by_player_and_day(league: League) -> None:
    nowhere = {"home_team": None, "away_team": None, "commence_time": None, "captured_at": None}
    result = league.resolve(
        quotes(
            nowhere | {"game_date": "2023-11-05"},  # game 5, Boston against Chicago: Atlanta is free
            nowhere | {"game_date": "2023-11-01"},
            nowhere | {"game_date": "2023-11-04", "player_name": "Nikola Saric"},
            nowhere | {"game_date": "2023-11-04", "player_name": "N. Saric"},
        )
    )
    assert result.resolved["game_id"].tolist() == ["0022300001", "0022300004"]
    assert result.voids["player_name"].tolist() == ["Bruno Ackerman"]
    assert result.unresolved["reason"].tolist() == ["unknown player"], "too little is known for a shortened name"


def test_no_quotes_and_no_games_give_empty_frames(league: League) -> None:
    nothing = league.resolve(quotes({}).iloc[:0])
    contracts.check(contracts.QUOTES, nothing.resolved.assign(level=pd.Series(dtype="str")))
    assert nothing.unresolved.empty
    assert nothing.voids.empty
    assert nothing.decisions.empty
    no_season = replace(league, games=league.games.iloc[:0], player_games=league.player_games.iloc[:0])
    assert no_season.resolve(quotes({})).unresolved["reason"].tolist() == ["no such game"]
    nobody = replace(league, players=league.players.iloc[:0], player_games=league.player_games.iloc[:0])
    assert nobody.resolve(quotes({})).unresolved["reason"].tolist() == ["unknown player"]
    teamless = {"home_team": None, "away_team": None, "game_date": "2023-11-01", "commence_time": None}
    empty = replace(nobody, games=league.games.iloc[:0], teams=league.teams.iloc[:0])
    assert empty.resolve(quotes(teamless)).unresolved["reason"].tolist() == ["unknown player"]


@dataclass(frozen=True)
class Real:
    """Every quote of the archive, and what became of it."""

    league: League
    raw: pd.DataFrame
    result: Resolution
    seconds: float

    def one_a_pair(self) -> pd.DataFrame:
        """One quote a name and dated game, of those that were understood."""
        raw = self.raw[self.raw["market"].isin(MARKETS) & self.raw["over_price"].notna()]
        raw = raw[raw["commence_time"].notna() | raw["game_date"].notna()]
        raw = raw.drop_duplicates(["player_name", "home_team", "away_team", "commence_time", "game_date"])
        return raw[raw["player_name"].isin(self.result.decisions["player_name"])].reset_index(drop=True)

    def truth(self) -> pd.Series:
        """Spelling -> player id; a test below shows that no spelling means two players."""
        return self.result.decisions.drop_duplicates("player_name").set_index("player_name")["player_id"]


@pytest.fixture(scope="module")
def real(archive: Path, real_warehouse: tuple[sa.Engine, dict[str, LoadReport]]) -> Real:
    league = League.of(real_warehouse[0])
    raw = QuoteFiles(archive).read(REAL_SEASONS)
    if raw.empty:
        pytest.skip("the archive holds no quotes")
    began = time.process_time()
    result = league.resolve(raw)
    return Real(league, raw, result, time.process_time() - began)


def test_of_the_real_quotes_of_players_who_played_99_percent_resolve(real: Real) -> None:
    names_failed = real.result.unresolved["reason"].isin(["unknown player", "ambiguous name"])
    failed = real.result.unresolved.loc[names_failed, "quotes"].sum()
    share = len(real.result.resolved) / (len(real.result.resolved) + failed)
    assert len(real.result.resolved) > 600_000
    assert share >= 0.9999, f"{failed} quotes with names that were not understood"


def test_real_quotes_of_sums_are_understood_as_sums(real: Real) -> None:
    found = real.result.resolved["stat"].value_counts()
    for combination in Combination:
        assert found[combination.value] > 5_000


def test_every_real_quote_is_accounted_for(real: Real) -> None:
    listed = real.result.unresolved["quotes"].sum() + real.result.voids["quotes"].sum()
    assert len(real.result.resolved) + listed == len(real.raw)


def test_the_real_quotes_resolve_within_15_seconds(real: Real) -> None:
    assert real.seconds < 15


def test_real_resolved_quotes_keep_the_contract_and_have_a_box_score(real: Real) -> None:
    contracts.check(contracts.QUOTES, real.result.resolved.assign(level="pregame"))
    played = pd.MultiIndex.from_frame(real.league.player_games[["game_id", "player_id"]])
    assert pd.MultiIndex.from_frame(real.result.resolved[["game_id", "player_id"]]).isin(played).all()


def test_no_real_spelling_means_two_players(real: Real) -> None:
    meanings = real.result.decisions[["player_name", "player_id"]].drop_duplicates()
    assert meanings["player_name"].is_unique


@pytest.mark.parametrize("half", [0, 1])
def test_no_real_quote_goes_to_another_when_its_player_is_hidden(real: Real, half: int) -> None:
    """The hardest case for a wrong match: the right answer is not among the choices."""
    raw, ids = real.one_a_pair(), real.league.players["player_id"]
    hidden = ids[ids % 2 == half].to_numpy()
    of_hidden = real.truth().reindex(raw["player_name"]).isin(hidden).to_numpy()
    result = real.league.without(hidden).resolve(raw[of_hidden])
    assert of_hidden.sum() > 20_000
    assert result.decisions.to_numpy().tolist() == []


def test_no_real_quote_goes_to_another_when_its_name_is_mistyped(real: Real) -> None:
    rng = random.Random(1)

    def typo(name: str) -> str:
        place = rng.randrange(1, len(name) - 1)
        before, at, after, rest = name[:place], name[place], name[place + 1], name[place + 2 :]
        return rng.choice(
            (before + after + rest, before + after + at + rest, before + rng.choice("aeinrst") + name[place:])
        )

    raw = real.one_a_pair()
    spelled = raw["player_name"].map({name: typo(name) for name in sorted(raw["player_name"].unique())})
    resolved = real.league.resolve(raw.assign(player_name=spelled, bookmaker=raw["player_name"])).resolved
    assert len(resolved) > 0.6 * len(raw), "most typos are understood"
    assert (real.truth().reindex(resolved["bookmaker"]).to_numpy() == resolved["player_id"].to_numpy()).all()


def test_the_game_found_by_capture_time_is_the_one_found_by_its_beginning(real: Real) -> None:
    """Files that name the game's beginning check the rule for those that tell only when they were captured."""
    raw = real.raw[real.raw["commence_time"].notna() & real.raw["captured_at"].notna()]
    raw = raw[raw["quote_set"] != "all_markets_5pm_2024-10_2025-01"]  # its capture times are not real moments
    raw = raw[raw["quote_set"].str.contains("threes|all_markets|points_12h")].iloc[::7]
    by_beginning = real.league.resolve(raw).resolved
    timeless = raw.assign(commence_time=pd.Series(pd.NaT, index=raw.index, dtype="datetime64[ns, UTC]"))
    by_capture = real.league.resolve(timeless).resolved
    assert len(by_beginning) > 50_000
    assert by_capture["game_id"].tolist() == by_beginning["game_id"].tolist()
