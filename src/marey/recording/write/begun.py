"""The folder of a recording that is not finished: its plan, its shards, and who works on them."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

from pyarrow import parquet

from marey.errors import OutputError
from marey.files import replacing
from marey.recording.layout import CLIPS, RESPONSES, SUMMARY, UNFINISHED
from marey.recording.read.opening import read_summary
from marey.recording.write.claims import Claims
from marey.recording.write.differences import clip_differences, differences
from marey.recording.write.json_lines import json_lines
from marey.recording.write.plan import Plan
from marey.recording.write.shard import shard_path

_PLAN, _PLANNED, _CLAIMS = "plan.json", "planned.parquet", "claims"
_BEGINNING = 2**40  # a claim that is no shard's


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
    with closing(claims_on(folder)) as claims, claims.taken(_BEGINNING):
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
        _same(folder, plan, summary, folder / CLIPS, plan.provenance)
    elif before is not None:
        _same(folder, plan, before, unfinished / _PLANNED, _begun(plan))
    else:
        return False
    return True


def _begun(plan: Plan) -> dict[str, Any]:
    return {**plan.provenance, "shard_clips": plan.shard_clips}


def claims_on(folder: Path, tries: int = 100) -> Claims:
    """The claims on what is unfinished in the folder, made if need be; whoever ends the recording removes them."""
    try:
        (folder / UNFINISHED).mkdir(parents=True, exist_ok=True)
        return Claims(folder / UNFINISHED / _CLAIMS)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and tries > 1:  # removed in between
            return claims_on(folder, tries - 1)
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
