"""Units of the bundled network against the answer key: what drives them, by their answers to exact motion and color."""

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
from marey.datasets.motion_studies import StudySet
from marey.taps import frozen

LAYERS = ("flow.relu3_3", "flow.relu4_3", "rgb.relu3_3", "rgb.relu4_3")
STUDIES = StudySet(80, seed=3000, frames=12)
"""2080 clips, shown once each."""
PLACES = 24
"""Places of a layer taken from each clip."""
SECTORS = 12
"""Directions by which answers to motion are averaged."""
FEW = 30
"""Places below which the mean of a sector says nothing."""
MOVING = 0.5
"""Speed, in px/frame, from which a place has a direction."""
SPEED_EDGES = (0.5, 1.0, 1.5, 2.0, 3.0, 4.5, 8.0)
SELECTIVE = 0.25
"""Length of the mean vector over directions, 0 (all alike) to 1 (one only), from which a unit's answer is clear."""
CLEAR = 0.05
"""Part of a unit's variance that color must explain in both halves of the clips."""
AGREE = {"direction": 20.0, "color": 20.0}
"""How far apart, in degrees, both halves' answers may be."""


@dataclass(frozen=True)
class Answer:
    """What drives a unit: a direction (degrees, 0 right, 90 down) and speed, or a color, middle less surround.

    `clearness` is the length of the mean vector over directions, or the part of the variance that color explains.
    """

    unit: str
    kind: str
    clearness: float
    direction_deg: float = math.nan
    speed: float = math.nan
    color: tuple[float, ...] = ()


def answers(network: marey.Network, studies: StudySet = STUDIES) -> list[Answer]:
    """Those units of `LAYERS` that have a clear answer."""
    responses, causes = _observed(network, studies)
    found = []
    for layer in LAYERS:
        kind = "direction" if layer.startswith("flow") else "color"
        for channel in range(network.layer(layer).units):
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
    inner, outer = ((size - width) // 2 for size, width in ((height, small), (height, large)))
    contrast = frames[..., inner : inner + small, inner : inner + small].mean((1, 2, 3)) - frames[
        ..., outer : outer + large, outer : outer + large
    ].mean((1, 2, 3))
    return {"color_off_deg": _angle_deg(contrast, torch.tensor(answer.color))}


def rows(
    network: marey.Network, found: Sequence[Answer], method: str, *, seed: int, steps: int
) -> Iterator[dict[str, Any]]:
    """One row for every unit and slowness."""
    shown = preferred(network, [answer.unit for answer in found], method, seed=seed, steps=steps)
    for answer, one in zip(found, shown, strict=True):
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

    Causes of motion are u, v and speed, of color red, green and blue of the middle less those of the surround. Places
    that move are taken more often, as most of a clip stands still.
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
                    around = around - _local(truths[stream], large, maps.shape[-2:])
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


def _local(truth: Tensor, size: int, places: Sequence[int]) -> Tensor:
    """Means of `truth` (cause height width) over squares of this size around the middle of each place."""
    stride = truth.shape[-1] // places[-1]
    means = avg_pool2d(truth[None], size, 1, size // 2, count_include_pad=False)[0]
    return means[:, stride // 2 :: stride, stride // 2 :: stride][:, : places[0], : places[1]]


def _answer(unit: str, kind: str, response: Tensor, cause: Tensor) -> Answer | None:
    """The answer of a unit from responses (clip place) and causes (clip place cause), if both halves agree.

    The halves are every second clip.
    """
    half = _direction if kind == "direction" else _color
    found = [half(response[k::2].flatten(), cause[k::2].flatten(0, 1)) for k in (0, 1)]
    if found[0] is None or found[1] is None:
        return None
    (one, first), (other, second) = found[0], found[1]
    clearness = min(first, second)
    if clearness < (SELECTIVE if kind == "direction" else CLEAR) or _angle_deg(one, other) > AGREE[kind]:
        return None
    together = one / one.norm() + other / other.norm()
    if kind == "color":
        return Answer(unit, kind, clearness, color=tuple(together.tolist()))
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
    angle = math.degrees(math.atan2(float(together[1]), float(together[0])))
    return Answer(unit, kind, clearness, direction_deg=angle, speed=max(mean)[1])


def _direction(response: Tensor, cause: Tensor) -> tuple[Tensor, float] | None:
    """Mean vector over directions of what the unit answers beyond its answer to rest, and its length, 0..1.

    As in the study of direction selective neurons: sectors count alike, however many places each has.
    """
    u, v, _ = cause.unbind(1)
    speed, angle = torch.hypot(u, v), torch.atan2(v, u)
    sector = (angle / (2 * math.pi) * SECTORS).round().long() % SECTORS
    moving = speed > MOVING
    counts = torch.bincount(sector[moving], minlength=SECTORS)
    still = response[speed < MOVING / 5]
    if int(counts.min()) < FEW or len(still) < FEW or float(response.std()) < 1e-6:
        return None
    sums = torch.zeros(SECTORS).index_add_(0, sector[moving], response[moving])
    tuning = (sums / counts - still.mean()).clamp_min(0)
    middles = torch.arange(SECTORS) * 2 * math.pi / SECTORS
    mean = torch.stack(((tuning * middles.cos()).sum(), (tuning * middles.sin()).sum()))
    return mean, float(mean.norm() / tuning.sum().clamp_min(1e-9))


def _color(response: Tensor, cause: Tensor) -> tuple[Tensor, float] | None:
    """Coefficients of red, green and blue in a linear regression, and the part of the variance that it explains."""
    if float(response.std()) < 1e-6:
        return None
    spread = cause.std(0).clamp_min(1e-6)
    design = ((cause - cause.mean(0)) / spread).double()
    wanted = ((response - response.mean()) / response.std()).double()[:, None]
    fit = torch.linalg.lstsq(design, wanted).solution
    explained = float(1 - (wanted - design @ fit).square().mean())
    return (fit[:, 0] / spread).float(), explained


def _angle_deg(one: Tensor, other: Tensor) -> float:
    cosine = float(one @ other / (one.norm() * other.norm()).clamp_min(1e-9))
    return math.degrees(math.acos(max(-1.0, min(1.0, cosine))))
