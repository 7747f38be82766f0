"""Receipts: what a stage last produced, from which inputs, so that unchanged work is not done twice."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from statmuse_pipeline.domain import PipelineError


@dataclass(frozen=True)
class Receipt:
    """One finished piece of work.

    Attributes:
        inputs: fingerprint of everything the outputs depend on.
        outputs: file name -> SHA-256, relative to the receipt's folder.
        facts: plain JSON that later stages need to know (versions, cut dates, counts).
    """

    inputs: str
    outputs: Mapping[str, str]
    facts: Mapping[str, Any] = field(default_factory=dict)


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def replace_file(path: Path, content: bytes) -> Path:
    """Write a file so that a reader sees the old or the new content and never a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise PipelineError(
            f"Could not write {path}: {error.strerror or error}. Free space or fix its rights."
        ) from error
    return path


class Shelf:
    """A folder of finished work: `<root>/<name>/` holds the outputs and their `receipt.json`.

    A shelf is replaced as a whole: outputs are written to a folder beside it that takes its place when they are
    complete, so that an interrupted stage leaves what was there before.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def folder(self, name: str) -> Path:
        """Where the outputs of that name lie."""
        return self._root / name

    def receipt(self, name: str) -> Receipt | None:
        """The receipt of the last complete work of that name, None when there is none or its files are gone."""
        file = self.folder(name) / "receipt.json"
        try:
            receipt = Receipt(**json.loads(file.read_text()))
        except (OSError, ValueError, TypeError):
            return None
        return receipt if all((file.parent / output).exists() for output in receipt.outputs) else None

    def require(self, name: str, *, made_by: str) -> Receipt:
        """The receipt of that name.

        Raises:
            PipelineError: when there is none, saying which command makes it, or when an output was altered.
        """
        receipt = self.receipt(name)
        if receipt is None:
            raise PipelineError(f"There is no {name} in {self._root} yet: run `{made_by}` first.")
        for output, expected in receipt.outputs.items():
            if file_hash(self.folder(name) / output) != expected:
                raise PipelineError(
                    f"{self.folder(name) / output} is not the file that was written (its hash differs): "
                    f"delete the folder {self.folder(name)} and run `{made_by}` again."
                )
        return receipt

    def put(self, name: str, inputs: str, write: Callable[[Path], Mapping[str, Any]]) -> Receipt:
        """Let `write(folder)` write the outputs, then put them and their receipt in place.

        Args:
            name: what the work is called, such as `features/2023-24`.
            inputs: fingerprint of all inputs.
            write: writes files into the folder it is given and returns the facts for the receipt.

        Raises:
            PipelineError: when the disk is full or not writable; the earlier outputs stay.
        """
        target = self.folder(name)
        fresh = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        old = target.with_name(f".{target.name}.{os.getpid()}.old")
        try:
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir(parents=True)
            facts = dict(write(fresh))
            outputs = {
                file.relative_to(fresh).as_posix(): file_hash(file)
                for file in sorted(fresh.rglob("*"))
                if file.is_file()
            }
            receipt = Receipt(inputs, outputs, facts)
            (fresh / "receipt.json").write_text(
                json.dumps(
                    {"inputs": inputs, "outputs": outputs, "facts": facts}, indent=1, sort_keys=True, default=str
                )
            )
            if target.exists():
                target.replace(old)
            fresh.replace(target)
        except OSError as error:
            raise PipelineError(
                f"Could not write {target}: {error.strerror or error}. What was there before is unchanged."
            ) from error
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)
        return receipt
