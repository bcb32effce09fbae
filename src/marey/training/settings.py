"""All settings of a training run in one place, kept in the network's file."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from marey.errors import MareyError, did_you_mean, first_line
from marey.training.adversary import Adversary
from marey.training.augmentation import Augmentation
from marey.video.flow.methods import Method, check_method


@dataclass(frozen=True)
class Settings:
    """How a two-stream network is trained: both towers alone on single moments, then together with the fusion.

    size, width, frames, stack, step, fusion, pooling, fc, dropout, norm
        the architecture, see `TwoStream`. The defaults are a network for a laptop; size=224, width=1, frames=5,
        pooling="grid", fc=None, norm="none" is the paper's.
    tower_steps, fusion_steps
        most steps of each tower, and of the fusion stage. Without tower steps both towers learn in the fusion stage
        alone, by `tower_rate`.
    auxiliary
        whether in the fusion stage each tower has a classifier of its own as well.
    batch, fusion_batch
        clips per step.
    learning_rate, weight_decay, label_smoothing
        AdamW's peak rate (one cycle: up for a fifth of the steps, then down to nothing), its decay, and the share of
        the target that goes to all classes.
    tower_rate
        the towers' learning rate in the fusion stage, as a part of `learning_rate`; 0: the towers stay as they are.
    kept_blocks
        how many of the towers' first blocks stay as they are even so, and as they began where training starts from
        another network: what was learned against an adversary is not unlearned on few clips, and a step takes less.
        Their batch normalizations go on measuring the clips.
    stream_dropout
        part of the clips of which the fusion stage sees one stream only, either one, the other being at rest: the
        layers above the towers then do not lean on the stream that tells the training clips apart best.
    validation
        share of the training groups that is only watched: the best weights on it are kept, and a stage ends when they
        have not become better for `patience` looks, one every `look` steps. 0: no group is given up, and a stage ends
        when its loss has not become better for as long; neither before the learning rate has come down to a tenth.
    minutes
        the whole run's limit: each stage gets its share, and what it reached by then counts. None: no limit.
    """

    size: int = 112
    width: float = 0.25
    frames: int = 3
    stack: int = 10
    step: int = 10
    fusion: Literal["conv2", "conv3", "conv4", "conv5", "late"] = "conv5"
    norm: Literal["none", "batch"] = "batch"
    pooling: Literal["grid", "global"] = "global"
    fc: int | None = 128
    dropout: float = 0.5
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
        if not self.learning_rate > 0 or (self.minutes is not None and not self.minutes > 0):
            raise MareyError(f"learning_rate is {self.learning_rate} and minutes {self.minutes}; expected above 0.")

    def built_as(self, config: Mapping[str, Any]) -> "Settings":
        """These settings with the architecture of a `TwoStream` of that `config`."""
        return replace(self, fusion=config["fusion"], **{name: config[name] for name in self.architecture()})

    def without_flip(self) -> "Settings":
        """These settings for classes that a mirror image changes, as left and right."""
        return replace(self, augmentation=replace(self.augmentation, flip=0.0))

    def architecture(self) -> dict[str, Any]:
        """What `TwoStream` is told, but for classes and streams."""
        names = ("size", "width", "frames", "stack", "step", "norm", "pooling", "fc", "dropout")
        return {name: getattr(self, name) for name in names}

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that are trained, in order."""
        towers = ("appearance", "motion") if self.tower_steps else ()
        return towers if self.fusion == "late" else (*towers, "fusion")

    def tower_rates(self) -> dict[str, float]:
        """Learning rates of a tower's own stage by how weights' names begin; the first that fits counts."""
        return {**self._kept_rates(), "": 1.0}

    def fusion_rates(self) -> dict[str, float]:
        """Those of the fusion stage."""
        return {**self._kept_rates(), "rgb.": self.tower_rate, "flow.": self.tower_rate, "": 1.0}

    def _kept_rates(self) -> dict[str, float]:
        return {
            f"{stream}.{layer}{block}_": 0.0
            for stream in ("rgb", "flow")
            for block in range(1, self.kept_blocks + 1)
            for layer in ("conv", "norm")
        }

    def with_file(self, path: str | Path) -> "Settings":
        """These settings with those that a JSON file names, as `to_json` gives them or a few of them.

        Raises MareyError when it cannot be read or names a setting that there is not.
        """
        try:
            given = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or first_line(error)
            raise MareyError(f"no settings can be read from '{path}': {reason}.") from None
        if not isinstance(given, dict):
            raise MareyError(f"'{path}' holds no settings; expected as {{\"learning_rate\": 0.001}}.")
        changed: Settings = _with(self, given)
        return changed

    def to_json(self) -> dict[str, Any]:
        """The settings as plain values for JSON."""
        return asdict(self)


def _with(held: Any, given: Mapping[str, Any]) -> Any:
    """`held` with the given values by name, also of what it holds."""
    known = {one.name: one.type for one in fields(held)}
    values = {}
    for name, value in given.items():
        if name not in known:
            near = did_you_mean(name, known)
            raise MareyError(f"there is no setting '{name}'.{near} There are {', '.join(known)}.")
        before = getattr(held, name)
        inner = isinstance(before, Augmentation | Adversary)
        if not (isinstance(value, dict) if inner else _alike(value, before, known[name])):
            raise MareyError(f"{name} is {value!r} in a file of settings; expected a value like {before!r}.")
        values[name] = _with(before, value) if inner else value
    return replace(held, **values)


def _alike(value: object, before: object, kind: Any) -> bool:
    """Whether a setting of this `kind`, its type, can be `value` instead of `before`."""
    if value is None:
        return type(None) in get_args(kind)
    if isinstance(value, bool | str) or isinstance(before, bool | str):
        return type(value) is type(before)
    return isinstance(value, int) or (isinstance(value, float) and not isinstance(before, int))
