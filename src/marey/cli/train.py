"""`marey train`: a two-stream network from a folder of clips."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from marey.cli.arguments import DataArgument, DeviceOption, FlowOption, GroupOption, SeedOption
from marey.cli.output import writable
from marey.cli.progress import progress
from marey.cli.screen import say, screen
from marey.cli.tables import results_table

if TYPE_CHECKING:
    from marey.datasets.clip_set import ClipSet
    from marey.datasets.splits import Fold, Split
    from marey.training.adversary import Adversary
    from marey.training.fit import Trained

Fusion = Literal["conv2", "conv3", "conv4", "conv5", "late"]


def train(
    data: DataArgument,
    *,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="NET", help="The network's file, .safetensors.")],
    hold_out: Annotated[
        str,
        typer.Option(
            "--hold-out",
            metavar="WHAT",
            help="Groups that are tested on: names (ira,denis), a share (0.3), or a fold (1/3). 0: none.",
        ),
    ] = "0.25",
    group: GroupOption = None,
    size: Annotated[int, typer.Option("--size", help="Input size in pixels.")] = 112,
    width: Annotated[float, typer.Option("--width", help="Channels, as a part of VGG-16's.")] = 0.25,
    frames: Annotated[int, typer.Option("--frames", help="RGB frames, each with a stack of 10 flow fields.")] = 3,
    step: Annotated[int, typer.Option("--step", help="Video frames from one RGB frame to the next.")] = 10,
    fusion: Annotated[
        Fusion, typer.Option("--fusion", help="Where both streams meet; late: the mean of their scores.")
    ] = "conv5",
    steps: Annotated[
        int, typer.Option("--steps", help="Most steps of each tower; 0: both learn with the fusion alone.")
    ] = 800,
    fusion_steps: Annotated[
        int | None,
        typer.Option("--fusion-steps", help="Most steps of the fusion. Default: 0.6 of --steps.", show_default=False),
    ] = None,
    batch: Annotated[int, typer.Option("--batch", help="Clips per step.")] = 16,
    validation: Annotated[
        float, typer.Option("--validation", help="Share of the training groups that only decides when to stop.")
    ] = 0.0,
    minutes: Annotated[
        float | None, typer.Option("--minutes", help="Stop in time, with what there is.", show_default=False)
    ] = None,
    adversary: Annotated[
        str | None,
        typer.Option(
            "--adversary",
            metavar="RGB,FLOW",
            help="Train against the worst changes of this part of a window's size, as 0.15,0.3: slower and less "
            "accurate, but what its units want to see is clearer.",
            show_default=False,
        ),
    ] = None,
    flip: Annotated[bool, typer.Option("--flip/--no-flip", help="Whether mirror images keep their class.")] = True,
    flow: FlowOption = "tvl1-fast",
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="NET",
            help="Start from a two-stream network, which may have other classes, with its size and layers.",
            show_default=False,
        ),
    ] = None,
    imagenet: Annotated[
        Path | None,
        typer.Option(
            "--imagenet",
            metavar="FILE",
            help="Start both towers from a VGG-16 that was trained on ImageNet, as torchvision publishes it "
            "(vgg16-397923af.pth or vgg16_bn-6c64b313.pth). Needs --width 1.",
            show_default=False,
        ),
    ] = None,
    keep: Annotated[
        int,
        typer.Option(
            "--keep",
            min=0,
            max=5,
            metavar="BLOCKS",
            help="With --from or --imagenet: the first blocks of both towers, of 5, whose weights stay as they are.",
        ),
    ] = 0,
    more: Annotated[
        Path | None,
        typer.Option(
            "--settings",
            metavar="JSON",
            help="A file of settings by name, also those that have no option here, as learning_rate or dropout; see "
            "marey.training.settings.Settings.",
            show_default=False,
        ),
    ] = None,
    seed: SeedOption = 0,
    arithmetic: Annotated[
        Literal["auto", "float32", "bfloat16"],
        typer.Option("--arithmetic", help="Of the network; auto: bfloat16 where the device has instructions for it."),
    ] = "auto",
    again: Annotated[
        bool, typer.Option("--again", help="Train anew where NET is a finished network, and replace it.")
    ] = False,
    device: DeviceOption = None,
) -> int:
    """Train a two-stream network: appearance tower, motion tower, then both with a convolutional fusion.

    DATA is a folder with a folder of clips per class, a split file, or a list of motion studies. Groups (people, source
    videos) are never on both sides. Stopped, it goes on where it was when the same line is given again. The same line
    gives the same weights with as many threads of the same machine, unless --minutes ends it.
    """
    from marey.cli.device import device_of
    from marey.errors import MareyError
    from marey.families.loading import two_stream_file
    from marey.families.network_file import check_name
    from marey.families.two_stream import TwoStream
    from marey.families.vgg_weights import check_width, published_norm
    from marey.training.settings import Settings

    check_name(out)
    writable(out.parent)
    settings = Settings(
        size=size,
        width=width,
        frames=frames,
        step=step,
        fusion=fusion,
        tower_steps=steps,
        fusion_steps=round(0.6 * steps) if fusion_steps is None else fusion_steps,
        batch=batch,
        fusion_batch=batch,
        validation=validation,
        minutes=minutes,
        seed=seed,
        arithmetic=arithmetic,
        flow=flow,
        adversary=_adversary(adversary),
        kept_blocks=keep,
    )
    if start is not None and imagenet is not None:
        raise typer.BadParameter("--from and --imagenet both give weights to start from; give one of them.")
    if keep and start is None and imagenet is None:
        raise MareyError("--keep needs a network whose blocks are kept; give --from NET or --imagenet FILE.")
    if not flip:
        settings = settings.without_flip()
    if imagenet is not None:
        settings = replace(settings, norm=published_norm(imagenet))
    if more is not None:
        settings = settings.with_file(more)
    begin = None if start is None else two_stream_file(start)
    if begin is not None:
        settings = settings.built_as(cast(TwoStream, begin.module).config)
    if fusion == "late":
        settings = replace(settings, fusion=fusion)
    if imagenet is not None:
        check_width(settings.width)
    place = device_of(device)
    console = screen(error=True)
    split, words = chosen_split(data, hold_out, group=group, seed=seed)
    console.print(words, highlight=False, markup=False)
    trained = _trained(
        split, out, settings=settings, name=data.name, start=begin, imagenet=imagenet, again=again, device=place
    )
    if trained.before:
        console.print(
            "this network is finished, with the same settings and clips; nothing was done. --again trains it anew."
        )
    for one in trained.skipped:
        console.print(str(one), highlight=False, markup=False)
    if trained.interrupted:
        console.print(f"interrupted; the same line goes on from '{out.name}.training'.")
        return 130
    if trained.results:
        screen().print(results_table(trained.results))
    say(out)
    return 0


def _trained(split: "Split", out: Path, **options: Any) -> "Trained":
    """Train with `options` of `marey.training.fit.train`, with a bar for the clips and one for every stage."""
    from marey.training.fit import train as fit
    from marey.training.runner import TrainingProgress

    with progress(transient=False) as report:

        def loaded(done: int, count: int) -> None:
            report.at("clips", done, count, note="decoding, optical flow")

        def stepped(progress: TrainingProgress) -> None:
            report.at(progress.stage, progress.step, progress.steps, note=f"loss {progress.loss:.2f}")

        def noted(note: str) -> None:
            report.say(note)

        report.at("looking at clips")
        return fit(split, out, on_load=loaded, on_step=stepped, on_note=noted, **options)


def chosen_split(data: Path, hold_out: str, *, group: str | None, seed: int) -> "tuple[Split, str]":
    """The split that a split file or `--hold-out` asks for, and one line that says what it is."""
    from marey.datasets.data_set import TRAIN_SPLITS, data_set
    from marey.datasets.splits import Split, grouped_split

    parts = data_set(data, group=group)
    clips = next(iter(parts.values()))
    notes = "".join(f"; {note}" for note in clips.notes)
    if len(parts) > 1:
        trains = tuple(clip for name, part in parts.items() if name in TRAIN_SPLITS for clip in part)
        tests = tuple(clip for name, part in parts.items() if name not in TRAIN_SPLITS for clip in part)
        words = f"{len(trains)} clips to train, {len(tests)} held out, as '{data.name}' says{notes}"
        return Split(trains, tests), words
    wanted = _held_out(hold_out, clips)
    if wanted == 0:
        return Split(tuple(clips), ()), f"{len(clips)} clips of {len(clips.classes)} classes, none held out{notes}"
    split = grouped_split(clips, held_out=wanted, seed=seed)
    names = ", ".join(split.held_out_groups[:6]) + (", ..." if len(split.held_out_groups) > 6 else "")
    return split, (
        f"{len(split.train)} clips of {len(clips.classes)} classes to train, {len(split.held_out)} held out ({names}); "
        f"groups: {clips.grouping}{notes}"
    )


def _held_out(hold_out: str, clips: "ClipSet") -> "list[str] | float | Fold":
    """What `--hold-out` means: groups where it names some, which may look like numbers, else a fold or a share."""
    from marey.datasets.splits import Fold

    names = [name.strip() for name in hold_out.split(",")]
    if set(names) <= set(clips.groups):
        return names
    if "/" in hold_out:
        return Fold.parse(hold_out)
    try:
        return float(hold_out)
    except ValueError:
        return names


def _adversary(sizes: str | None) -> "Adversary":
    """What `--adversary` means: two numbers, or none."""
    from marey.training.adversary import Adversary

    if sizes is None:
        return Adversary()
    try:
        rgb, flow = (float(size) for size in sizes.split(","))
    except ValueError:
        raise typer.BadParameter(f"--adversary is '{sizes}'; expected two numbers, as 0.15,0.3.") from None
    return Adversary(rgb, flow)
