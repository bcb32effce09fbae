"""Results in one folder: names that every file system takes, each result whole, and what is there is not made again."""

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from marey.errors import OutputError
from marey.maximization.maximization import Maximization, Progress
from marey.maximization.recipe import Recipe
from marey.maximization.result import FILE, PreferredInput
from marey.maximization.result_folder import OVERVIEW, ResultFolder, folder_names, saved
from marey.maximization.run import maximize
from marey.network.network import Network

QUICK = Recipe(slowness=(0.0, 5.0), steps=3, precision="fp32")
CLASSES = ["run", "jack", "bend"]
ODD = ["a/b", "a_b", "a b", "A B", "..", ".", "", "CON", "con.txt", "x" * 300, "x" * 301, "\U0001f3c3", "nul", "é", "é",
       "dot.", "/etc", "-rf", OVERVIEW, "a\nb", "a\0b", "\ud800"]  # fmt: skip


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("conv5:3", "conv5-3"), ("a b/c", "a_b_c"), ("..", "unit"), ("", "unit"), ("COM1.x", "_COM1.x"),
        ("a:0 - 0.5 * b:1", "a-0_-_0.5___b-1"), ("fusion.conv5:21@2,7,7", "fusion.conv5-21-at-2-7-7"),
    ],
)  # fmt: skip
def test_every_label_has_a_file_name(label: str, name: str) -> None:
    assert folder_names([label]) == [name]


def test_labels_alike_are_numbered() -> None:
    assert folder_names(["a/b", "a_b", "a b", "A:B", "a_b.2"]) == ["a_b", "a_b.2", "a_b.3", "A-B", "a_b.2.2"]
    assert folder_names(["walk", "Walk"]) == ["walk", "Walk.2"], "for file systems that take both for one"


@settings(max_examples=60)
@given(st.lists(st.one_of(st.text(max_size=200), st.sampled_from(ODD)), max_size=12))
def test_any_names_become_folders_of_their_own_and_stay_so(labels: list[str]) -> None:
    names = folder_names(labels)
    assert len({name.casefold() for name in names}) == len(names) == len(labels)
    for name in names:
        assert 0 < len(name.encode()) < 140 and not set(name) & set('/\\:*?"<>|\0\n')
        assert name[0] not in ".-" and name[-1] not in ". " and name.casefold() != OVERVIEW
    if len(set(labels)) == len(labels):
        for kept in range(len(labels)):  # whichever one is there when the run goes on
            assert folder_names(labels, held={names[kept]: labels[kept]}) == names


def test_results_of_other_labels_and_files_keep_their_names() -> None:
    assert folder_names(["a b"], held={"a_b": "a/b", "a_b.2": None}) == ["a_b.3"]
    assert folder_names(["a b", "a/b"], held={"a_b": "a/b"}) == ["a_b.2", "a_b"]
    assert folder_names(["a b"], held={"A_B": "A B"}) == ["a_b.2"]


def test_odd_names_can_be_made_into_folders(tmp_path: Path) -> None:
    for name in ResultFolder(tmp_path, ODD).names:
        (tmp_path / name).mkdir()
    assert len(list(tmp_path.iterdir())) == len(ODD)


def _counted(network: Network, folder: Path, labels: list[str], **options: object) -> tuple[list[PreferredInput], int]:
    """The results, and how many steps it took."""
    steps: list[Progress] = []
    results = maximize(network, labels, folder=folder, callback=steps.append, **options)  # type: ignore[arg-type]
    return results, len(steps)


def test_a_run_that_was_stopped_goes_on_and_its_results_are_those_of_one_that_was_not(
    network: Network, tmp_path: Path
) -> None:
    recipe = replace(QUICK, batch=2)  # a batch for each
    whole, steps = _counted(network, tmp_path / "whole", CLASSES, recipe=recipe)
    assert steps == 9

    def stop(progress: Progress) -> None:
        if progress.done == 5:
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        maximize(network, CLASSES, recipe=recipe, folder=tmp_path / "parts", callback=stop)
    assert [place.name for place in (tmp_path / "parts").iterdir()] == ["run"], (
        "the first is complete, and no draft left"
    )
    before = (tmp_path / "parts" / "run" / FILE).stat().st_mtime_ns
    found, steps = _counted(network, tmp_path / "parts", CLASSES, recipe=recipe)
    assert found == whole and steps == 6
    assert (tmp_path / "parts" / "run" / FILE).stat().st_mtime_ns == before
    again, steps = _counted(network, tmp_path / "parts", CLASSES, recipe=recipe)
    assert again == whole and steps == 0


def test_what_was_made_with_other_settings_is_made_anew(network: Network, tmp_path: Path) -> None:
    maximize(network, CLASSES, recipe=QUICK, folder=tmp_path)

    def missing(**options: object) -> int:
        run = Maximization(network, CLASSES, **{"recipe": QUICK, **options})  # type: ignore[arg-type]
        same, other = ResultFolder(tmp_path, run.labels).found(run)
        assert len(same) + len(other) == 3
        return len(other)

    assert missing() == missing(recipe=replace(QUICK, batch=1)) == 0
    for change in ({"steps": 4}, {"seed": 1}, {"weight": 3.0}, {"bounds": {"flow": 1.0}}, {"slowness": (0.0,)}):
        assert missing(recipe=replace(QUICK, **change)) == 3  # type: ignore[arg-type]
    with torch.no_grad():
        next(network.module.parameters()).add_(1e-3)
    assert missing() == 3
    results, steps = _counted(network, tmp_path, ["run"], recipe=QUICK)
    assert steps == 3 and PreferredInput.open(tmp_path / "run") == results[0]


def test_an_interrupted_result_is_kept_and_made_again(network: Network, tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        raise KeyboardInterrupt

    (first,) = maximize(network, ["run"], recipe=QUICK, folder=tmp_path, callback=stop)
    assert first.interrupted and PreferredInput.open(tmp_path / "run") == first
    (second,) = maximize(network, ["run"], recipe=QUICK, folder=tmp_path)
    assert not second.interrupted and PreferredInput.open(tmp_path / "run") == second


def test_a_result_never_lies_beside_pictures_of_another(network: Network, tmp_path: Path) -> None:
    result = maximize(network, "run", recipe=QUICK)
    folder = ResultFolder(tmp_path, ["run"], pictures=["*.png"])

    def draw(name: str, word: str) -> Callable[[PreferredInput, Path], object]:
        return lambda _, place: (place / name).write_text(word)

    def fail(_: PreferredInput, place: Path) -> None:
        raise OSError(28, "No space left on device")

    folder.write("run", result, draw("old.png", "old"))
    (tmp_path / "run" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"cannot write .*: No space left on device"):
        folder.write("run", result, fail)
    assert sorted(file.name for file in (tmp_path / "run").iterdir()) == ["notes.txt", "old.png", FILE]
    assert folder.open("run") == result
    folder.write("run", result, draw("new.png", "new"))
    assert {file.name for file in (tmp_path / "run").iterdir()} == {"notes.txt", "new.png", FILE}
    assert [place.name for place in tmp_path.iterdir()] == ["run"]


def test_drafts_of_the_dead_are_removed_and_those_of_the_living_are_not(tmp_path: Path) -> None:
    stale = tmp_path / f".{'0' * 32}.part"
    stale.mkdir()
    (stale / FILE).write_bytes(b"half")
    other = tmp_path / ".mine.part"
    other.mkdir()
    with ResultFolder(tmp_path, []).draft() as alive:
        assert not stale.exists()
        code = f"from marey.maximization.result_folder import ResultFolder; ResultFolder({str(tmp_path)!r}, [])"
        subprocess.run([sys.executable, "-c", code], check=True)
        assert alive.exists()
    assert [place.name for place in tmp_path.iterdir()] == [".mine.part"]


def test_a_name_that_the_disk_refuses_is_told_before_anything_is_computed(tmp_path: Path) -> None:
    deep = tmp_path
    while len(str(deep)) < 3980:
        deep /= "d" * 100
    try:
        deep.mkdir(parents=True)
    except OSError:
        pytest.skip("no path of that length can be made here")
    with pytest.raises(OutputError, match="cannot write"):
        ResultFolder(deep, ["x" * 300])


def test_several_results_of_one_label_have_folders_of_their_own(network: Network, tmp_path: Path) -> None:
    run = Maximization(network, ["run", "run"], recipe=QUICK)
    assert [place for place, _ in saved(run, ResultFolder(tmp_path, run.labels))] == [0, 1]
    assert sorted(place.name for place in tmp_path.iterdir()) == ["run", "run.2"]


_KILLED = """
import sys, time, torch
from torch import nn
import marey
from marey.maximization.run import maximize
torch.manual_seed(0)
module = nn.Sequential(nn.Conv3d(3, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(4, 6))
network = marey.Network(module, [marey.rgb_frames(2, size=12)], classes=list("abcdef"))
recipe = marey.Recipe(slowness=(0.0, 5.0), steps=4, batch=2)
maximize(network, list("abcdef"), recipe=recipe, folder=sys.argv[1], callback=lambda _: time.sleep(float(sys.argv[2])))
"""


@pytest.mark.slow
def test_killed_at_any_time_the_same_call_goes_on_to_equal_results(tmp_path: Path) -> None:
    def call(folder: str, wait: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", _KILLED, str(tmp_path / folder), wait])

    assert call("whole", "0").wait() == 0
    for count in range(1, 6, 2):  # killed once so many results are there
        running = call("killed", "0.05")
        while len(list((tmp_path / "killed").glob(f"*/{FILE}"))) < count and running.poll() is None:
            time.sleep(0.01)
        running.kill()
        running.wait()
        for place in (tmp_path / "killed").glob("[a-z]"):
            PreferredInput.open(place)
    assert call("killed", "0").wait() == 0
    assert sorted(place.name for place in (tmp_path / "killed").iterdir()) == list("abcdef")
    for label in "abcdef":
        assert PreferredInput.open(tmp_path / "killed" / label) == PreferredInput.open(tmp_path / "whole" / label)
