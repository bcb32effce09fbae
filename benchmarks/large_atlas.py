"""What an atlas of three thousand units costs to build, and whether its pages stay quick in a browser.

python benchmarks/large_atlas.py make FOLDER     # a made-up network, its recording, preferred inputs of one layer
python benchmarks/large_atlas.py build FOLDER    # the atlas: seconds, peak memory, size, files
python benchmarks/large_atlas.py look FOLDER     # front page and a layer of 512 loops in Chromium, beside a blank page
python benchmarks/large_atlas.py weigh PREFERRED # bytes of the films of preferred inputs, at 112 px and at 224 px
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import torch

import marey
from marey.draw import film as films
from marey.families.two_stream import TwoStream
from marey.maximization.result import FILE, PreferredInput
from marey.network.network import Network
from marey.recording import RecordingSettings, record
from marey.video.encode import write_mp4, write_webp
from marey.video.read.clips import Clip

SIDE, CLASSES, CLIPS, CROWDED = 64, 12, 24, "fusion.conv5"
LAYERS = ("rgb.conv5_2", "rgb.conv5_3", "flow.conv5_2", "flow.conv5_3", CROWDED, "fc6", "scores")
BLANK = "<!doctype html><title>blank</title><body style='height:12000px'><button type=button data-play>a</button>"


def make(given: argparse.Namespace) -> None:
    """A network of random weights, clips of squares that move, and preferred inputs of smooth noise."""
    torch.manual_seed(0)
    module = TwoStream(CLASSES, size=SIDE, frames=1, stack=10, step=1, fc=512)
    classes = [f"class {k}" for k in range(CLASSES)]
    network = Network(module.eval(), module.input_streams(), classes=classes, name="made up")
    random = np.random.default_rng(0)
    clips = []
    for number in range(CLIPS):
        path = given.folder / "clips" / f"{number}.mp4"
        frames = np.broadcast_to(random.integers(60, 200, (SIDE, SIDE, 3)), (16, SIDE, SIDE, 3)).astype(np.uint8).copy()
        for t in range(16):
            place = 8 + 2 * t
            frames[t, place : place + 16, (number * 5) % 40 : (number * 5) % 40 + 16] = 10 * number
        path.parent.mkdir(parents=True, exist_ok=True)
        write_mp4(frames, path)
        clips.append(Clip(path, label=f"class {number % CLASSES}", group=str(number)))
    settings = RecordingSettings(flow="dis", windows=1, batch=8)
    recording = record(network, clips, LAYERS, out=given.folder / "recording", settings=settings)
    one = marey.maximize(network, f"{CROWDED}:0", recipe=marey.Recipe(slowness=(0, 10), steps=1))
    for channel in range(recording.layer(CROWDED).units):
        frames_of = {name: _smooth(values, 8 if name == "flow" else 16) for name, values in one.frames.items()}
        unit = f"{CROWDED}:{channel}"
        replace(one, target=unit, label=unit, frames=frames_of).save(given.folder / "preferred" / str(channel))


def _smooth(like: torch.Tensor, cells: int) -> torch.Tensor:
    """Noise of the shape of frames (chi channel time height width), in `cells` patches across, of their own range."""
    chis, channels, time_, height, width = like.shape
    coarse = torch.rand(chis, channels, time_, cells, cells)
    wide = torch.nn.functional.interpolate(coarse, size=(time_, height, width), mode="trilinear")
    return wide if channels == 3 else 8 * (wide - 0.5)


def build(given: argparse.Namespace) -> None:
    """Build the atlas in a process of its own, once of the class scores alone and once of all layers."""
    for layers in ("scores", "*"):
        out = given.folder / f"atlas-{'all' if layers == '*' else layers}"
        shutil.rmtree(out, ignore_errors=True)
        command = [sys.executable, "-m", "marey", "atlas", str(given.folder / "recording"), "--layers", layers]
        command += ["--preferred", str(given.folder / "preferred"), "--out", str(out)]
        begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        seconds, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
        files = [path for path in out.rglob("*") if path.is_file()]
        units = len(list(out.glob("unit/*/*.html")))
        processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        size = sum(path.stat().st_size for path in files)
        # the peak of children is the largest child's so far: the small one comes first
        print(
            f"{units} units: {seconds:.0f} s, {processor:.0f} s of a processor, at most {after.ru_maxrss / 1e3:.0f} MB "
            f"of memory, {size / 1e6:.0f} MB in {len(files)} files"
        )


def look(given: argparse.Namespace) -> None:
    """Open pages some times and print medians: by the clock, and of the processor, which no other process delays."""
    atlas = given.folder / "atlas-all"
    blank = given.folder / "blank.html"
    blank.write_text(BLANK)
    (layer,) = atlas.glob(f"layer/{CROWDED}.html")
    for name, path in (("blank page", blank), ("front page", atlas / "index.html"), (f"layer {CROWDED}", layer)):
        rounds = [_visit(given.chromium, path, scrolls=given.scrolls) for _ in range(given.rounds)]
        shown = ", ".join(f"{key} {median(one[key] for one in rounds):.0f}" for key in rounds[0])
        print(f"{name} ({len(rounds)} rounds, medians): {shown}")


def _visit(chromium: str, path: Path, *, scrolls: int) -> dict[str, float]:
    """Milliseconds to a page that answers a click, then of its longest task while the wheel is turned."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.add_init_script(
            "window.tasks = []; new PerformanceObserver((list) => { for (const one of list.getEntries())"
            " tasks.push(one.duration); }).observe({ type: 'longtask', buffered: true });"
            "addEventListener('click', () => { window.clicked ??= performance.now(); }, true);"
        )
        page.goto("about:blank")
        browser.start_tracing(page=page, categories=["toplevel", "devtools.timeline", "benchmark"])
        page.goto(path.as_uri(), wait_until="domcontentloaded")
        page.locator("[data-play]").dispatch_event("click")
        ready = page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
        clicked = page.evaluate("window.clicked")
        opened = _tasks(browser.stop_tracing())
        page.locator("[data-play]").dispatch_event("click")
        page.wait_for_timeout(1000)
        page.evaluate("tasks.length = 0")
        browser.start_tracing(page=page, categories=["toplevel", "devtools.timeline", "benchmark"])
        page.mouse.move(640, 400)
        for _ in range(scrolls):
            page.mouse.wheel(0, 400)
            page.wait_for_timeout(50)
        long = page.evaluate("tasks")
        scrolled = _tasks(browser.stop_tracing())
        browser.close()
    return {
        "ready ms": ready,
        "click answered ms": clicked,
        "processor until then ms": sum(opened),
        "longest task ms": max(long, default=0.0),
        "tasks above 100 ms": sum(one > 100 for one in long),
        "longest task, processor ms": max(scrolled, default=0.0),
        "all tasks, processor ms": sum(scrolled),
    }


def _tasks(trace: bytes) -> list[float]:
    """Milliseconds of a processor of every task of the page's main thread in a trace."""
    events = json.loads(trace)["traceEvents"]
    mains = {
        (one["pid"], one["tid"])
        for one in events
        if one["name"] == "thread_name" and one["args"]["name"] == "CrRendererMain"
    }
    return [
        one["tdur"] / 1e3
        for one in events
        if one["name"].endswith("RunTask") and "tdur" in one and (one["pid"], one["tid"]) in mains
    ]


def weigh(given: argparse.Namespace) -> None:
    """Print what the films of each preferred input weigh, drawn at 112 px and at 224 px."""
    from marey.draw.color_wheel import nice_max_px
    from marey.draw.picture_row import PictureRow
    from marey.draw.preferred_input import picture_row

    def weight(row: PictureRow, folder: Path) -> int:
        total = 0
        max_px = None if row.motion is None else nice_max_px(row.motion.movedim(1, 2))
        for clips, quality in ((row.appearance, 75), (row.motion, 60)):
            for clip in [] if clips is None else clips:
                write_webp(films.film(clip, max_px=max_px or 1.0), folder / "one.webp", quality=quality)
                total += (folder / "one.webp").stat().st_size
        return total

    with tempfile.TemporaryDirectory() as place:
        for path in sorted(given.preferred.rglob(FILE)):
            result = PreferredInput.open(path.parent)
            row, sizes = picture_row(result), []
            for side in (112, 224):
                films.SIDE = side
                sizes.append(f"{weight(row, Path(place)) / 1e3:.1f} kB at {side} px")
            print(f"{result.label}, {len(row.chis)} slownesses: {', '.join(sizes)}")


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = words.add_subparsers(required=True)
    for name, run in (("make", make), ("build", build), ("look", look)):
        one = commands.add_parser(name)
        one.add_argument("folder", type=Path)
        one.set_defaults(run=run)
        if name == "look":
            one.add_argument("--chromium", default=shutil.which("chromium") or "chromium")
            one.add_argument("--rounds", type=int, default=5)
            one.add_argument("--scrolls", type=int, default=60)
    four = commands.add_parser("weigh")
    four.add_argument("preferred", type=Path)
    four.set_defaults(run=weigh)
    given = words.parse_args()
    given.run(given)


if __name__ == "__main__":
    main()
