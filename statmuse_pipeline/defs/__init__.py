"""Thin Dagster assets that wire the stages together."""

import warnings

# `backfill_policy` is marked beta; the pinned version is tested here, so users need not read about it in every run. By
# its words and not its class: the command line shows its help without waiting for Dagster.
warnings.filterwarnings("ignore", message=".*currently in beta")
