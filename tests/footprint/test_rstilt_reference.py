"""R-STILT's own footprints, cell by cell."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from stilt import ColumnReceptor, FootprintConfig, PointReceptor
from stilt.footprint import Footprint, apply_near_field

DATA = Path(__file__).parent / "data"
FULL = Path(__file__).parents[3] / "shared" / "reference" / "rstilt"
CASES = json.loads((DATA / "cases.json").read_text())


@cache
def compact(table: str) -> pd.DataFrame:
    return pd.read_parquet(DATA / f"{table}.parquet")


def of_case(table: str, name: str) -> pd.DataFrame:
    rows = compact(table)
    return rows[rows["case"] == list(CASES).index(name)]


def receptor_of(case: dict) -> PointReceptor:
    return PointReceptor(case["time"], -111.85, 40.77, case["r_zagl"])


def config_of(case: dict) -> FootprintConfig:
    return FootprintConfig(
        xmin=case["xmn"],
        xmax=case["xmx"],
        ymin=case["ymn"],
        ymax=case["ymx"],
        xres=case["xres"],
        yres=case["yres"],
        projection=case["projection"],
        smooth_factor=case["smooth_factor"],
        time_integrate=case["time_integrate"],
    )


def compare(name: str, particles: pd.DataFrame, cells: pd.DataFrame) -> None:
    """Check axes and layer times exactly and every cell to 1e-6 of R's value."""
    case = CASES[name]
    foot = Footprint.calculate(particles, receptor_of(case), config_of(case), warn=False)
    x, y = foot.data[foot.data.dims[2]].values, foot.data[foot.data.dims[1]].values
    values = foot.data.values
    if name == "dateline":  # R leaves longitudes from 0 to 360 and in that order
        order = np.argsort(x % 360)
        x, values = (x % 360)[order], values[:, :, order]
    for ours, (first, last, count) in ((x, case["lon_or_x"]), (y, case["lat_or_y"])):
        assert ours.size == count
        np.testing.assert_allclose(ours, np.linspace(first, last, count), rtol=0, atol=1e-8)
    stamps = pd.DatetimeIndex(foot.data["time"].values).strftime("%Y-%m-%d %H:%M:%S")
    assert list(stamps) == case["layer_times_utc"]
    expected = np.zeros_like(values)
    expected[cells["k"], cells["j"], cells["i"]] = cells["foot"]
    np.testing.assert_array_equal(values > 0, expected > 0)
    np.testing.assert_allclose(values, expected, rtol=1e-6, atol=0)
    assert foot.total == pytest.approx(case["total"], rel=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_every_cell_agrees_with_rstilt(name: str) -> None:
    rows = of_case("particles", name)
    particles = pd.DataFrame(
        {
            "time": rows["time"],
            "indx": rows["indx"],
            "long": rows["long_nano"] / 1e9,
            "lati": rows["lati_nano"] / 1e9,
            "foot": rows["foot"].astype(float),
        }
    )
    compare(name, particles, of_case("footprints", name))


@pytest.mark.parametrize("name", ["plain", "densified", "column", "gaps"])
def test_near_field_agrees_with_rstilt(name: str) -> None:
    rows = compact("near_field")
    rows = rows[rows["case"] == name].dropna(axis="columns")
    case = CASES[name]
    done = apply_near_field(rows, receptor=receptor_of(case), veght=case["veght"])
    np.testing.assert_allclose(done["foot"], rows["foot_near_field"], rtol=1e-9)
    assert (done["foot"] != rows["foot"]).any()
    assert done["foot_no_hnf_dilution"].equals(rows["foot"])


@pytest.mark.parity
@pytest.mark.skipif(not FULL.is_dir(), reason="the full R-STILT tables are not beside the project")
@pytest.mark.parametrize("name", CASES)
def test_full_tables_agree_with_rstilt(name: str) -> None:
    particles = pd.read_parquet(FULL / f"{name}_particles.parquet")
    case = CASES[name]
    if case["hnf_plume"] and name != "forward":  # R walks forward plumes the wrong way round
        particles = apply_near_field(particles, receptor=receptor_of(case), veght=case["veght"])
        np.testing.assert_allclose(particles["foot"], particles["foot_near_field"], rtol=1e-9)
    else:
        particles = particles.assign(foot=particles["foot_near_field"])
    compare(name, particles, pd.read_parquet(FULL / f"{name}_footprint.parquet"))


BY_ID = {
    "201507050000_-111.85_40.77_5": (
        PointReceptor("2015-07-05 00:00:00", -111.85, 40.77, 5.0),
        {"yres": 0.025, "time_integrate": False},
    ),
    "201507051800_-111.9_40.7_X": (
        ColumnReceptor("2015-07-05 18:00:30", -111.9, 40.7, 0.0, 1000.0),
        {"yres": 0.02, "time_integrate": True},
    ),
}


@pytest.mark.parity
@pytest.mark.skipif(not FULL.is_dir(), reason="R-STILT's own files are not beside the project")
@pytest.mark.filterwarnings("ignore:Missing constructor for R class")
@pytest.mark.parametrize("name", BY_ID)
def test_simulations_in_rstilts_files_agree_to_single_precision(name: str) -> None:
    rdata = pytest.importorskip("rdata", reason="needs: pip install rdata")
    receptor, settings = BY_ID[name]
    stored = rdata.read_rds(FULL / "by_id" / name / f"{name}_traj.rds")["particle"]
    expected = xr.load_dataset(FULL / "by_id" / name / f"{name}_foot.nc")
    bounds = {"xmin": -112.2, "xmax": -111.6, "ymin": 40.6, "ymax": 41.0, "xres": 0.02}
    foot = Footprint.calculate(
        pd.DataFrame(stored).astype(float), receptor, FootprintConfig(**bounds, **settings)
    )
    for axis in ("time", "lat", "lon"):
        np.testing.assert_array_equal(foot.data[axis], expected[axis])
    np.testing.assert_allclose(foot.data, expected["foot"], rtol=1e-7, atol=1e-12)
