"""Versioned datasets: Parquet files whose version is the hash of their content."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from statmuse_pipeline.datasets.split import Split
from statmuse_pipeline.domain import PipelineError

PARTS = ("train", "validation", "test")
MANIFEST = "manifest.json"
_VERSION_DIGITS = 16


class DatasetRefused(PipelineError):
    """A dataset is missing, incomplete or not what its manifest says."""


@dataclass(frozen=True)
class Manifest:
    """What a dataset is made of.

    Attributes:
        version: hash over all the other fields.
        inputs: name of an input -> its hash.
        code_version: of the code that made the features and the split.
        validation_from: first day of the validation part, ISO.
        test_from: first day of the test part, ISO.
        rows: part -> number of rows.
        columns: column -> type, in the order of the files.
        files: part -> SHA-256 of its Parquet file.
    """

    version: str
    inputs: Mapping[str, str]
    code_version: str
    validation_from: str
    test_from: str
    rows: Mapping[str, int]
    columns: Mapping[str, str]
    files: Mapping[str, str]

    def content_hash(self) -> str:
        """SHA-256 over every field but the version, in hexadecimal."""
        content = {name: value for name, value in asdict(self).items() if name != "version"}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:_VERSION_DIGITS]

    def to_json(self) -> str:
        """The manifest as it stands in `manifest.json`."""
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"


class DatasetStore:
    """Datasets under `<root>/<version>/`; a version, once there, never changes.

    Args:
        root: folder of all versions; made by the first save.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def save(self, split: Split, *, inputs: Mapping[str, str], code_version: str) -> Manifest:
        """Write the three parts and their manifest, all or nothing; a version that is there is only verified.

        Args:
            split: the parts; all with the same columns.
            inputs: name -> hash of everything the features were built from.
            code_version: of the code that built them.

        Raises:
            DatasetRefused: when the parts differ in their columns, or the folder of that version was altered.
            PipelineError: when it cannot be written.
        """
        contents = {name: _parquet(part) for name, part in split.parts().items()}
        columns = {name: {str(c): str(t) for c, t in part.dtypes.items()} for name, part in split.parts().items()}
        if any(columns[name] != columns["train"] for name in PARTS):
            raise DatasetRefused("The parts of the split have different columns: split one feature table.")
        manifest = Manifest(
            version="",
            inputs=dict(sorted(inputs.items())),
            code_version=code_version,
            validation_from=split.validation_from.isoformat(),
            test_from=split.test_from.isoformat(),
            rows={name: len(part) for name, part in split.parts().items()},
            columns=columns["train"],
            files={name: hashlib.sha256(content).hexdigest() for name, content in contents.items()},
        )
        manifest = Manifest(**{**asdict(manifest), "version": manifest.content_hash()})
        if self.exists(manifest.version):
            self._verify(manifest.version)
        else:
            self._write(manifest, contents)
        return manifest

    def load(self, version: str) -> Split:
        """The dataset of that version, every byte checked before it is parsed.

        Raises:
            DatasetRefused: when there is no such version, or a file is missing or not the one that was saved.
        """
        manifest = self.manifest(version)
        parts = {
            name: pq.read_table(pa.BufferReader(self._bytes(version, name, expected))).to_pandas()
            for name, expected in manifest.files.items()
        }
        return Split(
            **parts,
            validation_from=dt.date.fromisoformat(manifest.validation_from),
            test_from=dt.date.fromisoformat(manifest.test_from),
        )

    def manifest(self, version: str) -> Manifest:
        """The manifest of that version.

        Raises:
            DatasetRefused: when there is none, or its content does not hash to the version.
        """
        path = self._root / version / MANIFEST
        try:
            manifest = Manifest(**json.loads(path.read_text()))
        except FileNotFoundError as error:
            known = ", ".join(self.versions()) or "none"
            raise DatasetRefused(f"There is no dataset {version!r} in {self._root}; there: {known}.") from error
        except (OSError, ValueError, TypeError) as error:
            raise DatasetRefused(f"{path} is not readable ({error}): {_MEND}") from error
        if manifest.version != version or manifest.content_hash() != version:
            raise DatasetRefused(f"{path} was altered (its content does not hash to {version}): {_MEND}")
        return manifest

    def exists(self, version: str) -> bool:
        """Whether that version was saved completely."""
        folder = self._root / version
        return bool(version) and all((folder / name).is_file() for name in (MANIFEST, *map(_file, PARTS)))

    def versions(self) -> tuple[str, ...]:
        """All versions that were saved completely, sorted by name: none of them is "the latest"."""
        if not self._root.is_dir():
            return ()
        return tuple(sorted(folder.name for folder in self._root.iterdir() if self.exists(folder.name)))

    def _verify(self, version: str) -> None:
        for name, expected in self.manifest(version).files.items():
            self._bytes(version, name, expected)

    def _bytes(self, version: str, name: str, expected: str) -> bytes:
        path = self._root / version / _file(name)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DatasetRefused(f"{path} is not readable ({error.strerror}): {_MEND}") from error
        if hashlib.sha256(content).hexdigest() != expected:
            raise DatasetRefused(f"{path} is not the file that was saved (its hash differs): {_MEND}")
        return content

    def _write(self, manifest: Manifest, contents: Mapping[str, bytes]) -> None:
        target = self._root / manifest.version
        fresh = self._root / f".{manifest.version}.{os.getpid()}.tmp"
        try:
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir(parents=True)
            for name, content in contents.items():
                (fresh / _file(name)).write_bytes(content)
            (fresh / MANIFEST).write_text(manifest.to_json())
            # What an earlier crash of a foreign tool left under this name is no dataset, but would block the rename.
            shutil.rmtree(target, ignore_errors=True)
            fresh.replace(target)
        except OSError as error:
            raise PipelineError(
                f"Could not write the dataset {target}: {error.strerror or error}. Free space or fix its rights."
            ) from error
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


_MEND = "delete that dataset's folder and run `statmuse train` again."


def _file(part: str) -> str:
    return f"{part}.parquet"


def _parquet(frame: pd.DataFrame) -> bytes:
    """The frame as Parquet bytes that depend on its content alone."""
    sink = io.BytesIO()
    table = pa.Table.from_pandas(frame, preserve_index=False)
    pq.write_table(table, sink, compression="zstd", compression_level=1)
    return sink.getvalue()
