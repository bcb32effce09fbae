"""Every command does what its help says."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from marey._version import __version__
from marey.cli.arguments import FlowWord
from marey.datasets import class_folders
from marey.errors import OutputError
from marey.families.loading import keep_maxima, load
from marey.families.network_file import NetworkFile, open_network, save
from marey.families.towers import BLOCKS
from marey.families.two_stream import TwoStream
from marey.maximization.result import PreferredInput
from marey.maximization.result_folder import ResultFolder
from marey.network.maxima import Maxima
from marey.video.flow.methods import Method
from marey.video.read.decode import read_video

pytestmark = pytest.mark.slow

Marey = Callable[..., Any]
COMMANDS = ("layers", "maximize", "classify", "train", "evaluate", "flow", "demo")
FILES = ["contact_sheet.png", "preferred.mp4", "preferred_input.safetensors"]


def _files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(marey: Marey, command: str) -> None:
    said = marey(command, "--help")
    assert said.status == 0 and f"marey {command}" in said.out


def test_help_lists_the_commands_and_says_what_a_network_is(marey: Marey) -> None:
    said = marey("--help")
    assert said.status == 0 and all(command in said.out for command in COMMANDS)
    assert "file.py:function" in said.out


def test_the_version_is_told(marey: Marey) -> None:
    said = marey("--version")
    assert (said.status, said.out, said.err) == (0, f"{__version__}\n", "")


def test_the_flow_words_of_the_command_line_are_those_of_the_library() -> None:
    assert FlowWord == Method


def test_layers_lists_units_and_what_they_see(marey: Marey, net: Path) -> None:
    said = marey("layers", net)
    assert said.status == 0
    lines = {line.split()[0]: line for line in said.out.splitlines() if line.strip()}
    assert "Conv3d" in lines["fusion.conv5"] and "rgb" in lines["fusion.conv5"] and "flow" in lines["fusion.conv5"]
    assert "3 px (1)" in lines["rgb.conv1_1"] and "flow" not in lines["rgb.conv1_1"]


def test_layers_may_be_chosen_by_pattern(marey: Marey, net: Path) -> None:
    said = marey("layers", net, "fusion.*", "scores")
    assert [line.split()[0] for line in said.out.splitlines()[1:-1]] == [
        "fusion.conv5", "fusion.relu5", "fusion.pool5", "scores",
    ]  # fmt: skip


def test_maximize_leaves_a_folder_for_every_unit_and_an_overview(marey: Marey, net: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    said = marey("maximize", net, "disc_left", "rgb.conv1_1:0-1", "--slowness", "0,10", "--steps", 4, "--out", out)
    assert said.status == 0, said.err
    assert said.out.strip() == str(out / "overview.png")
    assert _files(out) == ["disc_left", "overview.png", "rgb.conv1_1-0", "rgb.conv1_1-1"]
    for name in ("disc_left", "rgb.conv1_1-0", "rgb.conv1_1-1"):
        assert _files(out / name) == FILES
        assert PreferredInput.open(out / name).slowness == (0.0, 10.0)
    assert "slowness 0:" in said.err and "slowness 10:" in said.err and "disc_left" in said.err
    with Image.open(out / "disc_left" / "contact_sheet.png") as sheet:
        assert sheet.format == "PNG"


def test_maximize_draws_a_mosaic_of_a_convolutional_layer(marey: Marey, net: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    said = marey("maximize", net, "rgb.conv3_1:0-3", "--mosaic", "--slowness", "0", "--steps", 2, "--out", out)
    assert said.status == 0, said.err
    (folder,) = out.iterdir()
    assert _files(folder) == FILES
    assert PreferredInput.open(folder).provenance["mosaic"]["rows"] == 2


def test_maximize_measures_maxima_on_clips_once_and_keeps_them(
    marey: Marey, net: Path, shapes: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    line = ("maximize", net, "disc_left", "--slowness", "0", "--steps", "2", "--flow", "dis", "--out", out)
    before = load(net).weights_hash
    assert "no clip says how far scores of net respond" in " ".join(marey(*line).err.split())
    said = marey(*line, "--clips", shapes)
    assert said.status == 0 and "(1 is the largest on 48 clips of 'clips')" in " ".join(said.err.split()), said.err
    found = load(net)
    assert found.weights_hash == before and found.maxima is not None
    assert found.maxima.layers == ("scores",) and found.maxima.source == "48 clips of 'clips'"
    again = " ".join(marey(*line, "--seed", 1).err.split())
    assert "48 clips of 'clips'" in again and "no clip says" not in again


def test_maximize_knows_the_users_own_network(marey: Marey, own: str, tmp_path: Path) -> None:
    assert "\n3 layers, 12 units." in marey("layers", own).out
    out = tmp_path / "out"
    said = marey("maximize", own, "0:2", "--everywhere", "--parametrization", "pixels", "--steps", 3, "--out", out)
    assert said.status == 0, said.err
    assert said.out.strip() == str(out / "0-2" / "contact_sheet.png")
    assert _files(out / "0-2") == FILES


def test_ctrl_c_keeps_what_there_is(marey: Marey, net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_given: Any, **_options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Tensor, "nanmean", interrupted)  # what is told after some of the steps
    out = tmp_path / "out"
    said = marey("maximize", net, "disc_left", "--slowness", "0", "--steps", 8, "--out", out)
    assert said.status == 130 and "interrupted; 0 of 1 results are complete" in said.err
    assert _files(out / "disc_left") == FILES
    kept = PreferredInput.open(out / "disc_left")
    assert kept.interrupted and 0 < len(kept.history) < 8


def test_maximize_goes_on_where_it_was_and_says_what_is_there(
    marey: Marey, net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    units = ("rgb.conv1_1:0", "disc_left", "disc_left")
    line = ("maximize", net, *units, "--slowness", "0", "--steps", 2, "--out", out)
    write = ResultFolder.write

    def full(self: ResultFolder, name: str, *given: Any) -> Path:
        if name == "disc_left":
            raise OutputError("cannot write 'x': No space left on device.")
        return write(self, name, *given)

    monkeypatch.setattr(ResultFolder, "write", full)
    said = marey(*line)
    words = "No space left on device. 1 of 2 results are complete and stay in"
    assert said.status == 1 and words in said.err and _files(out) == ["rgb.conv1_1-0"]
    monkeypatch.setattr(ResultFolder, "write", write)
    said = marey(*line)
    assert said.status == 0 and f"1 of 2 results are in '{out}' already; 1 follow" in said.err, said.err
    assert _files(out) == ["disc_left", "overview.png", "rgb.conv1_1-0"]
    before = {place: place.stat().st_mtime_ns for place in out.rglob("*")}
    (out / "disc_left" / "preferred.mp4").unlink()
    said = marey(*line)
    assert said.status == 0 and "2 of 2 results" in said.err and "nothing is left to compute" in said.err
    changed = {place.name for place in out.rglob("*") if place.is_file() and place.stat().st_mtime_ns != before[place]}
    assert changed == {"contact_sheet.png", "preferred.mp4", "preferred_input.safetensors"}, (
        "pictures that lack are drawn"
    )
    said = marey(*line, "--seed", 1)
    assert said.status == 0 and f"2 results in '{out}' were made with other settings" in said.err


def test_classify_shows_the_best_classes(marey: Marey, net: Path, shapes: Path) -> None:
    clips = [clip.path for clip in class_folders(shapes)[:2]]
    said = marey("classify", net, *clips, "--top", 2, "--flow", "dis")
    assert said.status == 0, said.err
    assert all(clip.name in said.out.replace("\n", "") for clip in clips)
    assert said.out.count("%") == 4


def test_classify_shows_the_units_that_respond_most_and_relative_to_which_clips(
    marey: Marey, net: Path, shapes: Path
) -> None:
    clip = class_folders(shapes)[0].path
    line = ("classify", net, clip, "--units", "--top", 1, "--flow", "dis", "--windows", 1)
    said = marey(*line)
    assert said.status == 1 and "holds no maxima to compare units with; give --recording DIR" in said.err
    units = load(net).layer("fusion.relu5").units
    largest = torch.full((units,), 1e9)
    largest[3] = 1e-3
    keep_maxima(Maxima({"fusion.relu5": largest}, source="9 clips of tests"), net)
    said = marey(*line)
    assert said.status == 0, said.err
    assert "relative to 9 clips of tests" in said.out
    assert sum("fusion.relu5:" in row for row in said.out.splitlines()) == 1


def test_evaluate_takes_the_clips_held_out_and_writes_json(
    marey: Marey, net: Path, shapes: Path, tmp_path: Path
) -> None:
    out = tmp_path / "made" / "figures.json"
    said = marey("evaluate", net, shapes, "--flow", "dis", "--out", out)
    assert said.status == 0, said.err
    assert "groups: person0" in said.out and "on 12 clips" in said.out and "confusion" in said.out
    figures = json.loads(out.read_text())
    assert figures["clips"] == [str(clip.path) for clip in class_folders(shapes) if clip.group == "person0"]
    right = sum(one == other for one, other in zip(figures["labels"], figures["predictions"], strict=True))
    assert figures["accuracy"] == right / 12 and sum(map(sum, figures["confusion"])) == 12
    assert figures["skipped"] == [] and len(figures["interval"]) == 2


def test_evaluate_takes_the_groups_named(marey: Marey, net: Path, shapes: Path) -> None:
    said = marey("evaluate", net, shapes, "--flow", "dis", "--groups", "person1,person2", "--no-confusion")
    assert "groups: person1, person2" in said.out and "on 24 clips" in said.out and "confusion" not in said.out


@pytest.mark.parametrize(
    ("form", "written"),
    [
        ("video", "disc_left/person0_0.mp4"),
        ("denseflow", "disc_left/person0_0/flow_x_00001.jpg"),
        ("two-stream", "v/disc_left/person0_0/frame000008.jpg"),
        ("i3d", "disc_left/person0_0-000001x.jpg"),
    ],
)
def test_flow_is_written_in_every_form(marey: Marey, shapes: Path, tmp_path: Path, form: str, written: str) -> None:
    place = tmp_path / "clips"
    for label in ("disc_left", "square_left"):  # one file name in two classes
        (place / label).mkdir(parents=True)
        shutil.copy(shapes / label / "person0_0.mp4", place / label)
    said = marey("flow", place, "--form", form, "--flow", "dis", "--out", tmp_path / "flow")
    assert said.status == 0, said.err
    assert (tmp_path / "flow" / written).is_file()
    assert (tmp_path / "flow" / written.replace("disc", "square")).is_file()
    if form == "video":
        assert len(read_video(tmp_path / "flow" / written).frames) == 8


def test_flow_of_clips_alike_in_name_is_numbered(marey: Marey, shapes: Path, tmp_path: Path) -> None:
    clips = [shapes / label / "person0_0.mp4" for label in ("disc_left", "disc_right")]
    said = marey("flow", *clips, "--flow", "dis", "--short-side", 48, "--out", tmp_path / "flow")
    assert said.status == 0 and _files(tmp_path / "flow") == ["person0_0.2.mp4", "person0_0.mp4"]
    assert read_video(tmp_path / "flow" / "person0_0.mp4").frames.shape[1:3] == (48, 48)


TRAIN = (
    "--size", 32, "--width", 0.0625, "--frames", 1, "--steps", 2, "--fusion-steps", 2, "--batch", 4, "--flow", "dis",
)  # fmt: skip


def test_train_writes_a_network_and_says_how_good_it_is(
    marey: Marey, moving_shapes: ModuleType, tmp_path: Path
) -> None:
    long = tmp_path / "long"
    moving_shapes.write_moving_shapes(long, people=2, takes=1, size=32, frames=11)
    path = tmp_path / "made" / "new.safetensors"
    options = (*TRAIN, "--no-flip", "--adversary", "0.15,0.3")
    said = marey("train", long, "--out", path, "--hold-out", "person1", *options)
    assert said.status == 0, said.err
    assert said.out.strip().endswith("new.safetensors") and "fusion" in said.out
    assert "6 clips of 6 classes to train, 6 held out (person1)" in said.err.replace("\n", " ")
    assert _files(path.parent) == ["new.safetensors"] and len(load(path).classes) == 6


def test_train_takes_a_list_of_motion_studies_and_settings_from_a_file(marey: Marey, tmp_path: Path) -> None:
    studies, settings, path = (tmp_path / name for name in ("studies.json", "settings.json", "new.safetensors"))
    studies.write_text('{"motion_studies": [{"count": 2, "classes": ["wave", "kick"], "frames": 12}]}')
    settings.write_text('{"dropout": 0.1, "tower_rate": 1.0}')
    options = (*TRAIN, "--steps", 0, "--hold-out", "actor00001", "--settings", settings)
    said = marey("train", studies, "--out", path, *options)
    assert said.status == 0, said.err
    assert "2 clips of 2 classes to train, 2 held out (actor00001)" in said.err.replace("\n", " ")
    made = open_network(path).provenance
    assert made["settings"]["dropout"] == 0.1 and set(made["steps"]) == {"fusion"}
    said = marey("evaluate", path, studies)
    assert said.status == 0 and "groups: actor00001" in said.out
    late = tmp_path / "late.safetensors"
    said = marey("train", studies, "--out", late, "--from", path, "--fusion", "late", "--steps", 1, "--hold-out", "0")
    assert said.status == 0, said.err
    assert open_network(late).module.config["fusion"] == "late"
    assert open_network(late).provenance["before"] == made
    said = marey("train", studies, "--out", path, "--settings", tmp_path / "none.json")
    assert said.status == 1 and "no settings can be read from" in said.err.replace("\n", " ")


def test_train_from_a_network_takes_its_architecture(marey: Marey, net: Path, shapes: Path, tmp_path: Path) -> None:
    path = tmp_path / "new.safetensors"
    line = ("train", shapes, "--out", path, "--hold-out", "0", "--steps", 1, "--batch", 4, "--flow", "dis")
    said = marey(*line, "--from", net, "--size", 64, "--keep", 4)
    assert said.status == 0, said.err
    assert load(path).streams == load(net).streams
    before, after = (load(one).module.get_parameter("flow.conv4_3.weight") for one in (net, path))
    assert before.equal(after)
    said = marey(*line, "--keep", 4)
    assert (
        said.status == 1
        and "--keep needs a network whose blocks are kept; give --from NET or --imagenet FILE." in said.err
    )
    said = marey(*line, "--from", net, "--keep", 6)
    assert said.status == 2 and "'--keep': Input should be less than or equal to 5" in said.err.replace("\n", " ")
    module = TwoStream(6, size=32, width=0.125, frames=1, stack=4, streams=("flow",))
    save(NetworkFile(module, module.input_streams()), other := tmp_path / "other.safetensors")
    said = marey("train", shapes, "--out", path, "--from", other)
    assert said.status == 1 and "is no two-stream network to start from" in said.err.replace("\n", " ")


@pytest.fixture(scope="module")
def vgg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A VGG-16 in torchvision's format whose classifier is too small for any network."""
    tensors, number, channels = {}, 0, 3
    generator = torch.Generator().manual_seed(0)
    for block in BLOCKS:
        for units in block:
            scale = (2 / (9 * channels)) ** 0.5
            tensors[f"features.{number}.weight"] = torch.randn(units, channels, 3, 3, generator=generator) * scale
            tensors[f"features.{number}.bias"] = torch.zeros(units)
            number, channels = number + 2, units
        number += 1
    path = tmp_path_factory.mktemp("vgg") / "vgg16.pth"
    torch.save(tensors, path)
    return path


def test_train_starts_both_towers_from_imagenet_weights(marey: Marey, vgg: Path, shapes: Path, tmp_path: Path) -> None:
    path = tmp_path / "new.safetensors"
    data = tmp_path / "data"
    for label in ("disc_left", "disc_right"):
        (data / label).mkdir(parents=True)
        shutil.copy(shapes / label / "person0_0.mp4", data / label)
    line = ("train", data, "--out", path, "--hold-out", "0", *TRAIN, "--imagenet", vgg)
    said = marey(
        *line, "--width", 1, "--steps", 0, "--fusion-steps", 1, "--batch", 1, "--keep", 5, "--arithmetic", "float32"
    )
    assert said.status == 0, said.err
    opened = open_network(path)
    weights, published = opened.module.state_dict(), torch.load(vgg, weights_only=True)
    assert weights["rgb.conv5_3.weight"].equal(published["features.28.weight"])
    assert weights["flow.conv5_3.weight"].equal(published["features.28.weight"])
    assert torch.allclose(weights["flow.conv1_1.weight"].sum(1), published["features.0.weight"].sum(1), atol=1e-5)
    assert opened.module.config["norm"] == "none" and len(opened.provenance["imagenet"]) == 64


def test_imagenet_weights_that_do_not_fit_are_told_before_the_long_part(
    marey: Marey, net: Path, vgg: Path, shapes: Path, tmp_path: Path
) -> None:
    line = ("train", shapes, "--out", tmp_path / "new.safetensors", "--imagenet")
    for words, status, told in (
        (
            [vgg],
            1,
            "the network has width 0.25, but ImageNet weights of VGG-16 fit width 1 only; build it with width 1",
        ),
        ([vgg, "--from", net], 2, "--from and --imagenet both give weights to start from; give one of them"),
        ([tmp_path / "none.pth", "--width", 1], 1, "no file of weights at"),
    ):
        said = marey(*line, *words)
        assert said.status == status and told in said.err.replace("\n", " "), said.err
    assert not (tmp_path / "new.safetensors").exists()


def test_train_stopped_goes_on_with_the_same_line(
    marey: Marey, shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from marey.training import stage

    real, calls = stage.Stage._train_one, 0

    def interrupted(self: stage.Stage, *given: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        real(self, *given)

    path = tmp_path / "new.safetensors"
    monkeypatch.setattr(stage.Stage, "_train_one", interrupted)
    said = marey("train", shapes, "--out", path, "--hold-out", "1/4", *TRAIN)
    assert said.status == 130 and "the same line goes on" in said.err.replace("\n", " ") and not path.exists()
    assert marey("train", shapes, "--out", path, "--hold-out", "1/4", *TRAIN).status == 0
    assert path.exists() and not path.with_name("new.safetensors.training").exists()
    content = path.read_bytes()
    said = marey("train", shapes, "--out", path, "--hold-out", "1/4", *TRAIN)
    assert said.status == 0 and said.out == f"{path}\n" and "clips " not in said.err.splitlines()[-1]
    assert "this network is finished, with the same settings and clips; nothing was done" in said.err.replace("\n", " ")
    said = marey("train", shapes, "--out", path, "--hold-out", "1/4", *TRAIN, "--seed", 1)
    assert said.status == 1 and "finished network with seed = 0, not 1; give another --out" in said.err.replace(
        "\n", " "
    )
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("hold_out", "words"),
    [
        ("0", "48 clips of 6 classes, none held out"),
        ("0.25", "36 clips of 6 classes to train, 12 held out"),
        (
            "person2,person3",
            "24 clips of 6 classes to train, 24 held out (person2, person3); groups: guessed: 4 groups",
        ),
    ],
)
def test_what_is_held_out_is_said(shapes: Path, hold_out: str, words: str) -> None:
    from marey.cli.train import chosen_split

    assert words in chosen_split(shapes, hold_out, group=None, seed=0)[1]


def test_groups_that_look_like_numbers_are_groups(tmp_path: Path) -> None:
    from marey.cli.train import chosen_split

    for label in ("run", "walk"):
        (tmp_path / label).mkdir()
        for name in ("01_a.avi", "02_a.avi", "02_b.avi"):
            (tmp_path / label / name).touch()
    split, _ = chosen_split(tmp_path, "01", group=None, seed=0)
    assert split.held_out_groups == ("01",)


def test_a_split_file_says_itself_what_is_held_out(shapes: Path, tmp_path: Path) -> None:
    from marey.cli.train import chosen_split

    rows = [f"{c.path},{c.label},{'test' if c.group == 'person0' else 'train'}" for c in class_folders(shapes)]
    (tmp_path / "list.csv").write_text("\n".join(["path,label,split", *rows]))
    split, words = chosen_split(tmp_path / "list.csv", "0.5", group=None, seed=0)
    assert split.held_out_groups == ("person0",) and words == "36 clips to train, 12 held out, as 'list.csv' says"


def test_flow_written_beside_the_videos_is_used_by_the_other_commands(
    marey: Marey, net: Path, shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from marey.video.read import clips as clips_module

    data = tmp_path / "data"
    for label in ("disc_left", "disc_right"):
        (data / label).mkdir(parents=True)
        shutil.copy(shapes / label / "person0_0.mp4", data / label)
    (data / "disc_left" / "text.avi").write_text("no video")
    said = marey("flow", data, "--form", "denseflow", "--flow", "dis", "--out", data)
    assert said.status == 0 and "1 of 3 clips are skipped" in said.out and "text.avi" in said.out
    assert (data / "disc_left" / "person0_0" / "flow_x_00008.jpg").exists()
    monkeypatch.setattr(clips_module, "_flow", lambda *_: pytest.fail("flow was computed"))
    said = marey("evaluate", net, data, "--groups", "all")
    assert said.status == 0 and "on 2 of 3 clips" in said.out and "1 of 3" in said.out
