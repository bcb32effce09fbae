"""Networks with hand-set weights whose preferred input is known, and measures of what an input shows."""

import math

import torch
from torch import Tensor, nn

from marey.network.network import Network
from marey.network.stream import Stream, rgb_frames

RED_GREEN = (1.0, -1.0, 0.0)
BLUE_YELLOW = (-0.5, -0.5, 1.0)


def edge_filter(angle_deg: float, color: tuple[float, float, float], *, size: int = 11) -> Tensor:
    """An odd Gabor filter (channel height width); `angle_deg` is where its contrast rises, 0 to the right, 90 down."""
    place = torch.arange(size) - (size - 1) / 2
    y, x = torch.meshgrid(place, place, indexing="ij")
    angle = math.radians(angle_deg)
    across = x * math.cos(angle) + y * math.sin(angle)
    wave = torch.sin(2 * math.pi * across / size) * torch.exp(-(x.square() + y.square()) / (2 * (size / 4) ** 2))
    filters = torch.tensor(color)[:, None, None] * wave
    return filters / filters.abs().sum()


class Edges(nn.Module):
    """Unit k of `edges` answers to an edge in one color with its contrast rising along one angle."""

    def __init__(self, edges: list[tuple[float, tuple[float, float, float]]]) -> None:
        super().__init__()
        self.filters = nn.Conv2d(3, len(edges), 11, bias=False)
        self.filters.weight.data = torch.stack([edge_filter(angle, color) for angle, color in edges])
        self.edges = nn.ReLU(inplace=True)

    def forward(self, picture: Tensor) -> Tensor:
        return self.edges(self.filters(picture))


class Motions(nn.Module):
    """Unit k of `motions` answers to all of its patch moving by one velocity (u, v): a tent around it, then averages.

    |a| is relu(a) + relu(-a); the tent is relu(1 - (|along - speed| + |across|) / width).
    """

    def __init__(self, velocities: list[tuple[float, float]], *, space: int = 7, time: int = 3, width: float = 1.25):
        super().__init__()
        count = len(velocities)
        self.sides = nn.Conv3d(2, 4 * count, 1)
        self.tents = nn.Conv3d(4 * count, count, 1)
        self.sides.weight.data.zero_()
        self.sides.bias.data.zero_()
        self.tents.weight.data.zero_()
        self.tents.bias.data.fill_(1.0)
        for k, (u, v) in enumerate(velocities):
            speed = math.hypot(u, v)
            along = torch.tensor([u, v]) / speed
            across = torch.tensor([-v, u]) / speed
            for n, (direction, offset) in enumerate(((along, -speed), (-along, speed), (across, 0.0), (-across, 0.0))):
                self.sides.weight.data[4 * k + n, :, 0, 0, 0] = direction
                self.sides.bias.data[4 * k + n] = offset
            self.tents.weight.data[k, 4 * k : 4 * k + 4, 0, 0, 0] = -1 / (width * speed)
        self.relu = nn.ReLU(inplace=True)
        self.motions = nn.AvgPool3d((time, space, space), stride=1)

    def forward(self, flow: Tensor) -> Tensor:
        return self.motions(self.relu(self.tents(self.relu(self.sides(flow)))))


class Conjunction(nn.Module):
    """`both` fires only where the edge AND the motion are there: each counts up to 1, and 1.2 must be passed."""

    def __init__(self, angle_deg: float, color: tuple[float, float, float], velocity: tuple[float, float]) -> None:
        super().__init__()
        self.appearance = Edges([(angle_deg, color)])
        self.missing = nn.Conv3d(1, 1, 1)  # what the edge lacks to full contrast
        self.motion = Motions([velocity], space=11, time=3)
        self.sum = nn.Conv3d(2, 1, 1)
        for part, weights, bias in ((self.missing, [-8.0], 1.0), (self.sum, [-1.0, 1.0], 1.0 - 1.2)):
            part.weight.data = torch.tensor(weights).view(1, -1, 1, 1, 1)
            part.bias.data.fill_(bias)
        self.relu = nn.ReLU(inplace=True)
        self.both = nn.ReLU(inplace=True)

    def forward(self, rgb: Tensor, flow: Tensor) -> Tensor:
        missing = self.relu(self.missing(self.appearance(rgb)[:, :, None]))
        moved = self.motion(flow)
        return self.both(self.sum(torch.cat([missing.expand(-1, -1, moved.shape[2], -1, -1), moved], 1)))


def flow_frames(count: int, *, size: int) -> Stream:
    """A stream of `count` flow fields in a row."""
    return Stream("flow", "flow", times=tuple(range(count)), height=size, width=size)


def edge_network(edges: list[tuple[float, tuple[float, float, float]]], *, size: int = 21) -> Network:
    """Appearance only."""
    return Network(Edges(edges), [rgb_frames(1, size=size, layout="n c h w")])


def motion_network(velocities: list[tuple[float, float]], *, size: int = 15, frames: int = 7) -> Network:
    """Motion only."""
    return Network(Motions(velocities), [flow_frames(frames, size=size)])


def conjunction_network(
    angle_deg: float, color: tuple[float, float, float], velocity: tuple[float, float], *, size: int = 21
) -> Network:
    """Both streams."""
    streams = [rgb_frames(1, size=size, layout="n c h w"), flow_frames(7, size=size)]
    return Network(Conjunction(angle_deg, color, velocity), streams)


def edge_angle_deg(rgb: Tensor, color: tuple[float, float, float]) -> float:
    """Where the contrast along `color` rises in a picture (channel time height width), by its first moment."""
    along = torch.einsum("c,cthw->hw", torch.tensor(color), rgb - 0.5)
    height, width = along.shape
    x = torch.arange(width) - (width - 1) / 2
    y = torch.arange(height) - (height - 1) / 2
    return math.degrees(math.atan2(float((along * y[:, None]).sum()), float((along * x[None]).sum())))


def color_purity(rgb: Tensor, color: tuple[float, float, float]) -> float:
    """Part of a picture's color contrast (channel time height width) that lies along `color`, 0..1."""
    offset = (rgb - rgb.mean(dim=(1, 2, 3), keepdim=True)).flatten(1)
    unit = torch.tensor(color) / math.hypot(*color)
    return float((unit @ offset).square().sum() / offset.square().sum())


def motion_angle_deg(flow: Tensor) -> float:
    """Direction of the mean flow (channel time height width): 0 to the right, 90 down."""
    u, v = flow.mean(dim=(1, 2, 3)).tolist()
    return math.degrees(math.atan2(v, u))


def speed(flow: Tensor) -> float:
    """Length of the mean flow vector (channel time height width), px/frame: what cancels out counts for nothing."""
    return math.hypot(*flow.mean(dim=(1, 2, 3)).tolist())


def apart_deg(one: float, other: float) -> float:
    """How far two angles are apart, 0..180."""
    return abs((one - other + 180) % 360 - 180)
