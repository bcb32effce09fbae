"""Builds the documentation into build/docs, pages and API from docstrings; fails where a link is broken."""

import pkgutil
import re
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import markdown2
import pdoc
import pdoc.docstrings
import pdoc.render

import marey

ROOT = Path(__file__).parents[1]
OUT = ROOT / "build" / "docs"
PRIVATE = ("marey.__main__", "marey._version", "marey.accelerate", "marey.cli", "marey.threads")
STYLE = """
body {max-width: 52rem; margin: 2rem auto; padding: 0 1rem; font: 16px/1.5 sans-serif; color-scheme: light dark}
img {max-width: 100%}
table {border-collapse: collapse; display: block; overflow-x: auto}
td, th {border: 1px solid #8888; padding: .2rem .5rem; text-align: left}
pre {overflow-x: auto; padding: .5rem; border: 1px solid #8888}
"""
PAGE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{style}</style>{body}</html>\n'
)
EXTRAS = ["fenced-code-blocks", "tables", "header-ids", "cuddled-lists"]


def modules() -> list[str]:
    """The names of all modules whose docstrings are public; pdoc alone stops where a package has `__all__`."""
    found = [module.name for module in pkgutil.walk_packages(marey.__path__, "marey.")]
    return ["marey", *(name for name in found if not name.startswith(PRIVATE))]


def listed(docstring: str) -> str:
    """The docstring with its settings, names at the left and their meaning indented, as a list."""
    return re.sub(
        r"^(\w+(?:, \w+)*)\n((?: {4}\S.*(?:\n|$))+)",
        lambda found: f"- **{found[1]}**: {' '.join(found[2].split())}\n",
        docstring,
        flags=re.MULTILINE,
    )


def write_api() -> None:
    """The API, a page a module."""
    google = pdoc.docstrings.google
    pdoc.docstrings.google = lambda docstring: google(listed(docstring))
    pdoc.render.configure(docformat="google", show_source=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The module specification")  # found by the package and by its name
        pdoc.pdoc(*modules(), output_directory=OUT / "api")


def write_pages() -> None:
    """The pages of docs/, README.md and the measurements, as HTML with their pictures."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks" / "results").glob("*.md")]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        body = re.sub(r'(href="[^":#]+)\.md(?=["#])', r"\1.html", markdown2.markdown(text, extras=EXTRAS))
        place = OUT / page.relative_to(ROOT).with_suffix(".html")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(PAGE.format(title=page.stem, style=STYLE, body=body), encoding="utf-8")
    for picture in (ROOT / "docs").glob("*.[jp][pn]g"):
        (OUT / "docs" / picture.name).write_bytes(picture.read_bytes())
    start = '<p><a href="docs/README.html">Pages</a> and <a href="api/marey.html">API</a> of marey</p>'
    (OUT / "index.html").write_text(PAGE.format(title="marey", style="", body=start), encoding="utf-8")


def broken_links() -> Iterator[str]:
    """Links in build/docs that lead nowhere, files and anchors."""
    scripts = re.compile("<script.*?</script>", re.DOTALL)
    pages = {page: scripts.sub("", page.read_text(encoding="utf-8")) for page in OUT.rglob("*.html")}
    anchors = {page: set(re.findall(r'\bid="([^"]+)"', text)) for page, text in pages.items()}
    for page, text in pages.items():
        for link in re.findall(r'<a[^>]* href="([^"]+)"|<img[^>]* src="([^"]+)"', text):
            target, _, anchor = "".join(link).partition("#")
            if "://" in target or target.startswith(("mailto:", "data:")):
                continue
            place = (page.parent / unquote(target)).resolve() if target else page
            if not place.exists() or (anchor and place in anchors and unquote(anchor) not in anchors[place]):
                yield f"{page.relative_to(OUT)}: {''.join(link)}"


def main() -> None:
    """Build all, and exit with 1 where a link is broken."""
    warnings.simplefilter("error")
    shutil.rmtree(OUT, ignore_errors=True)
    write_pages()
    write_api()
    broken = sorted(set(broken_links()))
    print("\n".join(broken) or f"documentation in {OUT.relative_to(ROOT)}: open index.html")
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
