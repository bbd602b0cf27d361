"""Rows of a particle table, with the column names that users of HYSPLIT's STILT mode know."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from stilt.config import ModelConfig
from stilt.meteorology import thermodynamics as thermo
from stilt.meteorology.grids import MetGrid
from stilt.transport.release import Release
from stilt.transport.step import AIR_COLUMNS, EXTRA_COLUMNS, MAIN_COLUMNS

_SUMMED = frozenset(("foot", "samt"))
_NEED_EXTRA = frozenset((*EXTRA_COLUMNS, "sphu", "dmas"))
# Rows taken to degrees at once, so that what is in between stays in the processor's cache.
_ROWS_TOGETHER = 32_768
_CONSTANT = {"icdx": 2.0, "zloc": -999.0, "zfx1": 0.0}


def needs_extra(wanted: Sequence[str]) -> bool:
    """Whether any wanted column is outside the ones that every step gives."""
    return not _NEED_EXTRA.isdisjoint(wanted)


def _needed(wanted: Sequence[str]) -> set[str]:
    """Columns of a step from which the wanted columns of the table are made."""
    needed = {"x", "y", *wanted}
    if "sphu" in needed:
        needed |= {*AIR_COLUMNS, "pres"}
    if "dmas" in needed:
        needed.add("mass_rate")
    return needed


def bytes_of_rows(config: ModelConfig) -> int:
    """Memory for the rows of one release."""
    names = MAIN_COLUMNS + EXTRA_COLUMNS if needs_extra(config.varsiwant) else MAIN_COLUMNS
    kept = len(_needed(config.varsiwant).intersection(names))
    return abs(config.n_hours) * 60 * config.numpar * (4 * kept + 1)


Reserve = Callable[[int, int, int], tuple[np.ndarray, np.ndarray]]
"""Gives memory for the rows of a release, whatever it holds, for (columns, minutes, particles):
whether there is such a row, bool of (minutes, particles), and values, float32 of all three.
"""


def own_memory(columns: int, minutes: int, particles: int) -> tuple[np.ndarray, np.ndarray]:
    """Memory of this process for the rows of a release."""
    return np.empty((minutes, particles), bool), np.empty((columns, minutes, particles), np.float32)


class SweepRows:
    """Collects the rows of all releases of a sweep.

    Memory is one float32 per release, minute, kept column and particle; the tables made of it
    share that memory where every particle moved to the end.

    Attributes:
        columns: positions of the columns kept among those that a step gives.
        particles: of each release.
        grid: see :class:`~stilt.transport.program.Receiver`.
    """

    def __init__(
        self,
        releases: Sequence[Release],
        starts: Sequence[int],
        cells: np.ndarray,
        config: ModelConfig,
        names: Sequence[str],
        grid: MetGrid,
        reserve: Reserve = own_memory,
        *,
        in_degrees: bool = False,
    ) -> None:
        """Reserve room for ``config.n_hours`` of ``config.numpar`` particles of each release.

        Args:
            releases: in the order of the sweep's particles.
            starts: minute of the sweep in which each begins.
            cells: release cells of all particles along x and y, (2, particles).
            config: length and number of particles, columns wanted.
            names: columns that a step gives.
            grid: of the weather.
            reserve: gives memory.
            in_degrees: positions come as longitudes and latitudes.
        """
        needed = _needed(config.varsiwant)
        self.columns = [number for number, name in enumerate(names) if name in needed]
        self._names = [names[number] for number in self.columns]
        self.grid = grid if in_degrees else None
        if in_degrees:
            self._names[:2] = "long", "lati"
        self._releases, self._config, self._grid = releases, config, grid
        self._starts = np.asarray(starts, dtype=np.int64)
        self.particles, self._minutes = config.numpar, abs(config.n_hours) * 60
        self._memory = [reserve(len(self.columns), self._minutes, self.particles) for _ in releases]
        for moved, _ in self._memory:
            moved[:] = False
        self._cells = cells.reshape(2, len(releases), config.numpar)

    def add(
        self, tick: int, numbers: np.ndarray, moved: np.ndarray, values: Sequence[np.ndarray]
    ) -> None:
        """Take rows of some particles: see :class:`~stilt.transport.program.Receiver`."""
        particles = self.particles
        position = np.full(len(self._starts) * particles, -1)
        position[numbers] = np.arange(len(numbers))
        for owner, places in enumerate(position.reshape(-1, particles)):
            own = np.flatnonzero(places >= 0)
            to, rows = self._rows(owner, tick, len(moved))
            if len(own) == 0 or to.start >= to.stop:
                continue
            where = _run(places) if len(own) == particles else None
            has_moved, columns = self._memory[owner]
            for column, source in zip((*columns, has_moved), (*values, moved), strict=True):
                if where is not None:
                    column[to] = source[rows, where]
                elif len(own) == particles:
                    # Into place at once; "clip" keeps NumPy from making a copy first.
                    np.take(source[rows], places, axis=1, out=column[to], mode="clip")
                else:
                    column[to, own] = source[rows, places[own]]

    def add_all(self, tick: int, first: int, moved: np.ndarray, values: np.ndarray) -> None:
        """Take rows of some releases: see :class:`~stilt.transport.program.Receiver`."""
        for place in range(len(moved)):
            to, rows = self._rows(first + place, tick, moved.shape[1])
            if to.start < to.stop:
                has_moved, columns = self._memory[first + place]
                has_moved[to] = moved[place, rows]
                columns[:, to] = values[place, :, rows]

    def _rows(self, owner: int, tick: int, minutes: int) -> tuple[slice, slice]:
        """Minutes of a release within some of the sweep, and which of these they are."""
        begin = tick - int(self._starts[owner])
        low, high = max(begin, 0), min(begin + minutes, self._minutes)
        return slice(low, high), slice(low - begin, high - begin)

    def release(self, number: int) -> ReleaseRows:
        """What was collected of one release."""
        moved, values = self._memory[number]
        return ReleaseRows(
            self._releases[number],
            self._config,
            self._grid,
            self._names,
            moved,
            values,
            self._cells[:, number],
        )


def _run(places: np.ndarray) -> slice | None:
    """The places as a slice where they follow each other."""
    first, end = places[0], places[-1] + 1
    if end - first != len(places) or not np.array_equal(places, np.arange(first, end)):
        return None
    return slice(first, end)


@dataclass(frozen=True)
class ReleaseRows:
    """Rows of one release, of which its table is made.

    Attributes:
        release: what started where and when.
        config: length, number of particles, columns wanted.
        grid: of the weather.
        names: columns that were kept of a step, with ``long`` and ``lati`` for x and y where these
            came in degrees.
        moved: (minutes, particles), whether there is such a row.
        values: (columns, minutes, particles); anything where there is no row.
        cells: release cells along x and y, (2, particles).
    """

    release: Release
    config: ModelConfig
    grid: MetGrid
    names: list[str]
    moved: np.ndarray
    values: np.ndarray
    cells: np.ndarray

    def to_frame(self) -> pd.DataFrame:
        """The particle table, sorted by age and particle, without a row at the release.

        Shares the memory of the values where every particle moved to the end. Positions are in
        single precision, to about half a metre.
        """
        config = self.config
        columns = dict(zip(self.names, self.values, strict=True))
        if "mass_rate" in columns:
            rate = np.where(self.moved, columns.pop("mass_rate"), 0.0)
            columns["dmas"] = np.cumprod(1.0 + rate, axis=0, dtype=np.float64)
        written = self.moved
        if config.outdt > 0:
            written, columns = self._thinned(columns)
        rows = None if written.all() else np.flatnonzero(written)
        if "x" in columns:
            columns["long"], columns["lati"] = self._degrees(columns.pop("x"), columns.pop("y"))
        wanted: dict[str, np.ndarray] = {}
        direction = 1 if config.n_hours > 0 else -1
        wanted["time"], wanted["indx"] = _ages_and_numbers(direction, *written.shape)
        wanted.update((name, values.reshape(-1)) for name, values in columns.items())
        if rows is not None:
            wanted = {name: values[rows] for name, values in wanted.items()}
        count = len(wanted["time"])
        if set(AIR_COLUMNS) <= set(wanted):
            wanted["sphu"] = _mixing_ratio(wanted["rhfr"], wanted["temz"], wanted["pres"])
        for name, value in _CONSTANT.items():
            if name in config.varsiwant:
                wanted[name] = np.full(count, value)
        chosen = {name: wanted[name] for name in config.varsiwant}
        heights = self.release.nominal_heights(config.numpar)
        if heights is not None:
            every = np.tile(heights, len(written))
            chosen["xhgt"] = every if rows is None else every[rows]
        return pd.DataFrame(chosen, copy=False)

    def _degrees(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Longitudes in [-180, 180) and latitudes of all rows."""
        if not self.moved.all():
            x[~self.moved] = y[~self.moved] = 0.0
        lon, lat = np.empty((2, *x.shape), np.float32)
        step = max(1, _ROWS_TOGETHER // x.shape[1])
        for begin in range(0, len(x), step):
            part = slice(begin, begin + step)
            lon[part], lat[part] = self.grid.to_lonlat(
                x[part].astype(np.float64) + self.cells[0],
                y[part].astype(np.float64) + self.cells[1],
            )
        # Rounding may have made 180 of a little less.
        lon[lon >= 180.0] = -180.0
        return lon, lat

    def _thinned(self, columns: dict[str, np.ndarray]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Rows every ``outdt`` minutes and at each particle's end; foot and samt are summed."""
        every = self.config.outdt
        minutes = np.arange(1, len(self.moved) + 1)
        last = self.moved & ~np.vstack([self.moved[1:], np.zeros_like(self.moved[:1])])
        written = self.moved & ((minutes % every == 0)[:, None] | last)
        block = (minutes - 1) // every
        starts = np.flatnonzero(np.diff(block, prepend=-1))
        out = dict(columns)
        for name in columns.keys() & _SUMMED:
            values = np.where(self.moved, columns[name], 0.0)
            totals = np.add.reduceat(values, starts, axis=0)
            out[name] = totals[block]
        return written, out


@lru_cache(maxsize=2)
def _ages_and_numbers(
    direction: int, minutes: int, particles: int
) -> tuple[np.ndarray, np.ndarray]:
    """Columns ``time`` and ``indx`` of a table without gaps, the same for all: read-only."""
    ages = np.repeat(direction * np.arange(1.0, minutes + 1), particles)
    numbers = np.tile(np.arange(1, particles + 1, dtype=np.int32), minutes)
    for column in (ages, numbers):
        column.flags.writeable = False
    return ages, numbers


def _mixing_ratio(
    humidity: np.ndarray, temperature: np.ndarray, pressure: np.ndarray
) -> np.ndarray:
    """Mass of vapour per mass of dry air, kg kg-1: 0.622 e / (p - e)."""
    vapour = humidity * thermo.saturation_vapour_pressure_hpa(temperature)
    return 0.622 * vapour / (pressure - vapour)
