"""Addresses of units are read and written alike."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from marey.errors import NetworkError
from marey.network.unit import Unit, expand

layers = some.from_regex(r"[a-z_][a-z0-9_]{0,8}(\.[a-z0-9_]{1,8}){0,3}", fullmatch=True)
places = some.none() | some.tuples(*[some.integers(-9, 99)] * 3)


@given(layers, some.integers(0, 5000), places)
def test_an_address_that_is_written_reads_back_as_the_same_unit(
    layer: str, channel: int, position: tuple[int, int, int] | None
) -> None:
    unit = Unit(layer, channel, position)
    assert Unit.parse(str(unit)) == unit


def test_axes_that_are_left_out_of_a_position_are_zero() -> None:
    assert Unit.parse("fc7:3@5").position == (0, 0, 5)
    assert Unit.parse("conv:3@4,5").position == (0, 4, 5)
    assert Unit.parse("conv:3@-1,4,5").position == (-1, 4, 5)


@pytest.mark.parametrize(
    "text", ["conv5", "conv5:", ":3", "conv5:x", "conv5:-1", "conv5:1@", "a b:1", "conv5:1@1,2,3,4", ""]
)
def test_text_that_is_no_address_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(NetworkError, match=r"is no unit. A unit is written layer:channel, with a number from 0"):
        Unit.parse(text)


def test_a_range_stands_for_every_channel_in_it_and_other_text_for_itself() -> None:
    assert expand("fc6:7-9") == ["fc6:7", "fc6:8", "fc6:9"]
    assert expand("fc6:7-7") == ["fc6:7"]
    assert expand("conv:1-2@0,3,3") == ["conv:1@0,3,3", "conv:2@0,3,3"]
    assert expand("jumping-jack") == ["jumping-jack"]


def test_an_empty_range_is_refused() -> None:
    with pytest.raises(NetworkError, match=r"'fc6:9-7' is an empty range of units: 9 is above 7"):
        expand("fc6:9-7")
