"""Selections written for other programs hold what the collections do."""

import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import xarray as xr
from click.testing import CliRunner

from stilt.cli import cli
from stilt.errors import UsageError
from stilt.footprint import Footprint
from stilt.project.export import export_parquet, with_text_for_nothing
from stilt.trajectories import Trajectories
from tests.project.test_campaign import campaign  # noqa: F401


@pytest.fixture
def foot(campaign):  # noqa: F811
    return campaign.footprints["default"]


@pytest.mark.parametrize("suffix", ["nc", "zarr"])
@pytest.mark.parametrize("along", ["hours_back", "time"])
def test_one_file_holds_the_campaign_with_its_coordinates(foot, tmp_path, suffix, along):
    path = tmp_path / f"out.{suffix}"
    assert foot.export(path, along=along) == 5
    expected = foot.open(along=along)
    reader = xr.open_dataset if suffix == "nc" else xr.open_zarr
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opened = reader(path)
    with opened as found:
        assert found["foot"].dims == expected.dims
        np.testing.assert_array_equal(found["foot"].values, expected.values)
        for name in expected.coords:
            mine, theirs = found[name].values, expected[name].values
            assert mine.tolist() == theirs.tolist(), name
        assert found["foot"].attrs["units"] == "ppm m2 s umol-1"
        assert not found["foot"].isnull().any()


def test_one_netcdf_file_follows_cf(foot, tmp_path):
    foot.export(tmp_path / "out.nc")
    from compliance_checker.runner import CheckSuite, ComplianceChecker

    CheckSuite.load_all_available_checkers()
    ok, errors = ComplianceChecker.run_checker(
        str(tmp_path / "out.nc"), ["cf:1.8"], 0, "strict", output_filename=str(tmp_path / "said"),
        output_format="text",
    )  # fmt: skip
    assert ok, (tmp_path / "said").read_text()
    assert not errors


def test_files_are_those_of_the_other_layout(campaign, foot, tmp_path):  # noqa: F811
    assert foot.export(tmp_path / "files") == 5
    for path, one in zip(sorted((tmp_path / "files").iterdir()), foot.load(), strict=True):
        assert path.name.endswith("_default_foot.nc")
        assert Footprint.from_netcdf(path).data.equals(one.data)
    campaign.trajectories.export(tmp_path / "particles", format="files")
    paths = sorted((tmp_path / "particles").iterdir())
    for path, one in zip(paths, campaign.trajectories.load(), strict=True):
        assert Trajectories.from_parquet(path).particles.equals(one.particles)


def test_parquet_has_a_row_for_each_cell_with_receptor_and_labels(campaign, foot, tmp_path):  # noqa: F811
    foot.export(tmp_path / "cells.parquet")
    found = pd.read_parquet(tmp_path / "cells.parquet")
    assert {"sim_id", "receptor_time", "site", "n", "time", "lat", "lon", "foot"} <= set(found)
    totals = found.groupby("sim_id")["foot"].sum()
    for one in foot.load():
        sim_id = f"fake_{one.receptor.id}"
        assert totals.get(sim_id, 0.0) == pytest.approx(one.total, rel=1e-5)
    campaign.trajectories.export(
        tmp_path / "particles.parquet", time_range=("2023-01-01", "2024-01-01")
    )
    rows = pd.read_parquet(tmp_path / "particles.parquet")
    assert len(rows) == sum(len(t) for t in campaign.trajectories.load())


@pytest.mark.parametrize("nothing", [[None, None], pd.Categorical([None, None])])
def test_columns_without_any_value_are_text(nothing):
    """Such as scene_id where there are no scenes: other files' text joins with it."""
    frame = pd.DataFrame({"sim_id": ["a", "b"], "scene_id": nothing, "altitude": [1.0, 2.0]})
    table = pa.Table.from_pandas(frame, preserve_index=False)
    found = with_text_for_nothing(table)
    assert found.schema.field("scene_id").type == pa.string()
    assert found["scene_id"].to_pylist() == [None, None]
    assert found.drop_columns("scene_id").equals(table.drop_columns("scene_id"))


def test_particles_in_one_netcdf_file(campaign, tmp_path):  # noqa: F811
    campaign.trajectories.export(tmp_path / "p.nc")
    expected = campaign.trajectories.open()
    with xr.open_dataset(tmp_path / "p.nc") as found:
        np.testing.assert_array_equal(found["zagl"].values, expected["zagl"].values)


def test_the_command_exports_a_selection(campaign, tmp_path):  # noqa: F811
    out = tmp_path / "some.nc"
    arguments = ["export", campaign.project, out, "--from", "2023-01-01 00:10", "--met", "fake"]
    shown = CliRunner().invoke(cli, [str(each) for each in arguments])
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.startswith("4 simulation(s) written to")
    with xr.open_dataset(out) as found:
        assert found.sizes["receptor"] == 4
    again = CliRunner().invoke(
        cli, [*map(str, arguments[:2]), str(tmp_path / "x.nc"), "--from", "2024-01-01"]
    )
    assert again.exit_code == 2
    assert "None of the 5 results" in again.stderr
    assert not (tmp_path / "x.nc").exists()


def test_an_unknown_format_is_named(foot, tmp_path):
    with pytest.raises(UsageError, match="files, netcdf, zarr, parquet"):
        foot.export(tmp_path / "x", format="csv")


def test_a_suffix_of_another_kind_of_file_is_refused_and_a_folder_may_have_one(foot, tmp_path):
    with pytest.raises(UsageError, match=r"'\.csv' is no format of exports: .*\.parquet"):
        foot.export(tmp_path / "footprints.csv")
    assert not (tmp_path / "footprints.csv").exists()
    assert foot.export(f"{tmp_path}/footprints.july/") == 5
    assert len(list((tmp_path / "footprints.july").iterdir())) == 5
    assert foot.export(tmp_path / "version-1.5") == 5


def test_particles_with_and_without_a_column_go_into_one_table(tmp_path, monkeypatch):
    """Columns' particles have ``xhgt``, points' have none, in either order of them."""
    point = pa.table({"time": [-1.0, -2.0], "zagl": [1.0, 2.0]})
    column = pa.table({"time": [-1.0], "xhgt": [500.0], "zagl": [3.0]})
    receptors = pd.DataFrame({"sim_id": ["a", "b", "c"], "scene_id": [None, None, None]})
    for tables in ([point, column, point], [column, point, column]):
        monkeypatch.setattr("stilt.project.export._rows", lambda one, kind: one)
        export_parquet(tables, receptors, "particles", tmp_path / "all.parquet")
        found = pd.read_parquet(tmp_path / "all.parquet")
        expected = pd.concat([each.to_pandas() for each in tables], ignore_index=True)
        pd.testing.assert_frame_equal(found[["time", "zagl", "xhgt"]],
                                      expected[["time", "zagl", "xhgt"]])  # fmt: skip
        assert found["sim_id"].tolist() == list("aabcc" if tables[0] is point else "abbc")
