"""The pictures of a result are drawn from the result alone, whatever streams it has."""

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from marey.draw.contact_sheet import contact_sheet
from marey.draw.frames import motion_picture
from marey.draw.picture_row import PictureRow
from marey.draw.preferred_input import draw, draw_overview, picture_row
from marey.draw.preferred_loop import preferred_loop
from marey.draw.typeset import QUIET
from marey.maximization.moved import VELOCITY
from marey.maximization.packed import rounded
from marey.maximization.result import PreferredInput
from marey.network.stream import Stream, rgb_frames
from marey.video.read.decode import read_video

RGB = rgb_frames(2, step=4, size=24)
FLOW = Stream("motion", "flow", tuple(range(8)), 24, 24)


def _result(*streams: Stream, slowness: tuple[float, ...] = (0.0, 10.0)) -> PreferredInput:
    torch.manual_seed(0)
    count = len(slowness)
    return PreferredInput(
        target="fusion.conv5:3",
        label="fusion.conv5:3",
        slowness=slowness,
        streams=streams,
        frames={stream.name: stream.rest + 0.3 * torch.rand(count, *stream.shape) for stream in streams},
        scores=tuple(1.0 for _ in slowness),
        ordinary=0.5,
        reach=2.0,
        source="8 generated clips",
        history=torch.ones(4, count),
        shares=tuple({"score": 1.0} for _ in slowness),
        notes=tuple(("dead: it never fires",) for _ in slowness),
        recognized=tuple("walk" for _ in slowness),
        provenance={"network": "net"},
    )


@pytest.mark.parametrize("streams", [(RGB, FLOW), (RGB,)], ids=["both", "only rgb"])
def test_a_result_is_drawn_with_the_streams_that_it_has(streams: tuple[Stream, ...], tmp_path: Path) -> None:
    paths = draw(_result(*streams), tmp_path / "unit")
    assert [path.name for path in paths] == ["contact_sheet.png", "preferred.mp4"]
    with Image.open(paths[0]) as sheet:
        assert sheet.height > sheet.width > 160
    assert len(read_video(paths[1]).frames) == 24  # the loop once: 8 fields for 3 pictures each, or 2 frames for 12


def test_a_sheet_shows_few_fields_from_the_middle() -> None:
    result = _result(RGB, FLOW)
    row = picture_row(result, fields=4)
    assert row.motion is not None and row.motion.equal(result.frames["motion"][:, :, 2:6])
    assert row.appearance is not None and row.appearance.shape[2] == 2
    assert row.captions[0] == "score 1.00\nrecognized as walk\ndead"
    assert row.subtitle == "net: 0 is an ordinary response, 1 the largest on 8 generated clips"


def test_a_sheet_shows_the_velocities_of_a_moved_clip_as_long_as_its_frames() -> None:
    velocity = torch.rand(2, 2, 7, 5, 5)
    row = picture_row(replace(_result(RGB), parts={VELOCITY: velocity}), fields=4)
    assert row.motion is not None and row.motion.equal(velocity)


@pytest.mark.parametrize(
    ("velocity", "said"),
    [
        ((2.0, 0.0), "moves right by 2.0 px/frame"),
        ((-1.0, -1.0), "moves up left by 1.4 px/frame"),
        ((0.1, 3.0), "moves down by 3.0 px/frame"),
        ((-1.5, 0.2), "moves left by 1.5 px/frame"),
        ((0.02, 0.0), "does not move"),
    ],
)
def test_the_motion_of_a_moved_clip_is_said_in_words(velocity: tuple[float, float], said: str) -> None:
    parts = {VELOCITY: torch.tensor(velocity).view(1, 2, 1, 1, 1).expand(2, 2, 1, 5, 5)}
    assert said in picture_row(replace(_result(RGB), parts=parts)).captions[0].splitlines()


@pytest.mark.parametrize(
    ("controls", "said"),
    [
        ({}, []),
        ({"explained by flow": 0.975}, ["98 % of change is motion"]),
        (
            {"explained by flow": 0.5, "free clip": 0.736, "free clip explained by flow": 0.0},
            ["50 % of change is motion", "free clip: 0.74, 0 % motion"],
        ),
        ({"free clip": 2.0}, ["free clip: 2.00"]),  # frames too small for flow
    ],
)
def test_what_an_input_is_held_against_is_said(controls: dict[str, float], said: list[str]) -> None:
    captions = picture_row(replace(_result(RGB), controls=(controls, {}))).captions
    assert captions[0].splitlines()[2:-1] == said and len(captions[1].splitlines()) == 3


def test_a_row_of_a_page_says_only_which_unit_it_is() -> None:
    assert picture_row(_result(RGB), alone=False).subtitle == ""
    walk = replace(_result(RGB), target="scores:3@0,0,0", label="walk")
    assert picture_row(walk, alone=False).subtitle == "scores:3"
    assert picture_row(walk).subtitle == "scores:3, net: 0 is an ordinary response, 1 the largest on 8 generated clips"
    both = replace(_result(RGB), target="scores:3@0,0,0 - scores:4@0,0,0", label="scores:3 - scores:4")
    assert picture_row(both, alone=False).subtitle == ""


def test_of_a_mosaic_the_grid_is_said_and_no_sum_of_units() -> None:
    mosaic = replace(
        _result(RGB),
        target=" + ".join(f"0.2 * a:{k}@0,1,1" for k in range(5)),
        provenance={"network": "net", "mosaic": {"units": [f"a:{k}" for k in range(5)], "rows": 2, "columns": 3}},
    )
    assert picture_row(mosaic, alone=False).subtitle == "5 units, row by row, 3 in a row"


def test_one_picture_for_all_slownesses_is_drawn_once(tmp_path: Path) -> None:
    still, moving = _result(replace(RGB, times=(0,))), _result(RGB)
    assert still.still and not moving.still
    row = picture_row(still)
    assert row.still and row.appearance is not None and row.appearance.shape[:3] == (1, 3, 1)
    assert len(picture_row(moving).captions) == 2 and len(row.captions) == 1
    assert {path.name for path in draw(still, tmp_path)} == {"contact_sheet.png", "preferred.mp4"}


def test_an_overview_shows_all_results_of_the_sweep_of_the_first(tmp_path: Path, says: Callable[..., bool]) -> None:
    results = [
        replace(_result(RGB), label="a:1"),
        replace(_result(RGB), label="b:2"),
        replace(_result(RGB, slowness=(0.0,)), label="c:3"),
    ]
    (path,) = draw_overview(results, tmp_path / "overview.png", title="Units of net")
    with Image.open(path) as image:
        page = np.asarray(image)
    assert says(page, "Units of net", 22)
    assert [says(page, text, 15) for text in ("a:1", "b:2", "c:3")] == [True, True, False]
    assert says(page, "net: 0 is an ordinary response, 1 the largest on 8 generated clips.", 12, QUIET)


def test_further_pages_stand_beside_the_first_and_replace_those_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("marey.draw.overview.LONGEST_SIDE", 600)
    results = [replace(_result(RGB), label=f"a:{k}") for k in range(3)]
    names = ["overview.png", "overview-2.png", "overview-3.png"]
    (tmp_path / "overview-mine.png").touch()
    assert draw_overview(results, tmp_path / "overview.png") == [tmp_path / name for name in names]
    assert draw_overview(results[:2], tmp_path / "overview.png") == [tmp_path / name for name in names[:2]]
    assert {path.name for path in tmp_path.iterdir()} == {*names[:2], "overview-mine.png"}


def test_a_result_gives_its_sheet_as_a_picture_which_notebooks_show(tmp_path: Path) -> None:
    result = _result(RGB, FLOW)
    picture = result.picture()
    draw(result, tmp_path)
    with Image.open(tmp_path / "contact_sheet.png") as sheet:
        assert np.array_equal(np.asarray(picture), np.asarray(sheet))
    shown = result._repr_png_()
    assert shown is not None
    with Image.open(BytesIO(shown)) as image:
        assert np.array_equal(np.asarray(image), np.asarray(picture))


@pytest.mark.parametrize("label", ["x" * 300, " + ".join(f"fusion.conv5:{k}" for k in range(99)), "wave"])
def test_a_result_is_written_in_one_short_line(label: str) -> None:
    written = repr(replace(_result(RGB, FLOW), label=label))
    assert written.startswith(f"PreferredInput('{label[:80]}") and "0: 1.00, 10: 1.00" in written
    assert len(written) < 200 and "\n" not in written


def test_the_folder_of_four_slownesses_of_112_px_is_under_a_megabyte(tmp_path: Path) -> None:
    flow = Stream("flow", "flow", tuple(range(10)), 112, 112)
    noise = torch.rand(4, 2, 10, 14, 14).repeat_interleave(8, -1).repeat_interleave(8, -2)
    frames = rounded(6 * noise - 3 + 0.3 * torch.rand(4, 2, 10, 112, 112), flow, 3.6)
    result = replace(_result(flow, slowness=(0.0, 1.0, 5.0, 10.0)), frames={"flow": frames})
    result.save(tmp_path)
    draw(result, tmp_path)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 1_000_000


def test_a_page_shows_clips_from_112_px_on_as_they_are() -> None:
    flow = torch.zeros(2, 8, 112, 112)
    flow[0] = torch.rand(112, 112).round()
    row = PictureRow(title="a", motion=flow[None], chis=(0.0,))
    shown = motion_picture(flow[:, 0], (112, 112), max_px=1.0)
    for page in (contact_sheet(row), preferred_loop(row)[0]):
        patches = np.lib.stride_tricks.sliding_window_view(page, (1, 112, 3))[:, :, 0, 0]
        assert (patches == shown[50]).all((-2, -1)).any(), "the middle line of the field, pixel by pixel"
