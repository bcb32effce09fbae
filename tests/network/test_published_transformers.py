"""Tokens of the video transformers of two libraries, where these are installed: made small, with random weights."""

import importlib.util
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from marey.network.network import Network
from marey.network.stream import rgb_frames

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

SMALL = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64, "num_labels": 5}


@pytest.fixture(scope="module")
def torchvision_operators() -> None:
    """Schemas of the operators that torchvision asks for; its own are missing where it was built for another torch."""
    if importlib.util.find_spec("torchvision") is None:
        return
    try:
        import torchvision  # noqa: F401
    except (ImportError, RuntimeError):
        for name in ("nms", "qnms"):
            torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def _videomae(transformers: ModuleType) -> nn.Module:
    config = transformers.VideoMAEConfig(image_size=32, patch_size=8, num_frames=8, tubelet_size=2, **SMALL)
    module: nn.Module = transformers.VideoMAEForVideoClassification(config)
    return module


def _timesformer(transformers: ModuleType) -> nn.Module:
    config = transformers.TimesformerConfig(image_size=32, patch_size=8, num_frames=8, **SMALL)
    module: nn.Module = transformers.TimesformerForVideoClassification(config)
    return module


def _vivit(transformers: ModuleType) -> nn.Module:
    config = transformers.VivitConfig(image_size=32, num_frames=8, tubelet_size=[2, 8, 8], **SMALL)
    module: nn.Module = transformers.VivitForVideoClassification(config)
    return module


def _swin(models: ModuleType) -> nn.Module:
    module: nn.Module = models.swin_transformer.SwinTransformer3d(
        [2, 4, 4], 16, [2, 2], [2, 4], [2, 4, 4], num_classes=5, stochastic_depth_prob=0.0
    )
    return module


def _mvit(models: ModuleType) -> nn.Module:
    block: Any = models.mvit.MSBlockConfig
    blocks = [
        block(1, 16, 32, [3, 3, 3], [3, 3, 3], [1, 1, 1], [1, 2, 2]),
        block(2, 32, 32, [3, 3, 3], [3, 3, 3], [1, 2, 2], [1, 1, 1]),
    ]
    kinds = {"residual_pool": True, "residual_with_cls_embed": False, "rel_pos_embed": True, "proj_after_attn": True}
    module: nn.Module = models.mvit.MViT((32, 32), 8, blocks, num_classes=5, **kinds)
    return module


CASES: dict[str, tuple[str, Callable[[ModuleType], nn.Module], dict[str, tuple[int, int, int, int]]]] = {
    "VideoMAE": (
        "transformers",
        _videomae,
        {"videomae.encoder.layer.0": (0, 4, 4, 4), "videomae.encoder.layer.2.intermediate": (0, 4, 4, 4)},
    ),
    "TimeSformer": (
        "transformers",
        _timesformer,
        {"timesformer.encoder.layer.0": (1, 8, 4, 4), "timesformer.encoder.layer.2.intermediate": (1, 8, 4, 4)},
    ),
    "ViViT": ("transformers", _vivit, {"vivit.layers.0": (1, 4, 4, 4), "vivit.layers.2.mlp.fc1": (1, 4, 4, 4)}),
    "Swin": (
        "torchvision.models.video",
        _swin,
        {"features.0.1": (0, 4, 8, 8), "features.2.1.mlp.1": (0, 4, 4, 4), "features.2.1": (0, 4, 4, 4)},
    ),
    "MViT": (
        "torchvision.models.video",
        _mvit,
        {"blocks.0.norm1": (1, 4, 8, 8), "blocks.0.mlp.1": (1, 4, 8, 8), "blocks.1": (1, 4, 4, 4)},
    ),
}
"""{network: its library, how it is made, {layer: tokens without a place, and positions in time, height and width}}."""

OVERLAPPING = {"MViT"}
"""Tokens see more than their own patch, so that a moved one may change the token beside its own most."""


@pytest.mark.parametrize("name", CASES)
@pytest.mark.usefixtures("torchvision_operators")
def test_a_token_lies_where_a_moved_patch_lies(name: str) -> None:
    library, make, layers = CASES[name]
    made_of = pytest.importorskip(library, exc_type=ImportError)
    torch.manual_seed(0)
    layout = "n t c h w" if library == "transformers" else "n c t h w"
    network = Network(make(made_of).eval(), [rgb_frames(8, size=32, layout=layout)])
    for layer, (unplaced, *positions) in layers.items():
        found = network.layer(layer)
        assert (found.unplaced, found.positions) == (unplaced, tuple(positions))
    generator = torch.Generator().manual_seed(0)
    still, other = torch.rand(2, 3, 8, 32, 32, generator=generator)
    corners = [(t, y, x) for t in range(0, 8, 2) for y in range(0, 32, 8) for x in range(0, 32, 8)]
    clips = still.repeat(len(corners) + 1, 1, 1, 1, 1)
    for clip, (t, y, x) in zip(clips[1:], corners, strict=True):
        clip[:, t : t + 2, y : y + 8, x : x + 8] = other[:, t : t + 2, y : y + 8, x : x + 8]
    with torch.no_grad():
        volumes = network.activations({"rgb": clips}, layers)
    for layer, volume in volumes.items():
        patch = network.layer(layer).patch
        assert patch is not None
        hits = 0
        for change, corner in zip((volume[1:] - volume[:1]).norm(dim=1), corners, strict=True):
            t, y, x = (int(place) for place in torch.unravel_index(change.argmax(), change.shape))
            near = patch.stride("rgb") if name in OVERLAPPING else (0, 0, 0)
            box = zip(patch.interval("rgb", (t, y, x)), near, corner, (2, 8, 8), strict=True)
            hits += all(low - more < at + size and high + more > at for (low, high), more, at, size in box)
        assert hits >= 0.95 * len(corners), (layer, hits)
