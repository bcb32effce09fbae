"""A moved clip is a picture displaced by velocities: they mean px/frame, at any rate, and the slowness weighs them."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from marey.errors import MareyError
from marey.maximization.choice import PRIORS, usual_parametrization, usual_priors
from marey.maximization.maximization import Progress
from marey.maximization.moved import VELOCITY, Moved, moved
from marey.maximization.parametrizations import Fourier
from marey.maximization.priors import Energy, Variation
from marey.maximization.recipe import Recipe
from marey.maximization.result import PreferredInput
from marey.maximization.run import maximize
from marey.maximization.starts import best_start
from marey.network.crop import Crop, whole
from marey.network.network import Network
from marey.network.stream import Stream, rgb_frames

RGB = rgb_frames(5, size=9)
STILL = rgb_frames(1, size=9)
FLOW = Stream("flow", "flow", times=(0, 1, 2), height=9, width=9)
QUICK = replace(Recipe(), slowness=(0.0, 5.0), steps=8, precision="fp32", tolerance=0.0)


def _uniform(fields: int, u: float, v: float) -> Tensor:
    return torch.tensor([u, v]).view(1, 2, 1, 1, 1).expand(1, 2, fields, 8, 8)


def test_the_middle_frame_shows_the_picture_and_the_others_show_it_displaced() -> None:
    picture = torch.rand(1, 3, 20, 20, generator=torch.Generator().manual_seed(0))
    frames = moved(picture, _uniform(4, 2.0, -1.0), tuple(range(5)))
    for time in range(5):
        right, down = 2 * (time - 2), -(time - 2)
        expected = picture[0, :, 6 - down : 14 - down, 6 - right : 14 - right]
        torch.testing.assert_close(frames[0, :, time], expected, atol=1e-4, rtol=0)


def test_velocities_are_px_per_video_frame_whatever_lies_between_the_frames() -> None:
    picture = torch.rand(1, 3, 30, 30, generator=torch.Generator().manual_seed(0))
    dense = moved(picture, _uniform(8, 1.0, 0.5), tuple(range(9)))
    sparse = moved(picture, _uniform(4, 1.0, 0.5), (0, 2, 4, 6, 8))
    torch.testing.assert_close(sparse, dense[:, :, ::2], atol=1e-4, rtol=0)


def test_what_leaves_at_one_side_comes_in_at_the_other() -> None:
    picture = torch.rand(1, 3, 10, 10, generator=torch.Generator().manual_seed(0))
    frames = moved(picture, _uniform(2, 10.0, -20.0), tuple(range(3)))
    torch.testing.assert_close(frames[:, :, 0], frames[:, :, 2], atol=1e-4, rtol=0)


def test_both_picture_and_velocities_have_a_slope() -> None:
    picture = torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(0)).requires_grad_()
    velocity = (0.3 * torch.randn(1, 2, 3, 8, 8, generator=torch.Generator().manual_seed(1))).requires_grad_()
    weights = torch.rand(1, 3, 4, 8, 8, generator=torch.Generator().manual_seed(2))
    slopes = torch.autograd.grad((weights * moved(picture, velocity, tuple(range(4)))).sum(), (picture, velocity))
    assert all(bool(torch.isfinite(slope).all()) and float(slope.abs().sum()) > 0 for slope in slopes)


def test_streams_of_two_rates_show_the_same_clip() -> None:
    fast, slow = rgb_frames(8, size=12, name="fast"), rgb_frames(2, step=4, first=2, size=12, name="slow")
    held = Moved().held((slow, fast))
    assert [stream.name for stream in held] == ["slow", VELOCITY] and held[1].frames == 7
    free = {one.name: torch.randn(2, *Moved().free_shape(one.kind, one.shape)) for one in held}
    parts = {one.name: Moved().frames(free[one.name], one.kind, one.shape) for one in held}
    bounds = {"slow": 0.5, "fast": 0.5, VELOCITY: 5.0}
    shown = Moved().rendered(parts, (slow, fast), bounds).frames
    assert torch.equal(shown["slow"], shown["fast"][:, :, [2, 6]])


def test_streams_of_several_sizes_have_their_middles_in_one_place() -> None:
    wide, narrow = rgb_frames(3, size=12, name="wide"), rgb_frames(3, size=6, name="narrow")
    held = Moved().held((narrow, wide))
    parts = {one.name: torch.randn(1, *one.shape) for one in held}
    shown = Moved().rendered(parts, (narrow, wide), {"wide": 0.5, "narrow": 0.5, VELOCITY: 5.0}).frames
    assert torch.equal(shown["narrow"], shown["wide"][..., 3:9, 3:9])


def test_velocities_are_within_the_bound_and_between_those_of_a_coarse_grid() -> None:
    (_, velocity) = Moved().held((rgb_frames(4, size=33),))
    coarse = Moved(pitch=8).free_shape("flow", velocity.shape)
    assert coarse == Moved(pitch=8).motion.free_shape("flow", (2, 3, 6, 6))
    held = {"rgb": torch.zeros(1, 3, 1, 40, 40), VELOCITY: 9 * torch.ones(1, *velocity.shape)}
    parts = Moved().rendered(held, (rgb_frames(4, size=33),), {"rgb": 0.5, VELOCITY: 3.0}).parts
    assert float(parts[VELOCITY].square().sum(1).sqrt().max()) == pytest.approx(3.0)


class _Summed(nn.Module):
    """Scores of two classes, and the features before them, of any streams."""

    def __init__(self, streams: tuple[Stream, ...]) -> None:
        super().__init__()
        values = sum(torch.Size(stream.shape).numel() for stream in streams)
        self.features, self.scores = nn.Linear(values, 4), nn.Linear(4, 2)

    def forward(self, *inputs: Tensor) -> Tensor:
        seen: Tensor = self.scores(self.features(torch.cat([one.flatten(1) for one in inputs], 1)))
        return seen


def _crop(*streams: Stream, layer: str = "features") -> Crop:
    return whole(Network(_Summed(streams), streams, classes=("a", "b"), scores="scores"), [layer])


def test_units_of_several_rgb_frames_and_no_flow_are_moved_and_others_are_free() -> None:
    assert usual_parametrization(_crop(RGB)) == Moved()
    assert usual_parametrization(_crop(RGB, replace(RGB, name="slow"))) == Moved()
    for streams in ((RGB, FLOW), (STILL,), (FLOW,)):
        assert usual_parametrization(_crop(*streams)) == Fourier()
    with pytest.raises(MareyError, match=r"'moved' is for .* RGB alone, .* stream 'flow'; use 'fourier'"):
        Moved().held((RGB, FLOW))
    assert Moved().held((STILL,)) == (STILL,)


def test_classes_of_several_rgb_frames_that_hold_figures_are_smoother() -> None:
    large = rgb_frames(5, size=40)
    classes = _crop(large, layer="scores")
    assert usual_parametrization(classes) == Moved(picture=Fourier(reach=1 / 3))
    assert usual_priors(classes) == (Energy(), Variation(kappa=3.0))
    for other in (_crop(large), _crop(RGB, layer="scores"), _crop(rgb_frames(1, size=40), layer="scores")):
        assert usual_priors(other) == PRIORS
        assert usual_parametrization(other) in (Moved(), Fourier())


def _network() -> Network:
    torch.manual_seed(0)
    return Network(nn.Sequential(nn.Conv3d(3, 2, (3, 3, 3), bias=False)), [RGB])


def test_a_result_holds_picture_and_velocities_and_what_it_is_held_against(tmp_path: Path) -> None:
    result = maximize(_network(), "0:0", recipe=QUICK)
    assert result.provenance["parametrization"].startswith("Moved(")
    assert result.velocities is not None and result.velocities.shape == (2, 2, 2, 3, 3)
    assert result.pictures is not None and result.pictures.shape[:2] == (2, 3) and min(result.pictures.shape[2:]) > 3
    for controls in result.controls:
        assert {"still picture", "random order", "free clip"} <= set(controls)
    assert {"energy of velocity", "variation of velocity in time"} <= set(result.shares[0])
    opened = PreferredInput.open(result.save(tmp_path))
    assert opened == result and torch.equal(opened.parts[VELOCITY], result.velocities)


def test_the_callback_is_told_of_the_free_clips_too() -> None:
    seen: list[Progress] = []
    maximize(_network(), ["0:0", "0:1"], recipe=replace(QUICK, batch=2), callback=seen.append)
    assert [one.done for one in seen] == list(range(1, 33)) and {one.planned for one in seen} == {32}
    assert [one.free for one in seen] == ([False] * 8 + [True] * 8) * 2
    assert seen[8].labels == ("0:0",) and seen[8].slowness == (0.0,)


@pytest.mark.parametrize("stopped_at", [9, 12])
def test_ctrl_c_among_the_free_clips_keeps_the_moved_ones(stopped_at: int) -> None:
    def stop(progress: Progress) -> None:
        if progress.done == stopped_at:
            raise KeyboardInterrupt

    result = maximize(_network(), "0:0", recipe=QUICK, callback=stop)
    assert result.interrupted and len(result.history) == 8
    assert result.velocities is not None


def test_free_clips_have_no_velocities() -> None:
    result = maximize(_network(), "0:0", recipe=QUICK, parametrization="fourier")
    assert result.velocities is None and result.pictures is None and "free clip" not in result.controls[0]


def test_the_bound_of_velocities_is_the_recipes() -> None:
    result = maximize(_network(), "0:0", recipe=replace(QUICK, bounds={VELOCITY: 0.25}))
    assert result.velocities is not None
    assert float(result.velocities.square().sum(2).sqrt().max()) <= 0.25 + 1e-6
    with pytest.raises(MareyError, match="velocity"):
        maximize(_network(), "0:0", recipe=replace(QUICK, bounds={VELOCITY: 0.25}), parametrization="fourier")


def test_starts_move_the_picture_as_a_whole_in_eight_directions() -> None:
    stream = rgb_frames(4, size=33)
    held = Moved().held((stream,))
    free = {one.name: torch.zeros(2, *Moved().free_shape(one.kind, one.shape)) for one in held}
    seen = []
    for start in Moved().starts(free, held):
        field = Moved().frames(start[VELOCITY], "flow", held[1].shape)
        assert float(field.std((2, 3, 4)).max()) < 1e-5, "uniform in space and time"
        seen.append(field[0].mean((1, 2, 3)))
    angles = torch.stack(seen)
    assert len(seen) == 16 and float(angles.sum(0).abs().max()) < 1e-4
    assert sorted({round(float(one.square().sum().sqrt()), 3) for one in seen}) == [0.2, 0.4]
    assert list(Fourier().starts(free, held)) == []


def test_every_input_begins_at_the_start_that_excites_it_most() -> None:
    free = {"a": torch.tensor([[1.0], [5.0]])}
    others = [{"a": torch.tensor([[3.0], [4.0]])}, {"a": torch.tensor([[2.0], [float("nan")]])}]
    assert best_start(free, others, lambda one: one["a"][:, 0])["a"].tolist() == [[3.0], [5.0]]
    assert best_start(free, [], lambda one: one["missing"])["a"] is free["a"]
