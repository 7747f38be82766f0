import json
import subprocess
import sys
import textwrap

import pytest

from statmuse_pipeline.domain import PipelineError
from statmuse_pipeline.receipts import Shelf, replace_file


def writes(**files):
    def write(folder):
        for name, text in files.items():
            (folder / f"{name}.txt").write_text(text)
        return {"files": len(files)}

    return write


def test_what_was_put_is_required_with_its_facts_and_hashes(tmp_path):
    shelf = Shelf(tmp_path)
    put = shelf.put("features/2023-24", "inputs", writes(a="1", b="2"))
    assert shelf.require("features/2023-24", made_by="x") == put
    assert put.facts == {"files": 2}
    assert set(put.outputs) == {"a.txt", "b.txt"}


def test_what_is_not_there_names_the_command_that_makes_it(tmp_path):
    with pytest.raises(PipelineError, match="run `statmuse train` first"):
        Shelf(tmp_path).require("pooled", made_by="statmuse train")


def test_an_altered_output_is_refused(tmp_path):
    shelf = Shelf(tmp_path)
    shelf.put("pooled", "inputs", writes(a="1"))
    (shelf.folder("pooled") / "a.txt").write_text("2")
    with pytest.raises(PipelineError, match="hash differs"):
        shelf.require("pooled", made_by="statmuse train")


def test_a_stage_that_fails_leaves_the_earlier_outputs(tmp_path):
    shelf = Shelf(tmp_path)
    before = shelf.put("pooled", "old", writes(a="1"))

    def fails(folder):
        (folder / "a.txt").write_text("half")
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError):
        shelf.put("pooled", "new", fails)
    assert shelf.require("pooled", made_by="x") == before
    assert [path.name for path in tmp_path.iterdir()] == ["pooled"]


def test_outputs_that_are_no_longer_made_disappear(tmp_path):
    shelf = Shelf(tmp_path)
    shelf.put("pooled", "old", writes(a="1", b="2"))
    shelf.put("pooled", "new", writes(a="1"))
    assert not (shelf.folder("pooled") / "b.txt").exists()


def test_a_missing_output_makes_the_receipt_void(tmp_path):
    shelf = Shelf(tmp_path)
    shelf.put("pooled", "old", writes(a="1"))
    (shelf.folder("pooled") / "a.txt").unlink()
    assert shelf.receipt("pooled") is None


def test_a_full_disk_gives_one_sentence_and_changes_nothing(tmp_path):
    script = textwrap.dedent(
        """
        import resource, sys
        from pathlib import Path
        from statmuse_pipeline.domain import PipelineError
        from statmuse_pipeline.receipts import Shelf
        import signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        shelf = Shelf(Path(sys.argv[1]))
        shelf.put("pooled", "old", lambda folder: (folder / "a").write_text("1") and {})
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            shelf.put("pooled", "new", lambda folder: (folder / "a").write_text("1" * 5000) and {})
        except PipelineError as error:
            print(error)
        """
    )
    told = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert "is unchanged" in told.stdout
    assert json.loads((tmp_path / "pooled" / "receipt.json").read_text())["inputs"] == "old"
    assert (tmp_path / "pooled" / "a").read_text() == "1"


def test_a_file_is_replaced_whole(tmp_path):
    path = replace_file(tmp_path / "deep" / "file", b"1")
    replace_file(path, b"2")
    assert path.read_bytes() == b"2"
    assert [file.name for file in path.parent.iterdir()] == ["file"]
