"""The loops that benchmarks/speed.py puts beside marey's: the bare arithmetic, a hook library's, torch-lucent's."""

import copy
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from marey.network import Network
from marey.networks.two_stream import TwoStream

Precision = Literal["bf16", "fp32"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


@dataclass(frozen=True)
class Case:
    """Inputs for units of one layer, `batch` of them at once: one for every unit at every slowness.

    side, frames
        the crop that they see; frames of the RGB stream and as many stacks of flow.
    steps, others
        steps of marey (and bare), and how many steps of each slow loop are taken in between.
    """

    layer: str
    batch: int
    side: int
    frames: int
    steps: int
    others: int
    slowness: tuple[float, ...] = (5.0,)

    @property
    def units(self) -> list[str]:
        return [f"{self.layer}:{channel}" for channel in range(self.batch // len(self.slowness))]

    @property
    def inputs(self) -> str:
        return f"{self.batch} (a sweep of one unit)" if len(self.slowness) > 1 else str(self.batch)


def network_at_224() -> Network:
    """The paper's network; its maxima are set to 1, since measuring them is no part of a step."""
    torch.manual_seed(0)
    module = TwoStream(101).eval()
    network = Network(module, module.input_streams(), scores="scores")
    network.maxima = {name: torch.ones(layer.units) for name, layer in network.layers.items()}
    return network


def bare_step(
    network: Network, case: Case, precision: Precision, *, usual_layout: bool = False
) -> Callable[[], object]:
    """One forward and backward pass of the work alone; the weights are a copy that wants no gradients."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    last = torch.contiguous_format if usual_layout else torch.channels_last
    stream, layer = case.layer.split(".")
    fused = stream == "fusion"
    channels = torch.arange(case.batch)

    def convolutions(name: str) -> list[nn.Module]:
        found = []
        for label, part in network.module.get_submodule(name).named_children():
            part = copy.deepcopy(part).requires_grad_(False).to(dtype)
            if isinstance(part, nn.Conv2d):
                part.padding = (1, 1) if fused else (0, 0)
                part.weight.data = part.weight.data.contiguous(memory_format=last)
            found.append(part)
            if label == layer:
                break
        return found

    towers = {name: nn.Sequential(*convolutions(name)) for name in (("rgb", "flow") if fused else (stream,))}
    depth = {"rgb": 3, "flow": 20}
    inputs = [
        torch.randn(case.batch * case.frames, depth[name], case.side, case.side)
        .to(dtype)
        .contiguous(memory_format=last)
        .requires_grad_()
        for name in towers
    ]
    if not fused:
        (tower,) = towers.values()
        return lambda: torch.autograd.grad(tower(inputs[0])[channels, channels, 0, 0].float().sum(), inputs)

    fusion = network.module.get_submodule(case.layer)
    weight, bias = (value.detach().to(dtype) for value in (fusion.weight, fusion.bias))
    if not usual_layout:
        weight = weight.contiguous(memory_format=torch.channels_last_3d)
    middle = case.side // 32

    def step() -> object:
        maps = [tower(value) for tower, value in zip(towers.values(), inputs, strict=True)]
        joined = torch.cat([one.unflatten(0, (case.batch, case.frames)).transpose(1, 2) for one in maps], dim=1)
        volume = functional.conv3d(joined, weight, bias, padding=1)
        return torch.autograd.grad(volume[channels, channels, case.frames // 2, middle, middle].float().sum(), inputs)

    return step


class HookLoop:
    """A hook library's loop for one unit: everything is hooked, run and differentiated."""

    def __init__(self, network: Network, layer: str) -> None:
        self.module = copy.deepcopy(network.module).requires_grad_(True)
        self.layer = layer
        self.seen: dict[str, Tensor] = {}
        for name, part in self.module.named_modules():
            part.register_forward_hook(lambda _part, _inputs, output, name=name: self.seen.update({name: output}))
        self.inputs = [torch.randn(1, 3, 5, 224, 224), torch.randn(1, 20, 5, 224, 224)]
        self.optimizer = torch.optim.Adam([value.requires_grad_() for value in self.inputs], lr=0.05)

    def step(self) -> None:
        self.optimizer.zero_grad()
        self.module(*self.inputs)
        volume = self.seen[self.layer]
        clip, *place = (0, *(size // 2 for size in volume.shape[2:])) if volume.ndim == 5 else (2, *_middle(volume))
        (-volume[(clip, 0, *place)]).backward()
        self.optimizer.step()


def _middle(volume: Tensor) -> tuple[int, int]:
    return (volume.shape[-2] // 2, volume.shape[-1] // 2)


class _Image(nn.Module):
    """A single-frame appearance network of any input size, as libraries for images take it."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.network = TwoStream(101, streams=("rgb",), frames=1, pooling="global")

    def forward(self, image: Tensor) -> Tensor:
        scores: Tensor = self.network(image.unsqueeze(2))
        return scores


class Lucent:
    """torch-lucent's loop; ImportError with a reason where it cannot run."""

    def __init__(self, layer: str) -> None:
        torchvision_operators()
        try:
            from lucent.optvis import objectives, param, render, transform
        except ImportError as error:
            raise ImportError(f"torch-lucent is not here ({error}); pip install 'marey[peers]'") from None
        self.render, self.param, self.transform = render, param, transform
        self.module = _Image().eval()
        self.objective = objectives.neuron("network_" + layer.replace(".", "_"), 0)

    def seconds(self, steps: int) -> list[float]:
        """Duration of `steps` steps after the first one, from one call of the first transform to the next."""
        stamps: list[float] = []

        def clock(image: Tensor) -> Tensor:
            stamps.append(time.perf_counter())
            return image

        self.render.render_vis(
            self.module,
            self.objective,
            lambda: self.param.image(224),
            transforms=[clock, *self.transform.standard_transforms],
            thresholds=(steps + 2,),
            progress=False,
            show_image=False,
        )
        return [after - before for before, after in itertools.pairwise(stamps[1:])]


_LIBRARIES: list[Any] = []


def torchvision_operators() -> None:
    """Name the two operators that torchvision looks up when imported beside a torch it was not compiled for."""
    if _LIBRARIES:
        return
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        try:
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        except RuntimeError:
            continue  # torchvision has its own
    _LIBRARIES.append(library)
