"""An untrained copy of a network: the null of every claim about what training taught it."""

import copy

import torch
from torch import nn

from marey.network.network import Network


def untrained(network: Network, *, seed: int = 0) -> Network:
    """A copy of the network with weights that know nothing; the network is not touched.

    Convolutions and linear layers get weights by He et al. (ICCV 2015), with zero biases, which keep the size of what
    goes through a ReLU. By torch's own draw it shrinks by 2.4 in each layer: after thirteen, responses to different
    clips differ by a hundred-thousandth of themselves, and such a copy is too weak a null. Other modules with
    `reset_parameters` draw as torch does, running statistics begin anew. All other weights are put in random order,
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
                if isinstance(part, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d):
                    nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
                    if part.bias is not None:
                        nn.init.zeros_(part.bias)
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
