"""The family of networks that ship with the package, trained on motion studies (docs/reference/bundled_networks.md)."""

from pathlib import Path

import torch

from marey.families.network_file import NetworkFile, open_network
from marey.families.two_stream import TwoStream
from marey.network.network import Network

MOTION_STUDIES = "motion-studies"
LATE = f"{MOTION_STUDIES}-late"
RGB = f"{MOTION_STUDIES}-rgb"
UNTRAINED = f"{MOTION_STUDIES}-untrained"

FILES = {
    MOTION_STUDIES: "motion_studies.safetensors",
    LATE: "motion_studies_late.safetensors",
    f"{MOTION_STUDIES}-verifier": "motion_studies_verifier.safetensors",
    RGB: "motion_studies_rgb.safetensors",
}

BUNDLED = (*FILES, UNTRAINED)
"""All names: the two-stream network; its towers without the fusion; one that fuses earlier; one that sees RGB alone;
random weights of the first."""


def matches(source: str) -> bool:
    """Whether `source` is the name of a bundled network."""
    return source in BUNDLED


def load(source: str) -> Network:
    """The bundled network of that name."""
    return bundled(source).network(name=source)


def bundled(name: str) -> NetworkFile:
    """The file of the network `name`, one of `BUNDLED`, with its classes, maxima and provenance.

    >>> bundled("motion-studies").module.config["fusion"]
    'conv5'
    """
    if name == UNTRAINED:
        return untrained()
    base = bundled(MOTION_STUDIES).module if name == LATE else None  # whose towers it has
    return open_network(Path(__file__).parent / FILES[name], base=base)


def untrained(seed: int = 0) -> NetworkFile:
    """The network "motion-studies" before training: random weights from `seed`, the same bounds, no other maxima."""
    trained = bundled(MOTION_STUDIES)
    assert isinstance(trained.module, TwoStream)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = TwoStream(**trained.module.config)
    bounds = None if trained.maxima is None else trained.maxima.only(())
    return NetworkFile(module.eval(), trained.streams, trained.classes, {"seed": seed}, bounds)
