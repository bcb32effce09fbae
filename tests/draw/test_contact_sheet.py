"""The contact sheet of a unit shows all that it prefers, and says what each picture is."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from marey.draw.color_wheel import color_wheel
from marey.draw.contact_sheet import contact_sheet
from marey.draw.picture_row import PictureRow
from marey.draw.preferred_loop import preferred_loop
from marey.draw.typeset import MARGIN, QUIET
from marey.draw.wheel_legend import wheel_legend
from marey.video.encode import Picture

STORED = Path(__file__).with_name("contact_sheet.png")


def whirl() -> PictureRow:
    """A unit whose appearance is a ramp of colors and whose motion turns, once slowly and once fast."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, 40), torch.linspace(-1, 1, 40), indexing="ij")
    ramp = torch.stack([(x + 1) / 2, (y + 1) / 2, (1 - x) / 2]).view(1, 3, 1, 40, 40)
    turn = torch.stack([-y, x]).view(1, 2, 1, 40, 40)
    return PictureRow(
        "fusion.conv5:21",
        "walk",
        appearance=ramp.expand(2, 3, 2, 40, 40),
        motion=torch.cat([3 * turn, turn]) * torch.tensor([1.0, 0.5]).view(1, 1, 2, 1, 1),
        chis=(0.0, 10.0),
        captions=("1.20 of maximum\nrecognized as walk", "0.90 of maximum\nrecognized as walk"),
    )


def thumbnail(page: Picture) -> Image.Image:
    """The page at a third of its size, where the letters of other versions of the font library look the same."""
    return Image.fromarray(page).resize((page.shape[1] // 3, page.shape[0] // 3), Image.Resampling.BOX)


def test_a_contact_sheet_looks_as_it_did() -> None:
    # After a wanted change: thumbnail(contact_sheet(whirl())).save(STORED, optimize=True), and look at it.
    with Image.open(STORED) as image:
        before = np.asarray(image.convert("RGB")).astype(int)
    now = np.asarray(thumbnail(contact_sheet(whirl()))).astype(int)
    assert now.shape == before.shape
    apart = np.abs(now - before).max(-1)
    assert apart.mean() < 4 and (apart > 60).mean() < 0.01


def test_the_sheet_holds_the_legend_with_its_scale(
    row_of: Callable[..., PictureRow], holds: Callable[..., bool]
) -> None:
    page = contact_sheet(row_of(), max_px=4.0)
    assert holds(page, wheel_legend(4.0))
    assert not holds(page, wheel_legend(8.0))


def test_the_sheet_says_title_chis_captions_and_components(
    row_of: Callable[..., PictureRow], says: Callable[..., bool]
) -> None:
    page = contact_sheet(row_of(time=1))
    assert says(page, "fusion.conv5:21", 24) and says(page, "run", 15, QUIET)
    for text in ("chi = 10", "chi = 1", "chi = 0", "color wheel", "u, to the right", "v, down", "magnitude"):
        assert says(page, text, 13, QUIET), text
    for text in ("0.1 of maximum", "2.1 of maximum", "recognized as run"):
        assert says(page, text, 12, QUIET), text
    assert not says(page, "chi = 5", 13, QUIET)


def test_notes_under_a_picture_are_not_cut(row_of: Callable[..., PictureRow], says: Callable[..., bool]) -> None:
    notes = "1.12 of maximum\nrecognized as run\nno motion preference\nfrom chi 1 at half time\ninterrupted"
    page = contact_sheet(replace(row_of(size=(160, 160)), captions=(notes,) * 3))
    for line in notes.splitlines():
        assert says(page, line, 12, QUIET), line


def test_columns_run_from_slow_to_fast_and_show_the_strongest_field() -> None:
    motion = torch.zeros(2, 2, 3, 32, 32)
    motion[0, 0, 1] = 1.0  # chi 0: to the right, in the second field alone
    motion[1, 0, 2] = -1.0  # chi 5: to the left, in the third field alone
    page = contact_sheet(PictureRow("a:0", motion=motion, chis=(0.0, 5.0)), max_px=1.0)
    right, left = ((page == color_wheel(torch.tensor([u, 0.0]).view(2, 1, 1), max_px=1.0)).all(-1) for u in (1.0, -1.0))
    line = right.sum(1).argmax()
    assert right[line].sum() >= 160 and left[line].sum() >= 160
    assert np.flatnonzero(left[line]).mean() < np.flatnonzero(right[line]).mean()


def test_the_course_in_time_shows_every_field_in_its_place() -> None:
    motion = torch.zeros(1, 2, 4, 32, 32)
    motion[0, 0, 2] = 1.0
    page = contact_sheet(PictureRow("a:0", motion=motion), max_px=1.0)
    strip = (page[-200:] == [255, 0, 0]).all(-1)
    places = np.flatnonzero(strip.sum(0) >= 60)
    assert 0.5 < places.mean() / page.shape[1] < 0.75  # the third of four


def test_frames_over_time_are_shown_for_each_chi_beside_motion_too() -> None:
    colors = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])  # of chi 0 and chi 5
    appearance = colors.view(2, 3, 1, 1, 1).expand(2, 3, 4, 32, 32)
    page = contact_sheet(PictureRow("a:0", appearance=appearance, motion=torch.zeros(2, 2, 3, 32, 32), chis=(0.0, 5.0)))
    fast, slow = ((page == color).all(-1).sum(1) > 200 for color in ([255, 0, 0], [0, 255, 0]))
    assert fast.any() and slow.any(), "four frames of each, side by side"
    assert np.flatnonzero(slow).mean() < np.flatnonzero(fast).mean()


@pytest.mark.parametrize(
    ("streams", "shown"), [("both", (True, True)), ("rgb", (True, False)), ("flow", (False, True))]
)
def test_networks_of_one_stream_have_their_sheet(
    streams: str, shown: tuple[bool, bool], row_of: Callable[..., PictureRow], says: Callable[..., bool]
) -> None:
    page = contact_sheet(row_of(streams=streams))
    assert tuple(says(page, f"{name} over time", 14) for name in ("appearance", "motion")) == shown


@settings(max_examples=10, deadline=None)
@given(
    count=st.integers(1, 4),
    time=st.integers(1, 12),
    height=st.integers(1, 60),
    width=st.integers(1, 60),
    streams=st.sampled_from(["both", "rgb", "flow"]),
    captions=st.booleans(),
)
def test_every_shape_of_row_has_clean_margins(
    row_of, count: int, time: int, height: int, width: int, streams: str, captions: bool
) -> None:
    chis = tuple(float(k) for k in range(count))
    page = contact_sheet(row_of(chis=chis, time=time, size=(height, width), streams=streams, captions=captions))
    for edge in (page[:MARGIN], page[-MARGIN:], page[:, :MARGIN], page[:, -MARGIN:]):
        assert (edge == 255).all()
    ink = (page != 255).any(-1)
    assert ink.any(0).nonzero()[0].max() >= page.shape[1] - MARGIN - 30, "no empty border at the right"


@pytest.mark.parametrize("still", [True, False])
def test_long_names_do_not_widen_the_page(still: bool, row_of: Callable[..., PictureRow]) -> None:
    short = PictureRow("a:1", appearance=torch.rand(1, 3, 1, 32, 32)) if still else row_of(chis=(0.0,), streams="rgb")
    long = replace(short, subtitle=" + ".join(f"0.0625 * conv2_2:{k}@0,4,4" for k in range(16)))
    for draw in (contact_sheet, preferred_loop):
        widths = [draw(one).shape[-2] for one in (replace(short, subtitle=""), long)]
        assert widths[1] <= max(widths[0], 420 + 2 * MARGIN) + 1, draw.__name__


def test_a_single_picture_has_no_chi(says: Callable[..., bool]) -> None:
    picture = PictureRow("a:1", appearance=torch.rand(1, 3, 1, 32, 32), captions=("0.5 of maximum",))
    page = contact_sheet(picture)
    assert says(page, "0.5 of maximum", 12, QUIET) and not says(page, "chi = 0", 13, QUIET)
    film = PictureRow("a:1", appearance=torch.rand(1, 3, 2, 32, 32))
    assert says(contact_sheet(film), "chi = 0", 13, QUIET)
