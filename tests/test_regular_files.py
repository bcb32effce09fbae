"""What is no regular file is refused in one line before it is opened, at every door: opening a FIFO waits for ever."""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from marey.datasets.found_files import FoundFiles
from marey.datasets.list_files import beginning_of, text_of
from marey.errors import MareyError
from marey.families.loading import load
from marey.families.vgg_weights import checked_digest
from marey.families.weights import read_tensors
from marey.files import regular_file
from marey.maximization.result import PreferredInput
from marey.network.stream import flow_stacks, rgb_frames
from marey.recording import Recording
from marey.training.saved_state import open_state
from marey.training.settings import Settings
from marey.video.flow.cache import FlowCache
from marey.video.flow.files import DENSEFLOW, read_pairs
from marey.video.read.ahead import clip_windows
from marey.video.read.clips import Clip, load_clip
from marey.video.read.decode import probe, read_video

STREAMS = [rgb_frames(1, size=16), flow_stacks(1, length=1, size=16)]

DOORS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "probe": ("a.mp4", probe),
    "read": ("a.mp4", read_video),
    "load": ("a.mp4", lambda path: load_clip(Clip(path), STREAMS, cache=FlowCache(path.parent / "cache"))),
    "windows": ("a.mp4", lambda path: clip_windows(Clip(path), STREAMS, count=1, flow="dis")),
    "flow images": ("flow_x_00001.jpg", lambda path: read_pairs([(path, path)], DENSEFLOW)),
    "list": ("trainlist01.txt", text_of),
    "network": ("a.safetensors", load),
    "weights": ("a.pth", read_tensors),
    "ImageNet": ("vgg16.pth", checked_digest),
    "settings": ("a.json", Settings().with_file),
    "state": ("a.training", lambda path: open_state(path, {})),
    "recording": ("recording.json", lambda path: Recording.open(path.parent)),
    "preferred input": ("preferred_input.safetensors", lambda path: PreferredInput.open(path.parent)),
}


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    def late(*_: object) -> None:
        pytest.fail("it was opened")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("linked", [False, True])
def test_a_fifo_is_refused_at_every_door(tmp_path: Path, door: str, linked: bool):
    name, opens = DOORS[door]
    os.mkfifo(tmp_path / "pipe")
    if linked:
        (tmp_path / name).symlink_to(tmp_path / "pipe")
    else:
        (tmp_path / "pipe").rename(tmp_path / name)
    with pytest.raises(MareyError) as told:
        opens(tmp_path / name)
    assert "\n" not in str(told.value) and ("it is a FIFO" in str(told.value) or door == "state")
    assert beginning_of(tmp_path / name) == ""


def test_devices_and_sockets_are_refused_and_files_and_folders_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "zero.mp4").symlink_to("/dev/zero")
    with pytest.raises(MareyError, match=r"zero\.mp4' cannot be read: it is a device, and a regular file is expected"):
        read_video(tmp_path / "zero.mp4")
    monkeypatch.chdir(tmp_path)  # names of sockets are short
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("s.mp4")
        with pytest.raises(OSError, match="it is a socket"):
            regular_file("s.mp4")
    (tmp_path / "a").touch()
    assert regular_file(tmp_path / "a") == tmp_path / "a" and regular_file(str(tmp_path)) == tmp_path


def test_links_in_a_circle_are_refused_and_passed_over(tmp_path: Path):
    (tmp_path / "a.mp4").symlink_to(tmp_path / "a.mp4")
    with pytest.raises(MareyError, match="cannot be read: Too many levels of symbolic links"):
        read_video(tmp_path / "a.mp4")
    for one, other in (("walk", "run"), ("run", "walk")):
        (tmp_path / one).mkdir()
        (tmp_path / one / f"{one}.mp4").touch()
        for name in ("up", "here", "over"):
            (tmp_path / one / name).symlink_to({"up": tmp_path, "here": tmp_path / one, "over": tmp_path / other}[name])
    places = [path for path, _ in FoundFiles(tmp_path).anywhere(["walk", "run"])]
    assert [place.name for place in places] == ["walk.mp4", "run.mp4"] and all(place.exists() for place in places)
