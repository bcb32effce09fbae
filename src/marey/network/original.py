"""The module whose layers hooks see, behind what a user has of it: compiled, exported, scripted."""

import torch
from torch import nn

from marey.errors import NetworkError
from marey.network.parts import COMPILED


def original(module: object) -> nn.Module:
    """`module`, or where torch.compile made it the one that it was made from, with the same weights.

    Raises NetworkError for what runs, but has no layers that a hook sees: TorchScript, exported programs, no module.
    """
    while isinstance(inner := getattr(module, COMPILED, None), nn.Module):
        module = inner
    if isinstance(module, torch.jit.ScriptModule):
        raise NetworkError("hooks see no layer inside a TorchScript module; give the Python module it was made from.")
    if type(module).__name__ == "ExportedProgram":
        raise NetworkError(
            "hooks see no layer inside an exported program; give the Python module it was made from, or "
            "torch.export.unflatten(program)."
        )
    if not isinstance(module, nn.Module):
        kind = f"the class {module.__name__}" if isinstance(module, type) else type(module).__name__
        raise NetworkError(f"a network is a torch.nn.Module, got {kind}; give the Python module that has its layers.")
    if _is_flat(module):
        raise NetworkError(
            f"{type(module).__name__} is one graph without layers, as `.module()` of an exported program is; give the "
            "Python module it was made from, or torch.export.unflatten(program)."
        )
    return module


def _is_flat(module: nn.Module) -> bool:
    """Whether a graph of torch.fx calls none of the modules in it that have weights."""
    graph = getattr(module, "graph", None) if isinstance(module, torch.fx.GraphModule) else None
    if graph is None:
        return False
    return all(node.op != "call_module" or node.target == "_guards_fn" for node in graph.nodes)
