"""One player in one game to be played, computed on its own: the slow second way to a forecast of the slate."""

import datetime as dt
from typing import TYPE_CHECKING, Any

from statmuse_pipeline.defs.players import load_models, read_calibrators
from statmuse_pipeline.defs.playing import read_playing_models
from statmuse_pipeline.defs.pooled import EVERY_SPLIT, Pooled, dataset_rows
from statmuse_pipeline.defs.resources import Workspace
from statmuse_pipeline.defs.upcoming import Matchup
from statmuse_pipeline.domain import InformationLevel, PipelineError, Season, Stat, prior_column

if TYPE_CHECKING:
    import pandas as pd

    from statmuse_pipeline.forecasting import Forecasts

ROSTER_DAYS = 30
"""Who played for a team within so many days before its last game belongs to it."""


def upcoming_rows(player_games: "pd.DataFrame", matchup: Matchup) -> "pd.DataFrame":
    """One row a player of both teams, as `build_features` takes them.

    Raises:
        PipelineError: when a team has no players, or the day is not after the games that are known.
    """
    import pandas as pd

    day = pd.Timestamp(matchup.date)
    before = player_games[player_games["game_date"] < day]
    last = before.sort_values("game_date").drop_duplicates("player_id", keep="last")
    parts = []
    for team, opponent in (
        (matchup.home_team_id, matchup.away_team_id),
        (matchup.away_team_id, matchup.home_team_id),
    ):
        newest = before.loc[before["team_id"] == team, "game_date"].max()
        roster = last[(last["team_id"] == team) & (last["game_date"] >= newest - pd.Timedelta(days=ROSTER_DAYS))]
        if roster.empty:
            raise PipelineError(f"No player of team {team} is known before {matchup.date}: sync its games first.")
        parts.append(roster.assign(opponent_team_id=opponent, is_home=team == matchup.home_team_id))
    rows = pd.concat(parts)[["player_id", "player_name", "team_id", "opponent_team_id", "is_home"]]
    rows = rows.assign(season=Season.of_date(matchup.date).label, game_id=f"U{day:%y%m%d}001", game_date=day)
    if matchup.out is not None:
        rows = rows.assign(out=rows["player_id"].isin(matchup.out))
    return rows.reset_index(drop=True)


def forecast_matchup(workspace: Workspace, matchup: Matchup, player_id: int) -> "Forecasts":
    """Forecasts of every stat of one player in a game to be played.

    Raises:
        PipelineError: when the player is on neither team or is out.
    """
    import pandas as pd

    from statmuse_pipeline.features.minutes import FILES, MinutesModel, forecast_minutes
    from statmuse_pipeline.features.roster import roster_features
    from statmuse_pipeline.features.table import build_features
    from statmuse_pipeline.forecasting import make_forecasts
    from statmuse_pipeline.modeling.residuals import add_residual_history
    from statmuse_pipeline.warehouse import read

    history = read.player_games(workspace.engine)
    upcoming = upcoming_rows(history, matchup)
    if player_id not in set(upcoming["player_id"]):
        raise PipelineError(f"Player {player_id} plays for neither team: check the opponent and the date.")
    known = history[history["game_date"] < pd.Timestamp(matchup.date)]
    players = read.players(workspace.engine)
    roster = roster_features(known, players, upcoming.drop(columns="out", errors="ignore"))
    likely = read_playing_models(workspace).plain.p_plays(roster)
    chances = roster[["game_id", "player_id"]].assign(p_plays=likely)
    table = build_features(known, read.games(workspace.engine), players, upcoming, chances=chances)
    folder = workspace.shelf.folder("pooled")
    workspace.shelf.require("pooled", made_by="statmuse train")
    minutes = {
        level: MinutesModel.from_bytes({name: (folder / f"{level.value}-{name}").read_bytes() for name in FILES})
        for level in InformationLevel
    }
    slate = forecast_minutes(table[table["min"].isna()], minutes)
    rows = slate[slate["player_id"] == player_id].reset_index(drop=True)
    if rows.empty:
        raise PipelineError(f"Player {player_id} is out: there is nothing to forecast.")
    rows = rows.assign(split="upcoming", **_priors(workspace, rows))
    earlier = _earlier_rows(workspace, player_id, matchup.date)
    rows = add_residual_history(pd.concat([earlier, rows], ignore_index=True)).tail(1).reset_index(drop=True)
    own = load_models(workspace, [player_id]).get(player_id)
    means = {}
    for stat in workspace.stats:
        prior = rows[prior_column(stat, matchup.level)].to_numpy(dtype=float)
        means[stat] = own.means(rows, stat, prior)["served"] if own else pd.Series(prior, index=rows.index)
    pooled = Pooled.read(workspace)
    return make_forecasts(
        rows,
        means,
        pooled.dispersions[matchup.level],
        level=matchup.level,
        aims=pooled.aims[matchup.level],
        calibrators=pooled.calibrators[matchup.level],
        player_calibrators=read_calibrators(workspace),
        model="player" if own and own.stats else "prior",
    )


def _priors(workspace: Workspace, rows: "pd.DataFrame") -> dict[str, Any]:
    """The prior mean of every stat at both levels, from the models fitted on all games."""
    from statmuse_pipeline.modeling.prior import PooledPrior

    folder = workspace.shelf.folder("pooled")
    return {
        prior_column(stat, level): PooledPrior.from_bytes(
            (folder / f"prior-{level.value}-{stat.column}.bin").read_bytes()
        ).predict(rows)
        for level in InformationLevel
        for stat in Stat
    }


def _earlier_rows(workspace: Workspace, player_id: int, date: dt.date) -> "pd.DataFrame":
    import pandas as pd

    rows = dataset_rows(workspace, EVERY_SPLIT)
    priors = pd.read_parquet(workspace.shelf.folder("pooled") / "priors.parquet")
    mine = rows[(rows["player_id"] == player_id) & (rows["game_date"] < pd.Timestamp(date))]
    return mine.merge(priors, on=["game_id", "player_id"], validate="one_to_one")
