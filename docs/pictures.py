"""Draws the pictures of README.md and docs/ from what `make gallery` made: `python docs/pictures.py`.

    python docs/pictures.py atlas-front.jpg atlas-unit.jpg --gallery demo     # these two, from a demo

The pages of the atlas are shown by Chromium, where Playwright or the system has one.
"""

import argparse
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from marey.draw.preferred_input import draw_overview
from marey.draw.study_sheet import write_study_sheet
from marey.families.loading import load
from marey.maximization.result import PreferredInput

DOCS = Path(__file__).parent
NETWORK, RGB = "motion-studies", "motion-studies-rgb"
READ_WELL = (
    *("bounce_red_ball", "bounce_striped_ball", "jumping_jack", "kick_low", "punch", "skip"),
    *("fusion.conv5-93", "fusion.conv5-95"),
)
"""Folders of classes whose inputs read well, which not all do (classes.jpg), and of two fused units."""

LAST_LAYERS = ("1_2", "2_2", "3_3", "4_3", "5_3")
QUALITY = 82


def preferred(gallery: Path, out: Path) -> None:
    """Draw classes and fused units that read well."""
    _overview(gallery, READ_WELL, out)


def classes(gallery: Path, out: Path) -> None:
    """Draw all classes."""
    _overview(gallery, load(NETWORK).classes, out)


def appearance(gallery: Path, out: Path) -> None:
    """Draw the first units of the last layer of each stage of the RGB tower."""
    _overview(gallery, tuple(f"rgb.conv{layer}-{unit}" for layer in LAST_LAYERS for unit in range(6)), out)


def rgb_classes(gallery: Path, out: Path) -> None:
    """Draw all classes of the network that sees RGB alone."""
    _overview(gallery, load(RGB).classes, out, network=RGB)


def motion_studies(gallery: Path, out: Path) -> None:
    """Draw a clip of every class of motion studies."""
    write_study_sheet(out)


def page(gallery: Path, out: Path, *, address: str, height: int) -> None:
    """Show the top of a page of the atlas, without motion, on a laptop."""
    path = gallery / NETWORK / "atlas" / address
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        window = browser.new_page(viewport={"width": 1180, "height": height}, reduced_motion="reduce")
        window.goto(path.resolve().as_uri())
        window.wait_for_load_state("networkidle")
        window.wait_for_timeout(1000)  # pictures in view are decoded
        window.screenshot(path=out, type="jpeg", quality=QUALITY)
        browser.close()


PICTURES: dict[str, Callable[[Path, Path], None]] = {
    "preferred.png": preferred,
    "classes.jpg": classes,
    "appearance.jpg": appearance,
    "rgb_classes.jpg": rgb_classes,
    "motion_studies.png": motion_studies,
    "atlas-front.jpg": partial(page, address="index.html", height=900),
    "atlas-unit.jpg": partial(page, address="unit/fusion.conv5/93.html", height=1000),
}


def _overview(gallery: Path, names: tuple[str, ...], out: Path, *, network: str = NETWORK) -> None:
    """Draw results on one page."""
    drawn = out.with_suffix(".overview.png")
    folder = gallery / network / "preferred"
    pages = draw_overview((PreferredInput.open(folder / name) for name in names), drawn, title=network)
    shown = [Image.open(one).convert("RGB") for one in pages]
    whole = Image.new("RGB", (max(one.width for one in shown), sum(one.height for one in shown)), "white")
    top = 0
    for one in shown:
        whole.paste(one, (0, top))
        top += one.height
    whole.save(out, quality=QUALITY) if out.suffix == ".jpg" else pages[0].replace(out)
    for one in pages:
        one.unlink(missing_ok=True)


def main() -> None:
    """Draw the pictures that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PICTURES)}; none: all")
    parser.add_argument("--gallery", type=Path, default=Path("gallery"), help="a folder of make gallery or make demo")
    parser.add_argument("--out", type=Path, default=DOCS)
    options = parser.parse_args()
    for name in options.names or PICTURES:
        if name not in PICTURES:
            parser.error(f"no picture '{name}'; there are {', '.join(PICTURES)}")
        PICTURES[name](options.gallery, options.out / name)
        print(options.out / name)


if __name__ == "__main__":
    main()
