"""Weather made of plain numbers, for tests of the transport.

A lat-lon grid of 21 x 21 nodes on the equator, so that a cell has the same size everywhere, with
levels at fixed heights above flat ground. Every field is a number or an array; pressure and
temperature are given too, so that the air may have one density everywhere, which no real
atmosphere has but which makes results easy to state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from stilt.config import ModelConfig
from stilt.meteorology.arl import read_index
from stilt.meteorology.grids import EARTH_RADIUS_M, MetGrid, latlon_grid
from stilt.meteorology.records import AnalysisRef, RawAnalysis
from stilt.meteorology.writer import write_arl
from stilt.transport import Release, run_transport

HEIGHTS_M = (50.0, 200.0, 500.0, 1000.0, 2000.0, 4000.0, 7000.0, 12000.0, 25000.0)
SPACING_DEG = 0.01
CELL_M = EARTH_RADIUS_M * np.radians(SPACING_DEG)
CENTRE = (0.0, 0.0)
GAS_CONSTANT = 287.04
START = np.datetime64("2023-07-15T12:00", "m")

GRID = latlon_grid(-0.1, -0.1, SPACING_DEG, SPACING_DEG, 21, 21, levels=HEIGHTS_M, vertical_flag=3)
WIDE = latlon_grid(-10.0, -10.0, 1.0, 1.0, 21, 21, levels=HEIGHTS_M, vertical_flag=3)
"""The same with cells of a degree, which nothing leaves within a day."""

CALM = {
    "UWND": 0.0, "VWND": 0.0, "TEMP": 300.0, "PRES": 1000.0,
}  # fmt: skip
GROUND = {
    "PRSS": 1000.0, "SHGT": 0.0, "T02M": 300.0, "U10M": 0.0, "V10M": 0.0,
    "USTR": 0.4, "SHTF": 200.0, "RGHS": 0.2, "PBLH": 1060.0,
}  # fmt: skip

Fields = Mapping[str, float | np.ndarray]


def nodes() -> tuple[np.ndarray, np.ndarray]:
    """Column and row of every node, counted from the middle one: two (ny, nx) arrays."""
    middle = (GRID.nx - 1) / 2
    x, y = np.meshgrid(np.arange(GRID.nx) - middle, np.arange(GRID.ny) - middle)
    return x, y


def analysis(
    time: np.datetime64, upper: Fields, surface: Fields, grid: MetGrid = GRID
) -> RawAnalysis:
    """One valid time; what is not given comes from ``CALM`` and ``GROUND``."""
    flat, deep = (grid.ny, grid.nx), (grid.n_levels, grid.ny, grid.nx)

    def filled(fields: Fields, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
        return {
            name: np.ascontiguousarray(np.broadcast_to(np.float32(value), shape))
            for name, value in fields.items()
        }

    return RawAnalysis(
        time, grid, 0, filled({**GROUND, **surface}, flat), filled({**CALM, **upper}, deep)
    )


def per_level(values: Sequence[float] | np.ndarray) -> np.ndarray:
    """One number a level, to broadcast over the nodes."""
    return np.asarray(values, np.float64)[:, None, None]


class Laboratory:
    """Writes weather into a folder of its own and runs releases through it."""

    def __init__(self, folder: Path, grid: MetGrid = GRID) -> None:
        self.folder = folder
        self.grid = grid
        self.refs: list[AnalysisRef] = []

    def weather(
        self, *periods: tuple[Fields, Fields], start: np.datetime64 = START, step_h: float = 6.0
    ) -> Laboratory:
        """Set the weather: (upper, surface) fields of one analysis after the other.

        A single period holds for all time: it is written at the start and one step on either
        side.
        """
        step = np.timedelta64(round(60 * step_h), "m")
        if len(periods) == 1:
            periods, start = periods * 3, start - step
        times = [start + number * step for number in range(len(periods))]
        path = self.folder / f"weather_{len(list(self.folder.glob('weather_*')))}"
        write_arl(
            path,
            self.grid,
            [analysis(t, *p, self.grid) for t, p in zip(times, periods, strict=True)],
        )
        self.refs = read_index(path)
        return self

    def run(
        self,
        releases: Release | Sequence[Release],
        *,
        error_run: bool = False,
        **config: object,
    ) -> list[pd.DataFrame]:
        """Particle tables of the releases; raises what went wrong with the first that failed."""
        chosen = [releases] if isinstance(releases, Release) else list(releases)
        results = run_transport(
            chosen,
            self.refs,
            model_config(**config),
            cache_dir=self.folder / "prepared",
            error_run=error_run,
        )
        for result in results:
            if isinstance(result, Exception):
                raise result
        return results


def model_config(**changes: object) -> ModelConfig:
    """A configuration for transport alone; one hour forward unless told otherwise."""
    settings = {
        "mets": {"lab": {"directory": "unused", "file_format": "%Y", "file_tres": "1h"}},
        "n_hours": 1,
        "numpar": 100,
        "kmixd": 1060,
        "hnf_plume": False,
        "varsiwant": (
            "time", "indx", "long", "lati", "zagl", "foot", "samt", "mlht", "dens", "sigw", "tlgr",
        ),
        **changes,
    }  # fmt: skip
    return ModelConfig(**settings)


def release(
    heights_m: float | Sequence[float] | np.ndarray,
    *,
    lon: float | Sequence[float] = CENTRE[0],
    lat: float | Sequence[float] = CENTRE[1],
    time: np.datetime64 = START,
    key: int = 1,
    kind: str | None = None,
    msl: bool = False,
) -> Release:
    """Release at one height, or at several that the particles share in order."""
    heights = np.atleast_1d(np.asarray(heights_m, np.float64))
    return Release(
        sim_id=f"lab_{key}",
        time=time.astype("datetime64[s]"),
        longitudes=np.broadcast_to(np.asarray(lon, np.float64), heights.shape),
        latitudes=np.broadcast_to(np.asarray(lat, np.float64), heights.shape),
        heights_m=heights,
        kind=kind or ("point" if len(heights) == 1 else "multipoint"),
        heights_msl=msl,
        key=key,
    )


def by_minute(table: pd.DataFrame, name: str) -> np.ndarray:
    """A column as (minutes, particles); every particle must have every row."""
    return table.pivot(index="time", columns="indx", values=name).sort_index(key=np.abs).to_numpy()


def inversion(base_m: float) -> np.ndarray:
    """Temperatures of the levels: 300 K up to a height, 1 K more every 100 m above."""
    return per_level(300.0 + 0.01 * np.maximum(np.array(HEIGHTS_M) - base_m, 0.0))
