"""Writes the flow of a video in processes that end before each of their file operations; prints what stays, as JSON.

It is a program of its own, because a fork of a process with threads may wait for one of them for ever.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from marey.video.flow.files import DENSEFLOW, I3D, TWO_STREAM, FlowFiles, write_flow
from marey.video.flow.stored import _begun

FORMS = {"denseflow": DENSEFLOW, "two-stream": TWO_STREAM, "i3d": I3D}
BEFORE, AFTER = torch.full((3, 2, 8, 8), 5.0), torch.full((2, 2, 8, 8), -5.0)


def ended(work: Callable[[], None], step: int) -> bool:
    """Whether the work is done before file operation number `step`, at which its process ends without any clean-up."""
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
            setattr(Path, name, counted(getattr(Path, name)))
        try:
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 9


def values(folder: Path, files: FlowFiles) -> list[float] | None:
    stored = _begun(folder, "v_01", files)
    if stored is None or not stored.images:
        return None
    found = stored.fields(list(stored.images.values()), (8, 8))
    return [round(float(field.float().mean())) for field in found]


def main(out: Path, files: FlowFiles, *, anew: bool) -> None:
    step, done = 0, False
    while not done:
        folder = out / str(step)
        if not anew:
            write_flow(folder, "v_01", BEFORE, files=files)
        done = ended(lambda folder=folder: write_flow(folder, "v_01", AFTER, files=files), step)
        seen = values(folder, files)
        write_flow(folder, "v_01", AFTER, files=files)
        count = len([path for path in folder.rglob("*") if path.is_file()])
        print(json.dumps({"seen": seen, "again": values(folder, files), "files": count}))
        step += 1


if __name__ == "__main__":
    main(Path(sys.argv[1]), FORMS[sys.argv[2]], anew=sys.argv[3] == "anew")
