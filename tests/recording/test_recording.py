"""A recording opens without network and clips; whatever reads Parquet reads it, and no more of it than it needs."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

import duckdb
import numpy as np
import pandas
import pytest
import torch
from pyarrow import parquet

from marey.errors import MareyError, NetworkError
from marey.network.unit import Unit
from marey.recording import Recording
from marey.recording.write import tables
from marey.video.flow.files import TWO_STREAM
from marey.video.flow.stored import StoredFlow
from marey.video.read.clips import Clip

pytestmark = pytest.mark.slow

Again = Callable[..., Recording]
LAYERS = ["rgb.conv1_1", "fusion.*", "fc6", "scores"]


def test_the_strongest_clips_are_those_of_a_full_sort_one_of_each_group(recording: Recording) -> None:
    values = recording.matrix("fc6")[:, 2].tolist()
    order = sorted(range(24), key=lambda number: -values[number])
    every = recording.top("fc6:2", 24, one_per_group=False)
    assert [one.number for one in every] == order
    assert [one.value for one in every] == sorted(values, reverse=True)
    best = {}
    for number in order:
        best.setdefault(recording.clip(number).group, number)
    assert [one.number for one in recording.top("fc6:2", 9)] == list(best.values())
    assert recording.top("fc6:2", 2) == recording.top(Unit("fc6", 2), 9)[:2]


def test_clips_without_a_group_are_each_their_own(again: Again, clips: list[Clip]) -> None:
    found = again([Clip(clip.path, label=clip.label) for clip in clips[:5]])
    assert len(found.top("fc6:0", 9)) == 5


def test_clips_are_the_same_in_whatever_parts_they_are_read(
    recording: Recording, again: Again, clips: list[Clip], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = Clip(clips[3].path.with_name("_gone.mp4"))
    whole = again([*clips, gone])
    monkeypatch.setattr(tables, "CLIP_ROWS", 5)
    monkeypatch.setattr(tables, "FILE_UNITS", 8)
    found = again([*clips, gone])
    assert parquet.ParquetFile(found.folder / "clips.parquet").num_row_groups == 5
    for name in LAYERS:
        for layer in (layer for layer in found.layers if fnmatch(layer, name)):
            assert found.statistics(layer).equals(whole.statistics(layer))
            top = found.top(f"{layer}:1")
            assert top == whole.top(f"{layer}:1") and top[0].clip in clips
            assert [(one.value, one.clip) for one in top] == [
                (one.value, one.clip) for one in recording.top(f"{layer}:1")
            ]
    (skipped,) = found.skipped
    assert skipped.path == str(gone.path)


def test_the_files_are_the_same_however_little_fits_in_memory(
    again: Again, clips: list[Clip], hashes: Callable[..., dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "FILE_UNITS", 16)
    monkeypatch.setattr(tables, "GROUP_ROWS", 7 * len(clips))
    found = again(clips)
    groups = parquet.ParquetFile(found.folder / "responses" / "00001.parquet").metadata
    assert groups.num_row_groups > 1 and groups.row_group(0).num_rows == 7 * len(clips)
    monkeypatch.setattr(tables, "VALUE_BYTES", 10**9)
    assert hashes(again(clips)) == hashes(found)


def test_where_flow_is_stored_is_kept(again: Again, clips: list[Clip], tmp_path: Path) -> None:
    flow = StoredFlow(tmp_path / "flow", "v_1", TWO_STREAM)
    found = again([Clip(tmp_path / "gone", flow=flow), clips[0]])
    assert {found.clip(0).flow, found.clip(1).flow} == {flow, None}


def test_class_units_are_found_by_name(recording: Recording) -> None:
    assert recording.unit("disc_left") == recording.unit("class:disc_left") == Unit("scores", 1)


def test_statistics_are_per_class_and_over_all(recording: Recording) -> None:
    table = recording.statistics("fc6", 3)
    labels = recording.recorded_clips["label"].to_pylist()
    values = recording.matrix("fc6")[:, 3].double()
    rows = {row["label"]: row for row in table.to_pylist()}
    assert set(rows) == {None, *labels} and rows[None]["clips"] == 24
    for label in {*labels}:
        mine = values[[one == label for one in labels]]
        assert rows[label]["clips"] == len(mine)
        assert rows[label]["mean"] == pytest.approx(float(mine.mean()))
        assert rows[label]["variance"] == pytest.approx(float(mine.var()))
        assert rows[label]["q50"] == pytest.approx(float(np.median(mine)))
        assert rows[label]["maximum"] == pytest.approx(float(mine.max()))


def test_the_evaluation_is_that_of_the_scores(recording: Recording) -> None:
    found = recording.evaluation()
    scores = torch.tensor(recording.clips["scores"].to_pylist())
    assert found.predictions.equal(scores.argmax(1)) and len(found.clips) == 24
    counts = recording.summary["clips"]
    assert (counts["right"], counts["of_known_class"]) == (found.right, 24)


@pytest.fixture
def lines() -> list[str]:
    """The lines of docs/howto/record.md that read a recording with other programs: DuckDB's, then pandas'."""
    text = (Path(__file__).parents[2] / "docs" / "howto" / "record.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"DuckDB and pandas read it in a line:\n\n```text\n(.*?)```", text, re.DOTALL)
    found = [" ".join(part.split()) for part in block.split("\n\n")]
    assert [line.split()[0] for line in found] == ["SELECT", 'pandas.read_parquet("recording/responses",']
    return found


def test_duckdb_reads_it_in_the_line_of_the_docs(recording: Recording, lines: list[str]) -> None:
    assert "unit = 21" in lines[0]
    rows = duckdb.sql(lines[0].replace("recording/", f"{recording.folder}/").replace("21", "2")).fetchall()
    expected = recording.top("fc6:2", 9, one_per_group=False)
    assert rows == [(str(one.clip.path), pytest.approx(one.value), pytest.approx(one.seconds)) for one in expected]


def test_pandas_reads_it_in_the_line_of_the_docs(
    recording: Recording, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (recording.folder.parent / "recording").symlink_to(recording.folder)
    monkeypatch.chdir(recording.folder.parent)
    table = eval(lines[1].replace("21", "2"), {"pandas": pandas})
    assert table["maximum"].tolist() == recording.responses("fc6:2")["maximum"].to_pylist()


def test_a_unit_is_read_without_the_others(recording: Recording) -> None:
    chosen = [("layer", "=", "fc6"), ("unit", "=", 2)]
    table = parquet.read_table(recording.folder / "responses", filters=chosen)
    assert table.drop_columns("layer").equals(recording.responses("fc6:2"))


def test_it_opens_without_the_clips_and_without_a_codec(recording: Recording, tmp_path: Path) -> None:
    shutil.copytree(recording.folder, tmp_path / "moved")
    again = Recording.open(tmp_path / "moved")
    assert again.top("fc6:0") == recording.top("fc6:0")
    assert [stream.name for stream in again.streams] == ["rgb", "flow"]
    assert again.layer("fusion.conv5").receptive_field.streams.keys() == {"rgb", "flow"}
    assert "24 clips, 0 skipped" in repr(again)


def test_what_is_no_recording_or_damaged_is_said(recording: Recording, tmp_path: Path) -> None:
    with pytest.raises(MareyError, match=r"holds no recording \(recording.json\); make one with `marey record`"):
        Recording.open(tmp_path)
    (tmp_path / "unfinished").mkdir()
    with pytest.raises(MareyError, match="a recording that is not finished; run the same `marey record` line again"):
        Recording.open(tmp_path)
    broken = tmp_path / "broken"
    shutil.copytree(recording.folder, broken)
    (broken / "responses" / "00000.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(MareyError, match=r"00000.parquet' of a recording is damaged: it has changed"):
        Recording.open(broken).responses("fc6:0")
    shutil.copy(recording.folder / "responses" / "00000.parquet", broken / "responses")
    (broken / "clips.parquet").unlink()
    with pytest.raises(MareyError, match=r"clips.parquet' of a recording is damaged: it is missing"):
        Recording.open(broken).top("scores:0")
    summary = json.loads((broken / "recording.json").read_text())
    (broken / "recording.json").write_text(json.dumps({**summary, "format": 3}))
    with pytest.raises(MareyError, match="has format 3, and this marey reads 5; record again into a new folder"):
        Recording.open(broken)
    (broken / "recording.json").write_text(json.dumps({"format": 4}))
    with pytest.raises(MareyError, match=r"recording.json' of a recording is damaged: 'network' is missing"):
        Recording.open(broken)
    (broken / "recording.json").write_text("{")
    with pytest.raises(MareyError, match="is damaged"):
        Recording.open(broken)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("fc7:0", r"layer 'fc7' is not in the recording .* Did you mean 'fc6'\?"),
        ("fc6:16", r"unit fc6:16 is out of range: layer 'fc6' has 16 units, 0 to 15"),
        ("disc_lefd", r"'disc_lefd' is neither a class nor a unit .* Did you mean 'disc_left'"),
    ],
)
def test_units_that_were_not_recorded_are_told(recording: Recording, address: str, said: str) -> None:
    with pytest.raises(NetworkError, match=said):
        recording.top(address)


def test_the_strongest_clips_do_not_wait_for_pandas(recording: Recording) -> None:
    lines = (
        "import sys; from marey.recording import Recording; "
        f"found = Recording.open({str(recording.folder)!r}); found.top('fc6:2'); found.matrix('fc6'); "
        "print('pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_strongest_clips_are_found_without_reading_other_units_or_all_clips(
    again: Again, clips: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "CLIP_ROWS", 2)
    monkeypatch.setattr(tables, "GROUP_ROWS", len(clips))
    folder = again(clips).folder
    found = Recording.open(folder)
    read: list[int] = []
    groups, group = parquet.ParquetFile.read_row_groups, parquet.ParquetFile.read_row_group

    def reading_groups(file: parquet.ParquetFile, wanted: list[int], **options: object) -> object:
        read.extend(file.metadata.row_group(index).num_rows for index in wanted)
        return groups(file, wanted, **options)

    def reading_group(file: parquet.ParquetFile, index: int, **options: object) -> object:
        read.append(file.metadata.row_group(index).num_rows)
        return group(file, index, **options)

    monkeypatch.setattr(parquet.ParquetFile, "read_row_groups", reading_groups)
    monkeypatch.setattr(parquet.ParquetFile, "read_row_group", reading_group)
    assert len(found.top("fc6:2", 3, one_per_group=False)) == 3
    assert read[0] == len(clips) and sum(read[1:]) <= 3 * 2  # the unit's rows, then those of three clips


def test_notebooks_show_layers_clips_and_accuracy(recording: Recording) -> None:
    html = recording._repr_html_()
    assert f"{recording.recorded} clips, {len(recording.skipped)} skipped" in html
    assert f"{recording.evaluation().right} of " in html and "<td>scores</td>" in html
