"""Each wrong declaration of a network whose answer is known gets the right advice; right ones get none."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from marey.errors import NetworkError
from marey.evaluation.check import Checked, check
from marey.evaluation.class_orders import class_orders, fitted_order
from marey.evaluation.compared import Compared
from marey.evaluation.declarations import declarations
from marey.families.loading import load
from marey.network.network import Network
from marey.network.noise_clips import noise_clips
from marey.network.stream import Stream, rgb_frames
from marey.video.read.clips import Clip, LoadedClip, resized_size

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


@dataclass(frozen=True, eq=False)
class Made:
    """A clip of these frames (time height width 3, 0..1) that moves everywhere by one flow (u, v) in px/frame."""

    frames: Tensor
    flow: tuple[float, float] = (0.0, 0.0)

    def load(self, clip: Clip, streams: Sequence[Stream]) -> LoadedClip:
        count, *source = self.frames.shape[:3]
        pictures, fields = {}, {}
        for stream in streams:
            size = resized_size((source[0], source[1]), stream)
            shown = functional.interpolate(self.frames.permute(0, 3, 1, 2), size, mode="nearest")
            pictures[size] = (255 * shown).round().byte().permute(0, 2, 3, 1)
            fields[size] = torch.tensor(self.flow).view(1, 2, 1, 1).expand(count - 1, 2, *size).half()
        return LoadedClip(clip, count, 25.0, (source[0], source[1]), pictures, fields)


def clips(classes: Sequence[str], made: Callable[[int, np.random.Generator], Made], *, count: int = 24) -> list[Clip]:
    """Clips of every class; `made` gives one of the class at an index."""
    rng = np.random.default_rng(0)
    pairs = [(k, label) for k in range(count // len(classes)) for label in range(len(classes))]
    return [Clip(f"{classes[label]}-{k}", label=classes[label], maker=made(label, rng)) for k, label in pairs]


def plain(values: Sequence[Sequence[float]] | Tensor, *, size: tuple[int, int] = (8, 8)) -> Tensor:
    """Frames (time height width 3) of one color each."""
    return torch.as_tensor(values, dtype=torch.float32)[:, None, None].expand(-1, *size, 3)


class Tells(nn.Module):
    """Scores (clip class): how near some figures of a clip are to those of each class."""

    def __init__(self, figures: Callable[[Tensor], Tensor], centers: Sequence[Sequence[float]]) -> None:
        super().__init__()
        self.figures, self.norm = figures, nn.Identity()
        self.centers = nn.Parameter(torch.tensor(centers))

    def forward(self, shown: Tensor) -> Tensor:
        figures = self.norm(self.figures(shown))  # clip figure
        scores: Tensor = -(figures[:, None] - self.centers).abs().sum(2)
        return scores


@dataclass(frozen=True, eq=False)
class Case:
    """A network, its clips, the right stream, and the advice that a wrong one gets."""

    figures: Callable[[Tensor], Tensor]
    centers: Sequence[Sequence[float]]
    made: Callable[[int, np.random.Generator], Made]
    right: Stream
    wrong: Stream
    advice: str

    def checked(self, stream: Stream, *, labels: bool = True) -> Checked:
        names = [f"class {k}" for k in range(len(self.centers))]
        shown = clips(names, self.made)
        shown = shown if labels else [replace(clip, label=None) for clip in shown]
        return check(Network(Tells(self.figures, self.centers).eval(), [stream], classes=names), shown)


def _colors(label: int, rng: np.random.Generator) -> Made:
    color = [0.2, 0.5, 0.2]
    color[2 * label] += 0.3 + 0.1 * rng.random()
    return Made(plain([color] * 2))


def _grays(label: int, rng: np.random.Generator) -> Made:
    return Made(plain([[0.16 + 0.34 * label + 0.05 * rng.random()] * 3] * 2))


def _flashes(label: int, rng: np.random.Generator) -> Made:
    values = torch.full((3, 3), 0.2)
    values[label] = 0.8 + 0.1 * float(rng.random())
    return Made(plain(values))


def _ramps(label: int, rng: np.random.Generator) -> Made:
    slope = (0.01, 0.02)[label] * (1 + 0.05 * rng.random())
    return Made(plain(torch.arange(40.0)[:, None] * slope * torch.ones(3)))


def _flickers(label: int, rng: np.random.Generator) -> Made:
    """Bright and dark by turns, 4 or 16 frames each."""
    bright = torch.arange(40) // (4, 16)[label] % 2
    return Made(plain((0.2 + (0.4 + 0.2 * float(rng.random())) * bright[:, None]) * torch.ones(3)))


def _lengths(label: int, rng: np.random.Generator) -> Made:
    return Made(plain([[0.55 + 0.1 * rng.random()] * 3] * (3, 8)[label]))


def _sides(label: int, rng: np.random.Generator) -> Made:
    frames = plain([[0.5] * 3] * 2, size=(8, 16)).clone()
    frames[:, :, :3] = torch.tensor([[0.9, 0.1, 0.1], [0.1, 0.9, 0.1]])[label] - 0.05 * float(rng.random())
    return Made(frames)


def _directions(label: int, rng: np.random.Generator) -> Made:
    u, v = ((-1, 0), (1, 0), (0, -1), (0, 1))[label]
    speed = 2 + float(rng.random())
    return Made(plain([[0.5] * 3] * 5), (u * speed, v * speed))


def _speeds(label: int, rng: np.random.Generator) -> Made:
    return Made(plain([[0.5] * 3] * 5), ((1.0, 4.0, 8.0)[label] + 0.2 * float(rng.random()), 0.0))


def _mean(shown: Tensor) -> Tensor:
    return shown.flatten(1).mean(1, keepdim=True)


def _changes(shown: Tensor) -> Tensor:
    """How often frames change between their darkest and their brightest, whatever their range."""
    means = shown.mean((1, 3, 4))  # clip time
    return (means.diff().abs().sum(1) / (means.amax(1) - means.amin(1)).clamp_min(1e-6))[:, None]


def _by_channel(shown: Tensor) -> Tensor:
    return shown.flatten(2).mean(2)


def _side_colors(shown: Tensor) -> Tensor:
    """Red over green at the left edge, in the middle rows less in the upper ones."""
    redder = shown[:, 0, :, :, :3] - shown[:, 1, :, :, :3]  # clip time y x
    return (redder[:, :, 3:5].mean((1, 2, 3)) - 2 * redder[:, :, :2].mean((1, 2, 3)))[:, None]


FLOW = Stream("flow", "flow", (0, 1, 2, 3), 8, 8)
STACK = replace(FLOW, layout="n (c t) h w")
DIRECTIONS = ([-2.5, 0.0], [2.5, 0.0], [0.0, -2.5], [0.0, 2.5])
BYTES = (1 / 255,) * 3

CASES = {
    "BGR": Case(
        lambda shown: _by_channel(shown)[:, ::2], [[0.2, 0.55], [0.55, 0.2]], _colors,
        rgb_frames(2, size=8, order="bgr"), rgb_frames(2, size=8), 'order="bgr"',
    ),
    "RGB": Case(
        lambda shown: _by_channel(shown)[:, ::2], [[0.55, 0.2], [0.2, 0.55]], _colors,
        rgb_frames(2, size=8), rgb_frames(2, size=8, order="bgr"), 'order="rgb"',
    ),
    "0..255": Case(
        _mean, [[47.0], [134.0], [220.0]], _grays,
        rgb_frames(2, size=8, std=BYTES), rgb_frames(2, size=8), "mean=None, std=(1 / 255,) * 3",
    ),
    "0..1": Case(
        _mean, [[0.18], [0.52], [0.86]], _grays,
        rgb_frames(2, size=8), rgb_frames(2, size=8, std=BYTES), "mean=None, std=None",
    ),
    "mean and std": Case(
        _mean, [[-1.2], [0.3], [1.8]], _grays,
        rgb_frames(2, size=8, **IMAGENET), rgb_frames(2, size=8),
        "mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)",
    ),
    "T and C": Case(
        lambda shown: shown.unflatten(1, (3, 3)).mean((1, 3, 4)), torch.eye(3).mul(0.65).add(0.2).tolist(), _flashes,
        rgb_frames(3, size=8, layout="n (c t) h w"), rgb_frames(3, size=8, layout="n (t c) h w"),
        'layout="n (c t) h w"',
    ),
    "spacing": Case(
        _changes, [[3.0], [1.0]], _flickers,
        rgb_frames(4, step=4, size=8), rgb_frames(4, size=8), "step=4 times as large",
    ),
    "spread": Case(
        lambda shown: (shown[:, :, -1] - shown[:, :, 0]).flatten(1).mean(1, keepdim=True), [[0.3], [0.6]], _ramps,
        rgb_frames(4, size=8, sampling="spread"), rgb_frames(4, size=8), 'sampling="spread"',
    ),
    "number": Case(
        lambda shown: shown.sum(2).flatten(1).mean(1, keepdim=True) / 4, [[0.2], [0.4]], _ramps,
        rgb_frames(4, size=8), rgb_frames(2, size=8), "twice as many frames",
    ),
    "short clips": Case(
        _mean, [[0.23], [0.6]], _lengths,
        rgb_frames(8, size=8, short_clips="zeros"), rgb_frames(8, size=8), 'short_clips="zeros"',
    ),
    "letterbox": Case(
        _side_colors, [[0.8], [-0.8]], _sides,
        rgb_frames(2, size=8, fit="letterbox"), rgb_frames(2, size=8), 'fit="letterbox"',
    ),
    "v before u": Case(
        _by_channel, [center[::-1] for center in DIRECTIONS], _directions,
        replace(FLOW, order="vu"), FLOW, 'order="vu"',
    ),
    "flow reversed": Case(
        _by_channel, [[-u, -v] for u, v in DIRECTIONS], _directions,
        replace(FLOW, std=(-1.0, -1.0)), FLOW, "std=(-1, -1)",
    ),
    "v upward": Case(
        _by_channel, [[u, -v] for u, v in DIRECTIONS], _directions,
        replace(FLOW, std=(1.0, -1.0)), FLOW, "std=(1, -1)",
    ),
    "flow stacked": Case(
        lambda shown: shown.unflatten(1, (2, 4)).mean((2, 3, 4)), DIRECTIONS, _directions,
        STACK, replace(FLOW, layout="n (t c) h w"), 'layout="n (c t) h w"',
    ),
    "flow as images": Case(
        lambda shown: _by_channel(shown)[:, :1], [[134.5], [153.6], [179.1]], _speeds,
        replace(FLOW, mean=(-20.0, -20.0), std=(40 / 255, 40 / 255)), replace(FLOW, std=(20.0, 20.0)),
        "mean=(-20, -20), std=(40 / 255,) * 2",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_wrong_declaration_gets_the_right_advice(name: str) -> None:
    case = CASES[name]
    found = case.checked(case.wrong)
    assert [fault.advice for fault in found.faults] == [f"write {case.advice}"], found.faults
    assert found.labeled
    assert f"of {found.clips} (" in found.faults[0].shows


@pytest.mark.parametrize("name", CASES)
def test_a_right_declaration_gets_no_advice(name: str) -> None:
    case = CASES[name]
    found = case.checked(case.right)
    assert found.faults == ()
    assert found.rows[0].compared is not None
    assert found.rows[0].compared.right == found.clips


def test_another_order_of_channels_takes_mean_and_std_along() -> None:
    declared = rgb_frames(2, size=8, **IMAGENET)  # type: ignore[arg-type]
    (other,) = [one for one in declarations([declared]) if one.name == "BGR"]
    assert other.write == 'order="bgr", mean=(0.406, 0.456, 0.485), std=(0.225, 0.224, 0.229)'
    clip = torch.rand(1, 3, 2, 8, 8)
    torch.testing.assert_close(other.streams[0].to_network(clip), declared.to_network(clip).flip(1))


def test_two_faults_are_found_one_after_the_other() -> None:
    def made(label: int, rng: np.random.Generator) -> Made:
        """Red or blue, and long or short."""
        return Made(_colors(label % 2, rng).frames[:1].expand((8, 3)[label // 2], -1, -1, -1))

    long = [[0.2, 0.55], [0.55, 0.2]]
    centers = [*long, *([0.375 * value for value in center] for center in long)]
    right = rgb_frames(8, size=8, order="bgr", short_clips="zeros")
    case = Case(CASES["BGR"].figures, centers, made, right, rgb_frames(8, size=8), "")
    assert case.checked(right).faults == ()
    assert [fault.advice for fault in case.checked(case.wrong).faults] == [
        'write order="bgr"',
        'write short_clips="zeros"',
    ]


def _named(names: Sequence[str], shown: Sequence[str], **more: object) -> Checked:
    """A check of a network that is right where its classes are `shown`, declared with `names`."""
    case = CASES["0..1"]
    module = Tells(case.figures, case.centers).eval()
    return check(Network(module, [case.right], classes=names, **more), clips(shown, case.made))  # type: ignore[arg-type]


def test_classes_in_another_order_get_the_order_that_fits() -> None:
    assert _named(["run", "bend", "jump"], ["run", "bend", "jump"]).faults == ()
    (fault,) = _named(["run", "jump", "bend"], ["run", "bend", "jump"]).faults
    assert fault.advice == "write classes in the order of the scores: score 1 is 'bend', score 2 is 'jump'"
    (fault,) = _named(["run", "bend", "jump"], ["bend", "jump", "run"]).faults
    assert fault.about == "classes"
    assert "sorted(classes)" in fault.advice


def test_other_orders_are_judged_by_clips_that_did_not_make_them() -> None:
    rng = np.random.default_rng(0)
    labels, predicted = np.repeat(np.arange(10), 6), rng.integers(0, 10, 60)
    right, _ = fitted_order(labels, predicted, 10)
    assert right.sum() <= 14  # chance is 6
    order = rng.permutation(10)
    right, fitting = fitted_order(labels, order[labels], 10)
    assert right.all()
    assert (fitting[order] == np.arange(10)).all()
    assert all(names != ("a", "b") for _, _, names in class_orders(["a", "b"]))


def test_names_that_do_not_fit_the_clips_are_said() -> None:
    (fault,) = _named(["Run", "Bend Down", "Jump"], ["run", "bend_down", "jump"]).faults
    assert fault.advice == "write class names as the clips do"
    (fault,) = _named(["sit", "stand", "jump"], ["run", "bend", "jump"]).faults
    assert "2 of 3 classes of the clips are none of the network's, such as 'bend'" in fault.shows


def test_another_number_of_classes_than_scores_is_said() -> None:
    (fault,) = _named(["run", "bend"], ["run", "bend", "jump"]).faults
    assert "2 names are declared and it returns 3 scores" in fault.shows
    assert "give 3 names" in fault.advice


class Convolved(nn.Module):
    """A small network with a batch norm, and what may stand around its scores."""

    def __init__(self, after: nn.Module | None = None, norm: nn.Module | None = None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.norm = nn.Conv3d(3, 6, 3), nn.BatchNorm3d(6) if norm is None else norm
        self.head, self.after = nn.Linear(6, 4), nn.Identity() if after is None else after

    def forward(self, shown: Tensor) -> Tensor:
        scores: Tensor = self.after(self.head(self.norm(self.conv(shown)).relu().mean((2, 3, 4))))
        return scores


def convolved(stream: Stream, **more: object) -> Network:
    """A network whose batch norm has met, in training, what clips of texture give under `stream`."""
    module = Convolved(**more)  # type: ignore[arg-type]
    if isinstance(module.norm, nn.BatchNorm3d) and module.norm.track_running_stats:
        textures = [clip["rgb"] for clip in noise_clips(Network(module, [stream]))]
        module.norm.momentum = None  # type: ignore[assignment]  # the mean of all
        module(stream.to_network(torch.cat(textures)))
    return Network(module.eval(), [stream], classes=["a", "b", "c", "d"])


def advice(network: Network) -> list[str]:
    """The advice without clips."""
    return [fault.advice for fault in check(network).faults]


PLAIN = rgb_frames(3, size=32)
BYTE = rgb_frames(3, size=32, std=BYTES)
NORMAL = rgb_frames(3, size=32, **IMAGENET)  # type: ignore[arg-type]


@pytest.mark.parametrize("trained", [PLAIN, BYTE, NORMAL])
@pytest.mark.parametrize("declared", [PLAIN, BYTE, NORMAL])
def test_batch_norms_tell_a_wrong_range_without_any_clip(trained: Stream, declared: Stream) -> None:
    network = Network(convolved(trained).module, [declared], classes=["a", "b", "c", "d"])
    found = check(network)
    if trained == declared:
        assert found.faults == ()
    else:
        (fault,) = found.faults
        assert fault.about == "range of 'rgb'"
        assert "from its training" in fault.shows
        usual = {
            PLAIN: "mean=None, std=None",
            BYTE: "std=(1 / 255,) * 3",
            NORMAL: "mean=(0.485, 0.456, 0.406), std=(0.229",
        }
        assert usual[trained] in fault.advice


def test_batch_norms_tell_a_wrong_range_on_clips_without_labels() -> None:
    network = Network(convolved(BYTE).module, [PLAIN], classes=["a", "b", "c", "d"])
    shown = [replace(clip, label=None) for clip in clips(["x"], _grays)]
    found = check(network, shown)
    assert not found.labeled
    assert found.rows[0].compared is None
    assert any("without labeled clips" in line for line in found.unnoticed)


def test_a_softmax_that_is_named_as_the_scores_is_said() -> None:
    network = convolved(PLAIN, after=nn.Softmax(1))
    assert advice(network) == []
    named = Network(network.module, [PLAIN], classes=network.classes, scores="after")
    assert advice(named) == ["write scores='head'"]


def test_weights_that_were_not_loaded_are_said() -> None:
    assert "load the trained weights" in advice(Network(Convolved().eval(), [PLAIN]))[0]


def test_a_batch_norm_that_looks_at_the_clips_beside_is_said() -> None:
    norm = nn.BatchNorm3d(6, track_running_stats=False)
    assert "track_running_stats=True" in advice(convolved(PLAIN, norm=norm))[0]


class AlwaysDrops(nn.Module):
    def forward(self, shown: Tensor) -> Tensor:
        return functional.dropout(shown, 0.5)


def test_dropout_that_never_rests_is_said_and_training_mode_alone_changes_nothing() -> None:
    assert "self.training" in advice(convolved(PLAIN, after=AlwaysDrops()))[0]
    network = convolved(PLAIN, after=nn.Dropout(0.5))
    network.module.train()
    assert advice(network) == []
    assert network.module.training


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (replace(PLAIN, times=(0, 1, 2, 3), layout="n t c h w"), 'it runs with layout="n c t h w"'),
        (replace(PLAIN, order="gray"), 'it runs with order="rgb"'),
        (replace(PLAIN, times=(0,)), "it runs with 4 frames"),
    ],
)
def test_a_network_that_does_not_run_is_told_under_which_declaration_it_does(wrong: Stream, said: str) -> None:
    (fault,) = check(Network(convolved(PLAIN).module, [wrong])).faults
    assert fault.shows.startswith("it does not run as declared")
    assert fault.advice == said


def test_a_network_that_runs_under_no_declaration_keeps_its_error() -> None:
    with pytest.raises(NetworkError, match="does not run"):
        check(Network(nn.Linear(7, 2), [PLAIN]))


@pytest.mark.slow
def test_the_network_that_ships_is_declared_right_and_its_rgb_in_0_to_1_is_not() -> None:
    network = load("motion-studies")
    assert check(network).faults == ()
    plain = [replace(one, mean=None, std=None) if one.kind == "rgb" else one for one in network.streams]
    (fault,) = check(network.shown(plain)).faults
    assert fault.advice == "write mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)"


def test_what_cannot_be_noticed_is_said() -> None:
    found = CASES["0..1"].checked(CASES["0..1"].right)
    said = " | ".join(found.unnoticed)
    assert "'rgb': BGR: the same answer on 24 of 24 clips" in said  # its clips are gray
    assert "letterbox: these clips look the same so" in said
    assert "may be chance" in said


def test_a_sign_test_asks_how_often_chance_gains_as_much() -> None:
    assert Compared(10, 5, 0).p == 1 / 32
    assert Compared(10, 0, 0).p == 1
    assert Compared(10, 4, 1).p == pytest.approx(6 / 32)


def test_a_check_leaves_the_network_as_it_was() -> None:
    network = convolved(PLAIN)
    before = {name: value.clone() for name, value in network.module.state_dict().items()}
    check(network, clips(["a", "b"], _grays, count=6))
    after = network.module.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in network.module.modules())
