"""Careers in the demo league: what players are able to do, how that drifts, who joins, moves, is hurt and leaves.

Everything here happens whatever the box scores say, so any season follows from the seed without playing those before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from statmuse_pipeline.domain import Season

GROUP_OF_SEAT = np.array([0] * 6 + [1] * 6 + [2] * 3)
"""Position group (guard, forward, centre) of a roster's 15 seats."""

SEATS = len(GROUP_OF_SEAT)
FEWEST_HEALTHY = 9
GAMES_A_SEASON = 82.0


class Trait(NamedTuple):
    """Something a player does, on the scale of its link function.

    Attributes:
        means: of guards, forwards, centres, in natural units (per minute, or as a share).
        link: "log" for rates, "logit" for shares.
        loadings: on quality, playmaking and size, which are common to all traits of a player.
        own: standard deviation of what nothing else explains.
        drift: standard deviation of the change over a season, and again over a summer.
        allowed: standard deviation of what opponents add, by team and by team and position.
    """

    means: tuple[float, float, float]
    link: str
    loadings: tuple[float, float, float]
    own: float
    drift: float
    allowed: tuple[float, float] = (0.0, 0.0)


# Such that box scores are distributed like those of the NBA from 2021-22 to 2024-25 (the test compares them), and that
# talent drifts so slowly that a player's games tell it.
TRAITS = {
    "possessions": Trait((0.402, 0.383, 0.364), "log", (0.27, 0.10, 0.00), 0.08, 0.02, (0.010, 0.016)),
    "trips": Trait((0.066, 0.079, 0.094), "logit", (0.30, 0.12, 0.10), 0.24, 0.03, (0.04, 0.0)),
    "threes": Trait((0.463, 0.394, 0.180), "logit", (0.00, 0.08, -0.36), 0.30, 0.04, (0.03, 0.02)),
    "two": Trait((0.485, 0.527, 0.577), "logit", (0.05, 0.00, 0.08), 0.05, 0.02, (0.03, 0.0)),
    "three": Trait((0.362, 0.353, 0.347), "logit", (0.03, 0.00, -0.03), 0.05, 0.02, (0.03, 0.0)),
    "foul_shot": Trait((0.816, 0.763, 0.712), "logit", (0.08, 0.05, -0.15), 0.25, 0.02),
    "reb": Trait((0.1315, 0.203, 0.318), "log", (0.00, 0.00, 0.20), 0.08, 0.02, (0.02, 0.016)),
    "offensive": Trait((0.18, 0.23, 0.285), "logit", (-0.05, -0.10, 0.22), 0.20, 0.03),
    "ast": Trait((0.127, 0.082, 0.077), "log", (0.20, 0.38, -0.12), 0.11, 0.02, (0.025, 0.016)),
    "stl": Trait((0.0330, 0.0284, 0.0252), "log", (0.08, 0.16, -0.04), 0.08, 0.02, (0.03, 0.0)),
    "blk": Trait((0.0108, 0.0196, 0.0375), "log", (0.05, -0.05, 0.37), 0.14, 0.03, (0.04, 0.0)),
    "tov": Trait((0.0495, 0.0446, 0.0500), "log", (0.17, 0.27, 0.03), 0.07, 0.02, (0.03, 0.0)),
    "pf": Trait((0.076, 0.0885, 0.105), "log", (-0.10, 0.00, 0.06), 0.12, 0.02),
}
TRAIT_NAMES = tuple(TRAITS)

ROLE_MEAN, ROLE_SPREAD = -0.75, 1.1
"""Logit of the share of 44 minutes that a player gets while everyone on his team is healthy and as good as usual."""
ROLE_DRIFT, _SUMMER_ROLE_CHANGE = 0.05, 0.12
AGING = 0.012
"""A role falls by this times the squared distance from the best age."""
BEST_AGE = 27.5

_LOADINGS = np.array([trait.loadings for trait in TRAITS.values()])
_OWN = np.array([trait.own for trait in TRAITS.values()])
_DRIFT = np.array([trait.drift for trait in TRAITS.values()])
_ALLOWED = np.array([trait.allowed for trait in TRAITS.values()])
_PACE_SPREAD = 0.02
_SUMMER_MEMORY = 0.8
"""How much of a trait's distance from a player's lasting talent outlives a summer."""
_TEAM_MEMORY = 0.6
"""The same for what a team's defence and pace are over a summer."""
_TEAM_DRIFT = 0.25
"""Change of a defence or pace within a season, in its own standard deviations."""

_HEIGHTS = np.array([[75.9, 1.9], [79.8, 1.4], [82.9, 1.3]])
_WEIGHTS = np.array([[198.0, 3.8], [224.0, 4.5], [248.0, 5.5]])
"""Pounds at the group's usual height, and pounds an inch."""

_HURT_A_GAME, _HURT_AT_START = 0.018, 0.06
_LONG_SHARE, _SHORT_GAMES, _LONG_GAMES = 0.20, 3.0, 22.0


@dataclass(frozen=True)
class League:
    """All players and teams at one moment; player arrays run over [teams * SEATS], team by team.

    `traits` and `talent` are [traits, players], `talent` being where a trait returns to; `role` and `peak` [players];
    `born` datetime64[D]; `allowed` [traits, teams, 3] and `pace` [teams] are what a team adds to both sides' traits.
    """

    serial: np.ndarray
    born: np.ndarray
    height: np.ndarray
    weight: np.ndarray
    label: np.ndarray
    peak: np.ndarray
    role: np.ndarray
    talent: np.ndarray
    traits: np.ndarray
    allowed: np.ndarray
    pace: np.ndarray
    newcomers: int
    """Serial number of the next player to join."""

    @property
    def teams(self) -> int:
        """How many teams play."""
        return len(self.pace)

    @property
    def group(self) -> np.ndarray:
        """Position group of each player."""
        return np.tile(GROUP_OF_SEAT, self.teams)


@dataclass(frozen=True)
class Campaign:
    """A season as it is before any ball is thrown: arrays begin with [rounds].

    `seat` [rounds, teams, SEATS] says which player of `league` sits where (trades), `healthy` whether he can play.
    `role` [rounds, players], `traits` [rounds, traits, players], `allowed` [rounds, traits, teams, 3] and
    `pace` [rounds, teams] are as in League on the day of that round.
    """

    season: Season
    league: League
    seat: np.ndarray
    healthy: np.ndarray
    role: np.ndarray
    traits: np.ndarray
    allowed: np.ndarray
    pace: np.ndarray


def campaigns(origin: Season, seed: int, teams: int, rounds: int) -> Iterator[Campaign]:
    """The seasons of a league from its first on, without end; each draws from a generator of its own."""
    rng = _generator(seed, origin.start_year - 1)
    league = _found(origin, teams, rng)
    year = origin.start_year
    while True:
        rng = _generator(seed, year)
        campaign = _campaign(Season(year), league, rounds, rng)
        yield campaign
        league = _summer(campaign, rng)
        year += 1


def _generator(seed: int, year: int) -> np.random.Generator:
    return np.random.default_rng([seed, year, 0])


def _found(origin: Season, teams: int, rng: np.random.Generator) -> League:
    count = teams * SEATS
    league = League(
        serial=np.arange(count),
        born=np.full(count, np.datetime64("1900-01-01")),
        **{name: np.zeros(count) for name in ("height", "weight", "peak", "role")},
        label=np.full(count, "G-F"),
        talent=np.zeros((len(TRAITS), count)),
        traits=np.zeros((len(TRAITS), count)),
        allowed=_allowed(teams, rng),
        pace=rng.normal(0, _PACE_SPREAD, teams),
        newcomers=0,
    )
    return _with_newcomers(league, np.ones(count, dtype=bool), rng.uniform(20, 35, count), origin, rng)


def _with_newcomers(
    league: League, where: np.ndarray, age: np.ndarray, season: Season, rng: np.random.Generator
) -> League:
    """The league with new players in the seats `where`, of ages [where.sum()] at the season's start."""
    count = int(where.sum())
    group = league.group[where]
    common = _normal(rng, (3, count))
    means = np.column_stack([_linked(trait)[group] for trait in TRAITS.values()]).T
    talent = means + _LOADINGS @ common + _OWN[:, None] * _normal(rng, (len(TRAITS), count))
    height = np.rint(_HEIGHTS[group, 0] + _HEIGHTS[group, 1] * common[2])
    weight = _WEIGHTS[group, 0] + _WEIGHTS[group, 1] * (height - _HEIGHTS[group, 0]) + rng.normal(0, 9, count)
    peak = ROLE_MEAN + ROLE_SPREAD * common[0] + AGING * 10
    born = np.datetime64(f"{season.start_year}-10-18") - (age * 365.25).astype("timedelta64[D]")
    new = {
        "serial": league.newcomers + np.arange(count), "born": born, "height": height, "weight": np.rint(weight),
        "label": _labels(group, common[2]), "peak": peak, "role": peak - _aging(age) + rng.normal(0, 0.2, count),
    }  # fmt: skip
    changed = {name: _put(getattr(league, name), where, values) for name, values in new.items()}
    lasting, now = league.talent.copy(), league.traits.copy()
    lasting[:, where], now[:, where] = talent, talent + _DRIFT[:, None] * rng.normal(size=talent.shape)
    return replace(league, **changed, talent=lasting, traits=now, newcomers=league.newcomers + count)


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Standard normal draws without the tails, so that nobody is beyond what was ever seen."""
    return np.clip(rng.normal(size=shape), -1.8, 1.8)


def _linked(trait: Trait) -> np.ndarray:
    """Means by group on the link's scale, so low that the mean over players comes out in natural units."""
    mean = np.array(trait.means)
    if trait.link == "logit":
        return np.log(mean / (1 - mean))
    return np.log(mean) - (trait.own**2 + sum(loading**2 for loading in trait.loadings)) / 2


def _labels(group: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Roster positions: the group's letter first, with a second one for the unusually tall or small."""
    tall = np.array(["G-F", "F-C", "C"])[group]
    small = np.array(["G", "F-G", "C-F"])[group]
    usual = np.array(["G", "F", "C"])[group]
    return np.where(size > 1.1, tall, np.where(size < -1.4, small, usual)).astype("<U3")


def _put(values: np.ndarray, where: np.ndarray, new: np.ndarray) -> np.ndarray:
    changed = values.copy()
    changed[where] = new
    return changed


def _aging(age: np.ndarray) -> np.ndarray:
    return np.minimum(AGING * (age - BEST_AGE) ** 2, 2.0)


def ages(league: League, season: Season) -> np.ndarray:
    """Ages in years when the season begins."""
    days = (np.datetime64(f"{season.start_year}-10-18") - league.born).astype(np.int64)
    return days / 365.25


def _allowed(teams: int, rng: np.random.Generator) -> np.ndarray:
    """Fresh defences, [traits, teams, 3]."""
    by_team = rng.normal(size=(len(TRAITS), teams, 1)) * _ALLOWED[:, :1, None]
    return by_team + rng.normal(size=(len(TRAITS), teams, 3)) * _ALLOWED[:, 1:, None]


def _campaign(season: Season, league: League, rounds: int, rng: np.random.Generator) -> Campaign:
    def walk(start: np.ndarray, spread: np.ndarray | float) -> np.ndarray:
        """Random walk [rounds, ...] of which 82 steps have the given standard deviation."""
        steps = rng.normal(size=(rounds, *start.shape)) * (spread / np.sqrt(GAMES_A_SEASON))
        steps[0] = 0
        return start + np.cumsum(steps, axis=0)

    defence = np.hypot(_ALLOWED[:, 0], _ALLOWED[:, 1])[:, None, None]
    seat = _seats(league, rounds, rng)
    hurt = ~_healthy(len(league.serial), rounds, rng)[np.arange(rounds)[:, None, None], seat]
    # Nobody forfeits: where too few could play, some play hurt.
    fit = np.argsort(np.argsort(hurt + rng.random(seat.shape) / 2, axis=2), axis=2)
    return Campaign(
        season=season,
        league=league,
        seat=seat,
        healthy=~hurt | (fit < FEWEST_HEALTHY),
        role=walk(league.role, ROLE_DRIFT),
        traits=walk(league.traits, _DRIFT[:, None]),
        allowed=walk(league.allowed, _TEAM_DRIFT * defence),
        pace=walk(league.pace, _TEAM_DRIFT * _PACE_SPREAD),
    )


def _seats(league: League, rounds: int, rng: np.random.Generator) -> np.ndarray:
    """Who sits where in each round; a few trades in mid season swap two players of one group and similar roles."""
    seat = np.tile(np.arange(len(league.serial)).reshape(league.teams, SEATS), (rounds, 1, 1))
    for _ in range(league.teams // 3):
        day = int(rng.integers(int(0.3 * rounds), int(0.65 * rounds) + 1))
        one, other = rng.choice(league.teams, 2, replace=False)
        place = int(rng.integers(SEATS))
        same = np.flatnonzero(GROUP_OF_SEAT[place] == GROUP_OF_SEAT)
        given = seat[-1, one, place]
        wanted = same[np.argmin(np.abs(league.role[seat[-1, other, same]] - league.role[given]))]
        taken = seat[-1, other, wanted]
        # Trades drawn later may lie on earlier days, so each holds only where the players still are.
        here = (seat[:, one, place] == given) & (seat[:, other, wanted] == taken) & (np.arange(rounds) >= day)
        seat[here, one, place], seat[here, other, wanted] = taken, given
    return seat


def _healthy(players: int, rounds: int, rng: np.random.Generator) -> np.ndarray:
    """[rounds, players]: spells of absence, most of a few games, some of many."""
    healthy = np.empty((rounds, players), dtype=bool)
    left = np.zeros(players, dtype=np.int64)
    for number in range(rounds):
        chance = _HURT_AT_START if number == 0 else _HURT_A_GAME
        hurt = (left == 0) & (rng.random(players) < chance)
        usual = np.where(rng.random(players) < _LONG_SHARE, _LONG_GAMES, _SHORT_GAMES)
        left = np.where(hurt, rng.geometric(1 / usual), left)
        healthy[number] = left == 0
        left = np.maximum(left - 1, 0)
    return healthy


def _summer(campaign: Campaign, rng: np.random.Generator) -> League:
    """The league when the next season begins: teams as they ended, older, some gone, some new, some moved."""
    old, order, season = campaign.league, campaign.seat[-1].ravel(), Season(campaign.season.start_year + 1)
    names = ("serial", "born", "height", "weight", "label", "peak")
    moved = {name: getattr(old, name)[order] for name in names}
    talent, traits = old.talent[:, order], campaign.traits[-1][:, order]
    traits = talent + _SUMMER_MEMORY * (traits - talent) + _DRIFT[:, None] * rng.normal(size=traits.shape)
    league = replace(
        old,
        **moved,
        role=campaign.role[-1][order],
        talent=talent,
        traits=traits,
        allowed=_TEAM_MEMORY * campaign.allowed[-1] + np.sqrt(1 - _TEAM_MEMORY**2) * _allowed(old.teams, rng),
        pace=_TEAM_MEMORY * campaign.pace[-1] + np.sqrt(1 - _TEAM_MEMORY**2) * rng.normal(0, _PACE_SPREAD, old.teams),
    )
    age = ages(league, season)
    target = league.peak - _aging(age)
    role = target + 0.6 * (league.role - target) + rng.normal(0, _SUMMER_ROLE_CHANGE, len(age))
    gone = rng.random(len(age)) < 1 / (1 + np.exp(2.5 - 0.45 * np.maximum(age - 32, 0) + 0.8 * (role - ROLE_MEAN)))
    rookies = 19 + 4 * rng.beta(2, 2, int(gone.sum()))
    league = _with_newcomers(replace(league, role=role), gone, rookies, season, rng)
    return _free_agency(league, rng)


def _free_agency(league: League, rng: np.random.Generator) -> League:
    """About one player in six moves, to the seat of another one of his group and of nearly his role."""
    order = np.arange(len(league.serial))
    for group in range(3):
        movers = np.flatnonzero((league.group == group) & (rng.random(len(order)) < 0.16))
        movers = movers[np.argsort(league.role[movers], kind="stable")]
        order[movers] = np.roll(movers, 1)
    names = ("serial", "born", "height", "weight", "label", "peak", "role")
    moved = {name: getattr(league, name)[order] for name in names}
    return replace(league, **moved, talent=league.talent[:, order], traits=league.traits[:, order])
