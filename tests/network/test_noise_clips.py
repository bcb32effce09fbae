"""Generated clips are repeatable, and their texture moves as their flow says."""

import torch
from torch import nn

from marey.network.network import Network
from marey.network.noise_clips import noise_clips
from marey.network.stream import Stream, rgb_frames


def test_generated_clips_are_repeatable_and_in_range() -> None:
    streams = [rgb_frames(2, size=12, step=4), Stream("flow", "flow", times=tuple(range(6)), height=10, width=14)]
    network = Network(nn.Conv3d(3, 1, 1), streams)
    one, other, another = (list(noise_clips(network, count=3, seed=seed)) for seed in (0, 0, 1))
    assert len(one) == 3
    for a, b, c in zip(one, other, another, strict=True):
        for stream in streams:
            video = a[stream.name]
            assert tuple(video.shape) == (1, *stream.shape)
            assert float(video.min()) >= stream.low
            assert float(video.max()) <= stream.high
            assert torch.equal(video, b[stream.name])
            assert not torch.equal(video, c[stream.name])
    assert max(float(clip["flow"].square().sum(1).sqrt().max()) for clip in one) <= 3.1


def test_the_texture_of_a_generated_clip_moves_as_its_flow_says() -> None:
    flow = Stream("flow", "flow", times=(0, 1, 2), height=24, width=24)
    network = Network(nn.Conv3d(3, 1, 1), [rgb_frames(3, size=24), flow])
    for clip in noise_clips(network, count=4):
        field = clip["flow"][0].flatten(1)
        right, down = field[:, field.square().sum(0).argmax()]
        moved = clip["flow"][0, :, 1].abs().sum(0) / (right.abs() + down.abs())
        still = clip["flow"][0, :, 0].abs().sum(0) / (right.abs() + down.abs())
        shift = (round(float(down)), round(float(right)))
        rolled = still.roll(shift, (0, 1))
        assert float((rolled - moved).abs().mean()) <= float((still - moved).abs().mean()) + 0.02
