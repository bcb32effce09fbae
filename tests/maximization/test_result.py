"""A result on disk is whole, opens without the network, and can be made again from what it says of itself."""

import errno
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError
from torch import nn

import marey.maximization.result as storage
from marey.errors import MareyError, OutputError
from marey.maximization.recipe import Recipe
from marey.maximization.result import PreferredInput, folder_name, merged
from marey.maximization.run import maximize
from marey.network.network import Network
from marey.network.stream import flow_stacks

RECIPE = replace(Recipe(), slowness=(0.0, 5.0), steps=6, bounds={"flow": 2.0})


def _network() -> Network:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv3d(6, 4, (1, 3, 3)), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Conv3d(4, 2, 1))
    return Network(module, [flow_stacks(2, length=3, step=2, size=8)], classes=("wave", "clap"), name="Tiny")


@pytest.fixture(scope="module")
def result() -> PreferredInput:
    return maximize(_network(), "wave", recipe=RECIPE)[0]


def test_what_is_saved_opens_as_the_same(result: PreferredInput, tmp_path: Path) -> None:
    folder = result.save(tmp_path / "deep" / "wave")
    opened = PreferredInput.open(folder)
    assert opened == result
    assert opened.streams == result.streams
    assert opened.made == result.made
    assert torch.equal(opened.frames["flow"], result.frames["flow"])
    assert {path.name for path in folder.iterdir()} == {"preferred_input.json", "frames.safetensors"}


def test_different_results_are_not_equal(result: PreferredInput) -> None:
    other = {name: frames + 1e-3 for name, frames in result.frames.items()}
    assert replace(result, frames=other) != result
    assert replace(result, label="clap") != result
    assert result != "wave"


def test_histories_that_ended_early_are_saved_too(result: PreferredInput, tmp_path: Path) -> None:
    early = replace(result, history=merged([torch.ones(3), torch.ones(5)]))
    assert tuple(early.history.shape) == (5, 2)
    assert early.history.isnan().sum() == 2
    assert PreferredInput.open(early.save(tmp_path)) == early


def test_it_opens_without_the_network(result: PreferredInput, tmp_path: Path) -> None:
    result.save(tmp_path)
    script = (
        "import sys; from marey.maximization.result import PreferredInput; "
        f"r = PreferredInput.open({str(tmp_path)!r}); print(r.label, tuple(r.frames['flow'].shape)); "
        "assert 'marey.network.network' not in sys.modules and 'marey.maximize' not in sys.modules"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert found.stdout.strip() == "wave (2, 2, 5, 8, 8)", found.stderr


def test_it_can_be_made_again_from_what_it_says_of_itself(result: PreferredInput, tmp_path: Path) -> None:
    opened = PreferredInput.open(result.save(tmp_path))
    (precision,) = opened.made["precision"]
    recipe = replace(Recipe.from_record(opened.made["recipe"]), precision=precision)
    network = _network()
    assert opened.made["weights_sha256"] == network.weights_hash
    (again,) = maximize(network, opened.label, recipe=recipe)
    assert torch.equal(again.frames["flow"], opened.frames["flow"])
    (by_target,) = maximize(network, opened.target, recipe=recipe)
    assert torch.equal(by_target.frames["flow"], opened.frames["flow"])


def _full(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def _full_inside(*_: Any, **__: Any) -> None:
    raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")


@pytest.mark.parametrize(
    ("where", "name", "failure"),
    [(storage, "save_file", _full), (storage, "save_file", _full_inside), (Path, "write_text", _full)],
)
def test_a_full_disk_leaves_what_was_there_whole(
    result: PreferredInput, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: Any, name: str, failure: Any
) -> None:
    folder = result.save(tmp_path / "wave")
    (folder / "picture.png").write_bytes(b"kept")
    changed = replace(result, label="other", frames={"flow": result.frames["flow"] + 1})
    with monkeypatch.context() as patch:
        patch.setattr(where, name, failure)
        with pytest.raises(OutputError, match=r"cannot write the preferred input of other .* No space left on device"):
            changed.save(folder)
        with pytest.raises(OutputError):
            changed.save(tmp_path / "new")
    assert PreferredInput.open(folder) == result
    assert {path.name for path in folder.iterdir()} == {"preferred_input.json", "frames.safetensors", "picture.png"}
    assert not (tmp_path / "new").exists()


def test_a_record_that_cannot_be_put_in_place_leaves_the_old_frames(
    result: PreferredInput, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = result.save(tmp_path / "wave")
    move = Path.replace

    def stuck(path: Path, target: Path) -> Path:
        if target.name == "preferred_input.json":
            raise OSError(errno.EIO, "Input/output error")
        return move(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", stuck)
        with pytest.raises(OutputError, match="Input/output error"):
            replace(result, frames={"flow": result.frames["flow"] + 1}).save(folder)
    assert PreferredInput.open(folder) == result


def test_a_place_that_cannot_be_written_to_is_said(result: PreferredInput, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match=r"cannot write the preferred input of wave to '.*file': "):
        result.save(tmp_path / "file")
    with pytest.raises(OutputError, match="Not a directory"):
        result.save(tmp_path / "file" / "wave")
    with pytest.raises(OutputError, match="cannot write"):
        result.save("/proc/marey/wave")


def test_saving_again_replaces_the_old_result(result: PreferredInput, tmp_path: Path) -> None:
    result.save(tmp_path)
    changed = replace(result, label="clap", frames={"flow": result.frames["flow"] * 2})
    assert PreferredInput.open(changed.save(tmp_path)) == changed


def test_a_folder_without_a_result_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(MareyError, match=r"holds no preferred input .* give a folder that `marey maximize` wrote"):
        PreferredInput.open(tmp_path)
    with pytest.raises(MareyError, match="holds no preferred input"):
        PreferredInput.open(tmp_path / "absent")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("preferred_input.json", b"{"),
        ("preferred_input.json", b"\xff\xfe\x00"),
        ("preferred_input.json", b'{"format": 1}'),
        ("preferred_input.json", b'{"format": 1, "streams": 3}'),
        ("preferred_input.json", b"[]"),
        ("preferred_input.json", b'{"format": 99}'),
        ("frames.safetensors", b""),
        ("frames.safetensors", b"\x80\x04\x95garbage" * 9),
    ],
)
def test_a_damaged_folder_is_refused_in_one_line(
    result: PreferredInput, tmp_path: Path, name: str, content: bytes
) -> None:
    (result.save(tmp_path) / name).write_bytes(content)
    with pytest.raises(MareyError, match=r"is damaged|has format") as caught:
        PreferredInput.open(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["streams", "scores", "history", "made"])
def test_a_record_that_lacks_something_is_damaged(result: PreferredInput, tmp_path: Path, key: str) -> None:
    folder = result.save(tmp_path)
    if key == "history":
        storage.save_file({"frames.flow": result.frames["flow"]}, folder / "frames.safetensors")
    else:
        record = json.loads((folder / "preferred_input.json").read_text())
        del record[key]
        (folder / "preferred_input.json").write_text(json.dumps(record))
    with pytest.raises(MareyError, match=rf"is damaged: .*'{key}'.*Make it again"):
        PreferredInput.open(folder)


def test_the_frames_of_one_slowness_are_a_batch_for_the_network(result: PreferredInput) -> None:
    network = _network()
    with torch.no_grad():
        score = network.activations(result.inputs(1), ["3"])["3"][0, 0, 0, 0, 0]
    assert result.maximum is not None
    assert float(score) / result.maximum == pytest.approx(result.scores[1], rel=1e-3)


@pytest.mark.parametrize(
    ("label", "name"),
    [("conv5:3", "conv5-3"), ("a b/c", "a_b_c"), ("..", "unit"), ("", "unit"), ("a:0 - 0.5 * b:1", "a-0_-_0.5___b-1")],
)
def test_every_label_has_a_file_name(label: str, name: str) -> None:
    assert folder_name(label) == name
