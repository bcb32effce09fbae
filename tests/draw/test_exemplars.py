"""Real clips are drawn as far as the unit saw them, with the words that say which they are."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from marey.draw.contact_sheet import contact_sheet
from marey.draw.exemplars import draw_exemplars, seen_loop, sheet_with_exemplars
from marey.draw.picture_row import PictureRow
from marey.draw.typeset import MARGIN, QUIET
from marey.errors import MareyError
from marey.maximization.result import PreferredInput
from marey.network.stream import Stream, rgb_frames
from marey.network.unit import Unit
from marey.recording import Exemplar, Response
from marey.video.read import Clip, read_video

RGB, FLOW = rgb_frames(2, step=4, size=24), Stream("flow", "flow", (0, 1, 2), 24, 24)
UPPER_LEFT = (slice(0, 16), slice(0, 16))


def exemplar(name: str = "walk_01", *, kinds: tuple[str, ...] = ("rgb", "flow"), prediction: str = "walk") -> Exemplar:
    """A unit that sees the upper left of a window: gray there and black elsewhere, moving to the right."""
    rgb, flow = torch.zeros(3, 2, 24, 24), torch.zeros(2, 3, 24, 24)
    rgb[:, :, *UPPER_LEFT] = 0.4
    flow[0, :, *UPPER_LEFT] = 1.0
    boxes = {"rgb": (slice(0, 2), *UPPER_LEFT), "flow": (slice(0, 3), *UPPER_LEFT)}
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
    return Exemplar(response, (RGB, FLOW), {"rgb": rgb, "flow": flow}, {kind: boxes[kind] for kind in kinds}, 25.0)


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
    page = sheet_with_exemplars(row, [exemplar(), exemplar("run_02", prediction="run")])
    assert np.array_equal(page[: len(alone) - MARGIN, : alone.shape[1] - MARGIN], alone[:-MARGIN, :-MARGIN])
    below = page[len(alone) - MARGIN :]
    for text in ("12.6  walk", "walk_01.mp4", "run_02.mp4", "at 1.2 s", "12.6  walk, taken for"):
        assert says(below, text, 12, QUIET), text
    half = (below == [255, 128, 128]).all(-1)  # 1 px/frame where 2 px/frame are full red
    assert half.sum() >= 2 * 112**2
    assert says(sheet_with_exemplars(row, []), "no clip was recorded", 14, QUIET)


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
    page = sheet_with_exemplars(row, [exemplar()], relative_to=result)
    assert says(page, "score 1.00  walk", 12, QUIET)
    summed = replace(result, ordinary=None, reach=None)
    assert says(sheet_with_exemplars(row, [exemplar()], relative_to=summed), "12.6  walk", 12, QUIET)


def test_every_clip_has_a_video_of_about_four_seconds_and_all_share_a_sheet(tmp_path: Path) -> None:
    paths = draw_exemplars([exemplar(), exemplar("run_02")], tmp_path)
    assert [path.name for path in paths] == ["real_01.mp4", "real_02.mp4", "real_clips.png"]
    assert all(path.exists() for path in paths)
    assert len(read_video(paths[0]).frames) == 96
