"""The two-stream VGG-16 with convolutional fusion: the paper's network and a small one for a laptop are one class."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

from torch import Tensor, nn

from marey.errors import NetworkError, did_you_mean
from marey.families.towers import (
    BLOCKS,
    Fused,
    Layers,
    MeanScores,
    Tower,
    classifier,
    convolutions,
    in_order,
    initialize,
    scaled_channels,
)
from marey.network.stream import Stream, flow_stacks, rgb_frames

Fusion = Literal["conv2", "conv3", "conv4", "conv5", "late"]

FUSIONS = ("conv2", "conv3", "conv4", "conv5", "late")
STREAMS = ("rgb", "flow")
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FLOW_SCALE = 9.0


class TwoStream(nn.Module):
    """VGG-16 towers for appearance and motion, fused by a 3 x 3 x 3 convolution over time and space; class scores out.

    Feichtenhofer, Pinz, Zisserman, CVPR 2016, as visualized by Feichtenhofer, Pinz, Wildes, Zisserman, CVPR 2018. At
    depth 5 the fused maps are max-pooled over 2 x 2 places and all frames, and go through fc6, fc7 and `scores`. With
    fusion at a lower depth the blocks above run on the fused maps, frame by frame, in `fused`. `fusion="late"` and a
    single stream are complete networks per stream (`rgb.fc6`, ..., `rgb.scores`), whose mean is `scores`.

    Towers run two-dimensional layers on frames folded into the batch: `rgb.conv3_3` gives ((clip time) channel height
    width), `fusion.conv5` gives (clip channel time height width).

    classes
        number of class scores.
    streams
        ("rgb", "flow"), or one of them: a single-stream baseline.
    size
        of the square input, in pixels.
    width
        factor on all channel counts, which stay multiples of 8.
    frames, stack, step
        `frames` moments, `step` video frames apart, each an RGB frame in the middle of `stack` flow fields.
    fusion
        "conv5" of the paper, lower depths, or "late": the mean of both streams' scores.
    norm
        "batch": batch normalization after each convolution of a tower (as in VGG-16-BN).
    pooling
        what fc6 sees: the whole "grid" of (size / 32)^2 places (fixed input size), or the "global" maximum over space.
    dropout
        share of fc6 and fc7 units that training switches off.
    fc
        units of fc6 and fc7; None: 4096 * width, at least 64.
    auxiliary
        add a small classifier to each tower for training (`forward_all`); `forward` never computes it.
    """

    skips_absent_streams = True  # see marey.Network

    def __init__(
        self,
        classes: int,
        *,
        streams: Sequence[str] = STREAMS,
        size: int = 224,
        width: float = 1.0,
        frames: int = 5,
        stack: int = 10,
        step: int = 10,
        fusion: Fusion = "conv5",
        norm: Literal["none", "batch"] = "none",
        pooling: Literal["grid", "global"] = "grid",
        dropout: float = 0.5,
        fc: int | None = None,
        auxiliary: bool = False,
    ) -> None:
        super().__init__()
        _check_words(streams, fusion, norm, pooling)
        _check_numbers(
            classes=classes,
            size=size,
            width=width,
            frames=frames,
            stack=stack,
            step=step,
            pooling=pooling,
            dropout=dropout,
            fc=fc,
        )
        self.config: dict[str, Any] = {
            "classes": classes,
            "streams": [name for name in STREAMS if name in streams],
            "size": size,
            "width": width,
            "frames": frames,
            "stack": stack,
            "step": step,
            "fusion": fusion,
            "norm": norm,
            "pooling": pooling,
            "dropout": dropout,
            "fc": fc,
            "auxiliary": auxiliary,
        }
        self.streams = tuple(self.config["streams"])
        self.late = fusion == "late" or len(self.streams) == 1
        self._head: tuple[str, ...] = ()
        if self.late:
            self._build_late()
        else:
            self._build_fused(int(fusion[-1]))
        initialize(self)

    def _build_late(self) -> None:
        """One complete network per stream, and the mean of their scores."""
        for name in self.streams:
            blocks = self._convolutions(self._channels(name), range(1, 6))
            top = {"pool5": nn.MaxPool3d((self.config["frames"], 2, 2))} | self._classifier()
            self.add_module(name, Tower(blocks, top))
        self.scores: nn.Module = MeanScores()

    def _build_fused(self, depth: int) -> None:
        """Towers of `depth` blocks, their fusion, the blocks above it, the classifier."""
        for name in self.streams:
            self.add_module(name, Tower(self._convolutions(self._channels(name), range(1, depth + 1)), {}))
        channels = scaled_channels(BLOCKS[depth - 1][-1], self.config["width"])
        self.fusion = Fused(channels, depth, self.config["frames"])
        if depth < 5:
            blocks = self._convolutions(channels, range(depth + 1, 6))
            self.fused = Tower(blocks, {"pool5": nn.MaxPool3d((self.config["frames"], 2, 2))})
        for name, layer in self._classifier().items():
            self.add_module(name, layer)
        if self.config["auxiliary"]:
            classes = self.config["classes"]
            self.auxiliary = nn.ModuleDict({name: nn.Linear(channels, classes) for name in self.streams})
        # built once more for its names, because the random numbers that it draws belong to the weights of a seed
        self._head = tuple(self._classifier())

    def _channels(self, stream: str) -> int:
        """Channels of the network's input for a stream."""
        return 3 if stream == "rgb" else 2 * int(self.config["stack"])

    def _convolutions(self, channels: int, blocks: range) -> Layers:
        return convolutions(channels, blocks, self.config["width"], self.config["norm"])

    def _classifier(self) -> Layers:
        """fc6, fc7 and scores on what pool5 gives."""
        config = self.config
        units = max(64, round(4096 * config["width"])) if config["fc"] is None else config["fc"]
        whole = config["pooling"] == "grid"
        features = ((config["size"] // 32) ** 2 if whole else 1) * scaled_channels(512, config["width"])
        pool: Layers = {} if whole else {"global_pool": nn.AdaptiveMaxPool3d(1)}
        return pool | classifier(features, units, config["classes"], config["dropout"])

    def forward(self, *inputs: Tensor | None) -> Tensor:
        """Class scores (clip class) before the softmax.

        rgb is (clip 3 time height width) and flow (clip 2*stack time height width), u and v interleaved, both scaled as
        `input_streams` says; a single-stream network takes its own input only. For None a tower does not run, in a pass
        that ends before both are needed.
        """
        towers = self._towers(inputs)
        return cast(Tensor, self.scores(*towers.values())) if self.late else self._fused_scores(towers)

    def forward_all(self, *inputs: Tensor | None) -> dict[str, Tensor]:
        """Scores (clip class) of "fused" and, where they have classifiers, of "rgb" and "flow": for training."""
        towers = self._towers(inputs)
        if self.late:
            fused = cast(Tensor, self.scores(*towers.values()))
            return {"fused": fused} | (towers if len(towers) > 1 else {})
        scores = {"fused": self._fused_scores(towers)}
        if self.config["auxiliary"]:
            scores |= {name: self.auxiliary[name](maps.amax((2, 3, 4))) for name, maps in towers.items()}
        return scores

    def input_streams(self, *, rate: float | None = None, flow_scale: float = FLOW_SCALE) -> tuple[Stream, ...]:
        """The streams that fit this network, in the order of `forward`'s arguments.

        RGB is normalized with ImageNet's mean and deviation. The network sees flow in px/frame, divided by
        `flow_scale`: 9 keeps the ratio of the published inputs, where 1 px counts as much as 6.4 of 255 gray values.
        `step` counts frames of a video at `rate` frames per second; None: at the video's own rate.
        """
        frames, step, stack, size = (self.config[name] for name in ("frames", "step", "stack", "size"))
        short_side = round(size * 256 / 224)
        rgb = rgb_frames(
            frames,
            step=step,
            first=stack // 2,
            size=size,
            mean=IMAGENET_MEAN,
            std=IMAGENET_STD,
            short_side=short_side,
            rate=rate,
        )
        flow = flow_stacks(
            frames, length=stack, step=step, size=size, scale=flow_scale, short_side=short_side, rate=rate
        )
        return tuple(stream for stream in (rgb, flow) if stream.name in self.streams)

    def _towers(self, inputs: tuple[Tensor | None, ...]) -> dict[str, Tensor]:
        if len(inputs) != len(self.streams):
            raise NetworkError(f"TwoStream takes {' and '.join(self.streams)}, got {len(inputs)} inputs.")
        outputs = {}
        for name, values in zip(self.streams, inputs, strict=True):
            if values is None:
                continue
            channels = self._channels(name)
            if values.ndim != 5 or values.shape[1] != channels:
                raise NetworkError(
                    f"{name} has shape {tuple(values.shape)}; expected (clips, {channels}, frames, height, width)."
                )
            outputs[name] = cast(Tensor, self.get_submodule(name)(values))
        absent = [name for name in self.streams if name not in outputs]
        if absent:
            raise NetworkError(f"TwoStream got None for {absent[0]}, which its scores need.")
        return outputs

    def _fused_scores(self, towers: Mapping[str, Tensor]) -> Tensor:
        maps: Tensor = self.fusion(towers["rgb"], towers["flow"])
        if "fused" in self._modules:
            maps = self.fused(maps)
        return in_order([self.get_submodule(name) for name in self._head], maps)


def _check_words(streams: Sequence[str], fusion: str, norm: str, pooling: str) -> None:
    if isinstance(streams, str) or not streams or not set(streams) <= set(STREAMS) or len(set(streams)) != len(streams):
        raise NetworkError(f'streams of TwoStream are ("rgb", "flow"), ("rgb",) or ("flow",), got {streams!r}.')
    choices = (("fusion", fusion, FUSIONS), ("norm", norm, ("none", "batch")), ("pooling", pooling, ("grid", "global")))
    for label, word, words in choices:
        if word not in words:
            raise NetworkError(f"{label} is one of {', '.join(words)}, got '{word}'.{did_you_mean(str(word), words)}")


def _check_numbers(
    *,
    classes: int,
    size: int,
    width: float,
    frames: int,
    stack: int,
    step: int,
    pooling: str,
    dropout: float,
    fc: int | None,
) -> None:
    counts = {"classes": classes, "frames": frames, "stack": stack, "step": step, "fc": 1 if fc is None else fc}
    for label, count in counts.items():
        if count < 1:
            raise NetworkError(f"{label} of TwoStream must be at least 1, got {count}.")
    if width <= 0 or not 0 <= dropout < 1:
        raise NetworkError(f"TwoStream needs width > 0 and 0 <= dropout < 1, got width {width}, dropout {dropout}.")
    if size < 32:
        raise NetworkError(f"size of TwoStream must be at least 32 pixels for its five poolings, got {size}.")
    if pooling == "grid" and size % 32:
        raise NetworkError(
            f'size {size} does not divide by 32, as pooling="grid" needs; '
            f'take {round(size / 32) * 32} or pooling="global".'
        )
