"""The direction of arrows and the measure of the house, read from the code itself."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAYER = ROOT / "layers/tailrace/tailrace"
EDGE = {"settings", "telemetry"}
CORE = [path for path in sorted(LAYER.glob("*.py")) if path.stem not in EDGE]
HANDLERS = sorted((ROOT / "functions").glob("*/app.py"))
SOURCES = [
    path
    for folder in (LAYER, ROOT / "functions", ROOT / "local", ROOT / "cli")
    for path in sorted(folder.rglob("*.py"))
]
FORBIDDEN_IN_CORE = {"os", "time", "random", "logging", "socket", "subprocess", "secrets", "uuid"}


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def functions(path):
    tree = ast.parse(path.read_text())
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def lines(node):
    return node.end_lineno - node.lineno + 1


def name_of(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", CORE, ids=name_of)
def test_the_core_imports_the_standard_library_and_orjson_alone(path):
    roots = {name.split(".")[0] for name in imports(path)}

    assert roots <= (set(sys.stdlib_module_names) | {"orjson", "tailrace"}) - FORBIDDEN_IN_CORE


@pytest.mark.parametrize("path", CORE, ids=name_of)
def test_no_arrow_points_from_the_core_outwards(path):
    inner = {name.split(".")[1] for name in imports(path) if name.startswith("tailrace.")}

    assert not inner & (EDGE | {"adapters"})


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_every_module_says_why_it_exists_and_fits_the_house(path):
    text = path.read_text()

    assert ast.get_docstring(ast.parse(text)) or not text
    assert len(text.splitlines()) <= 300
    assert path.stem not in {"utils", "common", "helpers"}


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_no_function_is_longer_than_40_lines(path):
    assert [node.name for node in functions(path) if lines(node) > 40] == []


def test_functions_are_short_on_the_whole():
    lengths = sorted(lines(node) for path in SOURCES for node in functions(path))

    assert lengths[len(lengths) // 2] <= 8
    assert lengths[len(lengths) * 9 // 10] <= 25


@pytest.mark.parametrize("path", HANDLERS, ids=name_of)
def test_a_handler_is_30_to_70_lines_with_one_file_per_function(path):
    assert 30 <= len(path.read_text().splitlines()) <= 70
    assert [p.name for p in path.parent.glob("*.py")] == ["app.py"]


@pytest.mark.parametrize("path", [*CORE, *HANDLERS], ids=name_of)
def test_law_6_import_has_no_effects(path):
    harmless = (
        ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign, ast.If,
    )  # fmt: skip
    body = ast.parse(path.read_text()).body

    assert [ast.unparse(n) for n in body if not isinstance(n, harmless) and not isinstance(n, ast.Expr)] == []


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_public_functions_and_classes_are_documented(path):
    tree = ast.parse(path.read_text())
    public = [
        node
        for owner in [tree, *(n for n in tree.body if isinstance(n, ast.ClassDef) and not n.name.startswith("_"))]
        for node in owner.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]

    assert [node.name for node in public if not ast.get_docstring(node)] == []
