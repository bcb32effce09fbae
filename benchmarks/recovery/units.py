"""Units of the bundled network against the answer key: what drives them, by answers to motion, color and edges."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from methods import Shown, preferred
from torch import Tensor
from torch.nn.functional import avg_pool2d

import marey
from marey.datasets import StudySet
from marey.network.hooks import frozen

LAYERS = ("flow.relu3_3", "flow.relu4_3", "rgb.relu3_3", "rgb.relu4_3")
KINDS = {"flow": ("direction",), "rgb": ("color", "edge")}
"""What may drive the units of a stream."""
STUDIES = StudySet(80, seed=3000, frames=12)
"""2080 clips, shown once each."""
PLACES = 24
"""Places of a layer taken from each clip."""
SECTORS = 12
"""Directions by which answers to motion are averaged, and, over half a turn, those to edges."""
FEW = 30
"""Places below which the mean of a sector says nothing."""
MOVING = 0.5
"""Speed, in px/frame, from which a place has a direction."""
ORIENTED = 0.5
"""How coherent gradients are, 0 (all angles alike) to 1 (one only), from which on a place has an edge."""
SPEED_EDGES = (0.5, 1.0, 1.5, 2.0, 3.0, 4.5, 8.0)
SELECTIVE = 0.25
"""Length of the mean vector over directions or edges, 0 (all alike) to 1 (one only), from which an answer is clear."""
CLEAR = 0.05
"""Part of a unit's variance that color must explain in both halves of the clips."""
AGREE = {"direction": 20.0, "color": 20.0, "edge": 20.0}
"""How far apart, in degrees, both halves' answers may be; of edges, which return after half a turn, half."""


@dataclass(frozen=True)
class Answer:
    """What drives a unit: a direction (degrees, 0 right, 90 down) and speed, a color, middle less surround, or an edge.

    An edge is named by the direction in which it changes most, 0 to 180 degrees. `clearness` is the length of the mean
    vector over directions or edges, or the part of the variance that color explains.
    """

    unit: str
    kind: str
    clearness: float
    direction_deg: float = math.nan
    speed: float = math.nan
    color: tuple[float, ...] = ()
    edge_deg: float = math.nan


def answers(network: marey.Network, studies: StudySet = STUDIES) -> list[Answer]:
    """Those units of `LAYERS` that have a clear answer."""
    responses, causes = _observed(network, studies)
    found = []
    for layer in LAYERS:
        for channel in range(network.layer(layer).units):
            for kind in KINDS[layer.split(".")[0]]:
                answer = _answer(f"{layer}:{channel}", kind, responses[layer][:, :, channel], causes[layer])
                if answer is not None:
                    found.append(answer)
    return found


def compared(answer: Answer, shown: Shown, chi: int) -> dict[str, float]:
    """How far the middle of a preferred input is from the answer."""
    stream = next(one for one in shown.streams if one.kind == ("flow" if answer.kind == "direction" else "rgb"))
    frames = shown.frames[stream.name][chi]
    height, width = frames.shape[-2:]
    middle = frames[..., height // 4 : height - height // 4, width // 4 : width - width // 4]
    if answer.kind == "direction":
        # the place that moves most counts most: a limb is smaller than a receptive field
        size = middle.square().sum(0, keepdim=True)
        u, v = (middle * size).sum((1, 2, 3)).div(size.sum().clamp_min(1e-9)).tolist()
        off = abs((math.degrees(math.atan2(v, u)) - answer.direction_deg + 180) % 360 - 180)
        return {"direction_off_deg": off, "speed_ratio": math.hypot(u, v) / answer.speed}
    small, large = _sides(stream.height)
    if answer.kind == "edge":
        along, across, _ = _square(_gradients(frames[:, 0]), small).mean((1, 2)).tolist()
        edge_deg = math.degrees(math.atan2(across, along)) / 2
        return {"edge_off_deg": abs((edge_deg - answer.edge_deg + 90) % 180 - 90)}
    contrast = _square(frames[:, 0], small).mean((1, 2)) - _square(frames[:, 0], large).mean((1, 2))
    return {"color_off_deg": _angle_deg(contrast, torch.tensor(answer.color))}


def rows(
    network: marey.Network, found: Sequence[Answer], method: str, *, seed: int, steps: int
) -> Iterator[dict[str, Any]]:
    """One row for every unit and slowness."""
    names = list(dict.fromkeys(answer.unit for answer in found))
    shown = dict(zip(names, preferred(network, names, method, seed=seed, steps=steps), strict=True))
    for answer in found:
        one = shown[answer.unit]
        for k, chi in enumerate(one.slowness):
            yield {
                "part": "units",
                "kind": answer.kind,
                "unit": answer.unit,
                "method": method,
                "seed": seed,
                "chi": chi,
                "clearness": answer.clearness,
                **compared(answer, one, k),
            }


def _observed(network: marey.Network, studies: StudySet) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """{layer: responses (clip place unit)}, and {layer: their causes (clip place cause)}.

    Causes of motion are u, v and speed, of color red, green and blue of the middle less those of the surround, of edges
    the gradients of the middle. Places that move are taken more often, as most of a clip stands still.
    """
    generator = torch.Generator().manual_seed(0)
    responses: dict[str, list[Tensor]] = {layer: [] for layer in LAYERS}
    causes: dict[str, list[Tensor]] = {layer: [] for layer in LAYERS}
    with torch.no_grad(), frozen(network.module):
        for clip in studies.clips():
            window = studies.load(clip, network.streams).window(network.streams)
            outputs = network.activations({name: values[None] for name, values in window.items()}, LAYERS)
            speed = window["flow"].square().sum(0, keepdim=True).sqrt().mean(1)
            truths = {"flow": torch.cat([window["flow"].mean(1), speed]), "rgb": window["rgb"][:, 0]}
            for layer in LAYERS:
                stream = layer.split(".")[0]
                field = network.layer(layer).receptive_field
                maps = outputs[layer][0, :, 0]
                small, large = _sides(field.length(stream)[1])
                around = _local(truths[stream], small, maps.shape[-2:])
                if stream == "rgb":
                    edges = _local(_gradients(truths[stream]), small, maps.shape[-2:])
                    around = torch.cat((around - _local(truths[stream], large, maps.shape[-2:]), edges))
                inside = torch.arange(maps[0].numel()).view(maps.shape[-2:])[2:-2, 2:-2].flatten()
                weights = around[2].flatten()[inside] + 0.05 if stream == "flow" else torch.ones(len(inside))
                chosen = inside[torch.multinomial(weights, min(PLACES, len(inside)), generator=generator)]
                responses[layer].append(maps.flatten(1)[:, chosen].T)
                causes[layer].append(around.flatten(1)[:, chosen].T)
    return (
        {layer: torch.stack(parts) for layer, parts in responses.items()},
        {layer: torch.stack(parts) for layer, parts in causes.items()},
    )


def _sides(length: int) -> tuple[int, int]:
    """Sides of the middle and of its surround in a receptive field: a quarter and all of it, odd."""
    return max(3, (length // 4) | 1), (length - 1) | 1


def _square(picture: Tensor, side: int) -> Tensor:
    """The middle of a picture (channel height width)."""
    top, left = ((size - side) // 2 for size in picture.shape[-2:])
    return picture[:, top : top + side, left : left + side]


def _gradients(picture: Tensor) -> Tensor:
    """Products of the differences x across and y down, summed over colors: x^2 - y^2, 2 x y and x^2 + y^2.

    The first two are a vector at twice the angle in which the picture changes, so that both sides of an edge count
    alike (Di Zenzo, A note on the gradient of a multi-image, 1986).
    """
    x = (picture[:, 1:-1, 2:] - picture[:, 1:-1, :-2]) / 2
    y = (picture[:, 2:, 1:-1] - picture[:, :-2, 1:-1]) / 2
    products = picture.new_zeros(3, *picture.shape[1:])
    products[:, 1:-1, 1:-1] = torch.stack((x.square() - y.square(), 2 * x * y, x.square() + y.square()), 1).sum(0)
    return products


def _local(truth: Tensor, size: int, places: Sequence[int]) -> Tensor:
    """Means of `truth` (cause height width) over squares of this size around the middle of each place."""
    stride = truth.shape[-1] // places[-1]
    means = avg_pool2d(truth[None], size, 1, size // 2, count_include_pad=False)[0]
    return means[:, stride // 2 :: stride, stride // 2 :: stride][:, : places[0], : places[1]]


def _answer(unit: str, kind: str, response: Tensor, cause: Tensor) -> Answer | None:
    """The answer of a unit from responses (clip place) and causes (clip place cause), if both halves agree.

    The halves are every second clip.
    """
    half = {"direction": _direction, "color": _color, "edge": _edge}[kind]
    found = [half(response[k::2].flatten(), cause[k::2].flatten(0, 1)) for k in (0, 1)]
    if found[0] is None or found[1] is None:
        return None
    (one, first), (other, second) = found[0], found[1]
    clearness = min(first, second)
    if clearness < (CLEAR if kind == "color" else SELECTIVE) or _angle_deg(one, other) > AGREE[kind]:
        return None
    together = one / one.norm() + other / other.norm()
    if kind == "color":
        return Answer(unit, kind, clearness, color=tuple(together.tolist()))
    angle = math.degrees(math.atan2(float(together[1]), float(together[0])))
    if kind == "edge":
        return Answer(unit, kind, clearness, edge_deg=angle / 2)
    u, v, _ = cause.flatten(0, 1).unbind(1)
    along = torch.stack((u, v), 1) @ (together / together.norm())
    straight = along > 0.87 * torch.hypot(u, v)  # within 30 degrees
    mean = [
        (float(response.flatten()[chosen].mean()), float(along[chosen].mean()))
        for low, high in pairwise(SPEED_EDGES)
        if int((chosen := straight & (along > low) & (along <= high)).sum()) >= FEW
    ]
    if not mean:
        return None
    return Answer(unit, kind, clearness, direction_deg=angle, speed=max(mean)[1])


def _direction(response: Tensor, cause: Tensor) -> tuple[Tensor, float] | None:
    """What the unit answers to directions of motion beyond its answer to rest, see `_tuned`."""
    u, v, _ = cause.unbind(1)
    speed = torch.hypot(u, v)
    return _tuned(response, torch.atan2(v, u), speed > MOVING, speed < MOVING / 5)


def _edge(response: Tensor, cause: Tensor) -> tuple[Tensor, float] | None:
    """What the unit answers to edges beyond its answer to the flattest fifth of the places, at twice their angles."""
    along, across, energy = cause[:, 3:].unbind(1)
    oriented = torch.hypot(along, across) > ORIENTED * energy
    return _tuned(
        response,
        torch.atan2(across, along),
        oriented & (energy > energy.median()),
        energy < energy.quantile(0.2),
    )


def _tuned(response: Tensor, angle: Tensor, chosen: Tensor, rest: Tensor) -> tuple[Tensor, float] | None:
    """Mean vector over angles of what the unit answers to `chosen` places beyond `rest`, and its length, 0..1.

    As in the study of direction selective neurons: sectors count alike, however many places each has.
    """
    sector = (angle / (2 * math.pi) * SECTORS).round().long() % SECTORS
    counts = torch.bincount(sector[chosen], minlength=SECTORS)
    if int(counts.min()) < FEW or int(rest.sum()) < FEW or float(response.std()) < 1e-6:
        return None
    sums = torch.zeros(SECTORS).index_add_(0, sector[chosen], response[chosen])
    tuning = (sums / counts - response[rest].mean()).clamp_min(0)
    middles = torch.arange(SECTORS) * 2 * math.pi / SECTORS
    mean = torch.stack(((tuning * middles.cos()).sum(), (tuning * middles.sin()).sum()))
    return mean, float(mean.norm() / tuning.sum().clamp_min(1e-9))


def _color(response: Tensor, cause: Tensor) -> tuple[Tensor, float] | None:
    """Coefficients of red, green and blue in a linear regression, and the part of the variance that it explains."""
    if float(response.std()) < 1e-6:
        return None
    colors = cause[:, :3]
    spread = colors.std(0).clamp_min(1e-6)
    design = ((colors - colors.mean(0)) / spread).double()
    wanted = ((response - response.mean()) / response.std()).double()[:, None]
    fit = torch.linalg.lstsq(design, wanted).solution
    explained = float(1 - (wanted - design @ fit).square().mean())
    return (fit[:, 0] / spread).float(), explained


def _angle_deg(one: Tensor, other: Tensor) -> float:
    cosine = float(one @ other / (one.norm() * other.norm()).clamp_min(1e-9))
    return math.degrees(math.acos(max(-1.0, min(1.0, cosine))))
