"""The way from the front page to a unit, and on to a clip, its class and a finding, by mouse and by keyboard."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from ..conftest import HOSTILE  # type: ignore[import-not-found]
from .conftest import Look  # type: ignore[import-not-found]

pytestmark = pytest.mark.slow


def at(page: Page) -> str:
    """The kind of page and its name."""
    return "/".join(Path(page.url.split("?")[0].split("#")[0]).parts[-2:])


def tab_to(page: Page, selector: str, *, most: int = 80) -> None:
    """Go on with the tabulator until the focus is on the first element of this kind, and see that it is marked."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            style = "getComputedStyle(document.activeElement)"
            assert page.evaluate(f"{style}.outlineStyle") == "solid"
            assert page.evaluate("document.activeElement.getBoundingClientRect().height") > 0
            return
    raise AssertionError(f"{most} steps of the tabulator do not reach {selector}")


def enter(page: Page, selector: str) -> None:
    tab_to(page, selector)
    with page.expect_navigation():
        page.keyboard.press("Enter")


def test_by_mouse_from_the_front_to_a_unit_a_clip_its_class_and_a_finding(look: Look) -> None:
    page = look()
    page.click("a[href='layer/fc6.html']")
    assert at(page) == "layer/fc6.html"
    page.click("[data-unit='1'] a")
    assert at(page) == "fc6/1.html"
    page.click(".clip figcaption a")
    assert at(page).startswith("clip/")
    page.go_back()
    page.click(f".ranges a:has-text('{HOSTILE[0]}')")
    expect(page.locator("h1")).to_have_text(HOSTILE[0])
    page.click("[aria-label='Atlas'] .home")
    page.click("a[href='finding/specificity.html']")
    expect(page.locator("h1")).to_have_text("Which <b>units</b>?")
    page.click(".evidence a")
    assert at(page) == "fc6/3.html"


def test_by_keyboard_from_the_front_to_a_unit_a_clip_its_class_and_a_finding(look: Look) -> None:
    page = look()
    enter(page, "a[href='layer/fc6.html']")
    enter(page, "[data-unit='1'] a")
    assert at(page) == "fc6/1.html"
    enter(page, ".clip figcaption a")
    assert at(page).startswith("clip/")
    page.go_back()
    enter(page, ".ranges a")
    assert at(page).startswith("class/")
    enter(page, ".home")
    enter(page, "a[href='finding/specificity.html']")
    enter(page, ".evidence a")
    assert at(page) == "fc6/3.html"


def test_the_first_step_of_the_keyboard_skips_the_bar(look: Look) -> None:
    page = look("unit/fc6/1.html")
    tab_to(page, ".skip", most=1)
    page.keyboard.press("Enter")
    tab_to(page, "main a", most=1)


def test_units_are_turned_like_pages_and_one_is_drawn(look: Look) -> None:
    page = look("unit/fc6/0.html")
    page.click("[rel='next']")
    assert at(page) == "fc6/1.html"
    page.click("[rel='prev']")
    assert at(page) == "fc6/0.html"
    page.click("[data-random]")
    assert at(page) in {f"fc6/{channel}.html" for channel in range(4)}


def test_an_embedded_unit_is_without_navigation(look: Look, site: Path) -> None:
    page = look("unit/fc6/1.html")
    expect(page.locator(".bar")).to_be_visible()
    page.goto((site / "unit" / "fc6" / "1.html").as_uri() + "?embed=1")
    expect(page.locator(".bar")).to_be_hidden()
    expect(page.locator("footer")).to_be_hidden()
    expect(page.locator("figure.chosen")).to_be_visible()
