"""Jobs: the pieces of the pipeline that people run by name."""

import dagster as dg

ingest = dg.define_asset_job(
    "ingest",
    selection=dg.AssetSelection.assets(
        "raw_game_logs", "player_games", "team_games", "players", "earlier_seasons", "player_features", "market_quotes"
    ),
    description="Source to warehouse, features and quotes, for the chosen seasons.",
    tags={"dagster/max_retries": "2"},
)
train = dg.define_asset_job(
    "train",
    selection=dg.AssetSelection.assets("player_models", "player_calibrators"),
    description="Models and calibrators of the chosen players.",
)
evaluate = dg.define_asset_job(
    "evaluate",
    selection=dg.AssetSelection.assets("test_forecasts", "backtest", "metric_report", "report"),
    description="Forecasts on validation and test, metrics with the gate, backtest, report.",
)


@dg.op(description="Runs every stage, each as a run of its own: their partitionings differ.")
def refresh_everything(context: dg.OpExecutionContext) -> None:
    """The same sequence as `statmuse run`."""
    from statmuse_pipeline.defs.pipeline import run_pipeline
    from statmuse_pipeline.defs.resources import Workspace

    run_pipeline(context.instance, Workspace())


@dg.job(description="The whole main job: `statmuse run` from the UI.")
def full_refresh() -> None:
    """One op that materializes every asset."""
    refresh_everything()


@dg.definitions
def automation() -> dg.Definitions:
    """All jobs."""
    return dg.Definitions(jobs=[ingest, train, evaluate, full_refresh])
