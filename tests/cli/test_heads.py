"""Networks whose head ends in probabilities, or has several: every command takes the scores before them."""

import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet
import pytest
import torch

import marey as library
from marey.evaluation.classify import class_scores

Marey = Callable[..., Any]

CODE = """
    import torch
    import marey
    from torch import nn


    class Net(nn.Module):
        def __init__(self, after):
            super().__init__()
            torch.manual_seed(0)
            self.stem, self.projection = nn.Conv2d(3, 8, 5, stride=4), nn.Linear(8, 3)
            self.projection.weight.data *= 40
            self.second, self.after = nn.Linear(8, 3), after

        def forward(self, frames):
            features = self.stem(frames.flatten(0, 1)).relu().mean((2, 3))
            return self.after(self.projection(features).unflatten(0, frames.shape[:2]), lambda: self.second(features))


    def made(after, **more):
        stream = marey.rgb_frames(4, size=16, layout="n t c h w")
        return marey.Network(Net(after), [stream], classes=["bend", "jack", "walk"], **more)


    def views():
        return made(lambda scores, _: scores.softmax(2).mean(1))


    def segments():
        return made(lambda scores, _: scores.mean(1))


    def named():
        return made(lambda scores, _: scores.mean(1), scores="projection")


    def heads():
        return made(lambda scores, second: (scores.mean(1), second()))


    def wrong():
        return made(lambda scores, _: scores.mean(1), scores="stem")
"""


@pytest.fixture
def source(tmp_path: Path) -> str:
    (tmp_path / "own.py").write_text(textwrap.dedent(CODE))
    return str(tmp_path / "own.py")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (12, 32, 32, 3), dtype=np.uint8)
    writer = cv2.VideoWriter(str(folder / "clip.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 25, (32, 32))
    for picture in noise:
        writer.write(picture)
    writer.release()
    return folder / "clip.avi"


@pytest.mark.parametrize(
    ("function", "layer"),
    [("views", "projection"), ("segments", "output"), ("named", "projection")],
)
def test_classes_are_maximized_recorded_and_classified_before_the_softmax(
    marey: Marey, source: str, clip: Path, tmp_path: Path, function: str, layer: str
) -> None:
    net = f"{source}:{function}"
    network = library.load(net)
    assert network.scores == layer
    said = marey("maximize", net, "walk", "--slowness", 0, "--steps", 2, "--out", tmp_path / "made")
    assert said.status == 0 and "walk  slowness 0:" in said.err
    assert marey("record", net, clip.parent, "--windows", 1, "--out", tmp_path / "recording").status == 0
    (row,) = pyarrow.parquet.read_table(tmp_path / "recording" / "clips.parquet").to_pylist()
    scores = class_scores(network, clip, windows=1)
    torch.testing.assert_close(torch.tensor(row["scores"]), scores, atol=1e-3, rtol=1e-3)
    own = _own(network, clip)
    expected = own if function == "views" else own.softmax(0)
    shown = {name: float(share) for name, share in re.findall(r"(\w+) +([\d.]+)%", _classified(marey, net, clip))}
    assert shown == pytest.approx(
        {name: float(100 * p) for name, p in zip(network.classes, expected, strict=True)}, abs=0.1
    )


def _classified(marey: Marey, net: str, clip: Path) -> str:
    said = marey("classify", net, clip, "--windows", 1)
    assert said.status == 0 and said.err == ""
    return str(said.out)


def _own(network: library.Network, clip: Path) -> torch.Tensor:
    """What the network itself returns for the middle window of a clip."""
    from marey.video.read.clips import Clip, load_clip, starts

    loaded = load_clip(Clip(clip), network.streams)
    window = loaded.window(network.streams, starts(loaded, network.streams, 1)[0])
    with torch.no_grad():
        output: Any = network.forward({"rgb": window["rgb"][None]})
    return torch.as_tensor(output[0])


@pytest.mark.filterwarnings("default")
def test_a_second_head_is_said_in_one_line(marey: Marey, source: str, clip: Path) -> None:
    said = marey("classify", f"{source}:heads", clip)
    assert said.status == 0
    assert said.err == (
        "marey: Net: class scores are those of 'output', but 'second' fits as well; "
        "name the right one with scores='...'.\n"
    )


def test_scores_that_are_no_scores_are_refused_before_anything_is_recorded(
    marey: Marey, source: str, clip: Path, tmp_path: Path
) -> None:
    for line in (
        ("classify", f"{source}:wrong", clip),
        ("record", f"{source}:wrong", clip.parent, "--out", tmp_path / "o"),
    ):
        said = marey(*line)
        assert said.status == 1
        assert said.err == (
            "marey: Net names 3 classes, but layer 'stem' gives 8 scores; name as many, or the right layer with "
            "scores='...'.\n"
        )
    assert (
        marey("maximize", f"{source}:wrong", "stem:1", "--slowness", 0, "--steps", 2, "--out", tmp_path / "m").status
        == 0
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [("net.onnx", "an ONNX file"), ("net.pt2", "an exported program"), ("net.torchscript", "a TorchScript file")],
)
def test_files_without_layers_are_refused(marey: Marey, tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / name).write_bytes(b"0")
    said = marey("layers", tmp_path / name)
    assert said.status == 1
    assert (
        f"is {words}, inside which hooks see no layer; give the Python module it was made from, as file.py" in said.err
    )
