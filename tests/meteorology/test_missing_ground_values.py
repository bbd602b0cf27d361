"""What stands at the ground where pressure-level files do not say, against HYSPLIT's numbers.

HYSPLIT v5.1 was asked with flat ground under isothermal air of 280 K, level heights of
``8196 m ln(1013 hPa / p)``, a roughness of 0.1 m, and no value at the ground but those named.
"""

from __future__ import annotations

import numpy as np
import pytest

from stilt.meteorology.columns import remap
from stilt.meteorology.grids import latlon_grid
from stilt.meteorology.levels import internal_levels
from stilt.meteorology.records import RawAnalysis

_HPA = np.concatenate(
    [np.arange(1000.0, 900.0, -25.0), np.arange(900.0, 50.0, -50.0), [50.0, 20.0]]
)
_SCALE_M = 287.04 * 280.0 / 9.80616
_HEIGHT_M = _SCALE_M * np.log(1013.0 / _HPA)


def _lowest(
    terrain: float,
    *,
    wind: np.ndarray | float = 0.0,
    temperature: np.ndarray | float = 280.0,
    higher: float = 0.0,
    pressure: bool = True,
) -> tuple[float, float]:
    """Pressure (hPa) and wind (m/s) at the lowest internal level."""
    grid = latlon_grid(-110.0, 20.0, 1.0, 1.0, 3, 3, levels=tuple(_HPA), vertical_flag=2)

    def level(values: np.ndarray | float) -> np.ndarray:
        of_level = np.broadcast_to(np.asarray(values, np.float32), _HPA.shape)
        return np.broadcast_to(of_level[:, None, None], (len(_HPA), 3, 3)).copy()

    def ground(value: float) -> np.ndarray:
        return np.full((3, 3), value, np.float32)

    surface = {"SHGT": ground(terrain), "RGHS": ground(0.1)}
    if pressure:
        surface["PRSS"] = ground(1013.0 * np.exp(-terrain / _SCALE_M))
    upper = {
        "UWND": level(wind),
        "VWND": level(0.0),
        "WWND": level(0.0),
        "TEMP": level(temperature),
        "HGTS": level(_HEIGHT_M + higher),
    }
    raw = RawAnalysis(np.datetime64("2023-07-10T00:00", "m"), grid, 0, surface, upper)
    columns = remap(raw, internal_levels(tuple(_HPA), 2, 25_000.0))
    return float(columns.pressure_hpa[0, 1, 1]), float(columns.wind_x_m_s[0, 1, 1])


@pytest.mark.parametrize(
    ("terrain", "given", "pressure"),
    [
        (0.0, {}, 1011.76),
        (340.0, {}, 970.65),
        (1000.0, {}, 895.60),
        (340.0, {"higher": 50.0}, 976.61),
        (0.0, {"higher": 50.0}, 1017.96),
        (340.0, {"temperature": np.where(_HPA == 1000.0, 300.0, 280.0)}, 972.42),
        (340.0, {"temperature": np.where(_HPA == 950.0, 300.0, 280.0)}, 970.67),
    ],
)
def test_ground_pressure_comes_from_the_first_level(terrain, given, pressure) -> None:
    assert _lowest(terrain, pressure=False, **given)[0] == pytest.approx(pressure, abs=0.025)


# Wind of 5.00 m/s at 1000 hPa and 0.01 m/s more a level; that level is 106 m above sea level.
@pytest.mark.parametrize(
    ("terrain", "wind"),
    [(80.0, 4.473), (97.0, 5.001), (100.0, 5.001), (104.0, 5.001), (106.5, 5.001), (120.0, 5.001)],
)
def test_wind_at_the_ground_near_the_first_level(terrain: float, wind: float) -> None:
    assert _lowest(terrain, wind=5.0 + 0.01 * np.arange(len(_HPA)))[1] == pytest.approx(
        wind, abs=0.006
    )


@pytest.mark.parametrize(("terrain", "wind"), [(0.0, 0.733), (200.0, 1.242), (340.0, 1.289)])
def test_wind_at_the_ground_is_that_of_a_first_level_under_it(terrain: float, wind: float) -> None:
    """HYSPLIT's winds at 10 m, a little above its lowest level over high ground."""
    assert _lowest(terrain, wind=0.01 * _HEIGHT_M)[1] == pytest.approx(wind, abs=0.008)
