"""Windows, choices and rows along one dimension of a tensor, and what they see."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from marey.network.footprints.footprint import Factor, Footprint, Pair, Span, join

Places = NDArray[np.int64]


def _offsets(factors: Sequence[Factor], pair: Pair) -> Places:
    """How far the interval of `pair` has moved at every index of a dimension."""
    places = np.zeros(1, np.int64)
    for factor in factors:
        places = np.add.outer(places, np.arange(factor.size) * factor.steps.get(pair, 0)).reshape(-1)
    return places


def cover(lows: Places, highs: Places) -> tuple[int, Span, bool]:
    """A step and a span whose moving interval holds [lows, highs) at every index, and whether it is no wider."""
    index = np.arange(len(lows))
    last = max(1, len(lows) - 1)
    steps = {round(int(lows[-1] - lows[0]) / last), int(np.median(np.diff(lows))) if len(lows) > 1 else 0}
    start, stop, step = min(
        ((int((lows - step * index).min()), int((highs - step * index).max()), step) for step in steps),
        key=lambda found: found[1] - found[0],
    )
    return step, Span(start, stop), bool(((highs - lows) == stop - start).all())


def _marked(spans: dict[Pair, Span], pair: Pair, low: int, high: int, cause: str | None) -> None:
    """Move the ends of a span by `low` and `high`."""
    span = spans[pair]
    loose = span.loose if cause is None else span.loose | {cause}
    spans[pair] = Span(span.start + low, span.stop + high, loose)


def _looseness(factors: Iterable[Factor]) -> dict[Pair, str]:
    return {pair: cause for factor in factors for pair, cause in factor.loose.items()}


def stretched(footprint: Footprint, dim: int, lows: Places, highs: Places, *, cause: str) -> Footprint:
    """A tensor whose index i along `dim` sees indices lows[i] to highs[i] of this one."""
    factors = footprint.dims[dim]
    spans = dict(footprint.spans)
    steps: dict[Pair, int] = {}
    for pair in {pair: None for factor in factors for pair in factor.steps}:
        places = _offsets(factors, pair)
        seen = [places[low : high + 1] for low, high in zip(lows, highs, strict=True)]
        firsts = np.array([part.min() for part in seen])
        step, span, exact = cover(firsts, np.array([part.max() for part in seen]))
        _marked(spans, pair, span.start, span.stop, None if exact else cause)
        if step:
            steps[pair] = step
    made = Factor(len(lows), steps, _looseness(factors))
    return Footprint((*footprint.dims[:dim], (made,), *footprint.dims[dim + 1 :]), spans)


def single(footprint: Footprint, dim: int, *, cause: str) -> Footprint:
    """The same tensor with the dimension as one factor, widening what does not move in equal steps."""
    if len(footprint.dims[dim]) == 1:
        return footprint
    every = np.arange(footprint.shape[dim])
    return stretched(footprint, dim, every, every, cause=cause)


def window(footprint: Footprint, dim: int, *, offset: int, stride: int, reach: int, size: int, cause: str) -> Footprint:
    """A tensor of `size` indices along `dim`; index i sees `reach` + 1 indices from i * stride + offset on."""
    last = (size - 1) * stride + offset + reach
    if len(footprint.dims[dim]) > 1 and min(offset, last) >= 0 and last < footprint.shape[dim]:
        lows = np.arange(size) * stride + offset
        return stretched(footprint, dim, lows, lows + reach, cause=cause)
    footprint = single(footprint, dim, cause=cause)
    (factor,) = footprint.dims[dim]
    spans = dict(footprint.spans)
    for pair, step in factor.steps.items():
        _marked(spans, pair, step * offset + min(0, step * reach), step * offset + max(0, step * reach), None)
    made = Factor(size, {pair: step * stride for pair, step in factor.steps.items()}, factor.loose)
    return Footprint((*footprint.dims[:dim], (made,), *footprint.dims[dim + 1 :]), spans)


def _even(places: Places) -> bool:
    return len(places) < 3 or bool((np.diff(places) == places[1] - places[0]).all())


def _factored(places: Mapping[Pair, Places], size: int) -> list[Factor] | None:
    """Factors whose steps give all `places`, if there are any."""
    if all(_even(place) for place in places.values()):
        steps = {pair: int(place[1] - place[0]) for pair, place in places.items() if size > 1 and place[1] != place[0]}
        return [Factor(size, steps)]
    for inner in range(2, size // 2 + 1):
        if size % inner:
            continue
        if all(
            _even(place[:inner])
            and bool((place.reshape(-1, inner) == place[::inner, None] - place[0] + place[:inner]).all())
            for place in places.values()
        ):
            outer = _factored({pair: place[::inner] for pair, place in places.items()}, size // inner)
            if outer is not None:
                return outer + (_factored({pair: place[:inner] for pair, place in places.items()}, inner) or [])
    return None


def gathered(footprint: Footprint, dim: int, index: Places, *, cause: str) -> Footprint:
    """The indices `index` along `dim`, in this order."""
    factors = footprint.dims[dim]
    size = len(index)
    if np.array_equal(index, np.arange(footprint.shape[dim])):
        return footprint
    if size == 0:
        return replace(footprint, dims=(*footprint.dims[:dim], (Factor(0),), *footprint.dims[dim + 1 :]))
    if len(factors) == 1 and _even(index):
        stride = int(index[1] - index[0]) if size > 1 else 1
        return window(footprint, dim, offset=int(index[0]), stride=stride, reach=0, size=size, cause=cause)
    pairs = {pair: None for factor in factors for pair in factor.steps}
    places = {pair: _offsets(factors, pair)[index] for pair in pairs}
    found = _factored(places, size)
    if found is None:
        return stretched(footprint, dim, index, index, cause=cause)
    spans = dict(footprint.spans)
    for pair, place in places.items():
        _marked(spans, pair, int(place[0]), int(place[0]), None)
    loose = _looseness(factors)
    made = tuple(replace(factor, loose=loose) for factor in found)
    return Footprint((*footprint.dims[:dim], made, *footprint.dims[dim + 1 :]), spans)


def _filled(place: Places, known: NDArray[np.bool_]) -> Places | None:
    """Evenly spaced places through the known ones, if these are evenly spaced."""
    at = np.flatnonzero(known)
    if len(at) == 1:
        return np.full(len(place), place[at[0]])
    step, rest = divmod(int(place[at[-1]] - place[at[0]]), int(at[-1] - at[0]))
    even = place[at[0]] + step * (np.arange(len(place)) - at[0])
    return even if not rest and bool((even[at] == place[at]).all()) else None


def concatenated(footprints: Sequence[Footprint], dim: int, *, cause: str) -> Footprint:
    """Tensors one after the other along `dim`.

    Pairs that move along other dimensions become the union of the tensors, as channels of several branches do. Pairs
    that differ along `dim` only (frames, stacks) keep their steps where they are even; parts that see nothing count as
    padding.
    """
    sizes = [footprint.shape[dim] for footprint in footprints]
    size = sum(sizes)
    pairs = {pair: None for footprint in footprints for pair in footprint.spans}
    known: dict[Pair, NDArray[np.bool_]] = {}
    lows: dict[Pair, Places] = {}
    highs: dict[Pair, Places] = {}
    for pair in pairs:
        along = [any(pair in factor.steps for factor in footprint.dims[dim]) for footprint in footprints]
        across = any(
            pair in factor.steps
            for footprint in footprints
            for d, factors in enumerate(footprint.dims)
            if d != dim
            for factor in factors
        )
        ends = {(f.spans[pair].start, f.spans[pair].stop) for f in footprints if pair in f.spans}
        if not any(along) and (across or len(ends) == 1):
            continue
        moved = [_offsets(f.dims[dim], pair) if f.dims[dim] else np.zeros(1, np.int64) for f in footprints]
        zero = Span(0, 0)
        lows[pair] = np.concatenate([m + f.spans.get(pair, zero).start for m, f in zip(moved, footprints, strict=True)])
        highs[pair] = np.concatenate([m + f.spans.get(pair, zero).stop for m, f in zip(moved, footprints, strict=True)])
        known[pair] = np.repeat([pair in footprint.spans for footprint in footprints], sizes)

    equal = {p for p in lows if len(set((highs[p] - lows[p])[known[p]].tolist())) == 1}
    filled = {pair: places for pair in equal if (places := _filled(lows[pair], known[pair])) is not None}
    made: list[Factor] | None = None
    if len(filled) < len(lows) and all(pair in equal and known[pair].all() for pair in lows):
        made = _factored(lows, size)
    loose = _looseness(factor for footprint in footprints for factor in footprint.dims[dim])
    spans: dict[Pair, tuple[int, int]] = {}
    for pair, low in lows.items():
        length = int((highs[pair] - low)[known[pair]][0])
        if made is not None:
            spans[pair] = (int(low[0]), int(low[0]) + length)
        elif pair in filled:
            spans[pair] = (int(filled[pair][0]), int(filled[pair][0]) + length)
        else:
            spans[pair] = (int(low[known[pair]].min()), int(highs[pair][known[pair]].max()))
            loose[pair] = cause
    if made is None:
        steps = {pair: int(place[1] - place[0]) for pair, place in filled.items() if size > 1 and place[1] != place[0]}
        made = [Factor(size, steps)]
    made = [replace(factor, loose=loose) for factor in made]

    parts = [
        Footprint(
            (*footprint.dims[:dim], (), *footprint.dims[dim + 1 :]),
            {
                p: replace(s, start=spans[p][0], stop=spans[p][1]) if p in spans else s
                for p, s in footprint.spans.items()
            },
        )
        for footprint in footprints
    ]
    shape = [1 if d == dim else n for d, n in enumerate(footprints[0].shape)]
    joined = join(parts, shape, cause=cause)
    return replace(joined, dims=(*joined.dims[:dim], tuple(made), *joined.dims[dim + 1 :]))
