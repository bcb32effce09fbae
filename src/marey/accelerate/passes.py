"""Passes of a network as it is, its weights frozen and, on a processor, its maps channels last."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from weakref import WeakKeyDictionary

import torch

from marey.network.hooks import channels_last, frozen
from marey.network.network import Network
from marey.network.out_of_place import out_of_place

_RUNS: WeakKeyDictionary[Network, bool] = WeakKeyDictionary()
"""Networks that were tried channels last, as far as they go, and whether they ran."""


@contextmanager
def quick_passes(network: Network) -> Iterator[None]:
    """While inside, the network is `frozen` and `out_of_place`, and on a processor convolutions compute channels last.

    Values differ by rounding. A network on an accelerator keeps its layout, and so does a network whose code needs its
    maps in the usual order, as `view` does; one pass finds that out the first time.
    """
    with (
        out_of_place(network),
        frozen(network.module),
        channels_last(network.module) if _runs_channels_last(network) else nullcontext(),
    ):
        yield


def _runs_channels_last(network: Network) -> bool:
    if network.device.type != "cpu":
        return False
    if network not in _RUNS:
        try:
            with torch.no_grad(), channels_last(network.module):
                network.run(network.rest())
            _RUNS[network] = True
        except RuntimeError:
            _RUNS[network] = False
    return _RUNS[network]
