"""Where an input begins: at the start that excites it most."""

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor


def best_start(
    free: Mapping[str, Tensor], starts: Iterable[Mapping[str, Tensor]], score: Callable[[Mapping[str, Tensor]], Tensor]
) -> dict[str, Tensor]:
    """Of every input (clip) the free numbers {held stream: (clip ...)} with the highest score (clip).

    Those of `free` stay where no other start scores more; without other starts nothing is scored.
    """
    chosen = dict(free)
    best: Tensor | None = None
    for start in starts:
        best = score(free) if best is None else best
        found = score(start)
        better = found > best
        best = torch.where(better, found, best)
        for name, value in start.items():
            chosen[name] = torch.where(better.view(-1, *[1] * (value.dim() - 1)), value, chosen[name])
    return chosen
