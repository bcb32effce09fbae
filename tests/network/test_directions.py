"""A direction is a set of units: it responds at each position, and what follows its layer does not see it."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from marey.errors import NetworkError
from marey.findings.specificity import specificity
from marey.findings.untrained import untrained
from marey.maximization.recipe import Recipe
from marey.maximization.run import maximize
from marey.network.directions import with_directions
from marey.network.network import Network
from marey.network.stream import rgb_frames
from marey.recording import record
from marey.video.read.clips import Clip

MATRIX = torch.tensor([[1.0, 1.0, 0.0], [1.0, -1.0, 0.0]])


def small() -> Network:
    """Units are red, green and blue at each position."""
    parts = {"maps": nn.Conv3d(3, 3, 1, bias=False), "relu": nn.ReLU(inplace=True), "pool": nn.AdaptiveMaxPool3d(1)}
    module = nn.Sequential()
    for name, part in (parts | {"flat": nn.Flatten(), "scores": nn.Linear(3, 2)}).items():
        module.add_module(name, part)
    with torch.no_grad():
        module.get_parameter("maps.weight").copy_(torch.eye(3)[:, :, None, None, None])
    return Network(module.eval(), [rgb_frames(1, size=8)], classes=("apart", "together"), scores="scores", name="small")


def test_the_network_gives_what_it_gave_and_its_directions_beside() -> None:
    network = small()
    before = network.weights_hash
    both = with_directions(network, {"maps": MATRIX, "scores": torch.ones(1, 2)})
    shown = {"rgb": torch.rand(2, 3, 1, 8, 8, generator=torch.Generator().manual_seed(0))}
    found = both.activations(shown, ["maps", "maps.directions", "scores", "scores.directions"])
    assert torch.equal(found["scores"], network.activations(shown, ["scores"])["scores"])
    expected = torch.einsum("du,nuthw->ndthw", MATRIX, found["maps"])
    torch.testing.assert_close(found["maps.directions"], expected)
    torch.testing.assert_close(found["scores.directions"], found["scores"].sum(1, keepdim=True))
    assert both.scores == "scores" and network.weights_hash == before
    assert "maps.directions" not in network.layers


def test_an_untrained_copy_is_asked_along_the_same_directions() -> None:
    copy = untrained(with_directions(small(), {"maps": MATRIX}), seed=1)
    assert torch.equal(copy.module.get_buffer("maps.directions.matrix"), MATRIX)


def test_a_direction_is_maximized_as_a_unit_is() -> None:
    network = with_directions(small(), {"maps": MATRIX})
    found = maximize(network, "maps.directions:1", recipe=Recipe(slowness=(0,), steps=32))
    red, green, _ = found.frames["rgb"][0].mean((1, 2, 3))
    assert red > green


@pytest.mark.slow
def test_a_direction_serves_a_class_that_no_unit_serves(tmp_path: Path) -> None:
    clips = []
    for group in range(8):
        for label in ("apart", "together"):
            picture = np.zeros((8, 8, 3), np.uint8)
            picture[1:3, 1:3, 2] = 200 + group  # red
            picture[(slice(1, 3), slice(1, 3)) if label == "together" else (slice(5, 7), slice(5, 7))][:, :, 1] = 200
            folder = tmp_path / f"{label}{group}"
            folder.mkdir()
            for frame in range(2):
                cv2.imwrite(str(folder / f"{frame}.png"), picture)
            clips.append(Clip(folder, label=label, group=f"person{group}"))
    network = with_directions(small(), {"maps": MATRIX})
    made = record(network, clips, ["maps", "maps.directions"], out=tmp_path / "recording")
    found = specificity(made, network=network, permutations=99)
    kinds = {(row["layer"], row["unit"]): row["class"] for row in found.tables["units"].to_pylist() if row["serves"]}
    assert kinds == {("maps.directions", 0): "together", ("maps.directions", 1): "apart"}


def test_a_matrix_of_other_units_is_refused() -> None:
    with pytest.raises(NetworkError, match=r"have the shape \(2, 3\); expected \(directions, 2\), a row for each"):
        with_directions(small(), {"scores": MATRIX})
    with pytest.raises(NetworkError, match=r"no layer 'mops' in small\. Did you mean 'maps'"):
        with_directions(small(), {"mops": MATRIX})
