"""Where flow images are stored for a clip, they are used, in the pixels of the size that a stream wants."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from marey.datasets.clip_files import is_clip
from marey.errors import VideoError
from marey.network.stream import Stream, flow_stacks, rgb_frames
from marey.video.flow.files import DENSEFLOW, write_flow
from marey.video.flow.stored import DENSEFLOW_TREE, TWO_STREAM_TREE, ImageLayout, StoredFlow, flow_beside
from marey.video.read import clips as clips_module
from marey.video.read.clips import Clip, load_clip, starts, stream_inputs

FLOW = Stream("flow", "flow", times=(0, 1, 2), height=32, width=40)
RGB = rgb_frames(1, size=(32, 40))


@pytest.fixture(autouse=True)
def _no_computed_flow(monkeypatch: pytest.MonkeyPatch) -> None:
    def computed(*_: object, **__: object) -> None:
        pytest.fail("flow was computed")

    monkeypatch.setattr(clips_module, "optical_flow", computed)


def frames(folder: Path, count: int = 9, name: str = "img_{:05d}.jpg", first: int = 1) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(count):
        Image.fromarray(np.full((64, 80, 3), 20 + 20 * k, np.uint8)).save(folder / name.format(k + first))
    return folder


def rising(count: int = 8, size: tuple[int, int] = (64, 80)) -> torch.Tensor:
    """Flow of (k + 1, -2 (k + 1)) px/frame in field k."""
    steps = torch.arange(1, count + 1).float()
    return torch.stack([steps, -2 * steps], 1).view(-1, 2, 1, 1).expand(-1, -1, *size)


def means(flow: torch.Tensor) -> list[list[float]]:
    return flow.float().mean(dim=(2, 3)).T.tolist()  # channel time


def test_flow_in_the_folder_of_the_frames_is_used_in_pixels_of_the_stream(tmp_path: Path):
    folder = frames(tmp_path / "v_01")
    write_flow(tmp_path, "v_01", rising())
    inputs = stream_inputs(Clip(folder), [RGB, FLOW], start_frame=2)
    assert means(inputs["flow"].transpose(0, 1))[0] == pytest.approx([1.5, 2.0, 2.5], abs=0.05)  # frames shrink to half
    assert means(inputs["flow"].transpose(0, 1))[1] == pytest.approx([-3, -4, -5], abs=0.05)
    assert inputs["rgb"].mean() == pytest.approx(60 / 255, abs=0.01)
    assert starts(Clip(folder), [RGB, FLOW], 99) == [0, 1, 2, 3, 4, 5]


def test_both_trees_name_their_folders(tmp_path: Path):
    for root, tree, name in (
        (tmp_path / "one", DENSEFLOW_TREE, "img_{:05d}.jpg"),
        (tmp_path / "two", TWO_STREAM_TREE, "frame{:06d}.jpg"),
    ):
        folder = frames(tree.place(root, "v_01"), name=name)
        assert tree.stored(root, "v_01") is None and flow_beside(folder) is None
        assert tree.flow is not None
        write_flow(root, "v_01", rising(), files=tree.flow)
        stored = flow_beside(folder)
        assert stored is not None and stored.count == 8 and stored.size == (64, 80)
        loaded = load_clip(Clip(folder), [RGB, FLOW])
        assert loaded.frames == 9
        assert means(loaded.fields[32, 40])[0] == pytest.approx([0.5 * k for k in range(1, 9)], abs=0.05)
    assert (tmp_path / "two" / "jpegs_256" / "v_01" / "frame000001.jpg").exists()
    assert (tmp_path / "two" / "tvl1_flow" / "v" / "v_01" / "frame000008.jpg").exists()


def test_names_bound_and_numbering_are_settings(tmp_path: Path):
    folder = frames(tmp_path / "f" / "v_01", first=0)
    files = replace(DENSEFLOW, u="of/{video}/x{frame:03d}.png", v="of/{video}/y{frame:03d}.png", bound=40.0)
    write_flow(tmp_path, "v_01", rising(), files=files)
    stored = ImageLayout("f/{video}", files).stored(tmp_path, "v_01")
    found = load_clip(Clip(folder, flow=stored), [FLOW]).fields[32, 40]
    assert means(found)[0] == pytest.approx([0.5 * k for k in range(1, 9)], abs=0.1)
    write_flow(tmp_path, "v_02", rising(), files=replace(DENSEFLOW, first_frame=0))
    from_zero = flow_beside(tmp_path / "v_02")
    assert from_zero is not None and from_zero.files.first_frame == 0 and from_zero.count == 8
    with pytest.raises(VideoError, match=r"'frames' names one folder for all videos; write \{video\}"):
        ImageLayout("frames")


def test_flow_of_a_part_is_that_of_its_frames(tmp_path: Path):
    folder = frames(tmp_path / "v_01")
    write_flow(tmp_path, "v_01", rising())
    part = Clip(folder, start_seconds=0.08, stop_seconds=0.24)  # frames 2 to 5 of 25 per second
    for streams in ([RGB, FLOW], [FLOW], [replace(RGB, rate=25), replace(FLOW, rate=25)]):
        loaded = load_clip(part, streams)
        assert loaded.frames == 4
        assert means(loaded.fields[32, 40])[0] == pytest.approx([1.5, 2.0, 2.5], abs=0.05)


def test_flow_alone_needs_no_frames(tmp_path: Path):
    write_flow(tmp_path, "v_01", rising())
    loaded = load_clip(Clip(tmp_path / "v_01"), [FLOW])
    assert loaded.frames == 9 and loaded.source_size == (64, 80)
    with pytest.raises(VideoError, match="holds no frame images"):
        load_clip(Clip(tmp_path / "v_01"), [RGB, FLOW])


def test_flow_of_another_rate_is_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = frames(tmp_path / "v_01")
    write_flow(tmp_path, "v_01", rising())
    monkeypatch.undo()
    slow = [replace(RGB, rate=5.0), flow_stacks(1, length=1, size=(32, 40), rate=5.0)]
    assert load_clip(Clip(folder), slow, flow="dis").fields[32, 40].abs().max() < 2  # plain frames: no motion
    unstored = load_clip(Clip(folder), [RGB, FLOW], flow="dis", stored=False)
    assert unstored.fields[32, 40].abs().max() < 2


def test_a_missing_field_or_two_at_the_end_shorten_the_clip_and_more_are_an_error(tmp_path: Path):
    folder = frames(tmp_path / "v_01")
    write_flow(tmp_path, "v_01", rising(6))
    loaded = load_clip(Clip(folder), [RGB, FLOW])
    assert loaded.frames == 7 and len(loaded.pictures[32, 40]) == 7 and len(loaded.fields[32, 40]) == 6
    (tmp_path / "v_01" / "flow_y_00003.jpg").unlink()
    with pytest.raises(VideoError, match=r"v_01' has 5 flow images, .* missing \(1\): 3\. Complete"):
        load_clip(Clip(folder), [RGB, FLOW])
    write_flow(tmp_path, "v_01", rising(6))
    (tmp_path / "v_01" / "flow_x_00001.jpg").write_text("no image")
    with pytest.raises(VideoError, match=r"flow_x_00001\.jpg' cannot be read"):
        load_clip(Clip(folder), [FLOW])


def test_flow_of_a_video_file_may_be_given(tmp_path: Path, write_video: Callable[..., Path], plain):  # type: ignore[no-untyped-def]
    path = write_video("v_01.mp4", plain([40] * 9, 64, 80), rate=25)
    write_flow(tmp_path / "flow", "v_01", rising())
    clip = Clip(path, flow=StoredFlow(tmp_path / "flow", "v_01"))
    assert means(load_clip(clip, [RGB, FLOW]).fields[32, 40])[1] == pytest.approx([-k for k in range(1, 9)], abs=0.05)


def test_flow_beside_a_video_file_is_found(write_video: Callable[..., Path], plain):  # type: ignore[no-untyped-def]
    path = write_video("v_01.mp4", plain([40] * 9, 64, 80), rate=25)
    write_flow(path.parent, "v_01", rising())
    assert means(load_clip(Clip(path), [RGB, FLOW]).fields[32, 40])[0] == pytest.approx(
        [0.5 * k for k in range(1, 9)], abs=0.05
    )
    assert not is_clip(path.with_suffix("")) and is_clip(path)


@pytest.mark.parametrize("rest", [127.5, 128.0])
def test_what_is_at_rest_stays_at_rest(tmp_path: Path, rest: float):
    files = replace(DENSEFLOW, rest=rest)
    fields = torch.zeros(3, 2, 64, 80)
    fields[:, :, :8, :8] = 5.0
    write_flow(tmp_path, "v_01", fields, files=replace(files, u=files.u[:-3] + "png", v=files.v[:-3] + "png"))
    stored = StoredFlow(tmp_path, "v_01", replace(files, u=files.u[:-3] + "png", v=files.v[:-3] + "png"))
    found = stored.fields(list(stored.images.values()), (64, 80))
    assert found[:, :, 8:].abs().max() == 0 and found[:, :, :, 8:].abs().max() == 0
    assert (found[:, :, :8, :8] - 5).abs().max() < 0.08
