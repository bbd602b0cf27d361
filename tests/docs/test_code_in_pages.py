"""Code in the pages that needs no weather runs as written."""

import re
from pathlib import Path

import pytest

PAGES = Path(__file__).resolve().parents[2] / "docs" / "pages"


@pytest.mark.parametrize("page", ["observations.md", "cf-datasets.md"])
def test_code_of_a_page_runs_in_order(page):
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", (PAGES / page).read_text(), re.S):
        exec(compile(block, page, "exec"), names)


def test_receptors_of_the_guide_are_made():
    block = re.search(r"```python\n(.*?)```", (PAGES / "receptors.md").read_text(), re.S)
    names: dict[str, object] = {}
    exec(block.group(1), names)
    assert str(names["tower"].id) == "202307151800_-111.85_40.77_30"


def test_the_table_of_receptors_csv_is_read(tmp_path):
    from stilt.receptors import read_receptors

    text = re.search(r"```\n(r_idx,.*?)```", (PAGES / "receptors.md").read_text(), re.S).group(1)
    (tmp_path / "receptors.csv").write_text(text)
    kinds = [type(receptor).__name__ for receptor in read_receptors(tmp_path / "receptors.csv")]
    assert kinds == ["PointReceptor", "ColumnReceptor"]


def test_yaml_of_the_guides_is_accepted(tmp_path):
    import yaml

    from stilt.config import ModelConfig
    from stilt.execution.backend import get_executor

    met = {"hrrr": {"directory": "met", "file_format": "%Y%m%d_%H", "file_tres": "1h"}}
    pages = ("footprints.md", "running.md", "error-runs.md", "clusters.md")
    for page in (*pages, "zarr-stores.md", "cf-datasets.md"):
        for block in re.findall(r"```yaml\n(.*?)```", (PAGES / page).read_text(), re.S):
            path = tmp_path / "config.yaml"
            path.write_text(yaml.safe_dump({"mets": met} | yaml.safe_load(block)))
            get_executor(ModelConfig.from_yaml(path).execution)
