"""Raw answers: kept, hashed, served again."""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
from pathlib import Path

import pytest

from statmuse_pipeline.sources.raw_store import RawStore
from statmuse_pipeline.sources.source import SourceError

NOON = dt.datetime(2024, 1, 12, 12, tzinfo=dt.UTC)
QUERY = {"Season": "2023-24", "DateFrom": ""}


def put(store: RawStore, text: str, minutes: int = 0, kind: str = "json", query: dict[str, str] = QUERY) -> Path:
    return store.put(
        "leaguegamelog", "2023-24", query, text, url="http://x", fetched_at=NOON + dt.timedelta(minutes=minutes),
        kind=kind,
    )  # fmt: skip


def newest(store: RawStore) -> str | None:
    stored = store.latest("leaguegamelog", "2023-24", QUERY)
    return stored.text if stored else None


def test_an_answer_lies_compressed_under_endpoint_and_season_with_its_hash_in_the_name(tmp_path: Path) -> None:
    file = put(RawStore(tmp_path), "Dončić")
    assert file.relative_to(tmp_path).parts[:2] == ("leaguegamelog", "2023-24")
    content = gzip.decompress(file.read_bytes())
    assert content == "Dončić".encode()
    assert hashlib.sha256(content).hexdigest() in file.name
    assert not list(tmp_path.rglob("*.tmp"))


def test_the_newest_answer_is_served_also_when_an_older_one_comes_again(tmp_path: Path) -> None:
    store = RawStore(tmp_path)
    for minutes, text in enumerate(["first", "corrected", "corrected", "first"]):
        put(store, text, minutes)
        assert newest(store) == text
    assert len(list(tmp_path.rglob("*.json.gz"))) == 3


def test_answers_that_were_no_use_are_kept_and_never_served(tmp_path: Path) -> None:
    store = RawStore(tmp_path)
    put(store, "slow down", kind="http-429")
    assert newest(store) is None
    put(store, "data", 1)
    put(store, "<html>", 2, kind="unusable")
    assert newest(store) == "data"
    assert len(list(tmp_path.rglob("*.gz"))) == 3


def test_other_parameters_are_another_request_and_empty_ones_are_none(tmp_path: Path) -> None:
    store = RawStore(tmp_path)
    put(store, "season")
    put(store, "day", 1, query={"Season": "2023-24", "DateFrom": "01/11/2024"})
    assert newest(store) == "season"
    bare = store.latest("leaguegamelog", "2023-24", {"Season": "2023-24"})
    assert bare is not None
    assert (bare.text, bare.fetched_at, bare.url) == ("season", NOON, "http://x")


def test_the_same_answer_gives_the_same_bytes(tmp_path: Path) -> None:
    files = [put(RawStore(tmp_path / name), "data") for name in ("a", "b")]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert files[0].name == files[1].name


@pytest.mark.parametrize("damage", [lambda old: old[:-9], lambda _: gzip.compress(b"other"), lambda _: b"nonsense"])
def test_a_damaged_answer_is_refused_by_name(tmp_path: Path, damage: object) -> None:
    file = put(RawStore(tmp_path), "data" * 100)
    file.write_bytes(damage(file.read_bytes()))  # type: ignore[operator]
    with pytest.raises(SourceError, match=rf"{file.name}.* delete it and fetch again"):
        newest(RawStore(tmp_path))


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "leaguegamelog").write_text("a file in the way")
    with pytest.raises(SourceError, match=r"could not be kept in .* set STATMUSE_DATA"):
        put(RawStore(tmp_path), "data")
