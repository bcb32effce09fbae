"""A unit that is dead, sees no motion or has no preference for one is said to be so."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from types import ModuleType

import pytest
import torch
from torch import nn

from marey.maximization.diagnostics import NOISY, neighbor_correlation
from marey.maximization.recipe import Recipe
from marey.maximization.run import maximize
from marey.network.network import Network
from marey.network.stream import Stream, rgb_frames

LeftAsFound = Callable[[nn.Module], AbstractContextManager[None]]
FLOW = Stream("flow", "flow", times=(0, 1, 2, 3, 4), height=6, width=6)
QUICK = replace(Recipe(), slowness=(0.0, 5.0), steps=16, precision="fp32", tolerance=0.0)


def test_a_unit_that_never_fires_is_said_to_be_dead() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv3d(2, 2, 3), nn.ReLU())
    nn.init.constant_(module[0].bias, -1000.0)
    result = maximize(Network(module, [FLOW]), "1:0", recipe=QUICK)
    assert all(notes[0] == "dead: it never fires" for notes in result.notes)


def test_a_live_unit_is_not_said_to_be_dead_though_its_largest_response_is_below_zero() -> None:
    module = nn.Sequential(nn.Conv3d(2, 1, 3))
    nn.init.constant_(module[0].bias, -1000.0)
    result = maximize(Network(module, [FLOW]), "0:0", recipe=QUICK)
    assert not any("dead" in note for notes in result.notes for note in notes)


def test_a_unit_blind_to_motion_is_said_to_have_no_motion_preference(network: Network) -> None:
    with torch.no_grad():
        network.module.fuse.weight[:, 4:] = 0
        network.module.fuse.bias += 0.1
    result = maximize(network, "fuse:0", recipe=QUICK)
    assert all("no motion preference" in notes for notes in result.notes)


def test_a_unit_that_wants_motion_is_not_said_to_have_none(known: ModuleType) -> None:
    result = maximize(known.motion_network([(1.0, 0.0)]), "motions:0", recipe=replace(QUICK, steps=64))
    assert not any("no motion preference" in notes for notes in result.notes)


def test_a_unit_of_one_picture_sees_no_motion(known: ModuleType) -> None:
    result = maximize(known.edge_network([(0.0, known.RED_GREEN)]), "edges:0", recipe=QUICK)
    assert all("sees no motion" in notes for notes in result.notes)


def test_a_network_of_moving_rgb_sees_motion() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv3d(3, 2, (3, 3, 3), bias=False))
    with torch.no_grad():
        module[0].weight -= module[0].weight.mean(2, keepdim=True)  # still input gives nothing
    network = Network(module, [rgb_frames(5, size=9)])
    result = maximize(network, "0:0", recipe=QUICK)
    assert result.notes == ((), ())


def test_noise_is_told_from_uniform_motion() -> None:
    noise = torch.randn(2, 4, 12, 12, generator=torch.Generator().manual_seed(0))
    uniform = torch.full((2, 4, 12, 12), 2.0)
    halves = torch.cat([torch.full((2, 4, 12, 6), 1.0), torch.full((2, 4, 12, 6), -1.0)], -1)
    assert neighbor_correlation(noise) < NOISY
    assert neighbor_correlation(uniform + 0.05 * noise) > NOISY
    assert neighbor_correlation(halves + 0.1 * noise) > NOISY


def test_shares_of_all_terms_add_up_to_one_and_the_score_has_the_weight_of_the_recipe(network: Network) -> None:
    result = maximize(network, "run", recipe=QUICK)
    for shares, score in zip(result.shares, result.scores, strict=True):
        assert sum(shares.values()) == pytest.approx(1.0)
        assert set(shares) == {"score", *(f"{kind} of {stream}{where}" for stream in ("rgb", "flow")
                                          for kind, where in (("energy", ""), ("variation", " in space"),
                                                              ("variation", " in time")))}  # fmt: skip
        assert score > 0 and shares["score"] > 0
    heavy = maximize(network, "run", recipe=replace(QUICK, weight=200.0))
    assert heavy.shares[0]["score"] > result.shares[0]["score"]


def test_class_inputs_say_what_the_network_takes_them_for(network: Network) -> None:
    for result in maximize(network, ["run", "jack", "bend"], recipe=replace(QUICK, steps=32)):
        with torch.no_grad():
            chosen = network.activations(result.inputs(0), ["fc"])["fc"].flatten().argmax()
        assert result.recognized[0] == network.classes[int(chosen)]
    assert maximize(network, "flow:1", recipe=QUICK).recognized == (None, None), "it does not fill the input"
