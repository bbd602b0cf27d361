"""Rows of a particle table, with the column names that users of HYSPLIT's STILT mode know."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

import numpy as np
import pandas as pd

from stilt.config import ModelConfig
from stilt.meteorology import thermodynamics as thermo
from stilt.meteorology.grids import MetGrid
from stilt.transport.ends import Ends
from stilt.transport.plumes import NearField
from stilt.transport.release import Release
from stilt.transport.step_columns import AIR_COLUMNS, EXTRA_COLUMNS, MAIN_COLUMNS

_SUMMED = frozenset(("foot", "samt"))
_NEED_EXTRA = frozenset((*EXTRA_COLUMNS, "sphu", "dmas"))
# Rows converted to degrees at once, so that intermediate values stay in the processor's cache.
_ROWS_TOGETHER = 32_768
_CONSTANT = {"icdx": 2.0, "zloc": -999.0, "zfx1": 0.0}


def needs_extra(wanted: Sequence[str]) -> bool:
    """Return whether any wanted column is not among those that every step gives."""
    return not _NEED_EXTRA.isdisjoint(wanted)


def _needed(wanted: Sequence[str]) -> set[str]:
    """Return the columns of a step from which the wanted columns of the table are computed."""
    needed = {"x", "y", *wanted}
    if "sphu" in needed:
        needed |= {*AIR_COLUMNS, "pres"}
    if "dmas" in needed:
        needed.add("mass_rate")
    return needed


def bytes_of_rows(config: ModelConfig) -> int:
    """Return the memory that the rows of one release take, bytes."""
    names = MAIN_COLUMNS + EXTRA_COLUMNS if needs_extra(config.varsiwant) else MAIN_COLUMNS
    kept = len(_needed(config.varsiwant).intersection(names))
    return abs(config.n_hours) * 60 * config.numpar * (4 * kept + 1)


class RowStore(Protocol):
    """Memory for the rows of a release."""

    def put(self, first: int, moved: np.ndarray, values: np.ndarray) -> None:
        """Take the rows of some minutes.

        Args:
            first: minute of the release.
            moved: (minutes, particles), whether there is such a row.
            values: (columns, minutes, particles), float32.
        """

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Return which rows there are, (minutes, particles), and all values, free to be changed."""


Reserve = Callable[[int, int, int], RowStore]
"""Allocates memory for the rows of a release, for (columns, minutes, particles)."""


class OwnMemory:
    """Memory of this process for the rows of a release, empty at first."""

    def __init__(self, columns: int, minutes: int, particles: int) -> None:
        """Allocate the memory."""
        self.moved = np.zeros((minutes, particles), bool)
        # Not cleared: that would write to all of it once more.
        self.values = np.empty((columns, minutes, particles), np.float32)

    def put(self, first: int, moved: np.ndarray, values: np.ndarray) -> None:
        """Take the rows of some minutes: see :class:`RowStore`."""
        minutes = slice(first, first + len(moved))
        self.moved[minutes] = moved
        self.values[:, minutes] = values

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Return which rows there are, and all values: see :class:`RowStore`."""
        return self.moved, self.values


class SweepCollector:
    """Collects the rows of all releases of a sweep.

    Memory is one float32 per release, minute, kept column and particle; the tables built from it
    share that memory where every particle moved to the end.

    Attributes:
        columns: positions of the columns kept among those that a step gives.
        particles: number of particles of each release.
        grid: see :class:`~stilt.transport.receiver.Receiver`.
    """

    def __init__(
        self,
        releases: Sequence[Release],
        starts: Sequence[int],
        cells: np.ndarray,
        config: ModelConfig,
        names: Sequence[str],
        grid: MetGrid,
        reserve: Reserve = OwnMemory,
        *,
        in_degrees: bool = False,
        near_field: NearField | None = None,
        at_ends: Sequence[str] = (),
    ) -> None:
        """Reserve room for ``config.n_hours`` of ``config.numpar`` particles of each release.

        Args:
            releases: in the order of the sweep's particles.
            starts: minute of the sweep in which each begins.
            cells: release cells of all particles along x and y, (2, particles).
            config: length and number of particles, columns wanted.
            names: columns that a step gives.
            grid: of the meteorology.
            reserve: allocates memory.
            in_degrees: whether positions come as longitudes and latitudes.
            near_field: the near-field correction that influence comes with; None without.
            at_ends: columns of which only each particle's first and last row are kept.
        """
        needed = _needed(config.varsiwant)
        self._at_ends = Ends.of([name for name in at_ends if name not in needed], cells.shape[1])
        every = [number for number, name in enumerate(names) if name in needed]
        self._kept = len(every)
        self.columns = every + [names.index(name) for name in self._at_ends.names]
        in_table = {"x": "long", "y": "lati"} if in_degrees else {}
        kept = (names[number] for number in every)
        self._names = [in_table.get(name, name) for name in kept]
        self.grid = grid if in_degrees else None
        self.near_field = near_field
        self._releases, self._config, self._grid = releases, config, grid
        self._starts = np.asarray(starts, dtype=np.int64)
        self.particles, self._minutes = config.numpar, abs(config.n_hours) * 60
        shape = self._kept, self._minutes, self.particles
        self._stores = [reserve(*shape) for _ in releases]
        self._gathered: dict[int, OwnMemory] = {}
        self._came_whole: set[int] = set()
        self._cells = cells.reshape(2, len(releases), config.numpar)

    def add(
        self, tick: int, numbers: np.ndarray, moved: np.ndarray, values: Sequence[np.ndarray]
    ) -> None:
        """Take rows of some particles: see :class:`~stilt.transport.receiver.Receiver`."""
        particles = self.particles
        self._at_ends.add(numbers, moved, values[self._kept :])
        position = np.full(len(self._starts) * particles, -1)
        position[numbers] = np.arange(len(numbers))
        for owner, places in enumerate(position.reshape(-1, particles)):
            own = np.flatnonzero(places >= 0)
            to, rows = self._rows(owner, tick, len(moved))
            if len(own) == 0 or to.start >= to.stop:
                continue
            where = _run(places) if len(own) == particles else None
            has_moved, columns = self._to_gather_in(owner).arrays()
            sources = (*values[: self._kept], moved)
            for column, source in zip((*columns, has_moved), sources, strict=True):
                if where is not None:
                    column[to] = source[rows, where]
                elif len(own) == particles:
                    # Directly into place; "clip" keeps NumPy from making a copy first.
                    np.take(source[rows], places, axis=1, out=column[to], mode="clip")
                else:
                    column[to, own] = source[rows, places[own]]

    def add_all(self, tick: int, first: int, moved: np.ndarray, values: np.ndarray) -> None:
        """Take rows of some releases: see :class:`~stilt.transport.receiver.Receiver`."""
        for place in range(len(moved)):
            to, rows = self._rows(first + place, tick, moved.shape[1])
            if to.start < to.stop:
                self._came_whole.add(first + place)
                store = self._stores[first + place]
                store.put(to.start, moved[place, rows], values[place, : self._kept, rows])
                numbers = (first + place) * self.particles + np.arange(self.particles)
                self._at_ends.add(numbers, moved[place, rows], values[place, self._kept :, rows])

    def _to_gather_in(self, owner: int) -> OwnMemory:
        """Return the memory for a release's rows that come for some of its particles at a time."""
        store = self._stores[owner]
        if isinstance(store, OwnMemory):
            return store
        if owner not in self._gathered:
            shape = self._kept, self._minutes, self.particles
            self._gathered[owner] = OwnMemory(*shape)
        return self._gathered[owner]

    def _rows(self, owner: int, tick: int, minutes: int) -> tuple[slice, slice]:
        """Return the minutes of a release that are among some of the sweep, and which these are."""
        begin = tick - int(self._starts[owner])
        low, high = max(begin, 0), min(begin + minutes, self._minutes)
        return slice(low, high), slice(low - begin, high - begin)

    def release(self, number: int) -> ReleaseRows:
        """Return what was collected of one release."""
        store = self._stores[number]
        if number not in self._came_whole:
            gathered = self._to_gather_in(number)
            if gathered is not store:
                store.put(0, *gathered.arrays())
                del self._gathered[number]
        return ReleaseRows(
            self._releases[number],
            self._config,
            self._grid,
            self._names,
            store,
            self._cells[:, number],
            self._at_ends.of_release(number, self.particles),
        )


def _run(places: np.ndarray) -> slice | None:
    """Return the places as a slice where they follow each other."""
    first, end = places[0], places[-1] + 1
    if end - first != len(places) or not np.array_equal(places, np.arange(first, end)):
        return None
    return slice(first, end)


@dataclass(frozen=True)
class ReleaseRows:
    """Rows of one release, from which its table is built.

    Attributes:
        release: what started where and when.
        config: length, number of particles, columns wanted.
        grid: of the meteorology.
        names: columns that were kept of a step, with ``long`` and ``lati`` for x and y where these
            came in degrees.
        store: memory that holds them; values are undefined where there is no row.
        cells: release cells along x and y, (2, particles).
        at_ends: by column, the values of each particle's first and last row, (2, particles).
    """

    release: Release
    config: ModelConfig
    grid: MetGrid
    names: list[str]
    store: RowStore
    cells: np.ndarray
    at_ends: Mapping[str, np.ndarray] = field(default_factory=dict)

    def to_frame(self) -> pd.DataFrame:
        """Return the particle table, sorted by age and particle, without a row at the release.

        Shares the memory of the rows where every particle moved to the end. Positions are in
        single precision, to about half a metre.
        """
        config = self.config
        moved, values = self.store.arrays()
        columns = dict(zip(self.names, values, strict=True))
        if "mass_rate" in columns:
            rate = np.where(moved, columns.pop("mass_rate"), 0.0)
            columns["dmas"] = np.cumprod(1.0 + rate, axis=0, dtype=np.float64)
        written = moved
        if config.outdt > 0:
            written, columns = _thinned(moved, columns, config.outdt)
        rows = None if written.all() else np.flatnonzero(written)
        if "x" in columns:
            x, y = columns.pop("x"), columns.pop("y")
            if rows is not None:
                x[~moved] = y[~moved] = 0.0
            columns["long"], columns["lati"] = self._degrees(x, y)
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
        """Return longitudes in [-180, 180) and latitudes of all rows."""
        lon, lat = np.empty((2, *x.shape), np.float32)
        step = max(1, _ROWS_TOGETHER // x.shape[1])
        for begin in range(0, len(x), step):
            part = slice(begin, begin + step)
            lon[part], lat[part] = self.grid.to_lonlat(
                x[part].astype(np.float64) + self.cells[0],
                y[part].astype(np.float64) + self.cells[1],
            )
        # Rounding may have turned a value just below 180 into 180.
        lon[lon >= 180.0] = -180.0
        return lon, lat


def _thinned(
    moved: np.ndarray, columns: dict[str, np.ndarray], every: int
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Keep rows every so many minutes and at each particle's end; sum foot and samt."""
    minutes = np.arange(1, len(moved) + 1)
    last = moved & ~np.vstack([moved[1:], np.zeros_like(moved[:1])])
    written = moved & ((minutes % every == 0)[:, None] | last)
    block = (minutes - 1) // every
    starts = np.flatnonzero(np.diff(block, prepend=-1))
    out = dict(columns)
    for name in columns.keys() & _SUMMED:
        values = np.where(moved, columns[name], 0.0)
        totals = np.add.reduceat(values, starts, axis=0)
        out[name] = totals[block]
    return written, out


@lru_cache(maxsize=2)
def _ages_and_numbers(
    direction: int, minutes: int, particles: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return columns ``time`` and ``indx`` of a table without gaps, the same for all: read-only."""
    ages = np.repeat(direction * np.arange(1.0, minutes + 1), particles)
    numbers = np.tile(np.arange(1, particles + 1, dtype=np.int32), minutes)
    for column in (ages, numbers):
        column.flags.writeable = False
    return ages, numbers


def _mixing_ratio(
    humidity: np.ndarray, temperature: np.ndarray, pressure: np.ndarray
) -> np.ndarray:
    """Return the mass of vapour per mass of dry air, kg kg-1: 0.622 e / (p - e)."""
    vapour = humidity * thermo.saturation_vapour_pressure_hpa(temperature)
    return 0.622 * vapour / (pressure - vapour)
