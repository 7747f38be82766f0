"""Names of the demo league: teams, cities and players that exist nowhere else."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Club(NamedTuple):
    """A team of the demo league; `hours_behind` is its clock's distance from Eastern time."""

    abbreviation: str
    name: str
    hours_behind: int


CLUBS = (
    Club("ABH", "Amber Harbor Lanterns", 0), Club("BRW", "Brackwater Otters", 0), Club("CZP", "Cinder Peak Comets", 2),
    Club("DFT", "Driftwood Tides", 3), Club("ELV", "Elverton Clockmakers", 1), Club("FXG", "Foxglove Ramblers", 0),
    Club("GLM", "Glimmer Lake Herons", 1), Club("HLW", "Hollow Creek Badgers", 1), Club("IVR", "Ivory Cove Sails", 3),
    Club("JNP", "Juniper Flats Coyotes", 2), Club("KST", "Kestrel Bay Drifters", 3), Club("LRK", "Larkspur Millers", 0),
    Club("MRS", "Marrow Springs Geysers", 2), Club("NTH", "Nether Mill Ravens", 0), Club("OBS", "Obsidian Forge", 1),
    Club("PMD", "Port Meridian Pilots", 0), Club("QRY", "Quarry Hill Masons", 0), Club("RVN", "Rivenwood Stags", 1),
    Club("SLT", "Saltmarsh Cranes", 0), Club("TMB", "Tumbledown Mavens", 2), Club("UMB", "Umberland Foxes", 1),
    Club("VLD", "Valedale Monarchs", 3), Club("WLO", "Willowmere Swifts", 0), Club("XEN", "Xenia Junction Rails", 1),
    Club("YRW", "Yarrow Plains Bison", 2), Club("ZPH", "Zephyr Point Gales", 3), Club("BTC", "Bristlecone Bears", 2),
    Club("CDR", "Cedar Narrows Anglers", 3), Club("GRT", "Granite Ford Rams", 1), Club("STV", "Starvale Owls", 0),
)  # fmt: skip
"""None of the abbreviations is, or was lately, one of the NBA's."""

FIRST_TEAM_ID = 1710000001
FIRST_PLAYER_ID = 9000001
"""Far from the ids of stats.nba.com, whose teams begin at 1610612737."""

_FIRST_NAMES = (
    "Arlo", "Bexley", "Corvin", "Dacian", "Eskil", "Fenn", "Galen", "Hollis", "Ivo", "Joss", "Kellan", "Lorcan",
    "Merrick", "Nevin", "Orrin", "Pax", "Quill", "Ronan", "Soren", "Tavish", "Ulric", "Varro", "Wystan", "Xander",
    "Yorick", "Zeb", "Anselm", "Birk", "Caspian", "Drystan", "Emeric", "Florian", "Gideon", "Hale", "Idris", "Jarek",
    "Kip", "Leif", "Mattias", "Niall", "Osric", "Perrin", "Remy", "Stellan", "Thane", "Upton", "Vance",
)  # fmt: skip
_SURNAME_STARTS = (
    "Ald", "Bram", "Crow", "Dun", "Ember", "Fal", "Grim", "Hax", "Isel", "Jun", "Karr", "Lind", "Mor", "Nor", "Oster",
    "Pell", "Quin", "Rask", "Sable", "Tarn", "Ull", "Vex", "Wren", "Yar", "Zell", "Thorn", "Stone", "Brack", "Dray",
    "Fen", "Glen",
)  # fmt: skip
_SURNAME_ENDS = (
    "acre", "bane", "bury", "croft", "dale", "edge", "fell", "gate", "holt", "ick", "kirk", "low", "mere", "nock",
    "over", "quist", "ridge", "stead", "thwaite", "vane", "wick", "worth", "yard",
)  # fmt: skip

# The three lengths share no factor, so a walk with one step each visits every combination before any repeats.
_NAMES = len(_FIRST_NAMES) * len(_SURNAME_STARTS) * len(_SURNAME_ENDS)


def player_names(serials: np.ndarray) -> list[str]:
    """The names of players by serial number; unique among the first 33,511 players of a league.

    Args:
        serials: whole numbers from 0, [n].
    """
    names = []
    for serial in serials.tolist():
        place = serial * 7919 % _NAMES
        first = _FIRST_NAMES[place % len(_FIRST_NAMES)]
        start = _SURNAME_STARTS[place % len(_SURNAME_STARTS)]
        names.append(f"{first} {start}{_SURNAME_ENDS[place % len(_SURNAME_ENDS)]}")
    return names
