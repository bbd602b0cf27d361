"""Footprint files follow the CF conventions, and programs that know only CF can place them."""

import numpy as np
import pyproj
import pytest
import xarray as xr
from small_footprints import random_walk

from stilt import Footprint, FootprintConfig, PointReceptor

BOUNDS = {"xmin": -113, "xmax": -111, "ymin": 40, "ymax": 41}
GRIDS = {
    "degrees": {"xres": 0.1, "yres": 0.1},
    "utm": {"xres": 4e3, "yres": 4e3, "projection": "+proj=utm +zone=12 +datum=WGS84"},
    "epsg": {"xres": 4e3, "yres": 4e3, "projection": "EPSG:32612"},
    "lambert": {
        "xres": 4e3,
        "yres": 4e3,
        "projection": "+proj=lcc +lat_1=38.5 +lat_2=38.5 +lat_0=38.5 +lon_0=-97.5 +R=6371229",
    },
    "stereographic": {
        "xres": 4e3,
        "yres": 4e3,
        "projection": "+proj=stere +lat_0=90 +lat_ts=60 +lon_0=-105 +R=6371229",
    },
}


@pytest.fixture(params=[*GRIDS, "empty"])
def path(request, tmp_path):
    particles = random_walk(0, 90, 5, 20.0 if request.param == "empty" else -112.0)
    receptor = PointReceptor("2023-07-15 18:00:00", -112.0, 40.6, 5.0)
    config = FootprintConfig(**BOUNDS, **GRIDS.get(request.param, GRIDS["degrees"]))
    return Footprint.calculate(particles, receptor, config, "default").to_netcdf(
        tmp_path / "foot.nc"
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_checker_of_ioos_finds_nothing_to_correct(path) -> None:
    runner = pytest.importorskip(
        "compliance_checker.runner", reason="needs: pip install compliance-checker"
    )
    report = path.with_suffix(".txt")
    runner.CheckSuite.load_all_available_checkers()
    passed, errors = runner.ComplianceChecker.run_checker(
        str(path), ["cf:1.8"], 0, "strict", output_filename=str(report), output_format="text"
    )
    assert passed, report.read_text()
    assert not errors


def test_every_coordinate_says_what_it_is(path) -> None:
    with xr.open_dataset(path, decode_times=False) as file:
        assert file["foot"].dims[0] == "time"
        assert file["time"].attrs["standard_name"] == "time"
        assert file["time"].attrs["units"].startswith("seconds since ")
        for dim, axis in zip(file["foot"].dims, "TYX", strict=True):
            attrs = file[dim].attrs
            assert attrs["axis"] == axis
            assert {"standard_name", "long_name", "units"} <= set(attrs)
            assert np.all(np.diff(file[dim].values) > 0)
        assert "_FillValue" not in file["foot"].encoding
        mapping = file[file["foot"].attrs["grid_mapping"]].attrs
        assert {"grid_mapping_name", "crs_wkt", "spatial_ref", "proj4_params"} <= set(mapping)


def test_the_grid_mapping_alone_places_the_cells(path) -> None:
    with xr.open_dataset(path) as file:
        foot, crs = file["foot"], pyproj.CRS.from_cf(file["crs"].attrs)
        y, x = foot.dims[1:]
        lon, lat = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(
            float(file[x].mean()), float(file[y].mean())
        )
    assert lon == pytest.approx(-112.0, abs=0.1)
    assert lat == pytest.approx(40.5, abs=0.1)
