"""How often the test split was read: a forecast that was chosen by looking at it again and again has not passed it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from statmuse_pipeline.domain import PipelineError
from statmuse_pipeline.receipts import replace_file


@dataclass(frozen=True)
class Readings:
    """What is known of the readings of a data folder's test split.

    Attributes:
        configuration: fingerprint of the configuration that is released.
        times: how often it was scored on test.
        configurations: how many configurations were.
        total: all readings together.
    """

    configuration: str
    times: int
    configurations: int
    total: int

    @property
    def sentence(self) -> str:
        """The same for people."""
        times = "once" if self.times == 1 else f"{self.times} times"
        others = self.configurations - 1
        told = f"The test split was scored {times} for this configuration ({self.configuration[:8]})"
        if not others:
            return f"{told}, and for no other in this data folder."
        earlier = "1 other" if others == 1 else f"{others} others"
        return (
            f"{told}, and {self.total - self.times} more for {earlier} in this data folder: whoever chooses by test "
            "has no test left."
        )


def count_reading(file: Path, configuration: str) -> Readings:
    """Note that this configuration is scored on the test split, and tell how often that happened.

    It is noted before the scores are seen: a reading that was interrupted was one.

    Raises:
        PipelineError: when the file is not readable as what this function wrote, or cannot be written.
    """
    counts = _counts(file)
    counts[configuration] = counts.get(configuration, 0) + 1
    replace_file(file, (json.dumps(counts, indent=1) + "\n").encode())
    return Readings(configuration, counts[configuration], len(counts), sum(counts.values()))


def _counts(file: Path) -> dict[str, int]:
    """Configuration -> how often it was scored, in the order of the first time."""
    if not file.exists():
        return {}
    try:
        told = json.loads(file.read_text())
        return {str(name): int(times) for name, times in told.items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise PipelineError(
            f"{file} does not tell how often the test split was read ({error}): put it back, or delete it "
            "and know that the count begins anew."
        ) from error
