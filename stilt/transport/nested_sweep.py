"""Particles swept through several grids, each in the finest that holds its place and time.

A particle that leaves a grid goes on in the next one that holds it, from the minute and place at
which it left. It keeps its terrain-following height, so that its height above ground changes with
the terrain of the grids. Whether a finer grid holds it again is looked at every few minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax.numpy as jnp
import numpy as np

from stilt.meteorology.grids import wrap_longitude
from stilt.transport.host_particles import HostParticles
from stilt.transport.interpolation import AnalysisArrays, BracketingAnalyses
from stilt.transport.met_stream import MetStream
from stilt.transport.particles import Particles
from stilt.transport.program import JUST_IN_TIME, Chunk, Programs, SweepSettings
from stilt.transport.receiver import Receiver
from stilt.transport.step import Physics
from stilt.transport.step_columns import MAIN_COLUMNS
from stilt.transport.sweep import to_device

REVIEW_MINUTES = 5
"""At minutes of the day that are multiples of it every particle is given the finest grid that holds
it; so results do not depend on when a sweep begins."""

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
        stream_of: stream in whose cells each particle's state is, (particles,).
        receiver: of the rows of every minute, with positions in degrees.
        progress: called with the fraction done.
        programs: where compiled programs come from.
    """
    nest = _Nest(streams, physics, particles, stream_of, receiver, programs)
    last = int(particles.stop.max(initial=0))
    tick = int(particles.start.min(initial=0))
    while tick < last:
        minutes = min(nest.ticks_to_review(tick), last - tick, *nest.ticks_to_analyses(tick))
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
                stream.geometry, physics, jnp.asarray(stream.cell_size_m, jnp.float32), programs
            )
            for stream in streams
        ]
        self._host = HostParticles(self._settings[0], particles, receiver)
        self._held: list[dict[int, AnalysisArrays]] = [{} for _ in streams]
        self._columns = [receiver.columns.index(MAIN_COLUMNS.index(name)) for name in ("x", "y")]

    def ticks_to_review(self, tick: int) -> int:
        """Return the minutes until particles are given the finest grid again."""
        clock = self._streams[0].clock
        since = (clock.first_minute + clock.direction * tick) * clock.direction
        return REVIEW_MINUTES - since % REVIEW_MINUTES

    def ticks_to_analyses(self, tick: int) -> list[int]:
        """Return the minutes until the next analysis of each grid that has one ahead."""
        left = []
        for stream in self._streams:
            direction = stream.clock.direction
            minute = stream.first_minute + direction * tick
            ahead = [direction * (time - minute) for time in stream.clock.analysis_minutes]
            left += [min(each)] if (each := [minutes for minutes in ahead if minutes > 0]) else []
        return left

    def advance(self, tick: int, minutes: int) -> None:
        """Advance all particles by some minutes without an analysis of any grid in between."""
        numbers = self._host.moving(tick, minutes)
        self._assign(numbers, tick, minutes)
        # Those that leave a grid meanwhile have been through these minutes in others.
        begin_in = self._stream_of[numbers]
        for place in range(len(self._streams)):
            self._run(place, numbers[begin_in == place], tick, minutes)

    def _assign(self, numbers: np.ndarray, tick: int, minutes: int) -> None:
        """Give particles the finest grid that holds them."""
        if len(numbers):
            found = self._holding(numbers, tick, minutes)
            self._move(numbers, np.where(found == _NOWHERE, self._stream_of[numbers], found))

    def _holding(
        self, numbers: np.ndarray, tick: int, minutes: int, but: int = _NOWHERE
    ) -> np.ndarray:
        """Return the finest stream that holds each particle; of none in time the nearest."""
        lon, lat = self._places(numbers)
        found = np.full(len(numbers), _NOWHERE)
        there = [stream.covers(tick, minutes) for stream in self._streams]
        order = [place for place, covers in enumerate(there) if covers]
        order += sorted(
            (place for place, covers in enumerate(there) if not covers),
            key=lambda place: self._streams[place].minutes_away(tick),
        )
        for place in order:
            if place != but and (found == _NOWHERE).any():
                grid = self._streams[place].grid
                inside = grid.usable(*grid.to_xy(lon, lat))
                found = np.where((found == _NOWHERE) & inside, place, found)
        return found

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

    def _move(self, numbers: np.ndarray, streams: np.ndarray) -> None:
        """Give particles the cells of other grids, where they change."""
        changed = streams != self._stream_of[numbers]
        numbers, streams = numbers[changed], streams[changed]
        if not len(numbers):
            return
        lon, lat = self._places(numbers)
        state = self._host.state
        for place in np.unique(streams):
            here = streams == place
            x, y = self._streams[place].grid.to_xy(lon[here], lat[here])
            which = numbers[here]
            state.cell_x[which], state.cell_y[which] = np.floor(x), np.floor(y)
            state.x[which], state.y[which] = x - np.floor(x), y - np.floor(y)
        self._stream_of[numbers] = streams

    def _run(self, place: int, numbers: np.ndarray, tick: int, minutes: int) -> None:
        """Advance particles in one grid, and those that leave it in the next."""
        if not len(numbers):
            return
        chunk = self._chunk(place, tick, minutes)
        state = self._host.state
        cells = state.cell_x[numbers].copy(), state.cell_y[numbers].copy()
        moved, values = self._host.advanced(self._settings[place], chunk, numbers)
        moved = np.array(moved)
        self._receiver.add(tick, numbers, moved, self._in_degrees(place, cells, moved, values))
        gone = ~state.alive[numbers]
        if not gone.any():
            return
        left, rows = numbers[gone], moved[:, gone]
        begun = np.maximum(state.start[left] - tick, 0)
        stayed = np.where(rows.any(axis=0), minutes - np.argmax(rows[::-1], axis=0), begun)
        for minute in map(int, np.unique(stayed)):
            if minute < minutes:
                self._go_on(place, left[stayed == minute], tick + minute, minutes - minute)

    def _go_on(self, place: int, numbers: np.ndarray, tick: int, minutes: int) -> None:
        """Advance particles that have left a grid in the ones that hold them now."""
        found = self._holding(numbers, tick, minutes, but=place)
        numbers, found = numbers[found != _NOWHERE], found[found != _NOWHERE]
        self._host.state.alive[numbers] = True
        self._move(numbers, found)
        for other in np.unique(found):
            self._run(int(other), numbers[found == other], tick, minutes)

    def _chunk(self, place: int, tick: int, minutes: int) -> Chunk:
        stream = self._streams[place]
        first, second, offset, interval = stream.bracket(tick, minutes)
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
    ) -> list[np.ndarray]:
        """Return columns with longitudes and latitudes in place of x and y."""
        at_x, at_y = self._columns
        x, y = (
            np.where(moved, values[at].astype(np.float64), 0.0) + cell
            for at, cell in zip((at_x, at_y), cells, strict=True)
        )
        lon, lat = self._streams[place].grid.to_lonlat(x, y)
        lon = wrap_longitude(lon.astype(np.float32)).astype(np.float32)
        out = list(values)
        out[at_x], out[at_y] = lon, lat.astype(np.float32)
        return out
