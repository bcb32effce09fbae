"""One pass over the clips of a data set that keeps the responses of every unit, and goes on where it was stopped."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

from marey.network.network import Network
from marey.recording.chosen_layers import chosen_layers
from marey.recording.layout import SUMMARY, UNFINISHED
from marey.recording.read.recording import Recording
from marey.recording.write.begun import claims_on, pending, prepare
from marey.recording.write.finish import finish
from marey.recording.write.gathering import shards_of
from marey.recording.write.plan import Plan, planned
from marey.recording.write.settings import RecordingSettings
from marey.recording.write.shard import shard_path
from marey.recording.write.staged import remove_tree
from marey.video.flow.cache import FlowCache
from marey.video.read.clips import Clip

Report = Callable[[int, int], None]


def record(
    network: Network,
    clips: Sequence[Clip],
    layers: Sequence[str] | None = None,
    *,
    out: str | Path,
    settings: RecordingSettings | None = None,
    cache: FlowCache | None = None,
    workers: int | None = None,
    limit_seconds: float = 600.0,
    shard_clips: int | None = None,
    ray: str | None = None,
    report: Report | None = None,
) -> Recording:
    """Record what the units of `layers` respond to `clips` in the folder `out`.

    layers
        names and patterns ('fusion.*'); None: all that add something of their own, see `chosen_layers`.
    workers
        threads that decode clips and compute their flow ahead of the network; None: one for each core.
    limit_seconds
        for decoding a clip and computing its flow. Clips that take longer are skipped, as are clips that are missing,
        damaged or too short; the recording lists them with their reasons.
    shard_clips
        clips after which responses are on disk; None: 16 to 256, by their number. The result does not depend on it.
    ray
        the address of a Ray cluster to record on, or "local", see `filled_by_ray`.
    report
        called after every shard with the number of clips that are done, and of all clips.

    The same call finishes a recording that was stopped, with the same files. Several processes may make this call at
    once for one folder, each on a device of its own: they share the shards. Raises OutputError when `out` holds
    something else, or a recording of another network, other clips or other settings, and says what differs;
    NetworkError for layers that do not exist; DatasetError when there is no clip, or one is given twice.
    """
    settings = RecordingSettings() if settings is None else settings
    folder = Path(out)
    plan = planned(network, clips, chosen_layers(network, layers), settings, shard_clips=shard_clips)
    cache = FlowCache() if cache is None else cache
    prepare(folder, plan)

    def filled(indices: Iterator[int]) -> Iterator[int]:
        options: dict[str, Any] = {"cache": cache, "workers": workers, "limit_seconds": limit_seconds}
        if ray is None:
            return fill(network, plan, folder / UNFINISHED, indices, **options)
        from marey.recording.write.ray_cluster import filled_by_ray

        return filled_by_ray(network, plan, folder / UNFINISHED, indices, address=ray, **options)

    return completed(folder, plan, network, filled, report)


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
    with closing(claims_on(folder)) as claims:

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
        with claims.taken(plan.shards):
            if not (folder / SUMMARY).exists():
                finish(folder, shards, plan, {stream.name: stream for stream in network.streams})
            remove_tree(shards)
    return Recording.open(folder)
