"""With ``format: auto`` a file that cannot be read is named, with the reason of its own format."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.weather_files.era5_files import level_dataset, write_era5
from benchmarks.weather_files.grib_files import GribFile, era5_levels, latlon_keys, ncep
from benchmarks.weather_files.truth import LATLON, PRESSURES_HPA, on_grid, on_pressures, truth
from benchmarks.weather_files.wrf_files import lambert_attributes, write_wrf
from benchmarks.weather_files.wrf_files import wrf_dataset as dataset_of_wrf
from stilt.config import MetConfig
from stilt.errors import MeteorologyError, Reason
from stilt.meteorology.archive import list_archive
from stilt.meteorology.catalogue import MetCatalogue
from stilt.meteorology.writer import write_arl

TIME = np.datetime64("2023-07-15T17:00")


@pytest.fixture(scope="module")
def analysis():
    raw = on_pressures(on_grid(truth(TIME), LATLON), np.array(PRESSURES_HPA, float))
    raw.upper.pop("PRES", None)
    return raw


def refused(place, form="auto") -> MeteorologyError:
    options = {"file_format": "a", "file_tres": "1h"} if form == "arl" else {}
    catalogue = MetCatalogue(MetConfig(directory=place, format=form, **options))
    with pytest.raises(MeteorologyError) as told:
        catalogue.select(TIME, TIME)
    text = str(told.value)
    assert "\n" not in text
    assert text.endswith(".")
    return told.value


def cut(path, nbytes):
    path.write_bytes(path.read_bytes()[:nbytes])


def _era5_grib(folder, analysis):
    era5_levels(folder / "a", [analysis])


def _gfs(folder, analysis):
    ncep(folder / "a", [analysis])


def _netcdf(folder, analysis):
    level_dataset([analysis]).to_netcdf(folder / "a")


def _arl(folder, analysis):
    write_arl(folder / "a", analysis.grid, [analysis])


@pytest.mark.parametrize("form", ["auto", "own"])
@pytest.mark.parametrize(
    ("write", "own", "nbytes", "said"),
    [
        (_era5_grib, "era5", 12, "it ends within the message at byte 0"),
        (_era5_grib, "era5", 300, "it ends within the message at byte 0"),
        (_gfs, "gfs", 300, "it ends within the message at byte 0"),
        (_netcdf, "era5", 6, "NetCDF"),
        (_netcdf, "era5", 3000, "NetCDF"),
        (_arl, "arl", 120, "no analysis is whole"),
    ],
)
def test_a_file_cut_short(tmp_path, analysis, write, own, nbytes, said, form):
    write(tmp_path, analysis)
    cut(tmp_path / "a", nbytes)
    form = own if form == "own" else form
    error = refused(tmp_path, form)
    assert error.reason == Reason.DAMAGED_MET_FILE
    assert said in str(error)
    archive = list_archive(tmp_path, form)
    assert [said in text for text in archive.damaged.values()] == [True]
    assert archive.not_weather == ()


def test_a_wrf_file_that_lacks_what_is_needed(tmp_path):
    raw = truth(TIME)
    raw.upper["DZDT"] = 0.0 * raw.upper.pop("WWND")
    data = dataset_of_wrf([raw], lambert_attributes(raw.grid, 40.77, 40.77))
    write_wrf(tmp_path, data.drop_vars(["PB"]))
    assert "it lacks PB" in str(refused(tmp_path))
    assert "it lacks PB" in " ".join(list_archive(tmp_path).damaged.values())


def test_a_file_of_a_centre_that_no_format_reads(tmp_path, analysis):
    with GribFile(tmp_path / "a", {**latlon_keys(LATLON), "centre": "lfpw"}) as file:
        field = analysis.surface["T02M"][::-1]
        file.add(field, {"dataDate": 20230715, "dataTime": 1700, "shortName": "2t"})
    assert "made by the centre lfpw" in str(refused(tmp_path))


def test_a_server_or_a_library_that_is_not_there():
    error = refused("http://127.0.0.1:9/none")
    assert "Cannot connect" in str(error)
    assert "correct its address, or run again when it can be reached" in str(error)
    assert "Protocol not known: nowhere" in str(refused("nowhere://bucket/store"))


def test_packages_that_are_not_installed(tmp_path, analysis, monkeypatch):
    from stilt.meteorology.formats import grib_messages

    _gfs(tmp_path, analysis)

    def lacking():
        raise grib_messages.GribError("GRIB needs packages that are not installed")

    monkeypatch.setattr(grib_messages, "eccodes", lacking)
    assert "GRIB needs packages that are not installed" in str(refused(tmp_path))


def test_files_that_look_like_no_format(tmp_path, analysis):
    data = level_dataset([analysis])[["u"]].rename(u="anything")
    data.to_netcdf(tmp_path / "a.nc")
    error = refused(tmp_path)
    assert error.reason == Reason.MISSING_MET_FILES
    assert "such as a.nc, looks like one of the known formats (arl, era5," in str(error)
    assert list_archive(tmp_path).damaged == {}


def test_a_part_of_an_analysis(tmp_path, analysis):
    write_era5(tmp_path, [analysis])
    (tmp_path / "pressure-levels.nc").unlink()
    assert "hold only parts of the analyses" in str(refused(tmp_path))
