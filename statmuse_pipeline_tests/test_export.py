from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from statmuse_pipeline.domain import LADDER, InformationLevel, PipelineError, Stat
from statmuse_pipeline.evaluation import market, scores
from statmuse_pipeline.evaluation.scores import LineSet
from statmuse_pipeline.export import ExportRefused, write_export
from statmuse_pipeline_tests.evaluation.small_league import SmallLeague, small_league
from statmuse_pipeline_tests.oracles import scores_plain as plain


@pytest.fixture(scope="module")
def league() -> SmallLeague:
    return small_league()


@pytest.fixture(scope="module")
def bets(league: SmallLeague) -> pd.DataFrame:
    quotes = league.quotes.iloc[::7]
    keys = ["season", "game_id", "game_date", "player_id", "stat", "bookmaker", "captured_at", "line"]
    return quotes[keys].assign(
        side="under", price=quotes["under_price"], probability=0.55, ev=0.05, stake=1.0, strategy="flat", profit=-1.0
    )


def test_the_files_have_exactly_the_columns_and_types_of_the_referee(
    tmp_path: Path, league: SmallLeague, bets: pd.DataFrame
) -> None:
    written = write_export(tmp_path, league.forecasts, league.ladder, league.quotes, bets)
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}.parquet" for name in written}
    columns = {name: list(pd.read_parquet(path).columns) for name, path in written.items()}
    key = ["game_id", "player_id", "stat"]
    assert columns == {
        "forecasts": [*key, "mean", "median", "lo50", "hi50", "lo80", "hi80", "lo95", "hi95"],
        "probabilities": [*key, "line", "p_over"],
        "quotes": [*key, "bookmaker", "captured_at", "line", "over_price", "under_price", "p_over", "p_over_final"],
        "bets": [*key, "bookmaker", "side", "line", "price", "stake", "strategy", "captured_at"],
    }
    forecasts = pd.read_parquet(written["forecasts"])
    assert forecasts["player_id"].dtype == "int64"
    assert forecasts["game_id"].str.len().eq(10).all()
    assert str(pd.read_parquet(written["quotes"])["captured_at"].dtype) == "datetime64[ns, UTC]"
    per_stat = pd.read_parquet(written["probabilities"]).groupby("stat")["line"].unique()
    assert {stat: sorted(lines) for stat, lines in per_stat.items()} == {s.value: list(r) for s, r in LADDER.items()}


def test_scoring_the_files_from_raw_logs_gives_the_numbers_of_the_report(
    tmp_path: Path, league: SmallLeague, bets: pd.DataFrame
) -> None:
    """Two ways from the same games to a score: ours through the features, the oracle's from logs and files."""
    written = write_export(tmp_path, league.forecasts, league.ladder, league.quotes, bets)
    known = plain.truth(league.logs.to_dict("records"))
    rows = {name: plain.met(pd.read_parquet(path).to_dict("records"), known) for name, path in written.items()}
    happened = scores.outcomes(league.features)
    means = scores.score_means(league.forecasts, happened).set_index("stat")
    ladder = scores.score_probabilities(league.ladder, happened, line_set=LineSet.LADDER).set_index("stat")
    for stat in Stat:
        told = plain.forecast_scores([r for r in rows["forecasts"] if r["stat"] == stat])
        assert {name: means.loc[stat, name] for name in told} == pytest.approx(told)
        told = plain.probability_scores([r for r in rows["probabilities"] if r["stat"] == stat])
        assert {name: ladder.loc[stat, name] for name in told} == pytest.approx(told)
    told = plain.market_scores(rows["quotes"])
    quotes = market.score_market(league.quotes, happened).set_index("stat").loc["all"]
    assert {name: quotes[name] for name in told} == pytest.approx(told)


def test_the_same_tables_in_another_order_give_the_same_bytes(
    tmp_path: Path, league: SmallLeague, bets: pd.DataFrame
) -> None:
    one = write_export(tmp_path / "one", league.forecasts, league.ladder, league.quotes, bets)
    turned = [frame.sample(frac=1, random_state=1) for frame in (league.forecasts, league.ladder, league.quotes, bets)]
    two = write_export(tmp_path / "two", *turned)
    assert [path.read_bytes() for path in one.values()] == [path.read_bytes() for path in two.values()]


def test_one_level_is_chosen_and_two_are_refused(tmp_path: Path, league: SmallLeague) -> None:
    forecasts = pd.concat([league.forecasts, league.forecasts.assign(level="pregame", mean=1.0)])
    ladder = pd.concat([league.ladder, league.ladder.assign(level="pregame")])
    with pytest.raises(ExportRefused, match="several information levels"):
        write_export(tmp_path, forecasts, ladder, None, None)
    written = write_export(tmp_path, forecasts, ladder, None, None, level=InformationLevel.PREGAME)
    assert (pd.read_parquet(written["forecasts"])["mean"] == 1.0).all()


def test_one_sided_quotes_and_quotes_without_forecast_stay_out(tmp_path: Path, league: SmallLeague) -> None:
    quotes = league.quotes.reset_index(drop=True)
    quotes.loc[0, "under_price"] = np.nan
    quotes.loc[1, "p_over"] = np.nan
    quotes["p_over_final"] = np.where(quotes.index == 2, np.nan, 0.5)
    written = write_export(tmp_path, league.forecasts, league.ladder, quotes, None)
    table = pd.read_parquet(written["quotes"])
    assert len(table) == len(quotes) - 2
    assert table.notna().to_numpy().all()
    assert (table["p_over_final"] != 0.5).sum() == 1


def test_a_quote_from_two_collections_is_one_quote_unless_they_disagree_on_our_forecast(
    tmp_path: Path, league: SmallLeague
) -> None:
    twice = pd.concat([league.quotes, league.quotes.head(5).assign(quote_set="another")])
    written = write_export(tmp_path / "one", league.forecasts, league.ladder, twice, None)
    assert len(pd.read_parquet(written["quotes"])) == len(league.quotes)
    torn = pd.concat([league.quotes, league.quotes.head(5).assign(p_over=0.123)])
    refused(tmp_path, "duplicate", league.forecasts, league.ladder, torn, None)


def refused(tmp_path: Path, match: str, *tables: pd.DataFrame | None) -> None:
    with pytest.raises(PipelineError, match=match):
        write_export(tmp_path / "out", *tables)
    left = list((tmp_path / "out").iterdir()) if (tmp_path / "out").exists() else []
    assert left == []


def test_forecasts_that_are_duplicated_missing_or_without_their_ladder_are_refused(
    tmp_path: Path, league: SmallLeague
) -> None:
    f, lad = league.forecasts, league.ladder
    refused(tmp_path, "duplicate", pd.concat([f, f.head(1)]), lad, None, None)
    refused(tmp_path, "have no median", f.assign(median=f["median"].where(f.index != 3)), lad, None, None)
    refused(tmp_path, "no forecast", f.head(0), lad, None, None)
    refused(tmp_path, "1 forecasts lack ladder lines", f, lad.drop(index=lad.index[5]), None, None)
    refused(tmp_path, "belong to no forecast", f.drop(index=f.index[0]), lad, None, None)
    refused(tmp_path, "duplicate", f, pd.concat([lad, lad.head(1)]), None, None)
    refused(tmp_path, "outside", f, lad.assign(p_over=lad["p_over"].where(lad.index != 4, 1.01)), None, None)
    refused(tmp_path, "columns hi95", f.drop(columns="hi95"), lad, None, None)


def test_bets_without_quote_late_or_twice_are_refused(tmp_path: Path, league: SmallLeague, bets: pd.DataFrame) -> None:
    f, lad, q = league.forecasts, league.ladder, league.quotes
    for wrong in (
        bets.assign(price=bets["price"] - 1),
        bets.assign(line=bets["line"] + 1),
        bets.assign(bookmaker="unheard of"),
        bets.assign(captured_at=bets["captured_at"] + pd.Timedelta(minutes=1)),
    ):
        refused(tmp_path, "on no exported quote", f, lad, q, wrong)
    refused(tmp_path, "without the quotes", f, lad, None, bets)
    refused(tmp_path, "duplicate", f, lad, q, pd.concat([bets, bets.head(1)]))
    refused(tmp_path, "over or under", f, lad, q, bets.assign(side="both"))
    shift = pd.Timedelta(hours=4)
    late_quotes = q.assign(captured_at=q["captured_at"] + shift)
    refused(tmp_path, "at tip-off or later", f, lad, late_quotes, bets.assign(captured_at=bets["captured_at"] + shift))
    refused(tmp_path, "tipoff_utc", f, lad, q.drop(columns="tipoff_utc"), bets)


def test_a_refused_export_leaves_the_earlier_one_whole(tmp_path: Path, league: SmallLeague, bets: pd.DataFrame) -> None:
    written = write_export(tmp_path, league.forecasts, league.ladder, league.quotes, bets)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ExportRefused):
        write_export(tmp_path, league.forecasts, league.ladder, league.quotes, bets.assign(price=1234.0))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert len(written) == 4


def test_quotes_of_an_earlier_export_are_not_left_beside_new_forecasts(
    tmp_path: Path, league: SmallLeague, bets: pd.DataFrame
) -> None:
    write_export(tmp_path, league.forecasts, league.ladder, league.quotes, bets)
    (tmp_path / "notes.txt").write_text("mine")
    write_export(tmp_path, league.forecasts, league.ladder, None, None)
    assert {path.name for path in tmp_path.iterdir()} == {"forecasts.parquet", "probabilities.parquet", "notes.txt"}


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path, league: SmallLeague) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ExportRefused, match="cannot be written"):
        write_export(tmp_path / "file", league.forecasts, league.ladder, None, None)
