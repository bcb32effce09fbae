"""The peaks of a layer are those of a slow search, whatever the layout of its output."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from marey.network import volume
from marey.recording.peaks import peaks


def slow(output: torch.Tensor, clips: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    maps = volume(output, clips).flatten(2)
    maximum = maps.amax(2)
    place = (maps == maximum[..., None]).int().argmax(2)
    return maximum, maps.double().mean(2), place


@settings(max_examples=40)
@given(
    clips=st.integers(1, 3),
    sizes=st.lists(st.integers(1, 5), min_size=4, max_size=4),
    layout=st.sampled_from(["n c t h w", "(n t) c h w", "n c h w", "n w c", "n c", "(n s) c t h w"]),
    seed=st.integers(0, 100),
    last=st.booleans(),
)
def test_they_are_those_of_a_slow_search(clips: int, sizes: list[int], layout: str, seed: int, last: bool) -> None:
    c, t, h, w = sizes
    shape = {
        "n c t h w": (clips, c, t, h, w),
        "(n t) c h w": (clips * t, c, h, w),
        "n c h w": (clips, c, h, w),
        "n w c": (clips, w, c),
        "n c": (clips, c),
        "(n s) c t h w": (clips * 2, c, t, h, w),
    }[layout]
    # Few different values, so that many are equal.
    output = torch.randint(-3, 4, shape, generator=torch.Generator().manual_seed(seed)).float()
    if last and output.dim() == 4:
        output = output.contiguous(memory_format=torch.channels_last)
    found = peaks(output, clips)
    maximum, mean, place = slow(output, clips)
    assert found.maximum.equal(maximum)
    assert found.place.equal(place.int())
    torch.testing.assert_close(found.mean.double(), mean, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_any_floating_type_is_kept_as_float32(dtype: torch.dtype) -> None:
    found = peaks(torch.randn(2, 3, 4, 5, 5).to(dtype), 2)
    assert found.maximum.dtype == found.mean.dtype == torch.float32 and found.place.dtype == torch.int32
