"""The margin of a class: raised instead of its score, it lowers the other classes; results tell the score."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from marey.maximization.recipe import Recipe
from marey.maximization.result import PreferredInput
from marey.maximization.run import maximize
from marey.maximization.targets import targets_of
from marey.network.network import Network
from marey.network.stream import rgb_frames


def _scores(network: Network, result: PreferredInput) -> Tensor:
    """The class scores (class 1 1 1) of a result that fills the input."""
    with torch.no_grad():
        return network.activations(result.inputs(0), ["4"])["4"][0]


def test_raising_the_margin_of_a_class_lowers_the_others_and_the_score_is_still_told() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv3d(3, 8, (2, 5, 5)), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(8, 4)
    )
    network = Network(module, [rgb_frames(4, size=12)], classes=("a", "b", "c", "d"))
    recipe = Recipe(slowness=(0.0,), steps=24, precision="fp32")
    found = {
        of_class: maximize(network, list("abcd"), recipe=replace(recipe, of_class=of_class), parametrization="fourier")
        for of_class in ("score", "margin", None)
    }
    lower = 0
    for plain, above, usual in zip(*found.values(), strict=True):
        number = network.classes.index(plain.label)
        raised = targets_of(network, [plain.label], None, where="center", of_class="margin")[0].raised
        assert raised is not None
        by_score, by_margin = (float(raised.value({"4": _scores(network, one)})) for one in (plain, above))
        assert by_margin > by_score - 1e-6
        lower += by_margin > by_score + 1
        assert above.scores == usual.scores, "what is usual for networks that see RGB alone"
        assert above.ordinary is not None and above.reach is not None
        told = (float(_scores(network, above)[number]) - above.ordinary) / above.reach
        assert above.scores[0] == pytest.approx(told, abs=1e-3)
    assert lower > 0
