"""What happens beside the passes of a recording is not recorded, and what was recorded is not kept in memory."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from weakref import WeakSet

import pytest
from torch import Tensor, nn

import marey
from marey.errors import NetworkError
from marey.network.network import Network
from marey.recording import Recording, RecordingSettings, record
from marey.recording.write import gathering
from marey.recording.write.gathering import shards_of
from marey.recording.write.shard import Shard
from marey.video.read.ahead import ClipWindows, windows_ahead
from marey.video.read.clips import Clip

Again = Callable[..., Recording]


def test_a_network_that_runs_between_two_shards_changes_nothing(
    recording: Recording, network: Network, clips: list[Clip], again: Again
) -> None:
    told: list[int] = []

    def report(done: int, count: int) -> None:
        told.append(done)
        network.forward(network.rest())

    found = again(clips, shard_clips=4, report=report)
    assert len(told) > 2
    for layer in recording.layers:
        assert found.matrix(layer).equal(recording.matrix(layer))


def test_memory_does_not_grow_with_the_number_of_clips(
    again: Again, shapes_clips: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    windows: WeakSet[Tensor] = WeakSet()
    shards: WeakSet[Shard] = WeakSet()
    alive: list[tuple[int, int]] = []

    def watched_windows(*words: Any, **options: Any) -> Iterator[tuple[Clip, ClipWindows | str]]:
        for clip, made in windows_ahead(*words, **options):
            assert isinstance(made, ClipWindows)
            windows.update(part for cut in made.cuts for part in cut.values())
            yield clip, made

    def watched_shards(*words: Any, **options: Any) -> Iterator[tuple[int, Shard]]:
        for index, shard in shards_of(*words, **options):
            shards.add(shard)
            yield index, shard

    monkeypatch.setattr(gathering, "windows_ahead", watched_windows)
    monkeypatch.setattr(sys.modules[record.__module__], "shards_of", watched_shards)
    again(shapes_clips, shard_clips=4, workers=1, report=lambda *_: alive.append((len(windows), len(shards))))
    assert len(alive) == 13
    assert max(count for count, _ in alive) <= 2 * 2 * 4  # of both streams those of two passes
    assert max(count for _, count in alive) <= 2  # one is written while the next one is made


class _Sleeper(nn.Module):
    """Calls a part of itself until it falls asleep."""

    def __init__(self) -> None:
        super().__init__()
        self.part, self.last = nn.Conv3d(3, 4, 1), nn.Conv3d(3, 2, 1)
        self.asleep = False

    def forward(self, rgb: Tensor) -> Tensor:
        if not self.asleep:
            self.part(rgb)
        scores: Tensor = self.last(rgb)
        return scores


def test_a_layer_that_is_not_called_is_told(clips: list[Clip], tmp_path: Path) -> None:
    sleeper = _Sleeper().eval()
    network = Network(sleeper, [marey.rgb_frames(2, size=16)])
    assert "part" in network.layers
    sleeper.asleep = True
    with pytest.raises(NetworkError, match="layer 'part' is not called in this pass; record the other layers"):
        record(network, clips[:2], ["part", "last"], out=tmp_path / "out", settings=RecordingSettings(flow="dis"))
