"""Motion studies on disk: videos in class folders, with their flow, masks and factors beside them."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from marey.files import replacing
from marey.studies.clips import RATE, StudyClip, study_clips
from marey.studies.difficulty import Difficulty, DifficultyName
from marey.studies.factors import Setting
from marey.video.encode import write_mp4, write_png

Form = Literal["mp4", "frames"]


def write_study_clips(
    folder: str | Path,
    count: int,
    seed: int,
    *,
    classes: Sequence[str] | None = None,
    size: int = 112,
    frames: int = 16,
    setting: Setting = "fair",
    difficulty: Difficulty | DifficultyName = "plain",
    form: Form = "mp4",
    truth: bool = True,
    on_clip: Callable[[], object] | None = None,
) -> Path:
    """Write `count` clips of every class (None: of all classes) under `folder`, and return the folder.

    - clips/CLASS/actorN_CLASS.mp4, or a folder of PNG frames, which loses nothing. N is the clip's index, and class
      folders take `actorN` as the group: no actor and no scene is on both sides of a split.
    - truth/CLASS/actorN_CLASS.npz: flow (2 time-1 height width) in px/frame, mask, occluded, parts and part_names;
      not without `truth`.
    - factors.jsonl: a line for each clip, with its path, class and factors; `study_clip` makes it again from these.

    `on_clip` is called after each clip. Raises DatasetError as `study_clip` does, and
    OutputError where the folder cannot be written.
    """
    folder = Path(folder)
    made = study_clips(count, seed, classes=classes, size=size, frames=frames, setting=setting, difficulty=difficulty)
    lines = []
    for clip, name in _named(made):
        path = Path("clips") / clip.label / (name if form == "frames" else f"{name}.mp4")
        if form == "mp4":
            write_mp4(clip.frames, folder / path, rate=RATE, quality=12)
        else:
            for k, frame in enumerate(clip.frames):
                write_png(frame, folder / path / f"{k:05d}.png")
        if truth:
            _write_truth(clip, folder / "truth" / clip.label / f"{name}.npz")
        lines.append(json.dumps({"path": path.as_posix(), "class": clip.label, **clip.factors.to_json()}))
        if on_clip is not None:
            on_clip()
    with replacing(folder / "factors.jsonl") as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def _write_truth(clip: StudyClip, path: Path) -> None:
    with replacing(path) as draft, draft.open("wb") as file:
        np.savez_compressed(
            file,
            flow=clip.flow,
            mask=clip.mask,
            occluded=clip.occluded,
            parts=clip.parts,
            part_names=np.array(clip.part_names),
        )


def _named(clips: Iterator[StudyClip]) -> Iterator[tuple[StudyClip, str]]:
    for clip in clips:
        yield clip, f"actor{clip.factors.index:05d}_{clip.label.replace('_', '-')}"
