"""A game on the guess page in a browser: by mouse and by keyboard, scored, saved, and summed up."""

import base64
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import binom, binomtest

import marey

pytestmark = pytest.mark.slow

CHROMIUM = Path("/usr/bin/chromium")

Open = Callable[..., Any]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    if not CHROMIUM.is_file():
        pytest.skip(f"no browser at {CHROMIUM}; install it with: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM))
        yield browser
        browser.close()


@pytest.fixture
def guess_page(chromium: Any, guess_site: Path) -> Iterator[Open]:
    """Opens the guess page; what it asks for outside of the atlas, and errors of its script, fail the test."""
    contexts, wrong = [], []

    def call(**options: Any) -> Any:
        context = chromium.new_context(accept_downloads=True, **options)
        context.set_default_timeout(10_000)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: wrong.append(request.url) if not fits(request.url) else None)
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto((guess_site / "guess.html").as_uri())
        return page

    def fits(address: str) -> bool:
        return address.startswith((guess_site.as_uri(), "blob:"))

    yield call
    for context in contexts:
        context.close()
    assert wrong == []


def told(guess_site: Path) -> dict[str, dict[str, str]]:
    """{the picture of a question: what is right}, for a player who looks into the source."""
    text = (guess_site / "guess" / "questions.js").read_text()
    asked = json.loads(text.removeprefix("window.mareyQuestions = ").rstrip(";\n"))["questions"]
    (encoded,) = re.findall(r'"(.*)"', (guess_site / "guess" / "truth.js").read_text())
    right = json.loads(base64.b64decode(encoded))["right"]
    return {one["films"][0]["src"]: right[one["id"]] for one in asked}


def shown(page: Any) -> str:
    return str(page.locator("[data-films] img").first.get_attribute("src"))


def offered(page: Any) -> list[str]:
    return [str(words) for words in page.locator(".choice bdi").all_text_contents()]


def verdict(page: Any) -> str:
    return str(page.locator("[data-sentences] p").first.text_content()).replace("\N{NO-BREAK SPACE}", " ")


def test_a_game_by_mouse_is_scored_saved_and_summed(guess_page: Open, guess_site: Path, tmp_path: Path) -> None:
    right, page, asked = told(guess_site), guess_page(), []
    page.get_by_label("Your initials").fill("Ada")
    page.get_by_role("button", name="Start").click()
    for number in range(12):  # four answers right, then all wrong
        told_of_it = right[shown(page)]
        asked.append(told_of_it)
        words = offered(page)
        place = words.index(told_of_it["right"])
        assert page.get_by_role("button", name="Next").is_disabled()
        page.locator(".choice").nth(place if number < 4 else (place + 1) % len(words)).click()
        page.get_by_role("button", name="Next").click()
    assert [one["right"] == one["unit_class"] for one in asked[:6]] == [True] * 6  # preferred inputs come first
    exact = binomtest(4, 6).proportion_ci()
    sentence = verdict(page)
    assert sentence.startswith(
        f"You named 4 of 6 preferred inputs: 67 %, 95 % interval {100 * exact.low:.0f} to {100 * exact.high:.0f}. "
        "By chance 1 in 5 is right"
    )
    assert sentence.endswith(f"as many or more are guessed in {100 * binom.sf(3, 6, 0.2):.1f} % of games.")
    rows = [row.text_content() for row in page.locator("[data-scores] tr").all()]
    assert rows[1].startswith("You4 of 6") and len(rows) == 8  # and two networks, for each kind
    assert rows[2].startswith("<u>net</u> *") and rows[3].startswith("<u>net</u>")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save the answers").click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    found = marey.sum_guesses([file, *sorted((guess_site / "guess").glob("*.json"))])
    assert [one.name for one in found.guessers] == ["people", "<u>net</u>", "<u>net</u>"]
    people = found.guessers[0]
    assert people.preferred is not None and people.clips is not None
    assert (people.preferred.right, people.preferred.asked, people.preferred.chance) == (4, 6, 0.2)
    assert (people.clips.right, people.clips.asked) == (0, 6)
    assert (people.preferred.low, people.preferred.high) == pytest.approx((exact.low, exact.high))
    saved = json.loads(file.read_text())
    assert saved["name"] == "Ada" and saved["independent"]
    assert [one["right"] for one in saved["answers"]] == [one["right"] for one in asked]


def test_a_game_by_keyboard_and_a_second_one_which_is_not_pooled(
    guess_page: Open, guess_site: Path, tmp_path: Path
) -> None:
    right, page = told(guess_site), guess_page()
    page.get_by_label("Your initials").focus()
    page.keyboard.press("Enter")
    for number in range(12):
        assert page.locator("[data-title]").text_content().startswith(f"Question {number + 1} of 12")
        assert page.evaluate("document.activeElement.matches('[data-title]')")  # which a screen reader then says
        page.keyboard.press("Enter")  # nothing is chosen yet
        page.keyboard.press("9")
        page.keyboard.press(str(1 + offered(page).index(right[shown(page)]["right"])))
        page.keyboard.press("Enter")
    assert verdict(page).startswith("You named 6 of 6 preferred inputs: 100 %")
    assert page.locator("[data-review] li").count() == 12
    page.get_by_role("button", name="Play again").click()
    assert page.locator("[data-again]").is_visible()
    page.get_by_role("button", name="Start").click()
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Stop and see the score").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save the answers").click()
    download.value.save_as(tmp_path / "again.json")
    found = marey.sum_guesses([tmp_path / "again.json"])
    assert found.guessers == () and "had seen the answers before" in found.remarks[0]


def test_the_page_does_not_tell_while_it_asks(guess_page: Open, guess_site: Path) -> None:
    right, page = told(guess_site), guess_page()
    page.get_by_role("button", name="Start").click()
    for _ in range(12):
        told_of_it = right[shown(page)]
        words = offered(page)
        assert words == sorted(words)
        html = page.locator("body").inner_html()
        assert told_of_it["unit"] not in html and told_of_it["page"] not in html
        choice = page.locator(".choice").nth(words.index(told_of_it["right"]))
        others = page.locator(".choice").nth((words.index(told_of_it["right"]) + 1) % len(words))
        assert attributes(choice) == attributes(others)
        every = "[...document.querySelectorAll('[data-part=ask] *')].flatMap(n => [...n.attributes].map(a => a.value))"
        assert not [word for word in words if word in " ".join(page.evaluate(every))]
        page.keyboard.press("1")
        page.keyboard.press("Enter")


def attributes(choice: Any) -> list[str]:
    script = "node => [node, ...node.querySelectorAll('*')].flatMap(n => n.getAttributeNames()).sort()"
    return list(choice.evaluate(script))


def test_questions_come_in_another_order_for_each_visitor(guess_page: Open) -> None:
    def order() -> list[str]:
        page, found = guess_page(), []
        page.get_by_role("button", name="Start").click()
        for _ in range(6):
            found.append(shown(page))
            page.keyboard.press("1")
            page.keyboard.press("Enter")
        return found

    orders = [order() for _ in range(3)]
    assert len({tuple(one) for one in orders}) > 1
    assert len({tuple(sorted(one)) for one in orders}) == 1  # the same preferred inputs


def test_motion_pauses_where_less_of_it_is_asked_for(guess_page: Open) -> None:
    state = "getComputedStyle(document.querySelector('[data-films] img')).animationPlayState"
    for options, expected in (({}, "running"), ({"reduced_motion": "reduce"}, "paused")):
        page = guess_page(**options)
        page.get_by_role("button", name="Start").click()
        page.wait_for_function(f"{state} === '{expected}'")
    page.get_by_role("button", name="Play motion").click()
    page.wait_for_function(f"{state} === 'running'")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_any_part_of_the_page(guess_page: Open, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = guess_page(color_scheme=scheme)

    def serious() -> list[str]:
        found = Axe().run(page, options={"preload": False}).response["violations"]
        return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found if one["impact"] in ("serious", "critical")]

    assert serious() == []
    page.get_by_role("button", name="Start").click()
    assert serious() == []
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Stop and see the score").click()
    assert serious() == []


def test_nothing_is_wider_than_a_phone(guess_page: Open) -> None:
    page = guess_page(viewport={"width": 360, "height": 700})
    for part in ("start", "ask", "end"):
        assert page.locator(f"[data-part={part}]").is_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), part
        if part == "start":
            page.get_by_role("button", name="Start").click()
        elif part == "ask":
            page.keyboard.press("1")
            page.keyboard.press("Enter")
            page.get_by_role("button", name="Stop and see the score").click()
