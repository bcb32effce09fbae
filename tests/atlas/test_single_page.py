"""One file with a few units: everything is in it once, and nothing is fetched."""

import re
from pathlib import Path

import pytest

import marey
from marey.errors import MareyError, NetworkError
from marey.network.unit import Unit

from .conftest import HOSTILE, HOSTILE_LAYER  # type: ignore[import-not-found]
from .test_pages import Page  # type: ignore[import-not-found]

UNITS = ["fc6:0-1", HOSTILE[0], "rgb.conv1_1:2", "fc6:1", Unit(HOSTILE_LAYER, 0)]


@pytest.fixture(scope="module")
def single(made, tmp_path_factory: pytest.TempPathFactory) -> Path:  # type: ignore[no-untyped-def]
    out = tmp_path_factory.mktemp("single") / "units.html"
    given = {"preferred": made.preferred, "findings": made.findings, "network": made.network, "clips": 2}
    return marey.write_single_page(made.recording, UNITS, out=out, **given)


def test_it_is_one_file_with_each_unit_once(single: Path) -> None:
    assert [path.name for path in single.parent.iterdir()] == ["units.html"]
    text = single.read_text(encoding="utf-8")
    assert re.findall(r'<article id="([^"]+)"', text) == [f"unit-{place}" for place in range(5)]
    assert text.rstrip().endswith("</html>")


def test_every_picture_is_in_it_once_and_is_found_where_it_stands_again(single: Path) -> None:
    text = single.read_text(encoding="utf-8")
    media = re.findall(r'src="(data:image/webp;base64,[^"]+)"', text)
    assert len(media) == len(set(media)) > 8
    there = re.findall(r'data-medium="(\d+)"', text)
    again = re.findall(r'data-same="(\d+)"', text)
    assert there == [str(number) for number in range(len(media))]
    assert again and set(again) <= set(there)  # as the wheel, and clips that drive several units


def test_nothing_leads_out_of_it(single: Path) -> None:
    page = Page(single)
    anchors = set(re.findall(r' id="([^"]+)"', single.read_text(encoding="utf-8")))
    for address in page.addresses:
        assert address.startswith("data:image/webp;") or address.removeprefix("#") in anchors
    assert "#unit-2" in page.addresses
    assert len(anchors) == len(re.findall(r' id="', single.read_text(encoding="utf-8")))
    assert not page.elements & {"link", "iframe", "object"}


def test_names_are_text(single: Path) -> None:
    page = Page(single)
    assert [sorted(one) for one in page.scripts] == [[], []]
    assert not page.elements & {"i", "u"}
    assert not [name for name in page.attributes if name.startswith("on")]
    for name in (*HOSTILE, HOSTILE_LAYER):
        assert name in page.text


@pytest.mark.parametrize(
    ("units", "out", "message"),
    [
        (["fc6:0"], "units", "is no name for a single page; expected a file that ends in .html"),
        ([], "units.html", "no unit is named"),
        (["fc6:9"], "units.html", "unit fc6:9 is out of range"),
        (["fc9:0"], "units.html", "layer 'fc9' is not in the recording"),
    ],
)
def test_bad_input_is_told_in_a_line(made, tmp_path: Path, units: list[str], out: str, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises((MareyError, NetworkError), match=message) as told:
        marey.write_single_page(made.recording, units, out=tmp_path / out)
    assert "\n" not in str(told.value)
    assert not list(tmp_path.iterdir())
