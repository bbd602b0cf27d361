"""Campaigns of R-STILT and PYSTILT become projects."""

import json
import os
import re
import sys
from pathlib import Path
from types import SimpleNamespace

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
from stilt.exchange.rstilt_script import Expression, read_script

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


def test_imported_results_stay_as_they_are_when_their_weather_is_said(r_stilt, tmp_path, weather):
    case = tmp_path / "case"
    told = run(r_stilt, case, "--met", "demo", "--column", 0, 2000)
    assert f"under mets.demo in {case / 'config.yaml'}, set directory, file_format" in told.output
    assert "leave moved_from" in told.output
    files = {
        path: path.read_bytes() for path in (case / "simulations").rglob("*.nc") if path.is_file()
    }
    assert len({path.name for path in files}) == 2
    config = (case / "config.yaml").read_text()
    changed = config.replace("directory: /data/hrrr", f"directory: {weather}")
    changed = changed.replace("file_format: '%Y%m%d_%H'", "file_format: '%Y%m%d?%H'")
    changed = changed.replace("file_tres: 6 hours", "file_tres: 6h\n    n_min: 1")
    assert changed.count(str(weather)) == changed.count("?") == changed.count("6h") == 1
    (case / "config.yaml").write_text(changed)
    assert stilt.Model(case).pending() == []
    later = stilt.PointReceptor("2023-07-15 20:00", -111.85, 40.77, 30.0)
    stilt.Model(case, receptors=[*stilt.Model(case).receptors, later]).store_inputs()
    ran = CliRunner().invoke(cli, ["run", str(case)])
    assert ran.exit_code == 0, ran.output
    assert {path: path.read_bytes() for path in files} == files
    model = stilt.Model(case)
    assert model.status()["completed"] == model.status()["total"] == 3
    totals = [each.total for each in model.footprints["default"].load()]
    assert len(totals) == 3
    assert sum(abs(total - VALUES.sum()) < 1e-5 for total in totals) == 2
    # An index that is rebuilt from the files finds them current too.
    assert CliRunner().invoke(cli, ["rebuild", str(case)]).exit_code == 0
    assert stilt.Model(case).pending() == []
    # What says how particles move still counts.
    (case / "config.yaml").write_text(changed.replace("numpar: 100", "numpar: 101"))
    assert len(stilt.Model(case).pending()) == 3


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


SCRIPT = """\
library(dplyr)
stilt_wd <- file.path('/x', 'y')
t_start <- '2023-07-15 18:00:00'
xmn <- -112
n_cores <- 8
slurm <- n_nodes > 1
n_hours <- -2
numpar <- 100
met_path <- file.path('/x', 'met')
met_file_format <- '%Y%m%d_%H'
n_met_min <- 2L
before_footprint <- list(function() {
  output
})
before_trajec <- my_function
smooth_factor <- 0.5
time_integrate <- F
z_top <- 20000
kmixd <- 9
outfrac <- 0.9
sigzierr <- NA
siguverr <- 2
tluverr <- 100
ziscale <- rep(0.8, 24)
maxpar <- numpar
stilt_apply(FUN = simulation_step,
            z_top = z_top,
            kmix0 = 42)
"""


def test_settings_are_taken_or_listed_with_the_reason(r_stilt, tmp_path):
    (r_stilt / "r" / "run_stilt.r").write_text(SCRIPT)
    told = run(r_stilt, tmp_path / "case", "--column", 0, 2000, "--json")
    assert told.exit_code == 0, told.output
    model = stilt.Model(tmp_path / "case")
    assert (model.config.z_top, model.config.n_hours, model.config.numpar) == (20000.0, -2, 100)
    assert model.config.footprints["default"].smooth_factor == 0.5
    assert [each.config.smooth_factor for each in model.footprints["default"].load()] == [0.5, 0.5]
    assert model.config.mets["met"].n_min == 2
    assert not model.config.error_run
    assert model.pending() == []
    result = json.loads(told.output)["result"]
    listed = dict(reversed(each.rstrip(")").split(" (", 1)) for each in result["left_out"]
                  if "file.path" not in each)  # fmt: skip
    (expressions,) = [each for each in result["left_out"] if "file.path" in each]
    assert expressions == (
        "met_path = file.path('/x', 'met'), before_trajec = my_function, "
        "ziscale = rep(0.8, 24) (not a plain value, so set it yourself)"
    )
    errors = next(reason for reason in listed if reason.startswith("error runs: "))
    assert listed == {
        "for the machine: set execution": "n_cores = 8, slurm = n_nodes > 1",
        "not known here": "outfrac = 0.9",
        "not possible here": "kmixd = 9",
        errors: "siguverr = 2, tluverr = 100",
    }
    assert result["notes"] == [
        "2 of 2 simulation(s) have no particle file, and particles are imported only where all "
        "have them. Leave trajectories: false in config.yaml: with true, a run would recompute "
        "them all."
    ]


@pytest.mark.parametrize("text", ["1e999", "Inf", "-Inf", "NaN", "'", "c(", "NULL # none"])
def test_odd_values_of_a_script_do_not_stop_it(text, tmp_path):
    (tmp_path / "run_stilt.r").write_text(f"numpar <- {text}\nn_hours = -2L # hours\n")
    found = read_script(tmp_path / "run_stilt.r")
    assert found["n_hours"] == -2
    assert isinstance(found.get("numpar", Expression("")), Expression)


def test_particles_that_need_a_package_are_said(r_stilt, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rdata", None)
    monkeypatch.setattr("stilt.exchange.campaigns.find_spec", lambda name: None)
    for place in (r_stilt / "out" / "by-id").iterdir():
        (place / f"{place.name}_traj.rds").write_bytes(b"")
    told = run(r_stilt, tmp_path / "case", "--column", 0, 2000)
    assert "0 particle file(s)" in told.output
    assert "need the package rdata: pip install rdata, and migrate again" in told.output


def test_a_damaged_particle_file_is_named(r_stilt, tmp_path, monkeypatch):
    broken = SimpleNamespace(read_rds=lambda path: {"receptor": 1})
    monkeypatch.setitem(sys.modules, "rdata", broken)
    place = min((r_stilt / "out" / "by-id").iterdir())
    (place / f"{place.name}_traj.rds").write_bytes(b"")
    told = run(r_stilt, tmp_path / "case", "--column", 0, 2000)
    assert told.exit_code == 2
    assert "_traj.rds is not a particle file of R-STILT" in told.output


def test_hours_that_no_script_says_come_from_the_results(r_stilt, tmp_path, monkeypatch):
    (r_stilt / "r" / "run_stilt.r").unlink()
    told = run(r_stilt, tmp_path / "a", "--column", 0, 2000)
    assert re.search(
        r"There is no .*run_stilt.r, .*n_hours: it is -2, as far as the foot", told.output
    )
    assert stilt.Model(tmp_path / "a").config.n_hours == -2
    table = pd.DataFrame(
        {"time": [-1.0, -421.0], "indx": 1, "long": -111.9, "lati": 40.8, "zagl": 50.0, "foot": 0.1}
    )
    found = {"particle": table, "receptor": {"zagl": [0.0, 2000.0]}}
    monkeypatch.setattr("stilt.exchange.campaigns._read_rds", lambda path: found)
    told = run(r_stilt, tmp_path / "b")
    assert "2 particle file(s)" in told.output
    assert "n_hours: it is -8, as far as the particles go" in told.output
    assert stilt.Model(tmp_path / "b").config.n_hours == -8
    assert stilt.Model(tmp_path / "b").pending() == []


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


def test_settings_of_pystilt_are_taken_or_listed(pystilt, tmp_path):
    config = pystilt / "config.yaml"
    text = config.read_text().replace("file_tres: 6h}", "file_tres: 6h, subgrid_enable: true}")
    text = text.replace("  demo: {}", "  demo: {met: demo, numpar: 30}")
    config.write_text(f"{text}z_top: 20000\nsiguverr: 2\nfancy: 1\n")
    told = run(pystilt, tmp_path / "case", "--json")
    assert told.exit_code == 0, told.output
    model = stilt.Model(tmp_path / "case")
    assert model.config.z_top == 20000.0
    assert model.pending() == []
    listed = "; ".join(json.loads(told.output)["result"]["left_out"])
    for each in (
        "siguverr = 2 (error runs", "fancy = 1 (not known here)",
        "variants.demo.numpar = 30 (of one variant)",
        "mets.demo.subgrid_enable = True (set it yourself)",
    ):  # fmt: skip
        assert each in listed


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
