"""By what a network is known: a hash of its weights."""

import hashlib
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn


def weights_hash(module: nn.Module) -> str:
    """SHA-256 over names, types, shapes and values of all weights, also of packed and quantized ones."""
    return tensors_hash(
        {name: tensor for key, value in module.state_dict().items() for name, tensor in _in(key, value)}
    )


def tensors_hash(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and values, the same for any order and device."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        values = tensor.detach().cpu().contiguous()
        digest.update(f"{name}|{values.dtype}|{tuple(values.shape)}|".encode())
        digest.update(values.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _in(name: str, value: object) -> Iterator[tuple[str, Tensor]]:
    """The tensors in one entry of a state, each with a name."""
    if isinstance(value, Tensor):
        yield name, value.dequantize() if value.is_quantized else value
    elif isinstance(value, tuple | list):
        for place, part in enumerate(value):
            yield from _in(f"{name}.{place}", part)
