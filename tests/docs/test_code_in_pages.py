"""Code of pages whose results are looked at, or that needs files of its own."""

import re
from pathlib import Path

PAGES = Path(__file__).resolve().parents[2] / "docs" / "pages"


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


def test_commands_and_code_of_the_page_on_weather_run(tmp_path, monkeypatch):
    """What needs a network is left out, and the project is one with the page's weather."""
    import shlex

    import numpy as np
    from click.testing import CliRunner

    from benchmarks.weather_files.era5_files import write_era5
    from benchmarks.weather_files.truth import LATLON, PRESSURES_HPA, on_grid, on_pressures, truth
    from stilt.cli import cli

    hours = [np.datetime64(f"2023-07-15T{hour}:00", "m") for hour in (17, 18, 19)]
    analyses = [
        on_pressures(on_grid(truth(hour), LATLON), np.array(PRESSURES_HPA, float)) for hour in hours
    ]
    write_era5(tmp_path / "era5", analyses)
    (tmp_path / "case").mkdir()
    (tmp_path / "case" / "config.yaml").write_text(
        "mets: {era5: {directory: era5, format: era5}}\nn_hours: -1\n"
    )
    monkeypatch.chdir(tmp_path)
    page = (PAGES / "looking-at-weather.md").read_text()
    commands = [
        line
        for block in re.findall(r"```bash\n(.*?)```", page, re.S)
        for line in block.splitlines()
    ]
    ran = [line for line in commands if " fetch " not in line]
    assert len(ran) == 5
    for line in ran:
        done = CliRunner().invoke(cli, shlex.split(line)[1:])
        assert done.exit_code == 0, f"{line}: {done.output}"
    assert (tmp_path / "coverage.png").exists()
    assert list((tmp_path / "arl").iterdir())
    for block in re.findall(r"```python\n(.*?)```", page, re.S):
        exec(compile(block, "looking-at-weather.md", "exec"), {})
