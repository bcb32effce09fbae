"""Pages beside those of an atlas: one file of some units, and networks side by side."""

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

import marey
from marey.atlas.beside import Atlas, write_beside

pytestmark = pytest.mark.slow


def test_scripts_run_on_a_single_file_and_on_networks_side_by_side(  # type: ignore[no-untyped-def]
    browser: Browser, made, site: Path, tmp_path: Path
) -> None:
    atlases = []
    for name in ("one", "two"):
        shutil.copytree(site, tmp_path / name / "atlas")
        atlases.append(Atlas(tmp_path / name / "atlas", made.recording, made.preferred))
    pages = [
        marey.write_single_page(made.recording, ["fc6:1"], out=tmp_path / "unit.html", preferred=made.preferred),
        write_beside(atlases, tmp_path / "index.html"),
    ]
    for path in pages:
        shown = browser.new_page()
        complaints: list[str] = []
        shown.on("console", lambda line, into=complaints: into.append(line.text) if line.type == "error" else None)
        shown.on("pageerror", lambda error, into=complaints: into.append(str(error)))
        shown.goto(path.as_uri())
        play = shown.locator("[data-play]")
        expect(play).to_have_text("Pause motion")
        expect(shown.locator(".loop.seen").first).to_be_attached()
        play.click()
        expect(play).to_have_text("Play motion")
        assert complaints == []
        shown.close()
