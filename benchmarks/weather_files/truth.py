"""One invented atmosphere, the demo's, on the grids and levels that weather products have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stilt.constants import GAS_CONSTANT_DRY_AIR, GRAVITY_M_S2
from stilt.demo.synthetic_fields import DemoWeather
from stilt.meteorology.grids import MetGrid, latlon_grid
from stilt.meteorology.input_levels import heights_agl_m
from stilt.meteorology.records import RawAnalysis
from stilt.meteorology.thermodynamics import specific_humidity

LATLON = latlon_grid(-114.5, 39.0, 0.125, 0.125, 41, 29, levels=(), vertical_flag=0)
"""Nodes within the demo's area."""

PRESSURES_HPA = (
    1000, 975, 950, 925, 900, 875, 850, 825, 800, 775, 750, 700, 650, 600, 550, 500, 450, 400, 350,
    300, 250, 225, 200, 175, 150, 125, 100, 70,
)  # fmt: skip


def truth(time: np.datetime64) -> RawAnalysis:
    """Return the demo's atmosphere on its own grid, with humidity as SPHU and PRES, HGTS aloft."""
    weather = DemoWeather()
    raw = weather.analysis(time)
    pressure = weather.sigma * raw.surface["PRSS"]
    humidity = raw.upper["RELH"] / 100.0
    specific = specific_humidity(humidity, raw.upper["TEMP"], pressure)
    height = heights_agl_m(
        raw, raw.surface["SHGT"], pressure, raw.upper["TEMP"], humidity, raw.surface["PRSS"],
        raw.surface["T02M"],
    )  # fmt: skip
    upper = {name: field for name, field in raw.upper.items() if name != "RELH"}
    upper |= {"SPHU": specific, "PRES": pressure, "HGTS": height + raw.surface["SHGT"]}
    return replace(raw, upper={k: np.asarray(f, np.float32) for k, f in upper.items()})


def on_grid(raw: RawAnalysis, flat: MetGrid) -> RawAnalysis:
    """Return an analysis at the nodes of another horizontal grid, winds along its axes."""
    grid = replace(flat, levels=raw.grid.levels, vertical_flag=raw.grid.vertical_flag)
    lon, lat = flat.to_lonlat(*np.meshgrid(np.arange(flat.nx), np.arange(flat.ny)))
    x, y = raw.grid.to_xy(lon, lat)

    def moved(fields: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
        out = {}
        for name, field in fields.items():
            levels = field.reshape(-1, raw.grid.ny, raw.grid.nx)
            each = [raw.grid.interpolate(level, x, y) for level in levels]
            out[name] = np.stack(each).reshape(*field.shape[:-2], *x.shape).astype(np.float32)
        return out

    surface, upper = moved(raw.surface), moved(raw.upper)
    turn = raw.grid.wind_rotation_rad(lon, lat) - flat.wind_rotation_rad(lon, lat)
    for fields, east, north in ((surface, "U10M", "V10M"), (upper, "UWND", "VWND")):
        u, v = fields[east], fields[north]
        fields[east] = (u * np.cos(turn) + v * np.sin(turn)).astype(np.float32)
        fields[north] = (v * np.cos(turn) - u * np.sin(turn)).astype(np.float32)
    return replace(raw, grid=grid, surface=surface, upper=upper)


def on_pressures(raw: RawAnalysis, pressures_hpa: NDArray[np.float64]) -> RawAnalysis:
    """Return an analysis with its fields at other pressures, linear in the pressure's logarithm.

    Below the lowest level fields keep its values, and height goes on hydrostatically.

    Args:
        raw: with PRES and HGTS on its levels.
        pressures_hpa: (levels,) or (levels, ny, nx), from the ground up; the levels of the
            returned grid are those of the first kind, else 1 to n.
    """
    given = np.asarray(pressures_hpa, float)
    each = given[:, None, None] if given.ndim == 1 else given
    wanted = np.broadcast_to(each, (len(given), raw.grid.ny, raw.grid.nx))
    known = raw.upper["PRES"].astype(float)
    upper = {}
    for name, field in raw.upper.items():
        out = np.empty(wanted.shape)
        for j in range(raw.grid.ny):
            for i in range(raw.grid.nx):
                out[:, j, i] = np.interp(
                    -np.log(wanted[:, j, i]), -np.log(known[:, j, i]), field[:, j, i]
                )
        upper[name] = out
    below = wanted > known[0]
    thickness = (
        GAS_CONSTANT_DRY_AIR * raw.upper["TEMP"][0] / GRAVITY_M_S2 * np.log(wanted / known[0])
    )
    upper["HGTS"] = np.where(below, raw.upper["HGTS"][0] - thickness, upper["HGTS"])
    upper["PRES"] = wanted
    fixed = np.ndim(pressures_hpa) == 1
    levels = tuple(map(float, pressures_hpa if fixed else range(1, len(pressures_hpa) + 1)))
    grid = replace(raw.grid, levels=levels, vertical_flag=2 if fixed else 4)
    return RawAnalysis(
        raw.time, grid, raw.forecast_hour, raw.surface,
        {name: field.astype(np.float32) for name, field in upper.items()},
    )  # fmt: skip


def analyses_on_pressures(times: Iterable[np.datetime64]) -> list[RawAnalysis]:
    """Return the truth on :data:`LATLON` and :data:`PRESSURES_HPA`, as files have it.

    Their pressure is that of the level, and no field.
    """
    made = [
        on_pressures(on_grid(truth(time), LATLON), np.array(PRESSURES_HPA, float)) for time in times
    ]
    for raw in made:
        del raw.upper["PRES"]
    return made
