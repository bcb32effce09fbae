"""The paper's start of both towers: weights of a VGG-16 that was trained on ImageNet."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from torch import Tensor, nn

from marey.errors import NetworkError, WeightsError
from marey.families.two_stream import TwoStream
from marey.families.weight_files import read_tensors
from marey.files import regular_file

PUBLISHED = {"none": "vgg16-397923af.pth", "batch": "vgg16_bn-6c64b313.pth"}
NORM_TENSORS = ("weight", "bias", "running_mean", "running_var")


def load_vgg(network: TwoStream, path: str | Path, *, sha256: str | None = None) -> tuple[str, ...]:
    """Copy a VGG-16 in torchvision's format into both towers, and into fc6 and fc7 where they fit.

    Returns the names of the layers that were set. The first motion layer gets the appearance filters averaged over red,
    green and blue, repeated over all flow channels: the cross-modality pre-training of Wang et al., "Temporal Segment
    Networks", ECCV 2016. The repeats are multiplied by 3 / (2 * stack), which is our choice: a signal that is the same
    in all channels then gives the response of the image network. The fusion convolution and the scores keep their own
    initialization.

    The file is checked before it is opened, see `checked_digest`. Raises WeightsError for a file that does not match or
    is no VGG-16, NetworkError for a network whose width is not 1.0; the network is then as it was.
    """
    path = Path(path)
    check_width(network.config["width"])
    checked_digest(path, sha256)
    tensors = _vgg_tensors(path)
    sources = _convolution_sources(network, _published_layers(tensors, path, norm=network.config["norm"]))
    for name, values in sources.items():
        wanted = network.get_submodule(name).state_dict()
        for part, tensor in values.items():
            if tensor.shape != wanted[part].shape:
                raise WeightsError(
                    f"'{path}' is no VGG-16: its {part} for {name} has shape {tuple(tensor.shape)}, "
                    f"expected {tuple(wanted[part].shape)}."
                )
    sources |= _classifier_sources(network, tensors)
    for name, values in sources.items():
        network.get_submodule(name).load_state_dict(values, strict=False)
    return tuple(sources)


def check_width(width: float) -> None:
    """Raise NetworkError unless a network of that width has as many channels as VGG-16."""
    if width != 1.0:
        raise NetworkError(
            f"the network has width {width:g}, but ImageNet weights of VGG-16 fit width 1 only; "
            "build it with width 1, as `--width 1` of `marey train` does."
        )


def published_norm(path: str | Path) -> Literal["none", "batch"]:
    """The `norm` of the `TwoStream` that a VGG-16 file fits: "batch" where it holds batch normalizations."""
    tensors = _vgg_tensors(path)
    flat = (name for name, values in tensors.items() if name.startswith("features.") and values.ndim == 1)
    return "batch" if any(name.endswith("running_mean") for name in flat) else "none"


def _vgg_tensors(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a file, without what programs put in front of "features." and "classifier."."""
    tensors = read_tensors(path)
    prefix = next((name.partition("features.")[0] for name in tensors if "features." in name), "")
    return {name.removeprefix(prefix): values for name, values in tensors.items()}


def motion_filters(filters: Tensor, channels: int) -> Tensor:
    """Filters (unit `channels` height width) for flow from `filters` (unit 3 height width) for RGB, of the same sum."""
    average = filters.mean(dim=1, keepdim=True)
    return average.repeat(1, channels, 1, 1) * (filters.shape[1] / channels)


def checked_digest(path: Path, sha256: str | None = None) -> str:
    """The file's SHA-256; WeightsError unless it is `sha256` or, with None, begins with the digits in the file's name.

    Names like vgg16-397923af.pth carry the first eight digits, by torchvision's convention; other names are not
    checked.
    """
    in_name = re.fullmatch(r"vgg\d+(?:_bn)?-([0-9a-f]{8,64})", path.stem)
    try:
        with regular_file(path).open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise WeightsError(f"no file of weights at '{path}'.") from None
    except OSError as error:
        raise WeightsError(f"cannot read weights from '{path}': {error.strerror}.") from None
    if sha256 is not None and found != sha256.lower():
        raise WeightsError(f"'{path}' has SHA-256 {found}, expected {sha256.lower()}; download it again.")
    if sha256 is None and in_name is not None and not found.startswith(in_name[1]):
        raise WeightsError(f"'{path}' has SHA-256 {found}, its name says {in_name[1]}; download it again.")
    return found


def _published_layers(tensors: Mapping[str, Tensor], path: Path, *, norm: str) -> list[dict[str, Tensor]]:
    """Tensors of each convolution and normalization of `features`, in order."""
    numbers = sorted({int(found[1]) for name in tensors if (found := re.fullmatch(r"features\.(\d+)\.weight", name))})
    kinds = [tensors[f"features.{number}.weight"].ndim for number in numbers]
    expected = [4, 1] * 13 if norm == "batch" else [4] * 13
    if kinds != expected:
        raise WeightsError(
            f"'{path}' has {kinds.count(4)} convolutions and {kinds.count(1)} normalizations under 'features'; "
            f'norm="{norm}" starts from {expected.count(4)} and {expected.count(1)}, '
            f"as in torchvision's {PUBLISHED[norm]}."
        )
    layers = []
    for number, kind in zip(numbers, kinds, strict=True):
        names = ("weight", "bias") if kind == 4 else NORM_TENSORS
        missing = [name for name in names if f"features.{number}.{name}" not in tensors]
        if missing:
            raise WeightsError(f"'{path}' is no whole VGG-16: features.{number}.{missing[0]} is missing.")
        layers.append({name: tensors[f"features.{number}.{name}"] for name in names})
    return layers


def _convolution_sources(network: TwoStream, published: list[dict[str, Tensor]]) -> dict[str, dict[str, Tensor]]:
    """{layer of the network: its tensors}: towers have the first layers of VGG-16, `fused` the rest."""
    sources: dict[str, dict[str, Tensor]] = {}
    modules = dict(network.named_children())
    for tower in (*network.streams, "fused"):
        if tower not in modules:
            continue
        layers = modules[tower].named_children()
        names = [f"{tower}.{name}" for name, layer in layers if isinstance(layer, nn.Conv2d | nn.BatchNorm2d)]
        part = published[-len(names) :] if tower == "fused" else published[: len(names)]
        sources |= dict(zip(names, part, strict=True))
    if "flow" in network.streams:
        first = sources["flow.conv1_1"]
        sources["flow.conv1_1"] = first | {"weight": motion_filters(first["weight"], 2 * network.config["stack"])}
    return sources


def _classifier_sources(network: TwoStream, tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Every fc6 and fc7 of the network whose size the file has too, with its tensors."""
    sources = {}
    for name, layer in network.named_modules():
        number = {"fc6": 0, "fc7": 3}.get(name.rpartition(".")[2])
        wanted = layer.state_dict() if number is not None else {}
        values = {part: tensors[key] for part in wanted if (key := f"classifier.{number}.{part}") in tensors}
        if values and all(part in values and values[part].shape == wanted[part].shape for part in wanted):
            sources[name] = values
    return sources
