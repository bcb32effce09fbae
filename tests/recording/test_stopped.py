"""A recording that was stopped, killed, or made by several at once is the one that nobody disturbed."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from marey.errors import MareyError, OutputError
from marey.network.network import Network
from marey.recording import Recording, RecordingSettings, record
from marey.recording.chosen_layers import chosen_layers
from marey.recording.write import begun as begun_module
from marey.recording.write.plan import planned
from marey.video.read.clips import Clip

pytestmark = pytest.mark.slow

record_module = sys.modules[record.__module__]
Again = Callable[..., Recording]
Hashes = Callable[[Recording | Path], dict[str, str]]


# 30 times in all: the plan, 6 shards, 5 files of the whole
@pytest.mark.parametrize("moment", [1, 3, 4, 6, 15, 17, 19, 22, 24])
def test_stopped_at_any_moment_it_goes_on_to_the_same_bytes(
    recording: Recording,
    clips: list[Clip],
    again: Again,
    hashes: Hashes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    moment: int,
) -> None:
    calls = count(1)

    def stopping(call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*words: Any) -> Any:
            found = call(*words)
            if next(calls) == moment:
                raise KeyboardInterrupt
            return found

        return called

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", stopping(os.fsync))
        patch.setattr(Path, "replace", stopping(Path.replace))
        with pytest.raises(KeyboardInterrupt):
            again(clips, out=tmp_path / "out", shard_clips=4)
    assert hashes(again(clips, out=tmp_path / "out", shard_clips=4)) == hashes(recording)


def test_killed_processes_and_several_at_once_give_the_same_bytes(tmp_path: Path) -> None:
    script = Path(__file__).parents[2] / "benchmarks" / "recording_kills.py"
    words = [sys.executable, str(script), "--kills", "2", "--processes", "3", "--people", "1", "--out", str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "process: 2 kills, 0 different" in done.stdout and "3 processes at once: the same" in done.stdout


@pytest.fixture
def begun(clips: list[Clip], again: Again, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recording of all clips in shards of four that was stopped before its end."""

    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    folder = tmp_path / "begun"
    with monkeypatch.context() as patch:
        patch.setattr(record_module, "finish", stop)
        with pytest.raises(KeyboardInterrupt):
            again(clips, out=folder, shard_clips=4)
    return folder


def test_another_may_end_the_recording_whenever_this_one_looks_at_its_folder(
    recording: Recording,
    network: Network,
    clips: list[Clip],
    again: Again,
    hashes: Hashes,
    begun: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    layers = chosen_layers(network, list(recording.layers))
    plan = planned(network, clips, layers, RecordingSettings(flow="dis", windows=2, batch=4), shard_clips=4)
    completed = record_module.completed
    for moment in count():
        folder = shutil.copytree(begun, tmp_path / str(moment))
        looks = 0

        def looking(call: Callable[..., Any], folder: Path = folder, moment: int = moment) -> Callable[..., Any]:
            def look(path: Path, *words: Any, **options: Any) -> Any:
                nonlocal looks
                found = call(path, *words, **options)
                found = iter([*found]) if isinstance(found, Iterator) else found
                if path == folder or folder in path.parents:
                    looks += 1
                    if looks == moment + 1:
                        completed(folder, plan, network, lambda _: iter(()), None)
                return found

            return look

        with monkeypatch.context() as patch:
            for name in ("exists", "is_file", "is_dir", "iterdir", "read_text", "mkdir"):
                patch.setattr(Path, name, looking(getattr(Path, name)))
            begun_module.prepare(folder, plan)
        assert hashes(again(clips, out=folder, shard_clips=4)) == hashes(recording)
        shutil.rmtree(folder)
        if looks <= moment:
            break
    assert moment > 3


def test_where_no_folder_can_be_made_it_says_so_and_ends(again: Again, clips: list[Clip]) -> None:
    with pytest.raises(
        OutputError, match=r"cannot write '/proc/recorded': No such file or directory\. Choose a writable"
    ):
        again(clips, out="/proc/recorded")


def test_shards_that_changed_places_are_refused(clips: list[Clip], again: Again, begun: Path, tmp_path: Path) -> None:
    first, second = sorted((begun / "unfinished").glob("*.safetensors"))[:2]
    first.rename(tmp_path / "kept")
    second.rename(first)
    (tmp_path / "kept").rename(second)
    with pytest.raises(MareyError, match=r"000000\.safetensors' is damaged \(it holds other clips than its name says"):
        again(clips, out=begun, shard_clips=4)
