"""What every element of a tensor sees of the inputs, as intervals that move by whole steps along the tensor's axes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod

Pair = tuple[str, int]
"""A stream and one of its axes: 0 time, 1 height, 2 width."""


@dataclass(frozen=True)
class Factor:
    """A dimension of a tensor, or a part of one when several were merged, outer before inner.

    steps
        how far the interval of a pair moves from one index to the next; pairs that do not move are left out.
    loose
        pairs whose interval is only a hull over this factor's indices, with the operation that made it so.
    """

    size: int
    steps: Mapping[Pair, int] = field(default_factory=dict)
    loose: Mapping[Pair, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Span:
    """The interval [start, stop) that index 0 of every factor sees; `loose` names operations that made it too wide."""

    start: int
    stop: int
    loose: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Footprint:
    """What a tensor sees: its dimensions as factors, outer before inner, and a span for every pair that it depends on.

    An index sees span + sum of step x index over all factors, without clipping to the input.
    """

    dims: tuple[tuple[Factor, ...], ...]
    spans: Mapping[Pair, Span] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor."""
        return tuple(prod(factor.size for factor in factors) for factors in self.dims)


def _plain(size: int) -> tuple[Factor, ...]:
    return () if size == 1 else (Factor(size),)


def blank(shape: Iterable[int]) -> Footprint:
    """A tensor that depends on no input.

    >>> blank((2, 3)).shape
    (2, 3)
    """
    return Footprint(tuple(_plain(size) for size in shape))


def source(stream: str, shape: Sequence[int]) -> Footprint:
    """The input of `stream` itself, (clip channel time height width)."""
    tagged = tuple((Factor(size, {(stream, axis): 1}),) for axis, size in enumerate(shape[2:]))
    return Footprint((*blank(shape[:2]).dims, *tagged), {(stream, axis): Span(0, 1) for axis in range(3)})


def absorbed(spans: Mapping[Pair, Span], factors: Iterable[Factor]) -> dict[Pair, Span]:
    """Spans that hold the union over all indices of `factors`."""
    wide = dict(spans)
    for factor in factors:
        for pair, step in factor.steps.items():
            reach = step * (factor.size - 1)
            span = wide[pair]
            wide[pair] = replace(span, start=span.start + min(0, reach), stop=span.stop + max(0, reach))
    return wide


def project(footprint: Footprint, dims: Iterable[int], *, cause: str | None = None) -> Footprint:
    """Every index along `dims` sees what all of them see; with a `cause`, that is said to be only a bound."""
    chosen = {dim % max(1, len(footprint.dims)) for dim in dims}
    spans = absorbed(footprint.spans, (factor for dim in chosen for factor in footprint.dims[dim]))
    return Footprint(
        tuple(
            tuple(
                Factor(f.size, {}, {} if cause is None else dict.fromkeys((*f.steps, *f.loose), cause))
                for f in factors
                if f.size > 1
            )
            if dim in chosen
            else factors
            for dim, factors in enumerate(footprint.dims)
        ),
        spans,
    )


def contracted(footprint: Footprint, dims: Iterable[int], *, size: int = 1) -> Footprint:
    """The union over `dims`, which then have `size` indices that all see it."""
    chosen = {dim % max(1, len(footprint.dims)) for dim in dims}
    wide = project(footprint, chosen)
    return replace(wide, dims=tuple(_plain(size) if d in chosen else f for d, f in enumerate(wide.dims)))


def bounded(footprint: Footprint, pairs: Iterable[Pair], cause: str) -> Footprint:
    """The same tensor, `pairs` of which are said to be only a bound because of `cause`."""
    spans = dict(footprint.spans)
    for pair in pairs:
        spans[pair] = Span(spans[pair].start, spans[pair].stop, spans[pair].loose | {cause})
    return replace(footprint, spans=spans)


def whole(footprints: Iterable[Footprint], shape: Sequence[int], limits: Mapping[Pair, int], cause: str) -> Footprint:
    """A tensor of `shape` that may see all inputs that `footprints` see; `limits` are the sizes of the inputs."""
    spans: dict[Pair, Span] = {}
    for footprint in footprints:
        for pair, span in project(footprint, range(len(footprint.dims))).spans.items():
            before = spans.get(pair, Span(0, limits[pair]))
            spans[pair] = Span(
                min(before.start, span.start), max(before.stop, span.stop), before.loose | span.loose | {cause}
            )
    return replace(blank(shape), spans=spans)


def _split(factor: Factor, inner: int) -> tuple[Factor, Factor]:
    outer = Factor(factor.size // inner, {pair: step * inner for pair, step in factor.steps.items()}, factor.loose)
    return outer, replace(factor, size=inner)


def _dealt(factors: Sequence[Factor], sizes: Sequence[int]) -> list[tuple[Factor, ...]] | None:
    """`factors` spread over dimensions of `sizes`, outer first, splitting where a boundary asks for it."""
    left = list(factors)
    dims: list[tuple[Factor, ...]] = []
    for size in sizes:
        taken: list[Factor] = []
        need = size
        if size == 1 and left and left[0].size == 1:
            taken.append(left.pop(0))
        while need > 1:
            first = left.pop(0)
            if need % first.size == 0:
                taken.append(first)
                need //= first.size
            elif first.size % need == 0:
                outer, inner = _split(first, first.size // need)
                taken.append(outer)
                left.insert(0, inner)
                need = 1
            else:
                return None
        dims.append(tuple(taken))
    return dims


def regroup(footprint: Footprint, shape: Sequence[int], *, cause: str = "view") -> Footprint:
    """The same elements in row-major order in another shape."""
    old = footprint.shape
    if 0 in old:
        return replace(blank(shape), spans=footprint.spans)
    spans: Mapping[Pair, Span] = footprint.spans
    dims: list[tuple[Factor, ...]] = []
    i = j = 0
    while j < len(shape):
        if i < len(old) and old[i] == shape[j]:
            dims.append(footprint.dims[i])
            i, j = i + 1, j + 1
            continue
        first, begin = i, j
        before, after = 1, 1
        while before != after or j == begin:
            if j == begin or after < before:
                after *= shape[j]
                j += 1
            else:
                before *= old[i]
                i += 1
        factors = [factor for part in footprint.dims[first:i] for factor in part]
        group = _dealt(factors, shape[begin:j])
        if group is None:
            spans = absorbed(spans, factors)
            loose = {pair: cause for factor in factors for pair in (*factor.steps, *factor.loose)}
            group = [(Factor(size, {}, loose),) for size in shape[begin:j]]
        dims.extend(group)
    return Footprint(tuple(dims), spans)


def permuted(footprint: Footprint, order: Iterable[int]) -> Footprint:
    """The dimensions in another order."""
    return replace(footprint, dims=tuple(footprint.dims[dim] for dim in order))


def broadcast(footprint: Footprint, shape: Sequence[int]) -> Footprint:
    """The tensor expanded to `shape`, dimensions aligned at the end."""
    missing = len(shape) - len(footprint.dims)
    dims = ((),) * missing + footprint.dims
    old = (1,) * missing + footprint.shape
    return replace(
        footprint,
        dims=tuple(f if was == size else _plain(size) for f, was, size in zip(dims, old, shape, strict=True)),
    )


def _refined(dims: Sequence[tuple[Factor, ...]]) -> list[list[Factor]] | None:
    """The same dimension of several tensors, cut into factors of the same sizes; None where the cuts cross."""
    parts = [[factor for factor in factors if factor.size > 1] or list(factors[:1]) for factors in dims]
    plain = [all(not f.steps and not f.loose for f in part) for part in parts]
    cut: list[list[Factor]] = [[] for _ in parts]
    cutting = [k for k, is_plain in enumerate(plain) if not is_plain]
    while any(parts[k] for k in cutting):
        last = [parts[k].pop() if parts[k] else Factor(1) for k in cutting]
        inner = min((factor.size for factor in last if factor.size > 1), default=1)
        for k, factor in zip(cutting, last, strict=True):
            if factor.size % inner:
                return None
            outer, kept = _split(factor, inner)
            if outer.size > 1:
                parts[k].append(outer)
            cut[k].insert(0, kept)
    for k in cutting[:1]:
        for other, is_plain in enumerate(plain):
            if is_plain:
                cut[other] = [Factor(factor.size) for factor in cut[k]]
    if not cutting:
        cut = [list(_plain(prod(factor.size for factor in part))) for part in parts]
    return cut


def join(footprints: Sequence[Footprint], shape: Sequence[int], *, cause: str) -> Footprint:
    """The union of what broadcast tensors see, element by element; `cause` names the operation where it is a bound."""
    parts = [broadcast(footprint, shape) for footprint in footprints if footprint.spans]
    if not parts:
        return blank(shape)
    if len(parts) == 1:
        return parts[0]
    spans = [dict(part.spans) for part in parts]
    factors: list[list[list[Factor]]] = []  # dimension, tensor, factor
    for dim in range(len(shape)):
        own = [part.dims[dim] for part in parts]
        cut = _refined(own)
        if cut is None:
            spans = [absorbed(span, one) for span, one in zip(spans, own, strict=True)]
            cut = [
                [Factor(shape[dim], {}, dict.fromkeys((p for f in one for p in (*f.steps, *f.loose)), cause))]
                for one in own
            ]
        factors.append(cut)
    columns = [list(zip(*cut, strict=True)) for cut in factors]  # dimension, factor, tensor
    merged: list[list[Factor]] = [[Factor(column[0].size, {}, {}) for column in dim] for dim in columns]
    union: dict[Pair, Span] = {}
    for pair in {pair: None for span in spans for pair in span}:
        union[pair] = _united(pair, spans, columns, merged, cause)
    return Footprint(tuple(tuple(dim) for dim in merged), union)


def _united(
    pair: Pair,
    spans: Sequence[Mapping[Pair, Span]],
    columns: Sequence[Sequence[tuple[Factor, ...]]],
    merged: Sequence[list[Factor]],
    cause: str,
) -> Span:
    """The union of one pair over several tensors; writes its steps and looseness into `merged`."""
    seen = [k for k, span in enumerate(spans) if pair in span]
    parts = {k: spans[k][pair] for k in seen}
    clean = {k for k in seen if not parts[k].loose}
    where = [(dim, n, column) for dim, row in enumerate(columns) for n, column in enumerate(row)]
    loose: list[tuple[int, int, str]] = []
    for dim, n, column in where:
        steps = {column[k].steps.get(pair, 0) for k in seen}
        for k in seen:
            if pair in column[k].loose:
                clean.discard(k)
                loose.append((dim, n, column[k].loose[pair]))
        if len(steps) == 1:
            (step,) = steps
            if step:
                merged[dim][n] = replace(merged[dim][n], steps={**merged[dim][n].steps, pair: step})
            continue
        loose.append((dim, n, cause))
        for k in seen:
            step = column[k].steps.get(pair, 0)
            if step:
                parts[k] = absorbed({pair: parts[k]}, [Factor(column[k].size, {pair: step})])[pair]
                clean.discard(k)
    start = min(part.start for part in parts.values())
    stop = max(part.stop for part in parts.values())
    sure = clean and (min(parts[k].start for k in clean), max(parts[k].stop for k in clean)) == (start, stop)
    if sure:
        return Span(start, stop)
    for dim, n, name in loose:
        merged[dim][n] = replace(merged[dim][n], loose={**merged[dim][n].loose, pair: name})
    return Span(start, stop, frozenset().union(*(part.loose for part in parts.values())))
