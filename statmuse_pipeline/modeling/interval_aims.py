"""The levels at which intervals must aim so that they hold as often as they say, among players of every role.

A run of whole counts hardly ever holds just 80%, and where a single count is likely (who makes a three or none) the
nearest run holds too much more often than too little. So what counts is not what a run says of itself but how often
such runs held what came: nested conformal prediction (Gupta, Kuchibhotla and Ramdas 2022), one group a role (Mondrian:
Vovk, Gammerman and Shafer 2005), with the level of `CountDistribution.level_of` as the score.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from statmuse_pipeline.domain import COVERAGES, ROLES, PipelineError, role_of
from statmuse_pipeline.modeling.distribution import CountDistribution, Floats

MINIMUM_ROWS = 400
"""Games of a role; from fewer, the level of 50% has a standard error above .025, and intervals aim at what they say."""

FARTHEST = 0.1
"""No aim lies farther from what the interval says: where many rows hold too much (one count of blocks holds 70%), those
that could hold 50% must not pay for it with 20%. Twice as much gains nothing on validation."""

_HIGHEST = 0.999


@dataclass(frozen=True)
class IntervalAims:
    """Intervals of one stat's distributions.

    Attributes:
        aims: role -> level to aim at for each of `domain.COVERAGES`, rising; a role that is not in it aims at those.
    """

    aims: Mapping[str, tuple[float, ...]]

    @classmethod
    def fit(cls, forecast: CountDistribution, actual: npt.ArrayLike, minutes: npt.ArrayLike) -> IntervalAims:
        """Learn from forecasts that did not know their outcomes.

        Args:
            forecast: of n games.
            actual: [n] counts that came.
            minutes: [n] expected minutes, which make the role.

        Raises:
            PipelineError: when they differ in number.
        """
        roles, came = role_of(minutes), np.asarray(actual)
        if not len(forecast) == len(came) == len(roles):
            raise PipelineError(
                f"Aims need as many outcomes and minutes as forecasts: {len(forecast)}, {len(came)} and {len(roles)}."
            )
        scores = forecast.level_of(came)
        aims = {}
        for role in ROLES:
            own = np.sort(scores[roles == role])
            if len(own) >= MINIMUM_ROWS:
                aims[role] = tuple(_aim(own, share / 100) for share in COVERAGES)
        return cls(aims)

    def intervals(self, forecast: CountDistribution, minutes: npt.ArrayLike) -> list[tuple[Floats, Floats]]:
        """(first, last) counts, both [n], for each of `domain.COVERAGES`; wider ones hold narrower ones.

        Args:
            forecast: of n games.
            minutes: [n] expected minutes; unknown ones count as those of the bench.
        """
        plain = tuple(share / 100 for share in COVERAGES)
        levels = np.array([self.aims.get(role, plain) for role in ROLES]).T
        place = np.argmax(role_of(minutes)[:, None] == np.array(ROLES), axis=1)
        return forecast.intervals([level[place] for level in levels])

    def to_dict(self) -> dict[str, Any]:
        """The fitted numbers as plain JSON."""
        return {role: list(levels) for role, levels in self.aims.items()}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> IntervalAims:
        """The aims of `to_dict`.

        Raises:
            PipelineError: when the content is not of that form.
        """
        try:
            aims = {role: tuple(float(level) for level in levels) for role, levels in content.items()}
        except (AttributeError, TypeError, ValueError) as error:
            raise PipelineError(f"These are no aims of intervals: {error}.") from error
        wrong = [
            role
            for role, levels in aims.items()
            if role not in ROLES or len(levels) != len(COVERAGES) or not 0 < levels[0] <= levels[-1] < 1
        ]
        if wrong:
            raise PipelineError(f"These are no aims of intervals: {', '.join(wrong)} is not as it should be.")
        return cls(aims)


def _aim(scores: Floats, level: float) -> float:
    """The lowest level above `level` of the sorted scores, and of one more that is yet to come."""
    place = min(int(np.ceil((len(scores) + 1) * level)), len(scores)) - 1
    return float(np.clip(np.nextafter(scores[place], 1.0), level - FARTHEST, min(level + FARTHEST, _HIGHEST)))
