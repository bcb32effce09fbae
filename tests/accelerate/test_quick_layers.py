"""Quick layers give what torch's own give, forward and backward, and share the weights."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from marey.accelerate.blocks import blocks_of
from marey.accelerate.compiled import numba_version
from marey.accelerate.quick_layers import QuickConv2d, QuickConv3d, quick_copy, quick_layers_run
from marey.network.hooks import arithmetic_copy, unpadded

pytestmark = pytest.mark.skipif(not quick_layers_run(), reason="this torch lacks the operators")


def _copies(module: nn.Module, shape: Sequence[int], dtype: torch.dtype = torch.float32) -> tuple[nn.Module, nn.Module]:
    """A module in evaluation mode and its quick copy."""
    module = module.eval().requires_grad_(False)
    blocks = blocks_of(lambda: module(torch.rand(tuple(shape))), module, kept=())
    other = module if dtype == torch.float32 else arithmetic_copy(module, dtype)
    return module, quick_copy(other, blocks, module)


def _needs_type(dtype: torch.dtype) -> None:
    if dtype == torch.bfloat16 and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("this processor has the operators in fp32 only")


def _answers(module: nn.Module, given: Tensor) -> tuple[Tensor, Tensor]:
    given = given.clone().requires_grad_()
    output = module(given)
    weights = torch.randn(output.shape, generator=torch.Generator().manual_seed(1)).to(output)
    (gradient,) = torch.autograd.grad(output, given, weights)
    return output.detach(), gradient


_PLANE = [
    {},
    {"padding": 1},
    {"padding": (2, 0), "dilation": (2, 1)},
    {"padding": 3},
    {"stride": 2, "padding": 1},
    {"groups": 2, "padding": 1},
    {"bias": False},
    {"padding": "same"},
    {"padding": 1, "padding_mode": "reflect"},
]


@pytest.mark.parametrize("more", _PLANE, ids=str)
@pytest.mark.parametrize("depth", [2, 3])
def test_answers_and_gradients_are_those_of_the_module(more: dict[str, object], depth: int) -> None:
    torch.manual_seed(0)
    if depth == 3 and more.get("padding") == (2, 0):
        more = {"padding": (2, 0, 1), "dilation": (2, 1, 1)}
    convolution, norm = (nn.Conv2d, nn.BatchNorm2d) if depth == 2 else (nn.Conv3d, nn.BatchNorm3d)
    module = nn.Sequential(
        convolution(4, 6, 3, **more),  # type: ignore[arg-type]
        norm(6),
        nn.ReLU(),
        convolution(6, 4, (3, 2) if depth == 2 else (1, 3, 2)),  # type: ignore[arg-type]
        nn.ReLU(),
        convolution(4, 2, 1),
    )
    normalization = module.get_submodule("1")
    for value in (*normalization.parameters(), *normalization.buffers()):
        if value.is_floating_point():
            value.data.uniform_(0.5, 2)
    shape = (2, 4, 9, 10) if depth == 2 else (2, 4, 7, 9, 10)
    module, quick = _copies(module, shape)
    given = torch.randn(shape)
    for one, other in zip(_answers(module, given), _answers(quick, given), strict=True):
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-5)
    left = isinstance(more.get("padding"), str) or "padding_mode" in more
    kind = QuickConv2d if depth == 2 else QuickConv3d
    assert isinstance(quick.get_submodule("0"), kind) != left
    assert isinstance(quick.get_submodule("2"), nn.Identity) != left
    assert isinstance(quick.get_submodule("3"), kind)


_POOLS = [
    (nn.MaxPool2d(2), True),
    (nn.MaxPool2d(3), True),
    (nn.MaxPool2d((2, 2), (2, 2)), True),
    (nn.MaxPool2d(1), True),
    (nn.MaxPool2d(2, 1), False),
    (nn.MaxPool2d(3, 2), False),
    (nn.MaxPool2d((2, 3)), False),
    (nn.MaxPool2d(2, padding=1), False),
    (nn.MaxPool2d(2, dilation=2), False),
    (nn.MaxPool2d(2, ceil_mode=True), False),
]


@pytest.mark.skipif(numba_version() is None, reason="compiled loops need Numba")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize(("side", "values"), [(12, 10**9), (13, 10**9), (14, 1)])
@pytest.mark.parametrize(("pool", "part"), _POOLS, ids=str)
def test_pooling_after_a_relu_is_part_of_the_block(
    pool: nn.Module, part: bool, side: int, values: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    _needs_type(dtype)
    monkeypatch.setattr("marey.accelerate.compiled._WORTH", values)
    torch.manual_seed(0)
    convolution = nn.Conv2d(3, 5, 3)
    convolution.bias.data.sub_(0.3)  # type: ignore[union-attr]
    module = nn.Sequential(convolution, nn.ReLU(), pool).eval().requires_grad_(False)
    blocks = blocks_of(lambda: module(torch.rand(1, 3, side, side)), module, kept=())
    module = module.to(dtype)
    quick = quick_copy(module, blocks, module)
    assert isinstance(quick.get_submodule("2"), nn.Identity) == part
    given = torch.randn(3, 3, side, side).to(dtype)
    for one, other in zip(_answers(module, given), _answers(quick, given), strict=True):
        torch.testing.assert_close(other, one, rtol=1e-5 if dtype == torch.float32 else 1e-2, atol=1e-2)


@pytest.mark.skipif(numba_version() is None, reason="compiled loops need Numba")
def test_windows_with_nothing_above_0_pass_no_gradient_on() -> None:
    convolution = nn.Conv2d(1, 1, 1)
    convolution.weight.data.fill_(1)
    convolution.bias.data.fill_(0)  # type: ignore[union-attr]
    _, quick = _copies(nn.Sequential(convolution, nn.ReLU(), nn.MaxPool2d(2)), (1, 1, 4, 4))
    given = torch.tensor([[-1.0, -2, 0, 0], [-3, -4, 0, 0], [1, 2, 5, 5], [3, -4, 5, 5]]).view(1, 1, 4, 4)
    given.requires_grad_()
    output = quick(given)
    assert output.flatten().tolist() == [0, 0, 3, 5]
    (gradient,) = torch.autograd.grad(output.sum(), given)
    assert gradient.flatten().tolist() == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0]


@pytest.mark.parametrize("chained", [True, False])
def test_blocks_one_after_the_other_are_a_chain(chained: bool) -> None:
    torch.manual_seed(0)
    parts = [nn.Conv2d(3, 6, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3)]
    module = nn.Sequential(*parts, nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(4, 2, 1)).eval().requires_grad_(False)
    blocks = blocks_of(lambda: module(torch.rand(1, 3, 20, 20)), module, kept=())
    quick = quick_copy(module, blocks, module, chained=chained)
    given = torch.randn(2, 3, 20, 20)
    for one, other in zip(_answers(module, given), _answers(quick, given), strict=True):
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-5)
    chains = [len(part.chain) for part in quick.modules() if isinstance(part, QuickConv2d)]
    if not chained:
        assert chains == [1, 1, 1, 1]
    elif numba_version() is None:  # pooling is left to torch, and ends a chain
        assert chains == [1, 2, 0, 1]
    else:
        assert chains == [3, 0, 0, 1]


def test_inside_an_unpadded_network_no_convolution_of_a_chain_is_padded() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 4, 3, padding=1), nn.ReLU())
    module, quick = _copies(module, (1, 3, 9, 9))
    given = torch.randn(1, 3, 9, 9)
    with unpadded(module), unpadded(quick):
        for one, other in zip(_answers(module, given), _answers(quick, given), strict=True):
            assert other.shape == one.shape
            torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("clips", "channels", "side", "dtype", "ordered"),
    [
        (1, 5, 8, torch.float32, set()),
        (2, 5, 8, torch.float32, {False, True}),
        (1, 5, 9, torch.float32, {False, True}),
        (1, 3, 9, torch.float32, {False}),  # its gradient is left to torch
        (1, 5, 8, torch.bfloat16, {False, True}),
    ],
)
def test_little_of_a_single_clip_is_left_to_torch(
    clips: int, channels: int, side: int, dtype: torch.dtype, ordered: set[bool]
) -> None:
    _needs_type(dtype)
    torch.manual_seed(0)
    module, quick = _copies(nn.Sequential(nn.Conv2d(channels, 4, 3), nn.ReLU()), (1, channels, side, side), dtype)
    given = torch.randn(clips, channels, side, side).to(dtype)
    for one, other in zip(_answers(module.to(dtype), given), _answers(quick, given), strict=True):
        close = {"rtol": 1e-4, "atol": 1e-5} if dtype == torch.float32 else {"rtol": 0.02, "atol": 0.01}
        torch.testing.assert_close(other, one, **close)
    assert set(quick.get_submodule("0").chain[0].weights._ordered) == ordered  # type: ignore[union-attr, index]


def test_weights_are_ordered_anew_for_another_shape_and_padding() -> None:
    module, quick = _copies(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), (1, 3, 9, 9))
    for padding in (0, 1, 0):
        for side in (9, 12):
            given = torch.randn(2, 3, side, side)
            for one in (module, quick):
                one.get_submodule("0").padding = (padding, padding)  # type: ignore[assignment]
            for plain, found in zip(_answers(module, given), _answers(quick, given), strict=True):
                torch.testing.assert_close(found, plain, rtol=1e-4, atol=1e-5)


def test_a_copy_in_bf16_has_folded_weights_that_are_rounded_once() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 3))
    module.get_submodule("1").running_var.data.uniform_(0.2, 3)  # type: ignore[union-attr, operator]
    module.get_parameter("1.bias").data.fill_(8)  # so that no ReLU is off in one type and on in the other
    _needs_type(torch.bfloat16)
    module, quick = _copies(module, (1, 3, 9, 9), torch.bfloat16)
    given = torch.randn(2, 3, 9, 9).bfloat16()
    found = _answers(quick, given)
    weight, _ = fuse_conv_bn_eval(module.get_submodule("0"), module.get_submodule("1")).parameters()
    assert torch.equal(quick.get_submodule("0").chain[0].weights.weight, weight.bfloat16())  # type: ignore[union-attr, arg-type]
    for one, other in zip(_answers(module, given.float()), found, strict=True):
        assert float((one - other.float()).norm() / one.norm()) < 0.02


def test_weights_are_shared_and_the_module_is_left_as_it_was() -> None:
    module, quick = _copies(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), (1, 3, 9, 9))
    assert quick.get_parameter("0.weight") is module.get_parameter("0.weight")
    assert [type(part) for part in module.children()] == [nn.Conv2d, nn.ReLU]
    assert quick.get_submodule("0").chain[0].weights.weight.data_ptr() == module.get_parameter("0.weight").data_ptr()  # type: ignore[union-attr, operator]
