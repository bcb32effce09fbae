"""A small network, whose weights are random, and recordings of it on the moving shapes."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from marey.datasets import class_folders
from marey.families.two_stream import TwoStream
from marey.network.network import Network
from marey.recording import Recording, record
from marey.recording.write.settings import RecordingSettings
from marey.video.read.clips import Clip

LAYERS = ["rgb.conv1_1", "flow.relu3_3", "fusion.*", "fc6", "scores"]
SETTINGS = RecordingSettings(flow="dis", windows=2, batch=4)


def small_network(seed: int = 0) -> Network:
    torch.manual_seed(seed)
    module = TwoStream(6, size=32, width=1 / 16, frames=2, stack=3, step=3, fc=16)
    classes = ("disc_down", "disc_left", "disc_right", "square_down", "square_left", "square_right")
    return Network(module.eval(), module.input_streams(), classes=classes, name="small")


@pytest.fixture(scope="session")
def hashes() -> Callable[[Recording | Path], dict[str, str]]:
    """SHA-256 of every file in a folder, or of a recording, by its path."""

    def call(found: Recording | Path) -> dict[str, str]:
        folder = found.folder if isinstance(found, Recording) else found
        return {
            str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }

    return call


@pytest.fixture(scope="session")
def small() -> Callable[..., Network]:
    return small_network


@pytest.fixture(scope="session")
def network() -> Network:
    return small_network()


@pytest.fixture(scope="session")
def shapes_clips(shapes: Path) -> list[Clip]:
    return list(class_folders(shapes))


@pytest.fixture(scope="session")
def clips(shapes_clips: list[Clip]) -> list[Clip]:
    return shapes_clips[::2]


@pytest.fixture(scope="session")
def recording(network: Network, clips: list[Clip], tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """24 clips in one uninterrupted run, which every other way must equal."""
    return record(
        network, clips, LAYERS, out=tmp_path_factory.mktemp("recorded") / "all", settings=SETTINGS, shard_clips=24
    )


@pytest.fixture(scope="session")
def again(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Recording]:
    """`again(clips, ...)` records as `recording` was, in a folder of its own."""

    def call(clips: list[Clip], **options: Any) -> Recording:
        given = {"out": tmp_path_factory.mktemp("again") / "out", "settings": SETTINGS, **options}
        return record(network, clips, LAYERS, **given)

    return call
