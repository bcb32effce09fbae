"""Blocks never overlap, and text stays within its block."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marey.draw.typeset import (
    PAPER,
    arrow,
    below,
    beside,
    framed,
    from_to,
    margined,
    placed,
    space,
    spelled,
    spread,
    text_block,
    text_width,
)

DARK = text_block("M", size=30)


@given(st.text(st.characters(max_codepoint=0x2FFF), max_size=30), st.integers(30, 200))
@settings(max_examples=25, deadline=None)
def test_no_text_is_wider_than_its_block(text: str, width: int) -> None:
    block = text_block(text, width=width)
    assert block.width == width
    edges = [text_block("", width=10)] * 2
    page = np.asarray(beside([edges[0], block, edges[1]]))
    assert (page[:, :10] == 255).all()
    assert (page[:, -10:] == 255).all()


def test_letters_that_the_font_lacks_are_spelled() -> None:
    assert spelled("χ 5 → 1.2×") == "chi 5 to 1.2x"
    assert spelled("漢字 ok") == "?? ok"
    assert spelled("é") in ("é", "e")


def test_long_words_are_cut_with_an_ellipsis() -> None:
    word = "module." * 40
    assert text_width(word, 14) > 200
    cut = np.asarray(text_block(word, width=200))
    assert cut.shape[1] == 200
    dots = np.asarray(text_block("...", size=14))
    ink = np.flatnonzero((cut != 255).any((0, 2)))
    assert np.array_equal(cut[:, ink[-1] - dots.shape[1] + 2 : ink[-1] + 1], dots[:, 1:]) or ink[-1] > 180


def test_a_text_is_broken_at_spaces_into_so_many_lines() -> None:
    line = text_block("x", size=14).height
    assert text_block("two words", size=14, width=text_width("words", 14) + 1).height == 2 * line
    assert text_block("one two three four", size=14, width=text_width("three", 14) + 1, most_lines=2).height == 2 * line


def test_blocks_stand_beside_each_other_with_a_gap() -> None:
    page = np.asarray(beside([DARK, DARK], gap=7))
    assert page.shape[1] == 2 * DARK.width + 7
    assert np.array_equal(page[:, : DARK.width], page[:, DARK.width + 7 :])
    assert (page[:, DARK.width : DARK.width + 7] == 255).all()


def test_blocks_stand_below_each_other_with_a_gap() -> None:
    page = np.asarray(below([DARK, DARK], gap=7))
    assert np.array_equal(page[: DARK.height], page[DARK.height + 7 :])
    assert (page[DARK.height : DARK.height + 7] == 255).all()


@pytest.mark.parametrize(("across", "left"), [("start", 0), ("center", 10), ("end", 20)])
def test_a_block_is_placed_within_a_larger_one(across: str, left: int) -> None:
    page = np.asarray(placed(DARK, width=DARK.width + 20, height=1, across=across))  # type: ignore[arg-type]
    assert np.array_equal(page[:, left : left + DARK.width], np.asarray(DARK))
    assert int((page != 255).sum()) == int((np.asarray(DARK) != 255).sum())


def test_blocks_are_spread_from_edge_to_edge() -> None:
    page = np.asarray(spread([DARK, DARK, DARK], width=200))
    for left in (0, (200 - DARK.width) // 2, 200 - DARK.width):
        assert np.array_equal(page[:, left : left + DARK.width], np.asarray(DARK))


def test_a_frame_is_a_hairline_around_the_block_and_a_margin_is_paper() -> None:
    page = np.asarray(margined(framed(space(4, 3)), 5))
    dark = (page != PAPER).any(-1)
    rows, columns = np.flatnonzero(dark.any(1)), np.flatnonzero(dark.any(0))
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (5, 9, 5, 10)
    assert not dark[6:9, 6:10].any()


def test_an_arrow_points_to_the_right() -> None:
    dark = (np.asarray(arrow(60)) < 200).any(-1)
    assert dark.sum(0)[5] < dark.sum(0)[52]  # the head is higher than the line
    assert dark.sum(0)[52] > dark.sum(0)[58]  # and ends in a tip


def test_the_arrow_gives_way_where_only_the_words_have_room() -> None:
    assert np.array_equal(
        np.asarray(from_to("slow", "fast", width=60, size=13)),
        np.asarray(text_block("slow to fast", size=13, color=(108, 108, 114), width=60)),
    )
    assert from_to("slow", "fast", width=300).width == 300
