"""The ablation table for people: what each choice is worth, as Markdown and as rows for a console."""

from __future__ import annotations

import pandas as pd

from statmuse_pipeline.evaluation.paired import PAIRED
from statmuse_pipeline.evaluation.scores import EVERY_STAT

ROW = ["group", "name", "changed", "level"]
NAMES = {"rmse": "RMSE", "crps": "CRPS", "log_score": "log score", "ladder_brier": "ladder Brier"}

_EXPLAINED = """\
# Ablations

Every choice is scored on the **validation** split, never on test, against the released configuration on the same games;
{rows:,} player-games, whole dates drawn with replacement for the 95% intervals. Lower is better: a positive difference
says that what is released is the better choice. "Served" was itself chosen on validation, so that it flatters itself
there a little; members and ensembles were fitted on train alone.
"""


def overview(table: pd.DataFrame) -> pd.DataFrame:
    """One row a choice: the mean relative difference over the stats, in percent, with its interval.

    Args:
        table: of `study.measure`.

    Returns:
        group, name, changed, level, one text column a score such as "+0.12 (+0.05, +0.19)", `P(over median)` forecast
        and what came, and `stats`: in how many stats the CRPS is worse or better beyond doubt.
    """
    lines = []
    for names, group in table.groupby(ROW, sort=False):
        whole = group[group["stat"] == EVERY_STAT]
        row = (whole if len(whole) else group).iloc[0]
        line = dict(zip(ROW, names, strict=True))
        for score in PAIRED:
            base = 100 / (row[score] - row[f"{score}_diff"])
            low, high = row[f"{score}_diff_lo"] * base, row[f"{score}_diff_hi"] * base
            line[f"{NAMES[score]}, %"] = f"{row[f'{score}_diff'] * base:+.2f} ({low:+.2f}, {high:+.2f})"
        line["P(over median)"] = f"{row['over_median']:.3f} / {row['over_median_true']:.3f}"
        single = group[group["stat"] != EVERY_STAT]
        worse, better = (single["crps_diff_lo"] > 0).sum(), (single["crps_diff_hi"] < 0).sum()
        line["stats"] = f"{worse} worse, {better} better"
        lines.append(line)
    return pd.DataFrame(lines)


def by_stat(table: pd.DataFrame) -> pd.DataFrame:
    """Every row of the table in short: RMSE, CRPS and ladder Brier, and their differences with intervals."""
    single = table[table["stat"] != EVERY_STAT]
    told = single[["group", "name", "level", "stat"]].copy()
    for score, digits in (("rmse", 4), ("crps", 4), ("ladder_brier", 5)):
        told[NAMES[score]] = [f"{value:.{digits}f}" for value in single[score]]
        told[f"{NAMES[score]} - base"] = [
            f"{value:+.{digits}f} ({low:+.{digits}f}, {high:+.{digits}f})"
            for value, low, high in zip(
                single[f"{score}_diff"], single[f"{score}_diff_lo"], single[f"{score}_diff_hi"], strict=True
            )
        ]
    return told


def markdown(table: pd.DataFrame) -> str:
    """The page: what it is, one line a choice, then every stat."""
    rows = int(table.loc[table["group"] == "released", "rows"].max())
    parts = [
        _EXPLAINED.format(rows=rows),
        "## Every choice, mean over the stats\n",
        _grid(overview(table)),
        "\n## Every choice and stat\n",
        _grid(by_stat(table)),
    ]
    return "\n".join(parts) + "\n"


def _grid(frame: pd.DataFrame) -> str:
    head = [f"| {' | '.join(frame.columns)} |", f"|{'---|' * len(frame.columns)}"]
    return "\n".join(head + [f"| {' | '.join(map(str, row))} |" for row in frame.itertuples(index=False)])
