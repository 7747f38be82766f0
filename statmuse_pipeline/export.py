"""The export that an independent referee scores: forecasts, ladder probabilities, quotes and bets."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from statmuse_pipeline.domain import LADDER, InformationLevel, PipelineError, Stat

KEY = ("game_id", "player_id", "stat")
QUOTE_KEY = (*KEY, "bookmaker", "line")

FORECAST_COLUMNS: Mapping[str, str] = {
    "game_id": "str", "player_id": "int64", "stat": "str", "mean": "float64", "median": "float64",
    "lo50": "float64", "hi50": "float64", "lo80": "float64", "hi80": "float64", "lo95": "float64", "hi95": "float64",
}  # fmt: skip
PROBABILITY_COLUMNS: Mapping[str, str] = {
    "game_id": "str", "player_id": "int64", "stat": "str", "line": "float64", "p_over": "float64",
}  # fmt: skip
QUOTE_COLUMNS: Mapping[str, str] = {
    "game_id": "str", "player_id": "int64", "stat": "str", "bookmaker": "str",
    "captured_at": "datetime64[ns, UTC]", "line": "float64", "over_price": "float64", "under_price": "float64",
    "p_over": "float64", "p_over_final": "float64",
}  # fmt: skip
BET_COLUMNS: Mapping[str, str] = {
    "game_id": "str", "player_id": "int64", "stat": "str", "bookmaker": "str", "side": "str", "line": "float64",
    "price": "float64", "stake": "float64", "strategy": "str", "captured_at": "datetime64[ns, UTC]",
}  # fmt: skip


class ExportRefused(PipelineError):
    """The tables contradict each other or themselves; nothing was written."""


def write_export(
    out: Path,
    forecasts: pd.DataFrame,
    ladder: pd.DataFrame,
    quotes: pd.DataFrame | None,
    bets: pd.DataFrame | None,
    *,
    level: InformationLevel | None = None,
) -> dict[str, Path]:
    """Write the four Parquet files of an export, all of them or none.

    Args:
        out: the folder, made when it is not there; other files in it are left alone.
        forecasts: contracts.FORECASTS (or its columns named in FORECAST_COLUMNS), of one level unless
            `level` chooses one.
        ladder: game_id, player_id, stat, line, p_over [level]: every ladder line of every forecast.
        quotes: contracts.QUOTES with p_over [p_over_final], or None. Quotes with one price only, quotes
            without a forecast and exact copies are left out; where p_over_final is missing it is p_over.
        bets: contracts.BETS, or None. Every bet must be on an exported quote.
        level: which information level of `forecasts` and `ladder` to write.

    Returns:
        File name without suffix -> path, of the files written.

    Raises:
        ExportRefused: when rows are duplicated, a ladder line is missing, a probability lies outside
            [0, 1], a bet has no quote of that book, line and price, or was captured at tip-off or later.
    """
    tables = {
        "forecasts": _forecasts(_at_level(forecasts, level, "forecasts")),
        "probabilities": _probabilities(_at_level(ladder, level, "ladder probabilities")),
    }
    _check_ladder(tables["forecasts"], tables["probabilities"])
    if quotes is not None:
        tables["quotes"] = _quotes(quotes)
    if bets is not None:
        _check_bets(bets, quotes, tables.get("quotes"))
        keys = ["strategy", *QUOTE_KEY, "side", "captured_at", "price", "stake"]
        tables["bets"] = _typed(bets, BET_COLUMNS, "bets").sort_values(keys, ignore_index=True)
    return _write_all(out, tables)


def _typed(frame: pd.DataFrame, columns: Mapping[str, str], name: str) -> pd.DataFrame:
    missing = [column for column in columns if column not in frame]
    if missing:
        raise ExportRefused(f"The {name} cannot be exported without the columns {', '.join(missing)}.")
    return frame[list(columns)].astype(dict(columns)).reset_index(drop=True)


def _at_level(frame: pd.DataFrame, level: InformationLevel | None, name: str) -> pd.DataFrame:
    if "level" not in frame:
        return frame
    if level is not None:
        return frame[frame["level"] == level.value]
    if len(frame["level"].unique()) > 1:
        raise ExportRefused(f"The {name} hold several information levels: say which one to export.")
    return frame


def _refuse_duplicates(frame: pd.DataFrame, keys: list[str], name: str) -> None:
    twice = frame[frame.duplicated(keys)]
    if len(twice):
        first = ", ".join(f"{key} {twice[key].iloc[0]}" for key in keys)
        raise ExportRefused(f"The {name} have {len(twice)} duplicate rows, the first at {first}.")


def _refuse_improbable(p: pd.Series, name: str) -> None:
    bad = int((~p.between(0, 1)).sum())
    if bad:
        raise ExportRefused(f"{bad} of the {name} are missing or outside [0, 1].")


def _forecasts(forecasts: pd.DataFrame) -> pd.DataFrame:
    table = _typed(forecasts, FORECAST_COLUMNS, "forecasts")
    if table.empty:
        raise ExportRefused("There is no forecast to export: check the level, the players and the stats.")
    _refuse_duplicates(table, list(KEY), "forecasts")
    strange = set(table["stat"]) - {stat.value for stat in Stat}
    if strange:
        raise ExportRefused(f"The forecasts name unknown stats: {', '.join(sorted(strange))}.")
    numbers = table.drop(columns=list(KEY))
    if numbers.isna().to_numpy().any():
        column = str(numbers.columns[numbers.isna().any()][0])
        raise ExportRefused(f"{int(numbers[column].isna().sum())} forecasts have no {column}.")
    return table.sort_values(list(KEY), ignore_index=True)


def _probabilities(ladder: pd.DataFrame) -> pd.DataFrame:
    table = _typed(ladder, PROBABILITY_COLUMNS, "ladder probabilities")
    lines = pd.DataFrame(
        [(stat.value, line) for stat, rungs in LADDER.items() for line in rungs], columns=["stat", "line"]
    )
    table = table.merge(lines, on=["stat", "line"], how="inner")
    _refuse_duplicates(table, [*KEY, "line"], "ladder probabilities")
    _refuse_improbable(table["p_over"], "ladder probabilities")
    return table.sort_values([*KEY, "line"], ignore_index=True)


def _check_ladder(forecasts: pd.DataFrame, probabilities: pd.DataFrame) -> None:
    rungs = probabilities.groupby(list(KEY)).size().rename("rungs").reset_index()
    both = forecasts[list(KEY)].merge(rungs, on=list(KEY), how="outer", indicator="found")
    if (both["found"] == "right_only").any():
        raise ExportRefused(f"{int((both['found'] == 'right_only').sum())} ladders belong to no forecast.")
    wanted = both["stat"].map({stat.value: len(lines) for stat, lines in LADDER.items()})
    short = both[both["rungs"].fillna(0) != wanted]
    if len(short):
        first = short.iloc[0]
        raise ExportRefused(
            f"{len(short)} forecasts lack ladder lines, the first {first['stat']} of player {first['player_id']} "
            f"in game {first['game_id']}."
        )


def _quotes(quotes: pd.DataFrame) -> pd.DataFrame:
    final = quotes["p_over_final"] if "p_over_final" in quotes else quotes["p_over"]
    filled = quotes.assign(p_over_final=final.fillna(quotes["p_over"]))
    priced = filled["over_price"].notna() & filled["under_price"].notna() & filled["p_over"].notna()
    # The same quote twice, for example from two collections, is one quote.
    table = _typed(filled[priced], QUOTE_COLUMNS, "quotes").drop_duplicates(ignore_index=True)
    for column in ("p_over", "p_over_final"):
        _refuse_improbable(table[column], f"quotes' {column}")
    moment = [*QUOTE_KEY, "captured_at"]
    _refuse_duplicates(table, [*moment, "over_price", "under_price"], "quotes")
    return table.sort_values([*moment, "over_price", "under_price"], ignore_index=True)


def _check_bets(bets: pd.DataFrame, quotes: pd.DataFrame | None, exported: pd.DataFrame | None) -> None:
    """Every bet is on an exported quote of its book, line, price and moment, captured before tip-off."""
    if bets.empty:
        return
    if quotes is None or exported is None:
        raise ExportRefused("Bets cannot be exported without the quotes they were placed on.")
    table = _typed(bets, BET_COLUMNS, "bets")
    wrong = set(table["side"]) - {"over", "under"}
    if wrong:
        raise ExportRefused(f"A bet is on over or under, not on {', '.join(sorted(wrong))}.")
    _refuse_duplicates(table, ["strategy", *QUOTE_KEY, "side", "captured_at"], "bets")
    keys = [*QUOTE_KEY, "captured_at", "price", "side"]
    known = pd.concat(
        [
            exported[[*QUOTE_KEY, "captured_at"]].assign(price=exported[f"{side}_price"], side=side)
            for side in ("over", "under")
        ]
    ).drop_duplicates()
    found = table.merge(known, on=keys, how="left", indicator="found")
    orphan = found[found["found"] == "left_only"]
    if len(orphan):
        first = orphan.iloc[0]
        raise ExportRefused(
            f"{len(orphan)} bets are on no exported quote, the first {first['side']} {first['line']} at "
            f"{first['price']} with {first['bookmaker']} on player {first['player_id']} in game {first['game_id']}."
        )
    _refuse_late(table, quotes)


def _refuse_late(bets: pd.DataFrame, quotes: pd.DataFrame) -> None:
    if "tipoff_utc" not in quotes:
        raise ExportRefused("The quotes need the column tipoff_utc, to show that no bet was placed after tip-off.")
    tipoff = quotes.assign(game_id=quotes["game_id"].astype("str")).groupby("game_id")["tipoff_utc"].min()
    late = bets[bets["captured_at"] >= bets["game_id"].map(tipoff)]
    if len(late):
        first = late.iloc[0]
        raise ExportRefused(
            f"{len(late)} bets were captured at tip-off or later, the first on player {first['player_id']} in game "
            f"{first['game_id']} at {first['captured_at']}."
        )


def _write_all(out: Path, tables: Mapping[str, pd.DataFrame]) -> dict[str, Path]:
    """Write into a hidden folder beside the files, then rename one after the other."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".export-", dir=out))
    except OSError as error:
        raise ExportRefused(f"The export folder {out} cannot be written: {error.strerror}.") from error
    try:
        for name, table in tables.items():
            table.to_parquet(folder / f"{name}.parquet", index=False)
        written = {name: (folder / f"{name}.parquet").replace(out / f"{name}.parquet") for name in tables}
    except OSError as error:
        raise ExportRefused(f"The export to {out} failed: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    # A file of an earlier export would be scored together with the new ones.
    for name in {"quotes", "bets"} - set(tables):
        (out / f"{name}.parquet").unlink(missing_ok=True)
    return written
