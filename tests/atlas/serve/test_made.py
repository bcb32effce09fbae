"""An atlas says how it was made, wherever it lies and from wherever it is served."""

import json
from pathlib import Path

import pytest

from marey.atlas.folder import MARK
from marey.atlas.serve.made import MadeAtlas
from marey.errors import MareyError


def _atlas(folder: Path, command: object) -> Path:
    folder.mkdir(parents=True)
    (folder / MARK).write_text(json.dumps({"made by": command}))
    return folder


def test_paths_are_relative_to_where_the_command_was_run(tmp_path: Path) -> None:
    folder = _atlas(
        tmp_path / "work" / "out" / "atlas",
        "marey atlas 'my recording' --preferred p --layers 'fusion.*,fc6' --clips 9 --out out/atlas",
    )
    made = MadeAtlas.of(folder)
    assert made.base == tmp_path / "work"
    assert made.recorded == tmp_path / "work" / "my recording" and made.results == tmp_path / "work" / "p"
    assert (made.layers, made.clips, made.findings, made.out) == (("fusion.*", "fc6"), 9, None, "out/atlas")


def test_an_atlas_that_was_moved_is_made_again_where_it_is(tmp_path: Path) -> None:
    folder = _atlas(tmp_path / "moved", "marey atlas /data/recording --out /data/atlas")
    made = MadeAtlas.of(folder)
    assert (made.out, made.recorded) == (str(folder), Path("/data/recording"))


def test_options_that_a_server_cannot_repeat_are_kept_in_mind(tmp_path: Path) -> None:
    made = MadeAtlas.of(_atlas(tmp_path / "atlas", "marey atlas r --later 1 --later 2 --clips 3 --out atlas"))
    assert (made.others, made.clips) == (("--later",), 3)


def test_preferred_inputs_of_an_atlas_without_any_go_beside_it(tmp_path: Path) -> None:
    made = MadeAtlas.of(_atlas(tmp_path / "atlas", "marey atlas recording --out atlas"))
    assert (made.preferred, made.results) == (None, tmp_path / "preferred")


@pytest.mark.parametrize("command", ["marey atlas", "marey atlas r --clips x --out a", "other r --out a"])
def test_a_command_of_another_version_is_told(tmp_path: Path, command: str) -> None:
    with pytest.raises(MareyError, match="was made by another version of marey"):
        MadeAtlas.of(_atlas(tmp_path / "atlas", command))


@pytest.mark.parametrize("text", [None, "{", "[]", "{}", '{"made by": 3}', '{"made by": "unclosed \'"}', "\x00"])
def test_a_folder_without_an_atlas_is_told(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / MARK).write_text(text)
    with pytest.raises(MareyError, match="holds no atlas"):
        MadeAtlas.of(tmp_path)
