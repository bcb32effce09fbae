"""Pages as a browser reads them: every link and medium is there, and every name is text."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from marey.atlas.render import templates
from marey.findings.ties import Ties, unit_ties

from .conftest import HOSTILE, HOSTILE_LAYER, LAYERS  # type: ignore[import-not-found]


class Page(HTMLParser):
    """Addresses, elements and text of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.scripts: list[dict[str, str | None]] = []
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag == "script":
            self.scripts.append(dict(attrs))
        self.addresses += [value for name, value in attrs if name in ("href", "src", "srcset") and value]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in site.rglob("*.html")}


def test_there_is_a_page_for_everything(site: Path) -> None:
    assert len(list(site.glob("layer/*.html"))) == len(LAYERS)
    assert len(list(site.glob("unit/fc6/*.html"))) == 4
    assert len(list(site.glob("class/*.html"))) == len(HOSTILE)
    assert [path.name for path in site.glob("finding/*.html")] == ["specificity.html"]
    assert len(list(site.glob("clip/*.html"))) == 12


def test_every_link_and_every_medium_is_a_file_of_the_atlas(site: Path, pages: dict[Path, Page]) -> None:
    checked = 0
    for path, page in pages.items():
        for address in page.addresses:
            if address.startswith("#"):
                continue
            assert not re.match(r"[a-z]+:|/", address), f"{path.name} leads away, to {address}"
            target = (path.parent / unquote(address)).resolve()
            assert target.is_file() and target.is_relative_to(site.resolve()), f"{path}: {address}"
            checked += 1
    assert checked > 200


def test_no_page_and_no_sheet_names_a_remote_address(site: Path) -> None:
    for path in [*site.rglob("*.html"), *site.rglob("*.css"), *site.rglob("*.js")]:
        assert not re.search(r"https?:|//[a-z]+\.|@import|url\(", path.read_text(encoding="utf-8")), path


def test_names_are_text(pages: dict[Path, Page]) -> None:
    for path, page in pages.items():
        assert len(page.scripts) == 2, path  # the sheet's class and atlas.js
        assert not page.elements & {"i", "u", "iframe", "object"}
        assert not [name for name in page.attributes if name.startswith("on")], path
    front = next(page for path, page in pages.items() if path.name == "index.html")
    for name in (*HOSTILE, HOSTILE_LAYER):
        assert name in front.text  # `{{ 7 * 7 }}` too: no name is a template


def test_nothing_lies_outside_the_folder(site: Path) -> None:
    assert [path.name for path in site.parent.iterdir()] == [site.name]
    assert [path.name for path in site.parent.parent.iterdir()] == [site.parent.name]
    for path in site.rglob("*"):
        assert not path.is_symlink() and not set("<>\"'{}\u202e") & set(path.name)


def test_a_unit_without_a_preferred_input_says_how_to_make_it(site: Path) -> None:
    text = Page(site / "unit" / "fc6" / "0.html").text
    assert re.search(r"marey maximize NET fc6:0 --recording \S+ --out \S+preferred", text)


def test_a_unit_page_shows_each_slowness_and_what_findings_say(site: Path) -> None:
    page = Page(site / "unit" / "fc6" / "1.html")
    assert page.text.index("slowness 10") < page.text.index("slowness 0")
    assert f"Serves one class, {HOSTILE[1]} (average precision 0.60" in page.text


def test_evidence_is_linked_where_its_unit_is_in_the_atlas(pages: dict[Path, Page]) -> None:
    page = next(page for path, page in pages.items() if path.name == "specificity.html")
    assert "../unit/fc6/3.html" in page.addresses
    assert "gone:3" in page.text
    assert "../clip/1.html" in page.addresses and "<b>clip" in page.text  # recorded, and not


def test_what_has_nothing_to_find_stands_beside_its_number(pages: dict[Path, Page]) -> None:
    text = " ".join(next(page for path, page in pages.items() if path.name == "specificity.html").text.split())
    assert "<b>units</b>50 % [40, 60] (4 units)10 % [0, 20], <i>shuffled</i> (9 draws)" in text


def test_the_front_page_says_the_answers_and_the_command(site: Path) -> None:
    text = Page(site / "index.html").text
    assert f"Half of them serve {HOSTILE[0]}." in text
    assert "50 % [40, 60]" in text
    assert re.search(
        r"marey atlas \S+ --preferred \S+ --findings \S+ --explanations \S+ --network NET --clips 2 --out \S+", text
    )


def test_the_page_of_a_clip_says_what_it_is_taken_for_and_why(made, site: Path) -> None:  # type: ignore[no-untyped-def]
    page = Page(site / "clip" / "0.html")
    rows = made.recording.recorded_clips
    assert rows["label"][0].as_py() in page.text and rows["prediction"][0].as_py() in page.text
    assert f"The network says {HOSTILE[4]}." in page.text and HOSTILE[2] in page.text
    assert "../unit/fc6/2.html" in page.addresses and f"{HOSTILE[0]}:1" in page.text
    (sheet,) = made.explanations.glob("*/*.png")
    assert (site / "clip" / "0-sheet.png").read_bytes() == sheet.read_bytes()
    other = Page(site / "clip" / "1.html")
    assert re.search(r"marey explain NET '.*mp4' --recording \S+ --out explained/1", other.text)
    assert "../clip/0.html" in other.addresses and "../clip/2.html" in other.addresses


def test_clips_are_linked_from_their_units_and_classes(pages: dict[Path, Page]) -> None:
    clips = {f"{number}.html" for number in range(12)}
    for kind in ("unit", "class"):
        linked = {
            address.rpartition("/")[2]
            for path, page in pages.items()
            if path.parts[-3 if kind == "unit" else -2] == kind
            for address in page.addresses
            if "/clip/" in address
        }
        assert linked == clips


def test_heat_lies_over_whole_clips_of_a_layer_that_tells_places_apart(site: Path) -> None:
    text = (site / "unit" / "rgb.conv1_1" / "0.html").read_text()
    heats = re.findall(r'class="heat"[^>]* src="([^"]+)"', text)
    assert heats and all((site / "unit" / "rgb.conv1_1" / address).is_file() for address in heats)
    assert 'class="heat"' not in (site / "unit" / "fc6" / "0.html").read_text()  # which has one position


def test_a_unit_is_tied_to_those_that_feed_it_and_those_that_it_feeds(site: Path, pages: dict[Path, Page]) -> None:
    tied = [page for path, page in pages.items() if path.parts[-2] == "scores" and path.parts[-3] == "unit"]
    assert any("../fc6/" in address or "/unit/fc6/" in address for page in tied for address in page.addresses)
    assert all("What moves it" in page.text or "No recorded unit moves it" in page.text for page in tied)


def test_units_whose_inputs_hardly_move_them_have_none(
    made,  # type: ignore[no-untyped-def]
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def faint(*given: object, **options: object) -> Ties:
        ties = unit_ties(*given, **options)  # type: ignore[arg-type]
        return replace(ties, moves={pair: moves / moves.abs().max() * 1e-5 for pair, moves in ties.moves.items()})

    monkeypatch.setattr("marey.atlas.ties.unit_ties", faint)
    out = made.atlas(tmp_path / "atlas", network=made.network, explanations=None, layers=["scores"]).parent
    assert all("No recorded unit moves it" in Page(path).text for path in (out / "unit" / "scores").iterdir())


def test_without_the_network_pages_say_what_is_not_known(made, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    out = made.atlas(tmp_path / "atlas", explanations=None, layers=["fc6"]).parent
    text = Page(out / "unit" / "fc6" / "1.html").text
    assert "Not known: the network tells them. Make the atlas with --network NET" in text
    assert not list(out.glob("ties/*"))


def test_long_names_go_on_behind_an_underscore_and_stay_text() -> None:
    template = templates().from_string('{% from "parts.html" import tile %}{{ tile("#", [], name) }}')
    assert "<bdi>lift_<wbr>&lt;b&gt;_<wbr>&amp;</bdi>" in template.render(name="lift_<b>_&")
