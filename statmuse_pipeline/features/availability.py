"""Rotation players who are out and what they take with them, and before the day how likely that is.

At tip-off only players of the rotation (`rotation.in_rotation`) count. Whether anyone else appears in the box score is
an outcome of the game (garbage time) and would leak. In games still to be played, the players marked `out` are out;
where nobody was told to be out or in, every `tip_` column is missing. Before the day every member of the team counts as
much as he is likely to play, which is expected of the same sum: columns are linear in who plays.
"""

from __future__ import annotations

import numpy as np

from statmuse_pipeline.features.catalog import PREGAME, TIPOFF, Columns, Feature
from statmuse_pipeline.features.rolling import FAST, History
from statmuse_pipeline.features.rotation import (
    CARRIED,
    Members,
    TakePart,
    earlier_mean,
    group_sum,
    in_rotation,
    of_himself,
    rank_among,
    team_sum,
    usual_stats,
)
from statmuse_pipeline.features.rows import GROUPS, Rows

_LIKELY_CHANGES = {
    "mates_min_new": ("mates_min", "tip_mates_min", FAST),
    "mates_min_lately": ("mates_min", "tip_mates_min", 0.3),
    "mates_min_pos_new": ("mates_min_pos", "tip_mates_min_pos", FAST),
}
"""What is likely against what was in the player's earlier games: (of tonight, of those, weight of the newest)."""

_CHANGES = {
    "tip_out_min_pos_new": ("tip_out_min_pos", FAST),
    "tip_mates_min_new": ("tip_mates_min", FAST),
    "tip_mates_min_lately": ("tip_mates_min", 0.3),
    "tip_mates_min_pos_new": ("tip_mates_min_pos", FAST),
    "tip_rotation_rank_new": ("tip_rotation_rank", FAST),
}
"""Change of a column against the player's earlier games: (column, weight of the newest game)."""

SHIFTED = ("min", "pts", "reb", "ast", "fga", "fg3a", "fta", "pra")
"""Absences of these are also set against what was usual in the player's earlier games."""


def availability_features(rows: Rows, history: History, members: Members, tonight: TakePart, roles: Columns) -> Columns:
    """Absences of both teams, in all, by position, and against the player's recent games; and those that are likely.

    Args:
        rows: the rows.
        history: `rolling.player_history(rows)`.
        members: `rotation.team_members(rows, history)`.
        tonight: `rotation.take_part(rows, history, members)`.
        roles: `rotation.role_features(rows, history, members)`.
    """
    rotation = members.rotates
    out = rotation & ~members.present
    other = rows.teams.other[rows.team_game]
    columns: Columns = {}
    per_team = {"count": np.bincount(members.team_game, out, len(rows.teams))}
    for s in CARRIED:
        per_team[s] = np.bincount(members.team_game, np.where(out, members.expected[s], 0.0), len(rows.teams))
    for s, total in per_team.items():
        columns[f"tip_out_{s}"] = total[rows.team_game]
        columns[f"tip_opp_out_{s}"] = np.where(other >= 0, total[other], np.nan)
    gone = np.where(out, members.expected["min"], 0.0)
    columns["tip_out_min_pos"] = group_sum(rows, members, gone)
    by_group = np.bincount(members.team_game * GROUPS + members.group, gone, len(rows.teams) * GROUPS)
    columns["tip_opp_out_min_pos"] = np.where(other >= 0, by_group[other * GROUPS + rows.group], np.nan)
    back = rotation & members.present & (members.missed > 0)
    columns["tip_back_min"] = team_sum(rows, members.team_game, np.where(back, members.expected["min"], 0.0))
    columns |= _present_mates(rows, history, tonight)
    usual = {f"out_{s}_usual": earlier_mean(rows, history, columns[f"tip_out_{s}"], FAST) for s in SHIFTED}
    columns |= {f"tip_out_{s}_new": columns[f"tip_out_{s}"] - usual[f"out_{s}_usual"] for s in SHIFTED}
    columns |= {
        name: columns[source] - earlier_mean(rows, history, columns[source], alpha)
        for name, (source, alpha) in _CHANGES.items()
    }
    likely = _likely(rows, members) | {
        name: roles[now] - earlier_mean(rows, history, columns[then], alpha)
        for name, (now, then, alpha) in _LIKELY_CHANGES.items()
    }
    if not rows.out_is_known:
        columns = {name: np.where(rows.upcoming, np.nan, values) for name, values in columns.items()}
    return columns | usual | likely


def _likely(rows: Rows, members: Members) -> Columns:
    """What is expected of the mates before the day: who plays, and what those of the rotation who do not take along."""
    gone = np.where(members.rotates, 1 - members.p_plays, 0.0)
    sums = {
        "likely_count": members.p_plays,
        "likely_min": members.p_plays * members.expected["min"],
        **{f"likely_out_{s}": gone * members.expected[s] for s in SHIFTED},
    }
    mates = {
        name: team_sum(rows, members.team_game, values) - np.nan_to_num(of_himself(rows, members, values))
        for name, values in sums.items()
    }
    return mates | {"p_plays": of_himself(rows, members, members.p_plays)}


def _present_mates(rows: Rows, history: History, tonight: TakePart) -> Columns:
    """How many rotation mates take part, how much they usually play, and where the player stands among them."""
    at = history.before(rows.player, rows.day)
    usual = history.take(usual_stats(rows, history)["min"], at)
    own = np.where(in_rotation(rows, history, at), usual, 0.0)
    cell = np.bincount(tonight.team_game * GROUPS + tonight.group, tonight.minutes, len(rows.teams) * GROUPS)
    mates = team_sum(rows, tonight.team_game, tonight.minutes) - own
    return {
        "tip_mates_min": mates,
        "tip_mates_count": team_sum(rows, tonight.team_game, np.ones(len(tonight.team_game))) - (own > 0),
        "tip_mates_min_pos": cell[rows.team_game * GROUPS + rows.group] - own,
        # A player without a game yet stands behind the whole rotation.
        "tip_rotation_rank": rank_among(rows, tonight.team_game, tonight.minutes, np.nan_to_num(usual)),
        "tip_min_share": np.divide(usual, mates + usual, out=np.full(len(rows), np.nan), where=mates + usual > 0),
    }


def catalog() -> list[Feature]:
    """The columns of `availability_features`."""
    tip: list[tuple[str, str]] = []
    for prefix, who in (("tip_out", "own"), ("tip_opp_out", "opponent's")):
        tip.append((f"{prefix}_count", f"{who} rotation players out"))
        tip += [(f"{prefix}_{s}", f"usual {s.upper()} of the {who} rotation players who are out") for s in CARRIED]
        tip.append((f"{prefix}_min_pos", f"usual minutes of those at the player's position group ({who} team)"))
    tip += [(f"tip_out_{s}_new", f"tip_out_{s} minus its mean over the player's earlier games") for s in SHIFTED]
    tip += [
        (name, f"{source} minus its mean over the player's earlier games, newest game {alpha}")
        for name, (source, alpha) in _CHANGES.items()
    ]
    tip += [
        ("tip_back_min", "usual minutes of the team's rotation players back after missing its last game"),
        ("tip_mates_min", "usual minutes of the rotation mates who take part"),
        ("tip_mates_count", "rotation mates who take part"),
        ("tip_mates_min_pos", "usual minutes of those at the player's position group"),
        ("tip_rotation_rank", "rank of the player's usual minutes among the rotation players who take part"),
        ("tip_min_share", "the player's share of the usual minutes of the rotation players who take part"),
    ]
    usual = [(f"out_{s}_usual", f"mean {s.upper()} missing through absences in the player's earlier games")
             for s in SHIFTED]  # fmt: skip
    likely = [
        ("likely_count", "mates, each as likely as he plays"),
        ("likely_min", "their usual minutes"),
        *((f"likely_out_{s}", f"usual {s.upper()} of mates of the rotation, as likely as they do not play")
          for s in SHIFTED),
        *((name, f"{now} minus the mean of {then} over the player's earlier games, newest game {alpha}")
          for name, (now, then, alpha) in _LIKELY_CHANGES.items()),
        ("p_plays", "how likely the player himself was to play; empty when new or long away"),
    ]  # fmt: skip
    return [
        *(Feature(name, PREGAME, "likely absences", text) for name, text in likely),
        *(Feature(name, TIPOFF, "absences", text) for name, text in tip),
        *(Feature(name, PREGAME, "absences", text) for name, text in usual),
    ]
