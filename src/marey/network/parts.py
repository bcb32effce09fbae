"""The modules in a network by the names of their layers, and the name of what the whole network returns."""

from collections.abc import Iterator, Mapping

import torch
from torch import nn

from marey.errors import NetworkError

COMPILED = "_orig_mod"
"""What torch.compile calls the module that it was given."""


def output_name(module: nn.Module) -> str:
    """`output`, or where a part of the module has that name `network_output`."""
    name = "output"
    while hasattr(module, name):
        name = f"network_{name}"
    return name


def plain_name(name: str) -> str:
    """The name of a layer without what torch.compile adds to it."""
    return ".".join(word for word in name.split(".") if word != COMPILED)


def hooked_parts(module: nn.Module) -> dict[str, nn.Module]:
    """All parts of a module, by plain names, but those in TorchScript, which run no hooks."""
    named = {}
    scripts: list[str] = []
    for name, part in module.named_modules():
        if isinstance(part, torch.jit.ScriptModule):
            scripts.append(f"{name}.")
        elif plain_name(name) and not name.startswith(tuple(scripts)):
            named[plain_name(name)] = part
    return named


def part_of(module: nn.Module, layer: str) -> nn.Module:
    """The part of a module with a plain name, below anything compiled; AttributeError where there is none."""
    *_, part = _path(module, layer)
    return part


def listed_name(module: nn.Module, layer: str, parts: Mapping[str, nn.Module]) -> str | None:
    """The name among `parts` of the layer with another name, as a module has that is there twice; None without one.

    Raises NetworkError where the layer lies in TorchScript.
    """
    try:
        for part in _path(module, plain_name(layer)):
            if isinstance(part, torch.jit.ScriptModule):
                raise NetworkError(
                    f"hooks see no layer inside a TorchScript module, as the one that '{layer}' names; "
                    "give the Python module it was made from."
                )
    except AttributeError:
        return None
    return next((name for name, other in parts.items() if other is part), None)


def _path(module: nn.Module, layer: str) -> Iterator[nn.Module]:
    """The parts on the way to a layer, the last one that of the layer."""
    for word in layer.split("."):
        module = module.get_submodule(word)
        while isinstance(inner := getattr(module, COMPILED, None), nn.Module):
            module = inner
        yield module
