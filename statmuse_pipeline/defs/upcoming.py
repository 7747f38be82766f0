"""Forecasts of games that are still to be played, with the models that the assets made."""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from statmuse_pipeline.defs.earlier import read_minutes_models
from statmuse_pipeline.defs.live import live_models_of
from statmuse_pipeline.defs.players import load_models, read_calibrators
from statmuse_pipeline.defs.playing import read_playing_models
from statmuse_pipeline.defs.pooled import KEYS, Pooled
from statmuse_pipeline.defs.resources import Workspace
from statmuse_pipeline.domain import (
    Combination,
    InformationLevel,
    PipelineError,
    Season,
    Stat,
    prior_column,
)

if TYPE_CHECKING:
    import pandas as pd

    from statmuse_pipeline.features.squads import Squads
    from statmuse_pipeline.forecasting import Forecasts
    from statmuse_pipeline.modeling.distribution import CountDistribution
    from statmuse_pipeline.serving import ServedModels


@dataclass(frozen=True)
class Matchup:
    """A game to be played.

    Attributes:
        date: Eastern day.
        home_team_id: who is at home.
        away_team_id: who is not.
        out: ids of players who are known to miss it; None when that is not known yet.
    """

    date: dt.date
    home_team_id: int
    away_team_id: int
    out: Collection[int] | None = None

    @property
    def level(self) -> InformationLevel:
        """Tip-off once it is known who is out."""
        return InformationLevel.PREGAME if self.out is None else InformationLevel.TIPOFF


def forecast_matchup(workspace: Workspace, matchup: Matchup, player_id: int) -> "Forecasts":
    """Forecasts of every stat of one player in a game to be played.

    Raises:
        PipelineError: when the player is on neither team or is out.
    """
    import pandas as pd

    from statmuse_pipeline.participation import chances_before
    from statmuse_pipeline.serving import forecast_upcoming
    from statmuse_pipeline.slate.roster import upcoming_rows
    from statmuse_pipeline.warehouse import read

    history = read.player_games(workspace.engine)
    game = pd.DataFrame(
        {
            "season": [Season.of_date(matchup.date).label],
            "game_id": [f"U{matchup.date:%y%m%d}001"],
            "game_date": [pd.Timestamp(matchup.date)],
            "tipoff_utc": [pd.NaT],
            "home_team_id": [matchup.home_team_id],
            "away_team_id": [matchup.away_team_id],
        }
    )
    rows = upcoming_rows(history, game)
    if player_id not in set(rows["player_id"]):
        raise PipelineError(f"Player {player_id} plays for neither team: check the opponent and the date.")
    if player_id in (matchup.out or ()):
        raise PipelineError(f"Player {player_id} is out: there is nothing to forecast.")
    if matchup.out is not None:
        rows = rows.assign(out=rows["player_id"].isin(matchup.out))
    at = {game["game_id"].iloc[0]: matchup.level}
    chances = chances_before(
        read_playing_models(workspace), upcoming_roster(workspace, history, game, rows), rows.assign(status=""), at
    )
    features = upcoming_features(workspace, history, game, rows, chances)
    earlier, models = earlier_rows(workspace, [player_id], matchup.date), served_models(workspace, [player_id])
    made = forecast_upcoming(
        features, earlier, models, at, workspace.stats,
        upcoming_squads(workspace, history, game, rows, models),
    )  # fmt: skip
    return made.select(players=[player_id])


def forecast_of(
    workspace: Workspace, forecasts: "Forecasts", wanted: Stat | Combination
) -> "tuple[pd.Series, CountDistribution]":
    """Mean, model and 80% interval (lo80, hi80) of one player's stat or sum, and its distribution (of one row).

    Raises:
        PipelineError: when it is not forecast: nothing is known of the player.
    """
    if isinstance(wanted, Combination):
        from statmuse_pipeline.combinations import combine

        combined = combine(forecasts, Pooled.read(workspace).known_joints, (wanted,))
        keys, distribution = combined.keys(wanted), combined.distributions.get(wanted)
        if distribution is not None:
            low, high = distribution.interval(0.8)
            keys = keys.assign(lo80=low, hi80=high)
    else:
        keys, distribution = forecasts.keys(wanted), forecasts.distributions.get(wanted)
    if distribution is None:
        raise PipelineError(f"There is no forecast of {wanted}: too little is known of the player.")
    return keys.iloc[0], distribution


def upcoming_features(
    workspace: Workspace,
    history: "pd.DataFrame",
    games: "pd.DataFrame",
    rows: "pd.DataFrame",
    chances: "pd.DataFrame | None" = None,
) -> "pd.DataFrame":
    """The feature table's rows of the games to be played, of those who are not out.

    Args:
        workspace: where the warehouse is.
        history: contracts.PLAYER_GAMES; what was played on the day of `games` or later is not looked at.
        games: contracts.SCHEDULED_GAMES of one day.
        rows: of `roster.upcoming_rows`, with `out` where something is known.
        chances: of `participation.chances_before`; without them who played the last game is expected, and no one else.
    """
    import pandas as pd

    from statmuse_pipeline.features.table import build_features
    from statmuse_pipeline.warehouse import read

    known = history[history["game_date"] < games["game_date"].min()]
    tipoffs = pd.concat([read.games(workspace.engine), games])[["game_id", "tipoff_utc"]].drop_duplicates(
        "game_id", keep="last"
    )
    players = read.players(workspace.engine)
    return build_features(known, tipoffs, players, rows, only_upcoming=True, chances=chances)


def upcoming_squads(
    workspace: Workspace,
    history: "pd.DataFrame",
    games: "pd.DataFrame",
    rows: "pd.DataFrame",
    models: "ServedModels",
) -> "Squads | None":
    """Whom the players of the games to be played play with; None where no network of the models attends to them.

    Other arguments as `upcoming_features`.
    """
    from statmuse_pipeline.features.squads import build_squads
    from statmuse_pipeline.warehouse import read

    if models.minutes[InformationLevel.TIPOFF].attention is None:
        return None
    known = history[history["game_date"] < games["game_date"].min()]
    return build_squads(known, read.players(workspace.engine), rows, only_upcoming=True)


def upcoming_roster(
    workspace: Workspace, history: "pd.DataFrame", games: "pd.DataFrame", rows: "pd.DataFrame"
) -> "pd.DataFrame":
    """What is known of every player of the games to be played, out or not; arguments as `upcoming_features`."""
    from statmuse_pipeline.features.roster import roster_features
    from statmuse_pipeline.warehouse import read

    known = history[history["game_date"] < games["game_date"].min()]
    return roster_features(known, read.players(workspace.engine), rows.drop(columns="out", errors="ignore"))


def upcoming_rotation(
    workspace: Workspace, history: "pd.DataFrame", games: "pd.DataFrame", rows: "pd.DataFrame"
) -> "pd.Series":
    """player_id -> whether he belongs to the rotation; arguments as `upcoming_features`."""
    from statmuse_pipeline.features.rotation import rotation_before
    from statmuse_pipeline.warehouse import read

    known = history[history["game_date"] < games["game_date"].min()]
    return rotation_before(known, read.players(workspace.engine), rows)


def served_models(workspace: Workspace, players: Sequence[int]) -> "ServedModels":
    """What the assets trained, the models of these players among it: live ones, else those that are judged.

    Raises:
        PipelineError: when nothing was trained, saying what to run.
    """
    from statmuse_pipeline.serving import ServedModels

    workspace.shelf.require("pooled", made_by="statmuse train")
    pooled = Pooled.read(workspace)
    live, live_calibrators = live_models_of(workspace, players)
    others = [player for player in players if player not in live]
    return ServedModels(
        minutes=read_minutes_models(workspace.shelf.folder("pooled")),
        priors=_priors(workspace),
        players={**load_models(workspace, others), **live},
        dispersions=pooled.dispersions,
        aims=pooled.aims,
        calibrators=pooled.calibrators,
        player_calibrators={**read_calibrators(workspace, others), **live_calibrators},
    )


def _priors(workspace: Workspace) -> dict[tuple[InformationLevel, Stat], Any]:
    """The prior of every level and stat, fitted on all games."""
    from statmuse_pipeline.modeling.prior import PooledPrior

    folder = workspace.shelf.folder("pooled")
    return {
        (level, stat): PooledPrior.from_bytes((folder / f"prior-{level.value}-{stat.column}.bin").read_bytes())
        for level in InformationLevel
        for stat in Stat
    }


def earlier_rows(workspace: Workspace, players: Sequence[int], day: dt.date) -> "pd.DataFrame":
    """Games of these players before that day with their priors, as `residuals.add_residual_history` takes them.

    Games since the pooled models were fitted get the prior of those models, which had not seen them.
    """
    import pandas as pd

    from statmuse_pipeline.modeling.residuals import history_inputs

    wanted = [int(player) for player in players]
    before = [("player_id", "in", wanted), ("game_date", "<", pd.Timestamp(day))]
    columns = [*KEYS, "game_date", *(name for name in history_inputs() if not name.startswith("prior_"))]
    rows = _features(workspace, before, list(dict.fromkeys(columns)))
    workspace.shelf.require("pooled", made_by="statmuse train")
    priors = pd.read_parquet(workspace.shelf.folder("pooled") / "priors.parquet", filters=before[:1])
    rows = rows.merge(priors, on=KEYS, how="left", validate="one_to_one", indicator="learned")
    fresh = (rows.pop("learned") != "both").to_numpy()
    if fresh.any():
        first = rows.loc[fresh, "game_date"].min()
        newer = _features(workspace, [*before, ("game_date", ">=", first)], None)
        named = {prior_column(stat, level): prior.predict(newer) for (level, stat), prior in _priors(workspace).items()}
        newer = newer[KEYS].assign(**named)
        filled = rows.loc[fresh, KEYS].merge(newer, on=KEYS, how="left")
        rows.loc[fresh, list(named)] = filled[list(named)].to_numpy()
    return rows


def _features(workspace: Workspace, filters: list[Any], columns: list[str] | None) -> "pd.DataFrame":
    """Rows of the season files of features."""
    import pandas as pd

    parts = []
    for season in workspace.settings.seasons:
        workspace.shelf.require(f"features/{season}", made_by="statmuse train")
        file = workspace.shelf.folder(f"features/{season}") / "features.parquet"
        parts.append(pd.read_parquet(file, columns=columns, filters=filters))
    return pd.concat(parts, ignore_index=True)
