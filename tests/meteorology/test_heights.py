"""Receptors a little below the ground or above the top are warned of, those far outside refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stilt.config import ModelConfig
from stilt.errors import Reason
from stilt.meteorology import heights
from stilt.meteorology.arl import read_index
from stilt.meteorology.catalogue import MetCatalogue
from stilt.meteorology.coverage import check_coverage
from stilt.meteorology.grids import latlon_grid
from stilt.meteorology.heights import check_heights
from stilt.meteorology.records import RawAnalysis
from stilt.meteorology.writer import write_arl
from stilt.receptors import ColumnReceptor, MultiPointReceptor, PointReceptor, all_points

TIME = "2023-07-14 12:00"
LON, LAT = -111.5, 40.5
GROUND_M = 1300.0
SCALE_M = 287.04 * 280.0 / 9.80616
LOW = {
    1: (0.99, 0.9, 0.7, 0.477),
    2: (1000.0, 850.0, 700.0, 477.0),
    3: (10.0, 500.0, 2000.0, 7000.0),
    4: (0.99, 0.9, 50.7, 400.1),
}
TOP_M = {
    1: -SCALE_M * np.log(0.477),
    2: SCALE_M * np.log(1013.0 / 477.0) - GROUND_M,
    3: 7000.0 * (1.0 - GROUND_M / 20_000.0),
    4: SCALE_M
    * np.log(
        1013.0 * np.exp(-GROUND_M / SCALE_M) / (400.0 + 0.1 * 1013.0 * np.exp(-GROUND_M / SCALE_M))
    ),
}
"""Of isothermal air of 280 K, metres above ground."""


def analysis(
    flag: int = 1, time: str = "2023-07-14T12:00", ground: float = GROUND_M
) -> RawAnalysis:
    grid = latlon_grid(-114.0, 38.0, 0.25, 0.25, 25, 21, levels=LOW[flag], vertical_flag=flag)
    flat, deep = (grid.ny, grid.nx), (4, grid.ny, grid.nx)
    pressure = 1013.0 * np.exp(-ground / SCALE_M)
    level_hpa = {1: np.array(LOW[1]) * pressure, 3: 800.0 * np.linspace(1.0, 0.5, 4)}
    upper = {"UWND": 3.0, "VWND": 1.0, "TEMP": 280.0}
    if flag == 2:
        upper["HGTS"] = SCALE_M * np.log(1013.0 / np.array(LOW[2]))[:, None, None]
    if flag == 3:
        upper["PRES"] = level_hpa[3][:, None, None]

    def filled(fields, shape):
        return {
            name: np.broadcast_to(np.float32(value), shape).copy() for name, value in fields.items()
        }

    surface = {"PRSS": pressure, "SHGT": ground, "T02M": 280.0}
    return RawAnalysis(
        np.datetime64(time, "m"), grid, 0, filled(surface, flat), filled(upper, deep)
    )


@pytest.fixture
def ref_of(tmp_path):
    def write(flag: int = 1, **changes):
        raw = analysis(flag, **changes)
        return read_index(write_arl(tmp_path / f"met{flag}", raw.grid, [raw]))[0]

    return write


def config(**changes) -> ModelConfig:
    mets = {"toy": {"directory": "met", "file_format": "%Y", "file_tres": "1h"}}
    return ModelConfig(**{"mets": mets, "n_hours": -2, "numpar": 10, **changes})


def point(height: float, ref: str = "agl", lon: float = LON) -> PointReceptor:
    return PointReceptor(TIME, lon, LAT, height, altitude_ref=ref)


def outcome(receptor, ref, **changes) -> tuple[Reason | None, str]:
    (problem,) = check_heights([receptor], ref, config(**changes))
    return (None, "") if problem is None else (problem.reason, problem.detail)


@pytest.mark.parametrize("flag", [1, 2, 3, 4])
def test_the_top_is_the_highest_level(ref_of, flag) -> None:
    ref, top = ref_of(flag), TOP_M[flag]
    assert outcome(point(top - 5.0), ref) == (None, "")
    reason, text = outcome(point(top + 20.0), ref)
    assert reason is None
    assert "moves with the wind of that level" in text
    reason, text = outcome(point(top + 520.0), ref)
    assert reason is Reason.RECEPTOR_ABOVE_TOP
    shown = float(text.partition("the highest level of the weather, ")[2].split()[0])
    assert shown == pytest.approx(top, abs=3.0)
    assert "\n" not in text
    # Above sea level the ground comes on top.
    assert outcome(point(top + GROUND_M - 5.0, "msl"), ref) == (None, "")
    assert outcome(point(top + GROUND_M + 520.0, "msl"), ref)[0] is Reason.RECEPTOR_ABOVE_TOP


def test_under_the_ground(ref_of) -> None:
    ref = ref_of()
    assert outcome(point(1299.5, "msl"), ref) == (None, "")
    reason, text = outcome(point(1280.0, "msl"), ref)
    assert reason is None
    assert "1280 m above sea level, lies 20 m below the ground" in text
    assert "1300 m above sea level" in text
    reason, text = outcome(point(50.0, "msl"), ref)
    assert reason is Reason.RECEPTOR_BELOW_GROUND
    assert "lies 1250 m below the ground" in text
    assert "altitude_ref agl" in text
    # kmsl overrules the receptor.
    assert outcome(point(50.0), ref) == (None, "")
    reason, text = outcome(point(50.0), ref, kmsl=1)
    assert reason is Reason.RECEPTOR_BELOW_GROUND
    assert "50 m above sea level (kmsl: 1), lies 1250 m below the ground" in text
    assert text.endswith(
        "with kmsl: 1 in config.yaml all altitudes are above sea level: remove it if they are "
        "above ground, or correct the altitude."
    )
    assert outcome(point(50.0, "msl"), ref, kmsl=0) == (None, "")


def test_parts_of_columns_and_slants(ref_of) -> None:
    ref, top = ref_of(), TOP_M[1]

    def column(bottom, high, reference="agl"):
        return ColumnReceptor(TIME, LON, LAT, bottom, high, altitude_ref=reference)

    def slant(*altitudes, reference="agl"):
        lon = LON + 0.01 * np.arange(len(altitudes))
        lat = [LAT] * len(altitudes)
        return MultiPointReceptor(TIME, list(lon), lat, altitudes, altitude_ref=reference)

    assert outcome(column(0.0, 3000.0), ref) == (None, "")
    for part in (column(0.0, 20_000.0), slant(100.0, 500.0, 15_000.0)):
        reason, text = outcome(part, ref)
        assert reason is None
        assert "above the highest level" in text
    for whole in (column(top + 600.0, 20_000.0), slant(9000.0, 15_000.0, 10_000.0)):
        assert outcome(whole, ref)[0] is Reason.RECEPTOR_ABOVE_TOP
    for deep in (column(0.0, 5000.0, "msl"), slant(2000.0, 100.0, 3000.0, reference="msl")):
        assert outcome(deep, ref)[0] is Reason.RECEPTOR_BELOW_GROUND
    reason, text = outcome(column(1200.0, 30_000.0, "msl"), ref)
    assert reason is None
    assert "below the ground" in text
    assert "above the highest level" in text


def test_the_top_of_the_computation_counts_where_it_is_lower(ref_of) -> None:
    assert outcome(point(4000.0), ref_of(3), z_top=5000.0) == (None, "")
    reason, text = outcome(point(5900.0), ref_of(3), z_top=5000.0)
    assert reason is Reason.RECEPTOR_ABOVE_TOP
    assert "raise z_top" in text


def test_many_receptors_get_the_verdicts_of_each_alone(ref_of) -> None:
    ref = ref_of()
    receptors = [
        point(5.0), point(9000.0), point(50.0, "msl"), point(1290.0, "msl", lon=-111.4),
        ColumnReceptor(TIME, LON, LAT, 0.0, 9000.0), point(50.0, "msl", lon=10.0),
    ]  # fmt: skip
    together = check_heights(receptors, ref, config())
    assert together == [check_heights([each], ref, config())[0] for each in receptors]
    # Outside the grid there is no ground to compare with.
    assert together[-1] is None
    assert check_heights([], ref, config()) == []


def test_low_receptors_above_ground_need_no_weather(ref_of, monkeypatch) -> None:
    ref = replace(ref_of(2), grid=replace(ref_of(2).grid, levels=(1000.0, 500.0, 20.0)))
    monkeypatch.setattr(heights, "read_analysis", lambda *_: pytest.fail("read"))
    assert (
        check_heights([point(h) for h in np.linspace(0.0, 9000.0, 5)], ref, config()) == [None] * 5
    )


def test_all_points_tell_receptors_apart() -> None:
    receptors = [point(5.0), ColumnReceptor(TIME, LON, LAT, 0.0, 9.0), point(7.0)]
    lon, lat, altitude, first = all_points(receptors)
    assert altitude.tolist() == [5.0, 0.0, 9.0, 7.0]
    assert first.tolist() == [0, 1, 3]
    assert set(lon) == {LON}
    assert set(lat) == {LAT}


def test_coverage_says_it_for_each_receptor(tmp_path) -> None:
    hours = [analysis(time=f"2023-07-14T{hour:02d}:00") for hour in range(8, 14)]
    write_arl(tmp_path / "2023", hours[0].grid, hours)
    settings = config(
        mets={"toy": {"directory": tmp_path, "file_format": "%Y", "file_tres": "24h"}}
    )
    catalogue = MetCatalogue(settings.mets["toy"])
    receptors = [point(9000.0), point(5.0), point(1290.0, "msl"), point(50.0, "msl")]
    found = check_coverage(catalogue, receptors, -2, settings)
    assert [each.reason for each in found] == [
        Reason.RECEPTOR_ABOVE_TOP, None, None, Reason.RECEPTOR_BELOW_GROUND,
    ]  # fmt: skip
    assert [each.status for each in found] == ["not covered", "covered", "covered", "not covered"]
    assert [bool(each.height) for each in found] == [False, False, True, False]
    # A cropped file keeps fewer levels, up to 870 m here.
    bounds = {"xmin": -113, "xmax": -110, "ymin": 39, "ymax": 42}
    cropped = {"subgrid_enable": True, "subgrid_levels": 3, "subgrid_bounds": bounds}
    low = config(
        mets={"toy": {"directory": tmp_path, "file_format": "%Y", "file_tres": "24h", **cropped}}
    )
    for met, reason in ((settings, None), (low, Reason.RECEPTOR_ABOVE_TOP)):
        (found,) = check_coverage(MetCatalogue(met.mets["toy"]), [point(3000.0)], -2, met)
        assert found.reason is reason


def test_ground_between_the_last_and_the_first_column_of_the_globe() -> None:
    grid = latlon_grid(0.0, -90.0, 10.0, 10.0, 36, 19, levels=LOW[1], vertical_flag=1)
    ground = np.zeros((19, 36))
    ground[:, 0], ground[:, 35] = 1000.0, 500.0
    assert grid.interpolate(ground, *grid.to_xy(355.0, 40.0)) == pytest.approx(750.0)
    assert grid.interpolate(ground, *grid.to_xy(5.0, 40.0)) == pytest.approx(500.0)
