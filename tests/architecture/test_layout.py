"""The house stands as planned: folders, sizes, and nothing that shadows Python's own."""

from __future__ import annotations

import ast
import collections
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINES_MAX, FUNCTION_MAX = 500, 70
SOURCES = [
    path
    for folder in ("portal", "banking", "payments", "collections")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "migrations" not in path.parts
]


def test_collections_holds_no_init_file() -> None:
    assert not (ROOT / "collections" / "__init__.py").exists()
    assert Path(collections.__file__).parent.name == "collections"
    assert ROOT not in Path(collections.__file__).parents


def test_the_collections_folder_is_appended_to_the_path_never_put_first() -> None:
    code = "import portal, sys; print(sys.path[-1]); import debt_collection, collections.abc"
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == str(ROOT / "collections")


def test_the_top_level_is_what_was_given() -> None:
    known = {
        "portal", "payments", "collections", "banking", "templates", "static", "tests", "docs",
        "manage.py", "pyproject.toml", "README.md", "run", "test", "requirements.txt",
        "requirements-test.txt", "requirements-node.txt", "package.json", "package-lock.json",
    }  # fmt: skip
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    names = {line.split("/", 1)[0] for line in listed.stdout.splitlines()}
    if not names:
        pytest.skip("not a git checkout")
    assert {name for name in names if not name.startswith(".")} <= known


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_module_says_what_it_holds_and_keeps_its_size(path: Path) -> None:
    source = path.read_text()
    tree = ast.parse(source)
    assert len(source.splitlines()) <= LINES_MAX
    if path.name not in ("__init__.py", "urls.py") and tree.body:
        assert ast.get_docstring(tree), "a module opens with a sentence"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= FUNCTION_MAX, f"{node.name} has {length} lines"
