"""The peaks of a layer are those of a slow search, whatever the layout of its output."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import Literal, get_args

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

from marey.accelerate.blocks import Block, blocks_of
from marey.network.hooks import observed, observed_calls, passed_on
from marey.network.layer import volume
from marey.recording.kernels import kernels
from marey.recording.peaks import PassPeaks, Peaks, peaks
from marey.recording.quick_peaks import QuickPeaks, tried

LeftAsFound = Callable[[nn.Module], AbstractContextManager[None]]


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
    if last and output.dim() in (4, 5):
        output = output.contiguous(memory_format=torch.channels_last if output.dim() == 4 else torch.channels_last_3d)
    found = peaks(output, clips)
    maximum, mean, place = slow(output, clips)
    assert found.maximum.equal(maximum)
    assert found.place.equal(place.int())
    torch.testing.assert_close(found.mean.double(), mean, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("side", [3, 4])
def test_channels_last_what_is_no_number_counts_as_largest(side: int) -> None:
    output = torch.randn(2, 3, side, side).contiguous(memory_format=torch.channels_last)
    output[0, 1, 2, 1] = float("nan")
    found = peaks(output, 2)
    assert found.maximum.isnan().nonzero().tolist() == [[0, 1]]
    assert int(found.place[0, 1]) == 2 * side + 1


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_any_floating_type_is_kept_as_float32(dtype: torch.dtype) -> None:
    found = peaks(torch.randn(2, 3, 4, 5, 5).to(dtype), 2)
    assert found.maximum.dtype == found.mean.dtype == torch.float32 and found.place.dtype == torch.int32


NEEDS_NUMBA = pytest.mark.skipif(kernels() is None, reason="needs numba")

Way = Literal["torch", "compiled"]


@pytest.fixture(params=get_args(Way))
def way(request: pytest.FixtureRequest) -> Way:
    """Both ways in which a pass is read."""
    if request.param == "compiled" and kernels() is None:
        pytest.skip("needs numba")
    found: Way = request.param
    return found


def begun(
    way: Way,
    layers: Sequence[str],
    clips: int,
    modules: Mapping[str, nn.Module] = MappingProxyType({}),
    inputs: Mapping[str, str] = MappingProxyType({}),
    blocks: Sequence[Block] = (),
) -> PassPeaks | QuickPeaks:
    compiled = kernels()
    if way == "torch" or compiled is None:
        return PassPeaks(layers, clips)
    return QuickPeaks({name: modules.get(name, nn.Identity()) for name in layers}, clips, compiled, inputs, blocks)


def answers_of(
    network: nn.Sequential, shown: torch.Tensor, clips: int, way: Way, *, last: bool = True, writes: bool = False
) -> tuple[Peaks, dict[str, torch.Tensor]]:
    """The peaks of all layers in one pass, and the outputs that they are of; channels last for the compiled way.

    With `writes` these are the outputs of a pass in which compiled loops compute what can be computed as it is read.
    """
    outputs: dict[str, torch.Tensor] = {}
    modules = dict(network.named_children())
    if way == "compiled" and last:
        shown = shown.contiguous(memory_format=torch.channels_last)
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    with torch.no_grad(), observed(modules, outputs.__setitem__):
        network(shown)
    with torch.no_grad():
        inputs, _ = tried(lambda: network(shown[:clips]), modules)
        blocks = blocks_of(lambda: network(shown[:clips]), network, kept=()) if writes else ()
        found = begun(way, list(outputs), clips, modules, inputs, blocks)

    def read(name: str, given: torch.Tensor | None, output: torch.Tensor) -> None:
        found.read(name, output, module=modules[name], given=given)
        if writes:
            outputs[name] = output

    with torch.no_grad(), passed_on(found.passed), observed_calls(modules, read):
        network(shown)
    assert found.missing() == set()
    return found.together(), outputs


@pytest.mark.parametrize("frames", [1, 3], ids=["no time", "frames folded into the batch"])
def test_the_peaks_of_a_pass_lie_side_by_side_and_a_relu_has_those_of_its_own_output(frames: int, way: Way) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(2, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.Conv2d(5, 4, 3), nn.ReLU(), nn.ReLU(), nn.MaxPool2d(2)
    ).eval()
    with torch.no_grad():
        network[0].bias[1] = -100.0  # after the ReLU all are 0, and the first place counts
        network[3].bias[2] = -100.0
    found, outputs = answers_of(network, torch.randn(2 * frames, 2, 9, 9), 2, way)
    expected = [peaks(output, 2) for output in outputs.values()]
    for field in ("maximum", "mean", "place"):
        together = torch.cat([getattr(one, field) for one in expected], 1)
        if field == "mean":  # of a normalization it follows from its input's; compiled, of a ReLU too
            unlike = slice(5, 10) if way == "torch" else slice(None)
            torch.testing.assert_close(found.mean[:, unlike], together[:, unlike], rtol=1e-5, atol=1e-6)
            found.mean[:, unlike] = together[:, unlike]
        assert getattr(found, field).equal(together), field


# 28 is small; 53 has no parts; the others are searched in parts
@pytest.mark.parametrize("side", [28, 50, 53, 56, 112])
def test_a_large_map_is_searched_in_segments_to_the_same_end(side: int) -> None:
    torch.manual_seed(side)
    output = torch.randint(-9, 10, (2, 3, side, side)).float()  # many are equal, the largest too
    output[1, 0, 20, 5] = output[1, 0, 25, 2] = float("nan")
    found = peaks(output, 2)
    assert found.place.flatten().tolist() == [map.argmax() for map in output.flatten(2).flatten(0, 1).numpy()]
    assert found.maximum.nan_to_num(7).equal(output.amax((2, 3)).nan_to_num(7))


@pytest.mark.parametrize("pool", [nn.MaxPool2d(2), nn.MaxPool2d(3), nn.MaxPool2d(2, 1), nn.MaxPool2d(3, 2, 1)])
def test_a_pooling_has_the_peaks_of_its_input_where_its_windows_tile_it(pool: nn.MaxPool2d, way: Way) -> None:
    torch.manual_seed(0)
    found, outputs = answers_of(nn.Sequential(nn.Conv2d(2, 6, 3), nn.ReLU(), pool), torch.randn(4, 2, 10, 12), 2, way)
    expected = peaks(outputs["2"], 2)
    assert found.maximum[:, 12:].equal(expected.maximum) and found.place[:, 12:].equal(expected.place)
    exact = 0 if way == "torch" else 1e-6
    torch.testing.assert_close(found.mean[:, 12:], expected.mean, rtol=exact, atol=exact)


def test_the_next_pass_begins_anew(way: Way) -> None:
    norm = nn.BatchNorm2d(2).eval()
    found = begun(way, ["norm"], 1)
    for _ in range(2):
        shown = torch.randn(1, 2, 3, 3)
        with torch.no_grad():
            found.read("norm", norm(shown), module=norm, given=shown)
            assert found.together().maximum.equal(peaks(norm(shown), 1).maximum)
    assert found.missing() == {"norm"}


def test_what_is_no_number_is_largest_after_a_relu_too(way: Way) -> None:
    network = nn.Sequential(nn.Identity(), nn.ReLU())
    shown = torch.tensor([[[[-1.0, float("nan")], [3.0, 2.0]]]])
    found, _ = answers_of(network, shown, 1, way)
    assert found.maximum.isnan().all() and found.mean.isnan().all()
    assert way == "compiled" or found.place.tolist() == [[1, 1]]


def test_an_output_that_was_changed_in_between_is_searched_again(way: Way) -> None:
    relu = nn.ReLU()
    before = torch.tensor([[[[1.0, 5.0, 2.0]]]])
    found = begun(way, ["sum", "relu"], 1, {"relu": relu}, {"relu": "sum"})
    found.read("sum", before)
    before -= torch.tensor([0.0, 9.0, 0.0])  # as a residual sum does it
    found.read("relu", relu(before), module=relu, given=before)
    peaks = found.together()
    assert peaks.maximum.tolist() == [[5, 2]] and peaks.place.tolist() == [[1, 2]]
    assert peaks.mean.tolist() == [[pytest.approx(8 / 3), 1]]


def test_a_layer_that_answers_twice_counts_the_first_time_and_one_that_does_not_is_told(way: Way) -> None:
    found = begun(way, ["a", "b"], 1)
    found.read("a", torch.ones(1, 1, 2, 2))
    found.read("a", torch.zeros(1, 1, 2, 2))
    assert found.missing() == {"b"} and found.together().maximum.tolist() == [[1]]


@pytest.mark.parametrize("frames", [1, 3], ids=["no time", "frames folded into the batch"])
@pytest.mark.parametrize("names", [["0", "1"], ["1"]], ids=["after its input", "alone"])
def test_a_normalization_is_largest_where_its_input_is_or_least_where_it_turns_it(
    frames: int, names: list[str], way: Way
) -> None:
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(6).eval()
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, -1.0, 0.0, 1e-6, 2.0, 1.0]))
        norm.bias.copy_(torch.tensor([0.0, 0.0, 3.0, 1.0, -5.0, 0.0]))
        before = torch.randn(2 * frames, 6, 5, 7)
        if way == "compiled":
            before = before.contiguous(memory_format=torch.channels_last)
        after = norm(before)
    answers = begun(way, names, 2)
    if "0" in names:
        answers.read("0", before)
    answers.read("1", after, module=norm, given=before)
    found = answers.together()
    maximum, place = found.maximum[:, -6:], found.place[:, -6:].long()
    expected, given = peaks(after, 2), peaks(before, 2)
    torch.testing.assert_close(maximum, expected.maximum, rtol=1e-6, atol=0)
    torch.testing.assert_close(found.mean[:, -6:], expected.mean, rtol=1e-5, atol=1e-6)
    assert volume(after, 2).flatten(2).gather(2, place[..., None])[..., 0].equal(maximum)
    assert place[:, 1:3].equal(expected.place[:, 1:3].long())
    rising = [0, 4, 5]
    assert place[:, rising].equal(given.place[:, rising].long())


def test_a_normalization_that_computes_in_another_way_is_searched_itself(way: Way) -> None:
    class Folded(nn.BatchNorm2d):
        def forward(self, values: torch.Tensor) -> torch.Tensor:
            return -super().forward(values)

    before = torch.randn(2, 3, 5, 5)
    for norm in (Folded(3).eval(), nn.BatchNorm2d(3, track_running_stats=False)):
        with torch.no_grad():
            after = norm(before)
        found = begun(way, ["0", "1"], 2)
        found.read("0", before)
        found.read("1", after, module=norm, given=before)
        assert found.together().maximum[:, 3:].equal(peaks(after, 2).maximum)


def test_a_normalization_in_half_precision_keeps_its_means_in_full(way: Way) -> None:
    norm = nn.BatchNorm2d(3).eval().bfloat16()
    before = torch.randn(2, 3, 8, 8).bfloat16()
    with torch.no_grad():
        after = norm(before)
    found = begun(way, ["0", "1"], 2)
    found.read("0", before)
    found.read("1", after, module=norm, given=before)
    torch.testing.assert_close(found.together().mean[:, 3:], peaks(after, 2).mean, rtol=0.01, atol=0.005)


@NEEDS_NUMBA
@example(units=16, height=4, width=4, frames=1, modules=["conv", "pool", "relu"], seed=0, last=True)
@example(units=16, height=4, width=4, frames=1, modules=["conv", "norm", "relu", "relu", "pool"], seed=0, last=True)
@example(units=16, height=4, width=4, frames=2, modules=["conv", "turned", "relu", "norm", "relu"], seed=0, last=True)
@example(units=16, height=4, width=4, frames=1, modules=["conv", "relu", "norm", "pool"], seed=0, last=False)
@settings(max_examples=100, deadline=None)
@given(
    units=st.sampled_from([1, 3, 16, 24, 130, 300]),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    frames=st.integers(1, 3),
    modules=st.lists(st.sampled_from(["conv", "norm", "turned", "relu", "pool", "identity"]), min_size=1, max_size=5),
    seed=st.integers(0, 100),
    last=st.booleans(),
)
def test_both_ways_find_the_same(
    units: int, height: int, width: int, frames: int, modules: list[str], seed: int, last: bool
) -> None:
    torch.manual_seed(seed)
    made: dict[str, Callable[[], nn.Module]] = {
        "conv": lambda: nn.Conv2d(units, units, 3, padding=1, groups=units),
        "norm": lambda: nn.BatchNorm2d(units),
        "turned": lambda: nn.BatchNorm2d(units),
        "relu": nn.ReLU,
        "pool": lambda: nn.MaxPool2d(2, ceil_mode=True),
        "identity": nn.Identity,
    }
    network = nn.Sequential(*[made[name]() for name in modules]).eval()
    for name, module in zip(modules, network, strict=True):
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            nn.init.normal_(module.bias)
            nn.init.uniform_(module.weight, -1 if name == "turned" else 0.2, 1)
    shown = torch.randn(2 * frames, units, height, width)
    plain, outputs = answers_of(network, shown, 2, "torch")
    for writes in (False, True):
        quick, written = answers_of(network, shown, 2, "compiled", last=last, writes=writes)
        torch.testing.assert_close(quick.mean, plain.mean, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(quick.maximum, plain.maximum, rtol=1e-5, atol=1e-6)
        end = list(outputs)[-1]
        torch.testing.assert_close(written[end], outputs[end], rtol=1e-4, atol=1e-5)
        if not writes:  # else what comes first in later layers may lie elsewhere by rounding
            assert quick.place.equal(plain.place)
