"""A neuron alone has the activation and the gradient that it has among all others."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from marey.accelerate.blocks import blocks_of
from marey.accelerate.quick_layers import neurons_alone, quick_copy, quick_layers_run
from marey.network.hooks import arithmetic_copy

pytestmark = pytest.mark.skipif(not quick_layers_run(), reason="this torch lacks the operators")

CLIPS = 3
CONVOLUTIONS = [
    {},
    {"padding": 1},
    {"padding": 3},
    {"padding": (2, 0), "dilation": (2, 1)},
    {"stride": 2, "padding": 1},
    {"bias": False},
]


def _index(channels: Sequence[int], place: Sequence[int]) -> Tensor:
    return torch.tensor([(clip, channel, *place) for clip, channel in enumerate(channels)])


def _answers(module: nn.Module, given: Tensor, index: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of all neurons, of those asked for, and the gradient of theirs."""
    given = given.clone().requires_grad_()
    output = module(given)
    volume = output.unsqueeze(2) if output.dim() == 4 else output
    values = volume[index.unbind(1)]
    weights = torch.arange(1.0, 1 + len(index)).to(values)
    (gradient,) = torch.autograd.grad(values, given, weights)
    return volume.detach(), values.detach(), gradient


@pytest.mark.parametrize("ends", ["convolution", "normalization", "relu"])
@pytest.mark.parametrize("depth", [2, 3])
@pytest.mark.parametrize("more", CONVOLUTIONS, ids=str)
def test_a_neuron_alone_is_as_among_all(more: dict[str, object], depth: int, ends: str) -> None:
    torch.manual_seed(0)
    if depth == 3 and "dilation" in more:
        more = {"padding": (2, 0, 1), "dilation": (2, 1, 1)}
    convolution, norm = (nn.Conv2d, nn.BatchNorm2d) if depth == 2 else (nn.Conv3d, nn.BatchNorm3d)
    parts = [convolution(4, 6, 1), nn.ReLU(), convolution(6, 5, (3, 2) if depth == 2 else (2, 3, 2), **more)]  # type: ignore[arg-type]
    parts += {"convolution": [], "normalization": [norm(5)], "relu": [nn.ReLU()]}[ends]
    module = nn.Sequential(*parts).eval().requires_grad_(False)
    for value in (*module[-1].parameters(), *module[-1].buffers()) if ends == "normalization" else ():
        if value.is_floating_point():
            value.uniform_(0.5, 2)
    given = torch.randn(CLIPS, 4, *((6, 7) if depth == 2 else (4, 6, 7)))
    layer = str(len(module) - 1)
    blocks = blocks_of(lambda: module(given), module, kept=(layer,))
    quick = quick_copy(module, blocks, module)
    sizes = module(given).shape[2:]
    for place in ([0] * depth, [size // 2 for size in sizes], [size - 1 for size in sizes]):
        index = _index([4, 0, 2], place if depth == 3 else [0, *place])
        _, values, gradient = _answers(module, given, index)
        with neurons_alone(quick, layer, index):
            volume, found, its = _answers(quick, given, index)
        torch.testing.assert_close(found, values, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(its, gradient, rtol=1e-4, atol=1e-5)
        assert int((volume != 0).sum()) == int((values != 0).sum())


@pytest.fixture
def quick() -> nn.Module:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 3, groups=2), nn.Conv2d(4, 5, 1))
    module.eval().requires_grad_(False)
    return quick_copy(module, blocks_of(lambda: module(torch.rand(1, 3, 8, 8)), module, kept=("2", "3")), module)


@pytest.mark.parametrize(("layer", "clips"), [("3", 6), ("2", CLIPS), ("1", CLIPS), ("0", CLIPS)])
def test_everything_is_computed_where_neurons_alone_cannot_be(layer: str, clips: int, quick: nn.Module) -> None:
    """Of frames that are no clips, of groups, and of layers with which no chain ends."""
    given = torch.randn(clips, 3, 8, 8)
    plain = quick(given)
    with neurons_alone(quick, layer, _index([1, 2, 0], [0, 1, 1])):
        assert torch.equal(quick(given), plain)


def test_afterwards_everything_is_computed_again(quick: nn.Module) -> None:
    given = torch.randn(CLIPS, 3, 8, 8)
    plain = quick(given)
    alone = neurons_alone(quick, "3", _index([1, 2, 0], [0, 1, 1]))
    with alone:
        assert int((quick(given) != 0).sum()) == CLIPS
    assert torch.equal(quick(given), plain)


def test_in_bf16_a_neuron_is_summed_up_in_fp32() -> None:
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("this processor has the operators in fp32 only")
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(64, 4, 3)).eval().requires_grad_(False)
    given = torch.rand(CLIPS, 64, 3, 3).bfloat16()
    index = _index([3, 1, 0], [0, 0, 0])
    half = arithmetic_copy(module, torch.bfloat16)
    quick = quick_copy(half, blocks_of(lambda: module(given.float()), module, kept=("0",)), module)
    exact, found = half.float()(given.float())[index[:, 0], index[:, 1], 0, 0], None
    with neurons_alone(quick, "0", index):
        found = quick(given)[index[:, 0], index[:, 1], 0, 0]
    assert torch.equal(found, exact.bfloat16())
