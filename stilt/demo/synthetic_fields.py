"""Invented weather for the demo: fair days over hills, made in a second or two.

It is not a forecast of anything. It is smooth, periodic and made from formulas, but it obeys what
transport depends on: hydrostatic balance, a mixed layer that grows with the heat it receives and
collapses after sunset, a ground inversion at night, winds that slow down towards the ground, slope
winds that turn with the sun, and a vertical velocity that balances the horizontal winds' mass.

Heights are metres above ground unless a name says otherwise; arrays are (levels, ny, nx).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stilt.constants import (
    GAS_CONSTANT_DRY_AIR,
    GRAVITY_M_S2,
    HEAT_CAPACITY_AIR,
    KAPPA,
    VON_KARMAN,
)
from stilt.constants import ROUGHNESS_LENGTH_DEFAULT_M as ROUGHNESS_M
from stilt.demo.landscape import TOWER_LAT, demo_grid, node_distances_km, terrain_m
from stilt.meteorology.grids import MetGrid
from stilt.meteorology.records import RawAnalysis

FloatArray = NDArray[np.float64]

SOLAR_NOON_UTC_H = 19.5
LONGEST_DAYLIGHT_H = 14.0

_SEA_LEVEL_THETA_K = 302.0
_THETA_LAPSE_K_PER_M = 0.0045
_TROPOPAUSE_M = 11_500.0
_INVERSION_DEPTH_M = 160.0
_AIR_HEAT_J_PER_M3_K = 1.1 * HEAT_CAPACITY_AIR


@dataclass(frozen=True)
class Sun:
    """The state of the day.

    Attributes:
        hour: hours since sunrise, 0 to 24.
        strength: a half wave over the daylight, 0 at night; its top is 1 in summer.
        heated: heat that has gone into the air so far, as a share of a summer day's, 0 to 1.
        night_h: hours since sunset, 0 by day.
        daylight_h: hours from sunrise to sunset.
    """

    hour: float
    strength: float
    heated: float
    night_h: float
    daylight_h: float


def season(time: np.datetime64) -> tuple[float, float]:
    """Return hours of daylight and the strength of the sun at noon at the demo's tower.

    From mid-May to early August all days are alike, 14 hours long and with a strength of 1. The
    others have their own length, and strength by the height of the sun at noon.
    """
    day = float((time - time.astype("datetime64[Y]")) / np.timedelta64(1, "D"))
    tilt = np.deg2rad(-23.44 * np.cos(2.0 * np.pi * (day + 10.0) / 365.25))
    latitude = np.deg2rad(TOWER_LAT)
    daylight_h = 24.0 / np.pi * np.arccos(-np.tan(latitude) * np.tan(tilt))
    # The tilt that gives a day as long as the longest here.
    long = np.arctan(-np.cos(np.pi * LONGEST_DAYLIGHT_H / 24.0) / np.tan(latitude))
    noon = np.cos(latitude - tilt) / np.cos(latitude - long)
    return float(min(daylight_h, LONGEST_DAYLIGHT_H)), float(min(noon, 1.0))


def sun_at(time: np.datetime64) -> Sun:
    """Return the state of the day at a UTC time, as of the season; noon is always at 19:30 UTC."""
    utc_h = float((time - time.astype("datetime64[D]")) / np.timedelta64(1, "s")) / 3600.0
    daylight_h, noon = season(time)
    of_day = noon * daylight_h / LONGEST_DAYLIGHT_H
    hour = (utc_h - SOLAR_NOON_UTC_H + daylight_h / 2) % 24.0
    if hour >= daylight_h:
        return Sun(hour, 0.0, of_day, hour - daylight_h, daylight_h)
    phase = np.pi * hour / daylight_h
    heated = of_day * 0.5 * (1.0 - np.cos(phase))
    return Sun(hour, float(noon * np.sin(phase)), float(heated), 0.0, daylight_h)


class DemoWeather:
    """The fields of any hour on the demo's grid."""

    def __init__(self, grid: MetGrid | None = None) -> None:
        self.grid = grid or demo_grid()
        self.east_km, self.north_km = node_distances_km(self.grid)
        self.terrain = terrain_m(self.grid)
        self.spacing_m = 1000.0 * self.grid.size_km
        self.sigma = np.array(self.grid.levels)[:, None, None]
        # Bare valley floors heat the air more than forested slopes.
        self.max_heat_flux = 330.0 - 0.06 * (self.terrain - self.terrain.min())

    def analysis(self, time: np.datetime64) -> RawAnalysis:
        """Return every field of one hour."""
        sun = sun_at(time)
        pbl = self.mixed_layer_m(sun)
        surface_pressure = self._surface_pressure_hpa(time)
        pressure = self.sigma * surface_pressure
        height, theta = self._heights_and_theta(surface_pressure, pressure, sun)
        temperature = theta * (pressure / 1000.0) ** KAPPA
        u, v = self._winds(time, sun, surface_pressure, height, pbl)
        omega = self._omega(surface_pressure, u, v)
        surface = self._surface(time, sun, surface_pressure, pbl)
        upper = {
            "TEMP": temperature,
            "UWND": u,
            "VWND": v,
            "WWND": omega,
            "RELH": _relative_humidity(temperature, pressure, height, pbl),
        }
        return RawAnalysis(
            time=time.astype("datetime64[m]"),
            grid=self.grid,
            forecast_hour=0,
            surface={name: field.astype(np.float32) for name, field in surface.items()},
            upper={name: field.astype(np.float32) for name, field in upper.items()},
        )

    def heat_flux(self, sun: Sun) -> FloatArray:
        """Sensible heat flux in W m-2, positive upward, shape (ny, nx)."""
        return self.max_heat_flux * sun.strength - 22.0 * (1.0 - sun.strength) ** 4

    def mixed_layer_m(self, sun: Sun) -> FloatArray:
        """Depth of the mixed layer in metres, shape (ny, nx).

        By day a layer of constant potential temperature eats into the stable air above: with lapse
        ``g`` and heat ``Q`` put in, ``h**2 = h0**2 + 2 (1 + 2A) Q / g`` with entrainment A = 0.2
        (Tennekes 1973, A model for the dynamics of the inversion above a convective boundary
        layer). After sunset it falls to 120 m within two hours.
        """
        heat_of_day = self.max_heat_flux * 3600.0 * LONGEST_DAYLIGHT_H * 2.0 / np.pi
        day_heat = heat_of_day / _AIR_HEAT_J_PER_M3_K
        square = 150.0**2 + 2.0 * 1.4 * day_heat * sun.heated / _THETA_LAPSE_K_PER_M
        decay = np.exp(-sun.night_h / 0.6) if sun.night_h else 1.0
        return np.asarray(120.0 + (np.sqrt(square) - 120.0) * decay)

    def _surface_pressure_hpa(self, time: np.datetime64) -> FloatArray:
        """Pressure at the ground: a standard atmosphere with a weak travelling wave."""
        wave = 1.5 * np.sin(self.east_km / 250.0 - _hours(time) / 9.0)
        return np.asarray((1013.0 + wave) * (1.0 - 2.25577e-5 * self.terrain) ** 5.25588)

    def _heights_and_theta(
        self, surface_pressure: FloatArray, pressure: FloatArray, sun: Sun
    ) -> tuple[FloatArray, FloatArray]:
        """Heights of the levels and potential temperature there, by four hydrostatic passes."""
        height = -8000.0 * np.log(self.sigma * np.ones_like(pressure))
        for _ in range(4):
            theta = self._theta(height, sun)
            temperature = theta * (pressure / 1000.0) ** KAPPA
            ground = (
                self._theta(np.zeros_like(surface_pressure), sun)
                * (surface_pressure / 1000.0) ** KAPPA
            )
            column = np.concatenate([ground[None], temperature])
            edges = np.concatenate([surface_pressure[None], pressure])
            layer = 0.5 * (column[1:] + column[:-1]) * np.log(edges[:-1] / edges[1:])
            height = np.cumsum(GAS_CONSTANT_DRY_AIR / GRAVITY_M_S2 * layer, axis=0)
        return height, theta

    def _theta(self, height: FloatArray, sun: Sun) -> FloatArray:
        """Potential temperature in K at heights above ground."""
        free = _free_theta(height + self.terrain)
        day_top = self.mixed_layer_m(replace(sun, night_h=0.0))
        mixed = np.maximum(free, _free_theta(day_top + self.terrain))
        # The residual layer fades overnight into the stable air around it.
        remains = np.exp(-sun.night_h / 4.0)
        cooling = 1.9 * np.sqrt(sun.night_h) if sun.night_h else _morning_cooling(sun)
        heated_skin = 1.5 * sun.strength * np.exp(-height / 25.0)
        inversion = cooling * np.exp(-height / _INVERSION_DEPTH_M)
        return np.asarray(remains * mixed + (1.0 - remains) * free - inversion + heated_skin)

    def _winds(
        self,
        time: np.datetime64,
        sun: Sun,
        surface_pressure: FloatArray,
        height: FloatArray,
        pbl: FloatArray,
    ) -> tuple[FloatArray, FloatArray]:
        """Grid-relative winds in m s-1: a westerly with a wave in it, friction, slope winds."""
        hours = _hours(time)
        # Dividing by surface pressure keeps the column's mass flux the same over the hills.
        squeeze = 870.0 / surface_pressure
        aloft = 5.0 + 14.0 * (1.0 - self.sigma)
        turning = 0.6 * np.sin(2.0 * np.pi * hours / 48.0)
        wave = np.sin(self.east_km / 110.0 - hours / 7.0)
        u = squeeze * aloft * np.cos(turning) + 0.0 * height
        v = squeeze * (aloft * np.sin(turning) + 2.5 * wave) + 0.0 * height
        drag = _friction(height, pbl, sun)
        slope_u, slope_v = self._slope_winds(sun, height)
        return drag * u + slope_u, drag * v + slope_v

    def _slope_winds(self, sun: Sun, height: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Winds up the slopes by day and down at night, with their return flow above."""
        breeze = 110.0 * sun.strength - 55.0 * (1.0 - sun.strength) ** 3
        depth = 350.0 + 650.0 * sun.strength
        inflow = np.exp(-height / depth)
        outflow = (height / depth) * np.exp(-height / depth)
        near_ground = np.minimum(1.0, np.log1p(height / ROUGHNESS_M) / np.log1p(60.0 / ROUGHNESS_M))
        profile = near_ground * breeze * (inflow - outflow)
        dz_dy, dz_dx = np.gradient(self.terrain, self.spacing_m)
        return profile * dz_dx, profile * dz_dy

    def _omega(self, surface_pressure: FloatArray, u: FloatArray, v: FloatArray) -> FloatArray:
        """Vertical velocity in hPa s-1 relative to the sigma surfaces, positive downward.

        From the continuity equation in sigma, with no flow through the ground or the top. Relative
        to the terrain-following surfaces is how HYSPLIT's data-driven option takes it: it applies
        no slope correction of its own.
        """
        du = np.gradient(surface_pressure * u, self.spacing_m, axis=2)
        dv = np.gradient(surface_pressure * v, self.spacing_m, axis=1)
        divergence = du + dv
        sigma = self.sigma[:, 0, 0]
        halves = np.concatenate([[1.0], 0.5 * (sigma[1:] + sigma[:-1]), [0.0]])
        thickness = (halves[:-1] - halves[1:])[:, None, None]
        above = np.cumsum((divergence * thickness)[::-1], axis=0)[::-1]
        column = above[:1]
        to_level = above - divergence * (halves[:-1] - sigma)[:, None, None]
        return np.asarray(-(to_level - self.sigma * column))

    def _surface(
        self, time: np.datetime64, sun: Sun, surface_pressure: FloatArray, pbl: FloatArray
    ) -> dict[str, FloatArray]:
        """Fields at the ground, with winds at 10 m and temperature at 2 m."""
        u10, v10 = self._winds(time, sun, surface_pressure, np.full((1, *pbl.shape), 10.0), pbl)
        u10, v10 = u10[0], v10[0]
        neutral = VON_KARMAN * np.hypot(u10, v10) / np.log1p(10.0 / ROUGHNESS_M)
        heat_flux = self.heat_flux(sun)
        theta_2m = self._theta(np.full_like(pbl, 2.0), sun)
        return {
            "SHGT": self.terrain,
            "PRSS": surface_pressure,
            "T02M": theta_2m * (surface_pressure / 1000.0) ** KAPPA,
            "U10M": u10,
            "V10M": v10,
            "USTR": np.maximum(0.08, neutral * (1.0 + 0.25 * sun.strength)),
            "SHTF": heat_flux,
            "LHTF": np.maximum(0.0, 0.4 * heat_flux),
            "DSWF": np.full_like(pbl, 950.0 * sun.strength),
            "PBLH": pbl,
        }


def _hours(time: np.datetime64) -> float:
    """Hours since the start of 2023, which sets the phase of everything that travels."""
    return float((time - np.datetime64("2023-01-01")) / np.timedelta64(1, "s")) / 3600.0


def _free_theta(height_msl: FloatArray) -> FloatArray:
    """Potential temperature of undisturbed air: a steady lapse, stronger in the stratosphere."""
    stratosphere = np.maximum(0.0, height_msl - _TROPOPAUSE_M)
    return _SEA_LEVEL_THETA_K + _THETA_LAPSE_K_PER_M * height_msl + 0.012 * stratosphere


def _morning_cooling(sun: Sun) -> float:
    """Remainder of the night's ground inversion, in K: gone after two and a half hours."""
    at_sunrise = 1.9 * np.sqrt(24.0 - sun.daylight_h)
    return float(at_sunrise * max(0.0, 1.0 - sun.hour / 2.5))


def _friction(height: FloatArray, pbl: FloatArray, sun: Sun) -> FloatArray:
    """Share of the free wind left near the ground: logarithmic in mixed air, decoupled at night."""
    depth = np.maximum(pbl, 300.0)
    mixed = np.minimum(1.0, np.log1p(height / ROUGHNESS_M) / np.log1p(depth / ROUGHNESS_M))
    decoupled = np.tanh((height + 25.0) / 180.0)
    share = min(1.0, 3.0 * sun.strength)
    return np.asarray(share * mixed + (1.0 - share) * decoupled)


def _relative_humidity(
    temperature: FloatArray, pressure: FloatArray, height: FloatArray, pbl: FloatArray
) -> FloatArray:
    """Relative humidity in per cent from a specific humidity that is mixed up to its top."""
    specific = 0.0075 * np.exp(-np.maximum(height, 0.6 * pbl) / 2400.0)
    saturation = 0.622 * np.exp(21.4 - 5351.0 / temperature) / pressure
    return np.clip(100.0 * specific / saturation, 2.0, 95.0)
