"""A result on disk is whole, opens without the network, and can be made again from what it says of itself."""

import errno
import json
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save
from torch import nn

from marey.errors import MareyError, OutputError
from marey.maximization.packed import packed
from marey.maximization.recipe import Recipe
from marey.maximization.result import FILE, FORMAT, PreferredInput, merged
from marey.maximization.run import maximize
from marey.network.network import Network
from marey.network.stream import flow_stacks
from marey.network.weights_hash import tensors_hash
from marey.schema import signed

RECIPE = replace(Recipe(), slowness=(0.0, 5.0), steps=6, bounds={"flow": 2.0})


def _network() -> Network:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv3d(6, 4, (1, 3, 3)), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Conv3d(4, 2, 1))
    return Network(module, [flow_stacks(2, length=3, step=2, size=8)], classes=("wave", "clap"), name="Tiny")


@pytest.fixture(scope="module")
def result() -> PreferredInput:
    return maximize(_network(), "wave", recipe=RECIPE)


def test_what_is_saved_opens_as_the_same(result: PreferredInput, tmp_path: Path) -> None:
    folder = result.save(tmp_path / "deep" / "wave")
    opened = PreferredInput.open(folder)
    assert opened == result
    assert opened.streams == result.streams
    assert opened.provenance == result.provenance
    assert torch.equal(opened.frames["flow"], result.frames["flow"])
    assert {path.name for path in folder.iterdir()} == {FILE}


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
        "assert 'marey.network.network' not in sys.modules and 'marey.maximization.run' not in sys.modules"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert found.stdout.strip() == "wave (2, 2, 5, 8, 8)", found.stderr


def test_it_can_be_made_again_from_what_it_says_of_itself(result: PreferredInput, tmp_path: Path) -> None:
    opened = PreferredInput.open(result.save(tmp_path))
    recipe = Recipe.from_json(opened.provenance["recipe"])
    network = _network()
    assert opened.provenance["weights_sha256"] == network.weights_hash
    assert opened.provenance["arithmetic"]["precision"] == "fp32"
    for name in (opened.label, opened.target):
        again = maximize(network, name, recipe=recipe)
        assert torch.equal(again.frames["flow"], opened.frames["flow"])


def _full(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("name", ["write_bytes", "replace"])
def test_a_full_disk_leaves_what_was_there_whole(
    result: PreferredInput, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder = result.save(tmp_path / "wave")
    (folder / "picture.png").write_bytes(b"kept")
    changed = replace(result, label="other", frames={"flow": result.frames["flow"] + 1})
    with monkeypatch.context() as patch:
        patch.setattr(Path, name, _full)
        with pytest.raises(OutputError, match=r"cannot write .*: No space left on device"):
            changed.save(folder)
    assert PreferredInput.open(folder) == result
    assert {path.name for path in folder.iterdir()} == {FILE, "picture.png"}


def test_a_place_that_cannot_be_written_to_is_said(result: PreferredInput, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for place in (tmp_path / "file", tmp_path / "file" / "wave", Path("/proc/marey/wave")):
        with pytest.raises(OutputError, match="cannot write"):
            result.save(place)


def test_saving_again_replaces_the_old_result(result: PreferredInput, tmp_path: Path) -> None:
    result.save(tmp_path)
    changed = replace(result, label="clap", frames={"flow": result.frames["flow"] * 2})
    assert PreferredInput.open(changed.save(tmp_path)) == changed


def test_a_folder_without_a_result_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(
        MareyError, match=r"holds no preferred input \(preferred_input.safetensors\)\. Make it with `marey maximize`"
    ):
        PreferredInput.open(tmp_path)
    with pytest.raises(MareyError, match="holds no preferred input"):
        PreferredInput.open(tmp_path / "absent")


def test_a_result_of_an_earlier_version_is_said_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "preferred_input.json").write_text("{}")
    with pytest.raises(MareyError, match="holds one of an earlier marey, which this one does not read"):
        PreferredInput.open(tmp_path)


def _metadata(values: object) -> bytes:
    return save({"history": torch.zeros(1)}, metadata={"marey": json.dumps(values)})


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x04\x95garbage" * 9,
        save({"history": torch.zeros(1)}),
        save({"history": torch.zeros(1)}, metadata={"marey": "{"}),
        _metadata([]),
        _metadata({"format": 99}),
        _metadata({"format": FORMAT}),
        _metadata({"format": FORMAT, "streams": 3}),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(MareyError, match=r"is damaged|has format") as caught:
        PreferredInput.open(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["streams", "scores", "history", "provenance", "source"])
def test_a_file_that_lacks_something_is_damaged(result: PreferredInput, tmp_path: Path, key: str) -> None:
    folder = result.save(tmp_path)
    values = {name: value for name, value in result.to_json().items() if name != key}
    tensors = {"frames.flow": result.frames["flow"], "history": result.history}
    kept = {name: tensor.contiguous() for name, tensor in tensors.items() if name != key}
    (folder / FILE).write_bytes(save(kept, metadata={"marey": json.dumps(values)}))
    with pytest.raises(MareyError, match=rf"is damaged: .*'{key}'.*Make it again"):
        PreferredInput.open(folder)


def test_the_frames_of_one_slowness_are_a_batch_for_the_network(result: PreferredInput) -> None:
    network = _network()
    with torch.no_grad():
        score = network.activations(result.inputs(1), ["3"])["3"][0, 0, 0, 0, 0]
    assert result.relative(float(score)) == pytest.approx(result.scores[1], rel=1e-3)


def test_a_response_is_relative_to_the_range_of_the_unit(result: PreferredInput) -> None:
    known = replace(result, ordinary=-16.0, reach=8.0)
    assert (known.relative(-16.0), known.relative(-8.0), known.relative(-20.0)) == (0.0, 1.0, -0.5)
    assert replace(result, ordinary=None, reach=None).relative(1.0) is None


def _plain(result: PreferredInput) -> dict[str, torch.Tensor]:
    """The tensors as formats before 5 had them, all in 32 bits."""
    return {"frames.flow": result.frames["flow"].contiguous(), "history": result.history.contiguous()}


def _saved(result: PreferredInput, folder: Path, changes: dict[str, Any]) -> Path:
    """The result as format 2 had it, which had no checksums, with other values."""
    tensors = _plain(result)
    text = json.dumps({**result.to_json(), "format": 2, **changes})
    (folder / FILE).write_bytes(save(tensors, metadata={"marey": text}))
    return folder


def test_a_result_of_format_2_still_opens(result: PreferredInput, tmp_path: Path) -> None:
    assert PreferredInput.open(_saved(result, tmp_path, {})) == result


@pytest.mark.parametrize("number", [3, 4])
def test_results_of_formats_3_and_4_still_open_and_stay_exact(
    result: PreferredInput, tmp_path: Path, number: int
) -> None:
    old = replace(result, frames={"flow": result.frames["flow"] + 1e-3})
    values = signed({**old.to_json(), "format": number}, beside=tensors_hash(_plain(old)))
    (tmp_path / FILE).write_bytes(save(_plain(old), metadata={"marey": json.dumps(values)}))
    opened = PreferredInput.open(tmp_path)
    assert opened == old
    assert PreferredInput.open(opened.save(tmp_path)) == old


def test_frames_are_made_in_whole_steps_and_held_in_16_bits(result: PreferredInput, tmp_path: Path) -> None:
    steps = result.frames["flow"] * 32  # 1/32 is the power of two next below 2 / 40
    assert torch.equal(steps, steps.round()) and float(steps.abs().max()) > 1
    size = (result.save(tmp_path) / FILE).stat().st_size
    path = replace(result, frames={"flow": result.frames["flow"] + 1e-3}).save(tmp_path / "other") / FILE
    assert path.stat().st_size - size > 2 * result.frames["flow"].numel()


def test_packed_bytes_that_are_too_few_or_too_many_are_damaged(result: PreferredInput, tmp_path: Path) -> None:
    values = {**result.to_json(), "packed": {"frames.flow": {"shape": [2, 2, 5, 8, 9], "step": 0.5}}}
    small = packed(result.frames["flow"])
    assert small is not None
    tensors = {"frames.flow": small[0], "history": result.history.contiguous()}
    (tmp_path / FILE).write_bytes(save(tensors, metadata={"marey": json.dumps(values)}))
    with pytest.raises(MareyError, match=r"is damaged: .*Make it again"):
        PreferredInput.open(tmp_path)


@pytest.mark.parametrize("seed", range(8))
def test_a_flipped_bit_is_noticed(result: PreferredInput, tmp_path: Path, seed: int) -> None:
    path = result.save(tmp_path) / FILE
    content = bytearray(path.read_bytes())
    chance = random.Random(seed)
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)
    with pytest.raises(MareyError, match=r"preferred_input\.safetensors' is damaged: .*`marey maximize`|has format"):
        PreferredInput.open(tmp_path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"slowness": ["fast", 5.0]}, r"'slowness\[0\]' is \"fast\"; expected a number"),
        ({"scores": [1.0]}, "'scores' is a list of 1, and 'slowness' of 2"),
        ({"slowness": [], "scores": []}, "'scores' is a list of 0"),
        ({"streams": []}, r"its tensors are .*; expected"),
        ({"notes": [["dead"], 3]}, r"'notes\[1\]' is 3; expected a list"),
        ({"color": "red"}, "'color' is not known"),
    ],
)
def test_a_wrong_value_is_named(result: PreferredInput, tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(MareyError, match=said):
        PreferredInput.open(_saved(result, tmp_path, changes))
