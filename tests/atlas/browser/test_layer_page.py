"""The units of a layer are searched, filtered and sorted."""

import pytest
from playwright.sync_api import Page, expect

from .conftest import Look  # type: ignore[import-not-found]

pytestmark = pytest.mark.slow

LAYER = "layer/fc6.html"
PREFERRED_FIRST = [1, 0, 2, 3]


def shown(page: Page) -> list[int]:
    """The units that are seen, in their order on the page."""
    return page.eval_on_selector_all(
        "[data-unit]", "units => units.filter(unit => unit.checkVisibility()).map(unit => Number(unit.dataset.unit))"
    )


def facet(page: Page, name: str) -> list[object]:
    """What the units on the page are sorted by, in their order."""
    return page.eval_on_selector_all(
        "[data-unit]", "(units, name) => units.map(unit => JSON.parse(unit.dataset.facets)[name])", name
    )


def test_units_are_sorted_by_what_findings_say(look: Look) -> None:
    page = look(LAYER)
    assert shown(page) == PREFERRED_FIRST
    page.get_by_label("Sort by").select_option("unit")
    assert shown(page) == [0, 1, 2, 3]
    page.get_by_label("Sort by").select_option("average precision")
    assert shown(page) == [3, 2, 1, 0]
    assert facet(page, "average precision") == sorted(facet(page, "average precision"), reverse=True)  # type: ignore[type-var]
    page.get_by_label("Sort by").select_option("largest")
    largest = page.eval_on_selector_all("[data-unit]", "units => units.map(unit => Number(unit.dataset.largest))")
    assert largest == sorted(largest, reverse=True)
    page.get_by_label("Sort by").select_option("")
    assert shown(page) == PREFERRED_FIRST


def test_units_are_filtered_by_their_best_class(look: Look) -> None:
    page = look(LAYER)
    classes = facet(page, "best class")
    assert len(set(classes)) > 1
    page.get_by_role("combobox", name="best class").select_option(str(classes[0]))
    expected = [unit for unit, name in zip(PREFERRED_FIRST, classes, strict=True) if name == classes[0]]
    assert shown(page) == expected
    expect(page.locator("[data-count]")).to_have_text(f"{len(expected)} of 4 units")


def test_units_are_found_by_typing_and_the_page_says_so_where_there_is_none(look: Look) -> None:
    page = look(LAYER)
    expect(page.locator("[data-count]")).to_have_text("4 units")
    page.get_by_label("Find").fill("nowhere")
    assert shown(page) == []
    expect(page.get_by_text("No unit is like this")).to_be_visible()
    page.get_by_label("Find").fill("2")
    assert 2 in shown(page)
    expect(page.get_by_text("No unit is like this")).to_be_hidden()


def test_a_sorting_is_kept_on_the_way_back(look: Look) -> None:
    page = look(LAYER)
    page.get_by_label("Sort by").select_option("average precision")
    page.click("[data-unit='3'] a")
    page.go_back()
    expect(page.get_by_label("Sort by")).to_have_value("average precision")
    assert shown(page) == [3, 2, 1, 0]
