"""What a computation takes is counted before it is killed, and what is free is the least of all limits."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from marey.accelerate.memory import Allocated, NotEnoughMemoryError, _control_groups, clips_that_fit, free_memory
from marey.errors import MareyError
from marey.maximization.recipe import Recipe
from marey.maximization.run import maximize
from marey.network.maxima import Maxima
from marey.network.network import Network
from marey.network.stream import rgb_frames

CPU = torch.device("cpu")
MIB = 2**20


def _take(clips: int, each: int = MIB) -> Tensor:
    return torch.ones(clips, each // 4) + 1  # two of them at once


def test_what_tensors_take_at_once_is_counted_and_views_are_not() -> None:
    with Allocated(CPU) as allocated:
        for _ in range(5):
            kept = _take(2).view(-1)[:10].unsqueeze(0)
        assert kept.shape == (1, 10)
    assert 6 * MIB <= allocated.peak < 6.1 * MIB, "two new ones while the last is kept"


def test_gradients_are_counted_with_what_they_keep() -> None:
    def peak(layers: int) -> int:
        module = nn.Sequential(*(nn.Softplus() for _ in range(layers)))
        leaf = torch.ones(MIB // 4, requires_grad=True)
        with Allocated(CPU) as allocated:
            module(leaf).sum().backward()
        return allocated.peak

    assert peak(8) - peak(4) == 4 * MIB


def test_a_computation_that_takes_more_than_there_is_is_stopped() -> None:
    words = r"needs more than 0\.0 GB of memory, and 0\.0 GB are free"
    with pytest.raises(NotEnoughMemoryError, match=words), Allocated(CPU, limit=3 * MIB):
        _take(2)


@pytest.mark.parametrize(("free", "most"), [(100, 16), (64, 16), (60, 8), (32, 8), (17, 4), (4, 1), (2.5, 1)])
def test_as_many_clips_as_fit_half_of_what_is_free(monkeypatch: pytest.MonkeyPatch, free: float, most: int) -> None:
    monkeypatch.setattr("marey.accelerate.memory.free_memory", lambda: int(free * MIB))
    assert clips_that_fit(_take, 16, device=CPU) == most


def test_what_all_clips_share_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("marey.accelerate.memory.free_memory", lambda: 60 * MIB)

    def step(clips: int) -> Tensor:
        shared = torch.ones(10 * MIB // 4)
        return _take(clips) + shared[0]

    assert clips_that_fit(step, 16, device=CPU) == 8


def test_a_single_clip_that_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("marey.accelerate.memory.free_memory", lambda: MIB)
    with pytest.raises(NotEnoughMemoryError):
        clips_that_fit(_take, 16, device=CPU)


def _network() -> Network:
    torch.manual_seed(0)
    layers = [nn.Conv3d(3, 64, 1), nn.ReLU(), nn.Conv3d(64, 64, 1), nn.AdaptiveAvgPool3d(1), nn.Flatten()]
    return Network(nn.Sequential(*layers, nn.Linear(64, 3)), [rgb_frames(2, size=32)], classes=["a", "b", "c"])


def test_an_input_for_which_there_is_no_memory_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    network = _network()
    network.layers  # noqa: B018
    monkeypatch.setattr("marey.accelerate.memory.free_memory", lambda: MIB // 4)
    with pytest.raises(MareyError) as caught:
        maximize(network, "a", recipe=Recipe(steps=1), maxima=Maxima({"5": torch.ones(3)}))
    message = str(caught.value)
    assert message.startswith("memory ran out with a single input of a (rgb (3, 2, 32, 32)): it needs more than 0.0 GB")
    assert "use smaller input" in message and "\n" not in message


def test_with_little_memory_passes_are_smaller_and_results_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Recipe(steps=3, precision="fp32")
    maxima = Maxima({"5": torch.ones(3)})
    plenty = maximize(_network(), ["a", "b", "c"], recipe=recipe, maxima=maxima)
    monkeypatch.setattr("marey.accelerate.memory.free_memory", lambda: 16 * MIB)
    little = maximize(_network(), ["a", "b", "c"], recipe=recipe, maxima=maxima)
    passes = [one[0].provenance["arithmetic"]["clips_per_pass"] for one in (plenty, little)]
    assert passes[0] == 12 and passes[1] < 6
    for one, other in zip(plenty, little, strict=True):
        torch.testing.assert_close(one.frames["rgb"], other.frames["rgb"], atol=1e-4, rtol=1e-4)


def _group(place: Path, files: dict[str, object]) -> None:
    place.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (place / name).write_text(f"{text}\n")


def test_control_groups_of_both_versions_are_asked_with_those_around_them(tmp_path: Path) -> None:
    own, root = tmp_path / "cgroup", tmp_path / "root"
    own.write_text("5:cpu,memory:/job/one\n0::/slice/run\n")
    stat = "anon 5\ninactive_file 30"
    _group(root / "slice" / "run", {"memory.max": "max", "memory.current": 10, "memory.stat": stat})
    _group(root / "slice", {"memory.max": 1000, "memory.current": 400, "memory.stat": stat})
    _group(root / "memory" / "job" / "one", {"memory.limit_in_bytes": 500, "memory.usage_in_bytes": 450})
    assert sorted(_control_groups(root, own)) == [50, 630]
    assert not list(_control_groups(root / "none", tmp_path / "none"))
    own.write_text("0::/not/seen/in/a/container\n")
    _group(root, {"memory.max": 100, "memory.current": 90})
    assert list(_control_groups(root, own)) == [10]


def test_a_limited_address_space_is_not_free() -> None:
    assert 2**20 < free_memory() < 2**50
    code = (
        "import resource; from marey.accelerate.memory import free_memory; "
        "resource.setrlimit(resource.RLIMIT_AS, (2**34, 2**34)); assert free_memory() < 2**34"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
