import errno
import os
import resource
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from marey.errors import MareyError, OutputError
from marey.video import encode
from marey.video.encode import Picture, video_encoder, write_mp4, write_png, write_webp

COLORS = np.array([[255, 0, 0], [0, 160, 0], [30, 30, 230], [255, 255, 255], [128, 128, 128]], dtype=np.uint8)
WRITERS = {"mp4": write_mp4}


def colored_frames(height: int = 48, width: int = 64) -> Picture:
    """Five frames, each of one color."""
    return np.broadcast_to(COLORS[:, None, None], (len(COLORS), height, width, 3)).copy()


def decoded(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def test_an_mp4_is_what_browsers_play(tmp_path: Path) -> None:
    write_mp4(colored_frames(), tmp_path / "a.mp4", rate=10)
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert stream.average_rate == 10
        assert stream.frames == 5
        assert float(container.duration / av.time_base) == pytest.approx(0.5)
        assert (stream.codec_context.colorspace, stream.codec_context.color_range) == (1, 1)  # BT.709, limited
    raw = (tmp_path / "a.mp4").read_bytes()
    assert 0 < raw.index(b"moov") < raw.index(b"mdat"), "the index comes first, so that play starts before the end"


def test_colors_survive_the_mp4(tmp_path: Path) -> None:
    write_mp4(colored_frames(), tmp_path / "a.mp4")
    for frame, color in zip(decoded(tmp_path / "a.mp4"), COLORS, strict=True):
        shown = frame.to_ndarray(format="rgb24")
        assert np.abs(shown[24, 32].astype(int) - color.astype(int)).max() <= 6


def test_frames_are_shown_at_their_rate(tmp_path: Path) -> None:
    write_mp4(colored_frames(), tmp_path / "a.mp4", rate=12.5)
    assert [frame.time for frame in decoded(tmp_path / "a.mp4")] == pytest.approx([k / 12.5 for k in range(5)])


def test_odd_sizes_are_padded_by_the_edge(tmp_path: Path) -> None:
    write_mp4(colored_frames(47, 63), tmp_path / "a.mp4")
    frame = decoded(tmp_path / "a.mp4")[0]
    assert (frame.height, frame.width) == (48, 64)
    assert np.abs(frame.to_ndarray(format="rgb24")[-1, -1].astype(int) - COLORS[0]).max() <= 8


def test_a_png_holds_the_very_pixels(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    write_png(picture, tmp_path / "new" / "folder" / "a.png")
    with Image.open(tmp_path / "new" / "folder" / "a.png") as image:
        assert np.array_equal(np.asarray(image), picture)


def test_a_webp_keeps_its_opacity(tmp_path: Path) -> None:
    picture = np.zeros((8, 8, 4), np.uint8)
    picture[:4] = (200, 100, 50, 128)
    write_webp(picture, tmp_path / "a.webp")
    with Image.open(tmp_path / "a.webp") as image:
        assert np.array_equal(np.asarray(image)[..., 3], picture[..., 3])


@pytest.mark.parametrize("name", ["mp4", "png"])
@pytest.mark.parametrize("moment", ["replace", "fsync"])
def test_a_full_disk_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, moment: str
) -> None:
    path = tmp_path / f"a.{name}"
    path.write_bytes(b"old")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, moment, full)
    write, pictures = (write_png, colored_frames()[0]) if name == "png" else (WRITERS[name], colored_frames())
    with pytest.raises(OutputError, match=r"cannot write '.*': No space left on device\. What was there is unchanged"):
        write(pictures, path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["mp4"])
def test_a_write_that_fails_midway_leaves_what_was_there(tmp_path: Path, name: str) -> None:
    """The system refuses to let the file grow: the same path through the libraries as a full disk."""
    path = tmp_path / f"a.{name}"
    path.write_bytes(b"old")
    frames = np.random.default_rng(0).integers(0, 256, (4, 128, 128, 3), dtype=np.uint8)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(OutputError, match=rf"cannot write '{path}': File too large\."):
            WRITERS[name](frames, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_unwritable_folder_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for name, write in WRITERS.items():
        with pytest.raises(OutputError, match="cannot write"):
            write(colored_frames(), tmp_path / "file" / f"a.{name}")
    (tmp_path / "taken.png").mkdir()
    with pytest.raises(OutputError, match="cannot write"):
        write_png(colored_frames()[0], tmp_path / "taken.png")


def test_pictures_of_other_kinds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MareyError, match="dtype float64; expected uint8"):
        write_mp4(np.zeros((2, 8, 8, 3)), tmp_path / "a.mp4")  # type: ignore[arg-type]
    with pytest.raises(MareyError, match=r"shape \(8, 8, 3\); expected \(time, height, width, 3\)"):
        write_mp4(np.zeros((8, 8, 3), np.uint8), tmp_path / "a.mp4")
    with pytest.raises(MareyError, match=r"shape \(0, 8, 8, 3\)"):
        write_mp4(np.zeros((0, 8, 8, 3), np.uint8), tmp_path / "a.mp4")
    with pytest.raises(MareyError, match="rate is 0"):
        write_mp4(colored_frames(), tmp_path / "a.mp4", rate=0)
    assert list(tmp_path.iterdir()) == []


def test_without_an_h264_encoder_the_next_best_is_taken_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encode, "_ENCODERS", ("libnothing", "mpeg4"))
    video_encoder.cache_clear()
    try:
        with pytest.warns(RuntimeWarning, match="no H.264 encoder"):
            write_mp4(colored_frames(), tmp_path / "a.mp4")
    finally:
        video_encoder.cache_clear()
    frames = decoded(tmp_path / "a.mp4")
    assert len(frames) == 5


def test_the_wheel_of_pyav_brings_an_h264_encoder() -> None:
    assert video_encoder() in ("libx264", "libopenh264")
