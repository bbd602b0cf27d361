"""Columns of a particle table that do not move particles: what stands there, and when."""

from __future__ import annotations

import numpy as np
import pytest

from stilt.constants import HEAT_CAPACITY_AIR
from stilt.meteorology.fields import SURFACE_FIELDS
from stilt.meteorology.grids import conformal_grid
from stilt.meteorology.prepare import PreparationOptions, levels_for, prepare
from stilt.meteorology.records import RawAnalysis

_SIGMA = tuple(np.round(np.linspace(0.998, 0.025, 25), 4))
_GRID = conformal_grid(0.0, 45.0, 20.0, 4, 4, cone_lat=45.0, levels=_SIGMA, vertical_flag=1)
_GROUND = {"PRSS": 1000.0, "SHGT": 0.0, "T02M": 290.0, "U10M": 3.0, "V10M": 0.0, "USTR": 0.4}


def _surface(name: str, **given: float) -> float:
    def fields(values: dict[str, float], *shape: int) -> dict[str, np.ndarray]:
        return {key: np.full(shape, value, np.float32) for key, value in values.items()}

    raw = RawAnalysis(
        np.datetime64("2023-07-10T09:00", "m"),
        _GRID,
        0,
        fields({**_GROUND, **given}, 4, 4),
        fields({"UWND": 5.0, "VWND": 0.0, "WWND": 0.0, "TEMP": 280.0}, 25, 4, 4),
    )
    prepared = prepare(raw, levels_for(_GRID, 25_000.0), PreparationOptions())
    return float(prepared.surface[1, 1, SURFACE_FIELDS.index(name)])


# As HYSPLIT v5.1 writes them; it does not read CPRC.
@pytest.mark.parametrize(
    ("given", "rain", "convective"),
    [
        ({}, -1.667e-5, -0.9),
        ({"TPP3": 0.0036}, 2e-5, 0.0),
        ({"TPPA": 0.0006}, 1e-5, 0.0),
        ({"TPP3": 0.0036, "CPP3": 0.0018}, 2e-5, 1e-5),
        ({"PRT6": 3e-5, "CPRC": 1e-5}, 3e-5, -0.9),
    ],
)
def test_precipitation_and_what_stands_for_none(given, rain, convective) -> None:
    assert _surface("rain_m_min", SHTF=50.0, **given) == pytest.approx(rain, rel=1e-5)
    assert _surface("convective_rain_m_min", SHTF=50.0, **given) == pytest.approx(convective)


def test_short_wave_radiation_is_zero_where_the_file_has_none() -> None:
    assert _surface("short_wave_w_m2", SHTF=50.0) == 0.0
    assert _surface("short_wave_w_m2", SHTF=50.0, DSWF=430.0) == 430.0


def test_heat_flux_comes_from_the_temperature_scale_where_the_file_has_no_flux() -> None:
    flux = _surface("sensible_heat_w_m2", TSTR=-0.2)
    density = flux / (HEAT_CAPACITY_AIR * 0.4 * 0.2)
    assert 1.1 < density < 1.25
    assert _surface("sensible_heat_w_m2", TSTR=-0.2, SHTF=77.0) == 77.0
    assert _surface("sensible_heat_w_m2") == 0.0
