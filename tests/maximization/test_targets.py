"""From a name to an objective with positions, its ranges, and the part of the input that it sees."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from marey.errors import NetworkError
from marey.maximization.objectives import Margin, Objective, Term, direction, unit
from marey.maximization.recipe import Where
from marey.maximization.targets import Named, Target, targets_of
from marey.network.maxima import Maxima
from marey.network.network import Network
from marey.network.stream import rgb_frames

RANGES = Maxima(
    {"fuse": torch.full((6,), 4.0), "flow": torch.full((4,), 3.0), "fc": torch.full((3,), 5.0)},
    {"fuse": torch.full((6,), 2.0)},
    {"fuse": torch.full((6,), 1.0)},
    source="90 real clips",
)


def _target(network: Network, named: Named, *, where: Where = "center") -> Target:
    (found,) = targets_of(network, [named], RANGES, where=where)
    return found


@pytest.mark.parametrize("named", ["fuse:2", unit("fuse:2"), unit("fuse:2@2,5,5"), "fuse:2@2,-5,5"])
def test_a_unit_without_a_position_stands_for_the_neuron_in_the_middle(network: Network, named: Named) -> None:
    found = _target(network, named)
    assert found.objective == unit("fuse:2@2,5,5") and found.scales == ((1.0, 3.0),)
    assert found.crop.mode != "whole" and found.placed.position == found.crop.position


def test_everywhere_it_stands_for_the_mean_of_all_positions(network: Network) -> None:
    found = _target(network, "fuse:2", where="everywhere")
    assert found.objective == found.placed == unit("fuse:2") and found.scales == ((1.0, 1.0),)
    assert found.crop.mode == "whole"


@pytest.mark.parametrize("where", ["center", "everywhere"])
def test_a_class_has_one_position_and_the_whole_input(network: Network, where: Where) -> None:
    found = _target(network, "jack", where=where)
    assert (found.label, found.crop.mode, found.scales) == ("jack", "whole", ((0.0, 5.0),))


def test_units_at_different_positions_keep_them_and_share_the_whole_frame(network: Network) -> None:
    both = unit("fuse:1@0,2,3") + unit("fuse:4@2,7,6")
    found = _target(network, both)
    assert found.objective == found.placed == both
    assert found.crop.mode == "whole" and found.scales == ((1.0, 3.0), (1.0, 3.0))


def test_units_of_two_layers_keep_their_positions_in_the_whole_frame(network: Network) -> None:
    found = _target(network, unit("fuse:1") + unit("flow:2"))
    assert found.placed == unit("fuse:1@2,5,5") + unit("flow:2@2,5,5")
    assert found.crop.mode == "whole" and set(found.crop.corners) == {"rgb", "flow"}


def test_targets_of_one_layer_and_position_share_a_crop(network: Network) -> None:
    one, other, aside = targets_of(network, ["fuse:1", "fuse:3", "fuse:3@1,4,4"], RANGES, where="center")
    assert one.crop is other.crop and aside.crop is not one.crop


def test_a_term_of_ones_own_counts_as_it_is_unless_it_says_what_it_is_relative_to(network: Network) -> None:
    @dataclass(frozen=True)
    class Power(Term):
        layer: str

        @property
        def layers(self) -> frozenset[str]:
            return frozenset({self.layer})

        def value(self, activations: dict[str, Tensor]) -> Tensor:  # type: ignore[override]
            return activations[self.layer].square().mean()

    assert _target(network, Objective.of(Power("fuse"))).scales == ((0.0, 1.0),)
    with pytest.raises(NetworkError, match="no layer 'fuze'"):
        _target(network, Objective.of(Power("fuze")))


def test_what_is_given_comes_before_the_networks_file_and_generated_clips_come_last(network: Network) -> None:
    network.maxima = Maxima({"fuse": torch.full((6,), 9.0), "rgb": torch.full((4,), 2.0)}, source="the network's clips")
    given, of_file = targets_of(network, ["fuse:1", "rgb:1"], RANGES, where="center")
    assert (given.source, of_file.source) == ("90 real clips", "the network's clips")
    assert of_file.scales == ((0.0, 2.0),)
    (generated,) = targets_of(network, ["flow:1"], None, where="center")
    assert generated.source == "8 generated clips" and generated.scales[0].reach > 0


def test_nothing_is_measured_where_all_ranges_are_known(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("marey.maximization.targets.noise_clips", lambda *_, **__: pytest.fail("measured"))
    targets_of(network, ["fuse:1", direction("flow", [1.0, 0.0, 0.0, 1.0])], RANGES, where="center")
    assert network.maxima is None, "nothing is written into the network"


def _rgb_alone(classes: tuple[str, ...]) -> Network:
    module = nn.Sequential(nn.Conv3d(3, 2, 3), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(2, len(classes)))
    return Network(module, [rgb_frames(4, size=8)], classes=classes)


def test_of_a_class_of_a_network_that_sees_rgb_alone_the_margin_is_raised(network: Network) -> None:
    alone, one_class = _rgb_alone(("a", "b", "c")), _rgb_alone(("a",))
    (found,) = targets_of(alone, ["b"], None, where="center")
    assert isinstance(found.raised, Margin) and found.objective == unit("3:1@0,0,0")
    scores = torch.tensor([1.0, 3.0, -2.0])
    relative = (scores - torch.tensor(found.raised.ordinary)) / torch.tensor(found.raised.reach)
    value = found.raised.value({"3": scores.view(3, 1, 1, 1)})
    assert float(value) == pytest.approx(float(relative[1] - (8 * relative[[0, 2]]).logsumexp(0) / 8))
    assert found.scales == ((found.raised.ordinary[1], found.raised.reach[1]),)
    for named in ("0:1", unit("3:1") - unit("3:0"), -1 * unit("3:1")):
        assert targets_of(alone, [named], None, where="center")[0].raised is None
    assert targets_of(alone, ["b"], None, where="center", of_class="score")[0].raised is None
    assert targets_of(one_class, ["a"], None, where="center")[0].raised is None
    label = network.classes[0]
    assert _target(network, label).raised is None, "it sees flow"
    assert targets_of(network, [label], RANGES, where="center", of_class="margin")[0].raised is not None
