"""Many units share one page, one scale and one legend."""

from collections.abc import Callable
from math import ceil

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from marey.draw.overview import LONGEST_SIDE, layout, overview
from marey.draw.picture_row import PictureRow
from marey.draw.typeset import INK, MARGIN, QUIET
from marey.draw.wheel_legend import wheel_legend
from marey.errors import MareyError


def test_an_overview_has_one_legend_one_title_and_the_name_of_every_unit(
    row_of: Callable[..., PictureRow], holds: Callable[..., bool], says: Callable[..., bool]
) -> None:
    units = [row_of("a:1", captions=False), row_of("b:2"), row_of("c:3", streams="rgb"), row_of("d:4", streams="flow")]
    (page,) = overview(units, title="Units", note="Scores of net.", max_px=3.0)
    assert holds(page, wheel_legend(3.0, magnitude=False))
    assert says(page, "Units", 22)
    assert says(page, "Scores of net.", 12, QUIET)
    for unit in units:
        assert says(page, unit.title, 15, INK), unit.title
    assert says(page, "no appearance", 12, QUIET)
    (both,) = overview(units[:2], max_px=3.0)
    assert not says(both, "no appearance", 12, QUIET) and not says(both, "Units", 22)


def test_all_units_are_drawn_in_the_scale_of_the_fastest() -> None:
    def uniform(speed: float) -> PictureRow:
        motion = torch.zeros(1, 2, 1, 56, 56)
        motion[:, 0] = speed
        return PictureRow(f"a:{speed:g}", motion=motion)

    (page,) = overview([uniform(5.0), uniform(2.5)], max_px=5.0)
    full, half = (int((page == color).all(-1).sum()) for color in ((255, 0, 0), (255, 128, 128)))
    assert full >= 168**2 and half >= 168**2


def test_an_overview_of_an_rgb_network_shows_every_chi() -> None:
    shades = torch.tensor([0.2, 0.4, 0.6]).view(3, 1, 1, 1, 1)
    (page,) = overview([PictureRow("a:1", appearance=shades.expand(3, 3, 2, 24, 24), chis=(0.0, 1.0, 10.0))])
    places = [np.flatnonzero((page == shade).all(-1).sum(0) >= 168).mean() for shade in (51, 102, 153)]
    assert places[2] < places[1] < places[0]  # chi 10, the slowest, stands left


def test_a_single_picture_has_no_chi_and_stands_beside_any_sweep(
    row_of: Callable[..., PictureRow], says: Callable[..., bool]
) -> None:
    picture = PictureRow("a:1", appearance=torch.rand(1, 3, 1, 32, 32), captions=("0.5 of maximum",))
    (alone,), (mixed,) = overview([picture, picture]), overview([picture, row_of("b:2")])
    assert says(alone, "0.5 of maximum", 12, QUIET) and says(mixed, "0.5 of maximum", 12, QUIET)
    assert not says(alone, "chi = 0", 13, QUIET) and says(mixed, "chi = 0", 13, QUIET)


def test_single_pictures_stand_six_in_a_line() -> None:
    gray = PictureRow("a:1", appearance=torch.full((1, 3, 1, 32, 32), 0.4))
    gray_pixels = (next(overview([gray] * 7)) == 102).all(-1)
    lines = np.flatnonzero(np.diff(np.concatenate([[0], (gray_pixels.sum(1) >= 168).astype(int)])) == 1)
    assert len(lines) == 2
    assert gray_pixels[lines[0] + 5].sum() == 6 * gray_pixels[lines[1] + 5].sum()


def test_units_with_other_chis_do_not_share_an_overview(row_of: Callable[..., PictureRow]) -> None:
    with pytest.raises(MareyError, match=r"'b:2' has chi 0, 5 and 'a:1' has chi 0, 1, 10; an overview needs the same"):
        overview([row_of("a:1"), row_of("b:2", chis=(0.0, 5.0))])


def test_an_overview_of_nothing_is_refused() -> None:
    with pytest.raises(MareyError, match="an overview of no units"):
        overview([])


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    count=st.integers(1, 3000),
    width=st.integers(20, 5000),
    height=st.integers(20, 5000),
    taken=st.tuples(st.integers(0, 300), st.integers(0, 100)),
    least=st.sampled_from([1, 6]),
)
def test_a_page_is_never_longer_than_it_may_be_unless_one_line_is(
    count: int, width: int, height: int, taken: tuple[int, int], least: int
) -> None:
    many, across = layout(count, width, height, taken=taken, least=least)
    down = ceil(many / across)
    assert 1 <= across <= many <= count
    assert across == 1 or taken[0] + across * width <= LONGEST_SIDE - 2 * MARGIN
    assert down == 1 or taken[1] + down * height <= LONGEST_SIDE - 2 * MARGIN


@pytest.mark.parametrize("still", [False, True])
def test_an_overview_of_101_classes_with_long_names_has_bounded_pages(still: bool) -> None:
    words = ("score 0.83\nrecognized as playing a harp in the garden",)
    clips = {"appearance": torch.zeros(1, 3, 1, 8, 8)} if still else {"motion": torch.zeros(1, 2, 1, 8, 8)}
    rows = [PictureRow(f"playing a harp {k}", "layer:0", captions=words, **clips) for k in range(101)]
    sizes = [page.shape[:2] for page in overview(rows, title="Units", note="Scores of net.")]
    assert len(sizes) == 1
    assert max(sizes[0]) <= LONGEST_SIDE and max(sizes[0]) < 2 * min(sizes[0])


def test_pages_are_numbered_and_the_order_goes_down_the_columns(
    row_of: Callable[..., PictureRow], says: Callable[..., bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("marey.draw.overview.LONGEST_SIDE", 900)
    names = list("abcdefghijk")
    pages = list(overview([row_of(name, streams="rgb", chis=(0.0,)) for name in names], title="Units"))
    assert [says(page, f"Units, page {k} of 2", 22) for k, page in enumerate(pages, start=1)] == [True, True]
    assert [[name for name in names if says(page, name, 15)] for page in pages] == [names[:6], names[6:]]
    left = pages[0][:, : pages[0].shape[1] // 2]
    assert [name for name in names[:4] if says(left, name, 15)] == names[:3]
