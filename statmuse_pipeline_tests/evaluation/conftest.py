from __future__ import annotations

import pytest

from statmuse_pipeline_tests.evaluation.small_league import SmallLeague, small_league


@pytest.fixture(scope="package")
def league() -> SmallLeague:
    return small_league()
