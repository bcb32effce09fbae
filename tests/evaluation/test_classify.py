"""Clips are classified by the mean over their windows, and what cannot be used is left out by name."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

import marey
from marey.datasets import ClipSet, class_folders
from marey.errors import DatasetError, NetworkError, VideoError
from marey.evaluation.classify import class_scores, evaluated
from marey.network.network import Network
from marey.network.stream import rgb_frames
from marey.training.fit import Trained
from marey.video.read.clips import Clip, load_clip, starts

pytestmark = pytest.mark.slow


@pytest.fixture
def network(trained: tuple[Path, Trained]) -> Network:
    return marey.load(trained[0])


@pytest.fixture
def clips(shapes: Path) -> ClipSet:
    return class_folders(shapes)[::8]


def test_scores_are_the_mean_over_windows(
    network: Network, clips: ClipSet, left_as_found: Callable[[nn.Module], AbstractContextManager[None]]
) -> None:
    loaded = load_clip(clips[0], network.streams, flow="dis")
    windows = [loaded.window(network.streams, start) for start in starts(loaded, network.streams, 3)]
    assert len(windows) == 3
    with torch.no_grad():
        rows = [
            network.module(*(stream.to_network(window[stream.name][None]) for stream in network.streams))[0]
            for window in windows
        ]
    with left_as_found(network.module):
        found = class_scores(network, clips[0].path, windows=3, flow="dis")
    assert torch.allclose(found, torch.stack(rows).mean(0), atol=1e-3)


def test_probabilities_are_those_of_the_mean_scores(network: Network, clips: ClipSet) -> None:
    found = evaluated(network, clips[:2], windows=3, flow="dis")
    expected = torch.stack([class_scores(network, clip, windows=3, flow="dis").softmax(0) for clip in clips[:2]])
    assert torch.allclose(found.probabilities, expected) and found.classes == network.classes


def test_clips_that_cannot_be_read_are_skipped_and_counted(network: Network, clips: ClipSet, tmp_path: Path) -> None:
    (tmp_path / "text.avi").write_text("no video")
    bad = Clip(tmp_path / "text.avi", label=clips[0].label)
    gone = Clip(tmp_path / "gone.avi", label=clips[0].label)
    found = evaluated(network, [clips[0], bad, gone], windows=1, flow="dis")
    assert found.clips == (str(clips[0].path),) and len(found.labels) == 1
    assert [one.path for one in found.skipped] == [str(bad.path), str(gone.path)]
    assert "cannot be opened as a video" in found.skipped[0].reason and "no video at" in found.skipped[1].reason
    assert found.total == 3 and found.accuracy_of_all == found.right / 3
    assert found.skipped_of(str(clips[0].label)) == 2 and found.to_json()["total"] == 3


def test_of_a_clip_that_is_too_short_the_last_frame_is_held(network: Network, clips: ClipSet) -> None:
    short = replace(clips[1], stop_seconds=0.1)
    found = evaluated(network, [clips[0], short], windows=3, flow="dis")
    assert found.padded == (str(short.path),) and found.skipped == ()
    loaded = load_clip(short, network.streams, flow="dis")
    assert loaded.frames == 3
    window = loaded.window(network.streams)
    assert window["flow"][:, 2:].abs().max() == 0
    scores = class_scores(network, short, windows=3, flow="dis")
    with torch.no_grad():
        inputs = {name: values[None] for name, values in window.items()}
        expected = network.activations(inputs, [network.scores])[network.scores].flatten()
    assert torch.allclose(scores, expected, atol=1e-3)
    assert torch.allclose(found.probabilities[1], scores.softmax(0))


def test_a_clip_that_is_cut_off_is_used_and_told(network: Network, clips: ClipSet, tmp_path: Path) -> None:
    import av

    path = tmp_path / "cut.avi"
    with av.open(str(clips[0].path)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream("mpeg4", rate=25, options={"g": "1"})
        stream.width = stream.height = 32
        for frame in source.decode(video=0):
            target.mux(stream.encode(frame.reformat(format="yuv420p")))
        target.mux(stream.encode(None))
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"movi") + (len(content) - content.index(b"movi")) // 2])
    found = evaluated(network, [Clip(path, label=clips[0].label)], windows=1, flow="dis")
    ((name, what),) = found.damaged
    assert name == str(path) and ("cut off" in what or "damaged" in what)


def test_when_no_clip_can_be_used_the_first_reason_is_said(network: Network, tmp_path: Path) -> None:
    (tmp_path / "text.avi").write_text("no video")
    with pytest.raises(DatasetError, match=r"no clip can be used; the first error: .*text.avi' cannot be opened"):
        evaluated(network, [Clip(tmp_path / "text.avi", label="disc_left")])
    with pytest.raises(DatasetError, match="there is no clip"):
        evaluated(network, [])


def test_a_label_that_the_network_does_not_know_is_an_error(network: Network, clips: ClipSet) -> None:
    with pytest.raises(DatasetError, match=r"of class 'disc_lft', which tiny does not know. Did you mean 'disc_left'"):
        evaluated(network, [replace(clips[0], label="disc_lft")])


def test_a_network_without_classes_cannot_classify(clips: ClipSet) -> None:
    network = Network(nn.Conv3d(3, 2, 1), [rgb_frames(1, size=8)])
    with pytest.raises(NetworkError, match="Conv3d has no class names, so it cannot classify; give"):
        class_scores(network, clips[0])


def test_a_network_with_other_classes_than_scores_cannot_classify(clips: ClipSet) -> None:
    module = nn.Sequential(nn.Conv3d(3, 2, 1), nn.AdaptiveAvgPool3d(1))
    network = Network(module, [rgb_frames(1, size=8)], classes=["a", "b", "c"], scores="1")
    with pytest.raises(NetworkError, match="names 3 classes, but layer '1' gives 2 scores"):
        class_scores(network, clips[0])


def test_no_windows_and_no_video_are_errors(network: Network, clips: ClipSet, tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="windows is 0; expected at least 1"):
        class_scores(network, clips[0], windows=0)
    with pytest.raises(VideoError, match="no video at"):
        class_scores(network, tmp_path / "absent.avi")
