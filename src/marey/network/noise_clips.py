"""Generated clips for a network that has seen no real ones."""

from collections.abc import Iterator

import torch
from torch import Tensor

from marey.network.network import Network


def _pink(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    height, width = shape[-2:]
    fy, fx = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None]
    amplitude = 1 / (fy.square() + fx.square()).sqrt().clamp_min(1 / max(height, width))
    spectrum = torch.fft.rfft2(torch.randn(shape, generator=generator)) * amplitude
    picture = torch.fft.irfft2(spectrum, s=(height, width))
    centered = picture - picture.mean(dim=(-2, -1), keepdim=True)
    pink: Tensor = centered / centered.std(dim=(-2, -1), keepdim=True).clamp_min(1e-6)
    return pink


def _shifted(picture: Tensor, right: float, down: float) -> Tensor:
    fy = torch.fft.fftfreq(picture.shape[-2])[:, None]
    fx = torch.fft.rfftfreq(picture.shape[-1])[None]
    turn = torch.polar(torch.ones(()).expand(fy.shape[0], fx.shape[1]), -2 * torch.pi * (fy * down + fx * right))
    shifted: Tensor = torch.fft.irfft2(torch.fft.rfft2(picture) * turn, s=(picture.shape[-2], picture.shape[-1]))
    return shifted


def noise_clips(
    network: Network, *, count: int = 16, seed: int = 0, speed_px_per_frame: float = 3.0
) -> Iterator[dict[str, Tensor]]:
    """Generated clips, one at a time, for a network that has seen no real ones: a 1/f texture drifting over another.

    The texture moves in a window of smooth shape at up to `speed_px_per_frame`; RGB and flow show the same scene.
    A score relative to these is not a score relative to real clips, and results say which of the two they are.
    """
    generator = torch.Generator().manual_seed(seed)
    for _ in range(count):
        reference = network.streams[0]
        size = (reference.height, reference.width)
        front = 0.5 + 0.2 * _pink((3, *size), generator)
        back = 0.5 + 0.2 * _pink((3, *size), generator)
        mask = torch.sigmoid(4 * _pink((1, *size), generator))
        angle = float(torch.rand((), generator=generator)) * 2 * torch.pi
        speed = float(torch.rand((), generator=generator)) * speed_px_per_frame
        right, down = speed * float(torch.tensor(angle).cos()), speed * float(torch.tensor(angle).sin())
        clip = {}
        for stream in network.streams:
            frames = []
            for time in stream.times:
                place = time - stream.times[0]
                cover = _shifted(mask, right * place, down * place).clamp(0, 1)
                if stream.kind == "rgb":
                    frames.append(cover * _shifted(front, right * place, down * place) + (1 - cover) * back)
                else:
                    frames.append(torch.cat([cover * right, cover * down]))
            video = torch.stack(frames, dim=1).clamp(stream.low, stream.high)
            clip[stream.name] = torch.nn.functional.interpolate(video, size=(stream.height, stream.width))[None]
        yield clip
