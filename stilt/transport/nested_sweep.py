"""Particles swept through several grids, each in the finest that holds its place and time.

Every minute a particle begins in the finest grid that holds it, as in HYSPLIT: one that has left a
grid continues in the next coarser one, one that has entered a finer grid uses that. It keeps its
terrain-following height, so that its height above ground changes with the terrain of the grids.

Most particles stay in one grid for many minutes, so several minutes are computed at once. Those
that enter a finer grid meanwhile are reset, and computed again up to that minute.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from stilt.meteorology.grids import wrap_longitude
from stilt.transport.device import device
from stilt.transport.host_particles import HostParticles
from stilt.transport.interpolation import AnalysisArrays, BracketingAnalyses
from stilt.transport.met_stream import MetStream, in_use
from stilt.transport.particles import Particles
from stilt.transport.program import JUST_IN_TIME, Chunk, Programs, SweepSettings, taken
from stilt.transport.receiver import Receiver
from stilt.transport.step import Physics
from stilt.transport.step_columns import MAIN_COLUMNS
from stilt.transport.sweep import put, to_device

_NOWHERE = -1


def nested_sweep(
    streams: Sequence[MetStream],
    physics: Physics,
    particles: Particles,
    stream_of: np.ndarray,
    receiver: Receiver,
    progress: Callable[[float], None] | None = None,
    programs: Programs = JUST_IN_TIME,
) -> None:
    """Move particles until the last one stops.

    Args:
        streams: analyses of each grid, the finest first.
        physics: settings.
        particles: initial state, NumPy leaves of shape (particles,).
        stream_of: stream to whose cells each particle's position refers, (particles,).
        receiver: takes the rows of every minute, with positions in degrees.
        progress: called with the fraction done.
        programs: where compiled programs come from.
    """
    nest = _Nest(streams, physics, particles, stream_of, receiver, programs)
    last = int(particles.stop.max(initial=0))
    tick = int(particles.start.min(initial=0))
    while tick < last:
        minutes = min(device().minutes, last - tick, nest.minutes_alike(tick))
        nest.advance(tick, minutes)
        tick += minutes
        if progress is not None:
            progress(min(tick / last, 1.0))


class _Nest:
    """One call of :func:`nested_sweep`."""

    def __init__(
        self,
        streams: Sequence[MetStream],
        physics: Physics,
        particles: Particles,
        stream_of: np.ndarray,
        receiver: Receiver,
        programs: Programs,
    ) -> None:
        self._streams, self._receiver = streams, receiver
        self._stream_of = np.array(stream_of)
        self._settings = [
            SweepSettings(
                stream.geometry, physics, put(stream.cell_size_m.astype(np.float32)), programs
            )
            for stream in streams
        ]
        self._host = HostParticles(self._settings[0], particles, receiver)
        self._held: list[dict[int, AnalysisArrays]] = [{} for _ in streams]
        self._columns = [receiver.columns.index(MAIN_COLUMNS.index(name)) for name in ("x", "y")]
        self._in_use: list[int] = []

    def minutes_alike(self, tick: int) -> int:
        """Return the minutes from a tick in which the same analyses of the same grids are used."""
        if not any(stream.covers(tick) for stream in self._streams):
            return 1
        return min(
            minutes
            for stream in self._streams
            if (minutes := stream.minutes_to_analysis(tick)) is not None
        )

    def advance(self, tick: int, minutes: int) -> None:
        """Advance all particles by some minutes, no more than :meth:`minutes_alike`."""
        self._in_use = in_use(self._streams, tick)
        for place in set(range(len(self._streams))).difference(self._in_use):
            self._held[place] = {}
        self._follow(self._host.moving(tick, minutes), tick, minutes)

    def _follow(self, numbers: np.ndarray, tick: int, minutes: int) -> None:
        """Advance particles, each in the first grid that holds it."""
        self._assign(numbers)
        # Particles that change grids in :meth:`_run` are followed there to the end.
        begin_in = self._stream_of[numbers]
        there = self._host.state.alive[numbers]
        for place in self._in_use:
            self._run(place, numbers[there & (begin_in == place)], tick, minutes)

    def _assign(self, numbers: np.ndarray) -> None:
        """Give particles the cells of the first grid that holds them; end those that none holds."""
        now = self._stream_of[numbers]
        lon, lat = self._places(numbers)
        found = np.full(len(numbers), _NOWHERE)
        for place in self._in_use:
            inside = self._holds(place, lon, lat)
            own = now == place
            # By the step's own test: conversion there and back may change a place's last digit.
            inside[own] = self._in_own_grid(place, numbers[own])
            found = np.where((found == _NOWHERE) & inside, place, found)
        self._host.state.alive[numbers[found == _NOWHERE]] = False
        changed = (found != _NOWHERE) & (found != now)
        for place in np.unique(found[changed]):
            here = changed & (found == place)
            self._move(numbers[here], int(place), lon[here], lat[here])

    def _in_own_grid(self, place: int, numbers: np.ndarray) -> np.ndarray:
        """Return whether a step may start where particles are, in the grid that they are in."""
        state = self._host.state
        return self._streams[place].grid.usable(
            state.cell_x[numbers] + np.floor(state.x[numbers]),
            state.cell_y[numbers] + np.floor(state.y[numbers]),
        )

    def _holds(self, place: int, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        """Return whether a step may start at each place in a grid."""
        (cell_x, _), (cell_y, _) = self._cells(place, lon, lat)
        return self._streams[place].grid.usable(cell_x, cell_y)

    def _cells(
        self, place: int, lon: np.ndarray, lat: np.ndarray
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return cells of a grid and offsets from them in [0, 1), float32, along x and y."""
        out = []
        for index in self._streams[place].grid.to_xy(lon, lat):
            cell = np.floor(index)
            offset = (index - cell).astype(np.float32)
            rounded_up = offset >= 1.0
            out.append((cell + rounded_up, np.where(rounded_up, np.float32(0.0), offset)))
        return out

    def _places(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return longitudes and latitudes of particles."""
        lon, lat = np.empty((2, len(numbers)))
        state = self._host.state
        for place, stream in enumerate(self._streams):
            here = self._stream_of[numbers] == place
            which = numbers[here]
            if len(which):
                lon[here], lat[here] = stream.grid.to_lonlat(
                    state.cell_x[which] + state.x[which].astype(np.float64),
                    state.cell_y[which] + state.y[which].astype(np.float64),
                )
        return lon, lat

    def _move(self, numbers: np.ndarray, place: int, lon: np.ndarray, lat: np.ndarray) -> None:
        """Give particles the cells of another grid."""
        state = self._host.state
        (cell_x, x), (cell_y, y) = self._cells(place, lon, lat)
        state.cell_x[numbers], state.cell_y[numbers] = cell_x, cell_y
        state.x[numbers], state.y[numbers] = x, y
        self._stream_of[numbers] = place

    def _run(self, place: int, numbers: np.ndarray, tick: int, minutes: int) -> None:
        """Advance particles in one grid, and follow those that change to another grid."""
        if not len(numbers):
            return
        finer = self._in_use[: self._in_use.index(place)]
        state = self._host.state
        before = taken(state, numbers) if finer else state
        settings, chunk = self._settings[place], self._chunk(place, tick, minutes)
        cells = state.cell_x[numbers], state.cell_y[numbers]
        moved, values = self._host.advanced(settings, chunk, numbers)
        moved = np.array(moved)
        lon, lat = self._in_degrees(place, cells, moved, values)
        until = self._minutes_until_finer(finer, moved, lon, lat)
        moved &= np.arange(minutes)[:, None] < until
        self._receiver.add(tick, numbers, moved, self._rows(values, lon, lat))
        enters = until < minutes
        left = ~state.alive[numbers] & ~enters
        if enters.any():
            self._host.put(numbers[enters], taken(before, enters))
        # For particles without any row this gives all minutes.
        stayed = minutes - np.argmax(moved[::-1], axis=0)
        for minute in map(int, np.unique(stayed[enters])):
            which = numbers[enters & (stayed == minute)]
            self._host.advanced(settings, self._chunk(place, tick, minute), which)
            self._follow(which, tick + minute, minutes - minute)
        for minute in map(int, np.unique(stayed[left])):
            if minute < minutes:
                which = numbers[left & (stayed == minute)]
                state.alive[which] = True
                self._follow(which, tick + minute, minutes - minute)

    def _minutes_until_finer(
        self, finer: Sequence[int], moved: np.ndarray, lon: np.ndarray, lat: np.ndarray
    ) -> np.ndarray:
        """Return after how many minutes a finer grid holds each particle; all where none does.

        Args:
            finer: the streams of finer grids.
            moved: whether there is a row, (minutes, n).
            lon, lat: at the end of each minute, (minutes, n).
        """
        minutes = len(moved)
        held = np.zeros_like(moved)
        for place in finer:
            held |= self._holds(place, lon, lat)
        held &= moved
        return np.where(held.any(axis=0), np.argmax(held, axis=0) + 1, minutes)

    def _chunk(self, place: int, tick: int, minutes: int) -> Chunk:
        stream = self._streams[place]
        first, second, offset, interval = stream.bracket(tick)
        held = self._held[place]
        arrays = {
            index: held[index] if index in held else to_device(stream.load(index))
            for index in (first, second)
        }
        self._held[place] = arrays
        return Chunk(
            BracketingAnalyses(arrays[first], arrays[second]), tick, minutes, offset, interval
        )

    def _in_degrees(
        self,
        place: int,
        cells: tuple[np.ndarray, np.ndarray],
        moved: np.ndarray,
        values: Sequence[np.ndarray],
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return longitudes and latitudes of rows, (minutes, n)."""
        x, y = (
            np.where(moved, values[at].astype(np.float64), 0.0) + cell
            for at, cell in zip(self._columns, cells, strict=True)
        )
        return self._streams[place].grid.to_lonlat(x, y)

    def _rows(
        self, values: Sequence[np.ndarray], lon: np.ndarray, lat: np.ndarray
    ) -> list[np.ndarray]:
        """Return columns with longitudes and latitudes in place of x and y."""
        at_x, at_y = self._columns
        out = list(values)
        out[at_x] = wrap_longitude(lon.astype(np.float32)).astype(np.float32)
        out[at_y] = lat.astype(np.float32)
        return out
