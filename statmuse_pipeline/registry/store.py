"""Artefacts on disk: one deterministic zip bundle a key, named by its content, checked before it is opened."""

from __future__ import annotations

import hashlib
import io
import os
import re
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from statmuse_pipeline.domain import PipelineError

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_EPOCH = (1980, 1, 1, 0, 0, 0)
_HASH_IN_NAME = 16


class ArtefactRefused(PipelineError):
    """An artefact that is missing, altered, or outside the store; nothing of it was loaded."""


@dataclass(frozen=True)
class Artefact:
    """A stored bundle.

    Attributes:
        path: relative to the store's root, with forward slashes.
        sha256: of the bundle's bytes.
        bytes: its size.
    """

    path: str
    sha256: str
    bytes: int


class ArtefactStore:
    """Bundles of files under a root folder.

    A bundle's file name holds its content's hash, so that training again never overwrites an artefact to which the
    metadata still points; `prune` removes what nothing points to any more.
    """

    def __init__(self, root: Path) -> None:
        self._root = Path(root)

    def put(self, key: str, files: Mapping[str, bytes]) -> Artefact:
        """Write one bundle, whole or not at all.

        Args:
            key: what it belongs to (a player key, the name of a pooled model): letters, digits, `_`, `-`, `.`.
            files: file name -> content; the same files give the same bundle, byte for byte.

        Raises:
            PipelineError: for a key or file name that is none, no files, or a disk that cannot be written.
        """
        if not _NAME.fullmatch(key):
            raise PipelineError(f"{key!r} cannot name an artefact: use letters, digits, '-', '_' and '.'.")
        content = _bundle(key, files)
        digest = hashlib.sha256(content).hexdigest()
        relative = f"{key}/{digest[:_HASH_IN_NAME]}.zip"
        path = self._root / relative
        try:
            if not (path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == digest):
                _write_whole(path, content)
        except OSError as error:
            raise PipelineError(
                f"The artefact {path} cannot be written ({error.strerror or error}): free space or fix its rights."
            ) from error
        return Artefact(relative, digest, len(content))

    def get(self, path: str, sha256: str) -> dict[str, bytes]:
        """The files of a bundle, after its hash was found right.

        Args:
            path: as in `Artefact.path`.
            sha256: as recorded when it was written.

        Raises:
            ArtefactRefused: when the path leaves the store, the file is missing, or its hash differs.
        """
        file = self._inside(path)
        try:
            content = file.read_bytes()
        except OSError as error:
            raise ArtefactRefused(
                f"The artefact {path} cannot be read ({error.strerror or error}): train its player again."
            ) from error
        found = hashlib.sha256(content).hexdigest()
        if found != sha256:
            raise ArtefactRefused(
                f"The artefact {path} has hash {found[:12]} where {sha256[:12]} was recorded: it was altered and is "
                "not loaded; train its player again."
            )
        try:
            # The bytes that were hashed are the bytes that are opened: the file may change in between.
            with zipfile.ZipFile(io.BytesIO(content)) as bundle:
                return {name: bundle.read(name) for name in bundle.namelist()}
        except zipfile.BadZipFile as error:
            raise ArtefactRefused(f"The artefact {path} is no zip bundle: train its player again.") from error

    def prune(self, keep: set[str]) -> list[str]:
        """Remove every bundle but those in `keep`, and what an interrupted write left behind.

        Args:
            keep: `Artefact.path` of all that the metadata points to.

        Returns:
            The relative paths removed, sorted.
        """
        if not self._root.is_dir():
            return []
        found = [file for file in sorted(self._root.glob("*/*")) if file.is_file() and file.suffix in {".zip", ".tmp"}]
        removed = [file for file in found if file.relative_to(self._root).as_posix() not in keep]
        for file in removed:
            file.unlink(missing_ok=True)
        for folder in sorted({file.parent for file in removed}):
            if not any(folder.iterdir()):
                folder.rmdir()
        return [file.relative_to(self._root).as_posix() for file in removed]

    def size(self) -> int:
        """Bytes of all bundles in the store."""
        return sum(file.stat().st_size for file in self._root.glob("*/*.zip"))

    def _inside(self, path: str) -> Path:
        root = self._root.resolve()
        file = (root / path).resolve()
        if not path or file == root or not file.is_relative_to(root):
            raise ArtefactRefused(f"The artefact path {path!r} leads out of the store {root}: it is not opened.")
        return file


def _bundle(key: str, files: Mapping[str, bytes]) -> bytes:
    """A zip whose bytes depend on the files alone: sorted names, no clock, fixed rights."""
    if not files:
        raise PipelineError(f"The artefact of {key} holds no files.")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as bundle:
        for name in sorted(files):
            if not _NAME.fullmatch(name):
                raise PipelineError(f"{name!r} cannot name a file of the artefact of {key}.")
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            bundle.writestr(entry, files[name])
    return buffer.getvalue()


def _write_whole(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
