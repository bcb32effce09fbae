"""Files and folders are written whole or not at all, by any writer, beside any other process."""

import errno
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from marey.errors import OutputError
from marey.files import DRAFT_SUFFIX, replacing, replacing_files, write_json


@contextmanager
def small_disk(limit_bytes: int) -> Iterator[None]:
    """Let no file grow above the limit, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def content(folder: Path) -> dict[str, str]:
    """Every file below a folder, with its text."""
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_file_gets_its_name_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.txt"
    with replacing(path) as draft:
        draft.write_text("whole")
        assert not path.exists()
        assert [found.name for found in path.parent.iterdir()] == [draft.name]
    assert content(tmp_path) == {"new/folder/a.txt": "whole"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file_and_no_draft(tmp_path: Path, error: type[BaseException]) -> None:
    (tmp_path / "a.txt").write_text("old")

    def writes_half() -> None:
        with replacing(tmp_path / "a.txt") as draft:
            draft.write_text("half")
            raise error

    with pytest.raises(error):
        writes_half()
    assert content(tmp_path) == {"a.txt": "old"}


def test_a_full_disk_is_told_in_a_line_whoever_writes(tmp_path: Path) -> None:
    values = torch.zeros(50_000)
    path = tmp_path / "a"
    path.write_text("old")
    writers = {
        "File too large": lambda draft: draft.write_bytes(bytes(200_000)),
        "Error while serializing.*File too large": lambda draft: save_file({"a": values}, draft),
        "the file could not be written to its end": lambda draft: torch.save(values, draft),
    }
    for reason, write in writers.items():
        with (
            pytest.raises(OutputError, match=rf"cannot write '{path}': .*{reason}.* What was there is unchanged"),
            small_disk(10_000),
            replacing(path) as draft,
        ):
            write(draft)
        assert content(tmp_path) == {"a": "old"}


def test_a_disk_that_is_full_only_at_the_end_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left on device"), replacing(tmp_path / "a.txt") as draft:
        draft.write_text("whole, but only in memory")
    assert content(tmp_path) == {}


def test_errors_of_the_writer_that_are_not_the_disks_pass(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="a bug"), replacing(tmp_path / "a.txt"):
        raise RuntimeError("a bug")


def test_where_no_file_can_be_the_error_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path, reason in ((tmp_path / "file" / "a", "file' is a file"), (tmp_path, "it is no regular file")):
        with pytest.raises(OutputError, match=rf"cannot write '{path}': .*{reason}\."), replacing(path):
            pytest.fail("the block must not begin")
    with (
        pytest.raises(OutputError, match="is a file"),
        replacing_files(tmp_path / "file", last="record"),
    ):
        pytest.fail("the block must not begin")


def test_a_device_is_not_replaced_by_a_file() -> None:
    with pytest.raises(OutputError, match="it is no regular file"), replacing("/dev/null"):
        pytest.fail("the block must not begin")
    assert Path("/dev/null").is_char_device()


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "a.txt").symlink_to(tmp_path / "disk" / "a.txt")
    with replacing(tmp_path / "a.txt") as draft:
        draft.write_text("whole")
    assert (tmp_path / "a.txt").is_symlink()
    assert (tmp_path / "disk" / "a.txt").read_text() == "whole"


@pytest.mark.parametrize("mask", [0o022, 0o027])
def test_permissions_follow_the_umask_also_where_the_writer_has_its_own(tmp_path: Path, mask: int) -> None:
    with umask(mask):
        with replacing(tmp_path / "text") as draft:
            draft.write_text("whole")
        with replacing(tmp_path / "tensors") as draft:
            save_file({"a": torch.ones(1)}, draft)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o666 & ~mask}


def test_no_reader_takes_a_draft_for_a_file(tmp_path: Path) -> None:
    with replacing(tmp_path / "a.safetensors") as draft:
        assert draft.name.startswith(".") and draft.suffix == DRAFT_SUFFIX
        assert not list(tmp_path.glob("*.safetensors"))


_WRITER = """
import sys
from marey.files import replacing
print("ready", flush=True)
sys.stdin.read()
for turn in range(200):
    with replacing(sys.argv[1]) as draft:
        draft.write_text("b" * 10_000)
"""


def test_two_processes_that_write_one_file_leave_it_whole_at_every_moment(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    command = [sys.executable, "-c", _WRITER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin is not None and other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        other.stdin.close()
        seen = set()
        while other.poll() is None:
            with replacing(path) as draft:
                draft.write_text("a" * 10_000)
            seen.add(path.read_text())
    assert other.returncode == 0
    assert seen == {"a" * 10_000, "b" * 10_000}
    assert [found.name for found in tmp_path.iterdir()] == ["a.txt"]


def test_json_is_written_for_people_and_any_reader(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"scores": [0.5, None]})
    assert json.loads((tmp_path / "a.json").read_text()) == {"scores": [0.5, None]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"scores": [float("nan")]})
    assert json.loads((tmp_path / "a.json").read_text()) == {"scores": [0.5, None]}


OLD = {"frames": "old", "notes.txt": "of the user", "record": "old"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two files that belong together, and one of somebody else."""
    (tmp_path / "result").mkdir()
    for name, text in OLD.items():
        (tmp_path / "result" / name).write_text(text)
    return tmp_path / "result"


def write_pair(folder: Path, *, then: type[BaseException] | None = None) -> None:
    """Write new files into `folder`, and break off before the end where `then` says how."""
    with replacing_files(folder, last="record") as new:
        (new / "record").write_text("new")
        (new / "frames").write_text("new")
        if then is not None:
            raise then


def test_files_that_belong_together_change_together(folder: Path) -> None:
    with replacing_files(folder, last="record") as new:
        for name in ("record", "frames", "parts/0"):
            (new / name).parent.mkdir(exist_ok=True)
            (new / name).write_text("new")
        assert {name: text for name, text in content(folder).items() if not name.startswith(".")} == OLD
    assert content(folder) == {"frames": "new", "notes.txt": "of the user", "parts/0": "new", "record": "new"}
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("failing", range(4))
def test_when_any_move_fails_the_old_files_are_back(
    folder: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    moves, replace = iter(range(100)), Path.replace

    def breaking(self: Path, target: Path) -> Path:
        if next(moves) == failing:
            raise OSError(errno.EIO, "Input/output error")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", breaking)
    with pytest.raises(OutputError, match="Input/output error"):
        write_pair(folder)
    assert content(folder) == OLD


def test_a_crash_between_the_moves_leaves_no_mixture_that_a_reader_takes_for_whole(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, seen = Path.replace, []

    def watched(self: Path, target: Path) -> Path:
        found = replace(self, target)
        seen.append({name: text for name, text in content(folder).items() if name in ("record", "frames")})
        return found

    monkeypatch.setattr(Path, "replace", watched)
    write_pair(folder)
    assert len(seen) == 4
    assert all(len(set(files.values())) == 1 for files in seen if "record" in files)


def test_a_folder_that_an_error_leaves_empty_is_removed(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        write_pair(tmp_path / "new", then=KeyboardInterrupt)
    assert not list(tmp_path.iterdir())


def test_a_folder_without_its_last_file_is_not_written(folder: Path) -> None:
    with pytest.raises(OutputError, match="'record' was not written"), replacing_files(folder, last="record") as new:
        (new / "frames").write_text("new")
    assert content(folder) == OLD


def test_drafts_may_lie_elsewhere_on_the_same_disk(tmp_path: Path) -> None:
    with replacing_files(tmp_path / "whole", last="a", drafts=tmp_path / "unfinished") as new:
        assert new.is_relative_to(tmp_path / "unfinished")
        save_file({"a": torch.ones(1)}, new / "a")
    assert float(load_file(tmp_path / "whole" / "a")["a"]) == 1.0
    assert not list((tmp_path / "unfinished").iterdir())
