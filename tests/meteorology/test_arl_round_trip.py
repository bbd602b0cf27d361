"""What is written as an ARL file is read back: grid, times, levels, and fields to packing error."""

from __future__ import annotations

from dataclasses import replace

import arlmet
import numpy as np
import pytest

from stilt.meteorology.arl import read_analysis, read_index
from stilt.meteorology.arl_format import parse_label
from stilt.meteorology.grids import latlon_grid
from stilt.meteorology.records import RawAnalysis
from stilt.meteorology.writer import write_arl

KINDS = ["latlon", "global", "lambert", "polar", "south polar", "mercator"]


def packing_error_bound(field: np.ndarray) -> float:
    """Half a quantum of eight-bit difference packing (plus the rounding of the first value)."""
    steps = np.abs(np.diff(field, axis=1)).max(), np.abs(np.diff(field[:, 0])).max()
    exponent = np.floor(np.log2(max(max(steps), 1e-20))) + 1
    return 2.0 ** (exponent - 8) * 1.001 + 2e-7 * np.abs(field).max()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("flag", [1, 2, 3, 4])
def test_file_gives_back_what_was_written(tmp_path, grid_of, analysis_of, kind, flag):
    grid = grid_of(kind, flag)
    written = [analysis_of(grid, f"2023-07-14T{hour:02d}:00", hour) for hour in (0, 1, 2)]
    refs = read_index(write_arl(tmp_path / "met", grid, written))
    assert [ref.time for ref in refs] == [raw.time for raw in written]
    for ref, raw in zip(refs, written, strict=True):
        assert ref.grid == grid
        assert ref.grid.key() == grid.key()
        read = read_analysis(ref)
        assert list(read.surface) == list(raw.surface)
        assert list(read.upper) == list(raw.upper)
        for name, field in raw.surface.items():
            assert np.abs(read.surface[name] - field).max() <= packing_error_bound(field)
        for name, stack in raw.upper.items():
            assert read.upper[name].shape == (grid.n_levels, grid.ny, grid.nx)
            assert np.array_equal(np.isnan(read.upper[name]), np.isnan(stack))
            for packed, field in zip(read.upper[name], stack, strict=True):
                if np.isfinite(field).all():
                    assert np.abs(packed - field).max() <= packing_error_bound(field)


def test_decoding_agrees_with_arlmet(tmp_path, grid_of, analysis_of):
    grid = grid_of("lambert", nx=40, ny=30)
    path = write_arl(tmp_path / "met", grid, [analysis_of(grid, "2023-07-14T00:00")])
    read = read_analysis(read_index(path)[0])
    for record in arlmet.File(path)[0].records:
        field = read.surface.get(record.variable)
        if record.level > 0:
            field = read.upper[record.variable][record.level - 1]
        assert np.array_equal(field, record.read())


def test_index_that_spans_records(tmp_path, grid_of, analysis_of):
    grid = grid_of("lambert", nx=13, ny=11)
    raw = analysis_of(grid, "2023-07-14T00:00")
    extra = {f"V{i:03d}": raw.upper["TEMP"] + np.float32(i) for i in range(20)}
    raw = replace(raw, upper={**raw.upper, **extra})
    path = write_arl(
        tmp_path / "met", grid, [raw, replace(raw, time=raw.time + np.timedelta64(60, "m"))]
    )
    refs = read_index(path)
    record = 50 + grid.nx * grid.ny
    assert refs[0].nbytes // record - refs[0].n_records > 3
    assert path.stat().st_size == sum(ref.nbytes for ref in refs)
    read = read_analysis(refs[1])
    assert np.allclose(read.upper["V019"], raw.upper["V019"], atol=0.05)


@pytest.mark.parametrize("extra_record", [True, False])
def test_index_that_fills_its_records_exactly(tmp_path, grid_of, extra_record):
    grid = grid_of("latlon", nx=20, ny=17)
    cells, n_names = 340, 25
    assert 108 + 8 * (1 + grid.n_levels) + 8 * n_names == cells
    field = np.zeros((grid.ny, grid.nx), np.float32)
    surface = {f"V{i:03d}": field for i in range(n_names)}
    raw = RawAnalysis(np.datetime64("2023-07-14T00:00", "m"), grid, 0, surface, {})
    path = write_arl(
        tmp_path / "met", grid, [raw, replace(raw, time=raw.time + np.timedelta64(60, "m"))]
    )
    if not extra_record:
        data, record, period = path.read_bytes(), 50 + cells, (n_names + 2) * (50 + cells)
        whole = (data[:period], data[period:])
        path.write_bytes(b"".join(part[:record] + part[2 * record :] for part in whole))
    refs = read_index(path)
    assert [ref.n_records for ref in refs] == [n_names, n_names]
    assert len(read_analysis(refs[1]).surface) == n_names


def test_grids_above_999_nodes(tmp_path):
    grid = latlon_grid(
        -150.0, 20.0, 0.05, 0.05, 1799, 6, levels=(0.99,), vertical_flag=1, source="HRRR"
    )
    field = np.linspace(0, 1, grid.nx * grid.ny, dtype=np.float32).reshape(grid.ny, grid.nx)
    raw = RawAnalysis(np.datetime64("2023-07-14T00:00", "m"), grid, 0, {"PRSS": field}, {})
    ref = read_index(write_arl(tmp_path / "met", grid, [raw]))[0]
    assert (ref.grid.nx, ref.grid.ny) == (1799, 6)
    assert np.abs(read_analysis(ref).surface["PRSS"] - field).max() < 1e-2


@pytest.mark.parametrize("time", ["2023-07-14T00:15", "1999-12-31T23:00", "2040-01-01T06:00"])
def test_minutes_and_two_digit_years(tmp_path, grid_of, analysis_of, time):
    grid = grid_of("latlon")
    path = write_arl(tmp_path / "met", grid, [analysis_of(grid, time)])
    assert read_index(path)[0].time == np.datetime64(time)


def test_western_longitudes_are_accepted_in_both_conventions(tmp_path, grid_of, analysis_of):
    grid = grid_of("latlon")
    assert grid.sync_lon == 258.0
    signed = replace(grid, sync_lon=-102.0, pole_lon=grid.pole_lon - 360.0)
    path = write_arl(tmp_path / "met", signed, [analysis_of(signed, "2023-07-14T00:00")])
    read = read_index(path)[0].grid
    for lon in (-102.0, 258.0, -82.0):
        assert np.allclose(read.to_xy(lon, 31.0), grid.to_xy(lon, 31.0))
    assert np.allclose(read.to_lonlat(0.0, 0.0), (-102.0, 30.0))


def test_values_below_the_precision_become_zero_but_for_the_first_column(tmp_path, grid_of):
    grid = grid_of("latlon")
    field = np.full((grid.ny, grid.nx), -0.002, np.float32)
    field[0, 5] = 1.9
    raw = RawAnalysis(np.datetime64("2023-07-14T00:00", "m"), grid, 0, {"SHTF": field}, {})
    path = write_arl(tmp_path / "met", grid, [raw])
    read = read_analysis(read_index(path)[0]).surface["SHTF"]
    assert read[0, 0] == np.float32(-0.002)
    assert (read[3, 1:] == 0.0).all()


@pytest.mark.parametrize("parent", ["WWND", "DZDT"])
@pytest.mark.parametrize("place", ["next", "last", "first"])
def test_corrections_belong_to_fields_by_name(tmp_path, grid_of, analysis_of, parent, place):
    """ERA5 files made by era52arl list them last on a level, others next to their field.

    HYSPLIT v5.1 moves a particle alike with DIFW next to WWND and last on the level.
    """
    grid = grid_of("lambert")
    raw = analysis_of(grid, "2023-07-14T00:00")
    rain = np.abs(raw.surface["SHTF"]) * 1e-6
    wind = raw.upper["UWND"] * 1e-3
    correction = np.sin(np.arange(wind.size, dtype=np.float32)).reshape(wind.shape) * 1e-6
    surface = {"TPP1": rain, "CAPE": rain * 1e6, "CPP1": rain, "PRSS": raw.surface["PRSS"]}
    upper = {parent: wind, "TEMP": raw.upper["TEMP"], "SPHU": raw.upper["TEMP"] * 1e-5}

    def with_one(fields: dict, of: str, name: str, values: np.ndarray) -> dict:
        names = list(fields)
        at = {"next": names.index(of) + 1, "last": len(names), "first": 0}[place]
        names.insert(at, name)
        return {each: values if each == name else fields[each] for each in names}

    corrected = replace(
        raw,
        surface=with_one(surface, "TPP1", "DIFR", np.ones_like(rain)),
        upper=with_one(upper, parent, "DIFW", correction),
    )
    bare = replace(raw, surface=surface, upper=upper)
    read, plain = (
        read_analysis(read_index(write_arl(tmp_path / name, grid, [one]))[0])
        for name, one in (("met", corrected), ("bare", bare))
    )
    assert (list(read.upper), list(read.surface)) == (list(upper), list(surface))
    assert np.allclose(read.upper[parent] - plain.upper[parent], correction, atol=2e-8)
    assert np.allclose(read.surface["TPP1"] - plain.surface["TPP1"], 1.0)
    for name in {*upper} - {parent}:
        assert np.array_equal(read.upper[name], plain.upper[name])
    for name in {*surface} - {"TPP1"}:
        assert np.array_equal(read.surface[name], plain.surface[name])


@pytest.mark.parametrize(("names", "changed"), [
    (("TPPA", "PRT6", "DIFR", "CAPE"), "PRT6"),
    (("CAPE", "TPPA", "SHGT", "DIFS"), "TPPA"),
    (("CAPE", "DIFR"), None),
])  # fmt: skip
def test_surface_corrections_belong_to_the_nearest_precipitation(tmp_path, grid_of, names, changed):
    grid = grid_of("latlon")
    slope = np.linspace(1.0, 2.0, grid.nx * grid.ny, dtype=np.float32).reshape(grid.ny, grid.nx)
    raw = RawAnalysis(
        np.datetime64("2023-07-14T00:00", "m"), grid, 0, dict.fromkeys(names, slope), {}
    )
    read = read_analysis(read_index(write_arl(tmp_path / "met", grid, [raw]))[0]).surface
    assert list(read) == [name for name in names if not name.startswith("DIF")]
    for name, field in read.items():
        assert np.allclose(field, slope * (2.0 if name == changed else 1.0), atol=0.02)


def test_other_corrections_aloft_are_left_out(tmp_path, grid_of, analysis_of):
    """As in HYSPLIT, whose table of names has DIFW and, for turbulent energy, DIFT."""
    grid = grid_of("lambert")
    raw = analysis_of(grid, "2023-07-14T00:00")
    energy = np.abs(raw.upper["UWND"])
    upper = {"TKEN": energy, "UWND": raw.upper["UWND"], "DIFT": energy, "DIFX": energy}
    path = write_arl(tmp_path / "met", grid, [replace(raw, upper=upper)])
    read = read_analysis(read_index(path)[0], variables={"TKEN", "UWND"})
    assert set(read.upper) == {"TKEN", "UWND"}
    assert np.allclose(read.upper["TKEN"], 2.0 * energy, atol=0.2)
    assert np.allclose(read.upper["UWND"], raw.upper["UWND"], atol=0.1)


@pytest.mark.parametrize("mark", ["NULL", "-1"])
def test_missing_records_are_left_out(tmp_path, grid_of, analysis_of, mark):
    grid = grid_of("latlon")
    path = write_arl(tmp_path / "met", grid, [analysis_of(grid, "2023-07-14T00:00")])
    data = bytearray(path.read_bytes())
    for name in (b"T02M", b"UWND"):
        at = data.index(name, 600) - 14
        assert parse_label(bytes(data[at : at + 50])).variable == name.decode()
        if mark == "NULL":
            data[at + 14 : at + 18] = b"NULL"
        else:
            data[at + 8 : at + 10] = b"-1"
    path.write_bytes(data)
    read = read_analysis(read_index(path)[0])
    assert "T02M" not in read.surface
    assert np.isnan(read.upper["UWND"][0]).all()
    assert np.isfinite(read.upper["UWND"][1:]).all()


def test_only_the_wanted_variables_are_decoded(tmp_path, grid_of, analysis_of):
    grid = grid_of("latlon")
    ref = read_index(write_arl(tmp_path / "met", grid, [analysis_of(grid, "2023-07-14T00:00")]))[0]
    read = read_analysis(ref, variables={"PRSS", "TEMP"})
    assert (set(read.surface), set(read.upper)) == ({"PRSS"}, {"TEMP"})


def test_a_field_with_holes_is_not_written(tmp_path, grid_of, analysis_of):
    grid = grid_of("latlon")
    raw = analysis_of(grid, "2023-07-14T00:00")
    raw.surface["PRSS"][2, 3] = np.nan
    with pytest.raises(ValueError, match="PRSS on level 0"):
        write_arl(tmp_path / "met", grid, [raw])
    assert list(tmp_path.iterdir()) == []
