"""What it gains to compute channels last: passes of networks in both layouts, in turn, in one process.

    python benchmarks/layout.py [--threads 1]

Medians of milliseconds, of a forward pass in fp32 and of one forward and backward to the input, with random weights and
inputs. Networks of torchvision are there where it can be imported.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext

import torch
from speed_loops import torchvision_operators
from torch import Tensor, nn

from marey.families.loading import load
from marey.families.two_stream import TwoStream
from marey.network.hooks import channels_last, frozen

TORCHVISION = (
    ("models.resnet18", (4, 3, 224, 224)),
    ("models.efficientnet_b0", (4, 3, 224, 224)),
    ("models.video.s3d", (1, 3, 16, 224, 224)),
    ("models.video.r2plus1d_18", (1, 3, 16, 112, 112)),
    ("models.video.r3d_18", (1, 3, 16, 112, 112)),
)


def networks() -> Iterator[tuple[str, nn.Module, list[tuple[int, ...]]]]:
    """Name, module and the shapes of what it takes."""
    yield "motion-studies, 16 clips", load("motion-studies").module, [(16, 3, 1, 112, 112), (16, 20, 1, 112, 112)]
    yield "two-stream VGG-16, 1 clip", TwoStream(101), [(1, 3, 5, 224, 224), (1, 20, 5, 224, 224)]
    torchvision_operators()
    try:
        import torchvision
    except ImportError as error:
        print(f"(none of torchvision: {error})")
        return
    for path, shape in TORCHVISION:
        make = torchvision
        for part in path.split("."):
            make = getattr(make, part)
        yield f"{path.rpartition('.')[2]}, {shape[0]}", make(), [shape]


def forward(module: nn.Module, shown: list[Tensor]) -> None:
    with torch.no_grad():
        module(*shown)


def both(module: nn.Module, shown: list[Tensor]) -> None:
    inputs = [one.clone().requires_grad_() for one in shown]
    torch.autograd.grad(module(*inputs).square().sum(), inputs)


def compared(work: Callable[[nn.Module, list[Tensor]], None], module: nn.Module, shown: list[Tensor]) -> str:
    ways: dict[str, Callable[[], AbstractContextManager[object]]] = {
        "usual": nullcontext,
        "last": lambda: channels_last(module),
    }
    took: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(8):
        for name, way in ways.items():
            with way():
                begun = time.perf_counter()
                work(module, shown)
                if turn:
                    took[name].append(1000 * (time.perf_counter() - begun))
    usual, last = (statistics.median(one) for one in took.values())
    return f"{usual:8.1f} {last:8.1f} {last / usual:6.2f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    torch.set_num_threads(parser.parse_args().threads)
    torch.manual_seed(0)
    print(f"{torch.get_num_threads()} threads; ms in the usual layout, channels last, ratio: forward | and backward")
    for name, module, shapes in networks():
        with frozen(module):
            shown = [torch.randn(shape) for shape in shapes]
            print(f"{name:26} {compared(forward, module, shown)} | {compared(both, module, shown)}", flush=True)


if __name__ == "__main__":
    main()
