"""A local server that speaks the JSON of stats.nba.com: a season written by hand or one from the archive.

`with served(StatsServer.of(payload)) as (server, base_url)` plays a real season; `server.until` reveals it day by day.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pandas as pd

from statmuse_pipeline.sources.source import SeasonPayload
from statmuse_pipeline_tests.sources.local_http import Reply, Request, listening

HAWKS, BULLS = 1610612737, 1610612741


def written_season(season_id: str = "22023") -> pd.DataFrame:
    """Two games of two teams with two players each, as LeagueGameLog gives them; the second on neutral ground."""
    rows = []
    for game, day, text in (("0022300001", "2023-10-24", "vs."), ("0022300002", "2024-01-11", "@")):
        for team, short, name, matchup, won in (
            (HAWKS, "ATL", "Atlanta Hawks", f"ATL {text} CHI", "W"),
            (BULLS, "CHI", "Chicago Bulls", "CHI @ ATL", "L"),
        ):
            for player in (1, 2):
                rows.append(
                    {
                        "SEASON_ID": season_id, "PLAYER_ID": team % 1000 * 10 + player,
                        "PLAYER_NAME": f"Ünï {short} {player}",
                        "TEAM_ID": team, "TEAM_ABBREVIATION": short, "TEAM_NAME": name, "GAME_ID": game,
                        "GAME_DATE": day, "MATCHUP": matchup, "WL": won, "MIN": 30, "FGM": 5, "FGA": 10, "FG_PCT": 0.5,
                        "FG3M": 1, "FG3A": 3, "FG3_PCT": 0.333, "FTM": 2, "FTA": 2, "FT_PCT": 1.0, "OREB": 1, "DREB": 4,
                        "REB": 5, "AST": 4, "STL": 1, "BLK": 0, "TOV": 2, "PF": 3, "PTS": 13, "PLUS_MINUS": 5,
                        "VIDEO_AVAILABLE": 1,
                    }
                )  # fmt: skip
    return pd.DataFrame(rows)


@dataclass
class StatsServer:
    """Serves seasons; `script` holds replies for the next requests of an endpoint, in order.

    `until` is the last day that has been played: later rows do not exist yet and later games are to come.
    """

    logs: pd.DataFrame = field(default_factory=written_season)
    schedule: list[dict[str, Any]] = field(default_factory=list)
    rosters: list[list[Any]] = field(default_factory=list)
    until: date | None = None
    script: dict[str, list[Reply]] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str], float]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    @classmethod
    def of(cls, payload: SeasonPayload) -> StatsServer:
        """A server that knows what the archive knows of a season."""
        short = payload.game_logs.drop_duplicates("TEAM_ID").set_index("TEAM_ID")["TEAM_ABBREVIATION"]
        games = [
            official_game(
                game.GAME_ID,
                game.HOME_TEAM_ID,
                game.AWAY_TEAM_ID,
                game.TIPOFF_UTC.strftime("%Y-%m-%dT%H:%M:%SZ") if pd.notna(game.TIPOFF_UTC) else "1900-01-01T00:00:00Z",
                game.GAME_DATE,
                tricodes=(short.get(game.HOME_TEAM_ID, ""), short.get(game.AWAY_TEAM_ID, "")),
            )
            for game in payload.schedule.itertuples()
        ]
        known = payload.players
        height = known["HEIGHT_IN"].map(lambda inches: f"{inches // 12:.0f}-{inches % 12:.0f}", na_action="ignore")
        rows = pd.DataFrame(
            {"id": known["PLAYER_ID"], "pos": known["POSITION"], "height": height, "weight": known["WEIGHT_LB"]}
        )
        return cls(payload.game_logs, games, _plain(rows))

    def asked(self, endpoint: str) -> list[dict[str, str]]:
        """The queries that reached an endpoint."""
        return [query for name, query, _ in self.requests if name == endpoint]

    def reply(self, endpoint: str, query: dict[str, str]) -> Reply:
        """The scripted reply, else the season as the real server would give it."""
        if self.script.get(endpoint):
            return self.script[endpoint].pop(0)
        if endpoint == "leaguegamelog":
            return Reply(self.game_log(query) if query["PlayerOrTeam"] == "P" else self.team_log(query))
        if endpoint == "playergamelogs":
            return Reply(self.player_log(query))
        if endpoint == "scheduleleaguev2" and self.schedule:
            days = [{"gameDate": "10/24/2023 00:00:00", "games": self.of_season(query["Season"])}]
            return Reply(json.dumps({"leagueSchedule": {"seasonYear": query["Season"], "gameDates": days}}))
        if endpoint == "scoreboardv3":
            return Reply(self.scoreboard(query["GameDate"]))
        if endpoint == "playerindex" and self.rosters:
            headers = ["PERSON_ID", "POSITION", "HEIGHT", "WEIGHT"]
            return Reply(result_set("PlayerIndex", headers, self.rosters))
        if endpoint == "commonallplayers":
            return Reply(self.all_players(query))
        return Reply("not here", 404)

    def of_season(self, season: str) -> list[dict[str, Any]]:
        """The schedule of one season as it stands; a game's id holds the year it starts in."""
        return [game for game in self._games_as_of_now() if game["gameId"][3:5] == season[2:4]]

    def rows(self, query: dict[str, str]) -> pd.DataFrame:
        """Game logs of the season and dates asked for, as far as they have been played."""
        rows = self.logs[self.logs["SEASON_ID"] == f"2{query['Season'][:4]}"]
        if self.until is not None:
            rows = rows[rows["GAME_DATE"] <= self.until.isoformat()]
        for bound, keep in (("DateFrom", pd.Series.ge), ("DateTo", pd.Series.le)):
            if query.get(bound):
                month, day, year = query[bound].split("/")
                rows = rows[keep(rows["GAME_DATE"], f"{year}-{month}-{day}")]
        return rows

    def game_log(self, query: dict[str, str]) -> str:
        """LeagueGameLog, players."""
        rows = self.rows(query)
        return result_set("LeagueGameLog", list(rows.columns), _plain(rows))

    def team_log(self, query: dict[str, str]) -> str:
        """LeagueGameLog, teams: sums of the players' rows."""
        rows = self.rows(query)
        keys = ["SEASON_ID", "TEAM_ID", "TEAM_ABBREVIATION", "TEAM_NAME", "GAME_ID", "GAME_DATE", "MATCHUP", "WL"]
        counts = [name for name in rows.select_dtypes("int64") if name not in (*keys, "PLAYER_ID")]
        teams = rows.groupby(keys, as_index=False)[counts].sum()
        return result_set("LeagueGameLog", list(teams.columns), _plain(teams))

    def player_log(self, query: dict[str, str]) -> str:
        """PlayerGameLogs: other names, fractions of minutes, a time of day in GAME_DATE, newest first."""
        rows = self.rows(query)
        rows = rows[rows["PLAYER_ID"] == int(query["PlayerID"])].iloc[::-1]
        shaped = rows.drop(columns=["SEASON_ID", "VIDEO_AVAILABLE"], errors="ignore").assign(
            SEASON_YEAR=query["Season"], GAME_DATE=rows["GAME_DATE"] + "T00:00:00", MIN=rows["MIN"] + 0.25
        )
        return result_set("PlayerGameLogs", list(shaped.columns), _plain(shaped))

    def scoreboard(self, day: str) -> str:
        """ScoreboardV3 of that day."""
        games = []
        for game in self._games_as_of_now():
            if game["gameDateEst"].startswith(day):
                shown = {name: value for name, value in game.items() if not name.startswith("gameDate")}
                games.append({**shown, "gameTimeUTC": game["gameDateTimeUTC"]})
        return json.dumps({"scoreboard": {"gameDate": day, "leagueId": "00", "games": games}})

    def all_players(self, query: dict[str, str]) -> str:
        """CommonAllPlayers of one season: who has played so far, with the latest team."""
        rows = self.rows(query).drop_duplicates("PLAYER_ID", keep="last")
        headers = ["PERSON_ID", "DISPLAY_FIRST_LAST", "ROSTERSTATUS", "TEAM_ID", "TEAM_ABBREVIATION"]
        shaped = rows.assign(ROSTERSTATUS=1)[
            ["PLAYER_ID", "PLAYER_NAME", "ROSTERSTATUS", "TEAM_ID", "TEAM_ABBREVIATION"]
        ]
        return result_set("CommonAllPlayers", headers, _plain(shaped))

    def _games_as_of_now(self) -> list[dict[str, Any]]:
        """The schedule, in which games that have been played are final and have their score."""
        if self.until is None:
            return self.schedule
        played = self.logs[self.logs["GAME_DATE"] <= self.until.isoformat()]
        points = played.groupby(["GAME_ID", "TEAM_ID"])["PTS"].sum().to_dict()
        games = []
        for game in self.schedule:
            sides = {side: points.get((game["gameId"], game[side]["teamId"])) for side in ("homeTeam", "awayTeam")}
            scored = {side: {**game[side], "score": score} for side, score in sides.items() if score is not None}
            final = {"gameStatus": 3, "gameStatusText": "Final"} if scored else {}
            games.append({**game, **scored, **final})
        return games


def official_game(
    game_id: str,
    home: int,
    away: int,
    tipoff: str,
    day: str = "2023-10-24",
    *,
    text: str = "7:30 pm ET",
    tricodes: tuple[str, str] = ("ATL", "CHI"),
) -> dict[str, Any]:
    """A game to come, as ScheduleLeagueV2 lists it."""
    return {
        "gameId": game_id,
        "gameStatus": 1,
        "gameStatusText": text,
        "gameDateEst": f"{day}T00:00:00Z",
        "gameDateTimeUTC": tipoff,
        "homeTeam": {"teamId": home, "teamTricode": tricodes[0], "score": 0},
        "awayTeam": {"teamId": away, "teamTricode": tricodes[1], "score": 0},
    }


def result_set(name: str, headers: list[str], rows: list[list[Any]]) -> str:
    return json.dumps(
        {"resource": name.lower(), "parameters": {}, "resultSets": [{"name": name, "headers": headers, "rowSet": rows}]}
    )


def _plain(frame: pd.DataFrame) -> list[list[Any]]:
    return frame.astype("object").where(frame.notna(), None).to_numpy().tolist()  # type: ignore[no-any-return]


@contextmanager
def served(script: StatsServer) -> Iterator[tuple[StatsServer, str]]:
    """The server on a free port of this machine, and the base URL that nba_api needs."""

    def answer(request: Request) -> Reply:
        endpoint = request.path.rsplit("/", 1)[-1]
        script.requests.append((endpoint, request.query, time.monotonic()))
        script.headers.append(request.headers)
        return script.reply(endpoint, request.query)

    with listening(answer) as url:
        yield script, f"{url}/stats/{{endpoint}}"
