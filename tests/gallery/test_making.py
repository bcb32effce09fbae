"""A show is made as a whole, in a run or in several, and only once."""

from dataclasses import replace
from pathlib import Path

import pytest

from marey.families.loading import load
from marey.gallery.making import make_show
from marey.gallery.show import DEMO, GALLERY, Exhibit, Show, Sweep
from marey.maximization.recipe import Recipe
from marey.maximization.result import PreferredInput
from marey.maximization.run import maximize
from marey.recording import RecordingSettings

QUICK = Recipe(slowness=(0.0, 10.0), steps=1)
TINY = Show(
    clips=2,
    frames=12,
    recording=RecordingSettings(windows=1, flow="dis"),
    exhibits=(
        Exhibit(
            "motion-studies",
            ("rgb.conv1_1", "scores"),
            (Sweep(("scores:0-1",), QUICK), Sweep(("rgb.conv1_1:0",), QUICK)),
            ("specificity",),
            clips=1,
        ),
    ),
)


def files(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny show, which was stopped in the middle of each kind of stage, and gone on with."""
    out = tmp_path_factory.mktemp("shown") / "demo"
    for word in ("making clips", "recording", "preferred inputs", "asking", "pages"):

        def stop(done: float, total: float, what: str, *, word: str = word) -> None:
            if what.startswith(word) and done:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            make_show(TINY, out=out, report=stop)
        assert not (out / "motion-studies" / "atlas" / "index.html").exists()
    assert make_show(TINY, out=out) == out / "motion-studies" / "atlas" / "index.html"
    return out


@pytest.mark.slow
def test_a_show_that_was_stopped_again_and_again_is_whole(made: Path) -> None:
    pages = {path.relative_to(made / "motion-studies" / "atlas").as_posix() for path in made.rglob("*.html")}
    assert {"index.html", "finding/specificity.html", "unit/rgb.conv1_1/0.html", "class/arm_circles.html"} <= pages
    names = sorted(path.parent.name for path in made.rglob("preferred_input.safetensors"))
    assert names == ["arm_circles", "bounce_dumbbell", "rgb.conv1_1-0"]
    assert not list(made.rglob("*.part")) and not (made / "truth").exists()
    assert len(list((made / "clips").rglob("*.mp4"))) == 52


@pytest.mark.slow
def test_a_second_run_plans_nothing_and_makes_nothing(made: Path) -> None:
    before = files(made)
    totals: set[float] = set()
    make_show(TINY, out=made, report=lambda done, total, what: totals.add(total))
    assert totals == {0.0}
    assert files(made) == before


@pytest.mark.slow
def test_only_what_is_missing_is_made_and_better_inputs_of_ones_own_stay(made: Path) -> None:
    preferred = made / "motion-studies" / "preferred"
    own = maximize(load("motion-studies"), "bounce_dumbbell", recipe=replace(QUICK, steps=2))
    own.save(preferred / "bounce_dumbbell")
    (preferred / "arm_circles" / "preferred_input.safetensors").unlink()
    before = files(preferred)
    make_show(TINY, out=made)
    after = files(preferred)
    assert {name for name in after if after[name] != before.get(name)} == {"arm_circles/preferred_input.safetensors"}
    assert PreferredInput.open(preferred / "bounce_dumbbell").provenance["recipe"]["steps"] == 2


@pytest.mark.parametrize("show", [DEMO, GALLERY])
def test_what_is_to_be_shown_is_there(show: Show) -> None:
    for number, exhibit in enumerate(show.exhibits):
        network = load(exhibit.network)
        units = [unit for sweep in exhibit.sweeps for unit in network.units(sweep.units)]
        assert len(units) == len(set(units))
        classes = {network.label(unit) for unit in units} & set(network.classes)
        assert classes == set(network.classes) if number == 0 or show is GALLERY else len(classes) >= 6
