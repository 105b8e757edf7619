"""Run the notebooks of examples/ and write each as one HTML file: `make notebooks`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from nbformat import NotebookNode

EXAMPLES = Path(__file__).parents[1] / "examples"
# No scripts: neither mathematics nor diagrams are used, and the page must open without a network.
PAGE = """{% extends 'lab/index.html.j2' %}
{% block html_head_js %}{% endblock %}
{% block html_head_js_mathjax %}{% endblock %}
{% block html_head_js_mermaidjs %}{% endblock %}
"""


def executed(path: Path) -> NotebookNode:
    """The notebook run from top to bottom in a fresh kernel of this Python, in its own folder.

    Raises CellExecutionError naming the cell and its error.
    """
    notebook = nbformat.read(path, as_version=4)
    options = {"timeout": None, "startup_timeout": 300}  # seconds; on a busy machine a kernel takes its time
    where = {"metadata": {"path": str(path.parent)}}
    # Streamlit, where it was imported, has set another one for its process and all that it starts
    shown = os.environ | {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    NotebookClient(notebook, kernel_name="python3", resources=where, **options).execute(env=shown)
    return notebook


def html(notebook: NotebookNode) -> str:
    """One page that needs no other file."""
    page, _ = HTMLExporter(raw_template=PAGE).from_notebook_node(notebook)
    return str(page)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("build/notebooks"), help="folder of the HTML files")
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all of examples/")
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    for path in given.notebooks or sorted(EXAMPLES.glob("*.ipynb")):
        page = given.output / path.with_suffix(".html").name
        page.write_text(html(executed(path)), encoding="utf-8")
        print(page)


if __name__ == "__main__":
    main()
