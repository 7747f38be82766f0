"""Fits on the shelf: read again as long as they would be made from the same rows by the same code."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from statmuse_pipeline.kept_fits import Files, Remember
from statmuse_pipeline.receipts import Shelf
from statmuse_pipeline.versions import code_version, fingerprint, library_versions


def keeping(shelf: Shelf, folder: str, *code: str) -> Remember:
    """A `Remember` whose fits lie on the shelf, one under `folder` for each name.

    Args:
        shelf: where.
        folder: of the fits, on the shelf.
        code: files of the package (paths in it) that the fits are made by.
    """
    return partial(_kept, shelf, folder, code)


def _kept(shelf: Shelf, folder: str, code: tuple[str, ...], fit: str, inputs: str, make: Callable[[], Files]) -> Files:
    name = f"{folder}/{fit}"
    wanted = fingerprint({"inputs": inputs, "code": code_version(*code), "libraries": library_versions()})
    receipt = shelf.receipt(name)
    if receipt is None or receipt.inputs != wanted:

        def write(place: Path) -> dict[str, Any]:
            for file, content in make().items():
                (place / file).write_bytes(content)
            return {}

        shelf.put(name, wanted, write)
    receipt = shelf.require(name, made_by="statmuse train")
    return {file: (shelf.folder(name) / file).read_bytes() for file in receipt.outputs}
