"""One recording from several of the same network, on different clips."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
from numpy.typing import NDArray

from marey.errors import DatasetError, MareyError, OutputError
from marey.recording.clip_identity import clip_key, clips_hash
from marey.recording.layout import FORMAT, PLANNED_FIELDS, RESPONSE_FIELDS, RESPONSES, UNFINISHED, ResponseArrays
from marey.recording.read.recording import Recording
from marey.recording.write.differences import differences
from marey.recording.write.staged import remove_tree, staged
from marey.recording.write.tables import LayerUnits, write_recording

_KEYS = ("path", "start_seconds", "stop_seconds")


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
        found = differences(first.summary, {**part.summary, "format": first.summary["format"]})
        if found:
            raise MareyError(
                f"the recordings '{first.folder}' and '{part.folder}' do not go together: {'; '.join(found)}."
            )
    table, columns = _clips_in_order(parts)

    def rows() -> Iterator[dict[str, Any]]:
        for batch in table.to_batches(max_chunksize=4096):
            yield from batch.to_pylist()

    def responses_of(wanted: LayerUnits) -> ResponseArrays:
        every = [_responses(parts, columns, layer, units) for layer, units in wanted]
        return {name: np.concatenate([one[name] for one in every]) for name in RESPONSE_FIELDS}

    planned = table.select([name for name, _ in PLANNED_FIELDS])
    provenance = {name: value for name, value in first.summary.items() if name != RESPONSES}
    provenance["format"] = FORMAT
    provenance["clips"] = {"count": len(table), "sha256": clips_hash(planned)}
    with staged(folder, folder / UNFINISHED) as staging:
        write_recording(staging, provenance, rows(), responses_of)
    remove_tree(folder / UNFINISHED)
    return Recording.open(folder)


def _clips_in_order(parts: Sequence[Recording]) -> tuple[pyarrow.Table, NDArray[np.intp]]:
    """The clips of all parts in order, numbered anew.

    Also where the responses to those recorded are, in a row of the responses of all parts side by side.
    """
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
    return table, row_of[row_of >= 0]


def _responses(parts: Sequence[Recording], columns: NDArray[np.intp], layer: str, units: slice) -> ResponseArrays:
    """The responses of some units of a layer, those of all parts in the order of the clips."""
    tables = [(part.units(layer, units.start, units.stop), part.recorded) for part in parts]
    count = units.stop - units.start
    return {
        name: np.concatenate([found[name].to_numpy().reshape(count, size) for found, size in tables], 1)[:, columns]
        for name in RESPONSE_FIELDS
    }
