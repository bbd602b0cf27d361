"""Invented weather on any ARL grid and level list, with any choice of fields, for comparisons.

The fields are smooth functions of place, height and local solar time, in hydrostatic balance. They
obey no equation of motion: what is wanted is that every field varies everywhere, so that a wrong
index, sign, unit or interpolation shows.

Heights are ``zeta = -8000 ln(p / ps)`` metres, so that everything is explicit in pressure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from stilt.constants import GAS_CONSTANT_DRY_AIR, GRAVITY_M_S2, KAPPA
from stilt.meteorology import thermodynamics as thermo
from stilt.meteorology.grids import MetGrid
from stilt.meteorology.records import RawAnalysis
from stilt.meteorology.writer import write_arl

_SCALE_M = 8000.0
_TERRAIN_TOP_M = 20_000.0
_QUADRATURE = np.polynomial.legendre.leggauss(12)

SURFACE = ("PRSS", "SHGT", "T02M", "U10M", "V10M", "USTR", "SHTF", "RGHS", "PBLH")
UPPER = ("UWND", "VWND", "WWND", "TEMP", "RELH")


@dataclass(frozen=True)
class Invention:
    """What a weather is made of.

    Attributes:
        grid: grid and levels of the files.
        surface, upper: names of the fields in the files, in their order.
        terrain_m: height of the hills above sea level, on average and from there to the top.
        hill_deg: length of a hill in degrees.
        wind_m_s: speed of the wind aloft.
        scale: factors on fields of a name.
    """

    grid: MetGrid
    surface: tuple[str, ...] = SURFACE
    upper: tuple[str, ...] = UPPER
    terrain_m: tuple[float, float] = (400.0, 250.0)
    hill_deg: float = 7.0
    wind_m_s: float = 10.0
    scale: dict[str, float] = field(default_factory=dict)

    def analysis(self, time: np.datetime64) -> RawAnalysis:
        """Every field of one valid time."""
        return _Maker(self, time).analysis()


def write_weather(
    invention: Invention,
    folder: Path,
    start: np.datetime64,
    hours: int,
    *,
    interval_h: int = 1,
    hours_per_file: int = 24,
) -> list[Path]:
    """Write files named ``%Y%m%d_%H``, from ``start`` on, the last analysis ``hours`` later."""
    times = [start + np.timedelta64(h, "h") for h in range(0, hours + 1, interval_h)]
    files: dict[int, list[np.datetime64]] = {}
    for number, time in enumerate(times):
        files.setdefault(number * interval_h // hours_per_file, []).append(time)
    paths = []
    for of_file in files.values():
        name = of_file[0].astype(object).strftime("%Y%m%d_%H")
        analyses = (invention.analysis(time) for time in of_file)
        paths.append(write_arl(folder / name, invention.grid, analyses))
    return paths


class _Maker:
    def __init__(self, invention: Invention, time: np.datetime64) -> None:
        self.invention = invention
        self.grid = grid = invention.grid
        self.time = time.astype("datetime64[m]")
        self.hours = float((self.time - np.datetime64("2023-07-10T00:00")) / np.timedelta64(1, "h"))
        x, y = np.meshgrid(np.arange(grid.nx, dtype=float), np.arange(grid.ny, dtype=float))
        self.lon, self.lat = grid.to_lonlat(x, y)
        self.a, self.b = np.radians(self.lon), np.radians(self.lat)
        solar = (self.hours + self.lon / 15.0) % 24.0
        self.sun = np.clip(np.sin(np.pi * (solar - 6.0) / 12.0), 0.0, None)
        warmed = np.clip((solar - 7.0) / 9.0, 0.0, 1.0) * (solar < 18.5)
        self.depth = 180.0 + 1500.0 * warmed * (1.0 + 0.2 * np.sin(3 * self.a + 2 * self.b))
        self.night = np.clip(1.0 - 3.0 * self.sun, 0.0, 1.0)
        mean, top = invention.terrain_m
        turn = 360.0 / invention.hill_deg
        wave = np.sin(turn * self.a * np.round(np.cos(0.0))) * np.cos(turn * self.b + 0.4)
        self.terrain = np.maximum(mean + top * wave * np.cos(self.b), 0.0)
        low = 1013.0 + 6.0 * np.sin(2 * self.a - self.hours / 20.0) * np.cos(self.b)
        self.ps = low * (1.0 - 2.25577e-5 * self.terrain) ** 5.25588

    def theta(self, zeta: np.ndarray) -> np.ndarray:
        """Potential temperature in K."""
        base = 296.0 + 6.0 * np.cos(self.b) + 2.0 * np.cos(3 * self.a + self.hours / 15.0)
        free = 0.0042 * np.maximum(zeta - self.depth, 0.0)
        free = free + 0.012 * np.maximum(zeta - 11_000.0, 0.0)
        ground = np.exp(-np.maximum(zeta, 0.0) / 120.0)
        return base + 0.002 * self.terrain + free + ground * (1.2 * self.sun - 5.0 * self.night)

    def temperature(self, zeta: np.ndarray) -> np.ndarray:
        """Temperature in K."""
        return self.theta(zeta) * (self.ps * np.exp(-zeta / _SCALE_M) / 1000.0) ** KAPPA

    def humidity(self, zeta: np.ndarray) -> np.ndarray:
        """Relative humidity, a fraction."""
        shape = 0.35 + 0.3 * np.cos(2 * self.a - self.b) * np.exp(-np.maximum(zeta, 0.0) / 4000.0)
        return np.where(zeta > 14_000.0, 0.02, shape)

    def height(self, zeta: np.ndarray) -> np.ndarray:
        """Height above ground in metres by hydrostatic balance."""
        points, weights = _QUADRATURE
        total = np.zeros_like(zeta)
        for point, weight in zip(points, weights, strict=True):
            at = 0.5 * zeta * (point + 1.0)
            temperature = self.temperature(at)
            pressure = self.ps * np.exp(-at / _SCALE_M)
            moist = thermo.specific_humidity(self.humidity(at), temperature, pressure)
            total += weight * thermo.virtual_temperature_k(temperature, moist)
        return GAS_CONSTANT_DRY_AIR / GRAVITY_M_S2 / _SCALE_M * 0.5 * zeta * total

    def zeta(self) -> np.ndarray:
        """Where the levels of the file are, (levels, ny, nx)."""
        value = np.asarray(self.grid.levels, float)[:, None, None]
        flag = self.grid.vertical_flag
        if flag == 3:
            wanted = value * (1.0 - self.terrain / _TERRAIN_TOP_M)
            zeta = wanted.copy()
            for _ in range(12):
                zeta += wanted - self.height(zeta)
            return zeta
        offset = self.grid.pressure_offset_hpa
        pressure = {
            1: value * (self.ps - offset) + offset,
            2: value + 0.0 * self.ps,
            4: np.floor(value) + (value - np.floor(value)) * self.ps,
        }[flag]
        return -_SCALE_M * np.log(pressure / self.ps)

    def wind(self, zeta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Wind along the grid's axes, m/s."""
        up = np.clip(zeta, 0.0, 12_000.0)
        speed = self.invention.wind_m_s * (0.25 + 0.15 * np.log1p(up / 20.0) + up / 12_000.0)
        turn = 0.6 * np.sin(2 * self.a + self.hours / 10.0) + 0.8 * np.sin(3 * self.b) + up / 9000.0
        shape = np.cos(self.b) if self.grid.kind == "latlon" else 1.0
        return speed * np.cos(turn) * shape, 0.7 * speed * np.sin(turn + 0.3) * shape

    def analysis(self) -> RawAnalysis:
        zeta = self.zeta()
        pressure = self.ps * np.exp(-zeta / _SCALE_M)
        temperature, humidity = self.temperature(zeta), self.humidity(zeta)
        u, v = self.wind(zeta)
        bulge = np.sin(np.pi * np.clip(np.maximum(zeta, 0.0) / 12_000.0, 0.0, 1.0))
        omega = 1.5e-3 * bulge * np.sin(4 * self.a + self.hours / 5.0) * np.cos(3 * self.b)
        energy = 0.15 + (0.2 + 2.0 * self.sun) * np.exp(
            -((np.maximum(zeta, 0.0) / self.depth) ** 2)
        )
        upper = {
            "UWND": u, "VWND": v, "WWND": omega, "TEMP": temperature, "RELH": 100.0 * humidity,
            "SPHU": thermo.specific_humidity(humidity, temperature, pressure),
            "HGTS": self.height(zeta) + self.terrain, "PRES": pressure, "TKEN": energy,
            "DZDT": -12.0 * omega * 8.0, "WVAR": 0.45 * energy,
            "UVAR": 0.8 * energy * (1.0 + 0.3 * np.sin(3 * self.a)), "VVAR": 0.6 * energy,
        }  # fmt: skip
        surface = self.surface()
        invention = self.invention
        return RawAnalysis(
            time=self.time,
            grid=self.grid,
            forecast_hour=0,
            surface=_chosen(surface, invention.surface, invention.scale),
            upper=_chosen(upper, invention.upper, invention.scale),
        )

    def surface(self) -> dict[str, np.ndarray]:
        zero = np.zeros_like(self.ps)
        u, v = self.wind(zero + 15.0)
        speed = np.hypot(u, v)
        u_star = 0.05 + 0.06 * speed * (0.6 + 0.5 * self.sun)
        heat = 280.0 * self.sun * (1.0 + 0.2 * np.sin(5 * self.a)) - 18.0 * self.night
        skin = self.temperature(zero) + 1.5 * self.sun - 0.5 * self.night
        stress = 1.1 * u_star**2 / np.maximum(speed, 1e-3)
        rough = 0.05 + 0.3 * (1.0 + np.sin(6 * self.a) * np.cos(5 * self.b))
        wet = np.maximum(np.sin(3 * self.a + self.hours / 4.0), 0.0)
        return {
            "PRSS": self.ps, "SHGT": self.terrain, "MSLP": zero + 1013.0,
            "T02M": self.temperature(zero + 2.0), "TMPS": skin, "U10M": 0.8 * u,
            "V10M": 0.8 * v, "USTR": u_star, "TSTR": -heat / (1150.0 * u_star), "UMOF": stress * u,
            "VMOF": stress * v, "EXCO": 1.1 * u_star**2 / np.maximum(speed, 0.1), "SHTF": heat,
            "HFLX": heat, "LHTF": 0.6 * heat + 5.0, "WFLX": 0.6 * heat + 5.0, "RGHS": rough,
            "PBLH": self.depth * (1.0 + 0.1 * np.sin(7 * self.a)), "HPBL": 0.9 * self.depth,
            "MXHT": 1.1 * self.depth, "TCLD": 50.0 + 40.0 * np.sin(3 * self.a),
            "LCLD": 30.0 + 20.0 * np.sin(4 * self.b), "DSWF": 900.0 * self.sun,
            "TPP1": 1e-3 * wet, "TPP3": 3e-3 * wet, "TPP6": 6e-3 * wet, "TPPA": 5e-3 * wet,
            "PRT6": 1e-5 * wet, "CPP1": 4e-4 * wet, "CPP3": 1e-3 * wet, "CPP6": 2e-3 * wet,
            "CPRC": 1e-6 * wet, "CAPE": 300.0 * self.sun,
        }  # fmt: skip


def _chosen(
    fields: dict[str, np.ndarray], names: Sequence[str], scale: dict[str, float]
) -> dict[str, np.ndarray]:
    return {name: (scale.get(name, 1.0) * fields[name]).astype(np.float32) for name in names}


PRESSURE_HPA = (
    1000.0, 975.0, 950.0, 925.0, 900.0, 850.0, 800.0, 750.0, 700.0, 650.0, 600.0, 550.0, 500.0,
    450.0, 400.0, 350.0, 300.0, 250.0, 200.0, 150.0, 100.0, 50.0, 20.0,
)  # fmt: skip
SIGMA = (
    0.998, 0.994, 0.987, 0.977, 0.963, 0.945, 0.922, 0.895, 0.86, 0.82, 0.775, 0.725, 0.67, 0.61,
    0.55, 0.485, 0.42, 0.355, 0.29, 0.23, 0.17, 0.12, 0.08, 0.05, 0.025,
)  # fmt: skip
HEIGHT_M = (
    15.0, 50.0, 110.0, 190.0, 290.0, 410.0, 560.0, 740.0, 960.0, 1230.0, 1560.0, 1960.0, 2450.0,
    3050.0, 3800.0, 4700.0, 5800.0, 7100.0, 8600.0, 10300.0, 12200.0, 14300.0, 16700.0, 19500.0,
)  # fmt: skip
HYBRID = (
    0.998, 0.993, 1.984, 3.971, 6.952, 10.925, 15.893, 22.851, 30.804, 39.753, 48.7, 57.64, 66.575,
    74.505, 80.435, 84.366, 86.298, 84.233, 80.175, 70.13, 60.085, 50.045, 40.015, 25.0,
)  # fmt: skip
