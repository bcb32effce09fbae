"""Preferred inputs are taken apart at the unit's own place, and what is of other weights is refused."""

from pathlib import Path

import pytest
import torch

from marey.errors import MareyError
from marey.families.two_stream import TwoStream
from marey.findings.preferred_parts import preferred_parts
from marey.maximization.recipe import Recipe
from marey.maximization.result import PreferredInput
from marey.maximization.result_folder import folder_names
from marey.maximization.run import maximize
from marey.network.network import Network


def small_network(seed: int = 0) -> Network:
    torch.manual_seed(seed)
    module = TwoStream(3, size=32, width=1 / 16, frames=2, stack=3, step=3, fc=16)
    return Network(module.eval(), module.input_streams(), classes=("a", "b", "c"), name="small")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("preferred")
    targets = ["a", "b", "fusion.conv5:2", "rgb.conv1_1:0"]
    for one in maximize(small_network(), targets, recipe=Recipe(steps=4, slowness=(0.0,))):
        one.save(made / folder_names([one.label])[0])
    return made


def test_parts_are_the_responses_with_streams_at_rest(folder: Path) -> None:
    network = small_network()
    found = {one.unit: one for one in preferred_parts(network, folder)}
    assert set(found) == {"scores:0", "scores:1", next(unit for unit in found if unit.startswith("fusion.conv5:2"))}
    shown = PreferredInput.open(folder / folder_names(["a"])[0]).inputs(0)
    other = PreferredInput.open(folder / folder_names(["b"])[0]).inputs(0)
    rest = network.rest()

    def score(rgb: torch.Tensor, flow: torch.Tensor) -> float:
        with torch.no_grad():
            return float(network.activations({"rgb": rgb, "flow": flow}, ["scores"])["scores"][0, 0])

    both, neither = score(shown["rgb"], shown["flow"]), score(rest["rgb"], rest["flow"])
    appearance, motion = score(shown["rgb"], rest["flow"]), score(rest["rgb"], shown["flow"])
    one = found["scores:0"]
    assert (one.both, one.appearance) == pytest.approx((both, appearance), rel=1e-3, abs=1e-5)
    assert (one.motion, one.neither) == pytest.approx((motion, neither), rel=1e-3, abs=1e-5)
    assert one.synergy == pytest.approx((both - appearance - motion + neither) / (both - neither), abs=1e-2)
    with_other = score(shown["rgb"], other["flow"]) - appearance - score(rest["rgb"], other["flow"]) + neither
    assert one.with_other == pytest.approx(with_other / (both - neither), abs=1e-2)


def test_a_neuron_before_its_relu_adds_up(folder: Path) -> None:
    neuron = next(one for one in preferred_parts(small_network(), folder) if one.unit.startswith("fusion"))
    assert abs(neuron.synergy) < 1e-3
    assert neuron.with_other is None


def test_preferred_inputs_of_other_weights_and_folders_without_any_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(MareyError, match="is of other weights than small; make it again"):
        preferred_parts(small_network(seed=1), folder)
    with pytest.raises(MareyError, match=r"holds no preferred input .*; make some with `marey maximize`"):
        preferred_parts(small_network(), tmp_path)
