"""Networks that see RGB alone, whose motion is known: trained on moving textures, set by hand, and blind to motion."""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from marey.network.maxima import Maxima
from marey.network.measured_maxima import measured_maxima
from marey.network.network import Network
from marey.network.stream import rgb_frames

DIRECTIONS = {"left": (-1.0, 0.0), "right": (1.0, 0.0), "up": (0.0, -1.0), "down": (0.0, 1.0)}
"""{class: (u, v)}, of length 1."""

SPEEDS = (1.0, 3.0)
"""Slowest and fastest texture, px/frame."""

SIZE, FRAMES = 32, 8
STEPS = 150

_COLORS = ((1.0, 0.3, 0.1), (1.0, 0.0, -0.3), (1.0, -0.3, 0.2))


def moving_textures(
    count: int, generator: torch.Generator, *, times: Sequence[int] = range(FRAMES)
) -> tuple[Tensor, Tensor]:
    """Clips (clip 3 time height width) of 1/f textures that move along `DIRECTIONS`, and their classes (clip)."""
    classes = torch.randint(0, len(DIRECTIONS), (count,), generator=generator)
    slowest, fastest = SPEEDS
    speeds = slowest + (fastest - slowest) * torch.rand(count, generator=generator)
    velocity = torch.tensor(list(DIRECTIONS.values()))[classes] * speeds[:, None]
    side = 2 * SIZE
    fy, fx = torch.fft.fftfreq(side)[:, None], torch.fft.rfftfreq(side)[None]
    amplitude = 1 / (fy.square() + fx.square()).sqrt().clamp_min(2 / side) ** 1.2
    plain = torch.fft.irfft2(torch.fft.rfft2(torch.randn(count, 3, side, side, generator=generator)) * amplitude)
    plain = (plain - plain.mean((2, 3), keepdim=True)) / plain.std((2, 3), keepdim=True)
    texture = (0.5 + 0.17 * torch.einsum("dc,nchw->ndhw", torch.tensor(_COLORS), plain)).clamp(0, 1)
    waves = torch.fft.rfft2(texture)[:, :, None]
    moments = torch.tensor(times).view(-1, 1, 1)
    u, v = (velocity[:, axis].view(-1, 1, 1, 1) for axis in (0, 1))
    turned = waves * torch.exp(-2j * math.pi * moments * (fx * u + fy * v))[:, None]
    clips = torch.fft.irfft2(turned, s=(side, side))[..., :SIZE, :SIZE]
    return (clips + 0.02 * torch.randn(clips.shape, generator=generator)).clamp(0, 1), classes


class Directions(nn.Module):
    """A small 3-D network for the directions of moving textures."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv3d(3, width, (3, 5, 5), (1, 2, 2), (1, 2, 2)), nn.BatchNorm3d(width), nn.ReLU(),
            nn.Conv3d(width, 2 * width, 3, 2, 1), nn.BatchNorm3d(2 * width), nn.ReLU(),
            nn.Conv3d(2 * width, 2 * width, 3, (1, 2, 2), 1), nn.BatchNorm3d(2 * width), nn.ReLU(),
        )  # fmt: skip
        self.scores = nn.Linear(2 * width, len(DIRECTIONS))

    def forward(self, clips: Tensor) -> Tensor:
        found: Tensor = self.scores(self.features(clips).mean((2, 3, 4)))
        return found


class TwoRates(nn.Module):
    """`Directions` of many frames and of few, side by side, as in SlowFast: the sum of both scores."""

    def __init__(self) -> None:
        super().__init__()
        self.fast, self.slow = Directions(), Directions()

    def forward(self, fast: Tensor, slow: Tensor) -> Tensor:
        found: Tensor = self.fast(fast) + self.slow(slow)
        return found


def trained(
    seed: int, *, steps: int = STEPS, times: Sequence[int] = range(FRAMES), slow: Sequence[int] = ()
) -> Network:
    """`Directions` trained on moving textures, which takes some seconds; `TwoRates` with `slow`, some of the times."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed + 100)
    module = TwoRates() if slow else Directions()
    optimizer = torch.optim.AdamW(module.parameters(), weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1.5e-2, total_steps=max(2, steps))
    for _ in range(steps):
        clips, classes = moving_textures(16, generator, times=times)
        shown = [(clip - 0.5) / 0.25 for clip in streams_of(clips, times, slow)]
        loss = nn.functional.cross_entropy(module(*shown), classes, label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    frame = rgb_frames(1, size=SIZE, mean=(0.5,) * 3, std=(0.25,) * 3)
    streams = [replace(frame, times=tuple(times))] + ([replace(frame, name="slow", times=tuple(slow))] if slow else [])
    return Network(module.eval(), streams, classes=tuple(DIRECTIONS), name=f"directions-{seed}")


def streams_of(clips: Tensor, times: Sequence[int], slow: Sequence[int]) -> list[Tensor]:
    """The clips, whose frames are at `times`, and their frames at `slow`, if any."""
    return [clips] + ([clips[:, :, [list(times).index(time) for time in slow]]] if slow else [])


def held_out(network: Network, *, count: int = 64, seed: int = 999) -> tuple[float, Maxima]:
    """The accuracy on clips that the network was not trained on, and how far its class scores reach on them."""
    fast, *slow = network.streams
    clips, classes = moving_textures(count, torch.Generator().manual_seed(seed), times=fast.times)
    parts = streams_of(clips, fast.times, slow[0].times if slow else ())
    shown = {stream.name: part for stream, part in zip(network.streams, parts, strict=True)}
    with torch.no_grad():
        scores = network.activations(shown, [network.scores])[network.scores].flatten(1)
    single = [{name: part[place : place + 1] for name, part in shown.items()} for place in range(count)]
    maxima = measured_maxima(network, single, [network.scores], source=f"{count} held-out clips")
    return float((scores.argmax(1) == classes).float().mean()), maxima


class MotionEnergy(nn.Module):
    """Unit k of `energy` answers to gray waves of 8 px that move across themselves by velocity k (u, v) in px/frame.

    A pair of Gabor filters in space and time, a quarter of a wave apart, squared and summed (Adelson and Bergen 1985),
    minus the same for the opposite direction.
    """

    def __init__(self, velocities: list[tuple[float, float]], *, size: int = 15, frames: int = 9, wave: float = 8.0):
        super().__init__()
        self.count = len(velocities)
        self.filters = nn.Conv3d(3, 4 * self.count, (frames, size, size), bias=False)
        place = torch.arange(size) - (size - 1) / 2
        t = (torch.arange(frames) - (frames - 1) / 2).view(-1, 1, 1)
        y, x = place.view(1, -1, 1), place.view(1, 1, -1)
        window = torch.exp(-(x.square() + y.square()) / (2 * (size / 4) ** 2) - t.square() / (2 * (frames / 4) ** 2))
        for k, (u, v) in enumerate(velocities):
            speed = math.hypot(u, v)
            for n, sign in enumerate((1, -1)):
                phase = 2 * math.pi * ((x * u + y * v) / speed - sign * speed * t) / wave
                for m, wavy in enumerate((torch.cos(phase), torch.sin(phase))):
                    kernel = window * (wavy - (window * wavy).sum() / window.sum())
                    self.filters.weight.data[4 * k + 2 * n + m] = kernel / kernel.abs().sum() / 3
        self.energy = nn.ReLU()

    def forward(self, clips: Tensor) -> Tensor:
        squares = self.filters(clips).square().unflatten(1, (self.count, 2, 2)).sum(3)
        wanted, opposite = (squares + 1e-8).sqrt().unbind(2)
        found: Tensor = self.energy(wanted - opposite)
        return found


def energy_network(velocities: list[tuple[float, float]]) -> Network:
    """`MotionEnergy` of clips of 9 frames of 15 px."""
    return Network(MotionEnergy(velocities), [rgb_frames(9, size=15)])


def wave_maxima(network: Network, velocities: list[tuple[float, float]]) -> Maxima:
    """How far the units of an `energy_network` reach on waves of half contrast that move by their velocities."""
    t, y, x = torch.meshgrid(torch.arange(9.0), torch.arange(15.0), torch.arange(15.0), indexing="ij")
    clips = []
    for u, v in velocities:
        across = (x * u + y * v) / math.hypot(u, v) - math.hypot(u, v) * t
        clips.append((0.5 + 0.25 * torch.cos(2 * math.pi * across / 8.0)).expand(1, 3, -1, -1, -1))
    return measured_maxima(network, [{"rgb": clip} for clip in clips], ["energy"], source=f"{len(clips)} moving waves")


class StillFeatures(nn.Module):
    """Features of each frame alone, and their mean over frames: no motion can matter."""

    def __init__(self, channels: int = 4) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv3d(3, 8, (1, 5, 5), (1, 2, 2)), nn.ReLU(), nn.Conv3d(8, 8, (1, 3, 3)))
        self.relu = nn.ReLU()
        self.scores = nn.Linear(8, channels)

    def forward(self, clips: Tensor) -> Tensor:
        found: Tensor = self.scores(self.relu(self.features(clips)).mean((2, 3, 4)))
        return found


def still_network(seed: int) -> Network:
    """`StillFeatures` of clips of 8 frames of 20 px, with random weights."""
    torch.manual_seed(seed)
    return Network(StillFeatures(), [rgb_frames(8, size=20, mean=(0.5,) * 3, std=(0.25,) * 3)], classes=tuple("abcd"))


def wave_velocity(frames: Tensor) -> tuple[float, float]:
    """Velocity (u, v) across the strongest wave of a clip (channel time height width) in gray, px/frame."""
    gray = frames.mean(0)
    gray = gray - gray.mean()
    for axis in (0, 1, 2):
        window = torch.hann_window(gray.shape[axis] + 2, periodic=False)[1:-1]
        gray = gray * window.view([-1 if k == axis else 1 for k in range(3)])
    size = [64, 64, 64]
    power = torch.fft.fftn(gray, s=size).abs().square()
    power[:, 0, 0] = 0
    t, y, x = (float(torch.fft.fftfreq(64)[k]) for k in torch.unravel_index(power.argmax(), power.shape))
    across = math.hypot(x, y)
    return (-t * x / across**2, -t * y / across**2)
