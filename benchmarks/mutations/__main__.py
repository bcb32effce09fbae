"""Changes files that marey reads at random, and looks at what comes: refused in a line, equal, or something worse.

python benchmarks/mutations --count 2000
python benchmarks/mutations --count 1 --seed 17 --of preferred --verbose    # one again, with what was said

Each mutation is read in a process of its own, forked after the imports, with a time limit. Only the first two outcomes
are right. A video has no checksum: of a changed one only the other clips must be equal.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cases import Case, Found, cases, make
from changes import mutate

from marey.errors import MareyError

LIMIT_SECONDS = 60.0
GOOD = ("refused", "equal")


def in_child(work: Callable[[], Any]) -> tuple[str, Any]:
    """("done", what the work returns), or ("refused" | "traceback" | "signal" | "hang", what was said)."""
    with tempfile.TemporaryFile("w+") as answer:
        pid = os.fork()
        if pid == 0:
            try:
                os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
                try:
                    said: tuple[str, Any] = ("done", work())
                except MareyError as error:
                    said = ("refused", str(error))
                except BaseException:  # noqa: BLE001 -- what it is about
                    said = ("traceback", traceback.format_exc())
                answer.write(json.dumps(said))
                answer.flush()
            finally:
                os._exit(0)
        end = time.monotonic() + LIMIT_SECONDS
        while True:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                break
            if time.monotonic() > end:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                return "hang", f"more than {LIMIT_SECONDS:g} s"
            time.sleep(0.002)
        if os.WIFSIGNALED(status):
            return "signal", signal.Signals(os.WTERMSIG(status)).name
        answer.seek(0)
        kind, content = json.loads(answer.read())
        return kind, content


def outcome(case: Case, before: Found, changed: str, came: tuple[str, Any]) -> tuple[str, str]:
    """The word for what came, and the line that was said."""
    kind, content = came
    if kind == "refused":
        return ("refused" if "\n" not in content else "lines"), content
    if kind != "done":
        return kind, str(content)
    found: Found = content
    refused = [text for text in found.values() if text.startswith("refused: ")]
    if case.name == "clips":  # a changed video may show anything, or may no longer be a clip
        own = {name for name in (*before, *found) if name.replace("renamed-", "") in changed}
        found = {name: value for name, value in found.items() if name not in own}
        before = {name: value for name, value in before.items() if name in found}
    wrong = [name for name, value in found.items() if not value.startswith("refused: ") and value != before.get(name)]
    if wrong:
        return "DIFFERENT", ", ".join(wrong)
    if any("\n" in text for text in refused):
        return "lines", "; ".join(refused)
    return ("refused", refused[0]) if refused else ("equal", "")


def mutations(place: Path, seeds: range, names: tuple[str, ...] = ()) -> list[tuple[int, str, str, str, str]]:
    """(seed, what was changed, how, outcome, what was said) of each seed; the things are made in `place`."""
    kind, said = in_child(lambda: make(place))
    assert kind == "done", said
    every = [case for case in cases(place) if not names or case.name in names]
    results = []
    originals: dict[str, Found] = {}
    for seed in seeds:
        chance = random.Random(seed)
        case = every[seed % len(every)]
        folder = place / f"{case.name}-changed"

        def copied(case: Case = case, folder: Path = folder) -> Path:
            shutil.rmtree(folder, ignore_errors=True)
            return shutil.copytree(case.folder, folder)

        if case.name not in originals:
            copied()
            kind, found = in_child(lambda case=case, folder=folder: case.read(folder))
            assert kind == "done", found
            originals[case.name] = found
        how = mutate(case, copied(), chance)
        came = in_child(lambda case=case, folder=folder: case.read(folder))
        word, said = outcome(case, originals[case.name], how, came)
        results.append((seed, case.name, how, word, said))
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0, help="of the first mutation")
    parser.add_argument("--of", action="append", default=[], help="recording, preferred, network, clips, unfinished")
    parser.add_argument("--verbose", action="store_true", help="also print what was refused")
    options = parser.parse_args()
    torch.set_num_threads(1)
    np.seterr(all="ignore")
    with tempfile.TemporaryDirectory() as place:
        start = time.monotonic()
        seeds = range(options.seed, options.seed + options.count)
        results = mutations(Path(place), seeds, tuple(options.of))
        seconds = time.monotonic() - start
    for seed, name, how, word, said in results:
        if word not in GOOD or options.verbose:
            print(f"seed {seed}, {name}, {how!r}: {word}: {said.strip() if options.verbose else said.strip()[-300:]}")
    counts = Counter((name, word) for _, name, _, word, _ in results)
    for (name, word), count in sorted(counts.items()):
        print(f"{name:>12} {word:>10} {count:5}")
    print(f"{len(results)} mutations in {seconds:.0f} s")
    sys.exit(any(word not in GOOD for *_, word, _ in results))


if __name__ == "__main__":
    main()
