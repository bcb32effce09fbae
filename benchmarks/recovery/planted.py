"""Units whose weights are set by hand: what they prefer is known before anything is computed."""

import importlib.util
import math
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from methods import preferred

import marey

SPEEDS = (1.0, 2.0, 3.0, 4.0)
DIRECTIONS_DEG = tuple(30.0 * k for k in range(12))
EDGES_DEG = tuple(45.0 * k for k in range(8))


def known_networks() -> ModuleType:
    """The hand-set networks and the measures of the tests."""
    path = Path(__file__).parents[2] / "tests" / "known_networks.py"
    spec = importlib.util.spec_from_file_location("known_networks", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def velocity(direction_deg: float, speed: float) -> tuple[float, float]:
    angle = math.radians(direction_deg)
    return speed * math.cos(angle), speed * math.sin(angle)


def planted(seed: int, steps: int, methods: list[str], weight: float | None) -> Iterator[dict[str, Any]]:
    """One row for every unit, method and slowness: what was asked, how far off it is."""
    known = known_networks()
    colors = {"red-green": known.RED_GREEN, "blue-yellow": known.BLUE_YELLOW}
    motions = [(angle, speed) for speed in SPEEDS for angle in DIRECTIONS_DEG]
    edges = [(angle, color) for color in colors for angle in EDGES_DEG]
    moving = known.motion_network([velocity(*one) for one in motions])
    still = known.edge_network([(angle, colors[color]) for angle, color in edges])
    joint = [(EDGES_DEG[k], tuple(colors)[k % 2], DIRECTIONS_DEG[(5 * k) % 12], SPEEDS[k % 3]) for k in range(8)]
    for method in methods:

        def motion(flow: torch.Tensor, direction: float, speed: float) -> dict[str, float]:
            return {
                "direction_off_deg": known.apart_deg(known.motion_angle_deg(flow), direction),
                "speed_off": abs(known.speed(flow) / speed - 1),
            }

        def edge(picture: torch.Tensor, angle: float, color: str) -> dict[str, float]:
            return {
                "edge_off_deg": known.apart_deg(known.edge_angle_deg(picture, colors[color]), angle),
                "purity": known.color_purity(picture, colors[color]),
            }

        names = [f"motions:{k}" for k in range(len(motions))]
        shown = preferred(moving, names, method, seed=seed, steps=steps, weight=weight, small=True)
        for one, (direction, speed) in zip(shown, motions, strict=True):
            for chi, flow in zip(one.slowness, one.frames["flow"], strict=True):
                yield _row("motion", method, seed, chi, motion(flow, direction, speed), asked_speed=speed)
        names = [f"edges:{k}" for k in range(len(edges))]
        shown = preferred(still, names, method, seed=seed, steps=steps, weight=weight, small=True)
        for one, (angle, color) in zip(shown, edges, strict=True):
            for chi, picture in zip(one.slowness, one.frames["rgb"], strict=True):
                yield _row("edge", method, seed, chi, edge(picture, angle, color))
        for angle, color, direction, speed in joint:
            network = known.conjunction_network(angle, colors[color], velocity(direction, speed))
            most = marey.Maxima(largest={"both": torch.tensor([0.8])}, source="its weights")
            (one,) = preferred(
                network, ["both:0"], method, seed=seed, steps=steps, weight=weight, small=True, maxima=most
            )
            for k, chi in enumerate(one.slowness):
                found = motion(one.frames["flow"][k], direction, speed) | edge(one.frames["rgb"][k], angle, color)
                yield _row("conjunction", method, seed, chi, found, asked_speed=speed)


def _row(kind: str, method: str, seed: int, chi: float, found: dict[str, float], **asked: float) -> dict[str, Any]:
    return {"part": "planted", "kind": kind, "method": method, "seed": seed, "chi": chi, **found, **asked}
