"""Frames are bounded and measured in one pass as in two, and memory that is used again changes no result."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor

from marey.accelerate import frame_loops, measures
from marey.accelerate.compiled import compiled, numba_version
from marey.accelerate.measures import Limits, Priors, priors_of, projected, projected_with_priors
from marey.accelerate.scratch import Scratch

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
    from marey.accelerate import scratch

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


def _outcome(
    frames: Tensor, limits: Limits, *, wanted: Tensor, share: Tensor, scratch: Scratch | None = None
) -> list[Tensor]:
    """The frames within their limits, their priors, and the gradient where some of either is wanted."""
    frames = frames.clone().requires_grad_()
    weights = torch.tensor([[1.0, 0.5, 0.0], [0.3, 0.0, 2.0], [5.0, 1.0, 0.1]])
    inside, priors = projected_with_priors(frames, limits, weights, exponent=3.0, scratch=scratch)
    (gradient,) = torch.autograd.grad((inside * wanted).sum() + (share * priors.total).sum(), frames)
    return [inside.detach(), priors.total.detach(), priors.measures, gradient]


@pytest.fixture
def both_ways(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[list[Tensor], list[Tensor]]]:
    if numba_version() is None:
        pytest.skip("needs numba")

    def call(*given: object, **options: object) -> tuple[list[Tensor], list[Tensor]]:
        with monkeypatch.context() as patch:
            patch.setattr(measures, "_loops", lambda: None)
            plain = _outcome(*given, **options)  # type: ignore[arg-type]
        return plain, _outcome(*given, **options)  # type: ignore[arg-type]

    return call


@pytest.mark.parametrize(
    "shape", [(3, 2, 4, 5, 6), (3, 3, 1, 30, 40), (3, 2, 3, 1, 1), (3, 1, 2, 1, 9), (3, 2, 1, 7, 1)]
)
@pytest.mark.parametrize("factor", [0.2, 1.0, 3.0])
def test_compiled_loops_compute_the_same(
    both_ways: Callable[..., tuple[list[Tensor], list[Tensor]]], shape: tuple[int, ...], factor: float
) -> None:
    generator = torch.Generator().manual_seed(0)
    frames, wanted = (torch.randn(shape, generator=generator) for _ in range(2))
    for limits, share in product((LIMITS, replace(LIMITS, scale=1.0)), (torch.tensor([1.0, 0.0, 0.5]),)):
        plain, quick = both_ways(factor * frames, limits, wanted=wanted, share=share)
        for ours, theirs in zip(quick, plain, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
        assert float(quick[0].norm(dim=1).max()) <= limits.bound * (1 + 1e-6)


def test_compiled_loops_pass_on_what_is_no_number(
    both_ways: Callable[..., tuple[list[Tensor], list[Tensor]]],
) -> None:
    frames = torch.randn(3, 2, 4, 5, 6)
    frames[1, 0, 2, 3, 3] = float("nan")
    plain, quick = both_ways(frames, LIMITS, wanted=torch.ones_like(frames), share=torch.ones(3))
    for ways in (plain, quick):
        inside, total, _, gradient = ways
        assert inside[1].isnan().any() and total.isnan().tolist() == [False, True, False]
        assert gradient[1].isnan().any() and not gradient[[0, 2]].isnan().any()


def test_the_loops_do_uncompiled_what_they_do_compiled() -> None:
    if numba_version() is None:
        pytest.skip("needs numba")
    frames = np.random.default_rng(0).normal(size=(2, 2, 3, 4, 5)).astype(np.float32)
    ways = (frame_loops.variation, compiled(frame_loops.variation, any_order=True))
    found = []
    for way in ways:
        assert way is not None
        gradient = np.zeros_like(frames)
        sums = way(frames, (1, 5), np.full(2, 0.5, np.float32), np.full(2, 2.0, np.float32), gradient)
        found.append((gradient, sums))
    for plain, quick in zip(*found, strict=True):
        np.testing.assert_allclose(quick, plain, rtol=1e-5, atol=1e-5)


def test_threads_share_large_frames_to_the_same_end(monkeypatch: pytest.MonkeyPatch) -> None:
    if numba_version() is None:
        pytest.skip("needs numba")
    generator = torch.Generator().manual_seed(0)
    frames, wanted = (torch.randn(3, 2, 4, 5, 6, generator=generator) for _ in range(2))
    alone = _outcome(3 * frames, LIMITS, wanted=wanted, share=torch.ones(3))
    monkeypatch.setattr("marey.accelerate.compiled._WORTH", 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    scratch = Scratch()
    for _ in range(2):  # the second time in memory that was an outcome before
        together = _outcome(3 * frames, LIMITS, wanted=wanted, share=torch.ones(3), scratch=scratch)
        for one, other in zip(alone, together, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)
