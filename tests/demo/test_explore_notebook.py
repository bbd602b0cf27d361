"""The notebook that the demo writes runs in the demo's folder, and has Jupyter's form."""

import json
import shutil

import pytest

from stilt.demo.notebook import NotebookCell, explore_notebook, notebook_text, read_percent_script
from stilt.demo.run import NOTEBOOK, _write_notebook
from stilt.model import Model
from tests.support.notebooks import docs_notebook


def test_cells_are_read_from_a_script() -> None:
    text = "# left out\n# %% [markdown]\n# # Title\n#\n# Text.\n\n# %%\nx = 1\n\n\ny = 2\n"
    cells = read_percent_script(text)
    assert cells == [
        NotebookCell("markdown", "# Title\n\nText."),
        NotebookCell("code", "x = 1\n\n\ny = 2"),
    ]
    with pytest.raises(ValueError, match="'x = 1' is not a comment"):
        read_percent_script("# %% [markdown]\nx = 1\n")


def test_a_notebook_has_jupyter_s_form() -> None:
    document = json.loads(notebook_text([NotebookCell("code", "a\nb"), NotebookCell("code", "a")]))
    assert (document["nbformat"], document["nbformat_minor"]) == (4, 5)
    first, second = document["cells"]
    assert first["source"] == ["a\n", "b"]
    assert first["outputs"] == []
    assert first["id"] != second["id"]


def test_a_notebook_that_was_changed_is_left_alone(tmp_path) -> None:
    path = _write_notebook(tmp_path)
    assert path == tmp_path / NOTEBOOK
    path.write_text("mine")
    _write_notebook(tmp_path)
    assert path.read_text() == "mine"


def test_the_notebook_of_the_demo_runs(api, weather, tmp_path) -> None:
    root = tmp_path / "demo"
    shutil.copytree(weather.parent, root)
    config = (root / "config.yaml").read_text()
    small = {
        "n_hours: -12": "n_hours: -2",
        "numpar: 300": "numpar: 30",
        "n_workers: 2": "n_workers: 1",
    }
    for usual, few in small.items():
        assert usual in config
        config = config.replace(usual, few)
    (root / "config.yaml").write_text(config)
    Model(project=root).run().raise_for_failures()
    notebook = docs_notebook()
    (root / NOTEBOOK).write_text(explore_notebook())
    done = notebook.run_cells(notebook.read_cells(root / NOTEBOOK), root)
    assert "'completed': 6" in done[-1].output
    assert sum(len(cell.figures) for cell in done) == 3
