"""Whether a recording is of a network: what one says of units holds for the other."""

from marey.errors import NetworkError
from marey.network.network import Network
from marey.recording.read.recording import Recording


def check_same_weights(recording: Recording, network: Network) -> None:
    """Raise NetworkError when the recording is of a network with other weights."""
    if recording.summary["network"]["weights"] != network.weights_hash:
        raise NetworkError(
            f"the recording '{recording.folder}' is of other weights than {network.name}; record this network."
        )
