from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from marey.findings.actor_masks import actor_masks, motion_mask
from marey.findings.asking import Shown
from marey.findings.carried_noise import carried_noise
from marey.findings.filled import filled
from marey.findings.interventions import (
    actor_only,
    another_frame,
    at_rest,
    background_only,
    frozen,
    interventions,
    mirrored,
    reversed_in_time,
    shuffled,
)
from marey.network.stream import Stream, rgb_frames
from marey.video.read.clip import Clip

RGB = rgb_frames(6, size=32)
FLOW = Stream("flow", "flow", tuple(range(6)), 32, 32)


def shown(clip: Clip | None = None, seed: int = 0) -> Shown:
    random = torch.Generator().manual_seed(seed)
    inputs = {one.name: torch.rand(1, *one.shape, generator=random) for one in (RGB, FLOW)}
    return Shown(0, clip or Clip(Path("clips/wave/a.mp4")), inputs, random)


def test_one_frame_is_the_middle_one_without_motion():
    clip = shown()
    changed = frozen([RGB, FLOW])(clip)
    assert (changed["rgb"] == clip.inputs["rgb"][:, :, 3:4]).all()
    assert (changed["flow"] == 0).all()
    other = another_frame([RGB, FLOW])(clip)
    assert (other["rgb"] == other["rgb"][:, :, :1]).all()
    assert not (other["rgb"] == changed["rgb"]).all()


def test_shuffled_frames_and_fields_have_one_order_that_is_not_their_own():
    streams = [replace(RGB, times=(0, 2)), replace(FLOW, times=(0, 1))]
    for seed in range(8):
        clip = shown(seed=seed)
        small = replace(clip, inputs={name: values[:, :, :2] for name, values in clip.inputs.items()})
        changed = shuffled(streams)(small)
        for name in changed:
            assert (changed[name] == small.inputs[name].flip(2)).all()


def test_in_a_mirror_what_moves_right_moves_left_and_clips_stay_as_they_were():
    clip = shown()
    before = {name: values.clone() for name, values in clip.inputs.items()}
    changed = mirrored([RGB, FLOW])(clip)
    assert (changed["rgb"].flip(-1) == before["rgb"]).all()
    across, down = changed["flow"].flip(-1).unbind(1)
    assert (across == -before["flow"][:, 0]).all() and (down == before["flow"][:, 1]).all()
    assert all((clip.inputs[name] == values).all() for name, values in before.items())


def test_what_runs_backward_moves_the_other_way():
    clip = shown()
    changed = reversed_in_time([RGB, FLOW])(clip)
    assert (changed["rgb"].flip(2) == clip.inputs["rgb"]).all()
    assert (changed["flow"].flip(2) == -clip.inputs["flow"]).all()


def test_a_stream_at_rest_shows_nothing():
    clip = shown()
    assert (at_rest([RGB, FLOW], "rgb")(clip)["rgb"] == 0.5).all()
    changed = at_rest([RGB, FLOW], "flow")(clip)
    assert (changed["flow"] == 0).all()
    assert changed["rgb"] is clip.inputs["rgb"]


def test_only_changes_that_mean_something_are_made():
    names = [[one.name for one in interventions(streams)] for streams in ([RGB, FLOW], [RGB], [rgb_frames(1, size=32)])]
    assert len(names[0]) == 8
    assert names[1] == ["one frame", "shuffled", "reversed", "carried noise", "actor only", "background only"]
    assert names[2] == ["actor only", "background only"]


def moving_texture(pixels: int) -> torch.Tensor:
    texture = np.random.default_rng(0).random((8, 12)).repeat(8, 0).repeat(8, 1).astype(np.float32)
    frames = [np.roll(texture, pixels * k, 1)[:64, 16:80] for k in range(4)]
    return torch.tensor(np.stack(frames)).expand(3, 4, 64, 64)[None]


def test_noise_is_carried_as_the_clip_moves_and_each_frame_is_white():
    noise = carried_noise(moving_texture(2), torch.Generator().manual_seed(0))[0]  # channel time y x
    inner = noise[:, :, 8:-8, 8:-8]
    same = (inner[:, 1, :, 2:] == inner[:, 0, :, :-2]).float().mean()
    assert same > 0.6
    still = carried_noise(moving_texture(0), torch.Generator().manual_seed(0))[0]
    assert (still == still[:, :1]).float().mean() > 0.95
    for frame in noise.unbind(1):
        assert float(frame.mean()) == pytest.approx(0.5, abs=0.02)
        assert float(frame.var()) == pytest.approx(1 / 12, abs=0.005)
        values = frame[0] - frame[0].mean()
        neighbors = (values[:, 1:] * values[:, :-1]).mean() / values.var()
        assert abs(float(neighbors)) < 0.05


def test_an_area_is_filled_from_its_border_and_the_rest_stays():
    values = torch.full((1, 3, 2, 20, 15), 0.25)
    area = torch.zeros(1, 1, 2, 20, 15, dtype=torch.bool)
    area[..., 4:12, 3:9] = True
    hidden = torch.where(area, 0.9, values)
    assert torch.allclose(filled(hidden, area, rest=0.5), values, atol=1e-5)
    noisy = torch.rand(1, 3, 2, 20, 15)
    kept = filled(noisy, area, rest=0.5)
    assert torch.equal(kept[~area.expand_as(kept)], noisy[~area.expand_as(noisy)])
    assert (filled(noisy, torch.ones_like(area), rest=0.5) == 0.5).all()


def test_the_mask_beside_a_clip_says_where_the_actor_is(tmp_path: Path):
    mask = np.zeros((10, 32, 32), bool)
    mask[:, :, :16] = True
    mask[5:] = ~mask[5:]
    (tmp_path / "truth/wave").mkdir(parents=True)
    np.savez(tmp_path / "truth/wave/a.npz", mask=mask)
    clip = replace(shown(Clip(tmp_path / "clips/wave/a.mp4")), start_frames=(2,))
    found = actor_masks(clip, [RGB, FLOW])
    assert found.source == "truth"
    assert np.array_equal(found.of["rgb"][0, 0].numpy(), mask[2:8])
    actor, rest = (make([RGB, FLOW])(clip)["rgb"] for make in (actor_only, background_only))
    assert (actor[0, :, 0, :, 16:] == 0.5).all()
    assert torch.equal(actor[0, :, 0, :, :16], clip.inputs["rgb"][0, :, 0, :, :16])
    assert torch.equal(rest[0, :, 0, :, 18:], clip.inputs["rgb"][0, :, 0, :, 18:])


def test_without_masks_what_moves_otherwise_than_the_camera_is_the_actor():
    fields = torch.full((1, 2, 4, 40, 40), 1.5)
    fields[:, 0, :, 10:30, 15:25] = -2
    found = motion_mask(fields)[0, 0, 0]
    truth = torch.zeros(40, 40, dtype=torch.bool)
    truth[10:30, 15:25] = True
    assert (found & truth).sum() / (found | truth).sum() > 0.6
    assert not motion_mask(torch.full((1, 2, 4, 40, 40), 1.5)).any()
    assert actor_masks(shown(), [RGB]).source == "motion"


@pytest.mark.parametrize(("rows", "known"), [(0, False), (8, True), (28, False)])
def test_where_nothing_or_nearly_everything_moves_the_actor_is_not_known(rows: int, known: bool):
    clip = shown()
    clip.inputs["flow"][:] = 0
    for third, (u, v) in enumerate(((4, 0), (-2, 3), (-2, -3))):  # no camera moves in three directions at once
        clip.inputs["flow"][:, :, :, :rows, third * 11 : third * 11 + 11] = torch.tensor([u, v]).view(2, 1, 1, 1) * 1.0
    assert actor_masks(clip, [RGB, FLOW]).known == known
