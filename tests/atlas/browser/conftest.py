"""A browser to look at a small atlas with; nothing may leave the folder of the atlas, and no page may complain."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, Route, sync_playwright

Look = Callable[..., Page]
"""Opens a page of the atlas by its path; options are those of a browser's context."""


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's program."""
    named = os.environ.get("MAREY_CHROMIUM")
    names = [named] if named else ["chromium", "chromium-browser", "google-chrome"]
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no {' or '.join(names)}: `apt-get install chromium`, or name a browser in MAREY_CHROMIUM")
    return found


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        yield browser
        browser.close()


@pytest.fixture
def look(browser: Browser, site: Path) -> Iterator[Look]:
    """Opens pages, and fails in the end where one asked for what is not in the folder, or wrote an error."""
    contexts: list[BrowserContext] = []
    outside: list[str] = []
    complaints: list[str] = []

    def inside(address: str) -> bool:
        parts = urlsplit(address)
        path = Path(unquote(parts.path)).resolve()
        return parts.scheme == "file" and path.is_relative_to(site.resolve()) and path.is_file()

    def ask(route: Route, request: Request) -> None:
        if inside(request.url):
            route.continue_()
        else:
            outside.append(request.url)
            route.abort()

    def failed(request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # which is what a page is left with whose media still load
            complaints.append(f"{request.url}: {request.failure}")

    def call(path: str = "index.html", **options: object) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})  # type: ignore[arg-type]
        context.set_default_timeout(30_000)  # also on a busy machine
        context.route("**/*", ask)
        context.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        context.on("weberror", lambda error: complaints.append(str(error.error)))
        context.on("requestfailed", failed)
        contexts.append(context)
        page = context.new_page()
        page.goto((site / path).as_uri())
        return page

    yield call
    for context in contexts:
        context.close()
    assert outside == []
    assert complaints == []


@pytest.fixture(scope="session")
def kinds(chromium: str, site: Path) -> dict[str, str]:
    """{kind of page: the path of one such page}; of units one with a preferred input, and one without."""
    found = {path.stem: path.name for path in sorted(site.glob("*.html"))}
    for folder in sorted(path for path in site.iterdir() if path.is_dir()):
        pages = sorted(folder.rglob("*.html"))
        if pages:
            found[folder.name] = pages[0].relative_to(site).as_posix()
    return {**found, "unit": "unit/fc6/1.html", "unit without a preferred input": "unit/fc6/0.html"}
