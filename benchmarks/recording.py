"""What recording costs beside the bare network and beside decoding, and how quickly a large recording answers.

python benchmarks/recording.py speed NET.safetensors CLIPS   # clips/s, overlap, all layers against class scores
python benchmarks/recording.py rows 100000                   # opening, top clips, memory of a made-up recording
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from marey.accelerate.passes import quick_passes
from marey.datasets.clips_in import clips_in
from marey.families.loading import load
from marey.network.hooks import frozen
from marey.network.layer import Layer
from marey.network.network import Network
from marey.recording import Recording
from marey.recording.chosen_layers import chosen_layers
from marey.recording.layout import FORMAT, UNFINISHED, ResponseArrays
from marey.recording.write.begun import prepare
from marey.recording.write.plan import planned
from marey.recording.write.record import completed, fill
from marey.recording.write.settings import RecordingSettings
from marey.recording.write.tables import LayerUnits, write_recording
from marey.video.flow.cache import FlowCache
from marey.video.read.ahead import ClipWindows, windows_ahead


def timed(work: Callable[[], object], network: Network) -> tuple[float, float]:
    """Seconds on the wall, and of this process's processors."""
    if network.device.type == "cuda":
        torch.cuda.synchronize()
    wall, busy = time.perf_counter(), time.process_time()
    work()
    if network.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - wall, time.process_time() - busy


def speed(given: argparse.Namespace) -> None:
    network = load(given.net)
    network.module.to(given.device)
    found = clips_in(given.clips)
    count = min(len(found), given.most)
    clips = [found[k * len(found) // count] for k in range(count)]
    settings = RecordingSettings(windows=given.windows, batch=given.batch, flow=given.flow)
    place = Path(tempfile.mkdtemp(prefix="recording-"))
    cache = FlowCache(place / "cache" if given.cache is None else given.cache)
    try:

        def loaded() -> list[ClipWindows]:
            ahead = windows_ahead(
                clips, network.streams, count=settings.windows, flow=settings.flow, cache=cache, workers=given.workers
            )
            return [made for _, made in ahead if not isinstance(made, str)]

        first, _ = timed(loaded, network)
        kept = loaded()
        shown = [one.inputs(network.streams) for one in kept]
        windows = {stream.name: torch.cat([one[stream.name] for one in shown]) for stream in network.streams}
        count = sum(len(one.start_frames) for one in kept)
        batches = [
            {name: values[k : k + given.batch].to(network.device) for name, values in windows.items()}
            for k in range(0, count, given.batch)
        ]

        def bare(context: AbstractContextManager[object]) -> None:
            with torch.no_grad(), context:
                for batch in batches:
                    output = network.forward(batch)
            assert isinstance(output, torch.Tensor)
            output.cpu()

        def forgotten() -> None:
            """From now on it is the first time over these clips; their flow is there."""
            for entry in cache.folder.glob("*.marey-clip"):
                entry.unlink()

        def decoded() -> None:
            forgotten()
            consumed()

        def consumed() -> None:
            deque(
                windows_ahead(
                    clips,
                    network.streams,
                    count=settings.windows,
                    flow=settings.flow,
                    cache=cache,
                    workers=given.workers,
                ),
                maxlen=0,
            )

        turn = iter(range(10**6))
        finishing: dict[str, list[tuple[float, float]]] = {}

        def recorded(name: str, layers: tuple[Layer, ...]) -> None:
            """As `record` does it, with a clock on its end."""
            folder = place / str(next(turn))
            plan = planned(network, clips, layers, settings, shard_clips=None)
            passed = (0.0, 0.0)

            def note(done: int, count: int) -> None:
                nonlocal passed
                passed = (time.perf_counter(), time.process_time())

            def filled(indices: Iterator[int]) -> Iterator[int]:
                options: dict[str, Any] = {"cache": cache, "workers": given.workers, "limit_seconds": 600.0}
                return fill(network, plan, folder / UNFINISHED, indices, **options)

            prepare(folder, plan)
            completed(folder, plan, network, filled, note)
            ended = (time.perf_counter() - passed[0], time.process_time() - passed[1])
            finishing.setdefault(name, []).append(ended)

        def decoded_and_recorded(name: str, layers: tuple[Layer, ...]) -> None:
            forgotten()
            recorded(name, layers)

        scores, every = chosen_layers(network, [network.scores]), chosen_layers(network, None)
        chosen = {"recording, class scores only": scores, "recording, all layers": every}
        first_time = {"the first time, class scores": scores, "the first time, all layers": every}
        network.layers, network.weights_hash  # noqa: B018 -- known before the clock runs
        decoding: dict[str, Callable[[], object]] = {
            "(b) decoding, flow cached": decoded,
            **{
                name: lambda name=name, layers=layers: decoded_and_recorded(name, layers)
                for name, layers in first_time.items()
            },
        }
        ways: dict[str, Callable[[], object]] = {
            "(a) bare forward, preloaded": lambda: bare(frozen(network.module)),
            "(a) the same, channels last": lambda: bare(quick_passes(network)),
            **({} if given.kept else decoding),
            "(b) clips cached": consumed,
            **{name: lambda name=name, layers=layers: recorded(name, layers) for name, layers in chosen.items()},
        }
        took: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        for _ in range(given.repeats):
            for name, way in ways.items():
                took[name].append(timed(way, network))
        middle = {name: _medians(values) for name, values in took.items()}
        print(
            f"{given.net}: {len(kept)} of {len(clips)} clips, {count} windows, batch {given.batch}, "
            f"{torch.get_num_threads()} threads, {given.workers} workers, {network.device}, "
            f"medians of {given.repeats} interleaved"
        )
        print(f"{'clips, as found (cold where the cache is)':41} {len(clips) / first:8.1f} clips/s")
        bare_wall = middle["(a) bare forward, preloaded"][0]
        for name, (wall, busy) in middle.items():
            print(
                f"{name:32} {len(clips) / wall:8.1f} clips/s  {bare_wall / wall:6.2f} of (a)  processor {busy:6.2f} s"
            )
        last = {name: _medians(values) for name, values in finishing.items()}
        for name in list(chosen)[:1]:
            for kind, which in (("wall", 0), ("processor", 1)):
                scores_only, all_layers = middle[name][which], middle["recording, all layers"][which]
                passes = (all_layers - last["recording, all layers"][which]) / (scores_only - last[name][which])
                print(
                    f"all layers against '{name}', {kind}: {all_layers / scores_only:.3f}, without the end {passes:.3f}"
                )
        if not given.kept:
            scores_only, all_layers = (middle[name][0] for name in first_time)
            print(f"all layers against class scores, the first time: {all_layers / scores_only:.3f}")
        print(
            f"the end, sorting and writing: {', '.join(f'{wall:.2f} s ({busy:.2f})' for wall, busy in last.values())}"
        )
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _medians(values: list[tuple[float, float]]) -> tuple[float, float]:
    wall, busy = np.median(np.array(values), axis=0)
    return float(wall), float(busy)


def rows(given: argparse.Namespace) -> None:
    """Write a made-up recording of many clips, then open it in a fresh process."""
    place = given.out if given.out is not None else Path(tempfile.mkdtemp(prefix="recording-rows-"))
    if not (place / "recording.json").exists():
        begun = time.perf_counter()
        make_up(place, clips=given.clips, units=given.units)
        print(f"written in {time.perf_counter() - begun:.0f} s, {peak_megabytes():.0f} MB")
    size = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
    print(f"{given.clips} clips x {given.units} units: {size / 1e6:.0f} MB")
    subprocess.run([sys.executable, __file__, "ask", str(place)], check=True)
    if given.out is None:
        shutil.rmtree(place)


def make_up(place: Path, *, clips: int, units: int) -> None:
    random = np.random.default_rng(0)
    labels = [f"class {k}" for k in range(100)]

    def row(index: int) -> dict[str, Any]:
        return {
            "clip": index,
            "path": f"/data/{labels[index % 100]}/v_{index:06d}.mp4",
            "start_seconds": 0.0,
            "label": labels[index % 100],
            "group": f"g{index // 7}",
            "flow": None,
            "bytes": 10**6,
            "failure": None,
            "frames": 250,
            "rate": 25.0,
            "padded": False,
            "start_frames": [0, 100, 200],
            "speeds": [1.0],
            "prediction": labels[index % 99],
            "scores": [0.0] * 100,
        }

    def responses_of(part: LayerUnits) -> ResponseArrays:
        size = (sum(chosen.stop - chosen.start for _, chosen in part), clips)
        maximum = random.gamma(2.0, size=size).astype(np.float32)
        return {
            "maximum": maximum,
            "mean": maximum / 4,
            "t": random.integers(0, 5, size).astype(np.int16),
            "y": random.integers(0, 14, size).astype(np.int16),
            "x": random.integers(0, 14, size).astype(np.int32),
            "start_frame": random.choice(np.array([0, 100, 200], np.int32), size),
            "seconds": (random.integers(0, 250, size) / 25).astype(np.float32),
        }

    provenance = {
        "format": FORMAT,
        "network": {"name": "made up", "classes": labels, "scores": "scores", "streams": []},
        "layers": {"fusion.conv5": {"kind": "Conv3d", "units": units, "positions": [5, 14, 14], "sees": {}}},
        "clips": {"count": clips},
    }
    place.mkdir(parents=True, exist_ok=True)
    write_recording(place, provenance, (row(index) for index in range(clips)), responses_of)


def peak_megabytes() -> float:
    """The most memory that this process has held."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return float(line.split()[1]) / 1e3
    return float("nan")


def ask(given: argparse.Namespace) -> None:
    def clocked(work: Callable[[], Any]) -> tuple[float, Any]:
        begun = time.perf_counter()
        found = work()
        return 1e3 * (time.perf_counter() - begun), found

    before = peak_megabytes()
    opening, found = clocked(lambda: Recording.open(given.folder))
    clips_read, _ = clocked(lambda: found.clips)
    units = found.layer("fusion.conv5").units
    tops = [clocked(lambda k=k: found.top(f"fusion.conv5:{k % units}", 9))[0] for k in range(20)]
    layer_maxima, _ = clocked(lambda: found.largest("fusion.conv5"))
    print(
        f"open {opening:.1f} ms, clips {clips_read:.0f} ms, first top {tops[0]:.0f} ms, "
        f"then {np.median(tops[1:]):.1f} ms (most {max(tops[1:]):.1f}), maxima of a layer {layer_maxima:.0f} ms"
    )
    print(f"memory {before:.0f} MB before, {peak_megabytes():.0f} MB at most")


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = words.add_subparsers(required=True)
    one = commands.add_parser("speed")
    one.add_argument("net")
    one.add_argument("clips", type=Path)
    one.add_argument("--device", default="cpu")
    one.add_argument("--cache", type=Path, help="its kept clips are removed on the way; default: one of its own")
    one.add_argument("--flow", default="tvl1-fast")
    one.add_argument("--windows", type=int, default=3)
    one.add_argument("--batch", type=int, default=16)
    one.add_argument("--workers", type=int, default=None)
    one.add_argument("--most", type=int, default=10**9)
    one.add_argument("--repeats", type=int, default=3)
    one.add_argument(
        "--kept", action="store_true", help="with clips from the cache alone, as the second time over them"
    )
    one.set_defaults(run=speed)
    two = commands.add_parser("rows")
    two.add_argument("clips", type=int)
    two.add_argument("--units", type=int, default=512)
    two.add_argument("--out", type=Path, default=None)
    two.set_defaults(run=rows)
    three = commands.add_parser("ask")
    three.add_argument("folder", type=Path)
    three.set_defaults(run=ask)
    given = words.parse_args()
    given.run(given)


if __name__ == "__main__":
    main()
