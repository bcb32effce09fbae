"""Every link of the pages leads somewhere: to a file that is there, and to a heading in it."""

import re
from collections import Counter
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "benchmarks").rglob("*.md"))]
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def prose(page: Path) -> str:
    """A page without its code, where brackets mean something else."""
    return re.sub(
        r"`[^`]*`", lambda code: code[0].replace("](", "] ("), FENCE.sub("", page.read_text(encoding="utf-8"))
    )


def anchors(page: Path) -> set[str]:
    """The anchors that a forge gives to the headings of a page; of equal ones the later are numbered."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in re.findall(r"^#+ +(.+?) *$", prose(page), re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


def broken(page: Path) -> list[str]:
    """The links of a page that lead nowhere."""
    found = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        target, _, anchor = unquote(link).partition("#")
        place = (page.parent / target).resolve() if target else page
        if "://" in link or link.startswith("mailto:"):
            continue
        if not place.exists() or (anchor and anchor not in anchors(place)):
            found.append(link)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    assert not broken(page)


def test_a_link_to_a_missing_file_or_heading_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A b-c: d?\n\n[x](page.md#a-b-c-d) [y](gone.md) [z](#none)\n\n```\n[w](gone_too.md)\n```\n", encoding="utf-8"
    )
    assert broken(page) == ["gone.md", "#none"]


@pytest.mark.parametrize("kind", ["tutorial", "howto", "reference", "explanation"])
def test_the_index_names_every_page_of_a_kind(kind: str) -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    assert [page.name for page in (ROOT / "docs" / kind).glob("*.md") if f"({kind}/{page.name})" not in index] == []


def test_every_measurement_says_its_commit_and_is_listed() -> None:
    results = ROOT / "benchmarks" / "results"
    index = (results / "README.md").read_text(encoding="utf-8")
    pages = [page for page in results.glob("*.md") if page.name != "README.md"]
    assert [page.name for page in pages if f"({page.name})" not in index] == []
    dated = re.compile(r"20\d\d-\d\d-\d\d,? commits? [0-9a-f]{7}")
    assert [page.name for page in pages if not dated.search(page.read_text(encoding="utf-8"))] == []


def test_the_files_that_the_architecture_names_are_there() -> None:
    page = (ROOT / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
    named = re.findall(r"`(\w+/(?:\w+\.py)?|\w+\.py|(?:\w+/)+\w+\.py)`", page)
    assert len(named) > 20
    known = (ROOT / "src" / "marey", ROOT / "src" / "marey" / "video", ROOT)
    assert [name for name in named if not any((folder / name).exists() for folder in known)] == []
