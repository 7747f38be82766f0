"""What the pooled models tell others."""

from __future__ import annotations

import pytest

from statmuse_pipeline.defs.pooled import Pooled
from statmuse_pipeline.domain import InformationLevel, PipelineError
from statmuse_pipeline.modeling.joint import JointModel


def test_models_that_know_no_sums_say_what_to_run_when_they_are_asked_for_one():
    with pytest.raises(PipelineError, match="run `statmuse train`"):
        _ = Pooled({}, {}, {}, {}).known_joints
    joints = {InformationLevel.TIPOFF: JointModel.independent()}
    assert Pooled({}, {}, {}, joints).known_joints is joints
