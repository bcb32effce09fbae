"""Networks side by side: a column each, with the media and the pages of their atlases."""

import re
import shutil
from pathlib import Path
from urllib.parse import unquote

import pytest

from marey.atlas.beside import Atlas, write_beside
from marey.errors import MareyError


def test_a_page_shows_the_classes_that_all_networks_have_inputs_of(  # type: ignore[no-untyped-def]
    made, site: Path, tmp_path: Path
) -> None:
    atlases = []
    for name in ("one <b>", "two"):
        shutil.copytree(site, tmp_path / name / "atlas")
        atlases.append(Atlas(tmp_path / name / "atlas", made.recording, made.preferred))
    page = write_beside(atlases, tmp_path / "index.html")
    text = page.read_text(encoding="utf-8")
    assert "<script>alert" not in text and "<b>" not in text and "<u>net" not in text
    assert text.count('class="tile"') == 2  # of six classes one has a preferred input, in both
    assert "&lt;script&gt;alert(1)&lt;/script&gt;</bdi></h2>" in text and "5 more classes" in text
    linked = re.findall(r'(?:src|href)="([^"#]+)"', text)
    assert len(linked) > 10 and all((tmp_path / unquote(one)).is_file() for one in linked)
    before = page.stat().st_mtime_ns
    assert write_beside(atlases, page).stat().st_mtime_ns == before


def test_an_atlas_that_lies_elsewhere_is_named(made, site: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(MareyError, match="is not below"):
        write_beside([Atlas(site, made.recording, made.preferred)], tmp_path / "index.html")
