"""Maxima that are measured on the clips of a folder are those that a slow loop over all windows finds."""

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import torch
from torch import nn

from marey.datasets import class_folders
from marey.errors import NetworkError, VideoError
from marey.network.network import Network
from marey.recording import measure_maxima
from marey.studies import study_clip
from marey.video.encode import write_mp4
from marey.video.read.clips import Clip, load_clip, starts

LAYERS = ["rgb.conv2_2", "fusion.conv5", "fusion.relu5", "scores"]


@pytest.fixture
def few(shapes: Path, tmp_path: Path) -> Path:
    """Three clips, one of them no video."""
    place = tmp_path / "few"
    place.mkdir()
    for clip in class_folders(shapes)[::30]:
        shutil.copy(clip.path, place / f"{clip.label}.mp4")
    (place / "text.avi").write_text("no video")
    return place


def test_they_are_those_of_a_slow_loop_over_all_windows(
    network: Network, few: Path, left_as_found: Callable[[nn.Module], AbstractContextManager[None]]
) -> None:
    with left_as_found(network.module):
        found = measure_maxima(network, few, LAYERS, flow="dis")
    largest: dict[str, list[torch.Tensor]] = {layer: [] for layer in LAYERS}
    means: dict[str, list[torch.Tensor]] = {layer: [] for layer in LAYERS}
    speeds = []
    for path in sorted(few.glob("*.mp4")):
        loaded = load_clip(Clip(path), network.streams, flow="dis")
        windows = [loaded.window(network.streams, start) for start in starts(loaded, network.streams, 3)]
        values: dict[str, list[torch.Tensor]] = {layer: [] for layer in LAYERS}
        for window in windows:
            with torch.no_grad():
                shown = {name: frames[None] for name, frames in window.items()}
                for layer, volume in network.activations(shown, LAYERS).items():
                    values[layer].append(volume[0].flatten(1))
        for layer in LAYERS:
            every = torch.cat(values[layer], 1)  # unit position
            largest[layer].append(every.amax(1))
            means[layer].append(every.mean(1))
        speeds.append(float(torch.stack([window["flow"] for window in windows]).norm(dim=1).square().mean().sqrt()))
    assert set(found.layers) == {*LAYERS}
    for layer in LAYERS:
        every = torch.stack(means[layer])  # clip unit
        ordinary = every.median(0).values if every.min() < 0 else torch.zeros(every.shape[1])
        torch.testing.assert_close(found.largest[layer], torch.stack(largest[layer]).amax(0), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(found.largest_mean[layer], torch.stack(means[layer]).amax(0), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(found.ordinary[layer], ordinary, atol=1e-5, rtol=1e-4)
    assert found.ordinary["scores"].any() and not found.ordinary["fusion.relu5"].any()
    assert found.bounds == {"flow": pytest.approx(5 * sum(speeds) / 2, rel=0.001)}
    assert found.source == f"2 clips of '{few.name}'"


def test_a_short_clip_is_padded_a_bad_one_told_and_none_left_is_an_error(network: Network, few: Path) -> None:
    short = study_clip("wave", 0, size=32, frames=3).frames
    write_mp4(short, few / "short.mp4")
    told: list[str] = []
    found = measure_maxima(network, few, ["fc6"], flow="dis", skipped=lambda clip, _: told.append(clip.path.name))
    assert found.source == f"3 clips of '{few.name}'" and told == ["text.avi"]
    for path in few.glob("*.mp4"):
        path.unlink()
    with pytest.raises(
        VideoError, match=r"none of the 1 clips of .* can be used; the first error: .* cannot be opened"
    ):
        measure_maxima(network, few, ["fc6"], flow="dis")


def test_of_many_clips_an_even_choice_is_shown(network: Network, shapes: Path) -> None:
    found = measure_maxima(network, shapes, ["fc6"], flow="dis", most_clips=2, windows=1)
    assert found.source == "2 clips of 'clips'"


def test_a_layer_that_is_not_there_is_told_before_the_clips_are_read(network: Network, few: Path) -> None:
    with pytest.raises(NetworkError, match=r"no layer 'fusion.conv6' in small. Did you mean 'fusion.conv5'"):
        measure_maxima(network, few / "nowhere", ["fusion.conv6"])
