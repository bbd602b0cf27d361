"""What is opened field by field, for grids too large for memory, is what is read at once."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.weather_files.grib_files import (
    LAMBERT,
    era5_model_levels,
    era5_surface,
    hybrid_pressures_hpa,
    ncep,
)
from benchmarks.weather_files.truth import LATLON, PRESSURES_HPA, on_grid, on_pressures, truth
from benchmarks.weather_files.wrf_files import lambert_attributes, wrf_dataset, write_wrf
from stilt.config import MetConfig
from stilt.meteorology.catalogue import MetCatalogue
from stilt.meteorology.formats import open_analysis, read_analysis
from stilt.meteorology.formats.hybrid import with_pressure
from stilt.meteorology.reach import within_reach

TIME = np.datetime64("2023-07-15T18:00")
AREA = (-112.5, 40.0, -111.0, 41.5)


def era5(folder):
    raw = on_grid(truth(TIME), LATLON)
    made = [on_pressures(raw, hybrid_pressures_hpa(raw.surface["PRSS"]))]
    era5_model_levels(folder / "levels.grib", made)
    era5_surface(folder / "surface.grib", made, leave_out=("sp", "z"))


def gfs_of_map(folder):
    """Winds to east and north, each of which is needed to turn the other to the grid."""
    raw = on_pressures(on_grid(truth(TIME), LAMBERT), np.array(PRESSURES_HPA, float))
    upper = {name: field for name, field in raw.upper.items() if name != "PRES"}
    ncep(folder / "a.grib2", [replace(raw, upper=upper)], along_grid=False)


def wrf(folder):
    raw = truth(TIME)
    upper = {name: field for name, field in raw.upper.items() if name != "WWND"}
    upper["DZDT"] = -10.0 * raw.upper["WWND"]
    attributes = lambert_attributes(raw.grid, 40.77, 40.77)
    write_wrf(folder, wrf_dataset([replace(raw, upper=upper)], attributes, start=TIME))


@pytest.mark.parametrize(("write", "form"), [(era5, "era5"), (gfs_of_map, "gfs"), (wrf, "wrf")])
@pytest.mark.parametrize("area", [None, AREA])
def test_opened_is_what_is_read(tmp_path, monkeypatch, write, form, area):
    monkeypatch.setattr("stilt.meteorology.reach.LARGE_NODES", 0)
    (tmp_path / "met").mkdir()
    write(tmp_path / "met")
    catalogue = MetCatalogue(MetConfig(directory=tmp_path / "met", format=form))
    (whole,) = catalogue.select(TIME, TIME)
    ref = within_reach(whole, area)
    assert (ref.grid == whole.grid) is (area is None)
    read = read_analysis(ref)
    opened = with_pressure(open_analysis(ref, tmp_path / "scratch"))
    for place in ("surface", "upper"):
        fields, expected = getattr(opened, place), getattr(read, place)
        assert set(fields) == set(expected)
        for name, field in fields.items():
            np.testing.assert_array_equal(field, expected[name], err_msg=name)
    assert any(isinstance(field, np.memmap) for field in opened.upper.values())
