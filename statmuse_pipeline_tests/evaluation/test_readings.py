"""The count of how often the test split was read."""

from __future__ import annotations

from pathlib import Path

import pytest

from statmuse_pipeline.domain import PipelineError
from statmuse_pipeline.evaluation.readings import count_reading

ONE, TWO = "1a" * 32, "2b" * 32


def test_every_reading_counts_for_its_configuration_and_in_all(tmp_path: Path):
    file = tmp_path / "test_readings.json"
    assert count_reading(file, ONE).times == 1
    assert count_reading(file, TWO).times == 1
    found = count_reading(file, ONE)
    assert (found.times, found.configurations, found.total) == (2, 2, 3)


def test_the_first_reading_is_said_to_be_the_only_one_and_a_second_is_not_hidden(tmp_path: Path):
    file = tmp_path / "test_readings.json"
    assert "scored once for this configuration (1a1a1a1a), and for no other" in count_reading(file, ONE).sentence
    assert "scored 2 times" in count_reading(file, ONE).sentence
    told = count_reading(file, TWO).sentence
    assert "scored once for this configuration (2b2b2b2b), and 2 more for 1 other" in told


@pytest.mark.parametrize("content", ["", "[1]", '{"a": "often"}', "{"])
def test_a_broken_count_is_not_taken_for_none(tmp_path: Path, content: str):
    file = tmp_path / "test_readings.json"
    file.write_text(content)
    with pytest.raises(PipelineError, match="how often the test split was read"):
        count_reading(file, ONE)
    assert file.read_text() == content
