"""Rows of a particle table, with the column names that users of HYSPLIT's STILT mode know."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from stilt.config import ModelConfig
from stilt.meteorology import thermodynamics as thermo
from stilt.meteorology.grids import MetGrid
from stilt.transport.release import Release
from stilt.transport.step import AIR_COLUMNS, EXTRA_COLUMNS

_SUMMED = ("foot", "samt")
_NEED_EXTRA = frozenset((*EXTRA_COLUMNS, "sphu", "dmas"))
_CONSTANT = {"icdx": 2.0, "zloc": -999.0, "zfx1": 0.0}


def needs_extra(wanted: Sequence[str]) -> bool:
    """Whether any wanted column is outside the ones that every step gives."""
    return not _NEED_EXTRA.isdisjoint(wanted)


class ReleaseRows:
    """Collects the rows of one release while the sweep goes on.

    Memory is one float32 per minute, column and particle.
    """

    def __init__(
        self, release: Release, config: ModelConfig, names: Sequence[str], grid: MetGrid
    ) -> None:
        """Reserve room for ``config.n_hours`` of ``config.numpar`` particles."""
        self.release = release
        self._config = config
        self._names = list(names)
        self._grid = grid
        shape = (abs(config.n_hours) * 60, config.numpar)
        self._moved = np.zeros(shape, dtype=bool)
        self._values = np.zeros((len(names), *shape), dtype=np.float32)
        self._cell = np.zeros((2, config.numpar), dtype=np.int32)

    def add(
        self,
        begin: int,
        particle: np.ndarray,
        moved: np.ndarray,
        values: np.ndarray,
        cell: tuple[np.ndarray, np.ndarray],
    ) -> None:
        """Take rows of some particles for the minutes from ``begin`` after the release on.

        Args:
            begin: minute after release of the first row; negative rows are not the release's.
            particle: particle numbers from zero, (n,).
            moved: (minutes, n); rows that are not moved are dropped.
            values: (minutes, columns, n).
            cell: release cell of these particles.
        """
        self._cell[0, particle], self._cell[1, particle] = cell
        low, high = max(begin, 0), min(begin + len(moved), len(self._moved))
        if low >= high:
            return
        part = slice(low - begin, high - begin)
        self._moved[low:high, particle] = moved[part]
        self._values[:, low:high, particle] = np.moveaxis(values[part], 1, 0)

    def to_frame(self) -> pd.DataFrame:
        """The particle table, sorted by age and particle, without a row at the release."""
        config = self._config
        sign = 1 if config.n_hours > 0 else -1
        columns = {name: self._values[i] for i, name in enumerate(self._names)}
        if "mass_rate" in columns:
            rate = np.where(self._moved, columns.pop("mass_rate"), 0.0)
            columns["dmas"] = np.cumprod(1.0 + rate, axis=0, dtype=np.float64)
        written = self._moved
        if config.outdt > 0:
            written, columns = self._thinned(columns)
        minute, particle = np.nonzero(written)
        wanted = {name: values[minute, particle] for name, values in columns.items()}
        lon, lat = self._grid.to_lonlat(
            wanted.pop("x").astype(np.float64) + self._cell[0, particle],
            wanted.pop("y").astype(np.float64) + self._cell[1, particle],
        )
        wanted["time"] = sign * (minute + 1).astype(np.float64)
        wanted["indx"] = (particle + 1).astype(np.int32)
        wanted["long"], wanted["lati"] = lon, lat
        if set(AIR_COLUMNS) <= set(wanted):
            wanted["sphu"] = _mixing_ratio(wanted["rhfr"], wanted["temz"], wanted["pres"])
        for name, value in _CONSTANT.items():
            wanted[name] = np.full(len(minute), value)
        frame = pd.DataFrame({name: wanted[name] for name in config.varsiwant})
        heights = self.release.nominal_heights(config.numpar)
        if heights is not None:
            frame["xhgt"] = heights[particle]
        return frame

    def _thinned(self, columns: dict[str, np.ndarray]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Rows every ``outdt`` minutes and at each particle's end; foot and samt are summed."""
        every = self._config.outdt
        minutes = np.arange(1, len(self._moved) + 1)
        last = self._moved & ~np.vstack([self._moved[1:], np.zeros_like(self._moved[:1])])
        written = self._moved & ((minutes % every == 0)[:, None] | last)
        block = (minutes - 1) // every
        starts = np.flatnonzero(np.diff(block, prepend=-1))
        out = dict(columns)
        for name in _SUMMED:
            values = np.where(self._moved, columns[name], 0.0)
            totals = np.add.reduceat(values, starts, axis=0)
            out[name] = totals[block]
        return written, out


def _mixing_ratio(
    humidity: np.ndarray, temperature: np.ndarray, pressure: np.ndarray
) -> np.ndarray:
    """Mass of vapour per mass of dry air, kg kg-1: 0.622 e / (p - e)."""
    vapour = humidity * thermo.saturation_vapour_pressure_hpa(temperature)
    return 0.622 * vapour / (pressure - vapour)
