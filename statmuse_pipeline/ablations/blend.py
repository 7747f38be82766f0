"""Ways to blend our forecast into the market's, scored on real quotes of games before the test split."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from statmuse_pipeline.betting.blend import COLUMNS, OWN_SD, SHARED_SD, BlendPrior
from statmuse_pipeline.betting.consensus import market_view
from statmuse_pipeline.evaluation.paired import DateBootstrap, GameScores
from statmuse_pipeline.evaluation.scores import EVERY_STAT

GROUP = "blend"

QUOTED = "as quoted"
"""What stands in the column `level`: every quote is at the level of its moment."""

NO_VIG = "no-vig"

LEAST_QUOTES = 1500
"""Of a stat, below which it is not scored by itself."""


def _times(factor: float, sds: tuple[float, float, float]) -> tuple[float, float, float]:
    a, b, c = sds
    return factor * a, factor * b, factor * c


WAYS: dict[str, tuple[str, BlendPrior | None]] = {
    "released": ("nothing", BlendPrior()),
    "consensus alone": ("our forecast counts nothing", None),
    "every market by itself": ("no weights that all markets share", BlendPrior(share=False)),
    "wider priors": ("twice as wide", BlendPrior(_times(2, SHARED_SD), _times(2, OWN_SD))),
    "tighter priors": ("half as wide", BlendPrior(_times(0.5, SHARED_SD), _times(0.5, OWN_SD))),
    "no doubt after tip-off": ("quotes after tip-off weigh our forecast as others do", BlendPrior(late=OWN_SD)),
}
"""Name -> what is changed, and the prior; None leaves the consensus as it is."""


def measure_blend(quotes: pd.DataFrame, draws: int) -> list[dict[str, Any]]:
    """Rows of the ablation table; `crps` and `ladder_brier` are both the Brier score.

    Weights are learned walk-forward, so that all of the quotes can be scored.

    Args:
        quotes: as `consensus.market_view` takes them, of games before the test split.
        draws: of dates.

    Returns:
        For every way, and for the quotes' own no-vig probability, a row a stat with LEAST_QUOTES and one of all, each
        compared with what is released; none where there are too few quotes.
    """
    tables = {name: _blended(quotes, prior) for name, (_, prior) in WAYS.items()}
    table = tables["released"]
    push = table["p_push"].fillna(0.0) if "p_push" in table else 0.0
    said = {name: own["p_over_final"] / (1 - push) for name, own in tables.items()} | {NO_VIG: table["no_vig"]}
    changed = {name: text for name, (text, _) in WAYS.items()} | {NO_VIG: "the quote's own probability"}
    decided = table["sound"] & table["main_line"] & table["actual"].notna() & (table["actual"] != table["line"])
    decided &= pd.concat([table["p_over"], *said.values()], axis=1).notna().all(axis=1)
    stats = sorted(table.loc[decided, "stat"].unique())
    rows: list[dict[str, Any]] = []
    for stat in (EVERY_STAT, *stats):
        part = decided if stat == EVERY_STAT else decided & (table["stat"] == stat)
        if part.sum() < LEAST_QUOTES:
            continue
        over = (table.loc[part, "actual"] > table.loc[part, "line"]).to_numpy(np.float64)
        scores = {name: GameScores.of(p[part], p[part].to_numpy()[:, None], over, [0.5]) for name, p in said.items()}
        bootstrap = DateBootstrap(table.loc[part, "game_date"], draws=draws)
        for name, own in scores.items():
            row = {"group": GROUP, "name": name, "changed": changed[name], "level": QUOTED, "stat": stat}
            rows.append({**row, **own.summary(), **bootstrap.differences(own, scores["released"])})
    return rows


def _blended(quotes: pd.DataFrame, prior: BlendPrior | None) -> pd.DataFrame:
    if prior is None:
        return market_view(quotes, weights=pd.DataFrame(columns=COLUMNS)).quotes
    return market_view(quotes, prior=prior).quotes
