"""A unit that is maximized on demand: what is told meanwhile, where it is kept, and when pages are made anew."""

import shutil
from dataclasses import replace

import pytest

from marey.atlas.serve.made import MadeAtlas
from marey.atlas.serve.maximizing import maximized
from marey.atlas.serve.told import MaximizeUnit, Step
from marey.errors import MareyError
from marey.maximization.recipe import Recipe
from marey.maximization.result import FILE, PreferredInput

from .conftest import Place  # type: ignore[import-not-found]

pytestmark = pytest.mark.slow

RECIPE = Recipe(slowness=(0, 10), steps=2, seed=3)


def _made(place: Place, made, unit: str, atlas: MadeAtlas) -> list[Step]:  # type: ignore[no-untyped-def]
    steps: list[Step] = []
    task = MaximizeUnit(unit, RECIPE)
    maximized(task, network=made.network, recording=made.recording, made=atlas, tell=steps.append)
    return steps


def test_steps_pictures_and_the_page_follow(place: Place, made) -> None:  # type: ignore[no-untyped-def]
    steps = _made(place, made, "fc6:0", MadeAtlas.of(place.atlas))
    pictures = next(step.pictures for step in steps if step.pictures)
    assert [one.group.split(",")[0] for one in pictures] == ["slowness 10", "slowness 10", "slowness 0", "slowness 0"]
    assert [one.shows for one in pictures] == ["appearance", "motion"] * 2
    assert all(one.webp[8:12] == b"WEBP" for one in pictures)
    assert any(step.what == "maximizing" and step.note.startswith("score ") for step in steps)
    assert "data-preferred>" in (place.atlas / "unit" / "fc6" / "0.html").read_text()
    assert PreferredInput.open(place.preferred / "fc6-0").provenance["recipe"]["seed"] == 3


def test_its_page_is_made_before_all_others(place: Place, made) -> None:  # type: ignore[no-untyped-def]
    pages = {name: place.atlas / path for name, path in (("own", "unit/fc6/0.html"), ("front", "index.html"))}
    before = {name: path.read_text() for name, path in pages.items()}
    seen: list[tuple[bool, set[str]]] = []

    def tell(step: Step) -> None:
        seen.append((step.shown, {name for name, path in pages.items() if path.read_text() != before[name]}))

    maximized(
        MaximizeUnit("fc6:0", RECIPE),
        network=made.network,
        recording=made.recording,
        made=MadeAtlas.of(place.atlas),
        tell=tell,
    )
    assert [changed for shown, changed in seen if not shown][-1] == set()
    assert next(changed for shown, changed in seen if shown) == {"own"}
    assert pages["front"].read_text() != before["front"]


def test_made_again_it_takes_the_place_of_the_one_before(place: Place, made) -> None:  # type: ignore[no-untyped-def]
    (place.preferred / "mine").mkdir()
    shutil.move(place.preferred / "fc6-1", place.preferred / "mine" / "fc6-1")
    _made(place, made, "fc6:1", MadeAtlas.of(place.atlas))
    found = [path.parent for path in place.preferred.rglob(FILE) if path.parent.name.startswith("fc6-1")]
    assert found == [place.preferred / "mine" / "fc6-1"]
    assert PreferredInput.open(found[0]).provenance["recipe"]["seed"] == 3


def test_results_of_other_weights_are_told_before_anything_is_computed(place: Place, made) -> None:  # type: ignore[no-untyped-def]
    other = PreferredInput.open(place.preferred / "fc6-1")
    replace(other, provenance={**other.provenance, "weights_sha256": "0"}).save(place.preferred / "other")
    with pytest.raises(MareyError, match="is of other weights than the recording"):
        _made(place, made, "fc6:0", MadeAtlas.of(place.atlas))
    assert not (place.preferred / "fc6-0").exists()
