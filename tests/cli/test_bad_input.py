"""Bad input ends in one line that says what to do, with status 1 (2 for wrong usage), and leaves nothing behind."""

import errno
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from marey.errors import NetworkError
from marey.families.loading import load

pytestmark = pytest.mark.slow

Marey = Callable[..., Any]


def _one_line(said: Any, status: int, pattern: str) -> None:
    assert said.status == status, (said.status, said.err)
    lines = said.err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("marey: "), said.err
    assert re.search(pattern, lines[0]), lines[0]


def _left(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize(
    ("words", "pattern"),
    [
        (["nope"], r"No such command 'nope'. `marey --help` shows how"),
        (["layers"], r"Missing argument 'NET'. `marey layers --help` shows how"),
        (["maximize", "net"], r"Missing argument 'UNIT...'"),
        (["train", "data"], r"Missing option '--out'"),
        (["layers", "net", "--nope"], r"No such option: --nope"),
        (
            ["flow", "clip", "--flow", "dsi"],
            r"Invalid value for '--flow': 'dsi' is not one of 'tvl1', 'tvl1-fast', 'dis'",
        ),
        (["flow", "clip", "--form", "gif"], r"Invalid value for '--form': 'gif' is not one of"),
        (
            ["train", "data", "--out", "n.safetensors", "--adversary", "0.1"],
            r"--adversary is '0.1'; expected two numbers, as 0.15,0.3",
        ),
        (["train", "data", "--out", "n.safetensors", "--fusion", "conv9"], r"'conv9' is not one of 'conv2'"),
        (["maximize", "net", "a:0", "--steps", "many"], r"Invalid value for '--steps': .*valid integer"),
        (["atlas", "recording", "fc6:3"], r"'fc6:3' is a unit; add --single-file to write pages of some units"),
        (["atlas", "recording", "--single-file"], r"--single-file needs the units to show, as in"),
        (["atlas", "rec", "a:0", "--single-file", "--layers", "a"], r"leave out --layers and --explanations"),
        (["maximize", "net", "a:0", "--slowness", "slow"], r"--slowness is 'slow'; expected numbers of at least 0"),
    ],
)
def test_wrong_usage_exits_with_2(marey: Marey, words: list[str], pattern: str) -> None:
    _one_line(marey(*words), 2, pattern)


def test_no_arguments_show_the_help(marey: Marey) -> None:
    said = marey()
    assert said.status == 2 and "Usage" in said.out + said.err and "marey:" not in said.err


def test_numbers_of_a_comma_list_are_slownesses(marey: Marey, own: str, tmp_path: Path) -> None:
    from marey.maximization.result import PreferredInput

    out = tmp_path / "out"
    assert marey("maximize", own, "0:0", "--slowness", "0,1,5,10", "--steps", 1, "--out", out).status == 0
    assert PreferredInput.open(out / "0-0").slowness == (0.0, 1.0, 5.0, 10.0)


@pytest.mark.parametrize(
    ("words", "pattern"),
    [
        (["fusion.conv6:1"], r"no layer 'fusion.conv6' in net. Did you mean 'fusion.conv5'.*`marey layers` lists them"),
        (["fusion.conv5:999"], r"unit fusion.conv5:999 is out of range: layer 'fusion.conv5' has \d+ units, 0 to \d+"),
        (["fusion.conv5:1@9,9,9"], r"position \(9, 9, 9\) of unit .* is outside layer"),
        (["fusion.conv5:3-1"], r"'fusion.conv5:3-1' is an empty range of units"),
        (["disc_lefd"], r"'disc_lefd' is neither a class of net nor a unit. Did you mean 'disc_left'"),
        (["class:disc_lefd"], r"no class 'disc_lefd' in net. Did you mean 'disc_left'"),
        (
            ["disc_left", "--slowness", "0,-1"],
            r"slowness is \(0.0, -1.0\); expected one or more numbers of at least 0",
        ),
        (["disc_left", "--slowness", "-1"], r"slowness is \(-1.0,\); expected"),
        (["disc_left", "--steps", "0"], r"steps is 0; expected at least 1"),
        (["disc_left", "--device", "gpu"], r"cannot use device 'gpu'; expected cpu"),
        (["scores:0-1", "--mosaic"], r"layer 'scores' sees the whole frame: its units cannot share one picture"),
        (["disc_left", "--clips", "absent"], r"'absent' does not exist; expected a folder of clips"),
    ],
)
def test_what_cannot_be_maximized_is_said(
    marey: Marey, net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], pattern: str
) -> None:
    monkeypatch.chdir(tmp_path)
    said = marey("maximize", net, *words, "--out", "out")
    _one_line(said, 1, pattern)
    assert _left(tmp_path) in (["net.safetensors"], ["net.safetensors", "out"])


def test_classes_of_a_network_without_classes(marey: Marey, own: str, tmp_path: Path) -> None:
    _one_line(
        marey("maximize", own, "classes", "--out", tmp_path / "out"),
        1,
        r"own has no classes; name units, as in 'output:0'",
    )


def test_a_mistyped_command(marey: Marey) -> None:
    _one_line(marey("maximise"), 2, r"'maximise'. Did you mean 'maximize'\? `marey --help` shows how")


def test_layers_that_match_nothing(marey: Marey, net: Path) -> None:
    _one_line(
        marey("layers", net, "fusion.conv6"), 1, r"no layer of net matches fusion.conv6. Did you mean 'fusion.conv5'"
    )


def _text(folder: Path) -> Path:
    path = folder / "text.avi"
    path.write_text("no video\n" * 50)
    return path


def _truncated(folder: Path, shapes: Path) -> Path:
    path = folder / "cut.mp4"
    path.write_bytes((shapes / "disc_left" / "person0_0.mp4").read_bytes()[:300])
    return path


def _one_frame(folder: Path) -> Path:
    from PIL import Image

    (folder / "single").mkdir()
    Image.new("RGB", (64, 48)).save(folder / "single" / "000.png")
    return folder / "single"


def test_clips_that_are_none(marey: Marey, net: Path, shapes: Path, tmp_path: Path) -> None:
    _one_line(marey("classify", net, _text(tmp_path)), 1, r"text.avi' cannot be opened as a video")
    _one_line(marey("classify", net, _truncated(tmp_path, shapes)), 1, r"cut.mp4' (cannot be opened as a video|has)")
    _one_line(
        marey("classify", net, _one_frame(tmp_path)), 1, r"single' has 1 frame; a clip needs at least 2 to show motion"
    )
    _one_line(marey("classify", net, tmp_path / "absent.avi"), 1, r"no video at .*absent.avi'; give a video file or")
    out = tmp_path / "flow"
    _one_line(marey("flow", tmp_path / "single", "--out", out), 1, r"single' has 1 frame; a clip needs at least 2")
    _one_line(marey("flow", tmp_path / "text.avi", "--out", out), 1, r"text.avi' cannot be opened as a video")
    assert _left(out) == []
    _one_line(marey("flow", "x", "--bound", 0, "--out", out), 1, r"--bound is 0; expected px/frame above 0")


def test_folders_without_clips(marey: Marey, net: Path, shapes: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    new = tmp_path / "new.safetensors"
    _one_line(marey("train", empty, "--out", new), 1, r"empty' holds no clips; expected videos, folders of frames")
    _one_line(marey("train", tmp_path / "absent", "--out", new), 1, r"absent' does not exist; expected a folder")
    _one_line(marey("flow", empty, "--out", tmp_path / "flow"), 1, r"empty' holds no clips; expected videos")
    for label in ("run", "walk"):
        (empty / label).mkdir()
    shutil.copy(shapes / "disc_left" / "person0_0.mp4", empty / "run")
    (empty / "walk" / "notes.txt").touch()
    said = marey("train", empty, "--out", new)
    _one_line(said, 1, r"class folder '.*walk' holds no clips; it holds 1 other entries, such as 'notes.txt'")
    _one_line(marey("evaluate", net, empty), 1, r"class folder '.*walk' holds no clips")
    shutil.rmtree(empty / "walk")
    _one_line(marey("train", empty, "--out", new), 1, r"has clips of one class only, 'run'")
    assert not new.exists()


def test_clips_of_other_classes_and_groups(marey: Marey, net: Path, shapes: Path, tmp_path: Path) -> None:
    for label in ("disc_lefd", "disc_left"):
        (tmp_path / "data" / label).mkdir(parents=True)
        shutil.copy(shapes / "disc_left" / "person0_0.mp4", tmp_path / "data" / label)
    said = marey("evaluate", net, tmp_path / "data", "--groups", "all", "--flow", "dis")
    _one_line(said, 1, r"is of class 'disc_lefd', which net does not know. Did you mean 'disc_left'")
    _one_line(
        marey("evaluate", net, shapes, "--groups", "persn0"), 1, r"no group 'persn0' in .* Did you mean 'person0'"
    )
    words = ("train", shapes, "--out", tmp_path / "new.safetensors", "--hold-out")
    _one_line(marey(*words, "persn0"), 1, r"no group 'persn0' to hold out. Did you mean 'person0'")
    _one_line(marey(*words, "9/3"), 1, r"no fold 9/3; expected 1/n to n/n")
    _one_line(marey(*words, "1.5"), 1, r"a share of 1.5 cannot be held out; expected one between 0 and 1")
    _one_line(marey(*words, "0.25", "--group", "("), 1, r"the group pattern '\(' is no regular expression")


def test_networks_that_are_none(marey: Marey, net: Path, tmp_path: Path) -> None:
    _one_line(marey("layers", tmp_path / "absent.safetensors"), 1, r"no file of weights at .*absent.safetensors'")
    _one_line(marey("layers", tmp_path / "absent"), 1, r"there is no network .*absent'; expected a .safetensors file")
    content = net.read_bytes()
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(content[: len(content) // 2])
    _one_line(marey("layers", damaged), 1, r"damaged.safetensors' is not a whole safetensors file .* take another copy")
    damaged.write_bytes(content[:-4] + b"\0\1\2\3")
    _one_line(marey("layers", damaged), 1, r"is damaged: its values have changed since it was saved; take another copy")


def test_weights_of_another_network_name_what_does_not_fit(marey: Marey, net: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import marey\nfrom marey.families.two_stream import TwoStream\n"
        "from marey.families.weights import load_weights\n\n"
        "def network():\n"
        "    module = TwoStream(4, size=32, width=0.125)\n"
        f"    load_weights(module, {str(net)!r})\n"
        "    return marey.Network(module, module.input_streams())\n"
    )
    said = marey("layers", f"{tmp_path / 'mine.py'}:network")
    _one_line(said, 1, r"does not fit this TwoStream: \d+ wrongly shaped: fc6.bias \(16\) instead of \(512\)")


class RunsCode:
    """A pickle that leaves a mark when it is read as Python."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, (f"touch '{self.mark}'",))


def test_a_pickle_with_code_in_it_is_refused_and_not_run(marey: Marey, tmp_path: Path) -> None:
    mark, path = tmp_path / "mark", tmp_path / "evil.pt"
    torch.save({"weight": RunsCode(mark)}, path)
    _one_line(marey("layers", path), 1, r"evil.pt' is no network file; expected .safetensors")
    (tmp_path / "mine.py").write_text(
        "import torch\nimport marey\nfrom marey.families.weights import load_weights\n\n"
        "def network():\n"
        "    module = torch.nn.Conv3d(3, 2, 1)\n"
        f"    load_weights(module, {str(path)!r})\n"
        "    return marey.Network(module, [marey.rgb_frames(1, size=8)])\n"
    )
    said = marey("layers", f"{tmp_path / 'mine.py'}:network")
    _one_line(said, 1, r"evil.pt' is a pickle that asks for .*system, which could run code: refused, nothing was run")
    assert not mark.exists()


def test_an_output_that_cannot_be_written_is_found_before_the_long_part(
    marey: Marey, net: Path, shapes: Path, tmp_path: Path
) -> None:
    way = tmp_path / "way"
    way.write_text("a file")
    clip = shapes / "disc_left" / "person0_0.mp4"
    pattern = r"cannot write to '.*way.*': .*(File exists|Not a directory)"
    _one_line(marey("maximize", net, "disc_left", "--out", way), 1, pattern)
    _one_line(marey("maximize", net, "disc_left", "--out", way / "out"), 1, pattern)
    _one_line(marey("flow", clip, "--out", way), 1, pattern)
    _one_line(marey("train", shapes, "--out", way / "net.safetensors"), 1, pattern)
    _one_line(marey("evaluate", net, shapes, "--out", way / "a.json"), 1, pattern)
    _one_line(marey("evaluate", net, shapes, "--out", tmp_path), 1, r"is a folder; name a file for the figures")
    _one_line(marey("train", shapes, "--out", tmp_path / "net.pt"), 1, r"does not end in .safetensors")
    assert way.read_text() == "a file"


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it, and from then on no finished file can be put in its place."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def fill() -> None:
        monkeypatch.setattr(os, "replace", full)
        monkeypatch.setattr(Path, "replace", full)
        monkeypatch.setattr(Path, "rename", full)

    return fill


def test_a_full_disk_leaves_the_last_result_whole(
    marey: Marey, net: Path, tmp_path: Path, full_disk: Callable[[], None]
) -> None:
    words = ("maximize", net, "disc_left", "--slowness", "0", "--steps", "1", "--out", tmp_path / "out")
    assert marey(*words).status == 0
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    full_disk()
    said = marey(*words, "--seed", "1")
    anew, *rest = said.err.splitlines()
    assert re.search(r"1 results in '.*' were made with other settings; they are made anew", anew)
    said = replace(said, err="\n".join(rest))
    _one_line(said, 1, r"cannot write '.*contact_sheet.png': No space left on device")
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == before


def test_a_full_disk_leaves_the_network_whole(
    marey: Marey, net: Path, shapes: Path, tmp_path: Path, full_disk: Callable[[], None]
) -> None:
    before = net.read_bytes()
    few = shapes / "disc_left"  # flow that is in the cache already
    full_disk()
    said = marey("maximize", net, "disc_left", "--clips", few, "--flow", "dis", "--out", tmp_path / "out")
    _one_line(said, 1, r"cannot write '.*net.safetensors': No space left on device")
    assert net.read_bytes() == before and [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_stream_that_the_network_lacks_is_named(marey: Marey, own: str, tmp_path: Path) -> None:
    from marey.maximization.recipe import Recipe
    from marey.maximization.run import maximize

    network = load(own)
    with pytest.raises(NetworkError, match=r"no stream 'flow' in own; it has rgb"):
        maximize(network, "0:0", recipe=Recipe(bounds={"flow": 2.0}))
    with pytest.raises(NetworkError, match=r"own needs the stream 'rgb', got none"):
        network.forward({})
    with pytest.raises(NetworkError, match=r"no stream 'flow' in own; it has rgb"):
        network.forward({"flow": torch.zeros(1, 2, 3, 16, 16)})
    path = tmp_path / "mine.py"
    path.write_text(
        "import torch\nimport marey\n\n"
        "def network():\n"
        "    found = marey.Network(torch.nn.Conv3d(3, 2, 1), [marey.rgb_frames(1, size=8)], name='mine')\n"
        "    found.stream('flow')\n"
        "    return found\n"
    )
    _one_line(marey("layers", f"{path}:network"), 1, r"no stream 'flow' in mine; it has rgb")
