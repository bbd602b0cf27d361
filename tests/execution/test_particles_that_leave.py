"""A run says when the weather's grid is too small for its hours."""

from pathlib import Path

import pytest
from click.testing import CliRunner

import stilt
from stilt.cli import cli
from stilt.execution.particles import left_early_text

HEADER = "time,longitude,latitude,altitude\n"
INSIDE = HEADER + "2023-07-15 18:00,-111.85,40.77,30\n"
AT_THE_EDGE = HEADER + "2023-07-15 18:00,-116.6,40.77,300\n"


@pytest.mark.parametrize("layout", ["files", "store"])
def test_particles_that_left_the_weather_are_said_at_the_end(
    api: str, project_files, tmp_path: Path, layout: str
) -> None:
    root = project_files(tmp_path / "case", AT_THE_EDGE)
    config = (root / "config.yaml").read_text()
    (root / "config.yaml").write_text(
        config.replace("n_hours: -1", "n_hours: -6") + f"output: {{layout: {layout}}}\n"
    )
    done = CliRunner().invoke(cli, ["run", str(root)])
    assert done.exit_code == 0, done.output
    model = stilt.Model(project=root)
    (particles,) = model.trajectories.load()
    share = len(particles.particles) / (20 * 360)
    assert share < 0.9
    assert (
        f"Particles were followed for {100 * share:.0f} % of the 6 hours on average" in done.stderr
    )
    report = CliRunner().invoke(cli, ["report", str(root), "--out", str(tmp_path / "page.html")])
    assert report.exit_code == 0
    said = left_early_text(model.config, len(particles.particles))
    assert said
    assert said in (tmp_path / "page.html").read_text().replace("&#x27;", "'")


def test_nothing_is_said_where_particles_stay(project_files, tmp_path: Path) -> None:
    model = stilt.Model(project=project_files(tmp_path / "case", INSIDE))
    assert left_early_text(model.config, model.index.output_sizes().mean_rows) == ""
    stilt.push_simulations(model, model.register_pending())
    keys = [wanted.transport for wanted in model.files.expectations.values()]
    rows = model.index.output_sizes(keys).mean_rows
    assert rows == 20 * 60
    assert left_early_text(model.config, rows) == ""
    assert left_early_text(model.config, 0.5 * rows).startswith("Particles were followed for 50 %")
