"""A network whose only joint unit is known, on clips of moving shapes; and what cannot be asked."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from marey.datasets import class_folders
from marey.errors import MareyError, NetworkError
from marey.families.two_stream import TwoStream
from marey.findings.finding import Finding
from marey.findings.fusion import fusion
from marey.findings.fusion_tables import with_preferred
from marey.findings.preferred_parts import PreferredParts
from marey.network.network import Network
from marey.network.stream import Stream, rgb_frames
from marey.recording import Recording, record
from marey.recording.write.settings import RecordingSettings

CLASSES = ("disc_down", "disc_left", "disc_right", "square_down", "square_left", "square_right")


class Shapes(nn.Module):
    """Sees how red the clip is, and how much in it goes right; scores for a class each, of which one is joint."""

    def __init__(self) -> None:
        super().__init__()
        self.red, self.right = Mean([[12.0, 0.0, -12.0]]), Mean([[6.0, 0.0], [0.0, 6.0]])
        self.joined = nn.Conv3d(3, 3, 1)
        self.on = nn.ReLU()
        with torch.no_grad():
            self.joined.weight.copy_(torch.tensor([[1.0, 1, 0], [1, 0, 0], [0, 1, 0]]).view(3, 3, 1, 1, 1))
            self.joined.bias.copy_(torch.tensor([-1.2, 2.0, 2.0]))

    def forward(self, rgb: Tensor, flow: Tensor) -> Tensor:
        return self.on(self.joined(torch.cat((self.red(rgb), self.right(flow)), 1)))


class Mean(nn.Module):
    """Weighted sums of channels, as means over the clip."""

    def __init__(self, weights: list[list[float]]) -> None:
        super().__init__()
        self.weighted = nn.Conv3d(len(weights[0]), len(weights), 1, bias=False)
        with torch.no_grad():
            self.weighted.weight.copy_(torch.tensor(weights)[..., None, None, None])

    def forward(self, clips: Tensor) -> Tensor:
        return self.weighted(clips).mean((2, 3, 4), keepdim=True).tanh()


def shapes_network() -> Network:
    streams = (rgb_frames(2, step=3, first=1, size=32), Stream("flow", "flow", (0, 1, 2, 3), 32, 32))
    return Network(Shapes().eval(), streams, name="shapes")


def recorded_on(network: Network, shapes: Path, out: Path, layers: list[str]) -> Recording:
    return record(
        network, list(class_folders(shapes)), layers, out=out, settings=RecordingSettings(flow="dis", windows=1)
    )


@pytest.fixture(scope="module")
def found(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Finding:
    network = shapes_network()
    recording = recorded_on(network, shapes, tmp_path_factory.mktemp("fusion") / "recording", ["*"])
    return fusion(recording, network, flow="dis", permutations=199)


def test_the_unit_that_needs_both_is_joint_and_the_others_are_not(found: Finding) -> None:
    rows = {(row["layer"], row["unit"]): row for row in found.tables["units"].to_pylist()}
    assert {address for address, row in rows.items() if row["kind"] == "joint"} == {("on", 0)}
    assert rows["on", 0]["class"] == "disc_right"
    assert [rows["on", unit]["kind"] for unit in (1, 2)] == ["appearance", "motion"]
    assert rows["joined", 0]["both"] == 0  # a sum, before its ReLU


def test_the_sentence_says_the_share_with_all_that_has_nothing_to_find(found: Finding) -> None:
    assert "Of 6 units of 2 layers 17 %" in found.sentence
    assert "(motions of other clips: 0 %; re-paired fusion: " in found.sentence
    assert "an untrained copy: 0 %" in found.sentence
    assert [series.null for series in found.chart.series] == [False, True, True]
    assert found.evidence[0].unit == "on:0"
    assert found.tables["classes"].num_rows == 0  # the network has no class scores


def test_it_opens_as_it_was_saved(found: Finding, tmp_path: Path) -> None:
    assert str(Finding.open(found.save(tmp_path / "fusion"))) == str(found)


def test_a_network_with_random_weights_and_late_fusion_join_next_to_nothing(shapes: Path, tmp_path: Path) -> None:
    def two_stream(fusion: str) -> Network:
        torch.manual_seed(0)
        module = TwoStream(6, size=32, width=1 / 16, frames=2, stack=3, step=3, fc=16, fusion=fusion)  # type: ignore[arg-type]
        return Network(module.eval(), module.input_streams(), classes=CLASSES, name=fusion)

    network = two_stream("conv5")
    recording = recorded_on(network, shapes, tmp_path / "recording", ["fusion.conv5", "fc6", "scores"])
    done: list[tuple[int, int]] = []
    told = lambda *counts: done.append(counts)  # noqa: E731
    found = fusion(recording, network, late=two_stream("late"), flow="dis", clips=24, permutations=199, report=told)
    joint = {
        one.of: one.value for one in (*found.measures, *found.nulls) if one.name.startswith("units that respond more")
    }
    assert joint["late fusion"] == 0
    assert joint["the network"] <= 0.1
    assert found.remarks == ("24 of 48 labeled clips are asked, chosen evenly from every class",)
    assert [row["both"] for row in found.tables["classes"].to_pylist() if row["of"] == "late fusion"] == [0] * 6
    assert done[-1][0] == done[-1][1]


def test_preferred_inputs_are_told_beside_the_clips(found: Finding) -> None:
    pieces = [PreferredParts("on:0", 2.0, 0.5, 0.0, 0.0, 0.25), PreferredParts("on:1", 0.0, 0.0, 0.0, 0.0, None)]
    with_them = with_preferred(found, pieces, "the network")
    assert (with_them.measures[-1].value, with_them.measures[-1].count) == (0.75, 1)
    assert (with_them.nulls[-1].of, with_them.nulls[-1].value) == ("another unit's motion", 0.25)
    assert with_them.tables["preferred"].num_rows == 2


def one_stream() -> Network:
    module = TwoStream(6, streams=("rgb",), size=32, width=1 / 16, frames=2, stack=3, step=3, fc=16)
    return Network(module.eval(), module.input_streams(), classes=CLASSES, name="rgb only")


def test_a_network_without_flow_is_refused(recorded: Callable[..., Recording]) -> None:
    recording = recorded({"scores": np.zeros((4, 2))}, ["a", "b"] * 2, list("aabb"))
    with pytest.raises(
        MareyError, match="rgb only is shown rgb alone; only a network with a stream of RGB and one of fl"
    ):
        fusion(recording, one_stream())


def test_layers_that_see_one_kind_or_were_not_recorded_are_refused(recorded: Callable[..., Recording]) -> None:
    recording = recorded({"red": np.zeros((4, 1))}, ["a", "b"] * 2, list("aabb"))
    with pytest.raises(MareyError, match=r"layer 'red' sees one kind of stream only; ask about .* such as 'joined'"):
        fusion(recording, shapes_network(), ["red"])
    with pytest.raises(MareyError, match="has no layer that sees both streams; record 'joined'"):
        fusion(recording, shapes_network())
    with pytest.raises(NetworkError, match="layer 'joined' is not in the recording"):
        fusion(recording, shapes_network(), ["joined"])


def test_clips_of_one_class_and_too_few_permutations_are_refused(recorded: Callable[..., Recording]) -> None:
    recording = recorded({"on": np.zeros((4, 3))}, ["a"] * 4, list("aabb"))
    with pytest.raises(MareyError, match="clips of one class only, 'a'"):
        fusion(recording, shapes_network())
    with pytest.raises(MareyError, match="permutations is 50; the test of many units needs at least 100"):
        fusion(recording, shapes_network(), permutations=50)
