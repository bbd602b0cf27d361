"""The tutorials run as written, in folders of their own, and their pages show what they are."""

import json

import pytest

from tests.support.notebooks import DOCS, docs_notebook

notebook = docs_notebook()
NAMES = notebook.names()
PAGES = DOCS / "pages" / "tutorials"

# What the cells of each must have printed, and how many pictures they draw.
RESULTS = {
    "first-footprint": ("demo_202307152100_-111.85_40.77_30", 2),
    "tower-week": ("<run local: 14 of 14 simulations complete>", 2),
    "satellite-column": ("ppm in the column", 2),
    "tower-time-series": ("<run local: 31 of 31 simulations complete>", 2),
    "tropomi-to-posterior": ("within two standard errors: True", 1),
    "inversion": ("within two: True", 1),
    "era5-and-wrf": ("<run local: 2 of 2 simulations complete>", 1),
    "watched-in-prefect": ("Failed - 3 of 4 simulations complete, 1 failed", 0),
    "sql-on-the-index": ("2 of 2 simulations complete", 0),
    "coming-from-r-stilt": ("202307152000_-111.85_40.77_30_default_foot.nc", 0),
    "coming-from-pystilt": ("did you mean 'n_hours'?", 0),
}


def test_every_tutorial_is_tested() -> None:
    assert sorted(RESULTS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_page_and_notebook_are_those_of_the_script(name: str) -> None:
    cells = notebook.tutorial(name)
    page = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    for cell in cells:
        shown = notebook.block(cell.source) if cell.kind == "code" else cell.source
        assert shown in page, f"run python docs/notebook.py {name}"
    stored = (PAGES / f"{name}.ipynb").read_text(encoding="utf-8")
    assert stored == notebook.notebook_text(cells), f"run python docs/notebook.py {name}"
    assert all(cell.get("outputs", []) == [] for cell in json.loads(stored)["cells"])


@pytest.mark.filterwarnings("ignore::stilt.errors.WeatherWarning")
@pytest.mark.parametrize("name", NAMES)
def test_a_tutorial_runs(api: str, name: str, tmp_path) -> None:
    done = notebook.run_cells(notebook.tutorial(name), tmp_path)
    text, pictures = RESULTS[name]
    assert any(text in cell.output for cell in done)
    assert sum(len(cell.figures) for cell in done) == pictures
    refused = [cell.source for cell in done if cell.output.startswith("Error:")]
    assert refused == []


def test_only_commands_of_stilt_are_run() -> None:
    with pytest.raises(AssertionError, match="only commands of stilt"):
        notebook.run_in_shell("rm -r .")
