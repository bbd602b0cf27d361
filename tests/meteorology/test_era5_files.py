import os

import numpy as np
import pytest
import xarray as xr

from benchmarks.weather_files.era5_files import level_dataset, surface_dataset, write_era5
from benchmarks.weather_files.truth import (
    PRESSURES_HPA,
    analyses_on_pressures,
)
from stilt.config import MetConfig
from stilt.errors import MeteorologyError, Reason, UsageError
from stilt.meteorology.archive import list_archive, list_met
from stilt.meteorology.catalogue import MetCatalogue
from stilt.meteorology.fingerprint import WeatherCheck, fingerprint
from stilt.meteorology.formats import format_of, read_analysis
from stilt.meteorology.formats.cf_attributes import has_known_unit
from stilt.meteorology.formats.era5 import Era5Format
from stilt.meteorology.formats.fields import STANDARD_GRAVITY_M_S2
from stilt.meteorology.formats.grib_messages import is_grib
from stilt.meteorology.writer import write_arl

HOURS = np.arange(
    np.datetime64("2023-07-15T15:00"), np.datetime64("2023-07-15T19:00"), np.timedelta64(1, "h")
)
FIRST, LAST = HOURS[0], HOURS[-1]


def select(folder, **options):
    config = MetConfig(directory=folder, **{"format": "era5", **options})
    return MetCatalogue(config).select(FIRST, LAST)


@pytest.fixture(scope="module")
def analyses():
    return analyses_on_pressures(HOURS)


@pytest.fixture
def folder(tmp_path, analyses):
    write_era5(tmp_path / "era5", analyses)
    return tmp_path / "era5"


def assert_alike(read, wanted):
    for place in ("surface", "upper"):
        fields, expected = getattr(read, place), getattr(wanted, place)
        assert set(fields) == set(expected)
        for name, field in fields.items():
            np.testing.assert_allclose(field, expected[name], rtol=3e-6, atol=1e-9, err_msg=name)


def test_levels_and_surface_in_two_files_make_one_analysis(folder, analyses):
    refs = select(folder)
    assert [ref.time for ref in refs] == list(HOURS)
    assert {len(ref.paths) for ref in refs} == {2}
    for ref, wanted in zip(refs, analyses, strict=True):
        assert_alike(read_analysis(ref), wanted)
        assert ref.grid.levels == tuple(map(float, PRESSURES_HPA))


ECMWF_UNITS = {
    "sp": "Pa", "z": "m**2 s**-2", "t2m": "K", "u10": "m s**-1", "v10": "m s**-1", "blh": "m",
    "zust": "m s**-1", "ishf": "W m**-2", "slhf": "J m**-2", "ssrd": "J m**-2", "u": "m s**-1",
    "v": "m s**-1", "w": "Pa s**-1", "t": "K", "q": "kg kg**-1",
}  # fmt: skip
OTHER_UNITS = {
    "sp": ("hPa", 0.01, 0.0), "t2m": ("degC", 1.0, -273.15), "blh": ("km", 0.001, 0.0),
    "slhf": ("W m-2", 1 / 3600, 0.0), "u10": ("km/h", 3.6, 0.0), "t": ("C", 1.0, -273.15),
    "w": ("hPa/h", 36.0, 0.0), "q": ("g/kg", 1000.0, 0.0),
}  # fmt: skip


def with_units(data, units):
    made = data.copy()
    for name in made.data_vars:
        unit, factor, offset = units.get(name, (ECMWF_UNITS[name], 1.0, 0.0))
        made[name] = (made[name].astype(float) * factor + offset).assign_attrs(units=unit)
    return made


@pytest.mark.parametrize("others", [{}, OTHER_UNITS], ids=["ECMWF's", "others"])
def test_units_that_variables_name_count(tmp_path, analyses, others):
    height = {} if not others else {"z": ("m", 1 / STANDARD_GRAVITY_M_S2, 0.0)}
    with_units(level_dataset(analyses), others | height).to_netcdf(tmp_path / "levels.nc")
    with_units(surface_dataset(analyses), others).to_netcdf(tmp_path / "surface.nc")
    for ref, wanted in zip(select(tmp_path), analyses, strict=True):
        assert_alike(read_analysis(ref), wanted)


def test_units_of_another_kind_are_refused_and_unreadable_ones_are_ecmwfs(tmp_path, analyses):
    surface_dataset(analyses).to_netcdf(tmp_path / "surface.nc")
    levels = with_units(level_dataset(analyses), {})
    levels["t"].attrs["units"] = "(0 - 1)"
    levels.to_netcdf(tmp_path / "levels.nc")
    assert_alike(read_analysis(select(tmp_path)[0]), analyses[0])
    levels["w"].attrs["units"] = "m s**-1"
    levels.to_netcdf(tmp_path / "other.nc")
    (tmp_path / "other.nc").replace(tmp_path / "levels.nc")
    with pytest.raises(
        MeteorologyError, match=r"variable w \(m s\*\*-1\) cannot be converted to Pa"
    ):
        select(tmp_path)


def test_units_of_the_climate_data_store_that_udunits_cannot_read_are_passed_over_in_silence(capfd):
    """Of the cloud cover, for example; UDUNITS is a C library, which prints for itself."""
    for units in ("(0 - 1)", "~", "code table (4.2)"):
        assert not has_known_unit(xr.DataArray(0.5, name="tcc", attrs={"units": units}))
    assert capfd.readouterr() == ("", "")


def test_any_order_of_axes_and_any_longitudes_are_the_same_weather(tmp_path, analyses):
    plain, turned = tmp_path / "plain", tmp_path / "turned"
    write_era5(plain, analyses)
    turned.mkdir()
    for name, data in (("a", level_dataset(analyses)), ("b", surface_dataset(analyses))):
        data = data.assign_coords(longitude=data.longitude % 360).transpose(
            "longitude", "valid_time", ..., "latitude"
        )
        if "pressure_level" in data.dims:
            data = data.isel(pressure_level=slice(None, None, -1)).rename(pressure_level="level")
            data.level.attrs["units"] = "millibars"
        data.isel(latitude=slice(None, None, -1)).rename(valid_time="time").to_netcdf(
            turned / f"{name}.nc"
        )
    for one, other in zip(select(plain), select(turned), strict=True):
        assert one.grid == other.grid
        assert_alike(read_analysis(one), read_analysis(other))


def test_a_globe_closes_on_itself(tmp_path):
    lon, lat = np.arange(0.0, 360.0, 5.0), np.arange(90.0, -91.0, -5.0)
    shape = (1, 2, len(lat), len(lon))
    wind = np.broadcast_to(lon, shape).astype(np.float32)
    data = xr.Dataset(
        {"u": (("time", "level", "latitude", "longitude"), wind)},
        {
            "time": [HOURS[0].astype("datetime64[ns]")],
            "level": ("level", [1000, 500], {"units": "hPa"}),
            "latitude": lat,
            "longitude": lon,
        },
    )
    data.to_netcdf(tmp_path / "global.nc")
    (ref,) = MetCatalogue(MetConfig(directory=tmp_path, format="era5")).select(FIRST, FIRST)
    assert ref.grid.cyclic_x
    assert ref.grid.global_y
    read = read_analysis(ref).upper["UWND"]
    x, y = ref.grid.to_xy(355.0, 40.0)
    assert ref.grid.interpolate(read[0], x, y) == pytest.approx(355.0)


def test_only_what_is_kept_is_read(folder):
    whole = select(folder)[0]
    options = {
        "subgrid_enable": True,
        "subgrid_bounds": {"xmin": -112.4, "xmax": -111.2, "ymin": 40.1, "ymax": 41.0},
        "subgrid_buffer": 0.1,
        "subgrid_levels": 11,
    }
    kept = select(folder, **options)[0]
    assert (kept.grid.nx, kept.grid.ny, kept.grid.n_levels) < (whole.grid.nx, whole.grid.ny, 11)
    lon, lat = kept.grid.to_lonlat(0.0, 0.0)
    x, y = (round(float(each)) for each in whole.grid.to_xy(lon, lat))
    all_of_it, part = read_analysis(whole), read_analysis(kept)
    nodes = np.s_[y : y + kept.grid.ny, x : x + kept.grid.nx]
    np.testing.assert_array_equal(part.surface["PRSS"], all_of_it.surface["PRSS"][nodes])
    np.testing.assert_array_equal(part.upper["UWND"], all_of_it.upper["UWND"][:10, *nodes])
    assert not (folder / "subgrid").exists()


def test_an_hour_without_its_surface_is_missing(tmp_path, analyses):
    tmp_path.joinpath("met").mkdir()
    level_dataset(analyses).to_netcdf(tmp_path / "met" / "levels.nc")
    surface_dataset([*analyses[:1], *analyses[2:]]).to_netcdf(tmp_path / "met" / "surface.nc")
    with pytest.raises(MeteorologyError, match="2023-07-15 16:00") as told:
        select(tmp_path / "met")
    assert told.value.reason == Reason.MET_COVERAGE


def test_terrain_of_one_hour_is_that_of_all_hours(folder, tmp_path):
    """As the pages say: one hour of it is enough."""
    wanted = [read_analysis(ref) for ref in select(folder)]
    (path,) = folder.glob("single*.nc")
    surface = xr.open_dataset(path).load()
    surface.close()
    path.unlink()
    surface.drop_vars("z").to_netcdf(folder / "surface.nc")
    surface[["z"]].isel(valid_time=[0]).to_netcdf(folder / "terrain.nc")
    refs = select(folder)
    assert len(refs) == len(wanted)
    for ref, one in zip(refs, wanted, strict=True):
        assert_alike(read_analysis(ref), one)


def test_other_files_in_the_folder_are_passed_over(folder):
    (folder / "README.txt").write_text("how these were made")
    assert len(select(folder)) == len(HOURS)


def test_a_file_cut_short_is_named(folder):
    path = folder / "pressure-levels.nc"
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(MeteorologyError, match=r"pressure-levels\.nc"):
        select(folder)


def test_formats_are_told_by_their_content(folder, tmp_path, analyses):
    arl = write_arl(tmp_path / "anything", analyses[0].grid, analyses)
    assert format_of(str(folder / "single-levels.nc")) == "era5"
    assert format_of(str(arl)) == "arl"
    assert format_of(__file__) is None
    assert len(select(folder, format="auto")) == len(HOURS)


def test_an_unknown_format_is_refused(tmp_path):
    with pytest.raises(ValueError, match="is not a weather format: known are arl, era5"):
        MetConfig(directory=tmp_path, format="ear5")


def test_files_of_another_format_are_told_apart(folder):
    with pytest.raises(
        MeteorologyError, match=r"No file of .* is of format: wrf; .* looks"
    ) as told:
        select(folder, format="wrf")
    assert told.value.reason == Reason.MISSING_MET_FILES
    assert "format: era5" in told.value.detail


def test_attributes_named_grib_do_not_make_a_netcdf_file_grib(tmp_path, analyses):
    """The Climate Data Store's NetCDF begins with attributes such as GRIB_centre."""
    folder = tmp_path / "era5"
    folder.mkdir()
    for name, data in (("levels", level_dataset(analyses)), ("flat", surface_dataset(analyses))):
        data.assign_attrs(GRIB_centre="ecmf").to_netcdf(folder / f"{name}.nc")
        assert b"GRIB" in (folder / f"{name}.nc").read_bytes()
        assert not is_grib(str(folder / f"{name}.nc"))
    # In small files the attributes stand in the first bytes.
    small = tmp_path / "small.nc"
    xr.Dataset(attrs={"GRIB_centre": "ecmf"}).to_netcdf(small, engine="netcdf4")
    assert b"GRIB" in small.read_bytes()[:256]
    assert not is_grib(str(small))
    assert len(select(folder)) == len(HOURS)


@pytest.mark.parametrize("dimension", ["number", "step"])
def test_several_members_or_steps_are_refused(tmp_path, analyses, dimension):
    folder = tmp_path / "era5"
    folder.mkdir()
    for name, data in (("levels", level_dataset(analyses)), ("flat", surface_dataset(analyses))):
        both = xr.concat([data, data + 1.0], dim=dimension)
        both.to_netcdf(folder / f"{name}.nc")
    with pytest.raises(MeteorologyError, match=rf"has the dimension {dimension} with 2 values"):
        select(folder)


def test_inexact_times_are_those_of_the_nearest_minute(tmp_path, analyses):
    folder = tmp_path / "era5"
    folder.mkdir()
    for name, data in (("levels", level_dataset(analyses)), ("flat", surface_dataset(analyses))):
        early = data.assign_coords(valid_time=data.valid_time - np.timedelta64(40, "ms"))
        early.to_netcdf(folder / f"{name}.nc")
    assert [ref.time for ref in select(folder)] == list(HOURS)


def test_missing_times_are_refused(tmp_path, analyses):
    times = HOURS.astype("datetime64[ns]").copy()
    times[1] = "NaT"
    data = level_dataset(analyses).assign_coords(valid_time=times)
    data.to_netcdf(tmp_path / "levels.nc")
    with pytest.raises(MeteorologyError, match="some of its times"):
        select(tmp_path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"PK\x03\x04 GRIB", "a zip archive: unpack it"),
        (b"\x1f\x8b\x08", "compressed \\(gzip\\): unpack it"),
        (b"", "empty: fetch it again"),
        (b"<html>", "a web page"),
    ],
)
def test_what_is_no_weather_file_is_named(tmp_path, analyses, content, told):
    surface_dataset(analyses).to_netcdf(tmp_path / "surface.nc")
    (tmp_path / "levels.nc").write_bytes(content)
    with pytest.raises(MeteorologyError, match=rf"levels\.nc is {told}"):
        select(tmp_path)
    assert list_archive(tmp_path, "era5").not_weather == (tmp_path / "levels.nc",)


def test_surface_fields_alone_are_called_a_part(tmp_path, analyses):
    surface_dataset(analyses).to_netcdf(tmp_path / "surface.nc")
    with pytest.raises(MeteorologyError, match="only parts of the analyses"):
        select(tmp_path)


def test_an_archive_lists_a_file_that_cannot_be_read_as_damaged(folder):
    path = folder / "pressure-levels.nc"
    path.write_bytes(path.read_bytes()[:20_000])
    archive = list_archive(folder, "era5")
    assert list(archive.damaged) == [path]
    assert not archive.not_weather


def test_model_levels_without_values_are_not_filled_from_others(tmp_path):
    """As where a chunk of a store is missing; nothing is below the ground there."""
    dims = ("time", "model_level", "latitude", "longitude")
    wind = np.ones((1, 3, 4, 5), np.float32)
    wind[:, 1] = np.nan
    data = xr.Dataset(
        {"u": (dims, wind)},
        {
            "time": [HOURS[0].astype("datetime64[ns]")],
            "model_level": [135, 136, 137],
            "latitude": np.arange(40.0, 44.0),
            "longitude": np.arange(-115.0, -110.0),
        },
    )
    data.to_netcdf(tmp_path / "levels.nc")
    form = Era5Format()
    (ref,) = form.scan(str(tmp_path / "levels.nc")).refs
    with pytest.raises(MeteorologyError, match="lacks values of u on 1 of its levels at 2023"):
        form.read(ref)


def test_a_folder_that_a_moved_project_left_behind_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = MetConfig(directory="../met-left-behind", format="era5")
    with pytest.raises(
        MeteorologyError, match=r"beside config\.yaml .* its weather has to be moved"
    ):
        MetCatalogue(config).select(FIRST, LAST)
    with pytest.raises(UsageError, match=r"no folder \.\./met-left-behind beside config\.yaml"):
        list_met(config)


def test_levels_are_not_used_without_the_surface_that_a_damaged_file_may_hold(folder):
    path = folder / "single-levels.nc"
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(MeteorologyError, match=r"single-levels\.nc cannot be used.*may hold"):
        select(folder)
    path.unlink()
    assert len(select(folder)) == len(HOURS)


def test_a_damaged_file_beside_whole_analyses_is_told(folder):
    path = folder / "more.nc"
    path.write_bytes((folder / "pressure-levels.nc").read_bytes()[:20_000])
    catalogue = MetCatalogue(MetConfig(directory=folder, format="era5"))
    assert len(catalogue.select(FIRST, LAST)) == len(HOURS)
    (said,) = catalogue.remarks([(FIRST, LAST)], [-111.9], [40.7])
    assert "more.nc cannot be used" in said


def test_values_changed_in_place_are_noticed_in_files_of_any_usual_size(tmp_path, analyses):
    """The size stays, and so does most of an uncompressed file."""
    larger = level_dataset(analyses * 3).isel(valid_time=slice(0, 4))
    larger = larger.isel(latitude=np.arange(60) % 20, longitude=np.arange(80) % 20)
    larger = larger.assign_coords(
        latitude=50.0 - 0.1 * np.arange(60), longitude=-120.0 + 0.1 * np.arange(80)
    )
    path = tmp_path / "levels.nc"
    larger.to_netcdf(path)
    assert path.stat().st_size > 12_000_000
    recorded = fingerprint(select(tmp_path))
    os.utime(path, (1e9, 1e9))
    assert not WeatherCheck(None).has_changed([str(path)], recorded)
    content = path.read_bytes()
    for name, at in (("t", (2, 11)), ("u", (1, 5)), ("w", (0, 3)), ("z", (3, 20))):
        field = larger[name].values[at].astype("<f4")
        changed = content.replace(field.tobytes(), (field + np.float32(1.0)).tobytes())
        assert len(changed) == len(content)
        assert changed != content
        path.write_bytes(changed)
        assert WeatherCheck(None).has_changed([str(path)], recorded), name
