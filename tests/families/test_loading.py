"""A network is named by its file, or by a function of the user's own, whose failures are told in one line."""

import sys
from pathlib import Path

import pytest
import torch

import marey
from marey.errors import MareyError, NetworkError, WeightsError
from marey.families.loading import FAMILIES, keep_maxima, load, provenance
from marey.families.network_file import NetworkFile, open_network, save
from marey.families.two_stream import TwoStream
from marey.network.maxima import Maxima

CODE = """
from torch import nn
import marey

def network():
    return marey.Network(nn.Sequential(nn.Conv3d(3, 4, 3)), [marey.rgb_frames(3, size=8)], name="mine")

def wrong():
    return nn.Conv3d(3, 4, 3)

def fails():
    raise ValueError("no weights\\nhere")

def asks(size):
    return None

def stops():
    raise marey.MareyError("one line of the user's own")

number = 3
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    module = TwoStream(2, size=32, width=1 / 16, frames=1, stack=2)
    path = tmp_path / "net.safetensors"
    save(NetworkFile(module, module.input_streams(), ("left", "right"), {"data": "made", "seed": 1}), path)
    return path


@pytest.fixture
def code(tmp_path: Path) -> Path:
    path = tmp_path / "json.py"  # called as a library is
    path.write_text(CODE)
    return path


def test_a_file_gives_its_network_with_the_name_of_the_file(file: Path) -> None:
    network = load(file)
    opened = open_network(file)
    assert (network.name, network.classes, network.streams) == ("net", ("left", "right"), opened.streams)
    assert network.weights_hash == opened.network().weights_hash and not network.module.training
    assert provenance(file) == {"data": "made", "seed": 1} and provenance("net.py:make") == {}


def test_kept_maxima_come_back_with_their_source(file: Path) -> None:
    scores = torch.tensor([1.0, 2.0])
    kept = Maxima({"scores": scores}, {"scores": scores / 2}, {"scores": -scores}, {"flow": 3.5}, "9 real clips")
    keep_maxima(kept, file)
    found = load(file).maxima
    assert found is not None and found.layers == ("scores",) and found.tensors().keys() == kept.tensors().keys()
    assert all(found.tensors()[name].equal(values) for name, values in kept.tensors().items())
    assert dict(found.bounds) == {"flow": 3.5} and found.source == "9 real clips"
    assert provenance(file) == {"data": "made", "seed": 1}


def test_layers_measured_anew_replace_their_maxima_and_leave_the_others(file: Path) -> None:
    one, two = torch.ones(1), torch.full((1,), 2.0)
    keep_maxima(Maxima({"a": one, "b": one}, {"a": one, "b": one}, source="generated clips"), file)
    keep_maxima(Maxima({"b": two}, bounds={"flow": 2.0}, source="real clips"), file)
    found = open_network(file).maxima
    assert found is not None and found.largest["a"].equal(one) and found.largest["b"].equal(two)
    assert set(found.largest_mean) == {"a"}
    assert found.source == "real clips; other layers: generated clips" and dict(found.bounds) == {"flow": 2.0}
    keep_maxima(Maxima({"b": one}, source="real clips"), file)
    assert getattr(open_network(file).maxima, "source", "") == "real clips; other layers: generated clips"
    keep_maxima(Maxima({"a": one, "b": one}, source="other clips"), file)
    assert getattr(open_network(file).maxima, "source", "") == "other clips"


def test_a_function_of_the_users_own_gives_its_network(code: Path) -> None:
    import json

    network = load(f"{code}:network")
    assert network.name == "mine" and network.layer("0").units == 4
    assert sys.modules["json"] is json and str(code.parent) not in sys.path


def test_the_users_code_finds_what_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "beside_marey_test.py").write_text(CODE)
    (tmp_path / "mine.py").write_text("from beside_marey_test import network\n")
    assert load(f"{tmp_path / 'mine.py'}:network").name == "mine"


def test_a_module_in_the_current_folder_may_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "module_marey_test.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    assert load("module_marey_test:network").name == "mine"


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("netwrk", "has no function 'netwrk'; expected one that returns a marey.Network"),
        ("number", "has no function 'number'"),
        ("wrong", "returned Conv3d; expected a marey.Network"),
        ("fails", "failed with ValueError: no weights; expected a function without arguments"),
        ("asks", "failed with TypeError: .*size.*; expected a function without arguments"),
        ("stops", "^one line of the user's own$"),
    ],
)
def test_a_function_that_gives_no_network_is_an_error(code: Path, function: str, said: str) -> None:
    with pytest.raises(MareyError, match=said) as caught:
        load(f"{code}:{function}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("absent.py:network", "there is no file 'absent.py'"),
        ("no_such_module_marey:network", "failed with ModuleNotFoundError: No module named 'no_such_module_marey'"),
        (":network", "failed with ValueError"),
    ],
)
def test_code_that_is_not_there_is_an_error(source: str, said: str) -> None:
    with pytest.raises(NetworkError, match=said):
        load(source)


def test_code_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("def network(:\n")
    with pytest.raises(NetworkError, match="failed with SyntaxError"):
        load(f"{tmp_path / 'broken.py'}:network")


def test_what_is_no_network_file_says_what_would_be_one(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"there is no network .*absent.*; expected a .safetensors file, or file.py"):
        load(tmp_path / "absent")
    (tmp_path / "net.pt").touch()
    with pytest.raises(WeightsError, match=r"is no network file; expected .safetensors .*load_weights"):
        load(tmp_path / "net.pt")
    with pytest.raises(WeightsError, match="no file of weights at"):
        load(tmp_path / "absent.safetensors")


def test_load_is_public() -> None:
    assert marey.load is load


class FrameCounts:
    """A family of the tests: "counts/4" is a network that sees four frames."""

    def matches(self, source: str) -> bool:
        return source.startswith("counts/")

    def load(self, source: str) -> marey.Network:
        frames = int(source.removeprefix("counts/"))
        return marey.Network(torch.nn.Conv3d(3, 2, 1), [marey.rgb_frames(frames, size=8)], name=source)


def test_a_family_of_ones_own_is_asked_before_the_shipped_ones(file: Path) -> None:
    assert load("counts/4", families=[FrameCounts()]).streams[0].frames == 4
    assert load(file, families=[FrameCounts()]).name == "net"
    with pytest.raises(WeightsError, match="there is no network 'counts/4'"):
        load("counts/4")


@pytest.mark.parametrize(
    ("source", "family"),
    [
        ("motion-studies", "bundled"),
        ("motion-studies-untrained", "bundled"),
        ("motion-studies.safetensors", "network_file"),
        ("C:/networks/mine.safetensors", "network_file"),
        ("networks.py:mine", "own_code"),
        ("package.module:mine", "own_code"),
        ("network.pt", None),
    ],
)
def test_each_source_belongs_to_one_family(source: str, family: str | None) -> None:
    found = [str(getattr(one, "__name__", "")) for one in FAMILIES if one.matches(source)]
    assert [name.rpartition(".")[2] for name in found[:1]] == ([] if family is None else [family])
