"""All Dagster definitions, as `workspace.yaml` loads them."""

import warnings
from pathlib import Path

import dagster as dg

# Dagster itself passes a beta argument when it copies sensors, after the filters of `defs` have been put back.
warnings.filterwarnings("ignore", category=dg.BetaWarning)


@dg.definitions
def definitions() -> dg.Definitions:
    """Everything below `defs/`."""
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
