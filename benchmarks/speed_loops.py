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

from marey.families.two_stream import TwoStream
from marey.network.maxima import Maxima
from marey.network.network import Network

Precision = Literal["bf16", "fp32"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


@dataclass(frozen=True)
class Case:
    """Inputs for units of one layer, `batch` of them at once: one for every unit at every slowness.

    side, frames
        the crop that they see; frames of the RGB stream and as many stacks of flow.
    blocks, steps, others
        how many times each loop takes so many steps one after the other; steps of each slow loop taken in between.
    """

    layer: str
    batch: int
    side: int
    frames: int
    blocks: int
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
    ones = Maxima({name: torch.ones(layer.units) for name, layer in network.layers.items()}, source="no clips")
    return Network(module, module.input_streams(), scores="scores", maxima=ones)


@dataclass(frozen=True)
class Bare:
    """The network up to a layer, on the crop that its units see, written out by hand; weights want no gradients."""

    inputs: dict[str, tuple[int, ...]]
    dtype: torch.dtype
    layout: torch.memory_format
    scores: Callable[[dict[str, Tensor]], Tensor]

    @classmethod
    def of(cls, network: Network, case: Case, precision: Precision, *, channels_last: bool = False) -> "Bare":
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        last = torch.channels_last if channels_last else torch.contiguous_format
        stream, layer = case.layer.split(".")
        fused = stream == "fusion"
        channels = torch.arange(case.batch) // len(case.slowness)
        clips = torch.arange(case.batch)

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
        shapes = {name: (case.batch * case.frames, depth[name], case.side, case.side) for name in towers}
        fusion = network.module.get_submodule(case.layer)
        weight, bias = (value.detach().to(dtype) for value in (fusion.weight, fusion.bias))
        if fused and channels_last:
            weight = weight.contiguous(memory_format=torch.channels_last_3d)
        middle = case.side // 32

        def scores(inputs: dict[str, Tensor]) -> Tensor:
            maps = [tower(inputs[name]) for name, tower in towers.items()]
            if not fused:
                return maps[0][clips, channels, 0, 0].float()
            joined = torch.cat([one.unflatten(0, (case.batch, case.frames)).transpose(1, 2) for one in maps], dim=1)
            volume = functional.conv3d(joined, weight, bias, padding=1)
            return volume[clips, channels, case.frames // 2, middle, middle].float()

        return cls(shapes, dtype, last, scores)


def bare_step(
    network: Network, case: Case, precision: Precision, *, channels_last: bool = False
) -> Callable[[], object]:
    """One forward and backward pass of the network alone, to an input that is as it wants it."""
    bare = Bare.of(network, case, precision, channels_last=channels_last)
    inputs = {
        name: torch.randn(shape).to(bare.dtype).contiguous(memory_format=bare.layout).requires_grad_()
        for name, shape in bare.inputs.items()
    }
    return lambda: torch.autograd.grad(bare.scores(inputs).sum(), list(inputs.values()))


class HandLoop:
    """All that a step of marey's recipe computes, as one would write it in PyTorch for these very units.

    Fourier coefficients on a canvas that is larger by the stride, a random window of it, the bound, the priors by
    autograd, the network as in `bare_step` channels last, Adam. Nothing is steered, watched, kept or checked.
    """

    def __init__(self, network: Network, case: Case, precision: Precision) -> None:
        self.case, self.bare = case, Bare.of(network, case, precision, channels_last=True)
        self.streams = {name: network.stream(name) for name in self.bare.inputs}
        fields = network.layer(case.layer).receptive_field.streams.values()
        self.shift = max(axis.stride for axes in fields for axis in axes[1:])
        self.chi = torch.tensor(case.slowness * (case.batch // len(case.slowness))).view(-1, 1, 1, 1, 1)
        self.scale, self.free = {}, {}
        for name in self.streams:
            times = self._canvas_times(name)
            side = case.side + self.shift
            fy, fx, ft = torch.fft.fftfreq(side)[:, None], torch.fft.rfftfreq(side), torch.fft.fftfreq(times).abs()
            space = (fy.square() + fx.square()).sqrt().clamp_min(1 / side)
            scale = ft.clamp_min(1 / max(times, 2))[:, None, None] ** -0.5 / space
            self.scale[name] = (scale / scale.square().mean().sqrt())[..., None]
            depth = 2 if name == "flow" else 3
            self.free[name] = (0.1 * torch.randn(case.batch, depth, *scale.shape, 2)).requires_grad_()
        self.colors = torch.tensor(((0.26, 0.09, 0.02), (0.27, 0.0, -0.05), (0.27, -0.09, 0.03))) / 0.27
        self.optimizer = torch.optim.Adam(list(self.free.values()), lr=0.045, fused=True)

    def _times(self, name: str) -> int:
        return self.case.frames * (10 if name == "flow" else 1)

    def _canvas_times(self, name: str) -> int:
        """One field more for flow, and another one: transforms of 11 or 31 take longer than those of 12 or 32."""
        return self._times(name) + 2 * (name == "flow")

    def step(self) -> None:
        y, x, t = (int(torch.randint(0, most + 1, ())) for most in (self.shift, self.shift, 1))
        side, inputs = self.case.side, {}
        loss = torch.zeros(())
        for name, free in self.free.items():
            flow, times = name == "flow", self._times(name)
            start = t if flow else 0
            size = side + self.shift
            spectrum = torch.view_as_complex(free * self.scale[name])
            canvas = torch.fft.irfftn(spectrum, s=(self._canvas_times(name), size, size), dim=(2, 3, 4), norm="ortho")
            frames = canvas[:, :, start : start + times, y : y + side, x : x + side]
            if not flow:
                frames = torch.einsum("dc,nc...->nd...", self.colors, frames).clamp(-1, 1)
            length = frames.square().sum(1, keepdim=True).sqrt()
            frames = frames / length.clamp_min(1)  # in units of the bound
            length = length.clamp_max(1)
            loss = loss + length.pow(3).mean((1, 2, 3, 4)).sum()
            for axis in (3, 4):
                loss = loss + 3 * frames.diff(dim=axis).square().mean((1, 2, 3, 4)).sum()
            if times > 1:
                loss = loss + 3 * (self.chi * frames.diff(dim=2).square()).mean((1, 2, 3, 4)).sum()
            stream = self.streams[name]
            mean = torch.tensor(stream.mean or (0.0,) * frames.shape[1]).view(-1, 1, 1, 1)
            std = torch.tensor(stream.std or (1.0,) * frames.shape[1]).view(-1, 1, 1, 1)
            bound = 5.0 if flow else 0.5
            shown = (bound * frames + (0.0 if flow else 0.5) - mean) / std
            if flow:  # stacks of ten fields, u and v of each side by side
                shown = shown.unflatten(2, (self.case.frames, 10)).permute(0, 2, 3, 1, 4, 5).flatten(2, 3)
            else:
                shown = shown.transpose(1, 2)
            inputs[name] = shown.flatten(0, 1).to(self.bare.dtype).contiguous(memory_format=self.bare.layout)
        loss = loss - 2 * self.bare.scores(inputs).sum()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


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
