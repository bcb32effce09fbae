"""Seconds per input and step of a maximization, beside a hook library's loop and beside the bare arithmetic.

    python benchmarks/speed.py [--quick] [--only conv3_3] [--no-memory]

The network is the two-stream VGG-16 at 224 px with 5 frames and random weights, on two threads. Every row of the
table runs in one process: `marey.maximize` takes some steps one after the other, as it does in use, then its callback
lets the bare arithmetic and the loop by hand take as many, and now and then one of the other loops, so that
all see the same load. Medians are shown, and the median of the ratios of neighbors, also in processor time, which
other processes on the machine change less.

marey
    the shipped recipe (jitter, Fourier parametrization, priors, Adam), without an early stop: at one slowness, or one
    unit at the shipped sweep of four, which is the smallest batch of a unit that sees motion.
by hand
    the loop that a good engineer writes for these very units: all that the recipe asks for, channels last. Goal: marey
    takes at most 1.25 of it.
bare
    forward to the layer and backward to the input on the same crop, in the same arithmetic and batch: no priors, no
    jitter, no optimizer, with the network's modules as they are. And again channels last.
hooks
    what hook libraries do: forward hooks on all modules, the whole network at full size, weights that keep gradients,
    one unit at a time, Adam on the pixels, fp32.
lucent
    torch-lucent's own `render_vis` with its default transforms, at 224 px, on the image tower with its classifier and
    one frame (`pip install 'marey[peers]'`).

Peak memory is the high-water mark of the resident set of a process of its own that takes two steps, and how far it
lies above the process with only the network in it.
"""

import argparse
import gc
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from speed_loops import PRECISIONS, Case, HandLoop, HookLoop, Lucent, Precision, bare_step, network_at_224

from marey.maximization.maximization import Progress
from marey.maximization.recipe import Recipe
from marey.maximization.run import maximize
from marey.network.network import Network

THREADS = 2
PEAK_STEPS = 2
"""Steps that a process takes of which the peak is measured; the second one has Adam's memory."""

WARM = 2
"""First steps of a run, not counted."""


SWEEP = Recipe().slowness


CASES = (
    Case("rgb.conv3_3", 1, 40, 1, 20, 8, 2),
    Case("rgb.conv3_3", 4, 40, 1, 20, 4, 2),
    Case("rgb.conv3_3", 32, 40, 1, 15, 2, 2),
    Case("flow.conv3_3", 1, 40, 1, 20, 8, 2),
    Case("flow.conv3_3", len(SWEEP), 40, 1, 20, 4, 2, SWEEP),
    Case("flow.conv3_3", 32, 40, 1, 15, 2, 2),
    Case("rgb.conv4_3", 1, 92, 1, 15, 2, 2),
    Case("rgb.conv4_3", 4, 92, 1, 20, 1, 2),
    Case("rgb.conv4_3", 16, 92, 1, 10, 1, 2),
    Case("flow.conv4_3", 1, 92, 1, 15, 2, 2),
    Case("flow.conv4_3", len(SWEEP), 92, 1, 20, 1, 2, SWEEP),
    Case("flow.conv4_3", 16, 92, 1, 10, 1, 2),
    Case("fusion.conv5", 1, 224, 3, 9, 1, 2),
    Case("fusion.conv5", 4, 224, 3, 7, 1, 2),
)
TARGETS = {"conv3_3": 100.0, "conv4_3": 30.0, "conv5": 3.5}
"""How many times faster than `hooks` marey must be."""

HAND_TARGET = 1.25
"""The most that a step may take relative to the loop by hand."""

MEMORY_OF = ("marey-bf16", "bare-bf16", "hooks")


def timed(step: Callable[[], object]) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


@dataclass
class Measured:
    """Median seconds per step of every block of each loop; `work` is marey's and bare's in processor time."""

    marey: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    work: list[float] = field(default_factory=list)
    channels_last: list[float] = field(default_factory=list)
    hand: list[float] = field(default_factory=list)
    hooks: list[float] = field(default_factory=list)
    lucent: list[float] = field(default_factory=list)

    def beside(self, other: list[float]) -> float:
        """The median of the ratios of marey's blocks to another loop's that ran next to them."""
        return statistics.median(own / its for own, its in zip(self.marey, other, strict=True))


def measure(
    network: Network, case: Case, precision: Precision, *, quick: bool, lucent: Lucent | None, peers: bool
) -> Measured:
    """All loops in turn: some steps of marey, then as many of every other one."""
    bare = bare_step(network, case, precision)
    channels_last = bare_step(network, case, precision, channels_last=True)
    hand = HandLoop(network, case, precision)
    hooks = HookLoop(network, case.layer) if peers else None
    found = Measured()
    blocks = max(3, case.blocks // 3) if quick else case.blocks
    others = 1 if quick else case.others
    turns = {round((blocks - 1) * (k + 0.5) / others) for k in range(others)}
    for step in (bare, channels_last, hand.step, *(() if hooks is None else (hooks.step,))):
        step()
    steps: list[float] = []
    started = [0.0, 0.0]

    def after_step(progress: Progress) -> None:
        now = time.perf_counter()
        if progress.done > WARM:
            steps.append(now - started[0])
        if len(steps) == case.steps:
            worked = time.process_time() - started[1]
            found.marey.append(statistics.median(steps))
            steps.clear()
            before = time.process_time()
            found.bare.append(_block(bare, case.steps))
            found.work.append(worked / (time.process_time() - before))
            found.channels_last.append(_block(channels_last, case.steps))
            found.hand.append(_block(hand.step, case.steps))
            if hooks is not None and len(found.marey) - 1 in turns:
                found.hooks.append(timed(hooks.step))
                if lucent is not None:
                    found.lucent += lucent.seconds(1 if quick else 2)
        if not steps:
            bare()  # what ran before it is then the same for every block of marey
            started[1] = time.process_time()
        started[0] = time.perf_counter()

    steps_in_all = WARM + blocks * case.steps
    recipe = Recipe(slowness=case.slowness, steps=steps_in_all, tolerance=0.0, precision=precision, batch=case.batch)
    maximize(network, case.units, recipe=recipe, callback=after_step)
    return found


def _block(step: Callable[[], object], steps: int) -> float:
    """The median of the seconds of so many steps, one after the other."""
    return statistics.median(timed(step) for _ in range(steps))


def row(case: Case, precision: str, found: Measured) -> str:
    seconds = statistics.median(found.marey) / case.batch
    bare = statistics.median(found.bare) / case.batch
    hooks = statistics.median(found.hooks) if found.hooks else None
    lucent = statistics.median(found.lucent) if found.lucent else None
    hand = found.beside(found.hand)
    cells = [
        case.layer,
        case.inputs,
        precision,
        f"{1000 * seconds:.1f}",
        f"{1000 * bare:.1f}",
        f"{hand:.2f}" + ("" if hand <= HAND_TARGET else f" (above {HAND_TARGET})"),
        f"{found.beside(found.bare):.2f}",
        f"{statistics.median(found.work):.2f}",
        f"{found.beside(found.channels_last):.2f}",
        "" if hooks is None else f"{1000 * hooks:.0f}",
        "" if hooks is None else _times(hooks / seconds, case),
        "" if lucent is None else f"{1000 * lucent:.0f}",
        "" if lucent is None else f"{lucent / seconds:.0f}",
    ]
    return "| " + " | ".join(cells) + " |"


def _times(ratio: float, case: Case) -> str:
    """How many times as fast, and the goal where it is missed."""
    target = next(value for name, value in TARGETS.items() if case.layer.endswith(name))
    return f"{ratio:.{0 if ratio >= 10 else 1}f}" + ("" if ratio >= target else f" (below {target:g})")


def peak_of(variant: str, case: Case) -> tuple[float, float]:
    """Peak and growth over the network alone, in MiB, of a process that takes two steps of `variant`."""
    command = [sys.executable, str(Path(__file__).resolve()), "--peak", variant, "--case", str(CASES.index(case))]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    before, peak = (float(value) for value in done.stdout.split())
    return peak, peak - before


def print_peak(variant: str, case: Case) -> None:
    """In this process: MiB resident with the network alone, and at most after two steps."""
    network = network_at_224()
    before = resident()
    forget_peak()
    name, _, precision = variant.partition("-")
    chosen: Precision = "bf16" if precision == "bf16" else "fp32"
    if name == "marey":
        recipe = Recipe(slowness=case.slowness, steps=PEAK_STEPS, tolerance=0.0, precision=chosen, batch=case.batch)
        maximize(network, case.units, recipe=recipe)
    elif name == "bare":
        step = bare_step(network, case, chosen)
        for _ in range(PEAK_STEPS):
            step()
    else:
        network.module.requires_grad_(True)
        loop = HookLoop(network, case.layer)
        for _ in range(PEAK_STEPS):
            loop.step()
        before += _weights_of(network)  # its copy of the network stands for the network itself
    print(before, peak_resident())


def _weights_of(network: Network) -> float:
    return sum(value.numel() * value.element_size() for value in network.module.parameters()) / 2**20


def _status(key: str) -> float | None:
    file = Path("/proc/self/status")
    if not file.exists():
        return None
    return next((int(line.split()[1]) / 1024 for line in file.read_text().splitlines() if line.startswith(key)), None)


def resident() -> float:
    """MiB resident now; where the system does not say, the high-water mark."""
    now = _status("VmRSS:")
    return now if now is not None else peak_resident()


def forget_peak() -> None:
    """Let the high-water mark of this process start anew, where the system can."""
    file = Path("/proc/self/clear_refs")
    try:
        file.write_text("5")
    except OSError:
        return


def peak_resident() -> float:
    """High-water mark of the resident set, MiB."""
    mark = _status("VmHWM:")
    scale = 2**20 if sys.platform == "darwin" else 1024
    return mark if mark is not None else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale


def memory_table(cases: Sequence[Case]) -> None:
    print("\nPeak memory, MiB (above the network alone):\n")
    print("| layer | units at once | marey bf16 | bare bf16 | hooks, one unit |\n|---|---|---|---|---|")
    for case in {case.layer: case for case in cases}.values():  # the largest batch of every layer
        cells = [f"{peak:.0f} (+{more:.0f})" for peak, more in (peak_of(variant, case) for variant in MEMORY_OF)]
        print(f"| {case.layer} | {case.batch} | " + " | ".join(cells) + " |", flush=True)


def time_table(cases: Sequence[Case], arithmetic: str, *, quick: bool, peers: bool) -> None:
    network = network_at_224()
    print(f"torch {torch.__version__}, {THREADS} threads, two-stream VGG-16, 224 px, 5 frames; ms per input and step\n")
    columns = [
        "layer",
        "inputs at once",
        "arithmetic",
        "marey",
        "bare",
        "marey / by hand",
        "marey / bare",
        "in processor time",
    ]
    columns += ["marey / bare channels last"]
    columns += ["hooks", "times as fast", "lucent", "times"]
    print("| " + " | ".join(columns) + " |")
    print("|" + "---|" * len(columns), flush=True)
    absent = ""
    for case in cases:
        for precision in PRECISIONS if arithmetic == "both" else (arithmetic,):
            lucent = None
            if peers and case.layer.startswith("rgb") and case.batch == 1:
                try:
                    lucent = Lucent(case.layer)
                except ImportError as error:
                    absent = str(error)
            found = measure(network, case, precision, quick=quick, lucent=lucent, peers=peers)
            print(row(case, precision, found), flush=True)
            gc.collect()  # hooks and loops refer to each other, and hold a copy of the network each
    if absent:
        print(f"\nThe columns of lucent are empty: {absent}")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a third of the steps")
    parser.add_argument("--only", default="", help="layers whose name contains this")
    parser.add_argument("--arithmetic", choices=("bf16", "fp32", "both"), default="both")
    parser.add_argument("--no-peers", action="store_true", help="marey and bare alone")
    parser.add_argument("--no-memory", action="store_true", help="no table of peak memory")
    parser.add_argument("--no-time", action="store_true", help="that table alone")
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    parser.add_argument("--case", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(THREADS)
    if options.peak is not None:
        print_peak(options.peak, CASES[options.case])
        return
    cases = [case for case in CASES if options.only in case.layer]
    if not cases:
        parser.error(f"no case '{options.only}'; there are {', '.join(dict.fromkeys(case.layer for case in CASES))}")
    if not options.no_time:
        time_table(cases, options.arithmetic, quick=options.quick, peers=not options.no_peers)
    if not options.no_memory:
        memory_table(cases)


if __name__ == "__main__":
    main()
