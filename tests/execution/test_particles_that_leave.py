"""A run says when the weather's grid is too small for its hours."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import stilt
from stilt.cli import cli
from stilt.execution.particles import followed_share, left_early_text

HEADER = "time,longitude,latitude,altitude\n"
INSIDE = HEADER + "2023-07-15 18:00,-111.85,40.77,30\n"
AT_THE_EDGE = HEADER + "2023-07-15 18:00,-116.6,40.77,300\n"


@pytest.mark.parametrize("layout", ["files", "store"])
@pytest.mark.parametrize(
    "kept", ["", "trajectories: false\n", "trajectories: false\nends: false\n", "outdt: 15\n"]
)
def test_particles_that_left_the_weather_are_said_at_the_end(
    api: str, project_files, tmp_path: Path, layout: str, kept: str
) -> None:
    root = project_files(tmp_path / "case", AT_THE_EDGE)
    config = (root / "config.yaml").read_text()
    (root / "config.yaml").write_text(
        config.replace("n_hours: -1", "n_hours: -6") + kept + f"output: {{layout: {layout}}}\n"
    )
    done = CliRunner().invoke(cli, ["run", str(root)])
    assert done.exit_code == 0, done.output
    model = stilt.Model(project=root)
    (simulation,) = model.simulations.values()
    if "trajectories: false" not in kept:
        particles = simulation.trajectories.particles
        share = particles.groupby("indx")["time"].min().abs().sum() / (20 * 360)
        assert model.index.output_sizes(model.files.expectations).followed == pytest.approx(share)
    share = model.index.output_sizes(model.files.expectations).followed
    assert share < 0.9
    assert (
        f"Particles were followed for {100 * share:.0f} % of the 6 hours on average" in done.stderr
    )
    report = CliRunner().invoke(cli, ["report", str(root), "--out", str(tmp_path / "page.html")])
    assert report.exit_code == 0
    said = left_early_text(model.config, share)
    assert said
    assert said in (tmp_path / "page.html").read_text().replace("&#x27;", "'")


def test_nothing_is_said_where_particles_stay(project_files, tmp_path: Path) -> None:
    model = stilt.Model(project=project_files(tmp_path / "case", INSIDE))
    expected = model.files.expectations
    assert left_early_text(model.config, model.index.output_sizes(expected).followed) == ""
    stilt.push_simulations(model, model.register_pending())
    followed = model.index.output_sizes(expected).followed
    assert followed == 1.0
    assert left_early_text(model.config, followed) == ""
    assert left_early_text(model.config, 0.5).startswith("Particles were followed for 50 %")
    assert np.isnan(model.index.output_sizes().followed)


def test_new_footprints_of_kept_particles_leave_the_share(project_files, tmp_path: Path) -> None:
    root = project_files(tmp_path / "case", INSIDE)
    model = stilt.Model(project=root)
    stilt.push_simulations(model, model.register_pending())
    config = (root / "config.yaml").read_text()
    assert "ymax: 41.5" in config
    (root / "config.yaml").write_text(config.replace("ymax: 41.5", "ymax: 41.4"))
    model = stilt.Model(project=root)
    stilt.push_simulations(model, model.register_pending())
    assert model.status()["completed"] == 1
    assert model.index.output_sizes(model.files.expectations).followed == 1.0


def test_the_share_comes_from_rows_or_from_ages() -> None:
    # Of two particles over an hour one is followed for 60 minutes, the other for 30.
    minutes = pd.DataFrame({"indx": [1] * 60 + [2] * 30, "time": [*range(1, 61), *range(1, 31)]})
    ends = pd.DataFrame({"indx": [2, 1, 2, 1], "time": [-1, -1, -30, -60]})
    for table, outdt in ((minutes, 0), (ends, 15)):
        config = stilt.ModelConfig.model_construct(numpar=2, n_hours=-1, outdt=outdt)
        assert followed_share(table, config) == 0.75
