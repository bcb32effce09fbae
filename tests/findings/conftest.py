"""Recordings with responses that a test chooses, so that the right answer is known."""

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from marey.network.layer import Layer
from marey.network.receptive_field import Field, ReceptiveField
from marey.network.stream import rgb_frames
from marey.recording import Recording
from marey.recording.layout import FORMAT
from marey.recording.summary import RecordedLayer
from marey.recording.write.tables import LayerUnits, write_recording


def _layer(name: str, units: int) -> Layer:
    field = Field(0, 1, 8)
    return Layer(name, "Linear", (units, 1, 1, 1), ReceptiveField({"rgb": (field, field, field)}))


def written(
    folder: Path, responses: Mapping[str, np.ndarray], labels: Sequence[str | None], groups: Sequence[str]
) -> Recording:
    """A recording with these responses (clip, unit) by layer."""
    layers = {name: asdict(RecordedLayer.of(_layer(name, values.shape[1]))) for name, values in responses.items()}
    stream = rgb_frames(1, size=8)
    provenance: dict[str, Any] = {
        "format": FORMAT,
        "network": {
            "name": "made",
            "weights": "0" * 64,
            "classes": sorted({label for label in labels if label is not None}),
            "scores": None,
            "streams": [stream.to_json()],
            "dtype": "float32",
            "device": "cpu",
        },
        "layers": layers,
        "settings": {},
        "clips": {"count": len(labels), "sha256": "0" * 64},
        "versions": {},
    }
    rows = [
        {
            "clip": number,
            "path": f"clips/{label}/{number:04d}.mp4",
            "start_seconds": 0.0,
            "stop_seconds": None,
            "label": label,
            "group": group,
            "flow": None,
            "bytes": 1,
            "failure": None,
            "frames": 8,
            "rate": 25.0,
            "padded": False,
            "damage": None,
            "start_frames": [0],
            "speeds": [],
            "prediction": None,
            "scores": [],
        }
        for number, (label, group) in enumerate(zip(labels, groups, strict=True))
    ]

    def responses_of(part: LayerUnits) -> dict[str, np.ndarray]:
        values = np.concatenate([responses[name].T[units] for name, units in part]).astype(np.float32)
        zeros = np.zeros(values.shape, np.int32)
        return {"maximum": values, "mean": values, "t": zeros, "y": zeros, "x": zeros, "start_frame": zeros} | {
            "seconds": values * 0
        }

    folder.mkdir(parents=True)
    write_recording(folder, provenance, rows, responses_of)
    return Recording.open(folder)


@pytest.fixture(scope="session")
def brightness() -> ModuleType:
    """The module `brightness.py`: clips and a network of which is known what its units need."""
    path = Path(__file__).with_name("brightness.py")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def recorded(tmp_path: Path) -> Callable[..., Recording]:
    def call(
        responses: Mapping[str, np.ndarray],
        labels: Sequence[str | None],
        groups: Sequence[str],
        name: str = "recording",
    ) -> Recording:
        return written(tmp_path / name, responses, labels, groups)

    return call


@pytest.fixture(scope="session")
def recording_in() -> Callable[..., Recording]:
    """As `recorded`, in a folder that is given, for fixtures that several tests share."""
    return written
