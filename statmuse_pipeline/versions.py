"""Versions: what a result was made from, as content hashes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path

_PACKAGE = Path(__file__).parent
_SHARED = ("domain.py", "contracts.py", "standardizer.py")
_LIBRARIES = (
    "numpy", "pandas", "scikit-learn", "xgboost-cpu", "onnx", "onnxruntime", "optuna", "pyarrow", "jax", "optax",
)  # fmt: skip


def fingerprint(inputs: Mapping[str, object]) -> str:
    """SHA-256 over named inputs, independent of their order; values must be JSON serialisable."""
    text = json.dumps(inputs, sort_keys=True, default=str, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def code_version(*stages: str) -> str:
    """Content hash of the source of those stages (folders or modules) and of what all of them share.

    A result remembers the code it was made with, so that changed code makes it stale.
    """
    files = [_PACKAGE / name for name in _SHARED]
    for stage in stages:
        place = _PACKAGE / stage
        files += sorted(place.rglob("*.py")) if place.is_dir() else [place]
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.relative_to(_PACKAGE).as_posix().encode() + b"\0")
        digest.update(file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


@cache
def library_versions() -> dict[str, str]:
    """Versions of the libraries whose numbers end up in an artefact."""
    return {name: version(name) for name in _LIBRARIES}
