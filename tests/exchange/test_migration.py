"""Campaigns of R-STILT and PYSTILT become projects."""

import json
import os
import re
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import stilt
from stilt.cli import cli
from stilt.errors import UsageError
from stilt.exchange.campaigns import OldCampaign

REFERENCE = Path(__file__).resolve().parents[3] / "shared" / "reference" / "rstilt"
LON, LAT = -112 + 0.1 * (np.arange(5) + 0.5), 40 + 0.2 * (np.arange(4) + 0.5)
VALUES = np.random.default_rng(0).gamma(1.0, 0.01, (2, 4, 5))


def run(*arguments):
    return CliRunner().invoke(cli, ["migrate", *map(str, arguments)])


@pytest.fixture
def r_stilt(tmp_path):
    """A project of R-STILT with its script and two footprints, one of a column."""
    root = tmp_path / "rstilt"
    for name in ("202307151800_-111.85_40.77_30", "202307151900_-111.85_40.77_X"):
        folder = root / "out" / "by-id" / name
        folder.mkdir(parents=True)
        start = pd.Timestamp(f"2023-07-15 {name[8:10]}:00") - pd.Timedelta("2h")
        with h5py.File(folder / f"{name}_foot.nc", "w") as file:
            file["lon"], file["lat"], file["foot"] = LON, LAT, VALUES.astype("f4")
            file["time"] = start.timestamp() + 3600.0 * np.arange(2)
            file.attrs["crs"] = "+proj=longlat"
    (root / "r").mkdir()
    (root / "r" / "run_stilt.r").write_text(
        "# settings\nn_hours    <- -2\nnumpar <- 100\nhnf_plume = T\n"
        "met_path <- '/data/hrrr'\nmet_file_format <- '%Y%m%d_%H'\nmet_file_tres <- '6 hours'\n"
        "kmixd <- 9 # another one\nvarsiwant <- c('time', 'indx')\n"
    )
    return root


def test_r_stilt_becomes_a_project(r_stilt, tmp_path):
    told = run(r_stilt, tmp_path / "case", "--met", "hrrr", "--column", 0, 2000, "--json")
    assert told.exit_code == 0, told.output
    assert json.loads(told.output)["result"]["program"] == "R-STILT"
    model = stilt.Model(tmp_path / "case")
    assert (model.config.n_hours, model.config.numpar) == (-2, 100)
    assert model.config.mets["hrrr"].file_format == "%Y%m%d_%H"
    # A person is told to look at it, and finds what was set.
    text = (tmp_path / "case" / "config.yaml").read_text()
    assert "directory: /data/hrrr" in text
    assert not {"n_min", "backend", "subgrid_buffer"} & set(re.findall(r"\w+", text))
    assert [each.kind for each in model.receptors] == ["point", "column"]
    first = model.footprints["default"]["hrrr_202307151800_-111.85_40.77_30"]
    np.testing.assert_allclose(first.data.values, VALUES, rtol=1e-6)
    assert first.data["time"].values[0] == np.datetime64("2023-07-15T16:00")
    assert (first.grid.xmin, first.grid.xres, first.grid.ymax) == (-112.0, 0.1, 40.8)
    assert model.status()["completed"] == 2
    assert model.status()["made_by"] is not None
    # Nothing of it is computed again.
    assert model.pending() == []


def test_footprints_of_two_grids_become_two_projects(r_stilt, tmp_path):
    for hour in (20, 21):
        name = f"20230715{hour}00_-111.85_40.77_30"
        folder = r_stilt / "out" / "by-id" / name
        folder.mkdir()
        with h5py.File(folder / f"{name}_foot.nc", "w") as file:
            file["lon"], file["lat"], file["foot"] = LON + 1, LAT, VALUES.astype("f4")
            start = pd.Timestamp(f"2023-07-15 {hour}:00") - pd.Timedelta("2h")
            file["time"] = start.timestamp() + 3600.0 * np.arange(2)
            file.attrs["crs"] = "+proj=longlat"
    (r_stilt / "out" / "by-id" / "202307151900_-111.85_40.77_X").rename(tmp_path / "aside")
    told = run(r_stilt, tmp_path / "a")
    assert told.exit_code == 0, told.output
    assert "Left out: 1 footprint(s) on another grid; --grid 2 takes them" in told.output
    told = run(r_stilt, tmp_path / "b", "--grid", 2)
    assert told.exit_code == 0, told.output
    assert "Left out: 2 footprint(s) on another grid; --grid 1 takes them" in told.output
    for name, number, west in (("a", 2, -111.0), ("b", 1, -112.0)):
        model = stilt.Model(tmp_path / name)
        assert model.status()["completed"] == model.status()["total"] == number
        assert model.footprints["default"].load()[0].grid.xmin == west
    told = run(r_stilt, tmp_path / "c", "--grid", 3)
    assert told.exit_code == 2
    assert "There is no grid 3" in told.output
    assert not (tmp_path / "c").exists()


def test_settings_that_cannot_be_are_left_out(r_stilt, tmp_path):
    told = run(r_stilt, tmp_path / "case", "--column", 0, 2000)
    assert "kmixd = 9" in told.output


def test_what_cannot_be_read_is_said(r_stilt, tmp_path):
    assert "--column BOTTOM TOP" in run(r_stilt, tmp_path / "case").output
    assert "holds no campaign" in run(tmp_path, tmp_path / "case").output
    run(r_stilt, tmp_path / "case", "--column", 0, 2000)
    assert "is a project already" in run(r_stilt, tmp_path / "case").output
    place = next((r_stilt / "out" / "by-id").iterdir())
    next(place.glob("*_foot.nc")).write_text("no")
    assert "not a footprint of R-STILT" in run(r_stilt, tmp_path / "b", "--column", 0, 1).output


def write_parquet(path, table, **meta):
    path.parent.mkdir(parents=True)
    rows = pa.Table.from_pandas(pd.DataFrame(table), preserve_index=False)
    pq.write_table(rows.replace_schema_metadata(
        {f"stilt:{key}": value if isinstance(value, str) else json.dumps(value)
         for key, value in meta.items()}), path)  # fmt: skip


@pytest.fixture
def pystilt(tmp_path, weather):
    """A project of PYSTILT 0.1.0a25 with the footprint and particles of one receptor."""
    root = tmp_path / "pystilt"
    (root / "output").mkdir(parents=True)
    (root / "config.yaml").write_text(
        f"mets:\n  demo: {{directory: {weather}, file_format: '%Y%m%d_%H', file_tres: 6h}}\n"
        "grid: {xmin: -112, xmax: -111.5, ymin: 40, ymax: 40.8, xres: 0.1, yres: 0.2}\n"
        "variants:\n  demo: {}\nn_hours: -2\nnumpar: 20\noutput: ./output\n"
    )
    receptor = {"kind": "point", "time": "2023-07-15T18:00:00", "altitude_ref": "agl",
                "longitude": -111.85, "latitude": 40.77, "altitude": 30.0}  # fmt: skip
    grid = {"crs": "+proj=longlat", "xmin": -112, "xmax": -111.5, "ymin": 40, "ymax": 40.8,
            "xres": 0.1, "yres": 0.2}  # fmt: skip
    name = "202307151800_-111.85_40.77_30"
    hour, y, x = np.nonzero(VALUES)
    write_parquet(
        root / "output/footprints/settings=demo-1" / "date=2023-07-15" / f"{name}.parquet",
        {"receptor": name, "hour": (hour - 2).astype("i2"), "y": y.astype("i2"),
         "x": x.astype("i2"), "foot": VALUES.ravel().astype("f4")},
        receptor=receptor, name="demo", hours=[-2, -1], empty=False, particles_hash="p",
        footprint={"grid": grid, "smooth_factor": 1, "time_integrate": False, "transforms": []},
    )  # fmt: skip
    write_parquet(
        root / "output/particles/settings=demo-2" / "date=2023-07-15" / f"{name}.parquet",
        {"receptor": name, "age": [-1, -1, -120, -120], "particle": [1, 2, 1, 2],
         "lon": -111.9, "lat": 40.8, "zagl": 50.0, "foot": 0.01, "pres": 850.0},
        receptor=receptor, hash="p",
    )  # fmt: skip
    return root


def test_pystilt_becomes_a_project_that_goes_on(pystilt, tmp_path):
    told = run(pystilt, tmp_path / "case")
    assert told.exit_code == 0, told.output
    model = stilt.Model(tmp_path / "case")
    old = model.footprints["default"]["demo_202307151800_-111.85_40.77_30"]
    np.testing.assert_allclose(old.data.values, VALUES, rtol=1e-6)
    (particles,) = model.trajectories.load()
    assert particles.particles["time"].tolist() == [-1, -1, -120, -120]
    assert model.pending() == []
    # A new receptor is computed beside the old one, and one Jacobian holds both.
    later = [*model.receptors, stilt.PointReceptor("2023-07-15 19:00", -111.85, 40.77, 30.0)]
    again = stilt.Model(tmp_path / "case", receptors=later)
    stilt.push_simulations(again, [i for i in again.register_pending() if "1900" in i])
    jacobian = again.footprints["default"].jacobian(
        old.data.isel(time=0), ["2023-07-15 15:00", "2023-07-15 20:00"]
    )
    assert jacobian.matrix.shape[0] == 2
    assert jacobian.total[0] == pytest.approx(VALUES.sum(), rel=1e-6)
    assert jacobian.total[1] > 0


def test_a_variant_that_is_not_there_is_named(pystilt, tmp_path):
    assert (
        "has no variant 'other': it has demo"
        in run(pystilt, tmp_path / "case", "--met", "other").output
    )


@pytest.mark.skipif(not REFERENCE.exists(), reason="no files of R-STILT beside the project")
def test_real_files_of_r_stilt(tmp_path):
    (tmp_path / "r").mkdir()
    os.symlink(
        REFERENCE / "by_id" / "201507050000_-111.85_40.77_5",
        tmp_path / "r" / "201507050000_-111.85_40.77_5",
    )
    (old,) = OldCampaign.find(tmp_path / "r").simulations()
    assert old.footprint is not None
    grid = old.footprint.grid
    assert (grid.xres, grid.yres) == (0.02, 0.025)
    assert (grid.xmin, grid.xmax) == (-112.2, -111.6)
    with h5py.File(next((tmp_path / "r").glob("*/*_foot.nc"))) as file:
        assert old.footprint.total == pytest.approx(float(file["foot"][...].sum()), rel=1e-6)
    with pytest.raises(UsageError, match="column"):
        list(OldCampaign.find(REFERENCE / "by_id").simulations())
