"""Numbers in a list are named by a map that names every one of them, or the list is refused."""

from collections.abc import Callable
from pathlib import Path

import pytest

from marey.datasets import data_set
from marey.errors import DatasetError

Make = Callable[..., None]


def labels(place: Path) -> dict[str, str | None]:
    return {clip.path.name: clip.label for part in data_set(place).values() for clip in part}


def numbered(root: Path, make: Make, *numbers: int, folder: Callable[[int], str] = lambda number: "") -> Path:
    names = [f"{folder(number)}{index}.avi" for index, number in enumerate(numbers)]
    make(root, *names)
    lines = [f"{name} {number}" for name, number in zip(names, numbers, strict=True)]
    (root / "list.txt").write_text("\n".join(lines))
    return root / "list.txt"


def test_a_map_that_does_not_name_every_label_is_refused(tmp_path: Path, make: Make) -> None:
    place = numbered(tmp_path, make, 0, 1, 7)
    (tmp_path / "label_map.txt").write_text("walk\nrun\n")
    with pytest.raises(
        DatasetError,
        match=r"labels 0 to 7 of '.*list.txt' do not fit .*'label_map.txt' names 0 to 1, but not 7\. Write",
    ):
        data_set(place)


def test_a_list_from_1_beside_a_map_from_0_is_seen_through_by_folders_or_refused(tmp_path: Path, make: Make) -> None:
    (tmp_path / "label_map.txt").write_text("walk\nlong jump\nsit\n")
    with pytest.raises(DatasetError, match="names 0 to 2, but not 3"):
        data_set(numbered(tmp_path, make, 1, 2, 3))
    folders = ["", "Walk/", "LongJump/", "sit/"]
    place = numbered(tmp_path, make, 1, 2, 3, folder=folders.__getitem__)
    assert labels(place) == {"0.avi": "walk", "1.avi": "long jump", "2.avi": "sit"}
    place = numbered(tmp_path, make, 1, 2, folder=folders.__getitem__)
    assert labels(place) == {"0.avi": "walk", "1.avi": "long jump"}
    place = numbered(tmp_path, make, 1, 2, folder=folders[1:].__getitem__)
    assert labels(place) == {"0.avi": "long jump", "1.avi": "sit"}
    place = numbered(tmp_path, make, 2, 1, folder=folders.__getitem__)
    (tmp_path / "list.txt").write_text("Walk/0.avi 2\nLongJump/0.avi 1\n")
    with pytest.raises(DatasetError, match="names 0 to 2, but other classes than the folders"):
        data_set(place)


def test_lines_of_a_map_are_never_dropped(tmp_path: Path, make: Make) -> None:
    place = numbered(tmp_path, make, 0, 2, 3)
    (tmp_path / "label_map.txt").write_text("\ufeff#selfie\r\n\r\nrun\r\nsit\r\n\r\n", encoding="utf-8")
    assert labels(place) == {"0.avi": "#selfie", "1.avi": "run", "2.avi": "sit"}
    place = numbered(tmp_path, make, 0, 1, 2)
    with pytest.raises(DatasetError, match="names 0 to 3, but not 1, an empty line"):
        data_set(place)


def test_a_map_with_a_remark_is_refused_where_it_may_shift_the_names(tmp_path: Path, make: Make) -> None:
    (tmp_path / "label_map.txt").write_text("# my classes\nwalk\nrun\n")
    with pytest.raises(DatasetError, match="has the line '# my classes', and every line of a label map is a class"):
        data_set(numbered(tmp_path, make, 0, 1))
    assert set(labels(numbered(tmp_path, make, 0, 1, 2)).values()) == {"# my classes", "walk", "run"}


def test_a_map_may_number_its_lines(tmp_path: Path, make: Make) -> None:
    place = numbered(tmp_path, make, 1, 2)
    (tmp_path / "label_map.txt").write_text("1 walk\n2 playing guitar\n")
    assert labels(place) == {"0.avi": "walk", "1.avi": "playing guitar"}


@pytest.mark.parametrize(
    ("name", "numbers", "expected"),
    [
        ("kinetics700_val.txt", (1, 3), ("answering questions", "bowling")),
        ("kinetics400_train.txt", (0, 1), ("archery", "bowling")),
        ("val.txt", (3, 4), ("bowling", "zumba")),
        ("val.txt", (0, 2), ("archery", "zumba")),
    ],
    ids=["by name", "by name, the other", "only one names all", "as many names as labels"],
)
def test_of_several_maps_the_one_that_fits_is_used(
    tmp_path: Path, make: Make, name: str, numbers: tuple[int, ...], expected: tuple[str, ...]
) -> None:
    (tmp_path / "label_map_k400.txt").write_text("archery\nbowling\nzumba\n")
    (tmp_path / "label_map_k700.txt").write_text("abseiling\nanswering questions\narchery\nbowling\nzumba\n")
    place = numbered(tmp_path, make, *numbers).rename(tmp_path / name)
    assert tuple(labels(place).values()) == expected


def test_several_maps_that_all_fit_are_refused_with_their_names(tmp_path: Path, make: Make) -> None:
    place = numbered(tmp_path, make, 0, 1)
    (tmp_path / "label_map_a.txt").write_text("walk\nrun\nsit\n")
    (tmp_path / "label_map_b.txt").write_text("run\nwalk\nsit\n")
    with pytest.raises(DatasetError, match=r"list.txt' fit both 'label_map_a.txt' and 'label_map_b.txt' beside it"):
        data_set(place)
    (tmp_path / "label_map_b.txt").write_text("walk\nrun\nsit\n")
    assert set(labels(place).values()) == {"walk", "run"}


def test_the_map_of_another_data_set_is_refused(tmp_path: Path, make: Make) -> None:
    (tmp_path / "label_map_k400.txt").write_text("archery\nbowling\n")
    place = numbered(tmp_path, make, 0, 1).rename(tmp_path / "kinetics700_val.txt")
    with pytest.raises(DatasetError, match=r"'label_map_k400.txt' names 0 to 1, but .* or is of another data set"):
        data_set(place)


def test_both_splits_are_named_alike(tmp_path: Path, make: Make) -> None:
    make(tmp_path, "walk/1.avi", "run/2.avi", "run/3.avi")
    (tmp_path / "label_map.txt").write_text("walk\nrun\nsit\n")
    (tmp_path / "train.txt").write_text("walk/1.avi 1\nrun/2.avi 2\n")
    (tmp_path / "val.txt").write_text("3.avi 2\n")
    assert labels(tmp_path / "val.txt") == {"1.avi": "walk", "2.avi": "run", "3.avi": "run"}


def test_numbers_in_a_csv_file_are_named_too(tmp_path: Path, make: Make) -> None:
    make(tmp_path, "1.avi", "2.avi")
    (tmp_path / "label_map.txt").write_text("walk\nrun\n")
    (tmp_path / "list.csv").write_text("path,label\n1.avi,1\n2.avi,0\n")
    assert labels(tmp_path / "list.csv") == {"1.avi": "run", "2.avi": "walk"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 Biking\nDiving\n", r"line 2 of '.*classInd.txt' is 'Diving'; expected a number and a class"),
        ("1 Biking\n1 Diving\n", r"classInd.txt' names class 1 twice, 'Biking' and 'Diving'"),
    ],
)
def test_a_class_list_that_is_damaged_is_refused(tmp_path: Path, make: Make, text: str, said: str) -> None:
    (tmp_path / "classInd.txt").write_text(text)
    with pytest.raises(DatasetError, match=said):
        data_set(numbered(tmp_path, make, 1, 2))


def test_a_class_list_may_have_tabs(tmp_path: Path, make: Make) -> None:
    (tmp_path / "classInd.txt").write_text("1\tBiking\n2\tDiving\n")
    assert set(labels(numbered(tmp_path, make, 1, 2)).values()) == {"Biking", "Diving"}
