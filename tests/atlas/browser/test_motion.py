"""Loops play where they are seen and may be stopped, and the slider changes the motion that is shown."""

import re

import pytest
from playwright.sync_api import Page, expect

from .conftest import Look  # type: ignore[import-not-found]

pytestmark = pytest.mark.slow

UNIT = "unit/fc6/1.html"
LOOP = "figure.chosen .film.loop img"


def moves(page: Page, selector: str) -> bool:
    """Whether a film moves on within its time."""
    return page.locator(selector).first.evaluate(
        """async (film) => {
            const place = () => getComputedStyle(film).transform;
            const before = place();
            for (let wait = 0; wait < 20; wait++) {
                await new Promise((done) => setTimeout(done, 50));
                if (place() !== before) return true;
            }
            return false;
        }"""
    )


def test_the_slider_changes_the_motion_that_is_shown(look: Look) -> None:
    page = look(UNIT)
    slider = page.get_by_role("slider")
    chosen = page.locator("figure.chosen")
    seen = {}
    for value in ("0", "1"):
        slider.fill(value)
        expect(chosen).to_have_count(1)
        words = slider.get_attribute("aria-valuetext")
        expect(chosen).to_contain_text(words)
        seen[words] = chosen.locator("img").last.get_attribute("src")
        other = page.locator("figure[data-speed]:not(.chosen)")
        assert chosen.bounding_box()["width"] > 2 * other.bounding_box()["width"]
        assert chosen.locator("img").last.evaluate("film => film.decode().then(() => film.naturalWidth)") > 0
    assert list(seen) == ["slowness 10", "slowness 0"]
    assert len(set(seen.values())) == 2


def test_the_slider_is_moved_by_keyboard_and_by_a_click_on_a_figure(look: Look) -> None:
    page = look(UNIT)
    slider = page.get_by_role("slider")
    slider.focus()
    page.keyboard.press("Home")
    expect(slider).to_have_attribute("aria-valuetext", "slowness 10")
    page.keyboard.press("ArrowRight")
    expect(page.locator("figure.chosen")).to_contain_text("slowness 0")
    page.click("figure[data-speed]:not(.chosen)")
    expect(page.locator("figure.chosen")).to_contain_text("slowness 10")
    assert slider.input_value() == "0"


def test_one_button_stops_all_loops_and_starts_them(look: Look) -> None:
    page = look(UNIT)
    button = page.get_by_role("button", name="Pause motion")
    expect(button).to_be_visible()
    assert moves(page, LOOP)
    button.click()
    assert not moves(page, LOOP)
    page.get_by_role("button", name="Play motion").click()
    assert moves(page, LOOP)


def test_less_motion_is_respected_until_it_is_asked_for(look: Look) -> None:
    page = look(UNIT, reduced_motion="reduce")
    assert not moves(page, LOOP)
    page.get_by_role("button", name="Play motion").press("Enter")
    assert moves(page, LOOP)


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_without_script_a_page_is_whole(look: Look, motion: str) -> None:
    page = look(UNIT, java_script_enabled=False, reduced_motion=motion)
    expect(page.locator("figure[data-speed]")).to_have_count(2)
    for name in ("[data-play]", "[data-slider]", "[data-random]"):
        expect(page.locator(name)).to_be_hidden()
    name = re.compile("none" if motion == "reduce" else "film")
    expect(page.locator("figure[data-speed] .film.loop img").first).to_have_css("animation-name", name)


def test_only_loops_in_view_play(look: Look) -> None:
    page = look(UNIT, viewport={"width": 390, "height": 300})
    loops = page.locator(".loop")
    last = loops.last
    expect(last).not_to_have_class(re.compile("seen"))
    last.scroll_into_view_if_needed()
    expect(last).to_have_class(re.compile("seen"))
    expect(loops.first).not_to_have_class(re.compile("seen"))


def test_a_command_is_copied(look: Look) -> None:
    page = look("unit/fc6/0.html", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.locator(".command code").text_content()
