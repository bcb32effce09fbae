"""An adversary raises the loss by changes of the size that was asked for, and leaves the network alone."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from marey.errors import MareyError
from marey.network.stream import flow_stacks, rgb_frames
from marey.training.adversary import Adversary, hardened

ALL = torch.ones(4)
RGB, FLOW = rgb_frames(1, size=8), flow_stacks(1, length=2, size=8)


def windows() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "rgb": 0.3 + 0.4 * torch.rand(4, *RGB.shape, generator=generator),
        "flow": torch.randn(4, *FLOW.shape, generator=generator),
    }


def loss(shown: Mapping[str, Tensor]) -> Tensor:
    """Smaller where red and u are larger, of which u counts more; quadratic, so that its slope differs by place."""
    return (1 - shown["rgb"][:, 0]).square().sum() + 3 * (5 - shown["flow"][:, 0]).square().sum()


def rms(values: Tensor) -> Tensor:
    return values.flatten(1).square().mean(1).sqrt()


def contrast(values: Tensor) -> Tensor:
    return rms(values - values.mean((2, 3, 4), keepdim=True))


@pytest.mark.parametrize("steps", [1, 3])
def test_the_loss_rises_and_the_changes_have_the_size_asked_for(steps: int) -> None:
    before = windows()
    before["flow"][0] *= 3
    after = hardened(before, (RGB, FLOW), loss, Adversary(0.1, 0.2, steps), 1.0, shares=ALL)
    assert float(loss(after)) > float(loss(before))
    assert torch.allclose(rms(after["rgb"] - before["rgb"]), 0.1 * contrast(before["rgb"]), rtol=1e-4)
    assert torch.allclose(rms(after["flow"] - before["flow"]), 0.2 * rms(before["flow"]), rtol=1e-4)
    assert torch.equal(after["flow"][:, 1], before["flow"][:, 1])  # what does not matter stays


def test_no_change_of_that_size_raises_a_linear_loss_more() -> None:
    before, direction = windows(), torch.randn(4, *FLOW.shape, generator=torch.Generator().manual_seed(1))

    def linear(shown: Mapping[str, Tensor]) -> Tensor:
        return (shown["flow"] * direction).sum()

    best = float(linear(hardened(before, (RGB, FLOW), linear, Adversary(flow=0.1), 1.0, shares=ALL)) - linear(before))
    largest = 0.1 * rms(before["flow"]) * rms(direction) * direction[0].numel()  # Cauchy-Schwarz
    expected = float(largest.sum())
    assert best == pytest.approx(expected, rel=1e-4)


def test_each_clip_is_changed_by_its_share_of_the_size() -> None:
    before = windows()
    after = hardened(before, (RGB, FLOW), loss, Adversary(flow=0.2), 1.0, shares=torch.tensor([0.0, 0.25, 0.5, 1.0]))
    parts = rms(after["flow"] - before["flow"]) / rms(before["flow"])
    assert torch.allclose(parts, torch.tensor([0.0, 0.05, 0.1, 0.2]), atol=1e-5)


def test_a_stream_whose_size_is_zero_stays_as_it_is() -> None:
    before = windows()
    after = hardened(before, (RGB, FLOW), loss, Adversary(flow=0.1), 1.0, shares=ALL)
    assert torch.equal(after["rgb"], before["rgb"])
    assert not torch.equal(after["flow"], before["flow"])
    still = hardened(before, (RGB, FLOW), lambda _: pytest.fail("asked for a loss"), Adversary(), 1.0, shares=ALL)
    assert all(torch.equal(still[name], before[name]) for name in before)


def test_changes_grow_over_the_first_third_of_a_stage() -> None:
    adversary = Adversary(0.02, 0.1)
    assert adversary.size(FLOW, 0.0) == 0
    assert adversary.size(FLOW, 0.15) == pytest.approx(0.05)
    assert adversary.size(FLOW, 0.3) == adversary.size(FLOW, 1.0) == pytest.approx(0.1)
    assert adversary.size(RGB, 1.0) == pytest.approx(0.02)


def test_values_stay_in_the_range_of_their_stream() -> None:
    before = {name: (values - RGB.rest) * 20 for name, values in windows().items()}
    after = hardened(before, (RGB, FLOW), loss, Adversary(1.0, 1.0), 1.0, shares=ALL)
    assert float(after["rgb"].min()) >= 0
    assert float(after["rgb"].max()) <= 1
    assert FLOW.low <= float(after["flow"].min())
    assert float(after["flow"].max()) <= FLOW.high


def test_a_window_whose_loss_is_flat_or_broken_is_left_finite() -> None:
    before = windows()

    def flat(shown: Mapping[str, Tensor]) -> Tensor:
        return (shown["flow"] * 0).sum()

    def broken(shown: Mapping[str, Tensor]) -> Tensor:
        return (shown["flow"] * 0).sqrt().sum()  # its slope is not a number

    for bad in (flat, broken):
        after = hardened(before, (RGB, FLOW), bad, Adversary(flow=0.1), 1.0, shares=ALL)
        assert torch.equal(after["flow"], before["flow"].clamp(FLOW.low, FLOW.high))


@pytest.mark.parametrize("wrong", [{"rgb": -0.1}, {"rgb": 2.0}, {"flow": 1.5}, {"steps": 0}])
def test_an_impossible_adversary_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(MareyError, match="expected rgb and flow 0 to 1 and at least 1 step"):
        Adversary(**wrong)  # type: ignore[arg-type]
