"""Point spreads of whole games, where an archive has them: a bonus that no forecast needs."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from statmuse_pipeline.sources.archive import archive_root, read_parquet

FOLDER = "game_odds"

CLOSING = ("GAME_ID", "HOME_SPREAD")
"""Columns of a file of closing spreads: one row a game."""

QUOTED = ("captured_at", "commence_time", "home_team", "away_team", "bookmaker", "home_spread")
"""Columns of a file of quoted spreads: one row a book and moment, team names in full."""


def read_spreads(archive: Path | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What the archive's `game_odds` folder holds, as it stands there.

    A spread is of the home side: -5.5 says that it is expected to win by 5.5 points.

    Args:
        archive: the archive, or its game_logs folder; None and an archive without that folder hold nothing.

    Returns:
        Closing spreads (game_id, home_spread) and quoted ones (QUOTED, moments in UTC).

    Raises:
        SourceError: when a file is unreadable or is of neither kind.
    """
    folder = archive_root(archive) / FOLDER if archive else None
    closing, quoted = [pd.DataFrame(columns=list(CLOSING))], [pd.DataFrame(columns=list(QUOTED))]
    for file in sorted(folder.glob("*.parquet")) if folder and folder.is_dir() else []:
        if file.stem.startswith("closing"):
            closing.append(read_parquet(file, CLOSING)[list(CLOSING)])
        else:
            quoted.append(read_parquet(file, QUOTED)[list(QUOTED)])
    finals, quotes = (pd.concat(parts[1:] or parts, ignore_index=True) for parts in (closing, quoted))
    finals = pd.DataFrame(
        {
            "game_id": finals["GAME_ID"].astype("str").str.zfill(10),
            "home_spread": finals["HOME_SPREAD"].astype("float64"),
        }
    )
    moments = {name: pd.to_datetime(quotes[name], utc=True).astype("datetime64[ns, UTC]") for name in QUOTED[:2]}
    return finals, quotes.assign(**moments, home_spread=quotes["home_spread"].astype("float64"))
