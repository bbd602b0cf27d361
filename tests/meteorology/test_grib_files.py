import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.weather_files.grib_files import (
    LAMBERT,
    GribFile,
    eccodes,
    era5_levels,
    era5_model_levels,
    era5_surface,
    hybrid_pressures_hpa,
    latlon_keys,
    ncep,
)
from benchmarks.weather_files.truth import LATLON, PRESSURES_HPA, on_grid, on_pressures, truth
from stilt.config import MetConfig
from stilt.errors import MeteorologyError
from stilt.meteorology.archive import list_met
from stilt.meteorology.catalogue import MetCatalogue
from stilt.meteorology.formats import (
    field_names,
    format_of,
    open_analysis,
    read_analysis,
    scan_file,
)
from stilt.meteorology.formats.grib_grids import cone_latitude
from stilt.meteorology.formats.grib_messages import places
from stilt.meteorology.formats.merge import merged
from stilt.meteorology.formats.ncep import HRRR_FACES
from stilt.meteorology.grids import latlon_grid
from stilt.meteorology.prepare import ARRAYS, PreparationOptions, levels_for, prepare

HOURS = np.arange(
    np.datetime64("2023-07-15T17:00"), np.datetime64("2023-07-15T19:00"), np.timedelta64(1, "h")
)
FIRST, LAST = HOURS[0], HOURS[-1]


def select(folder, form, **options):
    config = MetConfig(directory=folder, format=form, **options)
    return MetCatalogue(config).select(FIRST, LAST)


@pytest.fixture(scope="module")
def latlon():
    return [on_grid(truth(time), LATLON) for time in HOURS]


@pytest.fixture(scope="module")
def pressures(latlon):
    return [without(on_pressures(raw, np.array(PRESSURES_HPA, float)), "PRES") for raw in latlon]


@pytest.fixture(scope="module")
def native():
    """HRRR's atmosphere on its lowest levels, at pressures that only the file tells."""
    faces = np.array(HRRR_FACES)
    sigma = (0.5 * (faces[:-1] + faces[1:]))[:30]
    made = []
    for time in HOURS:
        raw = on_grid(truth(time), LAMBERT)
        pressure = 20.0 + sigma[:, None, None] * (raw.surface["PRSS"] - 20.0)
        raw = without(on_pressures(raw, pressure), "HGTS")
        levels = tuple(round(float(each), 6) for each in sigma)
        made.append(replace(raw, grid=replace(raw.grid, levels=levels, vertical_flag=1)))
    return made


def without(raw, *names):
    return replace(raw, upper={k: f for k, f in raw.upper.items() if k not in names})


def assert_alike(read, wanted, *, leave_out=()):
    for place in ("surface", "upper"):
        fields, expected = getattr(read, place), getattr(wanted, place)
        assert set(fields) == set(expected) - set(leave_out)
        for name, field in fields.items():
            # Packed at 24 bits, the lowest value as a float of 24 bits.
            span = float(np.ptp(expected[name]))
            np.testing.assert_allclose(
                field, expected[name], rtol=1e-6, atol=2e-7 * span + 1e-9, err_msg=name
            )


@pytest.mark.parametrize("edition", [1, 2])
def test_era5_on_pressure_levels_is_the_same_weather(tmp_path, pressures, edition):
    era5_levels(tmp_path / "levels.grib", pressures, edition)
    era5_surface(tmp_path / "surface.grib", pressures)
    refs = select(tmp_path, "era5")
    assert [ref.time for ref in refs] == list(HOURS)
    for ref, wanted in zip(refs, pressures, strict=True):
        assert ref.grid == replace(wanted.grid, source="ERA5")
        assert_alike(read_analysis(ref), wanted)


def of_pressure_levels(folder, latlon, native, pressures):
    era5_levels(folder / "levels.grib", pressures)
    era5_surface(folder / "surface.grib", pressures)


def of_model_levels(folder, latlon, native, pressures):
    made = [on_pressures(raw, hybrid_pressures_hpa(raw.surface["PRSS"])) for raw in latlon]
    era5_model_levels(folder / "levels.grib", made)
    era5_surface(folder / "surface.grib", made, leave_out=("sp", "z"))


def of_native_levels(folder, latlon, native, pressures):
    ncep(folder / "hrrr.grib2", native)


@pytest.mark.parametrize(
    ("write", "form"),
    [(of_pressure_levels, "era5"), (of_model_levels, "era5"), (of_native_levels, "hrrr")],
)
def test_fields_are_told_without_reading_them(tmp_path, latlon, native, pressures, write, form):
    write(tmp_path, latlon, native, pressures)
    ref = select(tmp_path, form)[0]
    read = read_analysis(ref)
    (stream,) = list_met(MetConfig(directory=tmp_path, format=form)).streams
    assert stream.fields == field_names(ref)
    assert sorted(stream.fields.surface) == sorted(read.surface)
    assert sorted(stream.fields.upper) == sorted(read.upper)
    assert [one.lacks for one in stream.lacks] == ["roughness (RGHS)"]


def test_levels_and_surface_in_one_file(tmp_path, pressures):
    era5_levels(tmp_path / "a", pressures)
    era5_surface(tmp_path / "b", pressures)
    one = tmp_path / "one"
    one.mkdir()
    parts = [(tmp_path / name).read_bytes() for name in "ab"]
    one.joinpath("era5.grib").write_bytes(b"".join(parts))
    for ref, wanted in zip(select(one, "era5"), pressures, strict=True):
        assert_alike(read_analysis(ref), wanted)


def test_model_levels_have_the_pressure_of_their_coefficients(tmp_path, latlon):
    made = [on_pressures(raw, hybrid_pressures_hpa(raw.surface["PRSS"])) for raw in latlon]
    era5_model_levels(tmp_path / "levels.grib", made)
    era5_surface(tmp_path / "surface.grib", made, leave_out=("sp", "z"))
    refs = select(tmp_path, "era5")
    assert refs[0].grid.vertical_flag == 4
    for ref, wanted in zip(refs, made, strict=True):
        read = read_analysis(ref)
        assert_alike(read, wanted, leave_out=("HGTS",))
        assert (np.diff(read.upper["PRES"], axis=0) < 0).all()


def test_terrain_of_one_hour_is_that_of_all(tmp_path, pressures):
    era5_levels(tmp_path / "levels.grib", pressures)
    era5_surface(tmp_path / "surface.grib", pressures, leave_out=("z",))
    everything_else = tuple(name for name in ("sp", "t2m", "u10", "v10", "blh", "zust", "ishf"))
    era5_surface(tmp_path / "z.grib", pressures[:1], leave_out=(*everything_else, "slhf", "ssrd"))
    for ref, wanted in zip(select(tmp_path, "era5"), pressures, strict=True):
        np.testing.assert_allclose(
            read_analysis(ref).surface["SHGT"], wanted.surface["SHGT"], atol=1e-2
        )


def test_hrrr_on_native_levels_is_the_same_weather(tmp_path, native):
    for raw in native:
        ncep(tmp_path / f"hrrr.{raw.time}.grib2", [raw])
    for ref, wanted in zip(select(tmp_path, "hrrr"), native, strict=True):
        assert ref.grid.levels == wanted.grid.levels
        assert_alike(read_analysis(ref), wanted)


def test_a_map_keeps_its_nodes_whatever_the_radius_of_its_sphere(tmp_path, native):
    grids = []
    for radius_m in (6_371_229.0, 6_370_000.0):
        path = tmp_path / f"{radius_m:.0f}.grib2"
        ncep(path, native[:1], radius_m=radius_m)
        (grid,) = {replace(ref.grid, levels=(), vertical_flag=0) for ref in scan_file(
            str(path), "hrrr"
        ).refs}  # fmt: skip
        grids.append(grid)
    corner = LAMBERT.to_lonlat(LAMBERT.nx - 1.0, LAMBERT.ny - 1.0)
    for grid in grids:
        x, y = grid.to_xy(*corner)
        assert abs(x - LAMBERT.nx + 1) < 0.001
        assert abs(y - LAMBERT.ny + 1) < 0.001


def test_winds_to_east_and_north_are_turned_to_the_grid(tmp_path, native):
    raw = native[0]
    lon, lat = LAMBERT.to_lonlat(*np.meshgrid(np.arange(LAMBERT.nx), np.arange(LAMBERT.ny)))
    angle = LAMBERT.wind_rotation_rad(lon, lat)
    assert np.abs(np.degrees(angle)).min() > 5.0
    turned = replace(raw, surface=dict(raw.surface), upper=dict(raw.upper))
    for fields, u, v in ((turned.surface, "U10M", "V10M"), (turned.upper, "UWND", "VWND")):
        x, y = fields[u], fields[v]
        fields[u] = x * np.cos(angle) + y * np.sin(angle)
        fields[v] = y * np.cos(angle) - x * np.sin(angle)
    ncep(tmp_path / "a.grib2", [turned], along_grid=False)
    (ref,) = MetCatalogue(MetConfig(directory=tmp_path, format="hrrr")).select(FIRST, FIRST)
    for names in (None, {"UWND", "U10M"}):
        read = read_analysis(ref, names)
        for place, name in (("upper", "UWND"), ("surface", "U10M")):
            wanted = getattr(raw, place)[name]
            np.testing.assert_allclose(getattr(read, place)[name], wanted, atol=1e-5)


def test_gfs_on_pressure_levels_is_the_same_weather(tmp_path, pressures):
    ncep(tmp_path / "gfs.grib2", pressures)
    for ref, wanted in zip(select(tmp_path, "gfs"), pressures, strict=True):
        assert_alike(read_analysis(ref), wanted)


def test_levels_of_a_fraction_of_a_hectopascal(tmp_path, pressures):
    low = [0.4, 1013.2]
    raw = pressures[0]
    upper = {name: field[:2] for name, field in raw.upper.items()}
    grid = replace(raw.grid, levels=(1013.2, 0.4))
    ncep(tmp_path / "gfs.grib2", [replace(raw, grid=grid, upper=upper)])
    (ref,) = MetCatalogue(MetConfig(directory=tmp_path, format="gfs")).select(FIRST, FIRST)
    assert sorted(ref.grid.levels) == low


def forecast(raw, hour):
    return replace(raw, time=FIRST + np.timedelta64(hour, "h"), forecast_hour=hour)


def test_means_since_a_forecast_began_are_taken_apart(tmp_path, pressures):
    raw = pressures[0]
    flux = {hour: raw.surface["SHTF"] + 10.0 * hour for hour in range(1, 7)}
    for last in (3, 6):
        mean = np.mean([flux[hour] for hour in range(1, last + 1)], axis=0)
        ncep(
            tmp_path / f"gfs.f{last:03d}",
            [forecast(raw, last)],
            means={"SHTF": [(0, last, mean)]},
        )
    config = MetConfig(directory=tmp_path, format="gfs")
    start, end = (FIRST + np.timedelta64(hour, "h") for hour in (3, 6))
    refs = MetCatalogue(config).select(start, end)
    for ref, hours in zip(refs, ((1, 2, 3), (4, 5, 6)), strict=True):
        wanted = np.mean([flux[hour] for hour in hours], axis=0)
        np.testing.assert_allclose(read_analysis(ref).surface["SHTF"], wanted, atol=1e-3)
    assert {path.rsplit("/")[-1] for path in refs[1].paths} == {"gfs.f003", "gfs.f006"}


def test_means_of_a_larger_area_are_taken_apart_at_the_levels_nodes(tmp_path, pressures):
    raw = pressures[0]
    lon, lat = map(float, LATLON.to_lonlat(4, 7))
    small = latlon_grid(lon, lat, LATLON.ref_lon, LATLON.ref_lat, 30, 18, levels=(),
                        vertical_flag=0)  # fmt: skip
    heat = {1: raw.surface["SHTF"], 2: raw.surface["SHTF"] + raw.surface["SHGT"] / 50.0}
    for last in (1, 2):
        mean = np.mean([heat[hour] for hour in range(1, last + 1)], axis=0)
        whole, part = forecast(raw, last), forecast(on_grid(raw, small), last)
        ncep(tmp_path / "whole", [whole], means={"SHTF": [(0, last, mean)]})
        ncep(tmp_path / "part", [part])
        for kind, path in (("ground", tmp_path / "whole"), ("levels", tmp_path / "part")):
            chosen = [m[-1] for m in messages_of(path) if (m[0] == 100) == (kind == "levels")]
            (tmp_path / f"gfs.{kind}.f{last:03d}").write_bytes(b"".join(chosen))
            path.unlink()
    first, second = (FIRST + np.timedelta64(hour, "h") for hour in (1, 2))
    refs = MetCatalogue(MetConfig(directory=tmp_path, format="gfs")).select(first, second)
    for ref, hour in zip(refs, (1, 2), strict=True):
        found = read_analysis(ref).surface["SHTF"]
        np.testing.assert_allclose(found, heat[hour][7:25, 4:34], atol=0.05)


def test_of_several_ranges_the_shortest_is_taken(tmp_path, pressures):
    raw = pressures[0]
    one, all_of_them = (np.full_like(raw.surface["SHTF"], value) for value in (60.0, 20.0))
    ncep(
        tmp_path / "hrrr.f03",
        [forecast(raw, 3)],
        means={"SHTF": [(0, 3, all_of_them), (2, 3, one)]},
    )
    time = FIRST + np.timedelta64(3, "h")
    (ref,) = MetCatalogue(MetConfig(directory=tmp_path, format="gfs")).select(time, time)
    np.testing.assert_allclose(read_analysis(ref).surface["SHTF"], 60.0, rtol=1e-6)


def test_only_what_is_kept_is_read(tmp_path, pressures):
    ncep(tmp_path / "gfs.grib2", pressures)
    bounds = {"xmin": -112.4, "xmax": -111.2, "ymin": 40.1, "ymax": 41.0}
    options = {"subgrid_enable": True, "subgrid_bounds": bounds, "subgrid_levels": 11}
    whole, kept = (select(tmp_path, "gfs", **each)[0] for each in ({}, options))
    lon, lat = kept.grid.to_lonlat(0.0, 0.0)
    x, y = (round(float(each)) for each in whole.grid.to_xy(lon, lat))
    nodes = np.s_[y : y + kept.grid.ny, x : x + kept.grid.nx]
    all_of_it, part = read_analysis(whole), read_analysis(kept)
    np.testing.assert_array_equal(part.surface["PRSS"], all_of_it.surface["PRSS"][nodes])
    np.testing.assert_array_equal(part.upper["UWND"], all_of_it.upper["UWND"][:10, *nodes])


@pytest.mark.parametrize(
    ("flags", "to_file"),
    [
        ({"iScansNegatively": 1}, lambda field: field[::-1, ::-1]),
        ({"jScansPositively": 1}, lambda field: field),
        ({"jPointsAreConsecutive": 1}, lambda field: field[::-1].T),
        ({"alternativeRowScanning": 1}, lambda field: _back_and_forth(field[::-1])),
    ],
)
def test_any_order_of_scanning_is_the_same_weather(tmp_path, flags, to_file):
    globe = latlon_grid(0.0, -90.0, 10.0, 10.0, 36, 19, levels=(), vertical_flag=0)
    lon, lat = np.meshgrid(np.arange(36) * 10.0, np.arange(19) * 10.0 - 90.0)
    keys = {**latlon_keys(globe), "centre": "ecmf", **flags}
    if "iScansNegatively" in flags:
        keys |= {
            "longitudeOfFirstGridPointInDegrees": 350.0, "longitudeOfLastGridPointInDegrees": 0.0,
        }  # fmt: skip
    if "jScansPositively" in flags:
        keys |= {
            "latitudeOfFirstGridPointInDegrees": -90.0, "latitudeOfLastGridPointInDegrees": 90.0,
        }  # fmt: skip
    when = {"dataDate": 20230715, "dataTime": 1700, "typeOfLevel": "isobaricInhPa", "level": 500}
    with GribFile(tmp_path / "a.grib", keys) as file:
        for name, field in (("u", lon), ("v", lat)):
            file.add(to_file(field), {**when, "shortName": name})
    (ref,) = MetCatalogue(MetConfig(directory=tmp_path, format="era5")).select(FIRST, FIRST)
    assert ref.grid.cyclic_x
    assert ref.grid.global_y
    read = read_analysis(ref)
    x, y = ref.grid.to_xy(350.0, 40.0)
    assert ref.grid.interpolate(read.upper["UWND"][0], x, y) == pytest.approx(350.0, abs=1e-3)
    assert ref.grid.interpolate(read.upper["VWND"][0], x, y) == pytest.approx(40.0, abs=1e-3)


def _back_and_forth(field):
    field = field.copy()
    field[1::2] = field[1::2, ::-1]
    return field


def joined(first, second):
    """Put the fields of two messages into one, as NCEP does with the components of the wind."""
    body = first[16:-4] + _from_product(second)
    return first[:8] + (16 + len(body)).to_bytes(8, "big") + body


def _from_product(message):
    """Sections of a message from its product definition on."""
    position = 16
    while message[position + 4] < 4:
        position += int.from_bytes(message[position : position + 4], "big")
    return message[position:]


def test_two_fields_in_one_message_are_two_fields(tmp_path, native):
    ncep(tmp_path / "apart.grib2", native[:1])
    path = str(tmp_path / "apart.grib2")
    whole = (tmp_path / "apart.grib2").read_bytes()
    each = [whole[place.offset : place.offset + place.nbytes] for place in places(path)]
    pairs = [joined(*each[i : i + 2]) for i in range(0, len(each) - 1, 2)]
    pairs += each[len(pairs) * 2 :]
    folder = tmp_path / "joined"
    folder.mkdir()
    (folder / "joined.grib2").write_bytes(b"".join(pairs))
    (ref,) = MetCatalogue(MetConfig(directory=folder, format="hrrr")).select(FIRST, FIRST)
    assert {message.number for part in ref.parts for message in part.messages} == {0, 1}
    assert_alike(read_analysis(ref), native[0])


def messages_of(path):
    """The messages of a file: kind of surface, level or height, number of the parameter, bytes."""
    held = path.read_bytes()
    found, at = [], 0
    while at < len(held):
        size = int.from_bytes(held[at + 8 : at + 16], "big")
        handle = eccodes.codes_new_from_message(held[at : at + size])
        found.append(
            (
                int(eccodes.codes_get(handle, "typeOfFirstFixedSurface", int)),
                int(eccodes.codes_get(handle, "level")),
                tuple(
                    int(eccodes.codes_get(handle, key))
                    for key in ("parameterCategory", "parameterNumber")
                ),
                held[at : at + size],
            )
        )
        eccodes.codes_release(handle)
        at += size
    return found


WIND, TEMPERATURE, PRESSURE, VERTICAL = (2, 2), (0, 0), (3, 0), (2, 8)


@pytest.mark.parametrize(
    ("parameter", "name"),
    [(WIND, "UWND"), (TEMPERATURE, "TEMP"), (PRESSURE, "PRES"), (VERTICAL, "WWND")],
)
def test_a_lost_message_costs_no_level(tmp_path, native, parameter, name):
    """Of a subset by byte ranges one message is lost: neighbouring levels tell its values."""
    ncep(tmp_path / "whole", native[:1])
    kept = [
        data
        for kind, level, which, data in messages_of(tmp_path / "whole")
        if (kind, level, which) != (105, 5, parameter)
    ]
    (tmp_path / "hrrr").mkdir()
    tmp_path.joinpath("hrrr", "subset.grib2").write_bytes(b"".join([*kept[::-1], kept[0]]))
    (lost,) = merged(scan_file(str(tmp_path / "hrrr" / "subset.grib2"), "hrrr").refs)
    (whole,) = merged(scan_file(str(tmp_path / "whole"), "hrrr").refs)
    assert lost.grid == whole.grid
    assert np.isnan(read_analysis(lost).upper[name][4]).all()
    options = PreparationOptions()
    levels = levels_for(whole.grid, options.z_top_m)
    after, before = (prepare(read_analysis(each), levels, options) for each in (lost, whole))
    for array in ARRAYS:
        one, other = getattr(after, array), getattr(before, array)
        assert np.abs(one - other).max() <= 0.05 * np.abs(other).max(), array


def test_levels_in_several_files_are_levels_of_one_analysis(tmp_path, pressures):
    """As of GFS's pgrb2 and pgrb2b, or of a request for each half of the atmosphere."""
    ncep(tmp_path / "whole", pressures[:1])
    apart = tmp_path / "apart"
    apart.mkdir()
    found = messages_of(tmp_path / "whole")
    upper = sorted({level for kind, level, _, _ in found if kind == 100})
    for name, held in (("a", upper[::2]), ("b", upper[1::2])):
        chosen = [
            data
            for kind, level, _, data in found
            if (level in held if kind == 100 else name == "a")
        ]
        (apart / f"gfs.{name}.grib2").write_bytes(b"".join(chosen))
    (whole,) = merged(scan_file(str(tmp_path / "whole"), "gfs").refs)
    files = [str(apart / f"gfs.{name}.grib2") for name in "ab"]
    parts = [ref for path in files for ref in scan_file(path, "gfs").refs]
    # Outputs name files one by one; what they were made from is put together in the same way.
    for (ref,) in (merged(parts), merged(parts, files)):
        assert ref.grid == whole.grid
        assert_alike(read_analysis(ref), pressures[0])
    (tmp_path / "scratch").mkdir()
    assert_alike(open_analysis(ref, tmp_path / "scratch"), pressures[0])


def test_an_hour_on_fewer_levels_is_named_with_what_it_lacks(tmp_path, pressures):
    for number, raw in enumerate(
        [*pressures, replace(pressures[0], time=LAST + np.timedelta64(1, "h"))]
    ):
        ncep(tmp_path / f"whole{number}", [raw])
        chosen = [
            data
            for kind, level, _, data in messages_of(tmp_path / f"whole{number}")
            if number != 1 or kind != 100 or level not in (500, 850)
        ]
        (tmp_path / f"gfs{number}.grib2").write_bytes(b"".join(chosen))
        (tmp_path / f"whole{number}").unlink()
    catalogue = MetCatalogue(MetConfig(directory=tmp_path, format="gfs"))
    lacks = r"gfs1.grib2 \(2023-07-15 18:00\) lacks 500, 850 hPa, which gfs0.grib2"
    with pytest.raises(MeteorologyError, match=lacks):
        catalogue.select(FIRST, LAST + np.timedelta64(1, "h"))


def test_formats_are_told_by_their_content(tmp_path, pressures, native):
    era5_levels(tmp_path / "1", pressures[:1])
    ncep(tmp_path / "2", pressures[:1])
    ncep(tmp_path / "3", native[:1])
    assert [format_of(str(tmp_path / name)) for name in "123"] == ["era5", "gfs", "hrrr"]


def test_another_centres_file_is_refused(tmp_path, pressures):
    ncep(tmp_path / "gfs.grib2", pressures)
    with pytest.raises(MeteorologyError, match="made by the centre kwbc"):
        select(tmp_path, "era5")


def test_a_gaussian_grid_is_refused_with_what_to_request(tmp_path):
    handle = eccodes.codes_grib_new_from_samples("reduced_gg_pl_32_grib2")
    for key, value in {"shortName": "t", "centre": "ecmf"}.items():
        eccodes.codes_set(handle, key, value)
    (tmp_path / "a.grib").write_bytes(eccodes.codes_get_message(handle))
    eccodes.codes_release(handle)
    with pytest.raises(MeteorologyError, match=r"reduced_gg.*request such a grid"):
        select(tmp_path, "era5")


def test_members_of_an_ensemble_are_refused(tmp_path, pressures):
    keys = {**latlon_keys(LATLON), "centre": "ecmf", "class": "ea", "stream": "enda"}
    field = pressures[0].surface["T02M"][::-1]
    with GribFile(tmp_path / "a.grib", keys, edition=1) as file:
        for member in (0, 1):
            when = {"number": member, "dataDate": 20230715, "dataTime": 1700}
            file.add(field, {**when, "typeOfLevel": "surface", "level": 0, "shortName": "2t"})
    with pytest.raises(MeteorologyError, match="2 members of an ensemble"):
        select(tmp_path, "era5")


@pytest.mark.parametrize("kept", [0.3, 0.999])
def test_a_file_cut_short_is_named(tmp_path, pressures, kept):
    ncep(tmp_path / "gfs.grib2", pressures)
    whole = (tmp_path / "gfs.grib2").read_bytes()
    (tmp_path / "gfs.grib2").write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(MeteorologyError, match=r"gfs\.grib2 cannot be used: it ends within"):
        select(tmp_path, "gfs")


def test_nothing_is_left_in_the_folder(tmp_path, pressures):
    ncep(tmp_path / "gfs.grib2", pressures)
    read_analysis(select(tmp_path, "gfs")[0])
    assert [path.name for path in tmp_path.iterdir()] == ["gfs.grib2"]


def test_an_index_kept_on_disk_is_that_of_the_file(tmp_path, pressures, monkeypatch):
    ncep(tmp_path / "met" / "gfs.grib2", pressures)
    config = MetConfig(directory=tmp_path / "met", format="gfs")
    first = MetCatalogue(config, cache_dir=tmp_path / "cache").select(FIRST, LAST)
    monkeypatch.setattr("stilt.meteorology.index_cache.scan_file", None)
    assert MetCatalogue(config, cache_dir=tmp_path / "cache").select(FIRST, LAST) == first


def test_a_cone_that_cuts_at_two_latitudes():
    """Of the cone through 30 and 60 degrees, Snyder (1987, page 104) has n = 0.7156."""
    assert np.sin(np.radians(cone_latitude(30.0, 60.0))) == pytest.approx(0.7156, abs=5e-5)
    assert cone_latitude(38.5, 38.5) == 38.5


def test_without_the_library_the_extra_is_named(tmp_path, pressures, monkeypatch):
    ncep(tmp_path / "gfs.grib2", pressures[:1])
    monkeypatch.setitem(sys.modules, "eccodes", None)
    with pytest.raises(MeteorologyError, match=r"pip install 'stilt\[grib\]'"):
        select(tmp_path, "gfs")


def test_maps_can_be_drawn_after_grib_was_read():
    """ecCodes' own PROJ must not take the place of pyproj's."""
    code = (
        "from stilt.meteorology.formats.grib_messages import eccodes; eccodes(); "
        "import pyproj; print(pyproj.CRS('EPSG:4326').name)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "WGS 84"
    assert done.stderr == ""
