"""One recording from several of the same network, on different clips."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow

from marey.errors import DatasetError, MareyError, OutputError
from marey.recording.plan import CLIP_FIELDS, clip_key, clips_hash, differences
from marey.recording.recording import Recording
from marey.recording.store import FIELDS, RESPONSES, UNFINISHED, Block, Part, remove_tree, staged, write_recording


def merged(parts: Sequence[Recording], out: str | Path) -> Recording:
    """The recording of all clips of `parts`, in the folder `out`: the same as if they had been recorded at once.

    Raises MareyError when there is no part, or they differ in network, layers or settings; DatasetError when two hold
    the same clip.
    """
    if not parts:
        raise MareyError("there is no recording to merge.")
    folder = Path(out)
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise OutputError(f"'{folder}' is not empty; name another folder.")
    first = parts[0]
    for part in parts[1:]:
        found = differences(first.summary, part.summary)
        if found:
            raise MareyError(
                f"the recordings '{first.folder}' and '{part.folder}' do not go together: {'; '.join(found)}."
            )
    every = pyarrow.concat_tables([part.clips for part in parts])
    places = np.repeat(np.arange(len(parts)), [len(part.clips) for part in parts])
    keys = [clip_key(*key) for key in zip(*(every[name].to_pylist() for name in _KEYS), strict=True)]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    for before, after in pairwise(order):
        if keys[before] == keys[after]:
            raise DatasetError(
                f"the clip '{keys[before][0]}' is in '{parts[places[before]].folder}' and in "
                f"'{parts[places[after]].folder}'; merge recordings of different clips."
            )
    table = every.take(order).set_column(0, "clip", pyarrow.array(range(len(order)), pyarrow.int32()))
    recorded = every["failure"].is_null().to_numpy()
    row_of = np.where(recorded, np.cumsum(recorded) - 1, -1)[order]
    columns = row_of[row_of >= 0]  # of the parts' responses side by side, those of the clips in order

    def rows() -> Iterator[dict[str, Any]]:
        for batch in table.to_batches(max_chunksize=4096):
            yield from batch.to_pylist()

    def block(wanted: Part) -> Block:
        every = [responses(layer, units) for layer, units in wanted]
        return {name: np.concatenate([one[name] for one in every]) for name in FIELDS}

    def responses(layer: str, units: slice) -> Block:
        tables = [(part.units(layer, units.start, units.stop), part.recorded) for part in parts]
        count = units.stop - units.start
        return {
            name: np.concatenate([found[name].to_numpy().reshape(count, size) for found, size in tables], 1)[:, columns]
            for name in FIELDS
        }

    described = {name: value for name, value in first.summary.items() if name not in ("clips", RESPONSES)}
    planned = table.select([name for name, _ in CLIP_FIELDS])
    described["clips"] = {"count": len(order), "sha256": clips_hash(planned)}
    ordered = {name: described[name] for name in first.summary if name != RESPONSES}
    with staged(folder, folder / UNFINISHED) as staging:
        write_recording(staging, ordered, rows(), block)
    remove_tree(folder / UNFINISHED)
    return Recording.open(folder)


_KEYS = ("path", "start_seconds", "stop_seconds")
