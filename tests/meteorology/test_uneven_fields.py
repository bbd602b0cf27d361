"""Analyses that lack what others of their meteorology have are named before they are used."""

import numpy as np
import pytest

from benchmarks.weather_files.era5_files import level_dataset, surface_dataset
from benchmarks.weather_files.truth import LATLON, PRESSURES_HPA, on_grid, on_pressures, truth
from stilt.config import MetConfig, ModelConfig
from stilt.meteorology.catalogue import MetCatalogue
from stilt.meteorology.uneven_fields import uneven_fields

HOURS = np.arange(
    np.datetime64("2023-07-15T15:00"), np.datetime64("2023-07-15T19:00"), np.timedelta64(1, "h")
)


@pytest.fixture(scope="module")
def datasets():
    made = [on_pressures(on_grid(truth(t), LATLON), np.array(PRESSURES_HPA, float)) for t in HOURS]
    return level_dataset(made), surface_dataset(made)


def said(folder, **options):
    met = MetConfig(directory=folder, format="era5")
    refs = MetCatalogue(met).select(HOURS[0], HOURS[-1])
    return uneven_fields("era5", refs, ModelConfig(mets={"era5": met}), **options)


def test_an_hour_missing_in_one_of_several_files_is_named(tmp_path, datasets):
    """The Climate Data Store gives fluxes in a file of their own."""
    levels, surface = datasets
    levels.to_netcdf(tmp_path / "levels.nc")
    surface.drop_vars("ishf").to_netcdf(tmp_path / "instant.nc")
    (surface[["ishf"]] * 3600.0).rename(ishf="sshf").to_netcdf(tmp_path / "accum.nc")
    assert said(tmp_path) == ""
    hours = [hour for hour in range(len(HOURS)) if hour != 2]
    short = (surface[["ishf"]] * 3600.0).rename(ishf="sshf").isel(valid_time=hours)
    short.to_netcdf(tmp_path / "new")
    (tmp_path / "new").replace(tmp_path / "accum.nc")
    assert said(tmp_path) == (
        "1 of the 4 analyses of era5, such as that of 2023-07-15 17:00, lacks what the others "
        "have: sensible heat flux (SHTF), so the surface layer is computed from profiles of wind "
        "and temperature."
    )


def test_a_field_missing_in_one_file_of_many_is_found_by_looking_into_each(tmp_path, datasets):
    levels, surface = datasets
    surface.to_netcdf(tmp_path / "surface.nc")
    for number in range(len(HOURS)):
        hour = levels.isel(valid_time=[number])
        hour = hour.drop_vars("t") if number in (1, 3) else hour
        hour.to_netcdf(tmp_path / f"levels{number}.nc")
    told = said(tmp_path, each_file=True)
    assert told.startswith("2 of the 4 analyses of era5, such as that of 2023-07-15 16:00, lack ")
    assert told.endswith("temperature on levels (TEMP), which transport needs.")
    assert said(tmp_path) == ""
