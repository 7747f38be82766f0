"""How old an asset may be before someone is told; Dagster takes such policies on assets without partitions only."""

from datetime import timedelta

import dagster as dg

RENEWED_WEEKLY = dg.FreshnessPolicy.time_window(fail_window=timedelta(days=8))
"""A weekly renewal that silently died is seen the next day."""

RENEWED_NIGHTLY = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=36), warn_window=timedelta(hours=26))
"""A night that silently died is seen before the next evening."""
