"""The rules of docs/explanation/architecture.md that the source itself can be asked about."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "marey"

# A piece (file or folder directly under src/marey) may import from its own folder and from the rows above.
ROWS = (
    {"_version", "errors", "files", "schema", "threads"},
    {"network"},
    {"accelerate"},
    {"families", "video"},
    {"studies"},
    {"datasets"},
    {"evaluation", "training", "recording", "maximization"},
    {"findings"},
    {"draw"},
    {"atlas"},
    {"gallery"},
    {"__init__"},
    {"cli"},
    {"__main__"},
)
CORE = {"torch", "numpy", "av", "cv2", "safetensors", "PIL", "typer", "rich", "einops", "pyarrow", "scipy", "jinja2"}
SHOWS_ITSELF = {
    "marey.maximization.result": "marey.draw.",
    "marey.findings.finding": "marey.draw.shown_html",
    "marey.recording.read.recording": "marey.draw.shown_html",
    "marey.network.network": "marey.draw.shown_html",
}
"""What users look at loads the drawing, which stands on it, when it is shown: `result.picture()`, `_repr_html_`."""
NAMELESS = {"utils", "util", "misc", "helpers", "helper", "common", "base"}


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


PATHS = {module_name(path): path for path in sorted(SOURCE.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8"), str(path)) for name, path in PATHS.items()}


def imported(module: str, node: ast.AST) -> Iterator[str]:
    """The modules that an import statement names, absolute; `from a import b` names a.b where that is a module."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        origin = node.module or ""
        if node.level:
            package = module.split(".") if PATHS[module].name == "__init__.py" else module.split(".")[:-1]
            origin = ".".join([*package[: len(package) - node.level + 1], *([origin] if origin else [])])
        for alias in node.names:
            inner = f"{origin}.{alias.name}"
            yield inner if inner in PATHS else origin


def own_imports(module: str) -> set[str]:
    """The modules of marey that `module` imports anywhere, inside functions too."""
    names = {name for node in ast.walk(TREES[module]) for name in imported(module, node)}
    late = SHOWS_ITSELF.get(module)
    return {name for name in names if name.split(".")[0] == "marey" and not (late and name.startswith(late))} - {module}


def foreign_imports(module: str, *, inside_functions: bool) -> set[str]:
    """The packages of others that `module` imports when it is loaded, or also when its functions run."""

    def nodes(node: ast.AST) -> Iterator[ast.AST]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":  # which nothing loads
                continue
            yield child
            if inside_functions or not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                yield from nodes(child)

    names = {name.split(".")[0] for node in nodes(TREES[module]) for name in imported(module, node)}
    return names - set(sys.stdlib_module_names) - {"marey"}


def row_of(module: str) -> int:
    piece = module.split(".")[1] if "." in module else "__init__"
    for row, pieces in enumerate(ROWS):
        if piece in pieces:
            return row
    pytest.fail(
        f"'{piece}' has no row in {Path(__file__).name}: add it where docs/explanation/architecture.md places it"
    )


@pytest.mark.parametrize("module", PATHS)
def test_a_module_imports_only_from_its_own_row_and_above(module: str) -> None:
    below = {name for name in own_imports(module) if row_of(name) > row_of(module)}
    assert not below, f"{module} imports {sorted(below)}, which stand on it"


def test_recording_and_maximization_know_nothing_of_each_other() -> None:
    # A `Maxima` value goes between them.
    for one, other in (("recording", "maximization"), ("maximization", "recording")):
        crossing = {
            module: sorted(name for name in own_imports(module) if name.split(".")[1:2] == [other])
            for module in PATHS
            if module.split(".")[1:2] == [one]
        }
        assert not any(crossing.values()), {module: names for module, names in crossing.items() if names}


def test_no_module_imports_itself_through_others() -> None:
    # A package's own __init__ collects the names of its modules: only imports of one module by another count.
    graph = {module: {name for name in own_imports(module) if not module.startswith(f"{name}.")} for module in PATHS}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"modules import each other in a circle: {' -> '.join(error.args[1])}")


def test_nothing_imports_the_command_line() -> None:
    importers = {
        module
        for module in PATHS
        if module.split(".")[1:2] not in (["cli"], ["__main__"])
        and any(name.split(".")[1:2] == ["cli"] for name in own_imports(module))
    }
    assert not importers


def test_only_hooks_hooks_a_module() -> None:
    hooking = {
        module
        for module, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr.startswith("register_") and node.attr.endswith("hook")
    }
    assert hooking <= {"marey.network.hooks"}


def test_only_streams_and_receptive_field_know_how_a_network_wants_its_input() -> None:
    knowing = {
        module
        for module, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in {"layout", "_pattern"}
        and not module.startswith("marey.video")  # flow files have layouts of their own
    }
    assert knowing <= {"marey.network.stream", "marey.network.receptive_field"}


def test_only_video_knows_codecs_and_flow_algorithms() -> None:
    knowing = {module for module in PATHS if foreign_imports(module, inside_functions=True) & {"av", "cv2"}}
    assert all(module.startswith("marey.video") for module in knowing), sorted(knowing)


def test_only_draw_draws_and_only_video_reads_and_writes_pictures() -> None:
    drawing = {module for module in PATHS if "PIL" in foreign_imports(module, inside_functions=True)}
    assert {module.split(".")[1] for module in drawing} <= {"draw", "video"}, sorted(drawing)


@pytest.mark.parametrize("module", PATHS)
def test_a_module_loads_nothing_that_only_an_extra_installs(module: str) -> None:
    optional = foreign_imports(module, inside_functions=False) - CORE
    assert not optional, f"{module}: import {sorted(optional)} inside the function that needs it"


@pytest.mark.parametrize("module", PATHS)
def test_every_module_has_a_name_that_says_something(module: str) -> None:
    assert not NAMELESS & set(module.split("."))


@pytest.mark.parametrize("module", PATHS)
def test_a_module_says_why_it_exists(module: str) -> None:
    empty_package = PATHS[module].name == "__init__.py" and not TREES[module].body
    assert empty_package or ast.get_docstring(TREES[module]) or module == "marey._version"


def test_importing_marey_is_quick_and_loads_no_codec_no_terminal_and_no_torchvision() -> None:
    program = (
        "import sys, time, torch, numpy, einops\n"
        "start = time.process_time()\n"
        "import marey\n"
        "took = time.process_time() - start\n"
        "heavy = {'av', 'cv2', 'typer', 'rich', 'torchvision', 'hypothesis', 'pytest'} & set(sys.modules)\n"
        "sys.exit(f'loads {sorted(heavy)}' if heavy else f'takes {took:.1f} s beside torch' if took > 1 else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
