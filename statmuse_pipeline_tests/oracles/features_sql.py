"""Features computed a second time, slowly, in plain SQL (SQLite) from the box scores alone.

Nothing here is shared with `statmuse_pipeline.features`: windows are SQL window functions, exponential weights a
recursive query, absences a correlated sub-query.
"""

from __future__ import annotations

import sqlite3

import pandas as pd

STATS = ("min", "pts", "reb", "fg3m", "pra", "fta")


def open_league(player_games: pd.DataFrame, players: pd.DataFrame) -> sqlite3.Connection:
    """An in-memory database with `pg` (player-games, `day` as an integer) and `people` (position group)."""
    database = sqlite3.connect(":memory:")
    day = (player_games["game_date"] - pd.Timestamp("1970-01-01")).dt.days
    player_games.drop(columns="game_date").assign(day=day).to_sql("pg", database, index=False)
    people = players[["player_id", "position"]].assign(grp=players["position"].str[:1].fillna("?"))
    people[["player_id", "grp"]].to_sql("people", database, index=False)
    database.executescript(
        """
        CREATE INDEX by_player ON pg (player_id, day);
        CREATE INDEX by_team ON pg (team_id, day);
        CREATE INDEX by_game ON pg (game_id, team_id);
        CREATE TABLE tg AS
            SELECT game_id, team_id, opponent_team_id, day, SUM(pts) AS pts, SUM(min) AS min,
                   SUM(fga) + 0.44 * SUM(fta) - SUM(oreb) + SUM(tov) AS poss
            FROM pg GROUP BY game_id, team_id, opponent_team_id, day;
        CREATE INDEX tg_by_team ON tg (team_id, day);
        CREATE INDEX tg_by_game ON tg (game_id, team_id);
        """
    )
    return database


def recent_form(database: sqlite3.Connection, player_id: int) -> pd.DataFrame:
    """Windows, trend, season-to-date and weighted means of one player before each of his games with MIN > 0."""
    parts = [
        f"""
        AVG({s}) OVER (ORDER BY day ROWS BETWEEN 3 PRECEDING AND 1 PRECEDING) AS {s}_mean_3,
        AVG({s}) OVER (ORDER BY day ROWS BETWEEN 20 PRECEDING AND 1 PRECEDING) AS {s}_mean_20,
        MIN({s}) OVER (ORDER BY day ROWS BETWEEN 10 PRECEDING AND 1 PRECEDING) AS {s}_min_10,
        MAX({s}) OVER (ORDER BY day ROWS BETWEEN 10 PRECEDING AND 1 PRECEDING) AS {s}_max_10,
        LAG({s}) OVER (ORDER BY day)
            - AVG({s}) OVER (ORDER BY day ROWS BETWEEN 5 PRECEDING AND 1 PRECEDING) AS {s}_momentum_5,
        AVG({s}) OVER (PARTITION BY season ORDER BY day ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS {s}_season
        """
        for s in STATS
    ]
    frame = pd.read_sql_query(
        f"""
        SELECT game_id, player_id, COUNT(*) OVER (ORDER BY day ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
                   AS games_before,
               MIN(day - LAG(day) OVER (ORDER BY day) - 1, 30) AS rest_days,
               COUNT(*) OVER (ORDER BY day RANGE BETWEEN 7 PRECEDING AND 1 PRECEDING) AS games_in_7_days,
               {",".join(parts)}
        FROM pg WHERE player_id = ? AND min > 0 ORDER BY day
        """,
        database,
        params=[player_id],
    )
    for s in STATS:
        frame = frame.merge(_windowed_by_join(database, player_id, s), on="game_id", how="left")
        frame = frame.merge(_weighted(database, player_id, s), on="game_id", how="left")
    return frame


def _windowed_by_join(database: sqlite3.Connection, player_id: int, s: str) -> pd.DataFrame:
    """Linear weights, slope, deviation and median over the last ten games, by joining each game to those before."""
    return pd.read_sql_query(
        f"""
        WITH mine AS (SELECT game_id, 1.0 * {s} AS y, ROW_NUMBER() OVER (ORDER BY day) AS n
                      FROM pg WHERE player_id = ? AND min > 0),
        seen AS (SELECT now.game_id, past.y, past.n - MAX(now.n - 11, 0) AS x,
                        ROW_NUMBER() OVER (PARTITION BY now.game_id ORDER BY past.y) AS place,
                        COUNT(*) OVER (PARTITION BY now.game_id) AS games
                 FROM mine AS now JOIN mine AS past ON past.n BETWEEN now.n - 10 AND now.n - 1)
        SELECT game_id,
               SUM(x * y) / SUM(x) AS {s}_wma_10,
               CASE WHEN COUNT(*) >= 3 THEN (AVG(x * y) - AVG(x) * AVG(y)) / (AVG(x * x) - AVG(x) * AVG(x)) END
                   AS {s}_slope_10,
               CASE WHEN COUNT(*) >= 2 THEN SQRT(MAX(AVG(y * y) - AVG(y) * AVG(y), 0) * COUNT(*) / (COUNT(*) - 1)) END
                   AS {s}_std_10,
               AVG(CASE WHEN place IN ((games + 1) / 2, (games + 2) / 2) THEN y END) AS {s}_median_10
        FROM seen GROUP BY game_id
        """,
        database,
        params=[player_id],
    )


def _weighted(database: sqlite3.Connection, player_id: int, s: str) -> pd.DataFrame:
    """Exponentially weighted means and their ratio to minutes, by a recursive query over the player's games."""
    return pd.read_sql_query(
        f"""
        WITH RECURSIVE
        mine AS (SELECT game_id, 1.0 * {s} AS y, min, ROW_NUMBER() OVER (ORDER BY day) AS n
                 FROM pg WHERE player_id = ? AND min > 0),
        run(n, fast, fast_weight, slow, slow_weight, minutes) AS (
            SELECT n, y, 1.0, y, 1.0, 1.0 * min FROM mine WHERE n = 1
            UNION ALL
            SELECT mine.n, 0.9 * fast + y, 0.9 * fast_weight + 1, 0.97 * slow + y, 0.97 * slow_weight + 1,
                   0.97 * minutes + min
            FROM run JOIN mine ON mine.n = run.n + 1)
        SELECT game_id, fast / fast_weight AS {s}_ewm_10, slow / slow_weight AS {s}_ewm_03,
               slow / minutes AS {s}_per_min_03
        FROM mine JOIN run ON run.n = mine.n - 1
        """,
        database,
        params=[player_id],
    ).drop(columns=["min_per_min_03"], errors="ignore")


def opponent(database: sqlite3.Connection, player_id: int) -> pd.DataFrame:
    """What the opponent allowed over its last 20 games, in all and to the player's position, its pace and rating."""
    last_games = """(SELECT t.game_id FROM tg AS t WHERE t.team_id = me.opponent_team_id AND t.day < me.day
                     ORDER BY t.day DESC LIMIT 20)"""
    return pd.read_sql_query(
        f"""
        WITH both AS (SELECT t.*, o.pts AS allowed, (t.poss + o.poss) / 2 AS both_poss, (t.min + o.min) / 10.0 AS length
                      FROM tg AS t JOIN tg AS o ON o.game_id = t.game_id AND o.team_id <> t.team_id)
        SELECT me.game_id, me.player_id,
            (SELECT AVG(allowed) FROM both WHERE team_id = me.opponent_team_id AND game_id IN {last_games})
                AS opp_pts_allowed_20,
            (SELECT 48.0 * SUM(both_poss) / SUM(length) FROM both
             WHERE team_id = me.opponent_team_id AND game_id IN {last_games}) AS opp_pace_20,
            (SELECT 100.0 * SUM(allowed) / SUM(both_poss) FROM both
             WHERE team_id = me.opponent_team_id AND game_id IN {last_games}) AS opp_def_rating_20,
            (SELECT 36.0 * SUM(pg.pts) / SUM(pg.min) FROM pg JOIN people USING (player_id)
             WHERE pg.game_id IN {last_games} AND pg.opponent_team_id = me.opponent_team_id AND people.grp = mine.grp)
                AS opp_pts_allowed_pos_20
        FROM pg AS me JOIN people AS mine USING (player_id) WHERE me.player_id = ? ORDER BY me.day
        """,
        database,
        params=[player_id],
    )


def relative_allowance(database: sqlite3.Connection, usual: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Points allowed to a position relative to what those players usually make, over the opponent's last 20 games.

    Args:
        database: of `open_league`.
        usual: game_id, player_id, rate (slow points a minute before the game), known (five earlier games or more).
        rows: game_id, player_id of the wanted rows.
    """
    usual.astype({"known": int}).to_sql("usual", database, index=False, if_exists="replace")
    rows[["game_id", "player_id"]].to_sql("wanted", database, index=False, if_exists="replace")
    database.execute("CREATE INDEX IF NOT EXISTS by_usual ON usual (game_id, player_id)")
    return pd.read_sql_query(
        """
        SELECT me.game_id, me.player_id,
            (SELECT SUM(pg.pts) / SUM(usual.rate * pg.min) - 1
             FROM pg JOIN people USING (player_id)
             JOIN usual ON usual.game_id = pg.game_id AND usual.player_id = pg.player_id
             WHERE usual.known AND pg.min > 0 AND pg.opponent_team_id = me.opponent_team_id AND people.grp = mine.grp
               AND pg.game_id IN (SELECT t.game_id FROM tg AS t WHERE t.team_id = me.opponent_team_id AND t.day < me.day
                                  ORDER BY t.day DESC LIMIT 20)) AS opp_pts_resid_pos_20
        FROM wanted JOIN pg AS me USING (game_id, player_id) JOIN people AS mine ON mine.player_id = me.player_id
        """,
        database,
    )


def absences(database: sqlite3.Connection, usual: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Rotation players who belong to the team (last game for it, at most 30 days ago) and are not in the box score.

    Args:
        database: of `open_league`.
        usual: game_id, player_id, after_min and lately_min: slow mean of minutes and quick one of minutes without
            overtime, including that game.
        rows: game_id, player_id of the wanted rows.
    """
    usual.to_sql("usual_minutes", database, index=False, if_exists="replace")
    rows[["game_id", "player_id"]].to_sql("wanted", database, index=False, if_exists="replace")
    database.execute("CREATE INDEX IF NOT EXISTS by_usual_minutes ON usual_minutes (game_id, player_id)")
    return pd.read_sql_query(
        """
        SELECT me.game_id, me.player_id, COUNT(other.player_id) AS tip_out_count,
               COALESCE(SUM(u.after_min), 0) AS tip_out_min
        FROM wanted JOIN pg AS me USING (game_id, player_id)
        LEFT JOIN (pg AS other JOIN usual_minutes AS u ON u.game_id = other.game_id AND u.player_id = other.player_id)
            ON other.team_id = me.team_id AND other.day BETWEEN me.day - 30 AND me.day - 1
            AND u.lately_min >= 15
            AND NOT EXISTS (SELECT 1 FROM pg AS later WHERE later.player_id = other.player_id
                            AND later.day > other.day AND later.day < me.day)
            AND NOT EXISTS (SELECT 1 FROM pg AS now WHERE now.player_id = other.player_id
                            AND now.game_id = me.game_id AND now.team_id = me.team_id)
        GROUP BY me.game_id, me.player_id
        """,
        database,
    )
