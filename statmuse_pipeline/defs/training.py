"""Assets from features to trained models: dataset, pooled models, tuning, player models and calibrators."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg

from statmuse_pipeline.defs.freshness import RENEWED_WEEKLY
from statmuse_pipeline.defs.ingest import OWNERS
from statmuse_pipeline.defs.lookup import one_player
from statmuse_pipeline.defs.partitions import PLAYERS
from statmuse_pipeline.defs.resources import Workspace
from statmuse_pipeline.domain import ELIGIBLE_GAMES, PipelineError, player_id_of, player_key
from statmuse_pipeline.versions import code_version, fingerprint

if TYPE_CHECKING:
    import pandas as pd


@dg.asset(
    deps=["player_features"], group_name="training", kinds={"parquet"}, owners=OWNERS, freshness_policy=RENEWED_WEEKLY
)
def training_dataset(context: dg.AssetExecutionContext, workspace: dg.ResourceParam[Workspace]) -> dg.MaterializeResult:
    """The 70/15/15 split by date as versioned Parquet; registers a partition for every eligible player."""
    import pandas as pd

    from statmuse_pipeline.datasets.split import split_by_date

    seasons = workspace.settings.seasons
    receipts = {season: workspace.shelf.require(f"features/{season}", made_by="statmuse sync") for season in seasons}
    inputs = {season: receipt.outputs["features.parquet"] for season, receipt in receipts.items()}
    wanted = fingerprint({"features": inputs, "code": code_version("datasets")})
    receipt = workspace.shelf.receipt("dataset")
    if receipt is None or receipt.inputs != wanted or not workspace.datasets.exists(receipt.facts["version"]):
        features = pd.concat(
            [pd.read_parquet(workspace.shelf.folder(f"features/{season}") / "features.parquet") for season in seasons],
            ignore_index=True,
        )
        split = split_by_date(features)
        manifest = workspace.datasets.save(split, inputs=inputs, code_version=code_version("features", "datasets"))
        receipt = workspace.shelf.put(
            "dataset",
            wanted,
            lambda folder: {
                "version": manifest.version,
                "validation_from": str(split.validation_from),
                "test_from": str(split.test_from),
                "rows": {"train": len(split.train), "validation": len(split.validation), "test": len(split.test)},
                "players": _eligible(pd.concat([split.train, split.validation])),
            },
        )
    keys = players_in_scope(workspace)
    context.instance.add_dynamic_partitions(str(PLAYERS.name), keys)
    facts = receipt.facts
    return dg.MaterializeResult(
        metadata={
            "version": facts["version"],
            "validation from": facts["validation_from"],
            "test from": facts["test_from"],
            **{f"{name} rows": count for name, count in facts["rows"].items()},
            "eligible players": len(facts["players"]),
            "players in scope": len(keys),
        }
    )


def _eligible(rows: "pd.DataFrame") -> dict[str, int]:
    """Partition key -> games of every player with enough games before the test split."""
    played = rows[rows["min"] > 0].sort_values("game_date")
    players = played.groupby("player_id").agg(name=("player_name", "last"), games=("game_id", "size"))
    enough = players[players["games"] >= ELIGIBLE_GAMES]
    return {player_key(int(player), str(name)): int(games) for player, name, games in enough.itertuples()}


def players_in_scope(workspace: Workspace) -> list[str]:
    """The partition keys that this workspace covers, sorted.

    Raises:
        PipelineError: when a name, id or key that was asked for is no player, with the closest names, or one with
            too few games.
    """
    games: dict[str, int] = dataset_facts(workspace)["players"]
    if workspace.players is not None:
        by_id = {player_id_of(key): key for key in games}
        asked = [one_player(workspace, wanted) for wanted in workspace.players]
        if few := [str(player.player_name) for player in asked if player.player_id not in by_id]:
            raise PipelineError(f"{', '.join(few)}: fewer than {ELIGIBLE_GAMES} games before the test split.")
        return sorted({by_id[player.player_id] for player in asked})
    return sorted(sorted(games, key=lambda key: (-games[key], key))[: workspace.max_players])


def dataset_facts(workspace: Workspace) -> Mapping[str, Any]:
    """Version, cut dates, row counts and eligible players of the current dataset."""
    return workspace.shelf.require("dataset", made_by="statmuse train").facts
