"""The notebooks of examples/ run from top to bottom, say what they promise, and become pages that need no network."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import nbformat
import pytest
from nbformat import NotebookNode

ROOT = Path(__file__).parents[1]
NOTEBOOKS = {  # name: how many plots a reader sees, and words that only a run brings forth
    "first-look-at-a-fleet": (6, ("30 servers assessed", "times that of repeating last week")),
    "from-forecast-to-decision": (4, ("paths breach", "rejected on")),
}
FOREIGN = re.compile(r"<script|<link|@import|(?:src|href)=[\"'](?!data:|#)")


@pytest.fixture(scope="module")
def export() -> ModuleType:
    spec = importlib.util.spec_from_file_location("export_notebooks", ROOT / "scripts/export_notebooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def path_of(name: str) -> Path:
    return ROOT / "examples" / f"{name}.ipynb"


def test_all_notebooks_are_tested() -> None:
    assert {path.stem for path in (ROOT / "examples").glob("*.ipynb")} == set(NOTEBOOKS)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_no_output_is_committed(name: str) -> None:
    cells = nbformat.read(path_of(name), as_version=4).cells
    assert [cell.id for cell in cells if cell.get("outputs") or cell.get("execution_count")] == []


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_runs_and_becomes_a_page(name: str, export: ModuleType) -> None:
    ran = export.executed(path_of(name))

    plots, words = NOTEBOOKS[name]
    assert sum("image/png" in output.get("data", {}) for output in outputs(ran)) == plots
    warned = [output.text for output in outputs(ran) if output.get("name") == "stderr"]
    assert warned == []
    page = export.html(ran)
    assert FOREIGN.findall(page) == []
    assert len(re.findall(r'<img[^>]*src="data:image/png', page)) == plots
    assert [each for each in words if each not in page] == []


def outputs(notebook: NotebookNode) -> list[NotebookNode]:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]
