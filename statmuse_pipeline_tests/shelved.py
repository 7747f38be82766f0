"""A shelf of fits in memory."""

from __future__ import annotations

from collections.abc import Callable

from statmuse_pipeline.kept_fits import Files


class Shelved:
    """A `Remember` that tells which fits it had to make."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], Files] = {}
        self.made: list[str] = []

    def __call__(self, name: str, inputs: str, make: Callable[[], Files]) -> Files:
        if (name, inputs) not in self.kept:
            self.kept[name, inputs] = make()
            self.made.append(name)
        return self.kept[name, inputs]
