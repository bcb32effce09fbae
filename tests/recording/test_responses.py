"""What units respond to one clip is read relative to what they respond to many."""

import pytest
import torch

from marey.network.maxima import Maxima
from marey.network.network import Network
from marey.recording import Recording, clip_responses, strongest_responses


def test_the_responses_to_a_recorded_clip_are_those_recorded(recording: Recording, network: Network) -> None:
    found = clip_responses(network, recording.clip(3), list(recording.layers), windows=2, flow="dis")
    for layer, values in found.items():
        torch.testing.assert_close(values, recording.matrix(layer)[3], atol=1e-5, rtol=1e-4)


def test_units_are_ranked_by_how_far_they_come_from_ordinary_to_largest() -> None:
    maxima = Maxima({"fc6": torch.tensor([1.0, 10.0, 2.0, -4.0])}, {}, {"fc6": torch.tensor([0.0, 0.0, 0.0, -8.0])})
    (ranked,) = strongest_responses({"fc6": torch.tensor([0.5, 9.0, -1.0, -5.0])}, maxima).values()
    assert [(one.unit.channel, one.value, one.relative) for one in ranked] == [
        (1, 9.0, pytest.approx(0.9)),
        (3, -5.0, 0.75),
        (0, 0.5, 0.5),
    ]
    (first,) = strongest_responses({"fc6": torch.tensor([0.5, 9.0, -1.0, -5.0])}, maxima, 1)["fc6"]
    assert first.unit.channel == 1
