"""The shipped defaults find what hand-set networks prefer: angles within 15 degrees, speed within 25 %."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from types import ModuleType

import pytest
import torch
from torch import Tensor

from marey.families.loading import load
from marey.maximization.priors import Energy, Variation, differences
from marey.maximization.recipe import Recipe
from marey.maximization.result import PreferredInput
from marey.maximization.run import maximize
from marey.network.maxima import Maxima
from marey.network.network import Network

pytestmark = pytest.mark.slow

SHIPPED = replace(Recipe(), precision="fp32")  # "auto" is a matter of speed and differs from machine to machine

ANGLES = (0.0, 45.0, 110.0, -60.0)
VELOCITIES = ((-2.0, 0.0), (0.0, 2.0), (1.4, -1.4), (1.0, 0.0), (-2.4, 1.8))


def _picture(result: PreferredInput, chi: int) -> Tensor:
    return result.frames["rgb"][chi]


def _shows_edge(known: ModuleType, rgb: Tensor, angle: float, color: Sequence[float]) -> bool:
    right = known.apart_deg(known.edge_angle_deg(rgb, color), angle) <= 15
    return right and known.color_purity(rgb, color) > 0.85


def _shows_motion(known: ModuleType, flow: Tensor, velocity: tuple[float, float]) -> bool:
    wanted = torch.tensor(velocity).view(2, 1, 1, 1).expand_as(flow)
    fast = known.speed(wanted)
    right = known.apart_deg(known.motion_angle_deg(flow), known.motion_angle_deg(wanted)) <= 15
    return right and abs(known.speed(flow) - fast) <= 0.25 * fast


def test_an_edge_of_one_color_is_found_at_every_orientation(known: ModuleType) -> None:
    edges = [(angle, known.RED_GREEN) for angle in ANGLES] + [(200.0, known.BLUE_YELLOW)]
    results = maximize(known.edge_network(edges), [f"edges:{k}" for k in range(len(edges))], recipe=SHIPPED)
    for result, (angle, color) in zip(results, edges, strict=True):
        for chi in range(len(result.slowness)):
            found = known.edge_angle_deg(_picture(result, chi), color)
            assert _shows_edge(known, _picture(result, chi), angle, color), f"{angle} asked, {found} found"


@pytest.mark.parametrize(("layer", "least"), [("rgb.conv1_2", 0.6), ("flow.conv2_2", 0.65)])
def test_the_first_filters_of_a_network_want_more_than_one_color(layer: str, least: float) -> None:
    network = load("motion-studies")
    results = maximize(network, [f"{layer}:{k}" for k in range(4)], recipe=replace(SHIPPED, slowness=(0.0,)))
    assert sum(result.scores[0] for result in results) / len(results) > least, "of what real clips excite"


@pytest.mark.parametrize("unit", ["rgb.conv3_3:7", "fusion.conv5:6"])
def test_a_unit_everywhere_is_excited_more_than_by_an_empty_input(unit: str) -> None:
    network = load("motion-studies").resized(48, 48, deepest="fusion.conv5")
    result = maximize(network, unit, recipe=replace(SHIPPED, slowness=(0.0,), where="everywhere", steps=32))
    layer, channel = unit.split(":")
    with torch.no_grad():
        rest = float(network.activations(network.rest(), [layer])[layer][0, int(channel)].mean())
    at_rest = result.relative(rest)
    assert at_rest is not None and result.scores[0] > at_rest + 0.5


def test_motion_is_found_with_its_direction_and_speed_at_every_slowness(known: ModuleType) -> None:
    network = known.motion_network(list(VELOCITIES))
    results = maximize(network, [f"motions:{k}" for k in range(len(VELOCITIES))], recipe=SHIPPED)
    for result, velocity in zip(results, VELOCITIES, strict=True):
        for flow, chi in zip(result.frames["flow"], result.slowness, strict=True):
            found = (known.motion_angle_deg(flow), known.speed(flow))
            assert _shows_motion(known, flow, velocity), f"{velocity} at chi {chi}: found {found}"
        assert result.notes == ((),) * len(result.slowness)


def test_motion_to_the_left_at_2_px_per_frame_is_found_with_the_recipe_as_it_is(known: ModuleType) -> None:
    result = maximize(known.motion_network([(-2.0, 0.0)]), "motions:0")
    assert all(_shows_motion(known, flow, (-2.0, 0.0)) for flow in result.frames["flow"])


@pytest.mark.parametrize(
    ("angle", "color", "velocity"),
    [(45.0, "RED_GREEN", (-2.0, 0.0)), (-90.0, "BLUE_YELLOW", (0.0, 2.0))],
)
def test_a_conjunction_is_found_in_both_streams_although_it_is_silent_at_the_start(
    known: ModuleType, angle: float, color: str, velocity: tuple[float, float]
) -> None:
    network = known.conjunction_network(angle, getattr(known, color), velocity)
    maxima = Maxima({"both": torch.tensor([0.8])}, source="the largest that it can respond")
    result = maximize(network, "both:0", recipe=SHIPPED, maxima=maxima)
    for chi in range(len(result.slowness)):
        assert _shows_edge(known, _picture(result, chi), angle, getattr(known, color))
        assert _shows_motion(known, result.frames["flow"][chi], velocity)
        assert result.notes[chi] == ()
    freer = maximize(
        network,
        "both:0",
        recipe=replace(SHIPPED, slowness=(0.0, 10.0)),
        maxima=maxima,
        priors=[Energy(), Variation(1.0)],
    )
    assert min(freer.scores) > 0.5, "the shipped variation, three times as heavy, keeps the score low"


@pytest.mark.parametrize("wrong", [(2.0, 0.0), (0.0, -2.0), (-1.4, 0.0), (-2.6, 0.0), (-1.9, 0.6), (0.01, 0.0)])
def test_the_measure_of_motion_refuses_wrong_answers(known: ModuleType, wrong: tuple[float, float]) -> None:
    right = torch.tensor((-2.0, 0.0)).view(2, 1, 1, 1).expand(2, 3, 5, 5)
    assert _shows_motion(known, right, (-2.0, 0.0))
    assert not _shows_motion(known, torch.tensor(wrong).view(2, 1, 1, 1).expand(2, 3, 5, 5), (-2.0, 0.0))


def test_the_measure_of_motion_refuses_noise_and_opposite_halves(known: ModuleType) -> None:
    noise = 2 * torch.randn(2, 3, 9, 9, generator=torch.Generator().manual_seed(1))
    halves = torch.zeros(2, 3, 8, 8)
    halves[0, ..., :4], halves[0, ..., 4:] = -2.1, 2.0
    for wrong in (noise, noise - torch.tensor([0.3, 0.0]).view(2, 1, 1, 1), halves):
        assert not _shows_motion(known, wrong, (-2.0, 0.0))


@pytest.mark.parametrize("off", [20.0, 90.0, 180.0])
def test_the_measure_of_edges_refuses_wrong_orientations_and_colors(known: ModuleType, off: float) -> None:
    def drawn(angle: float, color: tuple[float, float, float]) -> Tensor:
        edge: Tensor = known.edge_filter(angle, color)
        return 0.5 + edge[:, None] * 10

    assert _shows_edge(known, drawn(30.0, known.RED_GREEN), 30.0, known.RED_GREEN)
    assert not _shows_edge(known, drawn(30.0 + off, known.RED_GREEN), 30.0, known.RED_GREEN)
    assert not _shows_edge(known, drawn(30.0, (1.0, 1.0, 1.0)), 30.0, known.RED_GREEN)
    assert not _shows_edge(known, drawn(30.0, (1.0, 0.0, 0.0)), 30.0, known.RED_GREEN)


class _Flicker(torch.nn.Module):
    """Likes flow to the right in one frame and to the left in the next: the fastest motion, with nothing in its way."""

    def __init__(self) -> None:
        super().__init__()
        self.match = torch.nn.Conv3d(2, 1, (4, 5, 5), bias=False)
        self.match.weight.data.zero_()
        self.match.weight.data[0, 0] = torch.tensor([1.0, -1.0, 1.2, -0.4]).view(4, 1, 1) / 100
        self.unit = torch.nn.ReLU()

    def forward(self, flow: Tensor) -> Tensor:
        out: Tensor = self.unit(self.match(flow))
        return out


def test_a_slowness_prior_slows_the_preferred_motion(known: ModuleType) -> None:
    network = Network(_Flicker(), [known.flow_frames(8, size=13)], maxima=Maxima({"unit": torch.tensor([0.3])}))
    result = maximize(network, "unit:0", recipe=replace(SHIPPED, slowness=(0.0, 1.0, 5.0, 10.0)))
    _, temporal = differences(result.frames["flow"])
    assert all(slow < fast for fast, slow in pairwise(temporal.tolist())), temporal
    assert temporal[-1] < 0.25 * temporal[0]


def test_slowness_takes_far_more_from_the_variation_in_time_than_in_space(known: ModuleType) -> None:
    torch.manual_seed(0)
    mix = torch.nn.Sequential(torch.nn.Conv3d(2, 6, (3, 5, 5)), torch.nn.ReLU(), torch.nn.Conv3d(6, 4, (3, 3, 3)))
    network = Network(mix, [known.flow_frames(8, size=13)], maxima=Maxima({"2": torch.full((4,), 0.5)}))
    results = maximize(network, [f"2:{k}" for k in range(4)], recipe=replace(SHIPPED, slowness=(0.0, 10.0)))
    for result in results:
        spatial, temporal = differences(result.frames["flow"])
        assert temporal[1] < temporal[0]
        assert temporal[1] / spatial[1] < 0.8 * temporal[0] / spatial[0]
