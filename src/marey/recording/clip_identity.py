"""What tells the clips of a recording apart, and how a table holds them."""

import hashlib
import json
from dataclasses import asdict

import pyarrow

from marey.schema import parsed, typed
from marey.video.flow.stored import StoredFlow


def clip_key(path: str, start_seconds: float, stop_seconds: float | None) -> tuple[str, float, float]:
    """The key that tells clips apart and puts them in order."""
    return (path, start_seconds, float("inf") if stop_seconds is None else stop_seconds)


def clips_hash(table: pyarrow.Table) -> str:
    """SHA-256 over the rows of planned clips, in hexadecimal digits."""
    digest = hashlib.sha256()
    for row in (row for part in table.to_batches(max_chunksize=4096) for row in part.to_pylist()):
        digest.update(json.dumps(row, sort_keys=True).encode())
    return digest.hexdigest()


def stored_flow_text(flow: StoredFlow | None) -> str | None:
    """Where the flow of a clip is stored, as JSON; None where it is computed."""
    return None if flow is None else json.dumps({**asdict(flow), "folder": str(flow.folder)}, sort_keys=True)


def stored_flow(text: str | None) -> StoredFlow | None:
    """The place that `stored_flow_text` wrote down; SchemaError for any other text."""
    return None if text is None else typed(parsed(text), StoredFlow)
