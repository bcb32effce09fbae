"""Two passes side by side answer as one after the other, in order, and leave the network as it was."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from marey.accelerate.passes import quick_passes
from marey.errors import NetworkError
from marey.network.network import Network
from marey.network.stream import rgb_frames
from marey.recording import Recording
from marey.recording.lanes import Lanes, Watch, lanes_of
from marey.video.read.clips import Clip

LeftAsFound = Callable[[nn.Module], AbstractContextManager[None]]


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


class _Uncopied(nn.Conv2d):
    def __deepcopy__(self, memo: object) -> "_Uncopied":
        raise RuntimeError("there is only one of me")


def _network(first: nn.Module) -> Network:
    torch.manual_seed(0)
    module = nn.Sequential(first, nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 6), nn.Flatten()).eval()
    return Network(module, [rgb_frames(1, size=8, layout="(n t) c h w")], classes=("a", "b"), scores="4")


def _sent(lanes: Lanes, values: Tensor) -> list[Tensor]:
    """The class scores of passes of two windows each."""
    found = [lanes.send([{"rgb": one} for one in pair]) for pair in values.split(2)]
    answers = [one for one in found if one is not None]
    while sum(len(one.scores) for one in answers if one.scores is not None) < len(values):
        answers.append(lanes.next())
    return [one.scores for one in answers if one.scores is not None]


@pytest.mark.parametrize("kind", [nn.Conv2d, _Uncopied])
def test_answers_come_in_order_from_as_many_lanes_as_there_can_be(
    kind: type[nn.Conv2d], threads: int, left_as_found: LeftAsFound
) -> None:
    network = _network(kind(3, 4, 3))
    values = torch.randint(0, 256, (10, 1, 8, 8, 3), dtype=torch.uint8)
    plain = network.module(values[:, 0].permute(0, 3, 1, 2) / 255)
    watch = Watch(("0", "2"), "4", 2)
    with left_as_found(network.module), torch.no_grad(), quick_passes(network), lanes_of(network, watch) as lanes:
        assert len(lanes._lanes) == (2 if threads == 2 and kind is nn.Conv2d else 1)
        found = _sent(lanes, values)
    torch.testing.assert_close(torch.cat(found), plain, rtol=1e-4, atol=1e-5)
    assert torch.get_num_threads() == threads


class _Sleeper(nn.Module):
    """Calls a part of itself as long as `awake`."""

    def __init__(self) -> None:
        super().__init__()
        self.part, self.last = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 2, 8)
        self.awake = [True]

    def __deepcopy__(self, memo: dict[int, Any]) -> "_Sleeper":
        twin = _Sleeper().eval()
        twin.awake = self.awake
        return twin

    def forward(self, given: Tensor) -> Tensor:
        if self.awake[0]:
            self.part(given)
        scores: Tensor = self.last(given).flatten(1)
        return scores


def test_what_goes_wrong_in_a_lane_is_raised_where_its_answers_are_asked_for(threads: int) -> None:
    network = Network(_Sleeper().eval(), [rgb_frames(1, size=8, layout="(n t) c h w")], classes=("a", "b"))
    cut = {"rgb": torch.zeros(1, 8, 8, 3, dtype=torch.uint8)}
    with quick_passes(network), lanes_of(network, Watch(("part",), "last", 1)) as lanes:
        network.module.awake[0] = False  # type: ignore[union-attr, operator, index]
        with pytest.raises(NetworkError, match="layer 'part' did not answer in this pass"):
            assert [lanes.send([cut]) for _ in range(3)] == []
    assert torch.get_num_threads() == threads


def test_a_recording_is_the_same_with_one_lane_and_two(
    recording: Recording, clips: list[Clip], again: Callable[..., Recording], hashes: Callable[..., Any], threads: int
) -> None:
    assert hashes(again(clips, shard_clips=10)) == hashes(recording)
