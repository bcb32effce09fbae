"""Files of networks: what is saved is what is opened, and nothing is ever half written."""

import errno
import hashlib
import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from torch import nn

from marey.errors import NetworkError, OutputError, WeightsError
from marey.families.network_file import NetworkFile, open_network, save
from marey.families.two_stream import TwoStream
from marey.families.weight_files import read_tensors
from marey.families.weights import take_weights, weights_hash
from marey.network.maxima import Maxima
from marey.network.weights_hash import tensors_hash


def small(seed: int = 0, **options: Any) -> TwoStream:
    torch.manual_seed(seed)
    given_options = {"size": 32, "width": 1 / 16, "frames": 2, "stack": 3, "step": 2} | options
    return TwoStream(3, **given_options).eval()


def filed(seed: int = 0, **options: Any) -> NetworkFile:
    module = small(seed, **options)
    return NetworkFile(
        module,
        module.input_streams(rate=12.5),
        ("bend", "jack", "wave"),
        {"data": "clips", "epochs": 3, "accuracy": 0.9, "seed": None, "split": {"held out": ["ido"]}},
        Maxima(
            {"fusion.conv5": torch.rand(32), "scores": torch.tensor([1.0, -2.0, 3.0])},
            {"scores": torch.tensor([0.5, -2.5, 2.0])},
            {"scores": torch.tensor([-1.0, -3.0, 0.0])},
            {"flow": 4.0},
            "12 clips of tests",
        ),
    )


def small_file(folder: Path) -> Path:
    path = folder / "net.safetensors"
    save(filed(), path)
    return path


def same(one: Maxima | None, other: Maxima | None) -> bool:
    """Whether two maxima are the same values from the same source."""
    if one is None or other is None:
        return one is other
    tensors = one.tensors(), other.tensors()
    return (
        (one.bounds, one.source) == (other.bounds, other.source)
        and tensors[0].keys() == tensors[1].keys()
        and all(tensors[1][name].equal(values) for name, values in tensors[0].items())
    )


def with_description(path: Path, changes: dict[str, Any], tensors: dict[str, torch.Tensor] | None = None) -> None:
    """Change what a file says of itself, and sign it again; `tensors` take the place of those in it."""
    with safe_open(path, framework="pt") as file:
        held = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        about = json.loads(file.metadata()["marey"]) | changes
    about.pop("sha256")
    signed = {"sha256": hashlib.sha256(json.dumps(about).encode()).hexdigest()} | about
    safetensors.torch.save_file(held if tensors is None else tensors, path, metadata={"marey": json.dumps(signed)})


@contextmanager
def full_disk(free_bytes: int) -> Iterator[None]:
    """Files stop growing at `free_bytes`, as they do when the disk or the quota is used up."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (free_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("options", [{}, {"norm": "batch", "fusion": "conv3", "auxiliary": True}, {"fusion": "late"}])
def test_an_opened_network_is_the_saved_one(tmp_path: Path, options: dict[str, Any]) -> None:
    file = filed(**options)
    path = tmp_path / "net.safetensors"
    save(file, path)
    opened = open_network(path)
    assert isinstance(opened.module, TwoStream)
    assert opened.module.config == file.module.config
    assert opened.streams == file.streams
    assert opened.classes == file.classes
    assert opened.provenance == file.provenance
    assert same(opened.maxima, file.maxima)
    assert weights_hash(opened.module) == weights_hash(file.module)
    inputs = [stream.to_network(torch.rand(1, *stream.shape)) for stream in file.streams]
    assert torch.equal(opened.module(*inputs), file.module(*inputs))
    assert not opened.module.training
    assert all(values.requires_grad for values in opened.module.parameters())


def test_weights_keep_their_type_whatever_their_order_in_memory(tmp_path: Path) -> None:
    module = small().to(torch.bfloat16)
    for values in module.parameters():
        if values.ndim == 4:
            values.data = values.data.contiguous(memory_format=torch.channels_last)
    save(NetworkFile(module, ()), tmp_path / "net.safetensors")
    opened = open_network(tmp_path / "net.safetensors").module
    assert {values.dtype for values in opened.parameters()} == {torch.bfloat16}
    assert weights_hash(opened) == weights_hash(module)


def test_opening_and_saving_give_the_same_bytes(tmp_path: Path) -> None:
    path = small_file(tmp_path)
    save(open_network(path), tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()


def test_opening_a_network_draws_no_random_numbers(tmp_path: Path) -> None:
    path = small_file(tmp_path)
    before = torch.get_rng_state()
    open_network(path)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.fixture(scope="module")
def whole_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest network in a file, to which tests do not write."""
    module = small(fc=8)
    path = tmp_path_factory.mktemp("whole") / "net.safetensors"
    save(NetworkFile(module, module.input_streams(), ("a", "b", "c"), {"seed": 1}), path)
    return path


@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), in_header=st.booleans())
def test_a_flipped_bit_never_goes_unnoticed(whole_file: Path, place: float, bit: int, in_header: bool) -> None:
    path = whole_file.with_name("flipped.safetensors")
    content = bytearray(whole_file.read_bytes())
    end = 8 + int.from_bytes(content[:8], "little") if in_header else len(content)
    content[int(place * end)] ^= 1 << bit
    path.write_bytes(content)
    try:
        opened = open_network(path)
    except WeightsError as error:
        assert "\n" not in str(error)  # noqa: PT017  either outcome is right
    else:  # spaces that fill the header up carry nothing
        assert weights_hash(opened.module) == weights_hash(open_network(whole_file).module)
        assert opened.provenance == {"seed": 1}


def test_plain_tensors_are_not_a_network(tmp_path: Path) -> None:
    safetensors.torch.save_file(small().state_dict(), tmp_path / "net.safetensors")
    with pytest.raises(WeightsError, match="no description of a network; build the network and use load_weights"):
        open_network(tmp_path / "net.safetensors")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 3}, "holds TwoStream in format 3; this version opens formats up to 2 of TwoStream"),
        ({"architecture": "ThreeStream"}, "holds ThreeStream in format 2"),
        ({"config": {"classes": 3, "size": 100}}, "cannot build: size 100 does not divide by 32"),
        ({"config": {"classes": 3, "color": "red"}}, "cannot build: .*color"),
        ({"config": {"classes": 3, "size": 32}}, "does not fit this TwoStream"),
        ({"streams": [{"name": "rgb"}]}, r"'streams\[0\]\.kind' is missing"),
    ],
)
def test_a_network_of_another_version_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = small_file(tmp_path)
    with_description(path, changes)
    with pytest.raises(WeightsError, match=message):
        open_network(path)


def test_a_file_of_format_1_gives_its_largest_responses_and_bounds(tmp_path: Path) -> None:
    path, scores = tmp_path / "net.safetensors", torch.tensor([1.0, -2.0, 3.0])
    module = small()
    save(NetworkFile(module, module.input_streams()), path)
    weights, maxima = dict(module.state_dict()), {"scores": scores}
    about = {"format": 1, "provenance": {"seed": 1, "bounds": {"flow": 3.5}}, "maxima_hash": tensors_hash(maxima)}
    with_description(path, about, weights | {"maxima/scores": scores})
    opened = open_network(path)
    assert same(opened.maxima, Maxima(maxima, bounds={"flow": 3.5}, source="clips that its file does not name"))
    assert opened.provenance == {"seed": 1} and read_tensors(path).keys() == weights.keys()
    save(opened, path)
    assert same(open_network(path).maxima, opened.maxima)


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    path = small_file(tmp_path)
    before = path.read_bytes()
    with (
        full_disk(len(before) // 2),
        pytest.raises(OutputError, match=r"cannot write '.*net\.safetensors'"),
    ):
        save(filed(seed=1), path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["net.safetensors"]


@pytest.mark.parametrize("moment", ["fsync", "replace"])
@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), KeyboardInterrupt()])
def test_a_save_that_breaks_off_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str, failure: BaseException
) -> None:
    path = small_file(tmp_path)
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr(*{"fsync": (os, "fsync"), "replace": (Path, "replace")}[moment], fail)
    with pytest.raises((OutputError, KeyboardInterrupt)):
        save(filed(seed=1), path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["net.safetensors"]


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot write '.*'"):
        save(filed(), tmp_path / "file" / "net.safetensors")
    (tmp_path / "folder.safetensors").mkdir()
    with pytest.raises(OutputError, match=r"cannot write '.*folder"):
        save(filed(), tmp_path / "folder.safetensors")
    with pytest.raises(OutputError, match=r"does not end in \.safetensors"):
        save(filed(), tmp_path / "net.pt")


def test_what_cannot_be_opened_again_is_not_saved(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    module = small()
    with pytest.raises(NetworkError, match="Linear cannot be built again from a file; known architectures: TwoStream"):
        save(NetworkFile(nn.Linear(2, 2), ()), path)
    with pytest.raises(NetworkError, match="cannot be described as JSON"):
        save(NetworkFile(module, (), provenance={"when": object()}), path)
    assert not path.exists()


def test_half_a_file_gives_the_network_of_32_bits_with_rounded_weights(tmp_path: Path) -> None:
    file = filed()
    save(file, tmp_path / "whole.safetensors")
    save(file, tmp_path / "half.safetensors", half=True)
    whole, half = (open_network(tmp_path / f"{name}.safetensors") for name in ("whole", "half"))
    for name, values in whole.module.state_dict().items():
        rounded = half.module.state_dict()[name]
        assert rounded.dtype == values.dtype and torch.allclose(rounded, values, rtol=1e-3, atol=1e-6)
    assert same(half.maxima, whole.maxima)
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("whole", "half")]
    assert sizes[1] < 0.6 * sizes[0]
    save(half, tmp_path / "again.safetensors", half=True)
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "half.safetensors").read_bytes()


def test_weights_too_large_for_half_a_file_are_told(tmp_path: Path) -> None:
    file = filed()
    with torch.no_grad():
        next(file.module.parameters()).view(-1)[0] = 1e6
    with pytest.raises(NetworkError, match=r"weight of 1e\+06 does not fit into 16 bits"):
        save(file, tmp_path / "net.safetensors", half=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("half", [False, True])
def test_weights_that_another_network_holds_too_are_not_written_but_taken_from_it(tmp_path: Path, half: bool) -> None:
    torch.manual_seed(0)
    base, module = (TwoStream(3, size=32, width=0.05, frames=1, fc=8, fusion=fusion) for fusion in ("conv5", "late"))
    save(NetworkFile(base, base.input_streams()), tmp_path / "base.safetensors", half=half)
    base = open_network(tmp_path / "base.safetensors").module  # as rounded as it is kept
    take_weights(module, base)
    whole, path = tmp_path / "whole.safetensors", tmp_path / "part.safetensors"
    file = NetworkFile(module, module.input_streams(), ("a", "b", "c"))
    save(file, whole, half=half)
    save(file, path, half=half, base=base)
    assert path.stat().st_size < 0.5 * whole.stat().st_size
    assert weights_hash(open_network(path, base=base).module) == weights_hash(open_network(whole).module)
    for other in (None, module):
        with pytest.raises(WeightsError, match="holds only those weights that differ from the network"):
            open_network(path, base=other)
