"""Live pages as a browser shows them, whose tasks are played; skipped where there is no Chromium."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import Server  # type: ignore[import-not-found]
from .test_server import listening  # type: ignore[import-not-found]

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium"),
]


@pytest.fixture
def address(server: Server) -> Iterator[str]:
    with listening(server) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def page(address: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    said: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        shown = browser.new_page()
        shown.set_default_timeout(120_000)
        shown.on("pageerror", lambda error: said.append(str(error)))
        shown.on("console", lambda line: said.append(line.text) if line.type == "error" else None)
        yield shown
        browser.close()
    assert [line for line in said if "415" not in line] == []  # no script or style is refused by the policy


def test_a_unit_is_made_watched_and_cancelled(server: Server, address: str, page: Any) -> None:
    server.played.holds = True
    page.goto(f"{address}/unit/fc6/0.html")
    page.click("text=Make it now")
    page.wait_for_selector(".forming figcaption >> text=slowness 0")
    assert "3 of 8, score 0.50" in page.inner_text(".live")
    page.reload()  # who comes later sees the same task
    page.wait_for_selector(".forming figcaption >> text=slowness 0")
    page.click(".live >> text=Cancel")
    page.wait_for_selector(".live >> text=/^Cancelled\\.$/")
    server.played.holds, server.played.fails = False, "<b>no</b> memory"
    page.click("text=Make it now")
    page.wait_for_selector("text=<b>no</b> memory.")
    server.played.fails = ""
    page.click("text=Make it now")
    page.wait_for_url("**/unit/fc6/0.html#preferred")
    assert [task.unit for task in server.played.done] == ["fc6:0"]


def test_a_unit_is_shown_while_other_pages_are_made(server: Server, address: str, page: Any) -> None:
    page.goto(f"{address}/unit/fc6/0.html")
    page.evaluate("window.opened = 'before'")
    server.played.holds = server.played.shows = True
    page.click("text=Make it now")
    page.wait_for_url("**/unit/fc6/0.html#preferred")
    page.wait_for_selector(".live >> text=Making the pages: clips.")
    assert page.evaluate("window.opened") is None  # the page was given anew
    assert page.locator(".forming figure").count() == 0
    page.click(".live >> text=Cancel")
    page.wait_for_selector("text=Cancelled. The result is kept; some other pages do not show it yet.")
    page.click("text=Make it now")
    page.wait_for_selector(".live >> text=Making the pages: clips.")
    page.evaluate("window.opened = 'once'")
    server.played.holds = False
    page.wait_for_selector(".live >> text=Done.")
    page.wait_for_selector(".live >> text=Make it")
    assert page.evaluate("window.opened") == "once"


def test_a_unit_that_has_a_preferred_input_offers_to_make_it_again(server: Server, address: str, page: Any) -> None:
    page.goto(f"{address}/unit/fc6/1.html")
    page.wait_for_selector("text=Make it again")
    assert page.locator("[data-preferred] + .live").count() == 1


def test_a_clip_is_sent_and_explained(server: Server, address: str, page: Any, tmp_path: Path) -> None:
    page.goto(address)
    page.click("text=Explain a clip")
    page.set_input_files("#clip", files=[{"name": "<i>.mp4", "mimeType": "video/mp4", "buffer": b"no video at all."}])
    page.click("text=Explain it")
    page.wait_for_selector("text=This is no video; expected MP4")
    large = {"name": "large.mp4", "mimeType": "video/mp4", "buffer": bytes(1001)}
    page.set_input_files("#clip", files=[large])
    page.click("text=Explain it")
    page.wait_for_selector("text='large.mp4' is larger than")
    clip = {"name": "<i>.mp4", "mimeType": "video/mp4", "buffer": b"\x00\x00\x00\x18ftypisom" + bytes(20)}
    page.set_input_files("#clip", files=[clip])
    page.click("text=Explain it")
    page.wait_for_selector("h2#units")
    assert page.inner_text("h1") == "Why <script>?" and "<i>.mp4" in page.inner_text("main")
    from playwright.sync_api import expect

    page.click("text=Explain another clip")
    page.fill("[data-find]", "<b>1")
    expect(page.locator("[data-chosen] option").first).to_have_text(re.compile("^<b>1"))
    page.select_option("[data-chosen]", index=0)
    page.click("text=Explain it")
    page.wait_for_selector("h2#units")
    assert len(server.played.done) == 2 and server.played.done[1].private is None
