"""Writes an atlas and is killed half way through a file, as by a power cut: by SIGKILL, without any clean-up."""

import os
import signal
import sys
from itertools import count
from pathlib import Path

import marey

recording, out, step, preferred, findings, explanations = sys.argv[1:]
write_bytes = Path.write_bytes
numbers = count()


def counted(path: Path, content: bytes) -> int:
    """Write half of the file at which the process ends."""
    if next(numbers) == int(step):
        write_bytes(path, content[: len(content) // 2])
        os.kill(os.getpid(), signal.SIGKILL)
    return write_bytes(path, content)


Path.write_bytes = counted  # type: ignore[method-assign, assignment]
marey.write_atlas(recording, out=out, preferred=preferred, findings=findings, explanations=explanations, clips=2)
