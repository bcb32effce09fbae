"""An atlas is written whole, again only where something is missing, and refuses what does not belong together."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import marey
from marey.atlas.names import Places
from marey.errors import MareyError
from marey.findings.finding import Finding
from marey.maximization.result import PreferredInput

Contents = Callable[[Path], dict[str, bytes]]
TELL_WHERE = {"atlas.json", "index.html"}
"""Files that say where the atlas lies."""


def _times(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_written_again_nothing_changes(made, site: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    out = tmp_path / "atlas"
    shutil.copytree(site, out)
    made.atlas(out, network=made.network)
    before = _times(out)
    made.atlas(out, network=made.network)
    assert _times(out) == before


@pytest.mark.parametrize("where", ["preferred inputs", "clips", "ties", "pages"])
def test_stopped_and_run_again_only_what_is_missing_is_made(  # type: ignore[no-untyped-def]
    where: str, made, tmp_path: Path, contents: Contents
) -> None:
    whole, out = tmp_path / "whole" / "atlas", tmp_path / "stopped" / "atlas"
    network = made.network if where == "ties" else None
    made.atlas(whole, network=network)

    def stop(what: str, done: int, total: int) -> None:
        if what == where and done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made.atlas(out, report=stop, network=network)
    assert not (out / "index.html").exists()
    before = _times(out)
    assert len(before) > 1
    made.atlas(out, network=network)
    after = _times(out)
    assert {path: after[path] for path in before} == before
    there, expected = contents(out), contents(whole)
    assert there.keys() == expected.keys()
    assert {name for name in there if there[name] != expected[name]} == TELL_WHERE


@pytest.mark.slow
def test_killed_at_any_write_no_page_is_half_there_and_the_rest_is_made(  # type: ignore[no-untyped-def]
    made, tmp_path: Path, contents: Contents
) -> None:
    whole = contents(made.atlas(tmp_path / "whole" / "atlas").parent)
    line = [sys.executable, str(Path(__file__).with_name("killed_atlas.py")), str(made.recording.folder)]
    given = [str(made.preferred), str(made.findings), str(made.explanations)]
    seen = set()
    for step in (0, 20, 39):
        out = tmp_path / str(step) / "atlas"
        ended = subprocess.run([*line, str(out), str(step), *given], check=False, capture_output=True)
        assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
        left = {path: content for path, content in contents(out).items() if not path.endswith(".part")}
        seen.add(len(left))
        assert "index.html" not in left
        assert {path for path in left if left[path] != whole[path]} <= TELL_WHERE
        before = {path: (out / path).stat().st_mtime_ns for path in left}
        made.atlas(out)
        assert {path: (out / path).stat().st_mtime_ns for path in left if path != "atlas.json"} == {
            path: time for path, time in before.items() if path != "atlas.json"
        }
        there = contents(out)
        assert there.keys() == whole.keys()
        assert {path for path in there if there[path] != whole[path]} == TELL_WHERE
    assert len(seen) == 3


def test_pages_of_layers_that_are_left_out_go(made, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    made.atlas(tmp_path / "atlas")
    (tmp_path / "atlas" / "note.txt").write_text("mine")
    made.atlas(tmp_path / "atlas", layers=["scores"])
    assert [path.name for path in (tmp_path / "atlas" / "unit").iterdir()] == ["scores"]
    assert (tmp_path / "atlas" / "note.txt").read_text() == "mine"


def test_a_clip_whose_file_is_gone_is_told_and_the_rest_is_made(made, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    number = made.recording.top("fc6:0", 1)[0].number
    path = Path(made.recording.clip(number).path)
    hidden = path.rename(path.with_name("hidden"))
    try:
        made.atlas(tmp_path / "atlas")
    finally:
        hidden.rename(path)
    assert "cannot be read any more" in (tmp_path / "atlas" / "unit" / "fc6" / "0.html").read_text()
    assert "1 clips could not be read again" in (tmp_path / "atlas" / "index.html").read_text()


def test_a_folder_with_other_files_is_refused(made, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(MareyError, match="holds other files and no atlas; name a new folder"):
        made.atlas(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_results_of_other_weights_are_refused(made, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    result = PreferredInput.open(made.preferred / "fc6-1")
    replace(result, provenance={**result.provenance, "weights_sha256": "0"}).save(tmp_path / "preferred")
    with pytest.raises(MareyError, match="is of other weights than the recording"):
        made.atlas(tmp_path / "atlas", preferred=tmp_path / "preferred")
    found = Finding.open(made.findings / "specificity")
    replace(found, provenance={**found.provenance, "clips": "0"}).save(tmp_path / "findings")
    with pytest.raises(MareyError, match="is of another recording than"):
        made.atlas(tmp_path / "atlas", findings=tmp_path / "findings")
    assert not (tmp_path / "atlas").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"explanations": "nowhere"}, "holds no explanation"),
        ({"preferred": "nowhere"}, "holds no preferred input"),
        ({"findings": "nowhere"}, "holds no finding"),
        ({"layers": ["fc7x"]}, "no layer 'fc7x' in the recording"),
        ({"clips": 0}, "clips is 0; expected"),
    ],
)
def test_bad_input_is_told_in_a_line(made, tmp_path: Path, options: dict[str, object], message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(MareyError, match=message) as told:
        made.atlas(tmp_path / "atlas", **options)
    assert "\n" not in str(told.value)
    assert not (tmp_path / "atlas").exists()


def test_layers_with_names_that_files_cannot_have_get_pages_of_their_own() -> None:
    layers = ["../up", "a/b", "a b", "con", "x" * 300, "é", "e\u0301", "."]
    places = Places(layers=layers, classes=[], questions=[])
    paths = [places.unit(layer, 0) for layer in layers]
    assert len(set(paths)) == len(layers)
    for path in paths:
        _, folder, _ = path.split("/")  # and nothing deeper
        assert ".." not in folder and len(folder.encode()) < 200


def test_the_mark_says_how_the_atlas_was_made(site: Path) -> None:
    about = json.loads((site / "atlas.json").read_text())
    assert about["marey"] == marey.__version__ and about["made by"].startswith("marey atlas ")
