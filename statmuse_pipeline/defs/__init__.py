"""Thin Dagster assets that wire the stages together."""

import warnings

import dagster as dg

# `backfill_policy` is marked beta; the pinned version is tested here, so users need not read about it in every run.
warnings.filterwarnings("ignore", category=dg.BetaWarning)
