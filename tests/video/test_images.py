"""Images of any mode come to 8 bits: scaled, upright, and the same for all images of a folder."""

import io
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from PIL import Image

from marey.errors import VideoError
from marey.video.flow.files import DENSEFLOW, read_flow
from marey.video.images import read_image
from marey.video.read.decode import read_video

RAMP = np.tile(np.arange(256), (16, 1))
GRAY = RAMP.astype(np.uint8)

SCALED = {
    "16.png": RAMP.astype(np.uint16) * 257,
    "16.tiff": RAMP.astype(np.uint16) * 257,
    "color.png": np.repeat(RAMP.astype(np.uint16)[..., None] * 257, 3, -1),
    "color.tiff": np.repeat(RAMP.astype(np.uint16)[..., None] * 257, 3, -1),
    "signed.tiff": (RAMP * 32767 / 255).astype(np.int16),
    "32.tiff": (RAMP * 16843009 / 2).astype(np.int32),
    "small.tiff": RAMP.astype(np.int32),
    "float.tiff": (RAMP / 255).astype(np.float32),
    "bytes.tiff": RAMP.astype(np.float32),
}


@pytest.mark.parametrize("name", SCALED)
def test_more_than_8_bits_are_scaled(tmp_path: Path, name: str):
    assert cv2.imwrite(str(tmp_path / name), SCALED[name])
    found = read_image(tmp_path / name)
    assert found.shape == (16, 256, 3) and found.dtype == np.uint8
    assert np.abs(found.astype(int) - RAMP[..., None]).max() <= 1


@pytest.mark.parametrize("header", [b"P5 256 16 65535\n", b"P5 256 16 4095\n", b"P6 256 16 1023\n"])
def test_portable_maps_are_scaled_by_their_own_white(tmp_path: Path, header: bytes):
    values = np.rint(RAMP * (int(header.split()[-1]) / 255)).astype(">u2")
    content = np.repeat(values[..., None], 3, -1) if header.startswith(b"P6") else values
    (tmp_path / "a.ppm").write_bytes(header + content.tobytes())
    assert np.abs(read_image(tmp_path / "a.ppm", "L").astype(int) - RAMP).max() <= 1


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "I;16", "I", "F"])
@pytest.mark.parametrize("suffix", [".png", ".tiff", ".jpg", ".webp", ".bmp"])
def test_every_mode_that_a_file_can_have_shows_the_same(tmp_path: Path, mode: str, suffix: str):
    halves = np.where(RAMP < 128, 0, 255).astype(np.uint8)
    image = Image.fromarray(halves.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(halves).convert(mode)
    try:
        image.save(tmp_path / f"a{suffix}")
    except OSError:
        pytest.skip("no such file")
    assert np.abs(read_image(tmp_path / f"a{suffix}").astype(int) - halves[..., None]).max() <= 8


@pytest.mark.filterwarnings("error")
def test_transparency_is_ignored(tmp_path: Path):
    palette = Image.fromarray(GRAY).convert("P")
    palette.save(tmp_path / "a.png", transparency=bytes(range(256)))
    assert np.array_equal(read_image(tmp_path / "a.png")[..., 0], GRAY)


def test_one_white_holds_for_all_images_of_a_folder(tmp_path: Path):
    for k, level in enumerate((0.5, 200.0, 100.0)):  # the first, nearly black, alone would be taken as half white
        Image.fromarray(np.full((16, 16), level, np.float32)).save(tmp_path / f"{k}.tiff")
    assert read_video(tmp_path).frames.float().mean((1, 2, 3)).tolist() == [0, 200, 100]


def test_flow_images_of_16_bits_are_scaled(tmp_path: Path):
    for axis in "xy":
        content = io.BytesIO()
        Image.fromarray(np.full((16, 16), 65535 if axis == "x" else 0, np.uint16)).save(content, "PNG")
        (tmp_path / f"flow_{axis}_00001.jpg").write_bytes(content.getvalue())
    assert read_flow(tmp_path, files=DENSEFLOW).mean((0, 2, 3)).tolist() == [20, -20]


TURNED = [None, (1, 0, 0, 1), (-1, 0, 0, 1), (-1, 0, 0, -1), (1, 0, 0, -1), (0, 1, 1, 0)]
TURNED += [(0, 1, -1, 0), (0, -1, -1, 0), (0, -1, 1, 0)]


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tiff", "a.webp", "16.png"])
@given(orientation=some.integers(1, 8))
@settings(max_examples=16, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_images_are_turned_and_mirrored_as_their_exif_says(tmp_path: Path, name: str, orientation: int):
    picture = np.zeros((16, 32), np.uint8)
    picture[:8, :16] = 255
    said = Image.Exif()
    said[274] = orientation
    Image.fromarray(picture * np.uint16(257) if name == "16.png" else picture).save(tmp_path / name, exif=said)
    a, b, c, d = TURNED[orientation]
    expected = picture if a else picture.T
    expected = expected[:: -1 if (d if a else b) < 0 else 1, :: -1 if (a if a else c) < 0 else 1]
    assert np.abs(read_image(tmp_path / name, "L").astype(int) - expected).max() <= 12


@given(seed=some.integers(0, 10**6), form=some.sampled_from(["PNG", "TIFF", "JPEG", "WEBP", "BMP", "PPM"]))
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.filterwarnings("ignore")
def test_a_damaged_image_is_read_or_refused_in_one_line(tmp_path: Path, seed: int, form: str):
    content = io.BytesIO()
    Image.fromarray(np.repeat(GRAY[..., None], 3, -1)).save(content, form)
    bytes_, draw = bytearray(content.getvalue()), np.random.default_rng(seed)
    for place in draw.integers(0, len(bytes_), 8):
        bytes_[place] = draw.integers(256)
    (tmp_path / "a.png").write_bytes(bytes_)
    said = ""
    try:
        read_image(tmp_path / "a.png")
    except VideoError as error:
        said = str(error)
    assert "\n" not in said


def test_what_is_no_regular_file_is_not_opened(tmp_path: Path):
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(VideoError, match=r"frame image '.*a\.png' cannot be read: .*it is a FIFO"):
        read_image(tmp_path / "a.png")
