"""A run says when the weather's grid is too small for its hours."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import stilt
from stilt.cli import cli
from stilt.execution.particles import followed_share
from stilt.project.followed import left_early_text

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
    sizes = model.index.output_sizes(model.files.expectations)
    assert sizes.followed == sizes.least < 0.9
    said = left_early_text(model.config, sizes)
    assert said.startswith(
        "1 of 1 simulation(s) have less than 90 % of their particles' 6 hours, "
        f"{simulation.id} only {100 * sizes.least:.0f} %"
    )
    assert said in done.stderr
    assert said in CliRunner().invoke(cli, ["status", str(root)]).output
    report = CliRunner().invoke(cli, ["report", str(root), "--out", str(tmp_path / "page.html")])
    assert report.exit_code == 0
    assert said in (tmp_path / "page.html").read_text().replace("&#x27;", "'")


def test_nothing_is_said_where_particles_stay(project_files, tmp_path: Path) -> None:
    model = stilt.Model(project=project_files(tmp_path / "case", INSIDE))
    expected = model.files.expectations
    assert left_early_text(model.config, model.index.output_sizes(expected)) == ""
    stilt.push_simulations(model, model.register_pending())
    sizes = model.index.output_sizes(expected)
    assert sizes.followed == 1.0
    assert left_early_text(model.config, sizes) == ""
    assert np.isnan(model.index.output_sizes().followed)


def test_one_bad_simulation_is_named_whatever_the_mean(project_files, tmp_path: Path) -> None:
    lines = [f"2023-07-15 18:00,-111.85,40.77,{height}\n" for height in range(30, 45)]
    root = project_files(tmp_path / "case", INSIDE + "".join(lines[1:]))
    model = stilt.Model(project=root)
    ids = model.register_pending()
    stilt.push_simulations(model, ids)
    worst, other = ids[2], ids[5]
    for sim_id, share in ((worst, 0.62), (other, 0.85)):
        model.index.write(
            lambda connection, row=(share, sim_id): connection.execute(
                "UPDATE simulations SET followed = ? WHERE sim_id = ?", row
            )
        )
    sizes = model.index.output_sizes(model.files.expectations)
    assert sizes.followed > 0.9
    assert left_early_text(model.config, sizes).startswith(
        f"2 of 15 simulation(s) have less than 90 % of their particles' 1 hours, {worst} only 62 %"
    )


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


def test_an_empty_footprint_is_explained_in_words(project_files, tmp_path: Path) -> None:
    high = HEADER + "2023-07-15 18:00,-111.85,40.77,6000\n"
    model = stilt.Model(project=project_files(tmp_path / "case", high))
    (sim_id,) = model.register_pending()
    stilt.push_simulations(model, [sim_id])
    footprint = model.footprints["default"][sim_id]
    assert footprint.empty_reason == "outside_domain"
    said = "no particle came near the ground within"
    assert f"empty: {said} the grid" in repr(footprint)
    assert model.status()["empty"] == 1
    for arguments in (["explain", str(model.project), sim_id], ["status", str(model.project)]):
        done = CliRunner().invoke(cli, arguments)
        assert done.exit_code == 0, done.output
        assert said in done.output
