"""The documentation's notebooks run as written, in a folder of their own."""

import importlib.util
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def notebook():
    spec = importlib.util.spec_from_file_location("docs_notebook", DOCS / "notebook.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_pages_show_the_cells_of_their_notebooks(notebook):
    for name, path in notebook.NOTEBOOKS.items():
        page = (DOCS / "pages" / f"{name}.md").read_text(encoding="utf-8")
        for cell in notebook.read_cells(path):
            assert cell.source in page, f"run python docs/notebook.py: {name} lacks {cell.source!r}"


def test_notebooks_are_stored_without_output(notebook):
    for path in notebook.NOTEBOOKS.values():
        assert '"output_type"' not in path.read_text(encoding="utf-8")


def test_first_project_runs(notebook, tmp_path):
    done = notebook.run_cells(notebook.read_cells(notebook.NOTEBOOKS["first-project"]), tmp_path)
    outputs = [cell.output for cell in done]
    assert any("demo_202307152100_-111.85_40.77_30" in text for text in outputs)
    assert "'completed': 1" in outputs[-1]
    assert sum(len(cell.figures) for cell in done) == 2
    assert (tmp_path / "case" / ".stilt" / "index.duckdb").exists()
