"""The flow of a video is written whole or not at all, whenever the process that writes it is killed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from marey.video.flow import files as files_module
from marey.video.flow.files import DENSEFLOW, numbered_images, write_flow
from marey.video.flow.stored import StoredFlow

BEFORE, AFTER = torch.full((3, 2, 8, 8), 5.0), torch.full((2, 2, 8, 8), -5.0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "before"), [("denseflow", "old"), ("denseflow", "anew"), ("two-stream", "old"), ("i3d", "old")]
)
def test_a_killed_process_leaves_the_old_flow_or_the_new_or_none(tmp_path: Path, form: str, before: str):
    line = [sys.executable, str(Path(__file__).with_name("killed_writer.py")), str(tmp_path), form, before]
    rows = [json.loads(row) for row in subprocess.run(line, check=True, capture_output=True).stdout.splitlines()]
    assert len(rows) > 11 and rows[-1]["seen"] == [-5, -5]
    assert all(row["seen"] in ([-5, -5], None if before == "anew" else [5] * 3, None) for row in rows)
    assert all(row["again"] == [-5, -5] and row["files"] == 4 for row in rows)  # no draft, no image of before


def test_images_of_others_are_left_alone(tmp_path: Path):
    write_flow(tmp_path, "v_01", BEFORE, files=DENSEFLOW)
    other = tmp_path / "v_01" / "flow_x_00009.png"
    other.touch()
    (tmp_path / "v_01" / "img_00001.jpg").touch()
    write_flow(tmp_path, "v_01", AFTER, files=DENSEFLOW)
    names = sorted(path.name for path in (tmp_path / "v_01").iterdir())
    assert len(names) == 6 and other.name in names and list(numbered_images(tmp_path, "v_01")) == [1, 2]
    assert StoredFlow(tmp_path, "v_01").count == 2 and files_module.unfinished(tmp_path, "v_01", DENSEFLOW) is False
