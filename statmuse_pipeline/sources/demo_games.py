"""Games of the demo league: what is to be expected at tip-off, and the box scores that luck makes of it.

Everything that can be known at tip-off is in `Expectations`; everything else is drawn in `box_scores`, so the
probabilities of `demo_truth` are those of a forecaster who knows all but the luck. There is no overtime.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from statmuse_pipeline.sources.demo_careers import GROUP_OF_SEAT, TRAIT_NAMES, TRAITS, Campaign, ages
from statmuse_pipeline.sources.demo_schedule import Schedule

TEAM_MINUTES, GAME_MINUTES = 240.0, 48
LONGEST_USUAL = 44.0

DISPERSION = {"possessions": 0.008, "reb": 0.035, "ast": 0.02, "stl": 0.04, "blk": 0.06, "tov": 0.01, "pf": 0.01}
"""Variance of a count given the minutes is mean + dispersion * mean^2 (negative binomial)."""

OUTCOMES = (
    "two_missed", "two_made", "two_and_one", "two_and_none", "three_missed", "three_made", "trip_0", "trip_1", "trip_2",
)  # fmt: skip
"""What a player's possession ends in; `two_and_one` is a made two with the foul shot made, `trip_` two foul shots."""
OUTCOME_POINTS = np.array([0, 2, 3, 2, 0, 3, 0, 1, 2])
FOULED_WHEN_MADE = 0.055

_HOME = {"possessions": 0.002, "trips": 0.02, "two": 0.040, "three": 0.035, "reb": 0.006, "ast": 0.02, "tov": -0.01}
_SECOND_NIGHT = {"possessions": -0.004, "two": -0.02, "three": -0.015, "reb": -0.005}
_VETERANS_REST, _VETERAN_AGE = 0.12, 31.0
"""On the second night of a back-to-back the role (logit) of older players shrinks by this."""

_PACED = ("possessions", "reb", "ast", "stl", "blk", "tov", "pf")
_SHARED = {"possessions": (84.0, 0.45), "reb": (42.0, 0.6), "ast": (23.5, 0.4)}
"""What a team makes a game, and how much of a gap in the talent that plays is filled by those who do."""
_MOST_SHARED = 1.15

_SAME_POSITION = 0.3
"""How much more of an absent player's minutes goes to mates of his group (exponent of the ratio of usual shares)."""
_BENCH_ROLE, _BENCH_STEEPNESS = -0.8, 3.0
"""Below this role (logit) minutes fall this much faster: the end of the bench hardly plays."""
_EVERY_OTHER_NIGHT, _ALWAYS = 3.7, 8
"""Expected minutes of a player who takes part in half of the games he is fit for; the first eight always do."""
_MINUTES_NOISE = 0.078

_TEAM_BALANCE = {"possessions": 0.9, "scores": 0.72, "reb": 0.4, "ast": 0.4}
"""How much of the luck of a team's counts cancels between team mates: there is one ball."""
_GAME_LUCK = {"possessions": 0.08, "scores": 0.13}
"""Loading of that luck on a factor that both teams share: a fast game, a game of good shots."""
_PLUS_MINUS_NOISE = 8.0
_LARGEST_FOULS = 6


@dataclass(frozen=True)
class Expectations:
    """What a perfect forecaster knows at tip-off, one entry a player who takes part, [n], game by game.

    `team_game` codes round * teams + team; `player` is the index in the campaign's league. `minutes` and `minutes_sd`
    are those of a normal distribution that is rounded and cut to 1..48. `rates` per minute (`possessions`, `reb`, ...),
    `outcomes` [n, 9] the chances in a possession, `offensive` the share of offensive rebounds.
    """

    team_game: np.ndarray
    player: np.ndarray
    minutes: np.ndarray
    minutes_sd: np.ndarray
    rates: dict[str, np.ndarray]
    outcomes: np.ndarray
    offensive: np.ndarray

    def __len__(self) -> int:
        return len(self.player)


def expectations(campaign: Campaign, schedule: Schedule, rng: np.random.Generator) -> Expectations:
    """What is known at tip-off of every game of a season.

    Args:
        campaign: players and teams of the season.
        schedule: its games.
        rng: which players of the end of the bench are used.
    """
    expected = _expected_minutes(campaign, schedule, rng)
    rounds, team, place = np.nonzero(expected)
    order = np.argsort(schedule.game[rounds, team], kind="stable")
    rounds, team, place = rounds[order], team[order], place[order]
    minutes = expected[rounds, team, place]
    player = campaign.seat[rounds, team, place]
    team_game = rounds * len(campaign.pace[0]) + team
    traits = _traits_tonight(campaign, schedule, rounds, team, place, player)
    _share_the_ball(traits, minutes, team_game)
    variance = _minutes_variance(minutes)
    left = 1 - variance / _team_sum(variance, team_game)
    return Expectations(
        team_game=team_game,
        player=player,
        minutes=minutes,
        minutes_sd=np.sqrt(variance * left),
        rates={name: traits[name] for name in DISPERSION},
        outcomes=_outcomes(traits),
        offensive=traits["offensive"],
    )


def _expected_minutes(campaign: Campaign, schedule: Schedule, rng: np.random.Generator) -> np.ndarray:
    """[rounds, teams, seats], 0 for those who do not take part; 240 a team."""
    usual = _roles(campaign, schedule)
    available = np.where(campaign.healthy, usual, -np.inf)
    minutes = _shares(available + _position_shift(usual, available))
    rank = np.argsort(np.argsort(-minutes, axis=2, kind="stable"), axis=2)
    used = rng.random(usual.shape) < special.expit(minutes - _EVERY_OTHER_NIGHT)
    minutes = np.where(campaign.healthy & (used | (rank < _ALWAYS)), minutes, 0.0)
    return minutes * TEAM_MINUTES / minutes.sum(axis=2, keepdims=True)


def _minutes_variance(minutes: np.ndarray) -> np.ndarray:
    """Variance of a player's minutes by their expectation: largest for the first off the bench, 5.3^2."""
    return (_MINUTES_NOISE * minutes**0.6 * np.maximum(46 - minutes, 1) ** 0.75) ** 2


def _roles(campaign: Campaign, schedule: Schedule) -> np.ndarray:
    """Logit of the usual share of minutes, [rounds, teams, seats]."""
    rounds = np.arange(len(campaign.role))[:, None, None]
    role = campaign.role[rounds, campaign.seat]
    role = role - (_BENCH_STEEPNESS - 1) * np.maximum(_BENCH_ROLE - role, 0.0)
    old = ages(campaign.league, campaign.season)[campaign.seat] > _VETERAN_AGE
    return role - _VETERANS_REST * (old & (schedule.rest_days == 1)[..., None])


def _position_shift(usual: np.ndarray, available: np.ndarray) -> np.ndarray:
    """What players gain in role through absences at their own position."""
    shift = np.empty_like(usual)
    for group in range(3):
        seats = group == GROUP_OF_SEAT
        whole = special.expit(usual[..., seats]).sum(axis=2, keepdims=True)
        here = special.expit(available[..., seats]).sum(axis=2, keepdims=True)
        shift[..., seats] = _SAME_POSITION * np.log(whole / np.maximum(here, 0.1 * whole))
    return shift


def _shares(role: np.ndarray) -> np.ndarray:
    """Expected minutes [rounds, teams, seats]: 44 * expit(role + level), the level such that a team plays 240."""
    level = np.zeros((*role.shape[:2], 1))
    for _ in range(12):
        share = special.expit(role + level)
        gap = TEAM_MINUTES / LONGEST_USUAL - share.sum(axis=2, keepdims=True)
        level += np.clip(gap / (share * (1 - share)).sum(axis=2, keepdims=True), -1.5, 1.5)
    return LONGEST_USUAL * special.expit(role + level)


def _traits_tonight(
    campaign: Campaign,
    schedule: Schedule,
    rounds: np.ndarray,
    team: np.ndarray,
    place: np.ndarray,
    player: np.ndarray,
) -> dict[str, np.ndarray]:
    """Traits in natural units with opponent, pace, home court and rest worked in, name -> [n]."""
    other = schedule.opponent[rounds, team]
    home = schedule.is_home[rounds, team]
    tired = schedule.rest_days[rounds, team] == 1
    pace = campaign.pace[rounds, team] + campaign.pace[rounds, other]
    found = {}
    for number, name in enumerate(TRAIT_NAMES):
        value = campaign.traits[rounds, number, player]
        value = value + campaign.allowed[rounds, number, other, GROUP_OF_SEAT[place]]
        value = value + _HOME.get(name, 0.0) * np.where(home, 0.5, -0.5) + _SECOND_NIGHT.get(name, 0.0) * tired
        if name in _PACED:
            value = value + pace
        found[name] = np.exp(value) if TRAITS[name].link == "log" else special.expit(value)
    return found


def _share_the_ball(traits: dict[str, np.ndarray], minutes: np.ndarray, team_game: np.ndarray) -> None:
    """Scales rates so that those who play fill part of the gap to what a team usually makes."""
    for name, (usual, filled) in _SHARED.items():
        wanted = (usual / _team_sum(traits[name] * minutes, team_game)) ** filled
        traits[name] = traits[name] * np.clip(wanted, 1 / _MOST_SHARED, _MOST_SHARED)


def _outcomes(traits: dict[str, np.ndarray]) -> np.ndarray:
    """Chances of the OUTCOMES of a possession, [n, 9]."""
    shot = 1 - traits["trips"]
    two, three = shot * (1 - traits["threes"]), shot * traits["threes"]
    made, foul_shot = two * traits["two"], traits["foul_shot"]
    chances = [
        two - made,
        made * (1 - FOULED_WHEN_MADE),
        made * FOULED_WHEN_MADE * foul_shot,
        made * FOULED_WHEN_MADE * (1 - foul_shot),
        three * (1 - traits["three"]),
        three * traits["three"],
        traits["trips"] * (1 - foul_shot) ** 2,
        traits["trips"] * 2 * foul_shot * (1 - foul_shot),
        traits["trips"] * foul_shot**2,
    ]
    table = np.column_stack(chances)
    return table / table.sum(axis=1, keepdims=True)


def _team_sum(values: np.ndarray, team_game: np.ndarray) -> np.ndarray:
    return np.bincount(team_game, values)[team_game]


def box_scores(known: Expectations, game: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draws the box scores: LeagueGameLog's columns from MIN to PLUS_MINUS, int64 [n], and WON.

    Args:
        known: the expectations.
        game: number of each entry's game, [n].
        rng: the luck.
    """
    minutes = _draw_minutes(known, rng)
    box: dict[str, np.ndarray] = {"MIN": minutes}
    drawn = {
        name: _draw_count(known.rates[name] * minutes, name, known.team_game, game, rng)
        for name in ("possessions", "reb", "ast", "stl", "blk", "tov", "pf")
    }
    box |= _shooting(_draw_outcomes(known, drawn["possessions"], game, rng))
    box["OREB"] = rng.binomial(drawn["reb"], known.offensive)
    box["DREB"] = drawn["reb"] - box["OREB"]
    box |= {name.upper(): drawn[name] for name in ("reb", "ast", "stl", "blk", "tov")}
    box["PF"] = np.minimum(drawn["pf"], _LARGEST_FOULS)
    _break_ties(box, known.team_game, game, rng)
    points = _team_sum(box["PTS"], known.team_game)
    margin = 2 * points - np.bincount(game, box["PTS"])[game]
    box["PLUS_MINUS"] = _plus_minus(margin, minutes, known.team_game, rng)
    return {name: values.astype(np.int64) for name, values in box.items()} | {"WON": margin > 0}


def _draw_minutes(known: Expectations, rng: np.random.Generator) -> np.ndarray:
    """Whole minutes; a team's noise adds up to nothing but for rounding and the bounds."""
    variance = _minutes_variance(known.minutes)
    noise = np.sqrt(variance) * rng.normal(size=len(known))
    noise -= variance / _team_sum(variance, known.team_game) * _team_sum(noise, known.team_game)
    return np.clip(np.rint(known.minutes + noise), 1, GAME_MINUTES).astype(np.int64)


def _draw_count(
    mean: np.ndarray, name: str, team_game: np.ndarray, game: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Negative binomial counts."""
    dispersion = DISPERSION[name]
    spread = np.sqrt(mean + dispersion * mean**2)
    quantile = _joined_luck(name, spread, team_game, game, rng)
    return stats.nbinom.ppf(quantile, 1 / dispersion, 1 / (1 + dispersion * mean)).astype(np.int64)


def _joined_luck(
    name: str, spread: np.ndarray, team_game: np.ndarray, game: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Uniform numbers joined by a Gaussian copula: what one player takes, his mates do not.

    Each by itself stays uniform, so the joint luck changes nobody's own probabilities.
    """
    luck = rng.normal(size=len(spread))
    if name in _TEAM_BALANCE:
        squares = _team_sum(spread**2, team_game)
        balance = 1 - np.sqrt(1 - _TEAM_BALANCE[name])
        luck = luck - balance * spread * _team_sum(spread * luck, team_game) / squares
        luck /= np.sqrt(1 - (2 * balance - balance**2) * spread**2 / squares)
    if name in _GAME_LUCK:
        shared = _GAME_LUCK[name]
        luck = np.sqrt(1 - shared**2) * luck + shared * rng.normal(size=game.max() + 1)[game]
    return np.clip(special.ndtr(luck), 1e-12, 1 - 1e-12)


def _draw_outcomes(
    known: Expectations, possessions: np.ndarray, game: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """How often each outcome came up, [n, 9]: first how many possessions scored, then how these and the others went."""
    scoring = OUTCOME_POINTS > 0
    chance = known.outcomes[:, scoring].sum(axis=1)
    spread = np.sqrt(np.maximum(possessions, 1) * chance * (1 - chance))
    quantile = _joined_luck("scores", spread, known.team_game, game, rng)
    scores = stats.binom.ppf(quantile, possessions, chance).astype(np.int64)
    ended = np.empty(known.outcomes.shape, dtype=np.int64)
    for kind, count, total in ((scoring, scores, chance), (~scoring, possessions - scores, 1 - chance)):
        ended[:, kind] = rng.multinomial(count, known.outcomes[:, kind] / total[:, None])
    return ended


def _shooting(ended: np.ndarray) -> dict[str, np.ndarray]:
    """Shots and points from how often each outcome came up, [n, 9]."""
    count = dict(zip(OUTCOMES, ended.T, strict=True))
    fouled = count["two_and_one"] + count["two_and_none"]
    twos = count["two_made"] + fouled
    trips = count["trip_0"] + count["trip_1"] + count["trip_2"]
    return {
        "FGM": twos + count["three_made"],
        "FGA": twos + count["two_missed"] + count["three_made"] + count["three_missed"],
        "FG3M": count["three_made"],
        "FG3A": count["three_made"] + count["three_missed"],
        "FTM": count["two_and_one"] + count["trip_1"] + 2 * count["trip_2"],
        "FTA": fouled + 2 * trips,
        "PTS": ended @ OUTCOME_POINTS,
    }


def _break_ties(box: dict[str, np.ndarray], team_game: np.ndarray, game: np.ndarray, rng: np.random.Generator) -> None:
    """One more foul shot, made, by a random player of each game that stands level.

    It comes to some player of about one game in forty, so it moves nobody's probabilities by more than 0.0002.
    """
    level = 2 * _team_sum(box["PTS"], team_game) == np.bincount(game, box["PTS"])[game]
    order = rng.permutation(len(game))
    order = order[level[order]]
    _, first = np.unique(game[order], return_index=True)
    for name in ("PTS", "FTM", "FTA"):
        box[name][order[first]] += 1


def _plus_minus(margin: np.ndarray, minutes: np.ndarray, team_game: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The margin while a player was on court; a team's add up to five times its margin, but for rounding."""
    share = minutes / _team_sum(minutes, team_game)
    spread = np.sqrt(minutes * (GAME_MINUTES - minutes)) / (GAME_MINUTES / 2)
    noise = _PLUS_MINUS_NOISE * spread * rng.normal(size=len(margin))
    noise -= share * _team_sum(noise, team_game)
    return np.rint(5 * margin * share + noise)
