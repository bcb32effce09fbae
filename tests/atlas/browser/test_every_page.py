"""Every page of an atlas: its links and media, how it fits screens, and what axe finds."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe

from .conftest import Look  # type: ignore[import-not-found]

pytestmark = pytest.mark.slow

SIZES = {"phone": (390, 844), "laptop": (1280, 800), "wide": (1920, 1080)}


def test_every_page_is_reached_and_every_medium_shows(look: Look, site: Path) -> None:
    page = look()
    waiting, reached, media = {page.url}, set(), 0
    while waiting:
        address = waiting.pop()
        page.goto(address)
        reached.add(address)
        dark = page.locator("source").evaluate_all("found => found.map((one) => one.srcset)")
        assert all((Path(unquote(urlsplit(address).path)).parent / unquote(name)).is_file() for name in dark)
        broken, count = page.evaluate(
            """async () => {
                const media = [...document.images];
                for (const one of media) one.loading = "eager";
                const results = await Promise.allSettled(media.map((one) => one.decode()));
                const broken = media.filter((one, place) => results[place].status === "rejected" || !one.naturalWidth);
                return [broken.map((one) => one.src), media.length];
            }"""
        )
        assert broken == [], address
        media += count
        ids = set(page.eval_on_selector_all("[id]", "found => found.map((one) => one.id)"))
        for href in page.eval_on_selector_all("a[href]:not([data-random])", "links => links.map((one) => one.href)"):
            whole, _, fragment = href.partition("#")
            if whole == address:
                assert not fragment or fragment in ids
            elif whole not in reached:
                waiting.add(whole)
    assert {Path(unquote(urlsplit(one).path)) for one in reached} == set(site.rglob("*.html"))
    assert media > 100


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(look: Look, kinds: dict[str, str], scheme: str) -> None:
    axe = Axe()
    page = look(color_scheme=scheme)
    start = page.url.removesuffix("index.html")
    found = {}
    for kind, path in kinds.items():
        page.goto(start + path)
        # without its preload, for which it asks for the sheet again as no page on disk may
        results = axe.run(page, options={"resultTypes": ["violations"], "preload": False})
        serious = [one for one in results.response["violations"] if one["impact"] in ("serious", "critical")]
        if serious:
            found[kind] = [(one["id"], [node["html"] for node in one["nodes"]][:3]) for one in serious]
    assert found == {}


@pytest.mark.parametrize("size", SIZES)
def test_no_page_is_wider_than_the_screen(look: Look, kinds: dict[str, str], size: str) -> None:
    width, height = SIZES[size]
    page = look(viewport={"width": width, "height": height})
    start = page.url.removesuffix("index.html")
    wide = {}
    for kind, path in kinds.items():
        page.goto(start + path)
        over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if over > 0:
            wide[kind] = over
    assert wide == {}
