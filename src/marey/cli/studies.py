"""The command `marey studies`: generated clips of actions, whose flow, masks and causes are known."""

from itertools import count
from pathlib import Path
from typing import Annotated, Literal

import typer

from marey.cli.arguments import SeedOption
from marey.cli.output import writable
from marey.cli.progress import progress
from marey.cli.screen import screen
from marey.errors import MareyError


def studies(
    *,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="Folder for the clips.", show_default=False)
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option("--sheet", metavar="PNG", help="Draw all classes into one picture.", show_default=False),
    ] = None,
    clips: Annotated[int, typer.Option("--clips", metavar="N", help="Clips of every class.")] = 10,
    classes: Annotated[
        str | None,
        typer.Option("--classes", metavar="A,B", help="Only these classes. Default: all.", show_default=False),
    ] = None,
    size: Annotated[int, typer.Option("--size", help="Height and width in pixels.")] = 112,
    frames: Annotated[int, typer.Option("--frames", help="Frames of a clip, at 25 per second.")] = 24,
    setting: Annotated[
        Literal["fair", "biased"], typer.Option("--setting", help="biased: meadow and logo tell some classes.")
    ] = "fair",
    difficulty: Annotated[
        Literal["plain", "natural", "hard"],
        typer.Option("--difficulty", help="Clutter, camera, occlusion, noise, compression."),
    ] = "natural",
    form: Annotated[Literal["mp4", "frames"], typer.Option("--form", help="Videos, or folders of PNG frames.")] = "mp4",
    seed: SeedOption = 0,
) -> None:
    """Make motion studies: short clips of actions with their exact flow, the actor's mask and all factors."""
    from marey.draw.study_sheet import write_study_sheet
    from marey.studies.classes import study_class, study_classes
    from marey.studies.written import write_study_clips

    if out is None and sheet is None:
        raise MareyError("nothing to make; name a folder with --out, a picture with --sheet, or both.")
    if clips < 1:
        raise MareyError(f"--clips is {clips}; expected at least 1.")
    chosen = study_classes() if classes is None else [name.strip() for name in classes.split(",")]
    for name in chosen:
        study_class(name)
    console = screen(error=True)
    if sheet is not None:
        write_study_sheet(sheet, seed=seed, size=size, frames=frames, setting=setting, difficulty=difficulty)
        console.print(f"all classes are in {sheet}")
    if out is not None:
        writable(out)
        total = clips * len(chosen)
        done = count(1)
        with progress() as report:
            report.at("making clips", 0, total)
            write_study_clips(
                out,
                clips,
                seed,
                classes=chosen,
                size=size,
                frames=frames,
                setting=setting,
                difficulty=difficulty,
                form=form,
                on_clip=lambda: report.at("making clips", next(done), total),
            )
        console.print(
            f"clips are in {out / 'clips'}, flow and masks in {out / 'truth'}, causes in {out / 'factors.jsonl'}"
        )
