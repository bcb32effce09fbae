"""Objectives obey the laws of a vector space, and their value is the weighted sum that is written."""

import dataclasses
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from torch import nn

from marey.errors import NetworkError
from marey.maximization.objectives import Objective, direction, unit
from marey.network.maxima import Maxima
from marey.network.network import Network
from marey.network.stream import rgb_frames

# Sums and products of small multiples of 1/8 are exact, so that the laws hold to the last bit.
weights = some.integers(-64, 64).map(lambda number: number / 8)
single = some.builds(lambda channel, weight: weight * unit(f"fc:{channel}"), some.integers(0, 4), weights)
objectives = some.lists(single, min_size=1, max_size=4).map(lambda parts: sum(parts[1:], parts[0]))


def _activations() -> dict[str, torch.Tensor]:
    return {"fc": torch.randn(5, 2, 3, 4, generator=torch.Generator().manual_seed(0))}


@given(objectives, objectives)
def test_a_sum_does_not_depend_on_the_order_and_a_difference_does(a: Objective, b: Objective) -> None:
    assert a + b == b + a
    assert hash(a + b) == hash(b + a)
    assert a - b == -(b - a)
    assert (a - b == -(a + b)) == (2 * a == 0 * a)


@given(objectives, objectives, objectives)
def test_sums_are_associative(a: Objective, b: Objective, c: Objective) -> None:
    assert (a + b) + c == a + (b + c)


@given(objectives, objectives, weights, weights)
def test_scaling_is_distributive(a: Objective, b: Objective, k: float, m: float) -> None:
    assert k * (a + b) == k * a + k * b
    assert (k + m) * a == k * a + m * a
    assert k * (m * a) == (k * m) * a
    assert a * k == k * a
    assert a / 2 == 0.5 * a


@given(objectives)
def test_an_objective_less_itself_is_nothing(a: Objective) -> None:
    assert (a - a).terms == ()
    assert str(a - a) == "0"
    assert a + (a - a) == a
    negative = -a
    assert -negative == a


@given(some.lists(some.floats(-10, 10), min_size=3, max_size=3))
def test_sums_of_any_weights_are_associative_up_to_rounding(w: list[float]) -> None:
    a, b, c = (weight * unit("fc:1") for weight in w)
    activations = _activations()
    one, other = ((a + b) + c).value(activations), (a + (b + c)).value(activations)
    torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


@given(objectives)
def test_the_value_is_the_weighted_sum(a: Objective) -> None:
    activations = _activations()
    expected = sum(
        (Fraction(weight) * Fraction(activations["fc"][term.unit.channel].double().mean().item()))  # type: ignore[attr-defined]
        for term, weight in a.terms
    )
    assert float(a.value(activations)) == pytest.approx(float(expected), abs=1e-4)


def test_operations_leave_their_parts_unchanged() -> None:
    a, b = unit("fc:0"), unit("fc:1")
    before = (repr(a), repr(b))
    assert a + b - 2 * a != a
    assert (repr(a), repr(b)) == before
    with pytest.raises(dataclasses.FrozenInstanceError):
        a.terms = ()  # type: ignore[misc]


def test_a_position_reads_one_place_and_none_the_mean_of_all() -> None:
    activations = _activations()
    assert unit("fc:2@1,2,3").value(activations) == activations["fc"][2, 1, 2, 3]
    torch.testing.assert_close(unit("fc:2").value(activations), activations["fc"][2].mean())


@pytest.mark.parametrize("position", [None, (1, 0, 2)])
def test_the_direction_along_an_axis_is_the_unit(position: tuple[int, int, int] | None) -> None:
    activations = _activations()
    along = direction("fc", [0, 0, 7.5, 0, 0], position=position)
    place = "" if position is None else "@1,0,2"
    torch.testing.assert_close(along.value(activations), unit(f"fc:2{place}").value(activations))


def test_only_the_way_of_a_direction_matters_not_its_length() -> None:
    assert direction("fc", [3.0, 4.0]) == direction("fc", [6.0, 8.0])
    assert str(direction("fc", [1.0, 0.0])) == "direction(fc)"
    with pytest.raises(NetworkError, match=r"has length 0\.0; it needs a nonzero number"):
        direction("fc", [0.0, 0.0])


@pytest.mark.parametrize(
    ("objective", "text"),
    [
        (unit("a:0"), "a:0"),
        (-unit("a:0"), "-a:0"),
        (unit("a:0") - 0.5 * unit("b:1@0,2,3"), "a:0 - 0.5 * b:1@0,2,3"),
        (-2 * unit("a:0") + unit("b:1"), "-2 * a:0 + b:1"),
        (2 * direction("a", [0.0, 1.0], position=(0, 1, 2)), "2 * direction(a@0,1,2)"),
    ],
)
def test_an_objective_is_written_as_on_paper(objective: Objective, text: str) -> None:
    assert str(objective) == text


def test_every_term_is_measured_alone_before_it_is_weighed() -> None:
    activations = _activations()
    difference = unit("fc:0") - 0.5 * unit("fc:1@1,0,0")
    apart = torch.stack([activations["fc"][0].mean(), activations["fc"][1, 1, 0, 0]])
    torch.testing.assert_close(difference.values(activations), apart)
    torch.testing.assert_close(difference.value(activations), apart[0] - 0.5 * apart[1])


def test_a_position_is_shared_only_where_all_terms_have_it() -> None:
    assert (unit("a:0@1,2,3") + unit("a:1@1,2,3")).position == (1, 2, 3)
    assert (unit("a:0@1,2,3") + unit("a:1@1,2,4")).position is None
    assert (unit("a:0@1,2,3") + unit("a:1")).position is None
    assert (unit("a:0@1,2,3") + unit("a:1@1,2,3")).at((0, 0, 0)) == unit("a:0@0,0,0") + unit("a:1@0,0,0")


def test_a_value_is_relative_to_the_range_of_its_unit() -> None:
    maxima = Maxima({"a": torch.tensor([4.0, 8.0])}, {"a": torch.tensor([2.0, 5.0])}, {"a": torch.tensor([1.0, -2.0])})
    ((one, _),) = unit("a:1@0,0,0").terms
    ((mean, _),) = unit("a:1").terms
    assert one.scale(maxima) == (-2.0, 10.0)
    assert mean.scale(maxima) == (-2.0, 7.0)


@pytest.mark.parametrize("position", [None, (0, 0, 0)])
def test_a_direction_along_an_axis_is_relative_to_what_its_unit_is(position: tuple[int, int, int] | None) -> None:
    maxima = Maxima({"a": torch.tensor([4.0, 8.0])}, {}, {"a": torch.tensor([1.0, -2.0])})
    ((along, _),) = direction("a", [0.0, 3.0], position=position).terms
    assert along.scale(maxima) == pytest.approx((-2.0, 10.0))


def test_addresses_are_checked_against_a_network() -> None:
    network = Network(nn.Sequential(nn.Conv3d(3, 5, 1)), [rgb_frames(1, size=4)])
    assert unit("0:1@0,-1,-1").checked(network) == unit("0:1@0,3,3")
    with pytest.raises(NetworkError, match="a direction of 2 numbers was given; layer '0' has 5 units"):
        direction("0", [1.0, 2.0]).checked(network)
    with pytest.raises(NetworkError, match="unit 0:5 is out of range: layer '0' has 5 units, 0 to 4"):
        unit("0:5").checked(network)
    assert direction("0", [1.0] * 5, position=(0, -1, 0)).checked(network).position == (0, 3, 0)


def test_objectives_add_only_to_objectives_and_scale_only_by_numbers() -> None:
    with pytest.raises(TypeError):
        unit("a:0") + 1  # type: ignore[operator]
    with pytest.raises(TypeError):
        unit("a:0") * unit("a:1")  # type: ignore[operator]
