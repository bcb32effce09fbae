"""What happens beside the passes of a recording is not recorded."""

from collections.abc import Callable

from marey.network.network import Network
from marey.recording import Recording
from marey.video.read.clips import Clip


def test_who_runs_the_network_between_two_shards_changes_nothing(
    recording: Recording, network: Network, clips: list[Clip], again: Callable[..., Recording]
) -> None:
    told: list[int] = []

    def report(done: int, count: int) -> None:
        told.append(done)
        network.forward(network.rest())

    found = again(clips, shard_clips=4, report=report)
    assert len(told) > 2
    for layer in recording.layers:
        assert found.matrix(layer).equal(recording.matrix(layer))
