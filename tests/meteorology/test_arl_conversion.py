"""Weather of any format becomes ARL files that hold the same weather."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import arlmet
import numpy as np
import pytest

from benchmarks.weather_files.era5_files import write_era5
from benchmarks.weather_files.truth import LATLON, PRESSURES_HPA, on_grid, on_pressures, truth
from stilt.config import MetConfig
from stilt.errors import MeteorologyError, UsageError
from stilt.meteorology import to_arl
from stilt.meteorology.arl import read_analysis as read_arl
from stilt.meteorology.arl import read_index
from stilt.meteorology.arl_conversion import arl_analysis, level_codes
from stilt.meteorology.prepare import PreparationOptions, levels_for, prepare
from stilt.meteorology.writer import write_arl

HOUR = np.timedelta64(1, "h")
HOURS = [np.datetime64("2023-07-15T10:00", "m") + n * HOUR for n in range(5)]
# Coefficients of hybrid levels: hPa, and the share of the surface pressure.
A_HPA = np.array([0.0, 1.3, 8.7, 40.2, 95.4, 140.9, 180.3, 150.6, 90.5])
B = np.array([0.997, 0.98, 0.93, 0.8, 0.6, 0.38, 0.15, 0.02, 0.0])


@pytest.fixture(scope="module")
def pressure():
    made = [
        on_pressures(on_grid(truth(time), LATLON), np.array(PRESSURES_HPA, float)) for time in HOURS
    ]
    return [replace(raw, upper={k: f for k, f in raw.upper.items() if k != "PRES"}) for raw in made]


@pytest.fixture(scope="module")
def hybrid():
    raw = on_grid(truth(HOURS[0]), LATLON)
    pressures = A_HPA[:, None, None] + B[:, None, None] * raw.surface["PRSS"]
    raw = on_pressures(raw, pressures)
    codes = tuple(np.floor(A_HPA) + np.minimum(B, 0.99999))
    return replace(raw, grid=replace(raw.grid, levels=codes))


@pytest.fixture
def era5(tmp_path, pressure):
    write_era5(tmp_path / "era5", pressure)
    return MetConfig(directory=tmp_path / "era5", format="era5")


def step(field) -> float:
    """Error that packing may make: a 128th of the power of two above the largest step."""
    largest = max(
        np.abs(np.diff(field, axis=-1)).max(), np.abs(np.diff(field[..., 0], axis=-1)).max()
    )
    return 2.0 * largest / 128.0 + 1e-6 * np.abs(field).max()


def test_fields_are_those_of_the_source_to_packing(tmp_path, era5, pressure):
    paths = to_arl(era5, tmp_path / "arl", hours_per_file=24)
    assert [path.name for path in paths] == ["20230715_00"]
    refs = read_index(paths[0])
    assert [ref.time for ref in refs] == HOURS
    for ref, wanted in zip(refs, pressure, strict=True):
        read = read_arl(ref)
        assert read.grid.levels == wanted.grid.levels
        assert set(read.surface) == set(wanted.surface)
        assert set(read.upper) == set(wanted.upper)
        for name, field in read.surface.items():
            assert np.abs(field - wanted.surface[name]).max() <= step(wanted.surface[name]), name
        for name, field in read.upper.items():
            for one, other in zip(field, wanted.upper[name], strict=True):
                assert np.abs(one - other).max() <= step(other), name


def test_corrections_make_vertical_motion_far_better(tmp_path, pressure):
    raw = pressure[0]
    errors = []
    for corrections in (False, True):
        path = write_arl(tmp_path / str(corrections), raw.grid, [raw], corrections=corrections)
        read = read_arl(read_index(path)[0])
        errors.append(np.abs(read.upper["WWND"] - raw.upper["WWND"]).max())
        assert not any(name.startswith("DIF") for name in read.upper)
    assert errors[1] < errors[0] / 50.0


def test_hybrid_levels_become_sigma_levels_with_their_pressure(tmp_path, hybrid):
    ready = arl_analysis(hybrid, level_codes(hybrid))
    assert ready.grid.vertical_flag == 1
    assert list(ready.grid.levels) == sorted(ready.grid.levels, reverse=True)
    path = write_arl(tmp_path / "hybrid", ready.grid, [ready], corrections=True)
    read = read_arl(read_index(path)[0])
    np.testing.assert_allclose(read.upper["PRES"], hybrid.upper["PRES"], atol=0.3)
    options = PreparationOptions()
    was, now = (prepare(raw, levels_for(hybrid.grid, 25_000.0), options) for raw in (hybrid, ready))
    np.testing.assert_allclose(now.column, was.column, rtol=1e-6, atol=1e-6)


def test_levels_whose_codes_mean_nothing_take_their_mean_pressure(hybrid):
    numbered = replace(hybrid, grid=replace(hybrid.grid, levels=tuple(map(float, range(1, 10)))))
    ratio = (hybrid.upper["PRES"] / hybrid.surface["PRSS"]).mean(axis=(1, 2))
    np.testing.assert_allclose(level_codes(numbered), ratio, atol=1e-5)


def test_files_by_the_hour_and_their_names(tmp_path, era5):
    paths = to_arl(era5, tmp_path / "arl", hours_per_file=2, file_format="met.%Y%m%d%H")
    assert [path.name for path in paths] == ["met.2023071510", "met.2023071512", "met.2023071514"]
    times = [ref.time for path in paths for ref in read_index(path)]
    assert times == HOURS
    with pytest.raises(UsageError, match="Two files would be named"):
        to_arl(era5, tmp_path / "arl", hours_per_file=2, file_format="met.%Y%m%d")


def test_only_the_period_and_the_area_asked_for(tmp_path, era5):
    area = {"xmin": -112.5, "xmax": -111.0, "ymin": 40.0, "ymax": 41.5}
    config = MetConfig(
        directory=era5.directory,
        format="era5",
        subgrid_enable=True,
        subgrid_bounds=area,
        subgrid_buffer=0.0,
    )
    (path,) = to_arl(config, tmp_path / "arl", start="2023-07-15 11:30", end="2023-07-15 12:30")
    refs = read_index(path)
    assert [ref.time for ref in refs] == HOURS[1:4]
    lon, lat = refs[0].grid.to_lonlat([0, refs[0].grid.nx - 1], [0, refs[0].grid.ny - 1])
    assert lon.tolist() == pytest.approx([-112.5, -111.0])
    assert lat.tolist() == pytest.approx([40.0, 41.5])


def test_another_reader_of_arl_files_reads_them(tmp_path, pressure):
    """It reads no index of several records, which only tiny grids need."""
    few = [_lowest(raw, 8) for raw in pressure]
    write_era5(tmp_path / "era5", few)
    (path,) = to_arl(MetConfig(directory=tmp_path / "era5", format="era5"), tmp_path / "arl")
    with arlmet.open_dataset(path) as data:
        assert {"PRSS", "UWND"} <= set(map(str, data.data_vars))
        assert data.sizes["time"] == len(HOURS)


def _lowest(raw, n_levels):
    grid = replace(raw.grid, levels=raw.grid.levels[:n_levels])
    return replace(raw, grid=grid, upper={k: f[:n_levels] for k, f in raw.upper.items()})


def test_a_grid_that_the_header_cannot_describe_is_refused(tmp_path, pressure):
    thirds = replace(pressure[0].grid, ref_lon=0.1234567891, sync_lon=245.5)
    raw = replace(pressure[0], grid=thirds)
    from stilt.meteorology.arl_conversion import _require_same_nodes

    path = write_arl(tmp_path / "a", raw.grid, [raw])
    _require_same_nodes(raw.grid, path)
    moved = replace(thirds, ref_lon=0.1334567891)
    with pytest.raises(MeteorologyError, match="cannot describe this grid"):
        _require_same_nodes(moved, path)
    assert not Path(path).exists()


def test_unknown_values_are_refused_and_whole_levels_left_out(pressure):
    raw = pressure[0]
    holed = raw.upper["SPHU"].copy()
    holed[-1] = np.nan
    arl_analysis(replace(raw, upper={**raw.upper, "SPHU": holed}), raw.grid.levels)
    holed[:, 2, 2] = np.nan
    with pytest.raises(MeteorologyError, match="no SPHU at"):
        arl_analysis(replace(raw, upper={**raw.upper, "SPHU": holed}), raw.grid.levels)


@pytest.mark.parametrize("value", [0.0076, -2.5e-6, 1e-12, 0.0, 101_325.0])
def test_a_field_of_one_value_keeps_it(tmp_path, pressure, value):
    """HYSPLIT's packing takes a constant below 0.008, such as humidity, for zero."""
    flat, high = pressure[0].surface, pressure[0].upper
    raw = replace(
        pressure[0],
        surface={**flat, "TPP1": np.full_like(flat["PRSS"], value)},
        upper={**high, "SPHU": np.full_like(high["SPHU"], value)},
    )
    path = write_arl(tmp_path / "constant", raw.grid, [raw], corrections=True)
    read = read_arl(read_index(path)[0])
    np.testing.assert_allclose(read.upper["SPHU"], value, rtol=1e-6)
    np.testing.assert_allclose(read.surface["TPP1"], value, rtol=1e-6)


def test_what_is_missing_below_the_ground_is_filled(tmp_path, pressure):
    raw = replace(pressure[0], upper=dict(pressure[0].upper))
    below = np.array(raw.grid.levels)[:, None, None] > raw.surface["PRSS"] + 5.0
    assert below.any()
    for name, field in raw.upper.items():
        raw.upper[name] = np.where(below, np.float32(np.nan), field)
    written = arl_analysis(raw, level_codes(raw))
    for name, field in written.upper.items():
        assert np.isfinite(field).all(), name
        np.testing.assert_array_equal(field[~below], raw.upper[name][~below], err_msg=name)
    heights = written.upper["HGTS"]
    assert (np.diff(heights, axis=0) > 0.0).all()


def without(raw, *names):
    return replace(raw, surface={k: f for k, f in raw.surface.items() if k not in names})


def test_fields_that_some_hours_lack_are_those_of_the_nearest_hour(tmp_path, pressure, caplog):
    first, *others = pressure
    for number, raw in enumerate([without(first, "SHTF"), *others]):
        write_arl(tmp_path / "given" / f"20230715_{10 + number}", raw.grid, [raw])
    met = MetConfig(directory=tmp_path / "given", file_format="%Y%m%d_%H", file_tres="1h")
    paths = to_arl(met, tmp_path / "arl", hours_per_file=24)
    assert f"1 of {len(pressure)} analyses, such as that of" in caplog.text
    assert "lack fields that others have (SHTF)" in caplog.text
    made = [read_arl(ref) for path in paths for ref in read_index(path)]
    assert len({(*raw.surface, *raw.upper) for raw in made}) == 1
    np.testing.assert_array_equal(made[0].surface["SHTF"], made[1].surface["SHTF"])


def test_missing_hours_are_told_of(tmp_path, pressure, caplog):
    for number, raw in enumerate(pressure):
        if number == 2:
            continue
        write_arl(tmp_path / "given" / f"20230715_{10 + number}", raw.grid, [raw])
    met = MetConfig(directory=tmp_path / "given", file_format="%Y%m%d_%H", file_tres="1h")
    to_arl(met, tmp_path / "arl")
    assert caplog.text.count("analyses are missing, and HYSPLIT reads no file") == 1
