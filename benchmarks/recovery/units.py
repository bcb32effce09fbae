"""Units of the bundled network against the answer key: what drives them, by regression on exact motion and color."""

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
from marey.receptive_field import ReceptiveField
from marey.taps import frozen

LAYERS = ("flow.relu3_3", "flow.relu4_3", "rgb.relu3_3", "rgb.relu4_3")
STUDIES = StudySet(42, seed=3000, frames=12)
"""1092 clips, shown once each."""
PLACES = 24
"""Places of a layer taken from each clip."""
SPEED_EDGES = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.5, 8.0)
CLEAR = 0.05
"""Part of a unit's variance that direction, or color, must explain in both halves of the clips."""
AGREE = {"direction": 15.0, "color": 20.0}
"""How far apart, in degrees, both halves' answers may be."""


@dataclass(frozen=True)
class Answer:
    """What drives a unit: a direction (degrees, 0 right, 90 down) and speed, or a color (away from gray)."""

    unit: str
    kind: str
    explained: float
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
    mean = middle.mean((1, 2, 3)) - 0.5
    return {"color_off_deg": _angle_deg(mean, torch.tensor(answer.color))}


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
                "explained": answer.explained,
                **compared(answer, one, k),
            }


def _observed(network: marey.Network, studies: StudySet) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """{layer: responses (clip place unit)}, and {layer: means of u, v, speed, red, green, blue (clip place 6)}."""
    generator = torch.Generator().manual_seed(0)
    responses: dict[str, list[Tensor]] = {layer: [] for layer in LAYERS}
    causes: dict[str, list[Tensor]] = {layer: [] for layer in LAYERS}
    with torch.no_grad(), frozen(network.module):
        for clip in studies.clips():
            window = studies.load(clip, network.streams).window(network.streams)
            outputs = network.activations({name: values[None] for name, values in window.items()}, LAYERS)
            moving = window["flow"].mean(1)
            truth = torch.cat(
                [moving, window["flow"].square().sum(0, keepdim=True).sqrt().mean(1), window["rgb"][:, 0]]
            )
            for layer in LAYERS:
                field = network.layer(layer).receptive_field
                maps = outputs[layer][0, :, 0]
                around = _local(truth, field, maps.shape[-2:])
                inside = torch.arange(maps[0].numel()).view(maps.shape[-2:])[2:-2, 2:-2].flatten()
                chosen = inside[torch.randperm(len(inside), generator=generator)[:PLACES]]
                responses[layer].append(maps.flatten(1)[:, chosen].T)
                causes[layer].append(around.flatten(1)[:, chosen].T)
    return (
        {layer: torch.stack(parts) for layer, parts in responses.items()},
        {layer: torch.stack(parts) for layer, parts in causes.items()},
    )


def _local(truth: Tensor, field: ReceptiveField, places: Sequence[int]) -> Tensor:
    """Means of `truth` (cause height width) around the middle of each place's receptive field, a quarter of it wide."""
    stride = truth.shape[-1] // places[-1]
    size = max(3, (field.length(next(iter(field.streams)))[1] // 4) | 1)
    means = avg_pool2d(truth[None], size, 1, size // 2, count_include_pad=False)[0]
    return means[:, stride // 2 :: stride, stride // 2 :: stride][:, : places[0], : places[1]]


def _answer(unit: str, kind: str, response: Tensor, cause: Tensor) -> Answer | None:
    """The answer of a unit from responses (clip place) and causes (clip place 6), if both halves of the clips agree."""
    own = (0, 1) if kind == "direction" else (3, 4, 5)
    halves = [_fitted(response[k::2].flatten(), cause[k::2].flatten(0, 1), own) for k in (0, 1)]
    if any(half is None for half in halves):
        return None
    (one, first), (other, second) = halves  # type: ignore[misc]
    if min(first, second) < CLEAR or _angle_deg(one, other) > AGREE[kind]:
        return None
    together = one / one.norm() + other / other.norm()
    explained = min(first, second)
    if kind == "color":
        return Answer(unit, kind, explained, color=tuple(together.tolist()))
    along = (cause[..., :2] @ (together / together.norm())).flatten()
    across = cause[..., 2].flatten()
    mean = [
        (float(response.flatten()[chosen].mean()), float(along[chosen].mean()))
        for low, high in pairwise(SPEED_EDGES)
        if int((chosen := (along > low) & (along <= high) & (along > 0.7 * across)).sum()) >= 20
    ]
    if not mean:
        return None
    angle = math.degrees(math.atan2(float(together[1]), float(together[0])))
    return Answer(unit, kind, explained, direction_deg=angle, speed=max(mean)[1])


def _fitted(response: Tensor, cause: Tensor, own: Sequence[int]) -> tuple[Tensor, float] | None:
    """Coefficients of the `own` causes beside all others, and the part of the variance that only they explain."""
    if float(response.std()) < 1e-6:
        return None
    spread = cause.std(0).clamp_min(1e-6)
    design = torch.cat([(cause - cause.mean(0)) / spread, torch.ones(len(cause), 1)], 1).double()
    wanted = ((response - response.mean()) / response.std()).double()[:, None]
    fit = torch.linalg.lstsq(design, wanted).solution
    others = [k for k in range(design.shape[1]) if k not in own]
    without = torch.linalg.lstsq(design[:, others], wanted).solution
    gained = float((wanted - design[:, others] @ without).square().mean() - (wanted - design @ fit).square().mean())
    return (fit[list(own), 0] / spread[list(own)]).float(), gained


def _angle_deg(one: Tensor, other: Tensor) -> float:
    cosine = float(one @ other / (one.norm() * other.norm()).clamp_min(1e-9))
    return math.degrees(math.acos(max(-1.0, min(1.0, cosine))))
