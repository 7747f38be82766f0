"""The asset of the morning after: earlier nights' forecasts against what happened."""

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from statmuse_pipeline.defs.ingest import OWNERS
from statmuse_pipeline.defs.metadata import markdown_table
from statmuse_pipeline.defs.night import SLATES
from statmuse_pipeline.defs.resources import Workspace
from statmuse_pipeline.versions import code_version, fingerprint

if TYPE_CHECKING:
    import pandas as pd

GRADES = "grades"
"""`<data>/grades/<day>/` holds one night, graded."""

PLAYING_SUMS_FILE = "playing_sums.parquet"


@dg.asset(deps=["player_games"], group_name="tonight", kinds={"parquet"}, owners=OWNERS)
def graded_forecasts(workspace: dg.ResourceParam[Workspace]) -> dg.MaterializeResult:
    """Every night's forecasts whose games are in the warehouse, graded; a corrected box score grades its night anew."""
    from statmuse_pipeline.slate.games import season_of
    from statmuse_pipeline.warehouse import read

    days = nights(workspace)
    graded = 0
    for season in sorted({season_of(day) for day in days}):
        played = read.player_games(workspace.engine, [season])
        games = read.games(workspace.engine, [season])
        for day in (day for day in days if season_of(day) == season):
            graded += _grade_night(workspace, day, played, games)
    told = totals_metadata(read_totals(workspace), read_playing_totals(workspace))
    return dg.MaterializeResult(metadata={"nights graded": graded, **told})


def nights(workspace: Workspace) -> list[dt.date]:
    """The days of which forecasts are stored, sorted."""
    found = (workspace.settings.data / SLATES).glob("????-??-??/receipt.json")
    return sorted(dt.date.fromisoformat(file.parent.name) for file in found)


def _grade_night(workspace: Workspace, day: dt.date, played: "pd.DataFrame", games: "pd.DataFrame") -> bool:
    """Grade what is over of a night; whether something changed."""
    import pandas as pd

    from statmuse_pipeline.evaluation.grading import grade
    from statmuse_pipeline.evaluation.playing_grades import grade_playing
    from statmuse_pipeline.slate.night import Slate, in_time
    from statmuse_pipeline.sources.source import content_hash

    own = games[(games["game_date"] == pd.Timestamp(day))]
    receipt = workspace.shelf.require(f"{SLATES}/{day}", made_by="statmuse slate")
    over = own[own["game_id"].isin(receipt.facts["forecasts"])]
    if over.empty:
        return False
    rows = played[played["game_id"].isin(over["game_id"])]
    wanted = fingerprint(
        {
            "slate": receipt.outputs,
            "games": content_hash(over),
            "actual": content_hash(rows),
            "code": code_version(
                "evaluation/grading.py", "evaluation/playing_grades.py", "modeling/playing_time.py", "slate/night.py"
            ),
        }
    )
    known = workspace.shelf.receipt(f"{GRADES}/{day}")
    if known is not None and known.inputs == wanted:
        return False
    slate = in_time(Slate.load(workspace.shelf.folder(f"{SLATES}/{day}")), over)
    if slate.forecasts is None:
        return False
    result, playing = grade(slate.forecasts, slate.lines, rows), grade_playing(slate.players, rows)

    def write(folder: Path) -> dict[str, Any]:
        for name in ("forecasts", "lines", "sums"):
            getattr(result, name).to_parquet(folder / f"{name}.parquet", index=False)
        playing.players.to_parquet(folder / "playing.parquet", index=False)
        playing.sums.to_parquet(folder / PLAYING_SUMS_FILE, index=False)
        return {"games": len(over), "forecasts": len(result.forecasts)}

    workspace.shelf.put(f"{GRADES}/{day}", wanted, write)
    late = [game for game in over["game_id"] if game not in slate.counts()]
    moved = games.loc[games["game_date"] != pd.Timestamp(day), "game_id"]
    _note(workspace, day, slate.counts(), [*late, *moved[moved.isin(receipt.facts["forecasts"])]])
    return True


def _note(workspace: Workspace, day: dt.date, counts: dict[str, int], moved: list[str]) -> None:
    """On the ledger: what was graded, and the games that were played on another day than they were forecast for."""
    from statmuse_pipeline.warehouse.ledger import Ledger, Output

    ledger = Ledger(workspace.engine, workspace.settings.now)
    ledger.expect(day, Output.GRADES, dict.fromkeys([*counts, *moved]))
    ledger.complete(day, Output.GRADES, counts)
    ledger.empty(day, Output.GRADES, moved, "played on another day")


def read_totals(workspace: Workspace) -> "pd.DataFrame":
    """Scores over all nights graded so far, as `evaluation.grading.totals`; empty where there is none."""
    import pandas as pd

    from statmuse_pipeline.evaluation.grading import SUMS, totals

    files = sorted((workspace.settings.data / GRADES).glob("????-??-??/sums.parquet"))
    empty = pd.DataFrame(columns=["stat", *SUMS])
    return totals(pd.concat([pd.read_parquet(file) for file in files], ignore_index=True) if files else empty)


def read_playing_totals(workspace: Workspace) -> "pd.DataFrame":
    """Scores of playing time over all nights graded so far, as `evaluation.playing_grades.playing_totals`."""
    import pandas as pd

    from statmuse_pipeline.evaluation.playing_grades import PLAYING_SUMS, playing_totals

    files = sorted((workspace.settings.data / GRADES).glob(f"????-??-??/{PLAYING_SUMS_FILE}"))
    empty = pd.DataFrame(columns=["group", *PLAYING_SUMS], dtype="float64")
    return playing_totals(pd.concat([pd.read_parquet(file) for file in files], ignore_index=True) if files else empty)


def totals_metadata(totals: "pd.DataFrame", playing: "pd.DataFrame") -> dict[str, Any]:
    """The totals of all stats as numbers that can be plotted, and the tables of them and of playing time."""
    every = totals[totals["stat"] == "all"]
    names = ("nights", "graded", "void", "mae", "crps", "brier", "hit_rate", "cover80")
    numbers = {name: float(every[name].iloc[0]) for name in names} if len(every) else {}
    known = {name: value for name, value in numbers.items() if value == value}
    return {
        **known,
        **{
            name: dg.MetadataValue.md(markdown_table(table) if len(table) else "nothing graded yet")
            for name, table in (("totals", totals), ("playing time", playing))
        },
    }
