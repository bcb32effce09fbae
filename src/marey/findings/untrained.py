"""An untrained copy of a network: the null of every claim about what training taught it."""

import copy

import torch
from torch import nn

from marey.network.network import Network


def untrained(network: Network, *, seed: int = 0) -> Network:
    """A copy of the network with weights that know nothing; the network is not touched.

    Modules with `reset_parameters` draw theirs as torch does for a new one. All other weights are put in random order,
    which keeps how large they are.
    """
    module = copy.deepcopy(network.module)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        drawn: set[int] = set()
        for part in module.modules():
            reset = getattr(part, "reset_parameters", None)
            if callable(reset):
                reset()
                drawn |= {id(weight) for weight in part.parameters(recurse=False)}
        with torch.no_grad():
            for weight in module.parameters():
                if id(weight) not in drawn:
                    order = torch.randperm(weight.numel())
                    weight.copy_(weight.flatten()[order.to(weight.device)].view_as(weight))
    return Network(
        _frozen(module),
        network.streams,
        classes=network.classes,
        scores=network.scores if network.classes else None,
        call=network.call,
        name=f"{network.name}, untrained",
    )


def _frozen(module: nn.Module) -> nn.Module:
    return module.eval()
