"""`marey record` and `marey top`."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from marey.errors import MareyError
from marey.maximization.result import PreferredInput
from marey.recording import Recording
from marey.video.read.decode import read_video

pytestmark = pytest.mark.slow

Marey = Callable[..., Any]


@pytest.fixture(scope="session")
def few(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of four clips by four people, one of them no video."""
    place = tmp_path_factory.mktemp("few")
    for label in ("disc_left", "square_down"):
        (place / label).mkdir()
        for clip in sorted((shapes / label).iterdir())[::2]:
            shutil.copy(clip, place / label)
    (place / "disc_left" / "person9_broken.mp4").write_text("no video")
    return place


def _recorded(marey: Marey, net: Path, few: Path, out: Path, *words: object) -> Any:
    return marey(
        "record",
        net,
        few,
        "--layers",
        "fusion.*,scores",
        "--flow",
        "dis",
        "--group",
        "(person.)",
        "--out",
        out,
        *words,
    )


@pytest.mark.parametrize("command", ["classify", "record", "top"])
def test_clips_that_are_cut_off_are_named(marey: Marey, net: Path, tmp_path: Path, command: str) -> None:
    folder = tmp_path / "clips" / "disc_left"
    folder.mkdir(parents=True)
    cut = folder / "cut.avi"
    with av.open(str(cut), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        grain = np.random.default_rng(0).integers(0, 255, (20, 48, 64, 3), dtype=np.uint8)
        for picture in grain:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    words = {
        "classify": (net, cut),
        "record": (net, tmp_path / "clips", "--layers", "scores", "--out", tmp_path / "recording"),
        "top": (net, "disc_left", "--clips", tmp_path / "clips"),
    }[command]
    said = marey(command, *words, "--flow", "dis")
    assert said.status == 0, said.err
    shown = said.out.replace("\n", "")
    assert "cut.avi: cut off: 10 of 20 frames are there; used as far as it can be read" in shown


def test_record_stopped_says_that_the_same_line_goes_on(
    marey: Marey, net: Path, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "recording"
    with monkeypatch.context() as patch:
        patch.setattr(sys.modules["marey.recording.write.record"], "finish", stopped)
        said = _recorded(marey, net, few, out)
    assert said.status == 130 and "the same line goes on" in said.err
    assert not (out / "recording.json").exists()
    assert _recorded(marey, net, few, out).status == 0
    assert (out / "recording.json").exists()


def test_a_decoder_that_is_still_at_work_does_not_abort_the_end() -> None:
    code = """if True:
        import sys, threading, time, torch
        import marey.cli

        def busy() -> None:
            values = torch.ones(300, 300)
            while True:
                values = torch.tanh(values @ values)

        threading.Thread(target=busy, daemon=True, name="marey-clips").start()
        time.sleep(0.5)
        marey.cli.main(["layers", "nosuch"])
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("marey: there is no network 'nosuch'") and "terminate" not in done.stderr


def test_record_writes_a_recording_and_says_what_was_skipped(
    marey: Marey, net: Path, few: Path, tmp_path: Path
) -> None:
    out = tmp_path / "recording"
    said = _recorded(marey, net, few, out)
    assert said.status == 0, said.err
    assert "skipped: " in said.out and "person9_broken.mp4" in said.out
    found = Recording.open(out)
    assert list(found.layers) == ["fusion.conv5", "fusion.relu5", "fusion.pool5", "scores"]
    assert (found.recorded, len(found.skipped)) == (8, 1)
    assert _recorded(marey, net, few, out).status == 0
    refused = _recorded(marey, net, few, out, "--windows", 2)
    assert refused.status == 1 and "settings.windows was 3, is 2" in refused.err


def test_record_takes_the_clips_that_training_held_out_and_findings_tell_of_the_others(
    marey: Marey, net: Path, few: Path, tmp_path: Path
) -> None:
    held_out, every = tmp_path / "held_out", tmp_path / "every"
    assert _recorded(marey, net, few, held_out, "--groups", "held-out").status == 0
    assert {one.group for one in map(Recording.open(held_out).clip, range(2))} == {"person0"}
    assert Recording.open(held_out).recorded == 2
    assert _recorded(marey, net, few, every).status == 0
    told = "6 of 8 recorded clips show people or source videos that the network was trained on"
    line = ("find", every, "specificity", "--layers", "scores", "--out", tmp_path / "found")
    assert told not in marey(*line).out
    assert told in marey(*line, "--network", net, "--flow", "dis").out


JUDGED = """
import torch, marey

def network(*more):
    torch.manual_seed(0)
    layers = [torch.nn.Conv3d(3, 4, (1, 3, 3)), torch.nn.ReLU(), *more]
    streams = [marey.rgb_frames(1, size=16)]
    return marey.Network(torch.nn.Sequential(*layers), streams, classes=("disc_left", "run"), name="own")

def scored():
    return network(torch.nn.AdaptiveAvgPool3d(1), torch.nn.Flatten(), torch.nn.Linear(4, 2))
"""


@pytest.mark.parametrize(
    ("function", "judged", "said"),
    [
        ("scored", "4", "of 8 clips have no class that the network knows: square_down; they are recorded, and neither"),
        (
            "network",
            "-",
            "the network names classes but has no layer of class scores: nothing is said of right and wrong",
        ),
    ],
)
def test_clips_that_are_neither_right_nor_wrong_are_told(
    marey: Marey, few: Path, tmp_path: Path, function: str, judged: str, said: str
) -> None:
    (tmp_path / "judged.py").write_text(JUDGED)
    out = tmp_path / "recording"
    shown = marey("record", f"{tmp_path / 'judged.py'}:{function}", few, "--out", out, "--windows", 1)
    assert shown.status == 0, shown.err
    assert said in shown.out.replace("\n", " ") and shown.out.splitlines()[1].split()[-1] == judged
    found = Recording.open(out)
    assert found.summary["clips"]["of_known_class"] == (4 if function == "scored" else 0)
    if function == "network":
        with pytest.raises(MareyError, match="is of a network without class scores; nothing is right or wrong"):
            found.evaluation()


def test_a_recording_of_nothing_is_a_failure_that_says_why(marey: Marey, net: Path, tmp_path: Path) -> None:
    place = tmp_path / "broken" / "disc_left"
    place.mkdir(parents=True)
    (place / "person1_a.mp4").write_text("no video")
    said = _recorded(marey, net, place.parent, tmp_path / "recording")
    assert said.status == 1 and "person1_a.mp4" in said.out
    assert "none of the 1 clips can be read" in said.err


def test_top_shows_the_strongest_clips_one_of_each_group(marey: Marey, net: Path, few: Path, tmp_path: Path) -> None:
    out = tmp_path / "recording"
    _recorded(marey, net, few, out)
    said = marey("top", out, "disc_left", "fusion.conv5:0-1", "--count", 3)
    assert said.status == 0, said.err
    lines = said.out.splitlines()
    assert [line.split()[0] for line in lines if "predicted" in line] == [
        "disc_left", "fusion.conv5:0", "fusion.conv5:1",
    ]  # fmt: skip
    assert len(lines) == 12 and lines[1].split()[0].endswith(".mp4") and "100%" in lines[1]
    people = [line.split()[0].split("/")[-1].split("_")[0] for line in lines[1:4]]
    assert len({*people}) == 3
    assert marey("top", out, "disc_left", "-n", 99, "--same-group").out.count(".mp4") == 8
    assert marey("top", out, "disc_left", "-n", 99).out.count(".mp4") == 4


def test_top_of_a_network_records_the_layers_of_the_units_and_shows_the_same(
    marey: Marey, net: Path, few: Path, tmp_path: Path
) -> None:
    out, kept = tmp_path / "recording", tmp_path / "kept"
    _recorded(marey, net, few, out)
    words = ("--count", 3, "--clips", few, "--flow", "dis", "--group", "(person.)")
    said = marey("top", net, "disc_left", "fusion.conv5:0-1", *words)
    assert said.status == 0, said.err
    assert "skipped: " in said.out and "person9_broken.mp4" in said.out
    tables = [line for line in said.out.splitlines() if not line.startswith("skipped")]
    assert tables == marey("top", out, "disc_left", "fusion.conv5:0-1", "--count", 3).out.splitlines()
    assert marey("top", net, "fusion.conv5:0", *words, "--out", kept).status == 0
    assert list(Recording.open(kept).layers) == ["fusion.conv5"]


def test_top_draws_the_clips_and_with_the_network_their_heat(
    marey: Marey, net: Path, few: Path, tmp_path: Path
) -> None:
    out, real = tmp_path / "recording", tmp_path / "real"
    _recorded(marey, net, few, out)
    words = ("disc_left", "fusion.conv5:1", "--count", 2, "--pictures", real)
    said = marey("top", out, *words)
    assert said.status == 0, said.err
    sheets = [line for line in said.out.splitlines() if line.endswith(".png")]
    assert sheets == [f"{real / name}/real_clips.png" for name in ("disc_left", "fusion.conv5-1")]
    drawn = ["real_01.mp4", "real_02.mp4", "real_clips.png"]
    assert [sorted(path.name for path in Path(sheet).parent.iterdir()) for sheet in sheets] == [drawn, drawn]
    heated = ["heat_01.mp4", "real_01.mp4", "real_clips.png"]
    words = ("disc_left", "--count", 1, "--pictures", real)
    for source in ((out, *words, "--heat", net), (net, *words, "--clips", few, "--flow", "dis")):
        shutil.rmtree(real)
        said = marey("top", *source)
        assert said.status == 0, said.err
        assert sorted(path.name for path in (real / "disc_left").iterdir()) == heated
    strongest = Recording.open(out).top("disc_left", 1, one_per_group=True)[0].clip
    heat, clip = (len(read_video(path).frames) for path in (real / "disc_left" / "heat_01.mp4", strongest.path))
    assert heat == clip


def test_top_refuses_heat_without_a_folder_and_of_another_network(
    marey: Marey, net: Path, few: Path, tmp_path: Path
) -> None:
    out = tmp_path / "recording"
    _recorded(marey, net, few, out)
    said = marey("top", out, "disc_left", "--heat", net)
    assert said.status == 2 and "--heat draws; name a folder for it with --pictures DIR" in said.err
    words = ("disc_left", "--pictures", tmp_path / "real", "--heat", "motion-studies")
    said = marey("top", out, *words)
    assert said.status == 1 and "is of other weights than motion-studies" in said.err
    said = marey("top", net, "--clips", few, *words)
    assert said.status == 1 and "is a network, which draws the heat itself" in said.err


def test_classify_shows_which_units_respond_relative_to_the_recorded_clips(
    marey: Marey, net: Path, few: Path, tmp_path: Path
) -> None:
    out = tmp_path / "recording"
    _recorded(marey, net, few, out)
    clip = next(path for path in (few / "disc_left").iterdir() if "broken" not in path.name)
    words = ("classify", net, clip, "--flow", "dis", "--windows", 3, "--top", 2)
    said = marey(*words, "--recording", out)
    assert said.status == 0, said.err
    lines = said.out.splitlines()
    assert "relative to 8 recorded clips" in lines[3] and lines[4].split()[0].startswith("fusion.conv5:")
    assert all(float(line.split()[-1].rstrip("%")) <= 101 for line in lines[4:])
    without = marey(*words, "--units")
    assert without.status == 1 and "holds no maxima to compare units with" in without.err


def test_maximize_shows_the_recorded_clips_beside_and_scores_by_them(
    marey: Marey, net: Path, few: Path, tmp_path: Path
) -> None:
    out, preferred = tmp_path / "recording", tmp_path / "preferred"
    _recorded(marey, net, few, out)
    recording = Recording.open(out)
    label = recording.classes[int(recording.largest("scores").argmax())]
    words = ("maximize", net, label, "--steps", 2, "--slowness", "0", "--out", preferred, "--recording", out)
    said = marey(*words)
    assert said.status == 0, said.err
    found = PreferredInput.open(preferred / label)
    assert found.source == "8 recorded clips"
    pictures = {path.name for path in (preferred / label).iterdir()}
    assert {"contact_sheet.png", "real_clips.png", "real_01.mp4", "real_04.mp4"} <= pictures
    both = marey(*words, "--clips", few)
    assert both.status == 2 and "give one of them" in both.err
    shutil.move(few, few.with_name("moved"))
    try:
        gone = marey(*words, "--seed", 1)
    finally:
        shutil.move(few.with_name("moved"), few)
    assert gone.status == 0 and f"no real clips beside {label}: no video at" in gone.err.replace("\n", " ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("top", "{out}", "fusion.conv6:0"), "layer 'fusion.conv6' is not in the recording"),
        (("top", "{out}", "fusion.conv5:99"), "has 32 units, 0 to 31"),
        (("top", "{out}", "disc_lefd"), "Did you mean 'disc_left'"),
        (("top", "{out}", "fusion.conv5"), "'fusion.conv5' is a layer; name a unit of it, as in 'fusion.conv5:0'"),
        (("top", "{out}", "fusion.conv5:2-1"), "is an empty range of units"),
        (("top", "nowhere", "disc_left"), "is no folder with a recording"),
        (("top", "nowhere", "disc_left", "--clips", "{few}"), "there is no network 'nowhere'"),
        (("top", "{few}", "disc_left"), "holds no recording"),
        (("top", "{few}", "disc_left", "--clips", "{few}"), "is a folder, as recordings are"),
        (("top", "{net}", "disc_left"), "if it is a network, give --clips DATA to record these units now"),
        (("top", "{net}", "disc_lefd", "--clips", "{few}"), "Did you mean 'disc_left'"),
        (("top", "{net}", "disc_left", "--clips", "{few}/none"), "does not exist"),
        (("maximize", "{net}", "fc6:0", "--recording", "{out}", "--out", "{new}"), "layer 'fc6' is not in the record"),
        (("maximize", "{net}", "fc6:0", "--recording", "nowhere", "--out", "{new}"), "holds no recording"),
        (("record", "{net}", "{few}", "--layers", "fc9", "--out", "{new}"), "no layer 'fc9'"),
        (("record", "{net}", "{few}", "--windows", "0", "--out", "{new}"), "windows is 0; expected at least 1"),
        (("record", "{net}", "{few}/none", "--out", "{new}"), "does not exist"),
    ],
)
def test_wrong_words_are_told_in_a_line(
    marey: Marey, net: Path, few: Path, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    out = tmp_path / "recording"
    if "{out}" in words:
        _recorded(marey, net, few, out)
    places = {"out": out, "net": net, "few": few, "new": tmp_path / "new"}
    found = marey(*(word.format(**places) for word in words))
    assert found.status == 1 and said in found.err and found.err.count("\n") == 1
