"""Writes an atlas and is killed half way through a file, as by a power cut: by SIGKILL, without any clean-up."""

import os
import signal
import sys
from itertools import count
from pathlib import Path

import marey


def end_at(step: int) -> None:
    """Let the process end in the middle of the file that is written as number `step`."""
    write_bytes = Path.write_bytes
    numbers = count()

    def counted(path: Path, content: bytes) -> int:
        if next(numbers) == step:
            write_bytes(path, content[: len(content) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return write_bytes(path, content)

    Path.write_bytes = counted  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    recording, out, step, *folders = sys.argv[1:]
    end_at(int(step))
    given = dict(zip(("preferred", "findings", "explanations"), folders, strict=True))
    marey.write_atlas(recording, out=out, clips=2, **given)
