from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from marey.draw.contact_sheet import contact_sheet, overview
from marey.draw.paper_row import paper_row
from marey.draw.picture_row import PictureRow, wheel_legend
from marey.draw.preferred_video import preferred_video
from marey.draw.typeset import QUIET, beside, spelled, text_block, text_width
from marey.errors import MareyError
from marey.video.encode import Picture


def row(
    title: str = "fusion.conv5:21",
    *,
    chis: tuple[float, ...] = (0.0, 1.0, 10.0),
    time: int = 4,
    size: tuple[int, int] = (32, 32),
    streams: str = "both",
    captions: bool = True,
) -> PictureRow:
    generator = torch.Generator().manual_seed(1)
    count = len(chis)
    return PictureRow(
        title,
        "run",
        torch.rand(count, 3, 2, *size, generator=generator) if streams != "flow" else None,
        torch.randn(count, 2, time, *size, generator=generator) if streams != "rgb" else None,
        chis,
        tuple(f"{k}.1 of real maximum\nrecognized as run" for k in range(count)) if captions else (),
    )


def holds(page: Picture, block: Picture) -> bool:
    """Whether the block is somewhere on the page, pixel for pixel."""
    height, width = block.shape[:2]
    line = block[height // 2]
    for y in range(page.shape[0] - height + 1):
        strip = np.lib.stride_tricks.sliding_window_view(page[y + height // 2], width, axis=0)  # x 3 width
        for x in np.flatnonzero((strip == line.T).all((1, 2))):
            if np.array_equal(page[y : y + height, x : x + width], block):
                return True
    return False


def test_the_row_holds_the_legend_with_its_scale() -> None:
    page = paper_row(row(), max_px=4.0)
    assert holds(page, np.asarray(wheel_legend(4.0)))
    assert not holds(page, np.asarray(wheel_legend(8.0)))


def test_the_row_holds_its_title_and_the_chi_of_every_column() -> None:
    page = paper_row(row())
    for text, size in (("fusion.conv5:21", 24),):
        assert holds(page, np.asarray(text_block(text, size=size)))


def test_notes_under_a_picture_are_not_cut() -> None:
    notes = "1.12 of maximum\nrecognized as run\nno motion preference\nfrom chi 1 at half time\ninterrupted"
    page = overview([replace(row(size=(112, 112)), captions=(notes,) * 3)])
    for line in notes.splitlines()[:1] + notes.splitlines()[-1:]:
        assert holds(page, np.asarray(text_block(line, size=12, color=QUIET)))


def test_columns_run_from_slow_to_fast() -> None:
    motion = torch.zeros(2, 2, 1, 32, 32)
    motion[0, 0] = 1.0  # chi 0: to the right, red
    motion[1, 0] = -1.0  # chi 5: to the left, blue
    page = paper_row(PictureRow("a:0", motion=motion, chis=(0.0, 5.0)), max_px=1.0)
    cell = 160
    red = (page == [255, 0, 0]).all(-1)
    blue = (page[..., 0] == 0) & (page[..., 2] == 255) & (page[..., 1] > 100)
    line = red.sum(1).argmax()
    assert red[line].sum() >= cell
    assert blue[line].sum() >= cell
    assert np.flatnonzero(blue[line]).mean() < np.flatnonzero(red[line]).mean()


@pytest.mark.parametrize("streams", ["both", "rgb", "flow"])
@pytest.mark.parametrize("all_appearances", [False, True])
def test_networks_of_one_stream_have_their_row(streams: str, all_appearances: bool) -> None:
    page = paper_row(row(streams=streams), all_appearances=all_appearances)
    assert page.dtype == np.uint8
    assert page.shape[2] == 3


@settings(max_examples=12, deadline=None)
@given(
    count=st.integers(1, 5),
    time=st.integers(1, 17),
    height=st.integers(1, 60),
    width=st.integers(1, 60),
    streams=st.sampled_from(["both", "rgb", "flow"]),
    captions=st.booleans(),
)
def test_every_shape_of_row_has_clean_margins(
    count: int, time: int, height: int, width: int, streams: str, captions: bool
) -> None:
    page = paper_row(
        row(
            chis=tuple(float(k) for k in range(count)),
            time=time,
            size=(height, width),
            streams=streams,
            captions=captions,
        )
    )
    for edge in (page[:28], page[-28:], page[:, :28], page[:, -28:]):
        assert (edge == 255).all()
    ink = (page != 255).any(-1)
    assert ink.any(0).nonzero()[0].max() >= page.shape[1] - 28 - 30, "no empty border at the right"


def test_the_picture_of_a_stretched_contrast_says_so() -> None:
    plain, wide = (paper_row(row(streams="rgb"), contrast=contrast) for contrast in ("as is", "stretch"))
    assert holds(wide, np.asarray(text_block("appearance, stretched", size=14)))
    assert not holds(plain, np.asarray(text_block("appearance, stretched", size=14)))


def test_a_sheet_is_its_rows_below_each_other() -> None:
    one, other = paper_row(row("a:1")), paper_row(row("b:2"))
    sheet = contact_sheet([row("a:1"), row("b:2")])
    assert sheet.shape[1] == one.shape[1]
    assert np.array_equal(sheet[: one.shape[0] - 28], one[:-28])
    assert np.array_equal(sheet[-(other.shape[0] - 28) :], other[28:])


def test_an_overview_has_one_legend_and_one_scale() -> None:
    slow = row("a:1", captions=False)
    page = overview(
        [slow, row("b:2"), row("c:3", streams="rgb"), row("d:4", streams="flow")], title="Units", max_px=3.0
    )
    assert holds(page, np.asarray(wheel_legend(3.0, magnitude=False)))
    shorter = overview([slow, row("b:2")], title="Units", max_px=3.0)
    assert page.shape[0] - shorter.shape[0] > 2 * 112


def test_an_overview_of_an_rgb_network_shows_every_chi() -> None:
    assert overview([row(streams="rgb")]).shape[1] > 3 * 112


def test_long_names_do_not_widen_the_page() -> None:
    for short in (row(), row(chis=(0.0,), streams="rgb"), PictureRow("a:1", appearance=torch.rand(1, 3, 1, 32, 32))):
        long = replace(short, subtitle=" + ".join(f"0.0625 * conv2_2:{k}@0,4,4" for k in range(16)))
        for draw in (paper_row, preferred_video):
            widths = [draw(one).shape[-2] for one in (replace(short, subtitle=""), long)]
            assert widths[1] <= max(widths[0], 420 + 2 * 28) + 1, draw.__name__


def test_a_single_picture_has_no_chi_and_stands_beside_any_sweep() -> None:
    picture = PictureRow("a:1", appearance=torch.rand(1, 3, 1, 32, 32), captions=("0.5 of maximum",))
    chi = np.asarray(text_block("chi = 0", size=13, color=QUIET))
    for page in (paper_row(picture), overview([picture, picture])):
        assert holds(page, np.asarray(text_block("0.5 of maximum", size=12, color=QUIET)))
        assert not holds(page, chi)
    mixed = overview([picture, row("b:2")])
    assert holds(mixed, chi) and holds(mixed, np.asarray(text_block("0.5 of maximum", size=12, color=QUIET)))
    many = overview([picture] * 7)
    assert many.shape[1] > 6 * 168 and many.shape[0] < 3 * 250  # side by side, in two lines
    film = PictureRow("a:1", appearance=torch.rand(1, 3, 2, 32, 32))
    assert holds(paper_row(film), chi)


def test_units_with_other_chis_do_not_share_an_overview() -> None:
    with pytest.raises(MareyError, match=r"'b:2' has chi 0, 5 and 'a:1' has chi 0, 1, 10; an overview needs the same"):
        overview([row("a:1"), row("b:2", chis=(0.0, 5.0))])


def test_a_sheet_of_nothing_is_refused() -> None:
    for sheet in (contact_sheet, overview):
        with pytest.raises(MareyError, match="no units"):
            sheet([])


@given(st.text(max_size=40), st.integers(30, 200))
@settings(max_examples=40, deadline=None)
def test_no_text_is_wider_than_its_block(text: str, width: int) -> None:
    block = np.asarray(text_block(text, width=width))
    assert block.shape[1] == width
    framed = np.asarray(beside([text_block("", width=10), text_block(text, width=width), text_block("", width=10)]))
    assert (framed[:, :10] == 255).all()
    assert (framed[:, -10:] == 255).all()


def test_letters_that_the_font_lacks_are_spelled() -> None:
    assert spelled("χ 5 → ½") == "chi 5 to 1/2" or spelled("χ 5 →") == "chi 5 to"
    assert "\ufffd" not in spelled("漢字 ok")


def test_long_words_are_cut_with_an_ellipsis() -> None:
    assert text_width("module." * 40, 14) > 200
    assert text_block("module." * 40, width=200).width == 200
