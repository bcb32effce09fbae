"""The maxima of a layer's output are those of a slow search, whatever the layout of the output in memory."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from marey.network.axes import Axes
from marey.recording.output_maxima import output_maxima, side_by_side


def slow(volume: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    maps = volume.flatten(2)
    maximum = maps.amax(2)
    place = (maps == maximum[..., None]).int().argmax(2)
    return maximum, maps.double().mean(2), place


@settings(max_examples=60)
@given(
    clips=st.integers(1, 3),
    sizes=st.lists(st.integers(1, 5), min_size=4, max_size=4),
    axes=st.sampled_from(
        ["n c t h w", "(n t) c h w", "(t n) c h w", "n c h w", "n w c", "t n c", "n c", "(n s) c t h w"]
    ),
    seed=st.integers(0, 100),
    last=st.booleans(),
)
def test_they_are_those_of_a_slow_search_and_the_first_of_equal_values_counts(
    clips: int, sizes: list[int], axes: str, seed: int, last: bool
) -> None:
    c, t, h, w = sizes
    shape, found_axes = {
        "n c t h w": ((clips, c, t, h, w), Axes(5, 0, 1, 2)),
        "(n t) c h w": ((clips * t, c, h, w), Axes(4, 0, 1, inner=t)),
        "(t n) c h w": ((clips * t, c, h, w), Axes(4, 0, 1, outer=t)),
        "n c h w": ((clips, c, h, w), Axes(4, 0, 1)),
        "n w c": ((clips, w, c), Axes(3, 0, 2)),
        "t n c": ((t, clips, c), Axes(3, 1, 2, 0)),
        "n c": ((clips, c), Axes(2, 0, 1)),
        "(n s) c t h w": ((clips * 2, c, t, h, w), Axes(5, 0, 1, 2, inner=2)),
    }[axes]
    # Few different values, so that many are equal.
    output = torch.randint(-3, 4, shape, generator=torch.Generator().manual_seed(seed)).float()
    if last and output.dim() in (4, 5):
        output = output.contiguous(memory_format=torch.channels_last if output.dim() == 4 else torch.channels_last_3d)
    volume = found_axes.volume([output], clips)
    found = output_maxima(volume)
    maximum, mean, place = slow(volume)
    assert volume.shape[:2] == (clips, c)
    assert found.maximum.equal(maximum)
    assert found.place.equal(place.int())
    torch.testing.assert_close(found.mean.double(), mean, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("side", [1, 3, 20])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_a_value_that_is_not_a_number_counts_as_largest(side: int, memory_format: torch.memory_format) -> None:
    output = torch.randn(2, 3, side, side).contiguous(memory_format=memory_format)
    output[0, 1, side // 2, side - 1] = float("nan")
    found = output_maxima(output[:, :, None])
    assert found.maximum.isnan().nonzero().tolist() == found.mean.isnan().nonzero().tolist() == [[0, 1]]
    assert int(found.place[0, 1]) == side // 2 * side + side - 1


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_any_floating_type_is_read_as_float32(dtype: torch.dtype) -> None:
    output = torch.randn(2, 3, 4, 5, 5).to(dtype)
    found, same = output_maxima(output), output_maxima(output.float())
    assert found.maximum.equal(same.maximum) and found.place.equal(same.place)
    assert found.mean.dtype == torch.float32
    torch.testing.assert_close(found.mean, same.mean)


def test_layers_lie_side_by_side_in_their_order() -> None:
    one, other = (output_maxima(torch.randn(2, units, 3, 4, 4)) for units in (3, 5))
    found = side_by_side([one, other])
    assert found.maximum[:, :3].equal(one.maximum) and found.place[:, 3:].equal(other.place)
    assert found.mean.shape == (2, 8)
