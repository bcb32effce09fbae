"""Which batch normalization, ReLU and pooling come right after which convolution, seen in one pass of a network.

And which convolution comes right after those.
"""

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass

from torch import Tensor, nn

from marey.network.hooks import observed_calls

_CONVOLUTIONS = (nn.Conv2d, nn.Conv3d)
_NORMALIZATIONS = (nn.BatchNorm2d, nn.BatchNorm3d)


@dataclass(frozen=True)
class Block:
    """Names of a convolution and of what follows it: nothing else takes what comes out in between.

    before
        the convolution of the block whose outcome goes into this one, and nowhere else.
    """

    convolution: str
    normalization: str | None = None
    relu: str | None = None
    pool: str | None = None
    before: str | None = None


def blocks_of(run: Callable[[], object], module: nn.Module, *, kept: Collection[str]) -> list[Block]:
    """The blocks of `module` whose convolutions are called in one call of `run`; what `kept` layers give ends them.

    A use that no module makes, as the sum of a residual block, is not seen: compare gradients before blocks are
    computed at once.
    """
    leaves = {name for name, part in module.named_modules() if next(part.children(), None) is None}
    parts = {name: part for name, part in module.named_modules() if name in leaves or name in kept}
    calls: Counter[str] = Counter()
    makers: dict[str, Tensor] = {}
    takers: dict[int, list[str]] = {}
    shown: set[int] = set()
    held: list[Tensor] = []  # so that no two of them have the same id

    def note(name: str, given: Tensor | None, output: Tensor) -> None:
        calls[name] += 1
        makers[name] = output
        if given is not None and name in leaves:
            held.append(given)
            takers.setdefault(id(given), []).append(name)
        if name in kept:
            held.append(output)
            shown.add(id(output))

    def next_of(name: str, kinds: tuple[type[nn.Module], ...]) -> str | None:
        """The only part that takes what this one gives, if it is of these kinds."""
        output = makers[name]
        found = takers.get(id(output), [])
        if len(found) != 1 or id(output) in shown or not _alone(parts[name], calls[name]):
            return None
        return found[0] if type(parts[found[0]]) in kinds and _alone(parts[found[0]], calls[found[0]]) else None

    with observed_calls(parts, note):
        run()
    blocks = []
    before: dict[str, str] = {}
    for name in makers:
        if type(parts[name]) in _CONVOLUTIONS:
            normalization = next_of(name, _NORMALIZATIONS)
            relu = next_of(normalization or name, (nn.ReLU,))
            pool = None if relu is None else next_of(relu, (nn.MaxPool2d,))
            blocks.append(Block(name, normalization, relu, pool, before.get(name)))
            following = next_of(pool or relu or normalization or name, _CONVOLUTIONS)
            if following is not None:
                before[following] = name
    return blocks


def _alone(part: nn.Module, calls: int) -> bool:
    """Whether a part may be computed with another: called once, and nobody hooks it."""
    statistics = not isinstance(part, _NORMALIZATIONS) or part.running_mean is not None
    return calls == 1 and statistics and not part._forward_hooks and not part._forward_pre_hooks
