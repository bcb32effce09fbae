"""Arguments and options that several commands share, so that they read the same everywhere."""

from pathlib import Path
from typing import Annotated, Literal

import typer

FlowWord = Literal["tvl1", "tvl1-fast", "dis", "farneback"]
"""marey.video.flow.methods.Method, written out because that module loads OpenCV, which `--help` need not wait for."""

NetArgument = Annotated[
    str,
    typer.Argument(
        metavar="NET",
        help="A .safetensors file, motion-studies (which ships with marey), or file.py:function that returns a "
        "marey.Network.",
        show_default=False,
    ),
]
DataArgument = Annotated[
    Path,
    typer.Argument(
        metavar="DATA",
        help="A folder with one folder of clips per class, a split file, or a list of motion studies.",
        show_default=False,
    ),
]
OutOption = Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the results.")]
SeedOption = Annotated[int, typer.Option("--seed", help="The same seed gives the same result.")]
DeviceOption = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="DEVICE",
        help="cpu, cuda, cuda:1, mps. Default: an accelerator if there is one.",
        show_default=False,
    ),
]
FlowOption = Annotated[FlowWord, typer.Option("--flow", help="Optical flow, as training used it.")]
GroupOption = Annotated[
    str | None,
    typer.Option(
        "--group",
        metavar="REGEX",
        help="What in a file name tells the person or source video, as '^(.+?)_'. Default: guessed and said.",
        show_default=False,
    ),
]
GroupsOption = Annotated[
    str,
    typer.Option(
        "--groups",
        metavar="WHAT",
        help="held-out (those that training held out; all where there are none), all, or names (ira,denis).",
    ),
]


def names(words: str) -> list[str]:
    """The names in a comma list.

    >>> names("fusion.*, fc6")
    ['fusion.*', 'fc6']
    """
    return [name.strip() for name in words.split(",")]
