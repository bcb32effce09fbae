"""An atlas says how it was made, wherever it lies and from wherever it is served."""

import json
from pathlib import Path

import pytest

from marey.atlas.folder import MARK
from marey.atlas.options import AtlasOptions
from marey.atlas.serve.made import MadeAtlas
from marey.errors import MareyError


def _atlas(folder: Path, options: object) -> Path:
    folder.mkdir(parents=True)
    (folder / MARK).write_text(json.dumps({"made by": "marey atlas", "options": options}))
    return folder


def _of(folder: Path, **options: object) -> MadeAtlas:
    return MadeAtlas.of(_atlas(folder, AtlasOptions(**options).to_json()))  # type: ignore[arg-type]


def test_paths_are_relative_to_where_the_atlas_was_made(tmp_path: Path) -> None:
    folder = tmp_path / "work" / "out" / "atlas"
    made = _of(folder, recording="my recording", preferred="p", layers=("fusion.*", "fc6"), clips=9, out="out/atlas")
    assert made.base == tmp_path / "work"
    assert made.recorded == tmp_path / "work" / "my recording" and made.results == tmp_path / "work" / "p"
    assert made.options.layers == ("fusion.*", "fc6") and made.options.out == "out/atlas"


def test_an_atlas_that_was_moved_is_made_again_where_it_is(tmp_path: Path) -> None:
    made = _of(tmp_path / "moved", recording="/data/recording", out="/data/atlas")
    assert (made.options.out, made.recorded) == (str(tmp_path / "moved"), Path("/data/recording"))


def test_preferred_inputs_of_an_atlas_without_any_go_beside_it(tmp_path: Path) -> None:
    made = _of(tmp_path / "atlas", recording="recording", out="atlas")
    assert (made.options.preferred, made.results) == (None, tmp_path / "preferred")


@pytest.mark.parametrize(
    "options",
    [None, [], {}, {"layers": 3}, {"layers": None, "recording": 3, "out": "a"}, {"layers": None, "later": 1}],
)
def test_options_of_another_version_are_told(tmp_path: Path, options: object) -> None:
    with pytest.raises(MareyError, match="was made by another version of marey"):
        MadeAtlas.of(_atlas(tmp_path / "atlas", options))


@pytest.mark.parametrize("text", [None, "{", "[]", "{}", "\x00"])
def test_a_folder_without_an_atlas_is_told(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / MARK).write_text(text)
    with pytest.raises(MareyError, match="holds no atlas"):
        MadeAtlas.of(tmp_path)
