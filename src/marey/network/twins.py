"""Layers that only pass on what another one gives, as wrappers and blocks do that end with a layer of their own."""

from collections.abc import Mapping, Sequence

from marey.network.axes import Axes
from marey.network.visit import Visit


def passed_on(visits: Mapping[str, Sequence[Visit]]) -> dict[str, str]:
    """{layer: the first one that gave its values}, in whatever shape: the same memory, unchanged since."""
    first: dict[int, str] = {}
    again = {}
    for name, calls in visits.items():
        if calls[0].memory in first:
            again[name] = first[calls[0].memory]
        first.setdefault(calls[0].memory, name)
    return again


def twins(visits: Mapping[str, Sequence[Visit]], axes: Mapping[str, Axes]) -> dict[str, tuple[str, ...]]:
    """{layer: those that give the same values of the same units at the same positions, itself among them}."""
    groups: dict[object, list[str]] = {}
    for name, one in axes.items():
        call = visits[name][0]
        order = (one.units, one.clips, one.time, *one.places)
        laid = tuple((call.shape[k], call.strides[k]) for k in order if k is not None and call.shape[k] > 1)
        groups.setdefault((call.memory, laid, one.outer, one.inner, one.read), []).append(name)
    return {name: tuple(group) for group in groups.values() for name in group}
