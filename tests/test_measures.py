"""Frames are bounded and measured in one pass as in two, and memory that is used again changes no result."""

import pytest
import torch
from torch import Tensor

from marey.measures import Limits, Priors, priors_of, projected, projected_with_priors
from marey.scratch import Scratch

LIMITS = Limits(bound=2.0, low=-1.5, high=3.0, scale=2.0)


def _frames() -> Tensor:
    return torch.randn(3, 2, 4, 5, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def _weights() -> Tensor:
    return torch.tensor([[1.0, 0.5, 0.0], [0.3, 0.0, 2.0], [5.0, 1.0, 0.1]], dtype=torch.float64)


def _in_two(frames: Tensor) -> tuple[Tensor, Priors]:
    inside = projected(frames, LIMITS)
    return inside, priors_of(inside, LIMITS.bound, _weights(), exponent=3.0)


@pytest.mark.parametrize("scratch", [None, Scratch()])
def test_bound_and_priors_at_once_are_those_one_after_the_other_with_their_gradient(scratch: Scratch | None) -> None:
    for factor in (0.2, 1.0, 3.0):
        frames = (factor * _frames()).requires_grad_()
        outcomes = [
            _in_two(frames),
            projected_with_priors(frames, LIMITS, _weights(), exponent=3.0, scratch=scratch),
        ]
        gradients = []
        for inside, priors in outcomes:
            (gradient,) = torch.autograd.grad(inside.square().sum() + priors.total.sum(), frames)
            gradients.append(gradient.clone())
        torch.testing.assert_close(outcomes[1][0], outcomes[0][0])
        torch.testing.assert_close(outcomes[1][1].measures, outcomes[0][1].measures)
        torch.testing.assert_close(outcomes[1][1].total, outcomes[0][1].total)
        torch.testing.assert_close(*gradients)


def test_priors_alone_or_frames_alone_have_a_gradient_too() -> None:
    frames = (3 * _frames()).requires_grad_()

    def parts(frames: Tensor) -> tuple[Tensor, Tensor]:
        inside, priors = projected_with_priors(frames, LIMITS, _weights(), exponent=3.0)
        return inside, priors.total

    assert torch.autograd.gradcheck(lambda x: parts(x)[0], (frames,))
    assert torch.autograd.gradcheck(lambda x: parts(x)[1], (frames,))


def test_the_total_is_the_weighted_sum_of_the_measures() -> None:
    priors = priors_of(_frames(), 2.0, _weights(), exponent=3.0)
    torch.testing.assert_close(priors.total, (_weights() * priors.measures).sum(0))


def test_frames_in_units_of_a_scale_are_those_that_they_stand_for() -> None:
    frames = _frames()
    scaled = projected(frames, LIMITS)
    plain = projected(LIMITS.scale * frames, Limits(LIMITS.bound, LIMITS.low, LIMITS.high))
    torch.testing.assert_close(scaled, plain)
    assert float(scaled.norm(dim=1).max()) <= LIMITS.bound + 1e-9


def test_many_clips_in_several_parts_come_out_as_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from marey import scratch

    whole = _in_two(_frames())
    monkeypatch.setattr(scratch, "_AT_ONCE", 1)
    parts = _in_two(_frames())
    torch.testing.assert_close(parts[0], whole[0])
    torch.testing.assert_close(parts[1].measures, whole[1].measures)


def test_scratch_gives_the_same_memory_for_the_same_shape_and_purpose_only() -> None:
    scratch, like = Scratch(), torch.zeros(1)
    first = scratch.empty((2, 3), like, "one")
    assert scratch.empty((2, 3), like, "one") is first
    others = [scratch.empty((3, 2), like, "one"), scratch.empty((2, 3), like, "other")]
    others.append(scratch.empty((2, 3), like, "one", torch.bfloat16))
    assert all(other.data_ptr() != first.data_ptr() for other in others)
