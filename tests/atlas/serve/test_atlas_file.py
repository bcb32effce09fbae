"""An address names a file of the atlas or nothing, whatever it says."""

import os
from pathlib import Path
from urllib.parse import unquote

import pytest

from marey.atlas.serve.atlas_file import atlas_file


@pytest.fixture
def atlas(tmp_path: Path) -> Path:
    folder = tmp_path / "atlas"
    (folder / "unit").mkdir(parents=True)
    for name in ("index.html", "unit/\N{MAN DANCING} a%20b.html", "note.txt", ".draft.part", ".hidden.html"):
        (folder / name).write_text("inside")
    (tmp_path / "secret.html").write_text("outside")
    (folder / "link.html").symlink_to(tmp_path / "secret.html")
    (folder / "inner.html").symlink_to(folder / "index.html")
    (folder / "up").symlink_to(tmp_path)
    os.mkfifo(folder / "waits.html")
    return folder


@pytest.mark.parametrize("address", ["/", "/index.html", "/unit/\N{MAN DANCING} a%20b.html", "/inner.html"])
def test_files_of_the_atlas_are_found(atlas: Path, address: str) -> None:
    found = atlas_file(atlas, address)
    assert found is not None and found.read_text() == "inside"


@pytest.mark.parametrize(
    "address",
    [
        "/../secret.html",
        "/unit/../../secret.html",
        "//secret.html",
        "/unit/..%2f..%2fsecret.html",
        unquote("/%2e%2e/secret.html"),
        unquote("/..%2fsecret.html"),
        unquote("/index.html%00.html"),
        "/..\\secret.html",
        "/{outside}",
        "/link.html",
        "/up/secret.html",
        "/note.txt",
        "/.draft.part",
        "/.hidden.html",
        "/waits.html",
        "/unit",
        "/unit/",
        "/index.html/",
        "/nothing.html",
        "/" + "x" * 5000 + ".html",
        "/\ud800.html",
    ],
)
def test_all_else_is_nothing(atlas: Path, address: str) -> None:
    assert atlas_file(atlas, address.replace("{outside}", str(atlas.parent / "secret.html"))) is None
