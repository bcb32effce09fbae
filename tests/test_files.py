"""Files are written whole or not at all, by any writer, beside any other process."""

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from marey.errors import OutputError
from marey.files import DRAFT_SUFFIX, replacing


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
