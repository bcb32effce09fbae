"""The front page draws the network: towers beside each other, below them where they meet, the scores last."""

import pytest
from playwright.sync_api import Page, expect

from .conftest import Look  # type: ignore[import-not-found]

pytestmark = pytest.mark.slow


def box(page: Page, title: str) -> dict[str, float]:
    """Where a tower stands on the page."""
    found = page.locator(".tower", has=page.locator("h3 bdi").get_by_text(title, exact=True)).bounding_box()
    assert found is not None
    return dict(found)


@pytest.mark.parametrize("width", [390, 1280])
def test_towers_stand_beside_each_other_and_meet_above_the_scores(look: Look, width: int) -> None:
    page = look(viewport={"width": width, "height": 800})
    rgb, flow = box(page, "sees rgb"), box(page, "sees flow")
    assert rgb["x"] + rgb["width"] < flow["x"]
    assert rgb["y"] + rgb["height"] == flow["y"] + flow["height"]
    joint, scores = box(page, "sees rgb and flow"), box(page, "says the class")
    assert rgb["y"] + rgb["height"] < joint["y"] and joint["y"] + joint["height"] < scores["y"]
    ends = page.locator(".meet path").evaluate_all("lines => lines.map((line) => line.getAttribute('d'))")
    assert ends == ["M25.0 0C25.0 7 50.0 3 50.0 10", "M75.0 0C75.0 7 50.0 3 50.0 10", "M50.0 0C50.0 7 50.0 3 50.0 10"]


def test_the_strip_of_a_layer_begins_with_preferred_inputs_and_marks_real_clips(look: Look) -> None:
    page = look()
    strip = page.locator("li", has=page.locator("a[href='layer/fc6.html']")).locator(".strip a")
    expect(strip.first).to_have_attribute("href", "unit/fc6/1.html")
    expect(strip.first).to_have_accessible_name("fc6:1")
    for place in range(1, strip.count()):
        expect(strip.nth(place)).to_contain_text("real clip")
    row = page.locator("a[href='layer/rgb.conv1_1.html']")
    expect(row).to_contain_text("real clips")


def test_on_a_phone_a_strip_is_moved_sideways_and_the_focus_takes_it_along(look: Look) -> None:
    page = look(viewport={"width": 390, "height": 844})
    strip = page.locator(".strip").last
    assert strip.evaluate("strip => strip.scrollWidth > strip.clientWidth")
    strip.locator("a").last.focus()
    assert strip.evaluate("strip => strip.scrollLeft") > 0
