"""Artefacts: whole or not at all, the same bytes for the same files, refused before loading when altered."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statmuse_pipeline.domain import PipelineError
from statmuse_pipeline.registry.store import Artefact, ArtefactRefused, ArtefactStore

FILES = {"model.json": b'{"a": 1}', "forest.onnx": b"\x00\x01" * 500}


@pytest.fixture
def store(tmp_path: Path) -> ArtefactStore:
    return ArtefactStore(tmp_path / "models")


def test_what_was_put_is_got_back(store: ArtefactStore, tmp_path: Path) -> None:
    artefact = store.put("luka-doncic-1629029", FILES)
    assert store.get(artefact.path, artefact.sha256) == FILES
    content = (tmp_path / "models" / artefact.path).read_bytes()
    assert hashlib.sha256(content).hexdigest() == artefact.sha256
    assert len(content) == artefact.bytes < 1000
    assert store.size() == artefact.bytes


@settings(max_examples=30, deadline=None)
@given(files=st.dictionaries(st.from_regex(r"[a-z]{1,8}\.bin", fullmatch=True), st.binary(max_size=200), min_size=1))
def test_any_files_survive_and_their_order_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    store = ArtefactStore(tmp_path_factory.mktemp("store"))
    artefact = store.put("a-1", files)
    assert store.put("a-1", dict(reversed(list(files.items())))) == artefact
    assert store.get(artefact.path, artefact.sha256) == files


def test_the_bytes_do_not_depend_on_the_clock(store: ArtefactStore, tmp_path: Path) -> None:
    artefact = store.put("a-1", FILES)
    with zipfile.ZipFile(tmp_path / "models" / artefact.path) as bundle:
        assert {entry.date_time for entry in bundle.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert [entry.filename for entry in bundle.infolist()] == sorted(FILES)


def test_training_again_leaves_the_artefact_that_the_metadata_points_to(store: ArtefactStore) -> None:
    first = store.put("a-1", FILES)
    second = store.put("a-1", {**FILES, "model.json": b"{}"})
    assert first.path != second.path
    assert store.get(first.path, first.sha256) == FILES
    assert store.get(second.path, second.sha256)["model.json"] == b"{}"


@pytest.mark.parametrize("position", [0, 100, -1])
def test_one_changed_byte_is_refused_before_anything_is_opened(
    store: ArtefactStore, tmp_path: Path, position: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    artefact = store.put("a-1", FILES)
    file = tmp_path / "models" / artefact.path
    content = bytearray(file.read_bytes())
    content[position] ^= 1
    file.write_bytes(content)

    def opened(*_: object, **__: object) -> None:
        raise AssertionError("the altered bundle was opened")

    monkeypatch.setattr(zipfile, "ZipFile", opened)
    with pytest.raises(ArtefactRefused, match="altered and is not loaded"):
        store.get(artefact.path, artefact.sha256)


def test_putting_the_same_files_again_mends_a_damaged_artefact(store: ArtefactStore, tmp_path: Path) -> None:
    artefact = store.put("a-1", FILES)
    (tmp_path / "models" / artefact.path).write_bytes(b"half")
    assert store.put("a-1", FILES) == artefact
    assert store.get(artefact.path, artefact.sha256) == FILES


def test_a_missing_artefact_is_refused_with_what_to_do(store: ArtefactStore) -> None:
    with pytest.raises(ArtefactRefused, match=r"cannot be read.*train its player again"):
        store.get("a-1/0123456789abcdef.zip", "0" * 64)


@pytest.mark.parametrize("path", ["../secret.zip", "/etc/passwd", "a-1/../../secret.zip", "", "."])
def test_a_path_out_of_the_store_is_refused(store: ArtefactStore, tmp_path: Path, path: str) -> None:
    (tmp_path / "secret.zip").write_bytes(b"x")
    with pytest.raises(ArtefactRefused, match="leads out of the store"):
        store.get(path, hashlib.sha256(b"x").hexdigest())


def test_a_link_that_leads_out_of_the_store_is_refused(store: ArtefactStore, tmp_path: Path) -> None:
    artefact = store.put("a-1", FILES)
    file = tmp_path / "models" / artefact.path
    outside = tmp_path / "outside.zip"
    file.rename(outside)
    file.symlink_to(outside)
    with pytest.raises(ArtefactRefused, match="leads out of the store"):
        store.get(artefact.path, artefact.sha256)


@pytest.mark.parametrize("key", ["../a", "a/b", "", ".hidden", "a b"])
def test_a_key_that_is_no_plain_name_is_refused(store: ArtefactStore, key: str) -> None:
    with pytest.raises(PipelineError, match="cannot name an artefact"):
        store.put(key, FILES)


@pytest.mark.parametrize("name", ["../x", "/x", "a/b", ""])
def test_a_file_name_that_is_no_plain_name_is_refused(store: ArtefactStore, name: str) -> None:
    with pytest.raises(PipelineError, match="cannot name a file"):
        store.put("a-1", {name: b""})


def test_something_that_hashes_right_and_is_no_bundle_is_refused(store: ArtefactStore, tmp_path: Path) -> None:
    file = tmp_path / "models" / "a-1" / "x.zip"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"no zip")
    with pytest.raises(ArtefactRefused, match="no zip bundle"):
        store.get("a-1/x.zip", hashlib.sha256(b"no zip").hexdigest())


def test_a_full_disk_gives_one_sentence_and_leaves_nothing_behind(
    store: ArtefactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = store.put("a-1", FILES)

    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(PipelineError, match="No space left on device"):
        store.put("a-1", {"model.json": b"new"})
    assert [file.name for file in (tmp_path / "models" / "a-1").iterdir()] == [Path(kept.path).name]


def test_pruning_keeps_what_is_named_and_removes_the_rest(store: ArtefactStore, tmp_path: Path) -> None:
    old = store.put("a-1", FILES)
    new = store.put("a-1", {"model.json": b"{}"})
    gone = store.put("b-2", FILES)
    (tmp_path / "models" / "a-1" / ".left.tmp").write_bytes(b"half")
    assert store.prune({new.path}) == sorted(["a-1/.left.tmp", old.path, gone.path])
    assert store.get(new.path, new.sha256) == {"model.json": b"{}"}
    assert not (tmp_path / "models" / "b-2").exists()
    assert store.prune({new.path}) == []


def test_pruning_a_store_that_does_not_exist_removes_nothing(tmp_path: Path) -> None:
    assert ArtefactStore(tmp_path / "none").prune(set()) == []


def test_an_empty_artefact_is_refused(store: ArtefactStore) -> None:
    with pytest.raises(PipelineError, match="holds no files"):
        store.put("a-1", {})


def test_a_bundle_opens_with_any_zip_reader(store: ArtefactStore, tmp_path: Path) -> None:
    artefact: Artefact = store.put("a-1", FILES)
    with zipfile.ZipFile(io.BytesIO((tmp_path / "models" / artefact.path).read_bytes())) as bundle:
        assert bundle.testzip() is None
