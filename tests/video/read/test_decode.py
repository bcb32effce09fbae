import io
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from marey.errors import VideoError
from marey.video.read.container import Decoding
from marey.video.read.decode import frames_between, is_steady, mean_rate, probe, read_frames, read_video

WriteVideo = Callable[..., Path]
Plain = Callable[..., list[np.ndarray]]

STEPS = list(range(20, 220, 10))  # grays of twenty frames, far enough apart to survive coding


def brightness(frames) -> list[int]:
    return [round(float(frame.float().mean()) / 10) * 10 for frame in frames]


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("a.mp4", "libx264", "yuv420p"),
        ("a.mkv", "ffv1", "yuv420p"),
        ("a.avi", "mpeg4", "yuv420p"),
        ("a.avi", "mjpeg", "yuvj420p"),
        ("a.webm", "libvpx-vp9", "yuv420p"),
        ("a.mov", "png", "rgb24"),
        ("a.ts", "mpeg2video", "yuv420p"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*deprecated.*")
def test_any_container_gives_all_frames_in_order(write_video: WriteVideo, plain: Plain, name, codec, pixels):
    path = write_video(name, plain(STEPS), codec=codec, pixels=pixels, rate=25)
    video = read_video(path)
    assert brightness(video.frames) == STEPS
    assert video.times_seconds == pytest.approx([k / 25 for k in range(20)], abs=1e-3)
    assert video.rate == pytest.approx(25, rel=1e-3)
    info = probe(path)
    assert (info.height, info.width) == (48, 64)
    assert info.rate == pytest.approx(25)


def test_an_avi_with_reordered_frames_keeps_the_order_in_which_they_are_shown(write_video: WriteVideo, plain: Plain):
    path = write_video("b.avi", plain(STEPS), codec="mpeg4", options={"bf": "2", "g": "12", "b": "4000000"}, rate=25)
    video = read_video(path)
    assert brightness(video.frames) == STEPS
    assert np.diff(video.times_seconds) == pytest.approx(1 / 25)


def test_frames_are_found_by_the_times_at_which_they_are_shown_and_not_by_their_number(
    write_video: WriteVideo, plain: Plain
):
    path = write_video("v.mkv", plain([20, 60, 100, 140, 180]), ticks=[0, 100, 600, 650, 1000])
    assert read_video(path).times_seconds == pytest.approx([0, 0.1, 0.6, 0.65, 1.0], abs=2e-3)
    assert brightness(read_frames(path, [0.0, 0.3, 0.4, 0.61, 0.64, 0.99])) == [20, 60, 100, 100, 140, 180]


def test_a_jump_of_hours_in_the_time_stamps_is_taken_for_damage(write_video: WriteVideo, plain: Plain):
    path = write_video("j.mkv", plain([20, 60, 100, 140]), codec="ffv1", ticks=[0, 100, 90_000_000, 90_000_100])
    video = read_video(path)
    assert brightness(video.frames) == [20, 60, 100, 140]
    assert video.times_seconds[:2] == pytest.approx([0, 0.1])
    assert video.times_seconds[3] - video.times_seconds[2] == pytest.approx(0.1)
    assert video.times_seconds[3] < 60


def test_frames_come_in_the_order_asked_for_and_as_often(write_video: WriteVideo, plain: Plain):
    path = write_video("a.mp4", plain(STEPS))
    assert brightness(read_frames(path, [1.0, 0.0, 1.0, 0.5])) == [120, 20, 120, 70]


def test_the_last_frame_is_shown_until_its_time_is_over(write_video: WriteVideo, plain: Plain):
    path = write_video("a.mp4", plain(STEPS))
    assert brightness(read_frames(path, [1.99])) == [210]
    with pytest.raises(VideoError, match=r"shows nothing at 2\.2 s"):
        read_frames(path, [0.0, 2.2])


def test_seeking_finds_the_frames_that_decoding_from_the_start_finds(write_video: WriteVideo, plain: Plain):
    values = [20 + 10 * (k * 7 % 20) for k in range(120)]
    for name, options in (
        ("a.mp4", {"g": "15", "bf": "3"}),
        ("a.ts", {"g": "15", "bf": "2", "x264-params": "open-gop=1"}),
    ):
        path = write_video(name, plain(values), options=options)
        for seconds in (5.5, 7.0, 7.4, 9.9, 11.8):
            assert brightness(read_frames(path, [seconds])) == [values[round(seconds * 10)]], (name, seconds)


def test_a_part_holds_the_frames_from_start_until_before_stop(write_video: WriteVideo, plain: Plain):
    path = write_video("a.mp4", plain(STEPS))
    part = read_video(path, start_seconds=0.5, stop_seconds=0.8)
    assert brightness(part.frames) == [70, 80, 90]
    assert part.times_seconds == pytest.approx([0.5, 0.6, 0.7])


@pytest.mark.parametrize("size", [(35, 27), (1, 1), (17, 64)])
def test_odd_sizes_keep_every_pixel(write_video: WriteVideo, size):
    picture = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    path = write_video("odd.mkv", [picture] * 3, codec="ffv1", pixels="bgr0")
    assert np.array_equal(read_video(path).frames[2].numpy(), picture)


@pytest.mark.parametrize(("degrees", "matrix"), [(90, (0, 1, -1, 0)), (180, (-1, 0, 0, -1)), (270, (0, -1, 1, 0))])
def test_a_video_filmed_on_its_side_is_shown_upright(write_video: WriteVideo, degrees: int, matrix):
    upright = np.zeros((64, 48, 3), np.uint8)
    upright[:20, :16] = 255  # a bright upper left corner
    stored = np.ascontiguousarray(np.rot90(upright, degrees // 90))  # shown after turning clockwise by `degrees`
    path = write_video("r.mp4", [stored] * 3)
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 4 + 40  # ISO/IEC 14496-12: a, b, u, c, d, v, x, y, w of the track header
    a, b, c, d = ((value * 65536).to_bytes(4, "big", signed=True) for value in matrix)
    content[place : place + 8] = a + b
    content[place + 12 : place + 20] = c + d
    path.write_bytes(content)
    frame = read_video(path).frames[0]
    info = probe(path)
    assert (info.height, info.width) == tuple(frame.shape[:2]) == (64, 48)
    assert np.abs(frame.numpy().astype(int) - upright).mean() < 8


def test_a_stream_that_changes_its_size_is_given_in_its_first_size(
    tmp_path: Path, write_video: WriteVideo, plain: Plain
):
    small = write_video("small.ts", plain([40, 50], 48, 64)).read_bytes()
    large = write_video("large.ts", plain([60, 70], 96, 128)).read_bytes()
    path = tmp_path / "both.ts"
    path.write_bytes(small + large)
    frames = read_video(path).frames
    assert frames.shape[1:3] == (48, 64)
    assert brightness(frames) == [40, 50, 60, 70]


def test_a_folder_of_images_is_a_video_in_natural_order(tmp_path: Path, plain: Plain):
    for number, value in zip([10, 9, 1, 2], [120, 90, 10, 20], strict=True):
        Image.fromarray(plain([value])[0]).save(tmp_path / f"frame{number}.png")
    Image.fromarray(plain([250])[0]).save(tmp_path / "flow_x_00001.jpg")
    (tmp_path / "notes.txt").write_text("none")
    video = read_video(tmp_path)
    assert brightness(video.frames) == [10, 20, 90, 120]
    assert video.times_seconds == pytest.approx([0, 0.04, 0.08, 0.12])
    assert video.rate == pytest.approx(25)
    assert brightness(read_frames(tmp_path, [0.2], folder_rate=10)) == [90]
    assert probe(tmp_path).frames == 4


def test_a_cut_off_avi_gives_the_frames_that_are_there(write_video: WriteVideo, plain: Plain):
    path = write_video("a.avi", plain(STEPS), codec="mpeg4", options={"g": "1"}, rate=25)
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"idx1") // 2 + 3000])
    frames = read_video(path).frames
    assert 1 < len(frames) < 20
    assert brightness(frames[:-1]) == STEPS[: len(frames) - 1]  # the last one may be cut in its middle
    with pytest.raises(VideoError, match=r"has no frame from 0\.76 s on; there is one at"):
        read_video(path, start_seconds=0.76)


def test_an_avi_with_dropped_frames_shows_the_frame_before_for_longer(write_video: WriteVideo, plain: Plain):
    path = write_video("dropped.avi", plain(STEPS[:8]), codec="mjpeg", pixels="yuvj420p")
    content = path.read_bytes()
    start, index = content.index(b"movi") + 4, content.index(b"idx1")
    frames = content[start:index].split(b"00dc")[1:]
    frames[3] = frames[4] = bytes(4)  # chunks of size 0
    body = b"".join(b"00dc" + frame for frame in frames)
    size = (len(body) + 4).to_bytes(4, "little")
    path.write_bytes(content[: start - 8] + size + b"movi" + body)
    video = read_video(path)
    assert brightness(video.frames) == [20, 30, 40, 70, 80, 90]
    assert video.times_seconds == pytest.approx([0, 0.1, 0.2, 0.5, 0.6, 0.7])
    assert brightness(read_frames(path, [0.3, 0.4])) == [40, 70]


def test_damage_in_the_middle_costs_only_the_frames_that_depend_on_it(write_video: WriteVideo, plain: Plain):
    path = write_video("a.mkv", plain(STEPS), options={"g": "5", "bf": "0"})
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 20] = b"\xff" * 20
    path.write_bytes(content)
    frames = read_video(path).frames
    assert len(frames) >= 14
    assert brightness(frames)[0] == STEPS[0]
    assert brightness(frames)[-1] == STEPS[-1]


def test_a_video_of_which_most_is_damaged_is_refused(write_video: WriteVideo, plain: Plain):
    path = write_video("a.avi", plain(STEPS), codec="mjpeg", pixels="yuvj420p", rate=25)
    content = path.read_bytes()
    start = content.index(b"movi") + 4
    frames = content[start : content.index(b"idx1")].split(b"\xff\xd8\xff")
    for count, refused in ((8, False), (12, True)):
        spoiled = [frame.replace(b"\xff\xc0", b"\x00\x00") if k <= count else frame for k, frame in enumerate(frames)]
        body = b"\xff\xd8\xff".join(spoiled)
        path.write_bytes(content[:start] + body + content[start + len(body) :])
        told: list[str] = []
        shown = frames_between(path, 0.0, None, damaged=told.append)
        if refused:
            with pytest.raises(VideoError, match=r"a\.avi' is damaged: 12 of 20 packets are damaged, more than half"):
                list(shown)
        else:
            assert len(list(shown)) == 12 and told == ["8 of 20 packets are damaged"]


def bad_videos(folder: Path, write_video: WriteVideo, plain: Plain) -> dict[str, Path]:
    text = folder / "text.avi"
    text.write_text("This is no video. " * 200)
    empty = folder / "empty.mp4"
    empty.touch()
    cut = write_video("cut.mp4", plain(STEPS))
    cut.write_bytes(cut.read_bytes()[:1500])
    (folder / "no_images").mkdir()
    (folder / "no_images" / "readme.txt").write_text("nothing")
    sound = folder / "sound.wav"
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    (folder / "broken").mkdir()
    encoded = io.BytesIO()
    Image.fromarray(plain([50])[0]).save(encoded, format="jpeg")
    (folder / "broken" / "img_00001.jpg").write_bytes(encoded.getvalue()[:300])
    return {
        "cannot be opened as a video": text,
        "is an empty file": empty,
        r"cut\.mp4' has a video stream of an unknown codec, or is cut off": cut,
        "no video at": folder / "missing.avi",
        "holds no frame images": folder / "no_images",
        "has no video stream; it holds audio": sound,
        r"frame image '.*img_00001\.jpg' cannot be read": folder / "broken",
    }


def test_what_cannot_be_read_says_why_in_one_line(tmp_path: Path, write_video: WriteVideo, plain: Plain):
    for message, path in bad_videos(tmp_path, write_video, plain).items():
        for read in (read_video, probe, lambda path: read_frames(path, [0.0])):
            with pytest.raises(VideoError, match=message) as caught:
                read(path)
            assert "\n" not in str(caught.value)


@pytest.mark.parametrize("times", [[], [-1.0], [float("nan")], [float("inf")]])
def test_times_that_no_video_has_are_refused(write_video: WriteVideo, plain: Plain, times):
    with pytest.raises(VideoError, match="give seconds from 0 on"):
        read_frames(write_video("a.mp4", plain(STEPS)), times)
    with pytest.raises(VideoError, match="give 0 <= start < stop"):
        read_video(write_video("a.mp4", plain(STEPS)), start_seconds=1.0, stop_seconds=1.0)


def test_reading_damaged_videos_prints_nothing(
    tmp_path: Path, write_video: WriteVideo, plain: Plain, capfd: pytest.CaptureFixture[str]
):
    damaged = write_video("d.mkv", plain(STEPS))
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2 :: 7] = b"\x55" * len(content[len(content) // 2 :: 7])
    damaged.write_bytes(content)
    capfd.readouterr()  # the encoder's words
    for path in (*bad_videos(tmp_path, write_video, plain).values(), damaged):
        with suppress(VideoError):
            read_video(path)
    assert capfd.readouterr() == ("", "")


def test_a_steady_rate_is_told_from_a_varying_one():
    assert is_steady([0, 0.033, 0.067, 0.1])
    assert mean_rate([0, 0.033, 0.067, 0.1]) == pytest.approx(30)
    assert not is_steady([0, 0.1, 0.2, 0.4, 0.5])
    assert mean_rate([0, 0.1, 0.2, 0.4, 0.5]) == pytest.approx(10)


def test_real_clips_are_read_whole(real_clips: Path):
    video = read_video(real_clips / "weizmann" / "walk" / "denis_walk.avi")
    assert video.frames.shape == (68, 144, 180, 3)
    reordered = read_video(real_clips / "ut_interaction" / "kicking" / "set2_27_15_2.avi")
    assert len(reordered.frames) == 80
    assert np.diff(reordered.times_seconds) == pytest.approx(1 / 30)
    with_placeholders = read_video(real_clips / "ut_interaction" / "hugging" / "set2_49_19_1.avi")
    assert is_steady(with_placeholders.times_seconds)


@pytest.mark.parametrize(
    ("packets", "damaged", "fault"),
    [
        (20, 0, None),
        (18, 0, None),  # headers are off by a frame or two
        (10, 0, "cut off: 10 of 20 frames are there"),
        (10, 1, "cut off: 10 of 20 frames are there, 1 of them damaged"),
        (20, 1, "1 of 20 packets are damaged"),
    ],
)
def test_what_a_file_lacks_is_said(packets: int, damaged: int, fault: str | None) -> None:
    assert Decoding(packets=packets, damaged=damaged, promised=20).fault == fault
