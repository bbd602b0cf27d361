"""Content keys: they change with everything that can change an output, and with nothing else."""

import shutil

import pytest
import stilt_fakes as fakes

from stilt.project.keys import expectations
from stilt.project.layout import ProjectLayout, footprint_of_file


def expected(tmp_path, **changes):
    return expectations(fakes.config(**changes), tmp_path)["fake"]


@pytest.mark.parametrize(
    "change",
    [
        {"numpar": 6},
        {"n_hours": -3},
        {"seed": 2},
        {"veght": 0.3},
        {"mets": {"fake": {"directory": "elsewhere", "file_format": "%Y%m%d", "file_tres": "1h"}}},
        {"mets": {"fake": {"directory": "met2", "file_format": "%Y%m%d_%H", "file_tres": "1h"}}},
    ],
)
def test_particles_and_weather_change_every_key(tmp_path, change):
    before, after = expected(tmp_path), expected(tmp_path, **change)
    assert before.transport != after.transport
    assert before.footprints["default"] != after.footprints["default"]


def test_another_programs_results_depend_on_transport_but_not_on_weather_files(
    tmp_path, monkeypatch
):
    def campaign_keys(met=(), **changes):
        mets = {"fake": {**fakes.config().model_dump()["mets"]["fake"], **dict(met),
                         "moved_from": ["/old", "campaign:old"]}}  # fmt: skip
        outer = changes.pop("outer", {})
        found = expected(tmp_path, mets={**mets, **outer}, **changes)
        return [found.accepted(key)[-1] for key in (found.transport, found.footprints["default"])]

    before = campaign_keys()
    assert campaign_keys({"directory": "new", "file_format": "%Y%m", "file_tres": "3h"}) == before
    assert campaign_keys({"directory": "new", "format": "era5"}) == before
    nest = {"directory": "coarse", "file_format": "%Y%m", "file_tres": "3h"}
    assert campaign_keys({"nested_in": "outer"}, outer={"outer": nest}) == before
    assert campaign_keys(seed=7) == before
    for changes in ({"numpar": 6}, {"n_hours": -3}, {"veght": 0.3}):
        assert not set(campaign_keys(**changes)) & set(before)
    monkeypatch.setattr("stilt.project.keys.PHYSICS_VERSION", 99)
    monkeypatch.setattr("stilt.project.keys.GRIDDING_VERSION", 99)
    assert campaign_keys() == before


def test_a_grid_changes_its_footprint_alone(tmp_path):
    grids = {"default": {"grid": fakes.GRID}, "fine": {"grid": {**fakes.GRID, "xres": 0.1}}}
    moved = {**grids, "default": {"grid": {**fakes.GRID, "xmin": -114.0}}}
    before, after = expected(tmp_path, footprints=grids), expected(tmp_path, footprints=moved)
    assert before.transport == after.transport
    assert before.footprints["fine"] == after.footprints["fine"]
    assert before.footprints["default"] != after.footprints["default"]


@pytest.mark.parametrize(
    "change", [{"skip_existing": False}, {"execution": {"n_workers": 4}}, {"rm_dat": False}]
)
def test_how_a_run_is_done_changes_no_key(tmp_path, change):
    assert expected(tmp_path) == expected(tmp_path, **change)


def test_error_parameters_change_the_error_run_alone(tmp_path):
    errors = {"siguverr": 2.0, "tluverr": 100.0, "zcoruverr": 400.0, "horcoruverr": 14.0}
    plain, one = expected(tmp_path), expected(tmp_path, **errors)
    two = expected(tmp_path, **{**errors, "siguverr": 3.0})
    assert plain.transport == one.transport == two.transport
    assert plain.error is None
    assert one.error != two.error


def test_a_project_with_its_weather_can_be_moved(tmp_path):
    def keys(root):
        met = {"directory": root / "met", "file_format": "%Y%m%d_%H", "file_tres": "1h"}
        return expectations(fakes.config(mets={"fake": met}), root)["fake"]

    (tmp_path / "a" / "met").mkdir(parents=True)
    before = keys(tmp_path / "a")
    shutil.move(tmp_path / "a", tmp_path / "b")
    assert keys(tmp_path / "b") == before


def test_missing_weather_has_one_identity_wherever_the_program_runs(tmp_path, monkeypatch):
    before = expected(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert expected(tmp_path) == before


def test_every_artifact_has_its_place(tmp_path):
    layout, sim_id = ProjectLayout(tmp_path), "fake_202301010000_-111.85_40.77_5"
    folder = tmp_path / "simulations" / "by-id" / sim_id
    assert layout.trajectory(sim_id) == folder / f"{sim_id}_traj.parquet"
    assert layout.error_trajectory(sim_id) == folder / f"{sim_id}_error.parquet"
    assert layout.footprint(sim_id, "default") == folder / f"{sim_id}_default_foot.nc"
    assert layout.footprint(sim_id) == folder / f"{sim_id}_foot.nc"
    for name in ("", "default", "a_b", "x_error"):
        assert footprint_of_file(sim_id, layout.footprint(sim_id, name).name) == name
    assert footprint_of_file(sim_id, f"{sim_id}_default_foot.empty") == "default"
    assert footprint_of_file(sim_id, "stilt.log") is None
