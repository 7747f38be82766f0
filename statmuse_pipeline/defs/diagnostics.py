"""Tables of the metric report that look into the forecasts: how sums are forecast, and what the error is made of."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from statmuse_pipeline.defs.betting import read_quotes
from statmuse_pipeline.defs.forecasts import JUDGED, KEYS
from statmuse_pipeline.defs.pooled import EVERY_SPLIT, Pooled, dataset_rows
from statmuse_pipeline.defs.resources import Workspace
from statmuse_pipeline.domain import (
    EXPECTED_MINUTES,
    MINIMUM_HISTORY,
    Combination,
    InformationLevel,
    Stat,
    prior_column,
)

if TYPE_CHECKING:
    import pandas as pd

    from statmuse_pipeline.forecasting import Forecasts
    from statmuse_pipeline.modeling.distribution import CountDistribution
    from statmuse_pipeline.modeling.joint import JointModel

    Ways = Mapping[str, CountDistribution]

SUMS = {**{item.value: item.parts for item in Combination}, "+".join(Stat.PRA.parts): Stat.PRA.parts}


def combination_tables(
    workspace: Workspace, forecasts: "Forecasts", outcomes: "pd.DataFrame"
) -> "dict[str, pd.DataFrame]":
    """Sums of stats on fixed lines at tip-off, and on real quotes at the level of each, from every way of making them.

    Args:
        workspace: where joint distributions and quotes are.
        forecasts: of validation and test, at both levels.
        outcomes: of the same games.
    """
    import pandas as pd

    from statmuse_pipeline.evaluation.combinations import score_sum, sum_outcomes

    joints = Pooled.read(workspace).known_joints
    pra = read_quotes(workspace)
    pra = pra[pra["stat"] == Stat.PRA].assign(stat="+".join(Stat.PRA.parts))
    quotes = pd.concat([read_quotes(workspace, "combinations"), pra], ignore_index=True)
    on_lines: list[dict[str, Any]] = []
    on_quotes: list[pd.DataFrame] = []
    for split in JUDGED:
        of_split = forecasts.select(split=split)
        for name, parts in SUMS.items():
            if not set(parts) <= set(of_split.distributions):
                continue
            told = {"stat": name, "split": split}
            happened = sum_outcomes(outcomes, name, parts)
            keys, ways = _ways(of_split.select(level=InformationLevel.TIPOFF), joints[InformationLevel.TIPOFF], parts)
            survival = {way: forecast.survival for way, forecast in ways.items()}
            on_lines += [{**told, **row} for row in score_sum(keys, survival, happened, parts)]
            scored = _on_quotes(of_split, joints, quotes[quotes["stat"] == name], happened, parts)
            on_quotes += [table.assign(split=split) for table in scored]
    return {
        "combinations": pd.DataFrame(on_lines) if on_lines else pd.DataFrame(columns=["stat", "split", "model"]),
        "combination_quotes": pd.concat(on_quotes, ignore_index=True)
        if on_quotes
        else pd.DataFrame(columns=["stat", "split", "model"]),
    }


def _ways(forecasts: "Forecasts", joint: "JointModel", parts: tuple[Stat, ...]) -> "tuple[pd.DataFrame, Ways]":
    """The player-games of which all parts are forecast, and the sum's distributions from every way of making them."""
    from statmuse_pipeline.combinations import marginals
    from statmuse_pipeline.evaluation.combinations import DIRECT, INDEPENDENT, JOINT
    from statmuse_pipeline.modeling.joint import JointModel

    direct = parts == Stat.PRA.parts and Stat.PRA in forecasts.distributions
    keys, own = marginals(forecasts, (*parts, Stat.PRA) if direct else parts)
    if keys.empty:
        return keys, {}
    ways = {JOINT: joint.total(own, parts), INDEPENDENT: JointModel.independent().total(own, parts)}
    return keys, {**ways, DIRECT: own[Stat.PRA]} if direct else ways


def _on_quotes(
    forecasts: "Forecasts",
    joints: "Mapping[InformationLevel, JointModel]",
    quotes: "pd.DataFrame",
    outcomes: "pd.DataFrame",
    parts: tuple[Stat, ...],
) -> "list[pd.DataFrame]":
    """Scores of one sum next to the market's, a table of one row from every way of making the sum."""
    import pandas as pd

    from statmuse_pipeline.evaluation.market import score_market

    priced: dict[str, list[pd.DataFrame]] = {}
    for level in InformationLevel:
        asked = quotes[quotes["level"] == level]
        own = forecasts.select(
            level=level, games=list(asked["game_id"].unique()), players=list(asked["player_id"].unique())
        )
        if not set(parts) <= set(own.distributions):
            continue
        keys, ways = _ways(own, joints[level], parts)
        place = pd.MultiIndex.from_frame(keys[KEYS]).get_indexer(pd.MultiIndex.from_frame(asked[KEYS]))
        found, at = asked[place >= 0], place[place >= 0]
        for way, forecast in ways.items():
            over, push = forecast.over(found["line"], at), forecast.push(found["line"], at)
            priced.setdefault(way, []).append(found.assign(p_over=over / (1 - push).clip(min=1e-9)))
    tables = [score_market(pd.concat(found), outcomes).assign(model=way) for way, found in priced.items()]
    return [table[table["stat"].isin(SUMS)] for table in tables if len(table)]


def error_table(workspace: Workspace, tipoff: "Forecasts") -> "pd.DataFrame":
    """What the mean squared error of the served forecasts is made of, a row a split and stat.

    Args:
        workspace: where dataset, priors and box scores are.
        tipoff: forecasts of validation and test at tip-off.
    """
    import pandas as pd

    from statmuse_pipeline.evaluation.error_split import FEWEST_ROWS, KnownMinutes, event_variance, split_error
    from statmuse_pipeline.warehouse.read import player_games

    games = dataset_rows(workspace, EVERY_SPLIT)
    games = games[(games["min"] > 0) & (games["games_before"] >= MINIMUM_HISTORY)]
    level = InformationLevel.TIPOFF
    own = {stat.column for stat in Stat}
    games = games[[*KEYS, "game_date", "split", "min", EXPECTED_MINUTES[level], *own]]
    games = games.rename(columns={"min": "played", EXPECTED_MINUTES[level]: "expected"})
    box = player_games(workspace.engine)[[*KEYS, "fgm", "ftm"]]
    priors = pd.read_parquet(workspace.shelf.folder("pooled") / "priors.parquet")
    games = games.merge(box, on=KEYS, validate="one_to_one").merge(priors, on=KEYS, validate="one_to_one")
    table = []
    for stat in tipoff.distributions:
        whole = games.assign(actual=games[stat.column], variance=event_variance(games, stat))
        prior = prior_column(stat, level)
        train = whole[(whole["split"] == "train") & whole[prior].notna()]
        if len(train) < FEWEST_ROWS:
            continue
        known = KnownMinutes.fit(train[prior], train["expected"], train["played"], train["actual"])
        judged = whole.merge(tipoff.keys(stat)[[*KEYS, "mean"]], on=KEYS, validate="one_to_one")
        for split in JUDGED:
            part = judged[judged["split"] == split]
            if len(part):
                table.append({"split": split, "stat": stat.value, **split_error(part, known)})
    order = {split: place for place, split in enumerate(JUDGED)}
    found = pd.DataFrame(table) if table else pd.DataFrame(columns=["split", "stat"])
    return found.sort_values("split", key=lambda names: names.map(order), kind="stable", ignore_index=True)
