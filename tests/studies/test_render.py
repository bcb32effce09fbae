"""Parts of known poses: what is seen, how it moves and what is hidden can be worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from marey.studies.parts import TILE, Part
from marey.studies.render import Rendered, render_parts

STILL = np.array([[1.0, 0, 0], [0, 1.0, 0]])


def box(left: float, top: float, side: float) -> np.ndarray:
    return np.array([(left, top), (left + side, top), (left + side, top + side), (left, top + side)])


def shifted(steps: list[tuple[float, float]]) -> np.ndarray:
    poses = np.tile(STILL, (len(steps), 1, 1))
    poses[:, :, 2] = steps
    return poses


def part(name: str, outline: np.ndarray, poses: np.ndarray, *, depth: float = 0.0, color: int = 200) -> Part:
    tile = np.full((TILE, TILE, 3), color, np.uint8)
    return Part(name, outline, poses, np.full(len(poses), depth), tile)


def drawn(*parts: Part, camera: np.ndarray | None = None, side: int = 24) -> Rendered:
    count = len(parts[0].poses)
    backdrop = np.full((count, side, side, 3), 40, np.uint8)
    return render_parts(parts, backdrop, np.tile(STILL, (count, 1, 1)) if camera is None else camera)


def test_a_part_that_shifts_has_that_flow_and_all_else_is_still() -> None:
    scene = drawn(part("box", box(4, 6, 7), shifted([(0, 0), (3, -1), (6, -2)])))
    inside = scene.mask[:-1]
    assert inside.any()
    assert scene.flow[0][inside] == pytest.approx(3) and scene.flow[1][inside] == pytest.approx(-1)
    assert not scene.flow[:, ~inside].any()


def test_a_part_that_turns_moves_each_pixel_about_its_center() -> None:
    turn = 0.2
    poses = np.stack([STILL, np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0]])])
    poses[:, :, 2] = (12, 12)
    scene = drawn(part("box", box(-5, -5, 10), poses))
    for y, x in np.argwhere(scene.mask[0]):
        there = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ (x - 12, y - 12) + 12
        assert scene.flow[:, 0, y, x] == pytest.approx(there - (x, y), abs=1e-4)


def test_the_backdrop_moves_with_the_camera() -> None:
    camera = shifted([(0, 0), (1.5, 0.5)])
    scene = drawn(part("box", box(4, 6, 7), camera), camera=camera)
    assert scene.flow[0] == pytest.approx(1.5) and scene.flow[1] == pytest.approx(0.5)


def test_the_nearer_part_is_seen_whatever_the_order() -> None:
    near = part("near", box(4, 4, 8), shifted([(0, 0), (0, 0)]), depth=1.0, color=250)
    far = part("far", box(4, 4, 8), shifted([(0, 0), (0, 0)]), depth=0.0, color=100)
    for parts in ((near, far), (far, near)):
        assert drawn(*parts).frames[0, 8, 8, 0] == 250


def test_what_a_moving_part_comes_to_cover_is_hidden_and_what_it_leaves_is_not() -> None:
    scene = drawn(part("box", box(2.5, 2.5, 8), shifted([(0, 0), (5, 0)])))
    hidden = np.argwhere(scene.occluded[0])
    assert {tuple(place) for place in hidden} == {(y, x) for y in range(3, 11) for x in range(11, 16)}


def test_what_leaves_the_frame_is_hidden() -> None:
    scene = drawn(part("box", box(14.5, 4.5, 8), shifted([(0, 0), (6, 0)])))
    assert scene.occluded[0, 8, 18:23].all() and not scene.occluded[0, 8, 15:17].any()


def test_borders_are_smooth_and_colors_are_kept_inside() -> None:
    scene = drawn(part("box", box(4.25, 4.25, 8), shifted([(0, 0), (0, 0)])))
    row = scene.frames[0, 8, :, 0].astype(int)
    assert row[7] == 200 and row[0] == 40
    assert any(40 < value < 200 for value in row)


def test_a_frame_in_which_no_part_is_there_is_its_backdrop() -> None:
    scene = drawn(replace(part("box", box(4, 4, 8), shifted([(0, 0)] * 3)), shown=np.array([True, False, True])))
    assert scene.mask.any((1, 2)).tolist() == [True, False, True]
    assert (scene.frames[1] == 40).all() and not scene.flow[:, 1].any()


def test_a_scene_without_parts_is_its_backdrop() -> None:
    backdrop = np.arange(2 * 8 * 8 * 3, dtype=np.uint8).reshape(2, 8, 8, 3)
    scene = render_parts((), backdrop.copy(), np.tile(STILL, (2, 1, 1)))
    assert np.array_equal(scene.frames, backdrop)
    assert not scene.mask.any() and not scene.flow.any() and not scene.occluded.any()
