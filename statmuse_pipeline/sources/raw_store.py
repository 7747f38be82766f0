"""Raw answers of services, compressed and hashed, so that a rerun needs no request."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from statmuse_pipeline.sources.source import SourceError

USABLE = "json"
"""The usual kind of answers that may be served again; `http-429` and `unusable` are kept for people to look at."""

_MOMENT = "%Y%m%dT%H%M%S%fZ"
_NAME = re.compile(r"^(?P<moment>\d{8}T\d{12}Z)-(?P<sha256>[0-9a-f]{64})\.(?P<kind>[a-z0-9-]+)\.gz$")


@dataclass(frozen=True)
class StoredResponse:
    """One answer as it came: its bytes, when it was received (UTC), the address asked and the file it lies in."""

    content: bytes
    fetched_at: datetime
    url: str
    file: Path

    @property
    def text(self) -> str:
        """The content of an answer that is text."""
        return self.content.decode()


class RawStore:
    """Answers under `<root>/<endpoint>/<season>/<request>/<moment>-<sha256>.<kind>.gz`.

    `<request>` is a hash of the query's parameters, which `request.json` beside the answers spells out. An answer
    equal to the newest of its kind is not written again. Files appear whole or not at all.

    Args:
        root: the folder, made when something is stored.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(
        self,
        endpoint: str,
        season: str,
        parameters: Mapping[str, object],
        content: str | bytes,
        *,
        url: str,
        fetched_at: datetime,
        kind: str = USABLE,
    ) -> Path:
        """Keeps an answer (text or bytes) and returns its file.

        Raises:
            SourceError: when the disk refuses.
        """
        folder = self._folder(endpoint, season, parameters)
        content = content.encode() if isinstance(content, str) else content
        sha256 = hashlib.sha256(content).hexdigest()
        newest = _newest(folder, kind)
        if newest is not None and sha256 in newest.name:
            return newest
        file = folder / f"{fetched_at.astimezone(UTC).strftime(_MOMENT)}-{sha256}.{kind}.gz"
        told = {"endpoint": endpoint, "season": season, "parameters": _plain(parameters), "url": url}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _replace(folder / "request.json", json.dumps(told, indent=1, sort_keys=True).encode())
            # A fixed time in the header: the same answer gives the same bytes.
            _replace(file, gzip.compress(content, compresslevel=6, mtime=0))
        except OSError as error:
            raise SourceError(
                f"The answer of {endpoint} could not be kept in {folder}: {error.strerror or error}. "
                "Free space or set STATMUSE_DATA to a writable folder."
            ) from error
        return file

    def latest(
        self, endpoint: str, season: str, parameters: Mapping[str, object], *, kind: str = USABLE
    ) -> StoredResponse | None:
        """The newest answer of that kind to that request, None when there is none.

        Raises:
            SourceError: when the file is damaged: its content is not what its name says.
        """
        folder = self._folder(endpoint, season, parameters)
        file = _newest(folder, kind)
        if file is None:
            return None
        match = _NAME.match(file.name)
        assert match is not None
        try:
            content = gzip.decompress(file.read_bytes())
            url = json.loads((folder / "request.json").read_text())["url"]
        except (OSError, EOFError, ValueError, KeyError, zlib.error) as error:
            raise SourceError(f"The stored answer {file} cannot be read: delete it and fetch again.") from error
        if hashlib.sha256(content).hexdigest() != match["sha256"]:
            raise SourceError(f"The stored answer {file} is damaged (its hash differs): delete it and fetch again.")
        moment = datetime.strptime(match["moment"], _MOMENT).replace(tzinfo=UTC)
        return StoredResponse(content, moment, url, file)

    def requests(self, endpoint: str, season: str, *, kind: str = USABLE) -> list[dict[str, str]]:
        """The parameters of every request to which there is an answer of that kind, in no particular order.

        Raises:
            SourceError: when a request's description is damaged.
        """
        found = []
        for file in sorted((self.root / endpoint / season).glob("*/request.json")):
            if _newest(file.parent, kind) is None:
                continue
            try:
                found.append(dict(json.loads(file.read_text())["parameters"]))
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise SourceError(f"{file} cannot be read: delete its folder and fetch again.") from error
        return found

    def _folder(self, endpoint: str, season: str, parameters: Mapping[str, object]) -> Path:
        key = hashlib.sha256(json.dumps(_plain(parameters), sort_keys=True).encode()).hexdigest()[:16]
        return self.root / endpoint / season / key


def _plain(parameters: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in parameters.items() if value not in (None, "")}


def _newest(folder: Path, kind: str) -> Path | None:
    """By the moment in the name; file times do not survive a copy."""
    found = [file for file in folder.glob(f"*.{kind}.gz") if _NAME.match(file.name)]
    return max(found, key=lambda file: file.name, default=None)


def _replace(file: Path, content: bytes) -> None:
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
