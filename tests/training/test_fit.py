"""Training: whole, resumable, stopped in time, and blind to the clips held out."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import marey
from marey.datasets import Split, StudySet, class_folders, group_of, grouped_split
from marey.errors import DatasetError, MareyError, OutputError, VideoError, WeightsError
from marey.evaluation.classify import evaluated
from marey.families.network_file import NetworkFile, open_network, save
from marey.families.two_stream import TwoStream
from marey.families.weights import weights_hash
from marey.training import stage, training_data
from marey.training.fit import Trained, train
from marey.training.runner import TrainingProgress
from marey.training.settings import Settings
from marey.video.flow.cache import FlowCache
from marey.video.read.clips import Clip

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def split(shapes: Path) -> Split:
    few = [clip for clip in class_folders(shapes) if clip.path.stem.endswith("_0")]
    return grouped_split(few, held_out=["person0"])


@pytest.fixture(scope="module")
def short(tiny_settings: Settings) -> Settings:
    return replace(tiny_settings, tower_steps=4, fusion_steps=3, batch=6, fusion_batch=6, look=2)


@pytest.fixture(scope="module")
def whole(split: Split, short: Settings, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Trained]:
    """A short training that nothing interrupts: its file, and what `train` returned."""
    path = tmp_path_factory.mktemp("whole") / "whole.safetensors"
    return path, train(split, path, settings=short)


@pytest.fixture(scope="module")
def watched(split: Split, short: Settings, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Trained]:
    """A short training some of whose groups are only watched."""
    path = tmp_path_factory.mktemp("watched") / "watched.safetensors"
    return path, train(split, path, settings=replace(short, validation=0.34))


def _weights(path: Path) -> str:
    return weights_hash(open_network(path).module)


def _stops_at(stage_name: str, step: int) -> Callable[[TrainingProgress], None]:
    def on_step(progress: TrainingProgress) -> None:
        if (progress.stage, progress.step) == (stage_name, step):
            raise KeyboardInterrupt

    return on_step


def test_a_tiny_network_learns_the_moving_shapes_above_chance(trained: tuple[Path, Trained]) -> None:
    _, done = trained
    assert set(done.results) == {"appearance", "motion", "late", "fusion"}
    for name, chance in (("appearance", 1 / 6), ("motion", 1 / 6), ("late", 1 / 6), ("fusion", 1 / 6)):
        assert len(done.results[name].labels) == 12
        assert done.results[name].accuracy > chance
    assert done.results["late"].accuracy >= 0.5


def test_the_file_says_streams_classes_and_how_it_was_made(trained: tuple[Path, Trained], shapes: Path) -> None:
    path, done = trained
    network = marey.load(path)
    assert network.classes == class_folders(shapes).classes
    assert network.streams == done.file.streams
    made = open_network(path).provenance
    assert made["data"] == "shapes" and made["held_out_groups"] == ["person0"]
    assert made["clips"] == {"train": 36, "watched": 0, "held_out": 12}
    assert made["settings"]["tower_steps"] == 50
    assert made["results"]["fusion"] == done.results["fusion"].to_json()
    assert set(path.parent.iterdir()) == {path}


def test_evaluation_of_the_file_agrees_with_what_training_said(trained: tuple[Path, Trained], shapes: Path) -> None:
    path, done = trained
    held_out = [clip for clip in class_folders(shapes) if group_of(clip) == "person0"]
    found = evaluated(marey.load(path), held_out, flow="dis")
    assert torch.allclose(found.probabilities, done.results["fusion"].probabilities, atol=1e-5)


@pytest.mark.parametrize(("stage_name", "step"), [("appearance", 3), ("motion", 4), ("fusion", 2)])
def test_a_resumed_run_equals_an_uninterrupted_one(
    split: Split, short: Settings, whole: tuple[Path, Trained], tmp_path: Path, stage_name: str, step: int
) -> None:
    resumed_path = tmp_path / "resumed.safetensors"
    first = train(split, resumed_path, settings=short, on_step=_stops_at(stage_name, step))
    assert first.interrupted and not resumed_path.exists()
    assert resumed_path.with_name("resumed.safetensors.training").exists()
    torch.manual_seed(99)  # whatever else the process has drawn
    steps: list[TrainingProgress] = []
    second = train(split, resumed_path, settings=short, on_step=steps.append)
    assert not second.interrupted and len(steps) < 11
    assert _weights(resumed_path) == _weights(whole[0])
    for name, found in whole[1].results.items():
        assert found.probabilities.equal(second.results[name].probabilities)
    assert [path.name for path in tmp_path.iterdir()] == ["resumed.safetensors"]


def test_runs_in_bfloat16_are_equal_too_stopped_or_not(split: Split, short: Settings, tmp_path: Path) -> None:
    settings = replace(short, arithmetic="bfloat16", tower_steps=0, fusion_steps=3, batch=2, fusion_batch=2)
    train(split, tmp_path / "whole.safetensors", settings=settings)
    train(split, tmp_path / "stopped.safetensors", settings=settings, on_step=_stops_at("fusion", 1))
    train(split, tmp_path / "stopped.safetensors", settings=replace(settings, arithmetic="auto"))
    assert _weights(tmp_path / "stopped.safetensors") == _weights(tmp_path / "whole.safetensors")


def test_clips_that_are_made_while_read_train_as_clips_on_disk_do(tmp_path: Path, short: Settings) -> None:
    studies = StudySet(3, seed=1, classes=("wave", "kick"), frames=8)
    split = grouped_split(studies.clips(), held_out=["actor00002"])
    settings = replace(short, tower_steps=2, fusion_steps=2)
    every = train(split, tmp_path / "every.safetensors", settings=settings)
    train(split, tmp_path / "none.safetensors", settings=settings, memory_bytes=0)
    assert _weights(tmp_path / "every.safetensors") == _weights(tmp_path / "none.safetensors")
    assert every.file.classes == ("kick", "wave") and len(every.results["fusion"].labels) == 2


def test_without_tower_steps_both_towers_learn_with_the_fusion_alone(
    split: Split, short: Settings, tmp_path: Path
) -> None:
    together = replace(short, tower_steps=0, tower_rate=1.0, auxiliary=False, minutes=5.0)
    stages: list[TrainingProgress] = []
    done = train(split, tmp_path / "net.safetensors", settings=together, on_step=stages.append)
    assert [(one.stage, one.step) for one in stages] == [("fusion", 1), ("fusion", 2), ("fusion", 3)]
    assert set(done.results) == {"fusion"} and done.late is None
    assert not done.file.module.config["auxiliary"]
    with torch.random.fork_rng():
        torch.manual_seed(short.seed)
        begun = dict(TwoStream(6, **together.architecture(), fusion=together.fusion).named_parameters())
    learned = dict(done.file.module.named_parameters())
    for name in ("rgb.conv1_1.weight", "flow.conv5_3.weight", "scores.weight"):
        assert not learned[name].equal(begun[name]), name


def test_the_towers_are_given_back_as_late_fusion_too(split: Split, short: Settings, tmp_path: Path) -> None:
    done = train(split, tmp_path / "net.safetensors", settings=replace(short, tower_rate=1.0))
    assert done.late is not None and done.late.streams == done.file.streams
    late = done.late.network()
    held_out = split.held_out
    scores = evaluated(late, held_out, flow=short.flow).predictions
    means = done.results["late"].probabilities
    assert late.module.config["fusion"] == "late" and len(scores) == len(means)
    trained = dict(done.file.module.named_parameters())["rgb.conv1_1.weight"]
    assert not dict(late.module.named_parameters())["rgb.conv1_1.weight"].equal(trained)


def test_a_network_starts_from_another_one_with_other_classes(
    split: Split, short: Settings, whole: tuple[Path, Trained], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_network(whole[0])
    two = {clip.label for clip in split.train[:1]} | {split.train[-1].label}
    fewer = Split(tuple(clip for clip in split.train if clip.label in two), ())
    monkeypatch.setattr(stage.Stage, "run", lambda self, on_step, seconds: None)  # so that nothing is learned
    settings = replace(short, width=0.5).built_as(first.module.config)
    second = train(fewer, tmp_path / "second.safetensors", settings=settings, start=first).file
    for name, values in first.module.state_dict().items():
        scores = "scores" in name or "auxiliary" in name
        assert scores or second.module.state_dict()[name].equal(values)
    assert second.classes == tuple(sorted(map(str, two))) and second.provenance["start"] == weights_hash(first.module)


def test_a_start_of_other_shapes_is_an_error(split: Split, short: Settings, tmp_path: Path) -> None:
    other = TwoStream(2, size=32, width=1.0, frames=1, stack=3, norm="batch")
    with pytest.raises(WeightsError, match="no weight has a name and shape"):
        train(split, tmp_path / "net.safetensors", settings=short, start=NetworkFile(other, other.input_streams()))


def test_kept_blocks_of_the_towers_stay_as_they_are_in_the_fusion_stage(
    split: Split, short: Settings, tmp_path: Path
) -> None:
    done = train(split, tmp_path / "net.safetensors", settings=replace(short, tower_rate=1.0, kept_blocks=2))
    assert done.late is not None
    before, after = dict(done.late.module.named_parameters()), dict(done.file.module.named_parameters())
    for stream in ("rgb", "flow"):
        for layer, kept in (("conv1_1", True), ("conv2_2", True), ("conv3_1", False), ("conv5_3", False)):
            name = f"{stream}.{layer}.weight"
            assert before[name].equal(after[name]) == kept, name


def test_kept_blocks_stay_as_the_network_that_training_starts_from_has_them(
    split: Split, short: Settings, whole: tuple[Path, Trained], tmp_path: Path
) -> None:
    first = whole[1].file
    settings = replace(short, kept_blocks=2, seed=short.seed + 1)
    second = train(split, tmp_path / "second.safetensors", settings=settings, start=first).file
    before, after = dict(first.module.named_parameters()), dict(second.module.named_parameters())
    for stream in ("rgb", "flow"):
        for layer, kept in (("conv1_1", True), ("conv2_2", True), ("norm2_2", True), ("conv3_1", False)):
            name = f"{stream}.{layer}.weight"
            assert before[name].equal(after[name]) == kept, name


def test_ctrl_c_in_the_middle_of_a_step_waits_for_its_end(
    split: Split, short: Settings, whole: tuple[Path, Trained], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores_of, calls = stage.scores_of, 0

    def interrupted(*given: object, **options: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return scores_of(*given, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(stage, "scores_of", interrupted)
    path = tmp_path / "resumed.safetensors"
    before = signal.getsignal(signal.SIGINT)
    assert train(split, path, settings=short).interrupted
    assert signal.getsignal(signal.SIGINT) is before
    train(split, path, settings=short)
    assert _weights(path) == _weights(whole[0])


def test_other_settings_do_not_go_on_with_a_half_done_run(split: Split, short: Settings, tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    train(split, path, settings=short, on_step=_stops_at("appearance", 1))
    with pytest.raises(DatasetError, match="half-done training with seed = 0, not 5; give the same settings"):
        train(split, path, settings=replace(short, seed=5))
    with pytest.raises(DatasetError, match=r"other clips, such as 'disc_down/person1_0.mp4'"):
        train(Split(split.train[1:], split.held_out), path, settings=short)


def test_a_finished_training_asked_for_again_is_given_back_as_it_is(
    split: Split, short: Settings, whole: tuple[Path, Trained]
) -> None:
    path, written = whole[0], whole[0].stat()
    left = path.with_name(path.name + ".training")
    left.write_text("killed between the network and the removal of its state")
    again = train(split, path, settings=replace(short, arithmetic="auto"), on_load=_no_clips)
    assert again.before and not again.interrupted and again.results == {}
    assert weights_hash(again.file.module) == _weights(path)
    assert path.stat().st_mtime_ns == written.st_mtime_ns and not left.exists()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"seed": 5}, "is a finished network with seed = 0, not 5; give another --out, or --again to train anew"),
        ({"arithmetic": "bfloat16"}, "finished network with arithmetic = float32, not bfloat16"),
    ],
)
def test_a_finished_network_of_other_settings_is_not_overwritten_unasked(
    split: Split, short: Settings, whole: tuple[Path, Trained], changed: dict[str, object], said: str
) -> None:
    content = whole[0].read_bytes()
    with pytest.raises(OutputError, match=said):
        train(split, whole[0], settings=replace(short, **changed), on_load=_no_clips)  # type: ignore[arg-type]
    assert whole[0].read_bytes() == content


def test_a_finished_network_of_other_clips_or_another_start_is_not_overwritten_unasked(
    split: Split, short: Settings, whole: tuple[Path, Trained], tmp_path: Path
) -> None:
    few, path = [clip for clip in split.train if clip.label != split.train[0].label], tmp_path / "net.safetensors"
    for other, said in (
        (Split(split.train[1:], split.held_out), "with other clips"),
        (Split(split.train, split.held_out[1:]), "with other clips"),
        (Split(tuple(few), ()), f"with other classes, such as '{split.train[0].label}'"),
    ):
        with pytest.raises(OutputError, match=said):
            train(other, whole[0], settings=short, on_load=_no_clips)
    with pytest.raises(OutputError, match=r"finished network with start = None, not [0-9a-f]{64}"):
        train(split, whole[0], settings=short, start=whole[1].file, on_load=_no_clips)
    save(replace(whole[1].file, provenance={}), path)
    with pytest.raises(OutputError, match="finished network with no settings; give another --out"):
        train(split, path, settings=short, on_load=_no_clips)
    path.write_bytes(b"something else of the user's")
    with pytest.raises(OutputError, match=r"not a whole safetensors file.* It is not overwritten: give another --out"):
        train(split, path, settings=short, on_load=_no_clips)


def test_asked_to_train_anew_it_does(split: Split, short: Settings, tmp_path: Path) -> None:
    path, quick = tmp_path / "net.safetensors", replace(short, tower_steps=0, fusion_steps=1)
    train(split, path, settings=quick)
    first = _weights(path)
    train(split, path, settings=replace(quick, seed=1), again=True)
    assert _weights(path) != first
    train(split, path, settings=quick, again=True)
    assert _weights(path) == first


def _no_clips(*_: int) -> None:
    pytest.fail("clips were loaded first")


def test_other_threads_than_those_it_began_with_are_told(split: Split, short: Settings, tmp_path: Path) -> None:
    path, notes = tmp_path / "net.safetensors", []
    train(split, path, settings=short, on_step=_stops_at("fusion", 1))
    torch.set_num_threads(2)
    try:
        done = train(split, path, settings=short, on_note=notes.append)
    finally:
        torch.set_num_threads(1)
    assert notes == [
        "the training began with 1 threads and goes on with 2: its weights differ by rounding from those of one run"
    ]
    assert done.file.provenance["threads"] == 1 and done.file.provenance["settings"]["arithmetic"] == "float32"


def test_nothing_is_chosen_by_the_clips_held_out(
    split: Split, short: Settings, watched: tuple[Path, Trained], tmp_path: Path
) -> None:
    alone = tmp_path / "alone.safetensors"
    train(Split(split.train, ()), alone, settings=replace(short, validation=0.34))
    assert watched[1].results and _weights(alone) == _weights(watched[0])


def test_a_late_fusion_network_is_the_two_towers(split: Split, short: Settings, tmp_path: Path) -> None:
    path = tmp_path / "late.safetensors"
    steps: list[TrainingProgress] = []
    done = train(split, path, settings=replace(short, fusion="late"), on_step=steps.append)
    assert {one.stage for one in steps} == {"appearance", "motion"}
    network = marey.load(path)
    assert {"rgb.scores", "flow.scores", "scores"} <= set(network.layers)
    assert set(done.results) == {"appearance", "motion", "late", "fusion"}


def test_a_minutes_limit_ends_every_stage(split: Split, short: Settings, tmp_path: Path) -> None:
    steps: list[TrainingProgress] = []
    settings = replace(short, minutes=1e-4, tower_steps=500, fusion_steps=500)
    done = train(split, tmp_path / "net.safetensors", settings=settings, on_step=steps.append)
    assert len(steps) < 20 and set(done.file.provenance["steps"]) == {"appearance", "motion", "fusion"}


def test_decoding_counts_toward_the_minutes(split: Split, short: Settings, tmp_path: Path) -> None:
    steps: list[TrainingProgress] = []
    settings = replace(short, minutes=0.02, tower_steps=500, fusion_steps=500)
    begun = time.monotonic()

    def slowly(done: int, count: int) -> None:
        time.sleep(max(0.0, begun + 1.5 - time.monotonic()))

    train(split, tmp_path / "net.safetensors", settings=settings, on_load=slowly, on_step=steps.append)
    assert [one.stage for one in steps] == ["appearance", "motion", "fusion"]  # a step each


def test_a_stage_ends_when_its_loss_gets_no_better(
    split: Split, short: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage.Stage, "_gradients", _same_loss)
    steps: list[TrainingProgress] = []
    settings = replace(short, tower_steps=20, fusion_steps=20, look=2, patience=3)
    train(split, tmp_path / "net.safetensors", settings=settings, on_step=steps.append)
    assert [sum(one.stage == name for one in steps) for name in ("appearance", "motion", "fusion")] == [18, 18, 18]


def _same_loss(self: stage.Stage, index: list[int], inputs: object) -> float:
    for value in self.module.parameters():
        value.grad = torch.zeros_like(value)
    return 1.0


def test_with_validation_the_best_weights_are_kept(
    split: Split, short: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: dict[str, dict[str, torch.Tensor]] = {}
    looks: Iterator[float] = iter([0.9, 0.2, 0.5] * 3)

    def probabilities(module: torch.nn.Module, streams: object, clips: list[object], *, windows: int) -> torch.Tensor:
        if windows == 2:
            quality = next(looks)
            if quality == 0.9:
                kept["best"] = {name: value.clone() for name, value in module.state_dict().items()}
            row = torch.full((len(clips), 6), (1 - quality) / 5)
            row[torch.arange(len(clips)), stage_labels] = quality
            return row
        return real(module, streams, clips, windows=windows)  # type: ignore[arg-type]

    inner = grouped_split(split.train, held_out=0.34, seed=short.seed)
    labels = class_labels(inner.held_out)
    stage_labels = torch.tensor(labels)
    real = stage.clip_probabilities
    monkeypatch.setattr(stage, "clip_probabilities", probabilities)
    settings = replace(short, validation=0.34, tower_steps=6, fusion_steps=6, look=2)
    done = train(split, tmp_path / "net.safetensors", settings=settings)
    found = done.file.module.state_dict()
    assert all(value.equal(found[name]) for name, value in kept["best"].items())


def class_labels(clips: tuple[Clip, ...]) -> list[int]:
    classes = sorted({str(clip.label) for clip in clips})
    assert len(classes) == 6
    return [classes.index(str(clip.label)) for clip in clips]


def test_no_group_is_on_both_sides_of_any_split_that_training_makes(
    split: Split, short: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Split] = []

    def spied(*given: object, **options: object) -> Split:
        made.append(grouped_split(*given, **options))  # type: ignore[arg-type]
        return made[-1]

    monkeypatch.setattr(training_data, "grouped_split", spied)
    train(split, tmp_path / "net.safetensors", settings=replace(short, validation=0.34, tower_steps=1, fusion_steps=1))
    (inner,) = made
    sides = [{group_of(clip) for clip in part} for part in (inner.train, inner.held_out, split.held_out)]
    assert all(sides) and not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])


def test_the_result_is_the_same_whatever_the_memory(
    split: Split, short: Settings, watched: tuple[Path, Trained], tmp_path: Path
) -> None:
    settings = replace(short, validation=0.34)
    notes: list[str] = []
    hashes, results = {_weights(watched[0])}, [watched[1].results["fusion"].probabilities]
    for name, memory in (("some", 1_500_000), ("none", 0)):
        path = tmp_path / f"{name}.safetensors"
        done = train(split, path, settings=settings, memory_bytes=memory, on_note=notes.append)
        hashes.add(_weights(path))
        results.append(done.results["fusion"].probabilities)
    assert len(hashes) == 1
    assert results[0].equal(results[1]) and results[0].equal(results[2])
    streamed = [int(note.split(" of 24 clips do not fit into")[0]) for note in notes]
    assert len(streamed) == 2 and 0 < streamed[0] < streamed[1] == 24


def test_flow_that_the_cache_cannot_hold_is_told(split: Split, short: Settings, tmp_path: Path) -> None:
    notes: list[str] = []
    cache = FlowCache(tmp_path / "cache", limit_bytes=1000)
    settings = replace(short, tower_steps=1, fusion_steps=1)
    train(split, tmp_path / "n.safetensors", settings=settings, cache=cache, memory_bytes=0, on_note=notes.append)
    assert "do not fit into 0.0 GB of memory" in notes[0] and "unless MAREY_CACHE_GB allows more" in notes[1]


def test_clips_that_are_too_short_are_padded_and_told(split: Split, short: Settings, tmp_path: Path) -> None:
    clips = tuple(replace(clip, stop_seconds=0.1) for clip in split.held_out[:2]) + split.held_out[2:]
    notes: list[str] = []
    settings = replace(short, tower_steps=1, fusion_steps=1)
    done = train(Split(split.train, clips), tmp_path / "n.safetensors", settings=settings, on_note=notes.append)
    assert notes == ["2 clips are shorter than the network's window: they are padded with their last frame"]
    assert done.results["fusion"].padded == tuple(str(clip.path) for clip in clips[:2])
    assert done.results["late"].padded == done.results["fusion"].padded


def test_a_class_that_is_held_out_as_a_whole_is_an_error(split: Split, short: Settings, tmp_path: Path) -> None:
    train_clips = tuple(clip for clip in split.train if clip.label != "disc_down")
    with pytest.raises(DatasetError, match="class 'disc_down' is held out as a whole; hold out groups"):
        train(Split(train_clips, split.held_out), tmp_path / "net.safetensors", settings=short)


def test_one_class_cannot_be_trained(split: Split, short: Settings, tmp_path: Path) -> None:
    one = tuple(clip for clip in split.train if clip.label == "disc_down")
    with pytest.raises(DatasetError, match="there are 1 classes to train on; expected clips of at least two"):
        train(Split(one, ()), tmp_path / "net.safetensors", settings=short)


def test_unreadable_clips_are_skipped_and_listed(split: Split, short: Settings, tmp_path: Path) -> None:
    bad = tmp_path / "bad.avi"
    bad.write_text("no video")
    clip = Clip(bad, label="disc_down", group="zoe")
    settings = replace(short, tower_steps=1, fusion_steps=1)
    done = train(Split((*split.train, clip), split.held_out), tmp_path / "net.safetensors", settings=settings)
    (one,) = done.skipped
    assert (one.path, one.label) == (str(bad), "disc_down") and "cannot be opened as a video" in one.reason
    assert done.results["fusion"].skipped == ()


def test_a_class_whose_clips_are_all_unreadable_is_an_error(split: Split, short: Settings, tmp_path: Path) -> None:
    (tmp_path / "bad.avi").write_text("no video")
    others = tuple(clip for clip in split.train if clip.label != "disc_down")
    bad = Clip(tmp_path / "bad.avi", label="disc_down", group="zoe")
    with pytest.raises(
        VideoError, match=r"no clip of class 'disc_down' can be used to train on; the first error: .*bad"
    ):
        train(Split((*others, bad), ()), tmp_path / "net.safetensors", settings=short)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("net.pt", "does not end in .safetensors"),
        ("absent/net.safetensors", "no network can be written to .*absent"),
        ("folder.safetensors", "is a folder; name a file"),
    ],
)
def test_a_place_that_cannot_be_written_is_found_before_the_long_part(
    split: Split, short: Settings, tmp_path: Path, name: str, said: str
) -> None:
    (tmp_path / "folder.safetensors").mkdir()
    with pytest.raises(OutputError, match=said):
        train(split, tmp_path / name, settings=short, on_load=_no_clips)


def test_a_training_that_diverges_says_so(split: Split, short: Settings, tmp_path: Path) -> None:
    settings = replace(short, learning_rate=1e30, tower_steps=8)
    with pytest.raises(MareyError, match=r"diverged at step .* of stage 'appearance': .* learning rate below 1e\+30"):
        train(split, tmp_path / "net.safetensors", settings=settings)


def test_bf16_that_gives_no_finite_gradient_is_given_up(
    split: Split, short: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gradients = stage.Stage._gradients
    used: list[bool] = []

    def broken(self: stage.Stage, index: list[int], inputs: dict[str, torch.Tensor]) -> float:
        used.append(self.bf16)
        loss = gradients(self, index, inputs)
        if self.bf16:
            next(value for value in self.module.parameters() if value.grad is not None).grad.fill_(float("nan"))  # type: ignore[union-attr]
        return loss

    monkeypatch.setattr(stage.Stage, "_gradients", broken)
    monkeypatch.setattr(stage, "wrong_in_bfloat16", lambda *_: None)
    notes: list[str] = []
    settings = replace(short, arithmetic="bfloat16")
    done = train(split, tmp_path / "net.safetensors", settings=settings, on_note=notes.append)
    assert used.count(True) == 3  # once in every stage
    assert notes[0] == "stage 'appearance' computes in float32 from step 1 on: in bfloat16 a gradient is not finite"
    assert done.file.provenance["arithmetic"] == dict.fromkeys(("appearance", "motion", "fusion"), "float32")
    assert done.file.provenance["settings"]["arithmetic"] == "bfloat16"
    assert all(bool(value.isfinite().all()) for value in done.file.module.state_dict().values())
