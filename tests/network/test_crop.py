"""A neuron on its crop has the activation and the gradient that it has in the full frame."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
import torch
from torch import Tensor, nn

from marey.network.crop import crop_of, whole
from marey.network.hooks import frozen
from marey.network.network import Network
from marey.network.stream import Stream, rgb_frames
from marey.network.unit import Unit

LeftAsFound = Callable[[nn.Module], AbstractContextManager[None]]


def _conv(given: int, made: int) -> list[nn.Module]:
    return [nn.Conv2d(given, made, 3, padding=1), nn.ReLU(inplace=True)]


def _vgg(given: int) -> nn.Sequential:
    early = [*_conv(given, 6), *_conv(6, 6), nn.MaxPool2d(2)]
    return nn.Sequential(*early, *_conv(6, 8), *_conv(8, 8), nn.MaxPool2d(2), *_conv(8, 8))


class _TwoStream(nn.Module):
    """RGB frames one by one, flow stacked; fused by a 3 x 3 x 3 convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.appearance, self.motion = _vgg(3), nn.Conv3d(2, 8, (2, 8, 8), stride=(2, 4, 4), padding=(0, 2, 2))
        self.fusion = nn.Conv3d(16, 6, 3, padding=1)

    def forward(self, rgb: Tensor, flow: Tensor) -> Tensor:
        frames = self.appearance(rgb.transpose(1, 2).flatten(0, 1))
        seen = frames.unflatten(0, (rgb.shape[0], rgb.shape[2])).transpose(1, 2)
        out: Tensor = self.fusion(torch.cat([seen, self.motion(flow).relu()], 1))
        return out


class _Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, stride=2, padding=1)
        self.one, self.two = nn.Conv2d(6, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        self.out = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).relu()
        y = self.one(x)
        y += x
        out: Tensor = self.out(self.two(y) + y)
        return out


class _Attending(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.out = nn.Conv2d(6, 6, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        out: Tensor = self.out(x * x.mean((2, 3), keepdim=True).sigmoid())
        return out


def _network(which: str) -> Network:
    torch.manual_seed(3)
    flow = Stream("flow", "flow", times=tuple(range(8)), height=48, width=48)
    picture = rgb_frames(1, size=48, layout="n c h w")
    if which == "vgg":
        return Network(_vgg(3), [picture])
    if which == "two-stream":
        return Network(_TwoStream(), [rgb_frames(4, size=48), flow])
    if which == "3-D":
        parts = [nn.Conv3d(2, 6, 3, stride=(2, 2, 2), padding=1), nn.ReLU(), nn.Conv3d(6, 6, 3, padding=1)]
        return Network(nn.Sequential(*parts), [flow])
    if which == "deep":  # places in the middle see the whole picture
        return Network(
            nn.Sequential(*_vgg(3), *_conv(8, 8), nn.MaxPool2d(2), *_conv(8, 8)),
            [rgb_frames(1, size=48, layout="n c h w")],
        )
    if which == "strided":
        steps = [(1, 1, 1), (2, 1, 1), (1, 2, 2), (2, 0, 1), (1, 1, 1), (1, 1, 1)]
        convs = [
            nn.Conv2d(3 if k == 0 else 6, 6, 3, stride=stride, padding=padding, dilation=dilation)
            for k, (stride, padding, dilation) in enumerate(steps)
        ]
        return Network(nn.Sequential(*convs), [rgb_frames(1, size=33, layout="n c h w")])
    return Network(_Residual() if which == "residual" else _Attending(), [picture])


CASES = [
    ("vgg", "9", (0, 6, 6), "unpadded"),
    ("vgg", "11", (0, 0, 0), "padded"),
    ("vgg", "11", (0, 11, 5), "padded"),
    ("vgg", "3", (0, 20, 20), "unpadded"),
    ("two-stream", "fusion", (2, 5, 6), "unpadded"),
    ("two-stream", "motion", (1, 5, 6), "unpadded"),
    ("two-stream", "fusion", (0, 0, 11), "padded"),
    ("deep", "16", (0, 3, 3), "whole"),
    ("deep", "16", (0, 0, 2), "padded"),
    ("deep", "9", (0, 0, 5), "padded"),
    ("strided", "5", (0, 0, 0), "padded"),
    ("strided", "5", (0, 4, 3), "padded"),
    ("strided", "5", (0, 7, 7), "padded"),
    ("3-D", "2", (1, 10, 10), None),
    ("3-D", "2", (0, 0, 23), "padded"),
    ("3-D", "2", (3, 23, 12), "padded"),
    ("residual", "out", (0, 10, 12), "padded"),
    ("residual", "out", (0, 0, 23), "padded"),
    ("attention", "out", (0, 5, 5), "whole"),
]


def _gradients(network: Network, unit: Unit, inputs: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """Activation of the unit's whole column and its gradient in the full frame."""
    given = {name: value.clone().requires_grad_() for name, value in inputs.items()}
    assert unit.position is not None
    t, y, x = unit.position
    with frozen(network.module):
        column = network.activations(given, [unit.layer])[unit.layer][:, :, t, y, x]
    found = torch.autograd.grad(column.sum(), list(given.values()), allow_unused=True)
    return column.detach(), {
        name: torch.zeros_like(given[name]) if gradient is None else gradient
        for name, gradient in zip(given, found, strict=True)
    }


@pytest.mark.parametrize(("which", "layer", "position", "mode"), CASES)
def test_the_crop_has_the_activation_and_the_gradient_of_the_full_frame(
    which: str, layer: str, position: tuple[int, int, int], mode: str | None, left_as_found: LeftAsFound
) -> None:
    network = _network(which)
    unit = Unit(layer, 0, position)
    generator = torch.Generator().manual_seed(1)
    inputs = {stream.name: torch.rand(2, *stream.shape, generator=generator) for stream in network.streams}
    full, gradients = _gradients(network, unit, inputs)
    with left_as_found(network.module):
        crop = crop_of(network, unit)
        assert mode is None or crop.mode == mode
        parts = {name: part.clone().requires_grad_() for name, part in crop.cut(inputs).items()}
        place = crop.position if crop.position is not None else position
        with frozen(network.module), crop.applied(network.module):
            column = crop.activations(parts)[layer][(slice(None), slice(None), *place)]
        column.sum().backward()
    torch.testing.assert_close(column.detach(), full, atol=1e-5, rtol=1e-4)
    for name, gradient in gradients.items():
        outside = gradient.clone()
        if name in parts:
            t, y, x = crop.corners[name]
            stream = crop.network.stream(name)
            box = (slice(t, t + stream.frames), slice(y, y + stream.height), slice(x, x + stream.width))
            grad = parts[name].grad
            assert grad is not None
            torch.testing.assert_close(grad, gradient[(slice(None), slice(None), *box)], atol=1e-6, rtol=1e-4)
            outside[(slice(None), slice(None), *box)] = 0
        assert not bool(outside.any()), f"{name} is seen outside the crop"


def test_a_crop_is_no_larger_than_the_receptive_field() -> None:
    network = _network("vgg")
    crop = crop_of(network, Unit("3", 0, (0, 20, 20)))
    (stream,) = crop.streams
    assert (stream.height, stream.width) == (5, 5)
    assert crop.corners == {"rgb": (0, 18, 18)}


def test_where_a_neuron_sees_everything_deep_maps_are_still_small() -> None:
    network = _network("deep")
    crop = crop_of(network, Unit("16", 0, (0, 3, 3)))
    assert [stream.shape for stream in crop.streams] == [(3, 1, 48, 48)]
    assert crop.corners == {"rgb": (0, 0, 0)}
    with torch.no_grad(), crop.applied(network.module):
        maps = crop.activations({"rgb": torch.rand(1, 3, 1, 48, 48)})["16"]
    assert maps.shape[-2:] == (3, 3) and crop.position == (0, 1, 1)
    windows = dict(crop.windows)
    assert windows["14"] == ((1, 7), (1, 7)) and "0" not in windows


def test_how_much_a_position_sees_is_known_of_every_crop() -> None:
    network = Network(
        nn.Sequential(*_vgg(3), nn.Flatten(), nn.Linear(8 * 12 * 12, 2)), [rgb_frames(1, size=48, layout="n c h w")]
    )
    for name, sees in (("0", 3), ("2", 5), ("5", 10)):
        assert crop_of(network, Unit(name, 0, (0, 3, 3))).sees == whole(network, [name]).sees == sees
    assert whole(network, ["2", "5"]).sees == 10
    assert whole(network, [list(network.layers)[-1]]).sees == whole(network, []).sees == 48


def test_a_unit_without_a_position_has_the_whole_frame() -> None:
    network = _network("vgg")
    crop = crop_of(network, Unit("9", 0))
    assert crop.mode == "whole"
    assert crop.position is None
    assert [stream.shape for stream in crop.streams] == [(3, 1, 48, 48)]


def test_streams_that_a_layer_does_not_see_are_no_part_of_it() -> None:
    network = _network("two-stream")
    assert [stream.name for stream in whole(network, ["motion"]).streams] == ["flow"]
    assert [stream.name for stream in crop_of(network, Unit("appearance.0", 0, (0, 9, 9))).streams] == ["rgb"]
    assert [stream.name for stream in whole(network, []).streams] == ["rgb", "flow"]


def test_a_global_layer_has_the_whole_frame() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.AdaptiveAvgPool2d(1))
    crop = crop_of(Network(module, [rgb_frames(1, size=9, layout="n c h w")]), Unit("1", 0, (0, 0, 0)))
    assert crop.mode == "whole"
