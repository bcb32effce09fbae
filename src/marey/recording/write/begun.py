"""The folder of a recording that is not finished: its plan, its shards, and who works on them."""

from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pyarrow
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
from marey.schema import SIGNATURE, SchemaError, check_signature, parsed, signed, typed

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
            temporary.write_text(json_lines(signed(_begun(plan))), encoding="utf-8")


def _matches(folder: Path, plan: Plan) -> bool:
    """Whether the folder holds this recording or its beginning; OutputError if it holds another."""
    unfinished = folder / UNFINISHED
    before = _plan(unfinished / _PLAN)
    if (folder / SUMMARY).exists():
        _, summary = read_summary(folder)
        summary["format"] = plan.provenance["format"]  # what is finished stays, though earlier files lack checksums
        summary["clips"] = {name: summary["clips"].get(name) for name in ("count", "sha256")}
        summary.pop(RESPONSES, None)  # where they lie, which says nothing of what they are
        _same(folder, plan, summary, folder / CLIPS, plan.provenance)
    elif before is not None:
        _same(folder, plan, before, unfinished / _PLANNED, _begun(plan))
    else:
        return False
    return True


def _plan(path: Path) -> dict[str, Any] | None:
    """The plan that `prepare` wrote; None where there is none, OutputError where it has changed since."""
    try:
        found = typed(parsed(path.read_bytes()), dict[str, Any])
        check_signature(found)
        return {name: value for name, value in found.items() if name != SIGNATURE}
    except (FileNotFoundError, NotADirectoryError):
        return None
    except SchemaError as error:
        raise OutputError(
            f"'{path}' is damaged: {error}; remove '{path.parent}' and run the same line again."
        ) from None


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
        with suppress(OSError, pyarrow.ArrowException):  # the table only says which clips they were
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
