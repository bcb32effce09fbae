"""One pass over the clips of a data set that keeps what every unit answers, and goes on where it was stopped."""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

from pyarrow import parquet

from marey.errors import OutputError
from marey.files import replacing
from marey.network.network import Network
from marey.recording.chosen import chosen_layers
from marey.recording.claims import Claims
from marey.recording.finish import finish
from marey.recording.opening import read_summary
from marey.recording.passes import shards_of
from marey.recording.plan import Plan, Settings, clip_differences, differences, planned
from marey.recording.recording import Recording
from marey.recording.shard import shard_path
from marey.recording.store import CLIPS, RESPONSES, SUMMARY, UNFINISHED, json_lines, remove_tree
from marey.video.flow.cache import FlowCache
from marey.video.read.clips import Clip

Report = Callable[[int, int], None]

_PLAN, _PLANNED, _CLAIMS = "plan.json", "planned.parquet", "claims"
_BEGINNING = 2**40  # a claim that is no shard's


def record(
    network: Network,
    clips: Sequence[Clip],
    layers: Sequence[str] | None = None,
    *,
    out: str | Path,
    settings: Settings | None = None,
    cache: FlowCache | None = None,
    workers: int | None = None,
    limit_seconds: float = 600.0,
    shard_clips: int | None = None,
    ray: str | None = None,
    report: Report | None = None,
) -> Recording:
    """What the units of `layers` answer to `clips`, kept in the folder `out`.

    layers
        names and patterns ('fusion.*'); None: all that add something of their own, see `chosen_layers`.
    workers
        threads that decode clips and compute their flow ahead of the network; None: one for each core.
    limit_seconds
        for decoding a clip and computing its flow; one that takes longer is left out, as are those that are missing,
        damaged or too short. They are listed with their reasons.
    shard_clips
        clips after which answers are on disk; None: 16 to 256, by their number. The result does not depend on it.
    ray
        the address of a Ray cluster to record on, or "local", see `filled_by_ray`.
    report
        told after every shard how many clips are done, and of how many.

    What was stopped goes on with the same call, and gives the same files. Several processes may do so at once on one
    folder, each on a device of its own: they share the shards. Raises OutputError when `out` holds something else, or
    the beginning of a recording of another network, other clips or other settings, and says what differs.
    """
    settings = Settings() if settings is None else settings
    folder = Path(out)
    plan = planned(network, clips, chosen_layers(network, layers), settings, shard_clips=shard_clips)
    cache = FlowCache() if cache is None else cache
    prepare(folder, plan)

    def filled(indices: Iterator[int]) -> Iterator[int]:
        options: dict[str, Any] = {"cache": cache, "workers": workers, "limit_seconds": limit_seconds}
        if ray is None:
            return fill(network, plan, folder / UNFINISHED, indices, **options)
        from marey.recording.distributed import filled_by_ray

        return filled_by_ray(network, plan, folder / UNFINISHED, indices, address=ray, **options)

    return completed(folder, plan, network, filled, report)


def prepare(folder: Path, plan: Plan) -> None:
    """Make the folder, or check that what is in it belongs to the same plan; OutputError otherwise.

    Others may begin or end the same recording meanwhile. What is in the folder is listed before its plan and its
    summary are looked for: whoever ends a recording writes the summary before the plan goes.
    """
    others = folder.is_file() or (folder.is_dir() and any(path.name != UNFINISHED for path in folder.iterdir()))
    if _matches(folder, plan):
        return
    if others:
        raise OutputError(f"'{folder}' holds something that is no recording; name a new or empty folder.")
    with closing(_claims(folder)) as claims, claims.held(_BEGINNING):
        if _matches(folder, plan):
            return
        with replacing(folder / UNFINISHED / _PLANNED) as temporary:
            parquet.write_table(plan.table, temporary)
        with replacing(folder / UNFINISHED / _PLAN) as temporary:
            temporary.write_text(json_lines(_begun(plan)), encoding="utf-8")


def _matches(folder: Path, plan: Plan) -> bool:
    """Whether the folder holds this recording or its beginning; OutputError if it holds another."""
    unfinished = folder / UNFINISHED
    try:
        before = json.loads((unfinished / _PLAN).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        before = None
    if (folder / SUMMARY).exists():
        summary = read_summary(folder)
        summary["clips"] = {name: summary["clips"].get(name) for name in ("count", "sha256")}
        summary.pop(RESPONSES, None)  # where they lie, which says nothing of what they are
        _same(folder, plan, summary, folder / CLIPS, plan.described)
    elif before is not None:
        _same(folder, plan, before, unfinished / _PLANNED, _begun(plan))
    else:
        return False
    return True


def _begun(plan: Plan) -> dict[str, Any]:
    return {**plan.described, "shard_clips": plan.shard_clips}


def _claims(folder: Path, tries: int = 100) -> Claims:
    """The claims on what is unfinished in the folder, made if need be; whoever ends the recording removes them."""
    try:
        (folder / UNFINISHED).mkdir(parents=True, exist_ok=True)
        return Claims(folder / UNFINISHED / _CLAIMS)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and tries > 1:  # removed in between
            return _claims(folder, tries - 1)
        raise OutputError(f"cannot write '{folder}': {error.strerror}. Choose a writable folder.") from error


def _same(folder: Path, plan: Plan, before: dict[str, Any], clips: Path, now: dict[str, Any]) -> None:
    if before == now:
        return
    found = differences(before, now)
    if before["clips"] != now["clips"]:
        found += clip_differences(parquet.read_table(clips), plan.table)
    what = "the beginning of a recording" if not (folder / SUMMARY).exists() else "a recording"
    raise OutputError(
        f"'{folder}' holds {what} of something else: {'; '.join(found) or 'other clips'}. "
        "Use the same as before, or name another folder."
    )


def pending(folder: Path, plan: Plan) -> list[int]:
    """The shards that are not on disk yet; none when the recording is finished."""
    if (folder / SUMMARY).exists():
        return []
    shards = folder / UNFINISHED
    return [index for index in range(plan.shards) if not shard_path(shards, index).exists()]


def fill(
    network: Network,
    plan: Plan,
    shards: Path,
    indices: Iterator[int],
    *,
    cache: FlowCache | None,
    workers: int | None,
    limit_seconds: float,
) -> Iterator[int]:
    """Record the shards at `indices` and write them, each while the next one is recorded; gives those on disk."""
    made = shards_of(network, plan, indices, cache=cache, workers=workers, limit_seconds=limit_seconds)
    writing: tuple[int, Future[None]] | None = None
    with ThreadPoolExecutor(1, thread_name_prefix="marey-shard") as writer, closing(made):  # type: ignore[type-var]
        for index, shard in made:
            before = writing
            writing = (index, writer.submit(shard.save, shard_path(shards, index)))
            if before is not None:
                before[1].result()
                yield before[0]
        if writing is not None:
            writing[1].result()
            yield writing[0]


def completed(
    folder: Path, plan: Plan, network: Network, filled: Callable[[Iterator[int]], Iterator[int]], report: Report | None
) -> Recording:
    """The recording, once every shard that nobody else works on is filled, and the others too."""
    if (folder / SUMMARY).exists():
        remove_tree(folder / UNFINISHED)
        return Recording.open(folder)
    shards = folder / UNFINISHED
    with closing(_claims(folder)) as claims:

        def told() -> None:
            if report is not None:
                done = plan.shards - len(pending(folder, plan))
                report(min(done * plan.shard_clips, len(plan.clips)), len(plan.clips))

        def free() -> Iterator[int]:
            """The shards that nobody works on, each taken when its turn comes."""
            for index in pending(folder, plan):
                if claims.take(index):
                    if shard_path(shards, index).exists() or (folder / SUMMARY).exists():
                        claims.drop(index)
                    else:
                        yield index

        def left() -> Iterator[int]:
            """The shards that others work on, each when these are done with it, or dead."""
            for index in pending(folder, plan):
                claims.wait(index)
                if shard_path(shards, index).exists() or (folder / SUMMARY).exists():
                    claims.drop(index)
                    told()
                else:
                    yield index

        told()
        for source in (free(), left()):
            for index in filled(source):
                claims.drop(index)
                told()
        with claims.held(plan.shards):
            if not (folder / SUMMARY).exists():
                finish(folder, shards, plan, {stream.name: stream for stream in network.streams})
            remove_tree(shards)
    return Recording.open(folder)
