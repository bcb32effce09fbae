"""A layout of one's own is a class with two methods, which is passed and needs no change of the source."""

from pathlib import Path

import pytest

from marey.datasets import LAYOUTS, ClipSet, Hints, Layout, clips_in, data_set
from marey.errors import DatasetError
from marey.video.read.clips import Clip


class PersonAndAction:
    """Videos called PERSON-ACTION.mp4 in one folder."""

    def matches(self, place: Path) -> bool:
        return any(place.glob("*-*.mp4"))

    def clips(self, place: Path, hints: Hints) -> dict[str, ClipSet]:
        found = []
        for path in sorted(place.glob("*-*.mp4")):
            person, action = path.stem.split("-")
            found.append(Clip(path, label=action, group=person))
        return {"": ClipSet(place.name, tuple(found), grouping="person, from the file names")}


OWN_FIRST: tuple[Layout, ...] = (PersonAndAction(), *LAYOUTS)


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    folder = tmp_path / "shots"
    folder.mkdir()
    for name in ("ann-walk", "ann-run", "bob-walk", "bob-run"):
        (folder / f"{name}.mp4").touch()
    return folder


def test_a_layout_of_ones_own_gives_classes_and_groups_that_no_other_layout_finds(shots: Path) -> None:
    clips = data_set(shots, layouts=OWN_FIRST)[""]
    assert [(clip.label, clip.group) for clip in clips] == [
        ("run", "ann"),
        ("walk", "ann"),
        ("run", "bob"),
        ("walk", "bob"),
    ]
    assert clips.grouping == "person, from the file names"
    assert clips_in(shots, layouts=OWN_FIRST) == list(clips)
    assert {clip.label for clip in clips_in(shots)} == {None}


def test_a_pattern_for_groups_overrides_those_of_the_layout(shots: Path) -> None:
    clips = data_set(shots, group="[a-z]", layouts=OWN_FIRST)[""]
    assert clips.groups == ("a", "b")
    assert clips.grouping == "from the pattern '[a-z]' in the file names"


def test_a_place_of_another_layout_is_read_as_without_ones_own(tmp_path: Path) -> None:
    for name in ("run/ann.avi", "walk/ann.avi"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    assert data_set(tmp_path, layouts=OWN_FIRST) == data_set(tmp_path)


def test_a_place_that_no_layout_matches_is_an_error_with_their_names(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"is no folder of clips.*no layout matches: PersonAndAction\."):
        clips_in(tmp_path, layouts=[PersonAndAction()])


def test_a_folder_that_cannot_be_read_is_an_error_of_one_line(shots: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(folder: Path) -> None:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(Path, "iterdir", refused)
    with pytest.raises(DatasetError, match=r"^'.*shots' cannot be read: Permission denied\.$"):
        clips_in(shots)


def test_clips_without_classes_are_no_data_set(shots: Path) -> None:
    with pytest.raises(DatasetError, match=r"have no classes; expected a folder with one folder of clips for each"):
        data_set(shots)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: type(layout).__name__)
def test_no_layout_fails_or_takes_a_place_that_holds_nothing_of_it(layout: Layout, tmp_path: Path) -> None:
    (tmp_path / "strange.bin").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "empty").mkdir()
    assert not layout.matches(tmp_path / "strange.bin")
    assert layout.matches(tmp_path / "empty") == (type(layout).__name__ == "ClassFolders")
