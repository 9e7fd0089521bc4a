"""The shape of the tree: small files, small functions, telling names, and imports that cost nothing."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MIGRATIONS = ROOT / "app/store/migrations"
SCRIPTS = [path for path in sorted((ROOT / "scripts").iterdir()) if path.is_file()]
PYTHON = [
    *sorted((ROOT / "app").rglob("*.py")),
    *sorted((ROOT / "tests").rglob("*.py")),
    *[path for path in SCRIPTS if path.suffix == ".py" or "python" in path.read_text().partition("\n")[0]],
    ROOT / "launch.py",
]
MAY_LOAD_MUCH = ("app.engine.core.", "app.web.", "app.cli.listening.")
IMPORT_ALL = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
    loaded = {"gradio", "torch"} & set(sys.modules)
    if loaded:
        sys.exit(f"{name} loads {' and '.join(sorted(loaded))}")
"""


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def modules() -> list[str]:
    """Every module of the program but the migrations, which alembic runs."""
    paths = [path for path in PYTHON if path.is_relative_to(ROOT / "app") and MIGRATIONS not in path.parents]
    return [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in paths]


@pytest.mark.parametrize("path", [*PYTHON, *set(SCRIPTS) - set(PYTHON)], ids=name_of)
def test_a_file_fits_on_a_few_screens(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300


@pytest.mark.parametrize("path", [path for path in PYTHON if MIGRATIONS not in path.parents], ids=name_of)
def test_a_function_fits_on_one_screen(path: Path) -> None:
    functions = [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert [node.name for node in functions if (node.end_lineno or 0) - node.lineno >= 49] == []


@pytest.mark.parametrize("path", PYTHON, ids=name_of)
def test_a_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


def test_names_tell_what_is_inside() -> None:
    empty_words = {"util", "utils", "helper", "helpers", "common", "misc"}
    assert [name_of(path) for path in PYTHON if empty_words & set(path.relative_to(ROOT).with_suffix("").parts)] == []


def test_importing_the_program_loads_neither_torch_nor_gradio() -> None:
    light = [name for name in modules() if not f"{name}.".startswith(MAY_LOAD_MUCH)]
    child = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, *light], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (child.returncode, child.stderr) == (0, "")
