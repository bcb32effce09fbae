"""The flow of a video is written whole or not at all, whenever the process that writes it is killed."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from marey.video.flow import files as files_module
from marey.video.flow.files import DENSEFLOW, I3D, TWO_STREAM, FlowFiles, numbered_images, write_flow
from marey.video.flow.stored import StoredFlow, _begun

BEFORE, AFTER = torch.full((3, 2, 8, 8), 5.0), torch.full((2, 2, 8, 8), -5.0)


def killed(work: Callable[[], None], monkeypatch: pytest.MonkeyPatch, step: int) -> bool:
    """Do the work in a process that ends, without any clean-up, before its file operation number `step`."""
    pid = os.fork()
    if pid == 0:
        left = step

        def counted(original: Callable[..., object]) -> Callable[..., object]:
            def call(*given: object, **options: object) -> object:
                nonlocal left
                left -= 1
                if left < 0:
                    os._exit(9)
                return original(*given, **options)

            return call

        for name in ("replace", "unlink", "touch", "mkdir", "open"):
            monkeypatch.setattr(Path, name, counted(getattr(Path, name)))
        try:
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9


def values(folder: Path, files: FlowFiles) -> list[float] | None:
    stored = _begun(folder, "v_01", files)
    if stored is None or not stored.images:
        return None
    found = stored.fields(list(stored.images.values()), (8, 8))
    return [round(float(field.float().mean())) for field in found]


@pytest.mark.parametrize(("files", "anew"), [(DENSEFLOW, False), (DENSEFLOW, True), (TWO_STREAM, False), (I3D, False)])
def test_a_killed_process_leaves_the_old_flow_or_the_new_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: FlowFiles, anew: bool
):
    step, seen = 0, []
    while True:
        folder = tmp_path / str(step)
        if not anew:
            write_flow(folder, "v_01", BEFORE, files=files)
        ended = not killed(lambda folder=folder: write_flow(folder, "v_01", AFTER, files=files), monkeypatch, step)
        seen.append(values(folder, files))
        write_flow(folder, "v_01", AFTER, files=files)
        assert values(folder, files) == [-5, -5]
        assert len([path for path in folder.rglob("*") if path.is_file()]) == 4  # no draft, no image of before
        if ended:
            break
        step += 1
    assert step > 10 and seen[-1] == [-5, -5]
    assert all(one in ([-5, -5], None if anew else [5] * 3, None) for one in seen)


def test_images_of_others_are_left_alone(tmp_path: Path):
    write_flow(tmp_path, "v_01", BEFORE, files=DENSEFLOW)
    other = tmp_path / "v_01" / "flow_x_00009.png"
    other.touch()
    (tmp_path / "v_01" / "img_00001.jpg").touch()
    write_flow(tmp_path, "v_01", AFTER, files=DENSEFLOW)
    names = sorted(path.name for path in (tmp_path / "v_01").iterdir())
    assert len(names) == 6 and other.name in names and list(numbered_images(tmp_path, "v_01")) == [1, 2]
    assert StoredFlow(tmp_path, "v_01").count == 2 and files_module.unfinished(tmp_path, "v_01", DENSEFLOW) is False
