"""Spellings of players' names: keys that swallow harmless variants, known nicknames, and likeness."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cache

import numpy as np
import pandas as pd
from rapidfuzz import fuzz, process

_SUFFIX = re.compile(r"( (jr|sr|ii|iii|iv|v))+$")
_LETTERS = str.maketrans({"ø": "o", "đ": "d", "ł": "l", "ß": "ss", "æ": "ae", "\u2019": "'", "\u2018": "'"})

ALIASES = {
    "alexandre sarr": "alex sarr",
    "alfred joel horford reynoso": "al horford",
    "bj boston": "brandon boston",
    "bol manute bol": "bol bol",
    "brook robert lopez": "brook lopez",
    "cam johnson": "cameron johnson",
    "cam reddish": "cameron reddish",
    "cam thomas": "cameron thomas",
    "carlton carrington": "bub carrington",
    "christian james mccollum": "cj mccollum",
    "cui yongxi": "cui cui",
    "didi louzada silva": "didi louzada",
    "edrice femi adebayo": "bam adebayo",
    "enes kanter": "enes freedom",
    "eric ambrose gordon": "eric gordon",
    "gregory jackson": "gg jackson",
    "herb jones": "herbert jones",
    "ishmael larry smith": "ish smith",
    "ishmael smith": "ish smith",
    "james huff": "jay huff",
    "jeenathan williams": "nate williams",
    "kenyon martin": "kj martin",
    "kevin devon knox": "kevin knox",
    "lou williams": "louis williams",
    "mo bamba": "mohamed bamba",
    "moe wagner": "moritz wagner",
    "nahshon hyland": "bones hyland",
    "nic claxton": "nicolas claxton",
    "obi toppin": "obadiah toppin",
    "rj nembhard": "ruben nembhard",
    "ron holland": "ronald holland",
    "svi mykhailiuk": "sviatoslav mykhailiuk",
    "trayce jackson": "trayce jackson davis",
    "wes matthews": "wesley matthews",
}
"""Pairs of names of one person that no rule connects, normalised; read in both directions."""


@cache
def normalise_name(name: str) -> str:
    """Lower case without accents, punctuation, suffixes (Jr., III) and notes in brackets: `pj washington`.

    Initials are joined (`P.J.` and `P J` both become `pj`), hyphens become spaces, apostrophes vanish.
    """
    plain = unicodedata.normalize("NFKD", re.sub(r"\(.*?\)", " ", name).lower().translate(_LETTERS))
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    plain = re.sub(r"[.'`]", "", plain)
    plain = " ".join(re.sub(r"[^a-z0-9]+", " ", plain).split())
    plain = re.sub(r"^([a-z]) ([a-z])(?= )", r"\1\2", plain)
    return _SUFFIX.sub("", plain)


def unspaced(name: str) -> str:
    """The normalised name without spaces, so that `danteexum` and `T.J McConnell` find their man."""
    return normalise_name(name).replace(" ", "")


def natural_order(name: str) -> str:
    """`Porter Jr., Craig` as `Craig Porter Jr.`; a suffix after a comma (`Ackerman, Jr.`) stays where it is."""
    last, comma, first = (part.strip() for part in name.partition(","))
    if not comma or not first or "," in first or normalise_name(f"x {first}") == "x":
        return name
    return f"{first} {last}"


def reordered(name: str) -> str:
    """The words of the normalised name in alphabetical order: `Wembanyama Victor` is `Victor Wembanyama`."""
    return "".join(sorted(normalise_name(name).split()))


@cache
def _other_names() -> dict[str, str]:
    both_ways = {**{known: alias for alias, known in ALIASES.items()}, **ALIASES}
    return {key(one): unspaced(other) for one, other in both_ways.items() for key in (unspaced, reordered)}


def alias(name: str) -> str | None:
    """The `unspaced` form of this person's other name, if one is known."""
    return _other_names().get(unspaced(name)) or _other_names().get(reordered(name))


def is_short_for(one: str, other: str) -> bool:
    """Whether two normalised names differ only in how far the first name is written out: `a burks`, `alec burks`."""
    first, _, rest = one.partition(" ")
    other_first, _, other_rest = other.partition(" ")
    return bool(rest) and rest == other_rest and (first.startswith(other_first) or other_first.startswith(first))


def likeness(names: Sequence[str], others: Sequence[str]) -> np.ndarray:
    """Likeness of normalised names, 0 to 100: Indel similarity with the words in alphabetical order.

    Returns:
        float32[names, others].
    """
    return process.cdist(names, others, scorer=fuzz.token_sort_ratio)


def closest_names(query: str, names: Sequence[str], limit: int = 3) -> list[str]:
    """The names most like what was typed, best first, for "did you mean"; ties in alphabetical order."""
    ordered = sorted(set(names))
    keys = [normalise_name(name) for name in ordered]
    scores = process.cdist([normalise_name(query)], keys, scorer=fuzz.WRatio)[0]
    return [ordered[place] for place in np.argsort(-scores, kind="stable")[:limit]]


def closest_players(query: str, players: pd.DataFrame, limit: int = 3) -> list[str]:
    """The `player_name`s of a PLAYERS frame most like what was typed, best first."""
    return closest_names(query, players["player_name"].tolist(), limit)
