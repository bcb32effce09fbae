"""All settings of a training run in one place, kept in the network's file."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

import torch

from marey.errors import MareyError
from marey.files import regular_file
from marey.schema import SchemaError, parsed, typed
from marey.training.adversary import Adversary
from marey.training.arithmetic import Arithmetic, arithmetic_of
from marey.training.augmentation import Augmentation
from marey.video.flow.methods import Method, check_method


@dataclass(frozen=True)
class Architecture:
    """The options of `TwoStream`, which explains them; the defaults are a network for a laptop.

    The paper's network is size=224, width=1, frames=5, pooling="grid", fc=None, norm="none".
    """

    size: int = 112
    width: float = 0.25
    frames: int = 3
    stack: int = 10
    step: int = 10
    norm: Literal["none", "batch"] = "batch"
    pooling: Literal["grid", "global"] = "global"
    fc: int | None = 128
    dropout: float = 0.5

    def architecture(self) -> dict[str, Any]:
        """Arguments of `TwoStream` by name, without classes, streams and fusion."""
        return {one.name: getattr(self, one.name) for one in fields(Architecture)}


@dataclass(frozen=True)
class Settings(Architecture):
    """How a two-stream network is trained: both towers alone on single moments, then together with the fusion.

    fusion
        where the towers meet, see `TwoStream`.
    tower_steps, fusion_steps
        most steps of each tower, and of the fusion stage. Without tower steps both towers learn in the fusion stage
        alone, by `tower_rate`.
    auxiliary
        whether each tower has a classifier of its own in the fusion stage as well.
    batch, fusion_batch
        clips per step.
    learning_rate, weight_decay, label_smoothing
        AdamW's peak rate (one cycle: up for a fifth of the steps, then down to nothing), its decay, and the share of
        the target that goes to all classes.
    tower_rate
        the towers' learning rate in the fusion stage, relative to `learning_rate`; 0: the towers stay as they are.
    kept_blocks
        how many of the towers' first blocks keep their weights in the fusion stage, and in all stages where training
        starts from another network. Filters that were learned against an adversary are not unlearned on few clips so,
        and a step takes less time. Their batch normalizations go on measuring the clips.
    stream_dropout
        share of the clips of which the fusion stage sees one stream only, either one, while the other is at rest. The
        layers above the towers then do not lean on the stream that tells the training clips apart best.
    validation
        share of the training groups that is only watched: the best weights on them are kept, and a stage ends after
        `patience` looks without an improvement, one look every `look` steps. 0: all groups train, and a stage ends
        after as many looks without a better loss. Neither happens before the learning rate has come down to a tenth.
    minutes
        limit of the whole training: each stage gets its share of what decoding leaves, and ends with the weights that
        it has by then, after one step at least. None: no limit, and the same seed, threads and arithmetic give the same
        weights on the same machine.
    arithmetic
        of convolutions and products; "auto": bfloat16 where the device has instructions for it, else float32. A stage
        checks its layers at the start, and goes over to float32 where bfloat16 is wrong in one of them.
    augmentation, adversary
        how training windows are varied, and how they are made harder.
    """

    fusion: Literal["conv2", "conv3", "conv4", "conv5", "late"] = "conv5"
    tower_steps: int = 800
    fusion_steps: int = 500
    auxiliary: bool = True
    batch: int = 16
    fusion_batch: int = 16
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    label_smoothing: float = 0.1
    tower_rate: float = 0.0
    kept_blocks: int = 0
    stream_dropout: float = 0.3
    validation: float = 0.0
    look: int = 50
    patience: int = 4
    minutes: float | None = None
    seed: int = 0
    arithmetic: Literal["auto"] | Arithmetic = "auto"
    flow: Method = "tvl1-fast"
    augmentation: Augmentation = field(default_factory=Augmentation)
    adversary: Adversary = field(default_factory=Adversary)

    def __post_init__(self) -> None:
        late = self.fusion == "late"
        for name in ("tower_steps", "fusion_steps", "batch", "fusion_batch", "look", "patience"):
            least = 0 if name == "tower_steps" and not late else 1
            if getattr(self, name) < least:
                raise MareyError(f"{name} is {getattr(self, name)}; expected at least {least}.")
        if not 0 <= self.kept_blocks <= 5:
            raise MareyError(f"kept_blocks is {self.kept_blocks}; expected 0 to 5.")
        if not 0 <= self.stream_dropout <= 1:
            raise MareyError(f"stream_dropout is {self.stream_dropout}; expected 0 to 1.")
        if not 0 <= self.validation < 1 or not 0 <= self.label_smoothing < 1:
            raise MareyError(
                f"validation is {self.validation} and label_smoothing {self.label_smoothing}; expected 0 up to below 1."
            )
        if not min(self.weight_decay, self.tower_rate) >= 0:
            raise MareyError(
                f"weight_decay is {self.weight_decay} and tower_rate {self.tower_rate}; expected at least 0."
            )
        check_method(self.flow)
        if self.arithmetic not in ("auto", *get_args(Arithmetic)):
            raise MareyError(
                f"arithmetic is '{self.arithmetic}'; expected one of auto, {', '.join(get_args(Arithmetic))}."
            )
        if not self.learning_rate > 0 or (self.minutes is not None and not self.minutes > 0):
            raise MareyError(f"learning_rate is {self.learning_rate} and minutes {self.minutes}; expected above 0.")

    def built_as(self, config: Mapping[str, Any]) -> "Settings":
        """These settings with the architecture and the fusion in the `config` of a `TwoStream`."""
        return replace(self, fusion=config["fusion"], **{name: config[name] for name in self.architecture()})

    def arithmetic_on(self, device: torch.device) -> Arithmetic:
        """The arithmetic on a device."""
        return arithmetic_of(device) if self.arithmetic == "auto" else self.arithmetic

    def without_flip(self) -> "Settings":
        """These settings without mirror images, for classes such as left and right that a mirror image exchanges."""
        return replace(self, augmentation=replace(self.augmentation, flip=0.0))

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that are trained, in order."""
        towers = ("appearance", "motion") if self.tower_steps else ()
        return towers if self.fusion == "late" else (*towers, "fusion")

    def tower_rates(self) -> dict[str, float]:
        """{start of the names of weights: relative learning rate} in a tower's own stage; the first match counts."""
        return {**self._kept_rates(), "": 1.0}

    def fusion_rates(self) -> dict[str, float]:
        """{start of the names of weights: relative learning rate} in the fusion stage; the first match counts."""
        return {**self._kept_rates(), "rgb.": self.tower_rate, "flow.": self.tower_rate, "": 1.0}

    def _kept_rates(self) -> dict[str, float]:
        return {
            f"{stream}.{layer}{block}_": 0.0
            for stream in ("rgb", "flow")
            for block in range(1, self.kept_blocks + 1)
            for layer in ("conv", "norm")
        }

    def with_file(self, path: str | Path) -> "Settings":
        """These settings, changed as a JSON file says, which holds the content of `to_json` or a part of it.

        Raises MareyError for a file that cannot be read and for unknown settings.
        """
        try:
            given = typed(parsed(regular_file(path).read_bytes()), dict[str, Any])
            return typed(_changed(asdict(self), given), Settings)
        except (OSError, SchemaError) as error:
            reason = getattr(error, "strerror", None) or error
            raise MareyError(
                f"no settings can be read from '{path}': {reason}; give JSON such as {{\"learning_rate\": 0.001}}."
            ) from None

    def to_json(self) -> dict[str, Any]:
        """The settings as plain values for JSON."""
        return asdict(self)


def _changed(held: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The values with those given by name, which may be nested."""
    nested = [name for name, one in given.items() if isinstance(one, dict) and isinstance(held.get(name), dict)]
    return {**held, **given, **{name: _changed(held[name], given[name]) for name in nested}}
