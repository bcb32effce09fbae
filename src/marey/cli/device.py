"""The device that --device names, checked before the long part."""

import torch

from marey.errors import MareyError
from marey.network.network import Network


def device_of(word: str | None) -> torch.device:
    """The device asked for, or an accelerator where there is one; MareyError when it cannot be used."""
    if word is None:
        word = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(word)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        why = "" if reason.startswith("Expected one of") else f" ({reason})"
        raise MareyError(
            f"cannot use device '{word}'{why}; expected cpu, or cuda, cuda:1, mps where there is one."
        ) from None
    return device


def placed(network: Network, word: str | None) -> Network:
    """The network on the device asked for."""
    network.module.to(device_of(word))
    return network
