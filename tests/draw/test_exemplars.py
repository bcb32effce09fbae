"""Real clips are drawn as far as the unit saw them, with the words that say which they are."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from marey.draw.captions import motion_share
from marey.draw.contact_sheet import contact_block, contact_sheet
from marey.draw.exemplars import NONE_DRIVES, draw_exemplars, seen_loop, sheet_with_exemplars
from marey.draw.framing import framing
from marey.draw.picture_row import PictureRow
from marey.draw.typeset import MARGIN, QUIET
from marey.errors import MareyError
from marey.maximization.result import PreferredInput
from marey.network.stream import Stream, rgb_frames
from marey.network.unit import Unit
from marey.recording import Exemplar, Response
from marey.video.flow.explained import explained_by_flow
from marey.video.read import Clip, read_video

FRAME, RGB, FLOW = rgb_frames(1, size=24), rgb_frames(2, step=4, size=24), Stream("flow", "flow", (0, 1, 2), 24, 24)
UPPER_LEFT = (slice(0, 16), slice(0, 16))


def exemplar(
    name: str = "walk_01",
    *,
    kinds: tuple[str, ...] = ("rgb", "flow"),
    prediction: str = "walk",
    stream: Stream = RGB,
) -> Exemplar:
    """A unit that sees the upper left of a window: gray there and black elsewhere, moving to the right."""
    rgb, flow = torch.zeros(*stream.shape), torch.zeros(2, 3, 24, 24)
    rgb[:, :, *UPPER_LEFT] = 0.4
    flow[0, :, *UPPER_LEFT] = 1.0
    boxes = {"rgb": (slice(0, stream.frames), *UPPER_LEFT), "flow": (slice(0, 3), *UPPER_LEFT)}
    clip = Clip(Path(f"{name}.mp4"), label="walk")
    response = Response(
        Unit.parse("fusion.conv5:0"),
        number=0,
        clip=clip,
        value=12.6,
        mean=1.0,
        position=(0, 0, 0),
        start_frame=0,
        seconds=1.25,
        prediction=prediction,
    )
    return Exemplar(response, (stream, FLOW), {"rgb": rgb, "flow": flow}, {kind: boxes[kind] for kind in kinds}, 25.0)


def test_a_loop_shows_frames_and_flow_of_the_part_that_was_seen_side_by_side() -> None:
    loop = seen_loop(exemplar(), max_px=1.0)
    side = loop.shape[1]
    assert loop.shape == (24, side, 2 * side, 3)
    assert (loop[:, :, :side] == 102).all()
    assert (loop[:, :, side:] == [255, 0, 0]).all()


@pytest.mark.parametrize(("kind", "color"), [("rgb", [102] * 3), ("flow", [255, 0, 0])])
def test_a_unit_of_one_stream_has_a_loop_of_this_stream(kind: str, color: list[int]) -> None:
    loop = seen_loop(exemplar(kinds=(kind,)), max_px=1.0)
    assert loop.shape[1] == loop.shape[2] and (loop == color).all()


def test_a_unit_that_sees_nothing_has_no_loop() -> None:
    with pytest.raises(MareyError, match=r"unit fusion\.conv5:0 sees no stream that can be drawn"):
        seen_loop(exemplar(kinds=()))


def test_real_clips_stand_below_the_sheet_of_the_preferred_input_in_its_scale(says: Callable[..., bool]) -> None:
    motion = torch.zeros(1, 2, 1, 24, 24)
    motion[:, 0] = 2.0
    row = PictureRow("fusion.conv5:0", motion=motion)
    alone = contact_sheet(row)
    shown = [exemplar(stream=FRAME), exemplar("run_02", prediction="run", stream=FRAME)]
    page = sheet_with_exemplars(row, shown)
    assert np.array_equal(page[: len(alone) - MARGIN, : alone.shape[1] - MARGIN], alone[:-MARGIN, :-MARGIN])
    below = page[len(alone) - MARGIN :]
    for text in ("12.6  walk", "walk_01.mp4", "run_02.mp4", "at 1.2 s", "12.6  walk, taken for"):
        assert says(below, text, 12, QUIET), text
    half = (below == [255, 128, 128]).all(-1)  # 1 px/frame where 2 px/frame are full red
    assert half.sum() >= 2 * 112**2
    assert says(sheet_with_exemplars(row, []), NONE_DRIVES, 14, QUIET)


def test_clips_of_several_frames_stand_in_lines_at_the_moments_of_the_preferred_input(
    says: Callable[..., bool], holds: Callable[..., bool]
) -> None:
    stream = rgb_frames(20, size=24)
    row = PictureRow("conv2:0", appearance=torch.rand(1, 3, 20, 16, 16, generator=torch.Generator().manual_seed(0)))
    alone = contact_sheet(row)
    one = exemplar(stream=stream, kinds=("rgb",))
    shades = torch.linspace(0.1, 0.85, 20)
    one.window["rgb"][:, :, *UPPER_LEFT] = shades.view(1, 20, 1, 1)
    page = sheet_with_exemplars(row, [one], relative_to=None)[len(alone) - MARGIN :]
    seen = one.seen("rgb")
    assert seen is not None
    (share,) = motion_share(explained_by_flow(seen))
    assert share.endswith(" % of change is motion")
    assert says(page, f"12.6  walk, walk_01.mp4, at 1.2 s, {share}", 12, QUIET)
    strip = contact_block(row)[1]
    times = strip.times(20)
    assert times[0] == 0 and times[-1] == 19 and len(times) < 20
    for time in range(20):
        cell = np.full((*strip.cells.size, 3), round(float(shades[time]) * 255), np.uint8)
        assert holds(page, cell) == (time in times), time


@pytest.mark.parametrize(("stream", "side"), [(FRAME, 24), (RGB, 24)])
def test_a_unit_that_sees_a_small_part_has_the_whole_frame_with_a_box_around_this_part(
    stream: Stream, side: int
) -> None:
    frame = framing(exemplar(stream=stream))
    assert frame is not None and frame.shape == (3, side, side)
    assert (frame[:, :16, :16] == 0.4).all()
    assert (frame[:, :17, 16] == 1).all() and (frame[:, 16, :17] == 1).all()
    assert (frame[:, 17:, 17:] == 0).all()
    whole = exemplar(stream=stream)
    whole.boxes["rgb"] = (slice(0, stream.frames), slice(0, 20), slice(0, 20))
    assert framing(whole) is None


def test_beside_a_result_responses_are_scores_relative_to_its_range(says: Callable[..., bool]) -> None:
    row = PictureRow("fusion.conv5:0", motion=torch.zeros(1, 2, 1, 24, 24))
    result = PreferredInput(
        target="fusion.conv5:0",
        label="fusion.conv5:0",
        slowness=(0.0,),
        streams=(FLOW,),
        frames={"flow": torch.zeros(1, *FLOW.shape)},
        scores=(1.2,),
        ordinary=2.6,
        reach=10.0,
        source="90 real clips",
        history=torch.ones(1, 1),
        shares=({"score": 1.0},),
        notes=((),),
        recognized=(None,),
    )
    one = exemplar(stream=FRAME)
    assert says(sheet_with_exemplars(row, [one], relative_to=result), "score 1.00  walk", 12, QUIET)
    summed = replace(result, ordinary=None, reach=None)
    assert says(sheet_with_exemplars(row, [one], relative_to=summed), "12.6  walk", 12, QUIET)


def test_every_clip_has_a_video_of_a_second_and_all_share_a_sheet(tmp_path: Path) -> None:
    paths = draw_exemplars([exemplar(), exemplar("run_02")], tmp_path)
    assert [path.name for path in paths] == ["real_01.mp4", "real_02.mp4", "real_clips.png"]
    assert all(path.exists() for path in paths)
    assert len(read_video(paths[0]).frames) == 24
