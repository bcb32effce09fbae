"""An untrained copy knows nothing, and responds to clips no less than the network does."""

import torch
from torch import Tensor, nn

from marey.findings.untrained import untrained
from marey.network.network import Network
from marey.network.stream import rgb_frames


class Deep(nn.Module):
    """Thirteen convolutions with their ReLUs, normalized once, and a weight of its own."""

    def __init__(self) -> None:
        super().__init__()
        wide = [part for _ in range(12) for part in (nn.Conv3d(32, 32, 1), nn.ReLU())]
        self.layers = nn.Sequential(nn.Conv3d(3, 32, 1), nn.ReLU(), nn.BatchNorm3d(32), *wide)
        self.scale = nn.Parameter(torch.arange(1.0, 33).view(1, 32, 1, 1, 1))

    def forward(self, clip: Tensor) -> Tensor:
        return self.layers(clip) * self.scale  # type: ignore[no-any-return]


def network() -> Network:
    torch.manual_seed(0)
    return Network(Deep().eval(), [rgb_frames(1, size=2)], name="deep")


def test_responses_of_a_deep_untrained_copy_differ_between_clips() -> None:
    random = torch.Generator().manual_seed(1)
    clips = torch.rand(16, 3, 1, 2, 2, generator=random)
    with torch.no_grad():
        responses = untrained(network()).module(clips).flatten(2).amax(2)  # clip unit
        own = network().module(clips).flatten(2).amax(2)
    alive = responses.amax(0) > 0
    relative = (responses.std(0) / responses.mean(0).clamp(min=1e-9))[alive]
    assert alive.float().mean() > 0.25
    assert relative.mean() > 0.02
    assert (own.std(0) / own.mean(0).abs().clamp(min=1e-9)).mean() < 0.01  # torch's own draw, which biases drown


def test_a_copy_has_other_weights_and_the_network_keeps_its_own() -> None:
    net = network()
    before = {name: value.clone() for name, value in net.module.state_dict().items()}
    copy, again, other = untrained(net), untrained(net), untrained(net, seed=1)
    assert all(torch.equal(value, net.module.state_dict()[name]) for name, value in before.items())
    weight = "layers.0.weight"
    assert not torch.equal(copy.module.state_dict()[weight], before[weight])
    assert torch.equal(copy.module.state_dict()[weight], again.module.state_dict()[weight])
    assert not torch.equal(copy.module.state_dict()[weight], other.module.state_dict()[weight])
    scale = copy.module.state_dict()["scale"]
    assert not torch.equal(scale, before["scale"]) and torch.equal(scale.flatten().sort()[0], before["scale"].flatten())
