"""A stage learns, stops when it should, and goes on as if it had not been stopped."""

import os
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from marey.families.two_stream import TwoStream
from marey.network.hooks import lay_channels_last
from marey.training import stage as stages
from marey.training.adversary import Adversary
from marey.training.augmentation import stacked
from marey.training.saved_state import open_state, save_state
from marey.training.settings import Settings
from marey.training.stage import Stage, clip_probabilities, one_cycle, seeded
from marey.video.read.clips import LoadedClip

pytestmark = pytest.mark.slow

MakeClip = Callable[..., LoadedClip]
MakeStage = Callable[..., Stage]


@pytest.fixture
def make_stage(make_clip: MakeClip) -> MakeStage:
    """A motion tower that learns left from right."""

    def make(*, steps: int = 6, watched: Sequence[LoadedClip] = (), clips: int = 6, **settings: object) -> Stage:
        shown = [make_clip("ab"[k % 2], u=(-1.0) ** k * (1 + 0.2 * k), name=f"clip{k}") for k in range(clips)]
        chosen = Settings(size=32, width=0.125, frames=1, stack=4, fc=16, **settings)  # type: ignore[arg-type]
        with seeded(0):
            module = TwoStream(2, **{**chosen.architecture(), "dropout": 0.3}, streams=("flow",))
        return Stage(
            name="motion",
            module=module,
            streams=module.input_streams(),
            clips=shown,
            labels=torch.tensor([k % 2 for k in range(clips)]),
            watched=watched,
            watched_labels=torch.zeros(len(watched), dtype=torch.long),
            settings=chosen,
            steps=steps,
            batch=4,
            rates={"flow.conv1": 0.5, "": 1.0},
            bf16=False,
        )

    return make


def no_flip() -> dict[str, object]:
    from marey.training.augmentation import Augmentation

    return {"augmentation": Augmentation(flip=0, flow_grain=0, erase=0)}


def nothing(stage: Stage) -> None:
    pass


def weights(stage: Stage) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in stage.module.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, other[name]) for name, value in one.items())


def test_a_motion_tower_learns_left_from_right(make_stage: MakeStage) -> None:
    stage = make_stage(steps=30, **no_flip())
    stage.run(nothing, None)
    found = clip_probabilities(stage.module, stage.streams, stage.clips, windows=2)
    assert found.argmax(1).tolist() == stage.labels.tolist()
    assert sum(stage.losses[-5:]) < 0.8 * sum(stage.losses[:5])
    assert not stage.module.training


def test_probabilities_sum_to_one_and_leave_the_module_as_it_was(
    make_stage: MakeStage, left_as_found: Callable[..., object]
) -> None:
    stage = make_stage()
    stage.module.train()
    with left_as_found(stage.module):  # type: ignore[attr-defined]
        found = clip_probabilities(stage.module, stage.streams, stage.clips, windows=3)
    torch.testing.assert_close(found.sum(1), torch.ones(6))


def test_every_clip_is_drawn_once_before_any_is_drawn_again(make_stage: MakeStage) -> None:
    stage = make_stage(steps=9)
    drawn: Counter[str] = Counter()

    class Counting(list[LoadedClip]):
        def __getitem__(self, index):  # type: ignore[no-untyped-def, override]
            clip = super().__getitem__(index)
            drawn[clip.clip.path.stem] += 1
            return clip

    stage.clips = Counting(stage.clips)
    stage.run(nothing, None)
    assert set(drawn.values()) == {6}  # 9 steps of 4 clips are 6 times 6 clips


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_stream_dropout_puts_one_stream_of_a_clip_at_rest(
    make_clip: MakeClip, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    module = TwoStream(2, size=32, width=0.125, frames=1, stack=4, fc=16, auxiliary=True)
    seen: list[dict[str, torch.Tensor]] = []
    kept = stages.scores_of

    def noted(module: TwoStream, streams: object, inputs: dict[str, torch.Tensor], *, bf16: bool) -> object:
        seen.append(inputs)
        return kept(module, streams, inputs, bf16=bf16)  # type: ignore[arg-type]

    monkeypatch.setattr(stages, "scores_of", noted)
    stage = Stage(
        name="fusion",
        module=module,
        streams=module.input_streams(),
        clips=[make_clip("a", u=1.0), make_clip("b", u=2.0)],
        labels=torch.tensor([0, 1]),
        watched=(),
        watched_labels=torch.zeros(0, dtype=torch.long),
        settings=Settings(size=32, width=0.125, frames=1, stack=4, fc=16, stream_dropout=share),
        steps=4,
        batch=4,
        rates={"": 1.0},
        bf16=False,
    )
    stage.run(nothing, None)
    resting = [
        [bool((inputs[stream.name][k] == stream.rest).all()) for stream in stage.streams]
        for inputs in seen
        for k in range(4)
    ]
    assert {sum(clip) for clip in resting} == {round(share)}
    assert share == 0 or {clip.index(True) for clip in resting} == {0, 1}


@pytest.mark.parametrize("adversary", [Adversary(), Adversary(flow=0.2)])
def test_a_resumed_stage_ends_as_an_uninterrupted_one(
    make_stage: MakeStage, tmp_path: Path, adversary: Adversary
) -> None:
    straight = make_stage(steps=7, adversary=adversary)
    straight.run(nothing, None)

    class Stopped(Exception):
        pass

    def stop(stage: Stage) -> None:
        if stage.step == 3:
            raise Stopped

    first = make_stage(steps=7, adversary=adversary)
    with pytest.raises(Stopped):
        first.run(stop, None)
    save_state({"settings": {}, "current": first.state}, tmp_path / "state")
    torch.rand(5)
    second = make_stage(steps=7, adversary=adversary)
    state = open_state(tmp_path / "state", {})
    assert state is not None
    second.resume(state["current"])
    second.run(nothing, None)
    assert second.losses == straight.losses
    assert same(weights(second), weights(straight))


def test_a_network_that_learned_against_an_adversary_is_harder_to_fool(make_stage: MakeStage) -> None:
    against = Adversary(flow=0.5)

    def fooled_loss(stage: Stage) -> float:
        inputs = stacked([clip.window(stage.streams) for clip in stage.clips])
        stage.settings = replace(stage.settings, adversary=against)
        index = list(range(len(stage.clips)))
        return float(stage._losses(index, stage._hardened(index, inputs, 1.0))[0].detach())

    plain, hard = make_stage(steps=60, **no_flip()), make_stage(steps=60, adversary=against, **no_flip())
    plain.run(nothing, None)
    hard.run(nothing, None)
    assert fooled_loss(hard) < 0.8 * fooled_loss(plain)


def test_another_seed_draws_otherwise(make_stage: MakeStage) -> None:
    one, other = make_stage(steps=2), make_stage(steps=2, seed=1)
    one.run(nothing, None)
    other.run(nothing, None)
    assert one.losses != other.losses


def test_training_leaves_the_random_numbers_of_others_alone(make_stage: MakeStage) -> None:
    before = torch.get_rng_state()
    stage = make_stage(steps=2)
    stage.bf16 = True
    stage.check_arithmetic()
    stage.run(nothing, None)
    assert torch.equal(torch.get_rng_state(), before)


def test_ctrl_c_waits_for_the_end_of_a_step(make_stage: MakeStage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage, reference = make_stage(), make_stage()
    plain = stages.scores_of

    def interrupted(*args, **options):  # type: ignore[no-untyped-def]
        if stage.step == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return plain(*args, **options)

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(stages, "scores_of", interrupted)
    with pytest.raises(KeyboardInterrupt):
        stage.run(nothing, None)
    assert signal.getsignal(signal.SIGINT) is before
    assert stage.step == 3 and len(stage.losses) == 3
    monkeypatch.setattr(stages, "scores_of", plain)
    stage.run(nothing, None)
    reference.run(nothing, None)
    assert same(weights(stage), weights(reference))


def test_time_ends_a_stage_with_its_learning_rate_come_down(
    make_stage: MakeStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = make_stage(steps=10_000)
    rates: list[float] = []

    def quick(self: Stage, progress: float) -> None:
        rates.append(one_cycle(progress))
        self.losses.append(1 / (self.step + 1))
        self.step += 1

    def tick(stage: Stage) -> None:
        stage.seconds = 0.1 * stage.step  # a clock of our own

    monkeypatch.setattr(Stage, "_train_one", quick)
    stage.run(tick, 2.0)
    assert 19 <= stage.step <= 22
    assert max(rates) > 0.9
    assert rates[-1] < 0.05


def test_parts_of_the_network_may_learn_slower(make_stage: MakeStage) -> None:
    stage = make_stage(steps=1)
    stage.run(nothing, None)
    rates = {group["lr"] for group in stage.optimizer.param_groups}
    peak = one_cycle(0) * stage.settings.learning_rate
    assert rates == {0.5 * peak, peak}
    assert sum(len(group["params"]) for group in stage.optimizer.param_groups) == len(list(stage.module.parameters()))
    assert {group["weight_decay"] for group in stage.optimizer.param_groups} == {0.0, stage.settings.weight_decay}


def test_a_stage_ends_when_its_loss_is_no_longer_better_and_its_rate_has_come_down(
    make_stage: MakeStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = make_stage(steps=50, look=2, patience=3)

    def same_loss(self: Stage, progress: float) -> None:
        self.losses.append(1.0)
        self.step += 1

    monkeypatch.setattr(Stage, "_train_one", same_loss)
    stage.run(nothing, None)
    assert one_cycle(40 / 50) > 0.1 > one_cycle(42 / 50)
    assert stage.step == 42


def test_a_loss_that_rests_while_the_rate_is_high_and_falls_with_it_does_not_end_the_stage(
    make_stage: MakeStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = make_stage(steps=100, look=2, patience=3)

    def falls_late(self: Stage, progress: float) -> None:
        self.losses.append(1.0 if self.step < 80 else 1.0 - 0.01 * (self.step - 79))
        self.step += 1

    monkeypatch.setattr(Stage, "_train_one", falls_late)
    stage.run(nothing, None)
    assert stage.step == 100


def test_a_plateau_ends_a_stage_whose_time_has_brought_the_rate_down(
    make_stage: MakeStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = make_stage(steps=10_000, look=2, patience=3)

    def same_loss(self: Stage, progress: float) -> None:
        self.losses.append(1.0)
        self.step += 1

    def tick(stage: Stage) -> None:
        stage.seconds = 0.1 * stage.step

    monkeypatch.setattr(Stage, "_train_one", same_loss)
    stage.run(tick, 10.0)
    assert 82 <= stage.step <= 86


def test_the_weights_that_were_best_on_the_watched_clips_are_kept(
    make_stage: MakeStage, make_clip: MakeClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = make_stage(steps=12, watched=[make_clip()], look=2, patience=2)
    right = iter([0.4, 0.6, 0.55, 0.5, 0.58, 0.4])
    monkeypatch.setattr(stages, "clip_probabilities", lambda *_, **__: torch.tensor([[p := next(right), 1 - p]]))
    kept: list[dict[str, torch.Tensor]] = []
    stage.run(lambda stage: kept.append(weights(stage)), None)
    assert stage.step == 12
    assert same(weights(stage), kept[3])
    assert not same(kept[3], kept[-1])


@pytest.mark.parametrize("wrong", [None, "'flow.conv3_1' is 46 % off"])
def test_a_stage_whose_layers_are_wrong_in_bfloat16_says_so_and_computes_in_float32(
    make_stage: MakeStage, monkeypatch: pytest.MonkeyPatch, left_as_found: Callable[..., object], wrong: str | None
) -> None:
    stage, notes = make_stage(), []
    stage.bf16, stage.on_note = True, notes.append
    lay_channels_last(stage.module)
    if wrong is not None:
        monkeypatch.setattr(stages, "wrong_in_bfloat16", lambda *_: wrong)
    drawn = stage.generator.get_state()
    with left_as_found(stage.module):  # type: ignore[attr-defined]
        stage.check_arithmetic()
    assert stage.generator.get_state().equal(drawn)
    said = f"stage 'motion' computes in float32 from step 1 on: in bfloat16 layer {wrong}"
    assert (stage.bf16, notes) == ((True, []) if wrong is None else (False, [said]))
