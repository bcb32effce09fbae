import errno
import os
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

import marey.video.flow.cache as flow_cache
from marey.errors import VideoError
from marey.files import DRAFT_SUFFIX
from marey.video.flow.cache import FlowCache, default_folder
from marey.video.flow.methods import optical_flow


@pytest.fixture
def computed(monkeypatch) -> list[str]:
    """The methods of the computations so far."""
    methods: list[str] = []

    def counted(frames, *, method, bound):
        methods.append(method)
        return optical_flow(frames, method=method, bound=bound)

    monkeypatch.setattr(flow_cache, "optical_flow", counted)
    return methods


def test_flow_from_the_cache_is_the_flow_that_was_computed(tmp_path: Path, slide, computed):
    frames = slide(2, 1, frames=3)
    first = FlowCache(tmp_path).optical_flow(frames, method="farneback")
    again = FlowCache(tmp_path).optical_flow(frames, method="farneback")
    assert computed == ["farneback"]
    assert again.dtype == torch.float16
    assert torch.equal(first, again)
    exact = optical_flow(frames, method="farneback", bound=None)
    assert ((again.float() - exact).abs() <= exact.abs() / 2048 + 1e-7).all()


def test_other_frames_methods_settings_and_versions_are_other_entries(tmp_path: Path, slide, computed, monkeypatch):
    cache = FlowCache(tmp_path)
    frames = slide(2, 1)
    changed = frames.clone()
    changed[0, 0, 0, 0] ^= 1
    cache.optical_flow(frames, method="dis")
    cache.optical_flow(changed, method="dis")
    cache.optical_flow(frames, method="farneback")
    monkeypatch.setattr(flow_cache, "SETTINGS", {"dis": {"preset": 0}})
    cache.optical_flow(frames, method="dis")
    monkeypatch.setattr(flow_cache.cv2, "__version__", "0.0.0")
    cache.optical_flow(frames, method="dis")
    assert len(computed) == len(list(tmp_path.iterdir())) == 5


def test_frames_of_the_same_bytes_but_another_shape_are_other_frames(tmp_path: Path, slide, computed):
    cache = FlowCache(tmp_path)
    frames = slide(2, 1, height=40, width=80)
    cache.optical_flow(frames, method="dis")
    cache.optical_flow(frames.reshape(2, 80, 40, 3), method="dis")
    assert len(computed) == 2


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "foreign"])
def test_a_damaged_entry_is_computed_again_and_put_right(tmp_path: Path, slide, computed, damage):
    cache = FlowCache(tmp_path)
    frames = slide(2, 1)
    first = cache.optical_flow(frames, method="dis")
    (entry,) = tmp_path.iterdir()
    whole = entry.read_bytes()
    damaged = bytearray(whole)
    damaged[len(damaged) // 2] ^= 1
    entry.write_bytes({"flip": bytes(damaged), "cut": whole[:1000], "empty": b"", "foreign": b"x" * 5000}[damage])
    assert torch.equal(cache.optical_flow(frames, method="dis"), first)
    assert entry.read_bytes() == whole
    assert len(computed) == 2


def test_entries_unused_for_longest_go_first_when_the_limit_is_reached(tmp_path: Path, slide, computed):
    clips = [slide(k / 2, 0) for k in range(4)]
    size = 32 + 128 + 2 * 64 * 80 * 2
    cache = FlowCache(tmp_path, limit_bytes=3 * size)
    for age, clip in zip((30, 20, 10), clips, strict=False):
        before = set(tmp_path.iterdir())
        cache.optical_flow(clip, method="dis")
        (new,) = set(tmp_path.iterdir()) - before
        os.utime(new, (time.time() - age,) * 2)
    cache.optical_flow(clips[0], method="dis")  # used now, so that clips[1] is the oldest
    cache.optical_flow(clips[3], method="dis")
    assert len(computed) == 4
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= cache.limit_bytes
    cache.optical_flow(clips[0], method="dis")
    cache.optical_flow(clips[2], method="dis")
    assert len(computed) == 4
    cache.optical_flow(clips[1], method="dis")
    assert len(computed) == 5


def test_an_entry_above_the_limit_is_not_kept(tmp_path: Path, slide):
    FlowCache(tmp_path, limit_bytes=100).optical_flow(slide(1, 0), method="dis")
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_of_the_cache_is_left_alone(tmp_path: Path, slide):
    stranger = tmp_path / "thesis.flow"
    stranger.write_bytes(b"x" * 10**6)
    stale = tmp_path / f".killed{DRAFT_SUFFIX}"
    stale.write_bytes(b"x")
    os.utime(stale, (0, 0))
    running = tmp_path / f".running{DRAFT_SUFFIX}"
    running.write_bytes(b"x")
    FlowCache(tmp_path, limit_bytes=50_000).optical_flow(slide(1, 0), method="dis")
    assert stranger.exists()
    assert running.exists()
    assert not stale.exists()


def test_a_full_disk_leaves_no_half_entry_and_is_told_once(tmp_path: Path, slide, monkeypatch):
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    cache = FlowCache(tmp_path)
    frames = slide(2, 1)
    with pytest.warns(UserWarning, match=r"flow is not cached: cannot write '.*': No space left on device\."):
        flow = cache.optical_flow(frames, method="dis")
    assert torch.equal(flow, optical_flow(frames, method="dis", bound=None).half())
    assert list(tmp_path.iterdir()) == []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cache.optical_flow(frames, method="dis")


def test_a_folder_that_cannot_be_made_only_warns(tmp_path: Path, slide):
    (tmp_path / "file").touch()
    with pytest.warns(UserWarning, match="flow is not cached"):
        FlowCache(tmp_path / "file" / "cache").optical_flow(slide(1, 0), method="dis")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the administrator may write anywhere")
def test_a_read_only_folder_only_warns(tmp_path: Path, slide):
    tmp_path.chmod(0o500)
    with pytest.warns(UserWarning, match="Permission denied"):
        FlowCache(tmp_path).optical_flow(slide(1, 0), method="dis")


def test_the_default_folder_is_that_of_the_environment(monkeypatch, tmp_path: Path):
    monkeypatch.setenv("MAREY_CACHE", str(tmp_path / "here"))
    assert default_folder() == tmp_path / "here"
    assert FlowCache().folder == tmp_path / "here" / "flow"
    monkeypatch.delenv("MAREY_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert default_folder() == Path.home() / ".cache" / "marey"


def test_two_at_once_share_a_folder_and_always_get_the_right_flow(tmp_path: Path):
    entries = 3  # of six clips, so that each removes what the other is about to read
    limit = entries * (32 + 128 + 2 * 2 * 40 * 40 * 2)
    clips = [torch.randint(0, 256, (3, 40, 40, 3), dtype=torch.uint8, generator=torch.manual_seed(k)) for k in range(6)]
    truth = [optical_flow(clip, method="dis", bound=None).half() for clip in clips]

    def wrong(order: list[int]) -> list[int]:
        cache = FlowCache(tmp_path, limit_bytes=limit)
        return [k for k in order if not torch.equal(cache.optical_flow(clips[k], method="dis"), truth[k])]

    orders = [[*range(6)] * 10, [*range(5, -1, -1)] * 10]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(wrong, orders)) == [[], []]
    kept = list(tmp_path.iterdir())
    assert {path.suffix for path in kept} == {".marey-flow"}
    assert len(kept) <= entries


def test_a_process_killed_while_it_writes_leaves_nothing_that_is_read(tmp_path: Path, slide, monkeypatch, computed):
    def killed(descriptor: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", killed)
        with pytest.raises(KeyboardInterrupt):
            FlowCache(tmp_path).optical_flow(slide(1, 0), method="dis")
    assert list(tmp_path.iterdir()) == []
    FlowCache(tmp_path).optical_flow(slide(1, 0), method="dis")
    assert len(computed) == 2


@pytest.mark.parametrize(("given", "limit"), [(None, 20 * 2**30), ("", 20 * 2**30), ("0.5", 2**29)])
def test_the_limit_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given, limit):
    monkeypatch.delenv("MAREY_CACHE_GB", raising=False)
    if given is not None:
        monkeypatch.setenv("MAREY_CACHE_GB", given)
    assert FlowCache(tmp_path).limit_bytes == limit
    assert FlowCache(tmp_path, limit_bytes=7).limit_bytes == 7


@pytest.mark.parametrize("given", ["much", "0", "-1", "inf", "nan"])
def test_a_limit_that_is_no_size_is_an_error(monkeypatch: pytest.MonkeyPatch, given):
    monkeypatch.setenv("MAREY_CACHE_GB", given)
    with pytest.raises(VideoError, match=f"MAREY_CACHE_GB is '{given}'; expected a number above 0, in GiB"):
        FlowCache()
