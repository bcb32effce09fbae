"""The preferred inputs in a folder that `marey maximize` wrote."""

from pathlib import Path

from marey.errors import MareyError
from marey.maximization.result import FILE, PreferredInput
from marey.network.network import Network


def preferred_inputs(folder: str | Path, network: Network) -> list[PreferredInput]:
    """All in the folder and in the folders in it, by path.

    Raises MareyError where there is none, and for one that was made with other weights than the network's.
    """
    paths = sorted(Path(folder).rglob(FILE))
    if not paths:
        raise MareyError(f"'{folder}' holds no preferred input ({FILE}); make some with `marey maximize`.")
    found = [PreferredInput.open(path.parent) for path in paths]
    for path, one in zip(paths, found, strict=True):
        if one.provenance.get("weights_sha256") != network.weights_hash:
            raise MareyError(
                f"the preferred input in '{path.parent}' is of other weights than {network.name}; make it again."
            )
    return found
