"""A file of a recording that is not as it was written is refused with its name; what is read is what was written."""

import json
import random
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marey.errors import MareyError
from marey.network.network import Network
from marey.recording import Recording, merged, record
from marey.recording.checked_file import BLOCK_BYTES, ChangedError, CheckedFile, checksums
from marey.recording.write.settings import RecordingSettings
from marey.video.read.clips import Clip

FILES = ("recording.json", "clips.parquet", "statistics.parquet", "responses/00000.parquet")


def _all(found: Recording) -> list[Any]:
    """All that is in a recording."""
    rows = [found.units(name, 0, layer.units).to_pylist() for name, layer in found.layers.items()]
    statistics = [found.statistics(name).to_pylist() for name in found.layers]
    return [found.clips.to_pylist(), found.layers, found.streams, found.classes, rows, repr(statistics)]


@pytest.fixture
def copied(recording: Recording, tmp_path: Path) -> Path:
    return Path(shutil.copytree(recording.folder, tmp_path / "copied"))


@pytest.fixture
def earlier(copied: Path) -> Path:
    """The recording in format 4, which had no checksums."""
    summary = json.loads((copied / "recording.json").read_text())
    del summary["sha256"], summary["checksums"]
    (copied / "recording.json").write_text(json.dumps({**summary, "format": 4}))
    return copied


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32), size=st.integers(0, 3 * BLOCK_BYTES), place=st.integers(0, 4 * BLOCK_BYTES))
def test_a_checked_file_gives_what_was_written_or_nothing(
    tmp_path_factory: pytest.TempPathFactory, seed: int, size: int, place: int
) -> None:
    path = tmp_path_factory.mktemp("checked") / "file"
    chance = random.Random(seed)
    content = chance.randbytes(size)
    path.write_bytes(content)
    expected = checksums(path)
    with CheckedFile(path, expected) as file:
        file.seek(place)
        assert file.read(1000) == content[place : place + 1000]
        assert file.seek(-min(7, size), 2) == size - min(7, size) and file.read() == content[size - min(7, size) :]
    if not size:
        return
    changed = bytearray(content)
    changed[chance.randrange(size)] ^= 1 << chance.randrange(8)
    path.write_bytes(changed)
    with CheckedFile(path, expected) as file, pytest.raises(ChangedError, match="has changed since it was written"):
        file.read()
    path.write_bytes(content + bytes(BLOCK_BYTES))
    with pytest.raises(ChangedError, match="bytes, which are not those"):
        CheckedFile(path, expected)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("seed", range(5))
def test_a_flipped_bit_in_any_file_is_noticed(recording: Recording, copied: Path, name: str, seed: int) -> None:
    chance = random.Random(seed)
    content = bytearray((copied / name).read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    (copied / name).write_bytes(content)
    with pytest.raises(
        MareyError, match=rf"(?s){name}' of a recording is damaged: .*(Remove|again)|has format"
    ) as said:
        _all(Recording.open(copied))
    assert "\n" not in str(said.value)


def test_files_that_changed_places_are_noticed(copied: Path) -> None:
    (copied / "clips.parquet").rename(copied / "other")
    (copied / "statistics.parquet").rename(copied / "clips.parquet")
    with pytest.raises(MareyError, match=r"clips.parquet' of a recording is damaged"):
        Recording.open(copied).clip(0)


def test_a_recording_of_format_4_still_opens_and_merges(
    recording: Recording, earlier: Path, again: Callable[..., Recording], shapes_clips: list[Clip], tmp_path: Path
) -> None:
    found = Recording.open(earlier)
    assert _all(found) == _all(recording)
    other = again(shapes_clips[1:4:2])
    both = merged([found, other], tmp_path / "both")
    assert both.recorded == 26
    assert both.summary["format"] == 5


@pytest.mark.parametrize("name", ["../../00000.parquet", "/etc/passwd", "a/0.parquet", "00000.parquet/..", ""])
def test_names_of_files_do_not_lead_out_of_the_recording(earlier: Path, name: str) -> None:
    summary = json.loads((earlier / "recording.json").read_text())
    (layers,) = summary["responses"].values()
    (earlier / "recording.json").write_text(json.dumps({**summary, "responses": {name: layers}}))
    with pytest.raises(MareyError, match=r"recording.json' .*: 'responses' names \".*\"; expected a name such as"):
        Recording.open(earlier)


def test_a_wrong_value_is_named(earlier: Path) -> None:
    summary = json.loads((earlier / "recording.json").read_text())
    summary["network"]["streams"][0]["height"] = "abc"
    (earlier / "recording.json").write_text(json.dumps(summary))
    said = r"recording.json' .*: 'network.streams\[0\].height' is \"abc\"; expected a whole number"
    with pytest.raises(MareyError, match=said):
        Recording.open(earlier)


def _places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place, *(found for key, one in inner for found in _places(one, (*place, key)))]


WRONG = st.sampled_from(["abc", "..", "", "\x1b[31m", -1, 0, 7, 10**9, 10**30, 0.5, 1e999, None, True, [], [1], {}])


@settings(max_examples=60)
@given(data=st.data())
def test_any_wrong_value_in_a_file_without_checksums_is_refused_or_read(
    recording: Recording, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("wrong")
    for name in ("clips.parquet", "statistics.parquet", "responses"):
        (folder / name).symlink_to(recording.folder / name)
    summary = json.loads((recording.folder / "recording.json").read_text())
    del summary["sha256"], summary["checksums"]
    summary["format"] = 4
    place = data.draw(st.sampled_from(_places(summary)[1:]))
    holder = summary
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = data.draw(WRONG)
    (folder / "recording.json").write_text(json.dumps(summary))
    with suppress(MareyError):
        found = Recording.open(folder)
        for name in list(found.layers)[-2:]:
            for read in (found.statistics, found.matrix, lambda name: found.top(f"{name}:0", 2)):
                with suppress(MareyError):
                    read(name)
        for read_all in (found.maxima, found.evaluation, found.speeds):
            with suppress(MareyError):
                read_all()


def test_a_changed_shard_is_named_and_made_again(
    network: Network, recording: Recording, clips: list[Clip], tmp_path: Path, hashes: Callable[..., Any]
) -> None:
    options: dict[str, Any] = {"settings": RecordingSettings(flow="dis", windows=2, batch=4), "shard_clips": 24}
    layers = list(recording.layers)
    out = tmp_path / "out"

    def stop(done: int, count: int) -> None:
        if done == count:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        record(network, clips, layers, out=out, report=stop, **options)
    (shard,) = (out / "unfinished").glob("*.safetensors")
    content = bytearray(shard.read_bytes())
    content[-5] ^= 4
    shard.write_bytes(content)
    with pytest.raises(MareyError, match=r"safetensors' is damaged \(it has changed .*; remove this file and run"):
        record(network, clips, layers, out=out, **options)
    plan = out / "unfinished" / "plan.json"
    text = plan.read_text()
    plan.write_text(text.replace('"windows": 2', '"windows": 3'))
    with pytest.raises(MareyError, match=r"plan.json' is damaged: it has changed .*; remove '.*unfinished' and run"):
        record(network, clips, layers, out=out, **options)
    plan.write_text(text)
    shard.unlink()
    assert hashes(record(network, clips, layers, out=out, **options)) == hashes(recording)
