"""The color wheel: flow fields as colors, one component of them, and the speed at which colors are full."""

from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from marey.errors import MareyError
from marey.video.encode import Picture

Component = Literal["u", "v", "magnitude"]

# Number of hues from each corner of the wheel to the next: red, yellow, green, cyan, blue, magenta, red.
_HUES = ((15, 0, 1, +1), (6, 1, 0, -1), (4, 1, 2, +1), (11, 2, 1, -1), (13, 2, 0, +1), (6, 0, 2, -1))
_DARKEST = 0.12  # the gray of the largest magnitude, on white
_NICE = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)


@lru_cache(maxsize=1)
def _wheel() -> Tensor:
    """The 55 hues of the color wheel, from red over yellow, green, cyan, blue, magenta back to red (hue, 3)."""
    hues = []
    for count, kept, changed, sign in _HUES:
        for k in range(count):
            color = [0.0, 0.0, 0.0]
            color[kept] = 1.0
            color[changed] = k / count if sign > 0 else 1.0 - k / count
            hues.append(color)
    return torch.tensor(hues)


def color_wheel(flow: Tensor, *, max_px: float | None = None) -> Picture:
    """Color the flow (..., 2, height, width) in px/frame, as uint8 (..., height, width, 3).

    White is no motion, hue is direction, saturation is speed. Motion to the right is red, down yellow, left cyan-blue,
    up violet. Colors are full at `max_px` (None: the largest magnitude in `flow`). Faster motion is darker, by up to a
    quarter. Flow that is not finite is black. The 55 hues and the quarter come from Baker et al., "A Database and
    Evaluation Methodology for Optical Flow", ICCV 2007 / IJCV 2011; colors here go on without a seam, around the circle
    and at `max_px`. Raises MareyError for other axes.

    >>> color_wheel(torch.tensor([1.0, 0.0]).view(2, 1, 1)).tolist()
    [[[255, 0, 0]]]
    """
    u, v = _components(flow)
    known = torch.isfinite(u) & torch.isfinite(v)
    u, v = u.where(known, 0.0), v.where(known, 0.0)
    magnitude = torch.hypot(u, v)
    full = _full_scale(magnitude, max_px)
    wheel = _wheel()
    place = torch.remainder(torch.atan2(v, u) / (2 * torch.pi), 1.0) * len(wheel)
    low = place.floor().long() % len(wheel)
    part = (place - place.floor()).unsqueeze(-1)
    hue = wheel[low] * (1 - part) + wheel[(low + 1) % len(wheel)] * part
    speed = (magnitude / full).unsqueeze(-1)
    color = torch.where(speed <= 1, 1 - speed * (1 - hue), hue / speed.clamp(1, 4 / 3))
    return _picture(color * known.unsqueeze(-1))


def one_component(flow: Tensor, component: Component, *, max_px: float | None = None) -> Picture:
    """Draw one component of the flow (..., 2, height, width) in px/frame, as uint8 (..., height, width, 3).

    u and v take the colors that the wheel has along their axis (u red to the right, blue to the left; v yellow down,
    violet up), so that one legend explains all. The magnitude darkens from white. Flow that is not finite is no motion.
    """
    u, v = (torch.nan_to_num(part) for part in _components(flow))
    magnitude = torch.hypot(u, v)
    full = _full_scale(magnitude, max_px)
    if component == "magnitude":
        gray = 1 - (magnitude / full).clamp(0, 1) * (1 - _DARKEST)
        return _picture(gray.unsqueeze(-1).expand(*gray.shape, 3))
    nothing = torch.zeros_like(u)
    pair = [u, nothing] if component == "u" else [nothing, v]
    return color_wheel(torch.stack(pair, dim=-3), max_px=full)


def nice_max_px(*flows: Tensor) -> float:
    """Choose a round number of px/frame at which the colors of these flows (..., 2, height, width) are full.

    The number is at or above the largest magnitude. Where a few vectors are far beyond the rest, it is at or above
    twice the speed that 99.5 % of a field stay below. It is 1 where nothing moves.

    >>> nice_max_px(torch.full((2, 8, 8), 2.0))
    3.0
    """
    fastest = 0.0
    for flow in flows:
        u, v = (torch.nan_to_num(part) for part in _components(flow))
        magnitude = torch.hypot(u, v).numpy()
        if magnitude.size:
            usual = max(float(np.quantile(field, 0.995)) for field in magnitude.reshape(-1, *magnitude.shape[-2:]))
            fastest = max(fastest, min(float(magnitude.max()), 2 * usual))
    if fastest <= 1e-6:
        return 1.0
    decade = 10.0 ** np.floor(np.log10(fastest))
    return float(next((nice * decade for nice in _NICE if nice * decade >= fastest * (1 - 1e-6)), 10 * decade))


def _components(flow: Tensor) -> tuple[Tensor, Tensor]:
    if flow.ndim < 3 or flow.shape[-3] != 2:
        raise MareyError(
            f"flow has shape {tuple(flow.shape)}; expected (..., 2, height, width) with u and v in px/frame. "
            "Move the channel axis to the third place from the end."
        )
    u, v = flow.detach().to("cpu", torch.float32).unbind(-3)
    return u, v


def _full_scale(magnitude: Tensor, max_px: float | None) -> float:
    if max_px is None:
        return max(float(magnitude.max()), 1e-6) if magnitude.numel() else 1.0
    if not 0 < max_px < float("inf"):
        raise MareyError(
            f"max_px is {max_px}; expected a number of px/frame above 0, or None for the largest in the flow."
        )
    return max_px


def _picture(color: Tensor) -> Picture:
    values: Picture = (color.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    return values
