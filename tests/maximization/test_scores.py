"""Scores are relative to a known range, which says where it is from, and hold whatever the weights are scaled by."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from marey.maximization.objectives import Objective, unit
from marey.maximization.recipe import Recipe
from marey.maximization.result import PreferredInput
from marey.maximization.run import maximize
from marey.network.maxima import Maxima
from marey.network.measured_maxima import measured_maxima
from marey.network.network import Network
from marey.network.noise_clips import noise_clips

QUICK = Recipe(slowness=(0.0, 5.0), steps=12, precision="fp32", tolerance=0.0)


def _response(network: Network, result: PreferredInput, layer: str, chi: int = 0) -> Tensor:
    """What a layer responds (channel time height width) to a result that fills the input."""
    with torch.no_grad():
        return network.activations(result.inputs(chi), [layer])[layer][0]


def _range(network: Network, **change: Tensor) -> Maxima:
    """Ranges that differ from unit to unit."""
    units = {name: network.layer(name).units for name in ("fc", "fuse", "flow")}
    largest = {name: 0.5 + torch.arange(count) / 2 for name, count in units.items()} | change
    means = {name: values / 2 for name, values in largest.items()}
    return Maxima(largest, means, {name: values / 8 for name, values in largest.items()}, source="90 real clips")


def test_units_at_different_positions_are_scored_there_each_relative_to_its_own_range(network: Network) -> None:
    maxima = _range(network)
    places = {"fuse:1": (0, 2, 3), "fuse:4": (2, 7, 6)}
    target = unit("fuse:1@0,2,3") - 0.5 * unit("fuse:4@2,7,6")
    result = maximize(network, target, recipe=QUICK, maxima=maxima)
    for chi, score in enumerate(result.scores):
        volume = _response(network, result, "fuse", chi)
        expected = 0.0
        for (name, place), weight in zip(places.items(), (1.0, -0.5), strict=True):
            channel = int(name.removeprefix("fuse:"))
            ordinary, largest = maxima.ordinary["fuse"][channel], maxima.largest["fuse"][channel]
            expected += weight * float((volume[(channel, *place)] - ordinary) / (largest - ordinary))
        assert score == pytest.approx(expected, rel=1e-3)
    assert result.target == "fuse:1@0,2,3 - 0.5 * fuse:4@2,7,6"
    assert not any("everywhere" in note for notes in result.notes for note in notes)


def test_a_channel_everywhere_is_scored_by_its_mean_relative_to_the_largest_mean(network: Network) -> None:
    result = maximize(network, "fuse:2", recipe=replace(QUICK, where="everywhere"), maxima=_range(network))
    assert result.frames["rgb"].shape[-2:] == (10, 10)
    assert result.target == "fuse:2"
    assert (result.ordinary, result.reach) == pytest.approx((1.5 / 8, 1.5 / 2 - 1.5 / 8))
    mean = float(_response(network, result, "fuse", 1)[2].mean())
    assert result.relative(mean) == pytest.approx(result.scores[1], rel=1e-3)


def test_a_score_is_0_at_the_ordinary_response_and_1_at_the_largest(network: Network) -> None:
    maxima = Maxima({"fc": torch.tensor([-4.0, 1.0, 1.0])}, {}, {"fc": torch.tensor([-16.0, 0.0, 0.0])})
    result = maximize(network, "run", recipe=QUICK, maxima=maxima)
    score = float(_response(network, result, "fc")[0])
    assert result.scores[0] == pytest.approx((score + 16) / 12, rel=1e-4)
    assert (result.ordinary, result.reach) == (-16.0, 12.0)
    assert (result.relative(-16.0), result.relative(-4.0)) == (0.0, 1.0)


def test_the_source_of_maxima_is_told_as_it_is(network: Network) -> None:
    once = replace(QUICK, steps=1, slowness=(0.0,))
    given = _range(network).only(["fuse"])

    def source(target: str | Objective, **options: Any) -> str:
        return maximize(network, target, recipe=once, **options).source

    assert source("fuse:1") == "8 generated clips"
    assert source("fuse:1", maxima=given) == "90 real clips"
    network.maxima = replace(_range(network).only(["fuse", "fc"]), source="260 clips of 10 people")
    assert source("fuse:1") == "260 clips of 10 people"
    assert source("fuse:1", maxima=given) == "90 real clips", "what is given comes first"
    assert source("run", maxima=given) == "260 clips of 10 people"
    assert source("flow:1", maxima=given) == "8 generated clips"
    mixed = unit("fuse:1") + unit("fc:0") + unit("flow:1")
    assert source(mixed, maxima=given) == "90 real clips and 260 clips of 10 people and 8 generated clips"
    assert "8 generated clips" in repr(maximize(network, "flow:1", recipe=once))


@pytest.mark.parametrize(("factor", "shift"), [(1.0, -100.0), (3.0, 0.0), (0.2, -7.0)])
def test_scaled_weights_or_a_shifted_bias_change_neither_the_scores_nor_the_frames(
    network: Network, factor: float, shift: float
) -> None:
    def made() -> PreferredInput:
        maxima = measured_maxima(network, noise_clips(network, count=6), ["fc"], source="6 generated clips")
        return maximize(network, "jack", recipe=QUICK, maxima=maxima)

    with torch.no_grad():
        network.module.fc.weight *= 50  # scores that differ from clip to clip as those of trained networks
        network.module.fc.bias -= 1.0  # and lie on both sides of zero, so that they have no zero of their own
    before = made()
    with torch.no_grad():
        network.module.fc.weight *= factor
        network.module.fc.bias.mul_(factor).add_(shift)
    after = made()
    assert after.scores == pytest.approx(before.scores, abs=0.01)
    for name, frames in before.frames.items():
        torch.testing.assert_close(after.frames[name], frames, atol=0.02, rtol=0.02)
    assert before.ordinary is not None and after.ordinary == pytest.approx(factor * before.ordinary + shift, rel=1e-3)
