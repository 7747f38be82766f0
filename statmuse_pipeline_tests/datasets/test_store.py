"""Versioned datasets on disk."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from statmuse_pipeline.datasets.split import Split, split_by_date
from statmuse_pipeline.datasets.store import DatasetRefused, DatasetStore, Manifest
from statmuse_pipeline.domain import PipelineError

INPUTS = {"2023-24": "aa", "2022-23": "bb"}


@pytest.fixture
def split() -> Split:
    rng = np.random.default_rng(3)
    days = np.repeat(pd.date_range("2023-10-24", periods=30), 9).astype("datetime64[ns]")
    values = rng.normal(size=len(days)).astype("float32")
    values[::11] = np.nan
    return split_by_date(
        pd.DataFrame(
            {
                "season": pd.Series("2023-24", index=range(len(days)), dtype="str"),
                "game_id": [f"{number // 9:010d}" for number in range(len(days))],
                "game_date": days,
                "player_id": np.arange(len(days)) % 9,
                "pts": rng.poisson(10, len(days)),
                "pts_ewm_10": values,
            }
        )
    )


def save(root: Path, split: Split, **changes: object) -> Manifest:
    return DatasetStore(root).save(split, **{"inputs": INPUTS, "code_version": "c1", **changes})


def test_what_is_loaded_is_what_was_saved(tmp_path, split):
    manifest = save(tmp_path, split)
    loaded = DatasetStore(tmp_path).load(manifest.version)
    for name, part in split.parts().items():
        pd.testing.assert_frame_equal(loaded.parts()[name], part)
    assert (loaded.validation_from, loaded.test_from) == (split.validation_from, split.test_from)


def test_the_same_input_gives_the_same_version_and_the_same_bytes(tmp_path, split):
    one, two = save(tmp_path / "a", split), save(tmp_path / "b", split, inputs=dict(reversed(INPUTS.items())))
    assert one == two
    files = ["train.parquet", "validation.parquet", "test.parquet", "manifest.json"]
    assert sorted(path.name for path in (tmp_path / "a" / one.version).iterdir()) == sorted(files)
    for name in files:
        assert (tmp_path / "a" / one.version / name).read_bytes() == (tmp_path / "b" / one.version / name).read_bytes()


def test_a_changed_value_input_or_code_gives_another_version(tmp_path, split):
    other = split.test.assign(pts=split.test["pts"].where(split.test.index != 0, 99))
    versions = {
        save(tmp_path, split).version,
        save(tmp_path, replace(split, test=other)).version,
        save(tmp_path, split, inputs={**INPUTS, "2023-24": "cc"}).version,
        save(tmp_path, split, code_version="c2").version,
    }
    assert len(versions) == 4
    assert DatasetStore(tmp_path).versions() == tuple(sorted(versions))


def test_the_manifest_tells_inputs_code_cut_dates_rows_and_columns(tmp_path, split):
    told = json.loads((tmp_path / save(tmp_path, split).version / "manifest.json").read_text())
    assert told["inputs"] == INPUTS
    assert told["code_version"] == "c1"
    assert told["rows"] == {name: len(part) for name, part in split.parts().items()}
    assert told["columns"]["pts_ewm_10"] == "float32"
    assert (told["validation_from"], told["test_from"]) == (str(split.validation_from), str(split.test_from))


@pytest.mark.parametrize("name", ["train", "validation", "test"])
def test_a_file_with_one_flipped_byte_is_refused(tmp_path, split, name):
    version = save(tmp_path, split).version
    path = tmp_path / version / f"{name}.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DatasetRefused, match=rf"{name}\.parquet.*hash differs"):
        DatasetStore(tmp_path).load(version)
    with pytest.raises(DatasetRefused, match="hash differs"):
        save(tmp_path, split)


def test_an_altered_manifest_is_refused(tmp_path, split):
    version = save(tmp_path, split).version
    path = tmp_path / version / "manifest.json"
    path.write_text(path.read_text().replace('"code_version": "c1"', '"code_version": "c2"'))
    with pytest.raises(DatasetRefused, match="altered"):
        DatasetStore(tmp_path).load(version)


def test_a_missing_file_makes_the_version_incomplete(tmp_path, split):
    version = save(tmp_path, split).version
    (tmp_path / version / "test.parquet").unlink()
    store = DatasetStore(tmp_path)
    assert not store.exists(version)
    with pytest.raises(DatasetRefused, match=r"test\.parquet"):
        store.load(version)
    assert save(tmp_path, split).version == version
    assert store.exists(version)


def test_an_unknown_version_is_refused_with_those_that_are_there(tmp_path, split):
    version = save(tmp_path, split).version
    with pytest.raises(DatasetRefused, match=version):
        DatasetStore(tmp_path).load("0123456789abcdef")


def test_a_save_that_fails_midway_leaves_nothing_behind(tmp_path, split, monkeypatch):
    write = Path.write_bytes

    def full_disk(self: Path, content: bytes) -> int:
        if self.name == "validation.parquet":
            raise OSError(28, "No space left on device")
        return write(self, content)

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(PipelineError, match="No space left"):
        save(tmp_path, split)
    assert list(tmp_path.iterdir()) == []


def test_parts_with_different_columns_are_refused(tmp_path, split):
    with pytest.raises(DatasetRefused, match="different columns"):
        save(tmp_path, replace(split, test=split.test.drop(columns="pts")))
