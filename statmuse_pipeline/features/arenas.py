"""Where the teams play: place, altitude and clock of each home arena.

Places are those of Wikipedia's articles on the arenas, altitudes of the cities in feet (US Geological Survey, Natural
Resources Canada), rounded: they serve distances, time zones and thin air, not navigation. A game on neutral ground
counts as played in the home team's arena: the games table does not say where else. Of the 4,920 games from 2021-22 to
2024-25 that was wrong for 16: four in Paris, three in Mexico City, two in Las Vegas, seven in Texas.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

_EARTH_MILES = 3958.8
_EASTERN, _CENTRAL, _MOUNTAIN, _PACIFIC = "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles"


class Arena(NamedTuple):
    """Degrees north and east, feet above the sea, and the clock on the wall."""

    team: str
    latitude: float
    longitude: float
    altitude_ft: float
    clock: str


ARENAS = {
    1610612737: Arena("ATL", 33.757, -84.396, 1050, _EASTERN),
    1610612738: Arena("BOS", 42.366, -71.062, 20, _EASTERN),
    1610612739: Arena("CLE", 41.497, -81.688, 650, _EASTERN),
    1610612740: Arena("NOP", 29.949, -90.082, 5, _CENTRAL),
    1610612741: Arena("CHI", 41.881, -87.674, 595, _CENTRAL),
    1610612742: Arena("DAL", 32.790, -96.810, 430, _CENTRAL),
    1610612743: Arena("DEN", 39.749, -105.008, 5200, _MOUNTAIN),
    1610612744: Arena("GSW", 37.768, -122.388, 10, _PACIFIC),
    1610612745: Arena("HOU", 29.751, -95.362, 45, _CENTRAL),
    1610612746: Arena("LAC", 33.945, -118.343, 100, _PACIFIC),
    1610612747: Arena("LAL", 34.043, -118.267, 265, _PACIFIC),
    1610612748: Arena("MIA", 25.781, -80.188, 5, _EASTERN),
    1610612749: Arena("MIL", 43.045, -87.917, 600, _CENTRAL),
    1610612750: Arena("MIN", 44.980, -93.276, 840, _CENTRAL),
    1610612751: Arena("BKN", 40.683, -73.975, 55, _EASTERN),
    1610612752: Arena("NYK", 40.751, -73.993, 40, _EASTERN),
    1610612753: Arena("ORL", 28.539, -81.384, 100, _EASTERN),
    1610612754: Arena("IND", 39.764, -86.156, 715, _EASTERN),
    1610612755: Arena("PHI", 39.901, -75.172, 15, _EASTERN),
    1610612756: Arena("PHX", 33.446, -112.071, 1090, "America/Phoenix"),
    1610612757: Arena("POR", 45.532, -122.667, 50, _PACIFIC),
    1610612758: Arena("SAC", 38.580, -121.500, 30, _PACIFIC),
    1610612759: Arena("SAS", 29.427, -98.438, 650, _CENTRAL),
    1610612760: Arena("OKC", 35.463, -97.515, 1200, _CENTRAL),
    1610612761: Arena("TOR", 43.644, -79.379, 250, _EASTERN),
    1610612762: Arena("UTA", 40.768, -111.901, 4260, _MOUNTAIN),
    1610612763: Arena("MEM", 35.138, -90.051, 255, _CENTRAL),
    1610612764: Arena("WAS", 38.898, -77.021, 40, _EASTERN),
    1610612765: Arena("DET", 42.341, -83.055, 600, _EASTERN),
    1610612766: Arena("CHA", 35.225, -80.839, 750, _EASTERN),
}
"""NBA team id -> home arena as of 2024-25. The Clippers shared the Lakers' until 2024, ten miles away."""


class Places(NamedTuple):
    """Arenas of games as arrays, NaN where the team is none of the NBA's (the demo league is nowhere)."""

    latitude: np.ndarray
    longitude: np.ndarray
    altitude_ft: np.ndarray
    clock: np.ndarray
    """Hours ahead of Eastern time on the day, never positive."""


def places(team_ids: np.ndarray, days: np.ndarray) -> Places:
    """Home arenas of teams on days.

    Args:
        team_ids: NBA team ids.
        days: days since 1970; Arizona does not change its clocks, so its distance from Eastern depends on the day.
    """
    nowhere = Arena("", np.nan, np.nan, np.nan, "")
    names, codes = np.unique(team_ids, return_inverse=True)
    found = [ARENAS.get(int(name), nowhere) for name in names]
    clock = np.full(len(team_ids), np.nan)
    for zone in sorted({arena.clock for arena in found} - {""}):
        there = np.array([arena.clock == zone for arena in found])[codes]
        clock[there] = _hours_ahead(zone, days[there])
    numbers = np.array([arena[1:4] for arena in found], dtype=np.float64).reshape(-1, 3)[codes]
    return Places(numbers[:, 0], numbers[:, 1], numbers[:, 2], clock)


def _hours_ahead(zone: str, days: np.ndarray) -> np.ndarray:
    """Hours that noon on those days comes earlier there than in New York."""
    distinct, codes = np.unique(days, return_inverse=True)
    noon = pd.to_datetime(distinct, unit="D") + pd.Timedelta(hours=12)
    gap = noon.tz_localize(_EASTERN) - noon.tz_localize(zone)
    return (gap / pd.Timedelta(hours=1)).to_numpy(np.float64)[codes]


def distance_miles(here: Places, there: Places) -> np.ndarray:
    """Great-circle distances, by the haversine formula."""
    north_here, north_there = np.radians(here.latitude), np.radians(there.latitude)
    north, east = north_there - north_here, np.radians(there.longitude - here.longitude)
    chord = np.sin(north / 2) ** 2 + np.cos(north_here) * np.cos(north_there) * np.sin(east / 2) ** 2
    return 2 * _EARTH_MILES * np.arcsin(np.sqrt(np.clip(chord, 0, 1)))
