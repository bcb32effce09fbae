import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from PIL import Image

from marey.errors import OutputError, VideoError
from marey.video.flow.files import DENSEFLOW, I3D, TWO_STREAM, FlowFiles, flow_frames, read_flow, write_flow

PNG = FlowFiles("{video}/flow_x_{frame:05d}.png", "{video}/flow_y_{frame:05d}.png")
LAYOUTS = {"denseflow": DENSEFLOW, "two-stream": TWO_STREAM, "i3d": I3D}


def smooth_fields(count: int = 3) -> torch.Tensor:
    rows, columns = torch.meshgrid(torch.linspace(-1, 1, 40), torch.linspace(-1, 1, 56), indexing="ij")
    one = torch.stack([15 * rows * columns + 3, 18 * torch.sin(2 * rows) * torch.cos(columns)])
    return torch.stack([one * (k + 1) / count for k in range(count)])


@pytest.mark.parametrize("files", LAYOUTS.values(), ids=LAYOUTS)
def test_what_is_written_is_read_within_a_step_and_the_error_of_jpeg(tmp_path: Path, files: FlowFiles):
    fields = smooth_fields()
    write_flow(tmp_path, "v_01", fields, files=files)
    again = read_flow(tmp_path, "v_01", files=files)
    assert again.dtype == torch.float32
    assert flow_frames(tmp_path, "v_01", files=files) == 3
    step = 40 / 255
    assert (again - fields).abs().mean() < step / 2
    assert (again - fields).abs().max() < 3 * step
    assert torch.equal(read_flow(tmp_path, "v_01", files=files, start_frame=1, count=1), again[1:2])


@pytest.mark.parametrize("rest", [127.5, 128.0])
@pytest.mark.parametrize("bound", [20.0, 5.0])
def test_without_jpeg_the_error_is_half_a_step(tmp_path: Path, rest: float, bound: float):
    files = FlowFiles(PNG.u, PNG.v, bound=bound, rest=rest)
    fields = smooth_fields() * bound / 20
    write_flow(tmp_path, "v", fields, files=files)
    assert (read_flow(tmp_path, "v", files=files) - fields).abs().max() <= bound / rest / 2 + 1e-5


@given(some.integers(0, 255), some.sampled_from([127.5, 128.0]), some.sampled_from([1.0, 20.0, 32.0]))
def test_every_gray_value_is_read_as_a_flow_that_is_written_as_that_gray(gray, rest, bound):
    files = FlowFiles(PNG.u, PNG.v, bound=bound, rest=rest)
    value = torch.tensor([gray], dtype=torch.uint8)
    assert torch.equal(files.gray(files.flow(value)), value)


def test_gray_values_mean_what_the_published_conventions_say():
    gray = torch.tensor([0, 255, 128], dtype=torch.uint8)
    assert DENSEFLOW.flow(gray).tolist() == pytest.approx([-20, 20, 0.5 / 127.5 * 20])
    centered = FlowFiles(PNG.u, PNG.v, rest=128.0)
    assert centered.flow(gray).tolist() == pytest.approx([-20, 127 / 6.4, 0])  # 6.4 grays per px
    assert DENSEFLOW.gray(torch.tensor([-30.0, 30.0])).tolist() == [0, 255]


def test_files_lie_where_other_programs_look_for_them(tmp_path: Path):
    for files in LAYOUTS.values():
        write_flow(tmp_path, "v_01", smooth_fields(1), files=files)
    written = {str(path.relative_to(tmp_path).as_posix()) for path in tmp_path.rglob("*.jpg")}
    assert written == {
        "v_01/flow_x_00001.jpg",
        "v_01/flow_y_00001.jpg",
        "u/v_01/frame000001.jpg",
        "v/v_01/frame000001.jpg",
        "v_01-000001x.jpg",
        "v_01-000001y.jpg",
    }
    with Image.open(tmp_path / "v_01" / "flow_x_00001.jpg") as image:
        assert image.mode == "L"


def test_u_comes_first_and_points_to_the_right(tmp_path: Path):
    fields = torch.zeros(1, 2, 16, 16)
    fields[:, 0] = 10
    write_flow(tmp_path, "v", fields)
    assert np.array(Image.open(tmp_path / "v" / "flow_x_00001.jpg")).mean() == pytest.approx(191, abs=1)
    assert read_flow(tmp_path, "v")[0].mean(dim=(1, 2)).tolist() == pytest.approx([10, 0], abs=0.15)


def test_a_folder_of_one_video_needs_no_name(tmp_path: Path):
    write_flow(tmp_path, "v", smooth_fields(2))
    here = FlowFiles("flow_x_{frame:05d}.jpg", "flow_y_{frame:05d}.jpg")
    assert torch.equal(read_flow(tmp_path / "v", files=here), read_flow(tmp_path, "v"))
    assert torch.equal(read_flow(tmp_path / "v"), read_flow(tmp_path, "v"))


def test_counting_may_start_at_zero(tmp_path: Path):
    files = FlowFiles(PNG.u, PNG.v, first_frame=0)
    write_flow(tmp_path, "v", smooth_fields(2), files=files)
    assert (tmp_path / "v" / "flow_x_00000.png").exists()
    assert len(read_flow(tmp_path, "v", files=files)) == 2


def test_missing_and_damaged_images_are_named(tmp_path: Path):
    with pytest.raises(VideoError, match=r"no flow image at '.*v.flow_x_00001\.jpg'; 0 fields come before it"):
        read_flow(tmp_path, "v")
    write_flow(tmp_path, "v", smooth_fields(3))
    with pytest.raises(VideoError, match=r"no flow image at '.*flow_x_00004\.jpg'; 3 fields"):
        read_flow(tmp_path, "v", count=5)
    (tmp_path / "v" / "flow_y_00002.jpg").unlink()
    assert flow_frames(tmp_path, "v") == 1
    (tmp_path / "v" / "flow_y_00001.jpg").write_text("no image")
    with pytest.raises(VideoError, match=r"flow image '.*flow_y_00001\.jpg' cannot be read"):
        read_flow(tmp_path, "v")
    Image.new("L", (8, 8)).save(tmp_path / "v" / "flow_y_00001.jpg")
    with pytest.raises(VideoError, match=r"is 8 x 8 px, those before it are 40 x 56"):
        read_flow(tmp_path, "v")


@pytest.mark.parametrize(("width", "said"), [(9000, "has frames of 9000 x 9000 px"), (60_000, "cannot be read")])
def test_an_absurd_size_of_a_flow_image_takes_no_memory(tmp_path: Path, width: int, said: str):
    write_flow(tmp_path, "v", smooth_fields(1), files=PNG)
    path = tmp_path / "v" / "flow_x_00001.png"
    content = bytearray(path.read_bytes())
    content[16:24] = width.to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(bytes(content[12:29])).to_bytes(4, "big")
    path.write_bytes(content)
    with pytest.raises(VideoError, match=said):
        read_flow(tmp_path, "v", files=PNG)


def test_names_that_cannot_work_are_refused():
    with pytest.raises(VideoError, match="name one image twice"):
        FlowFiles("a_{frame}.jpg", "a_{frame}.jpg")
    with pytest.raises(VideoError, match="name one image twice"):
        FlowFiles("x.jpg", "y.jpg")
    with pytest.raises(VideoError, match="are no names of flow images"):
        FlowFiles("x_{number}.jpg", "y_{number}.jpg")
    with pytest.raises(VideoError, match="need a bound above 0"):
        FlowFiles(PNG.u, PNG.v, bound=0)


def test_a_place_that_cannot_be_written_to_is_told(tmp_path: Path):
    (tmp_path / "v").touch()
    with pytest.raises(OutputError, match="cannot write"):
        write_flow(tmp_path, "v", smooth_fields(1))
