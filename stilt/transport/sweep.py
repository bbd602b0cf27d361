"""Particles of many receptors swept together through the weather, minute by minute.

All receptors of a sweep share one clock that starts at the latest release (the earliest, forward)
and only the two analyses around the clock are on the device. Particles are computed in blocks of
one fixed size, so that one compiled program serves every batch, and those at similar heights
share a block on a CPU, where one call takes many blocks in turn: :mod:`stilt.transport.device`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from stilt.meteorology.prepare import PreparedAnalysis
from stilt.transport.device import device
from stilt.transport.step import (
    EXTRA_COLUMNS,
    MAIN_COLUMNS,
    Particles,
    Physics,
    minute_step,
)
from stilt.transport.weather import Frame, Frames, Geometry

CHUNK_MINUTES = 10
"""Minutes that one call of the compiled program advances at most."""


@dataclass(frozen=True)
class SweepClock:
    """The clock of a sweep in whole minutes since the epoch.

    Attributes:
        first_minute: minute at tick zero.
        direction: sign of time.
        analysis_minutes: valid times of the analyses, ascending.
    """

    first_minute: int
    direction: int
    analysis_minutes: tuple[int, ...]

    def bracket(self, tick: int) -> tuple[int, int]:
        """Indices of the analyses around the minute that begins at ``tick``, clock side first."""
        minute = self.first_minute + self.direction * tick
        times = np.asarray(self.analysis_minutes)
        if self.direction < 0:
            first = int(np.searchsorted(times, minute, side="left"))
            return first, first - 1
        first = int(np.searchsorted(times, minute, side="right")) - 1
        return first, first + 1

    def analyses(self, ticks: int) -> range:
        """Indices of the analyses that so many minutes need, in the order of the clock."""
        first, last = self.bracket(0)[0], self.bracket(ticks - 1)[1]
        return range(first, last + self.direction, self.direction)

    def ticks_left(self, tick: int, second: int) -> int:
        """Minutes until the clock reaches analysis ``second``."""
        minute = self.first_minute + self.direction * tick
        return abs(self.analysis_minutes[second] - minute)

    def offset(self, tick: int, first: int) -> int:
        """Minutes since analysis ``first``, along the particles' way."""
        return abs(self.first_minute + self.direction * tick - self.analysis_minutes[first])


def columns_of(physics: Physics) -> tuple[str, ...]:
    """Names of the columns that a sweep with these settings gives."""
    return MAIN_COLUMNS + EXTRA_COLUMNS if physics.extra else MAIN_COLUMNS


class Rows(NamedTuple):
    """What the blocks of one call leave behind; overwritten by the next call.

    Attributes:
        values: (columns, ``CHUNK_MINUTES``, particles), float32.
        moved: (``CHUNK_MINUTES``, particles), whether there is such a row.
    """

    values: jax.Array
    moved: jax.Array

    @classmethod
    def empty(cls, columns: int, particles: int) -> Rows:
        """Room for this many columns and particles."""
        return cls(
            jnp.zeros((columns, CHUNK_MINUTES, particles), jnp.float32),
            jnp.zeros((CHUNK_MINUTES, particles), bool),
        )


@partial(jax.jit, static_argnames=("geometry", "physics", "size"), donate_argnames=("rows",))
def _advance(
    frames: Frames,
    particles: Particles,
    rows: Rows,
    cell_size_m: jax.Array,
    tick: jax.Array,
    minutes: jax.Array,
    offset: jax.Array,
    interval: jax.Array,
    blocks: jax.Array,
    *,
    geometry: Geometry,
    physics: Physics,
    size: int,
) -> tuple[Particles, Rows]:
    """Advance the first ``blocks`` blocks of ``size`` particles by up to ``CHUNK_MINUTES``.

    Particles of other blocks, and rows beyond ``minutes``, are left as they were.
    """

    def minute_of_block(
        minute: jax.Array, now: tuple[Particles, Rows], first: jax.Array
    ) -> tuple[Particles, Rows]:
        state, rows = now
        before = (offset + minute).astype(jnp.float32) / interval
        after = (offset + minute + 1).astype(jnp.float32) / interval
        state, moves, columns = minute_step(
            frames, geometry, physics, state, tick + minute, (before, after), cell_size_m
        )
        place = (jnp.zeros_like(first), minute, first)
        return state, Rows(
            jax.lax.dynamic_update_slice(rows.values, columns[:, None], place),
            jax.lax.dynamic_update_slice(rows.moved, moves[None], place[1:]),
        )

    def one_block(number: jax.Array, carry: tuple[Particles, Rows]) -> tuple[Particles, Rows]:
        every, rows = carry
        first = number * size
        block = jax.tree.map(lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, first, size), every)
        block, rows = jax.lax.fori_loop(
            0, minutes, lambda minute, now: minute_of_block(minute, now, first), (block, rows)
        )
        every = jax.tree.map(
            lambda leaf, new: jax.lax.dynamic_update_slice_in_dim(leaf, new, first, 0),
            every,
            block,
        )
        return every, rows

    return jax.lax.fori_loop(0, blocks, one_block, (particles, rows))


def sweep(
    geometry: Geometry,
    physics: Physics,
    clock: SweepClock,
    load: Callable[[int], PreparedAnalysis],
    cell_size_m: np.ndarray,
    particles: Particles,
    wanted: Sequence[int],
    receive: Callable[[int, np.ndarray, np.ndarray, Sequence[np.ndarray]], None],
    progress: Callable[[float], None] | None = None,
) -> None:
    """Move particles until the last one stops.

    Args:
        geometry: shape of the weather.
        physics: settings.
        clock: times of the sweep.
        load: gives the prepared analysis with an index into ``clock.analysis_minutes``.
        cell_size_m: (ny * nx, 2).
        particles: initial state, NumPy leaves of shape (particles,).
        wanted: positions in :func:`columns_of` of the columns to hand over.
        receive: called with (tick, particle numbers, moved (minutes, n), the wanted columns
            (minutes, n) each) after every chunk of minutes, which overwrites them all.
        progress: called with the fraction done.
    """
    state = jax.tree.map(np.array, particles)
    last = int(particles.stop.max(initial=0))
    size, together = device().shape(len(particles.start))
    rows = Rows.empty(len(columns_of(physics)), together)
    sizes = jnp.asarray(cell_size_m, jnp.float32)
    # Made once: fresh memory has to be cleared by the system.
    room = Room.empty(len(wanted), len(particles.start))
    held: dict[int, Frame] = {}
    tick = int(particles.start.min(initial=0))
    while tick < last:
        first, second = clock.bracket(tick)
        held = {index: held.get(index) or to_device(load(index)) for index in (first, second)}
        minutes = min(CHUNK_MINUTES, clock.ticks_left(tick, second), last - tick)
        numbers = _in_order(state, tick, minutes)
        chunk = _Chunk(
            Frames(held[first], held[second]),
            (
                np.int32(tick),
                np.int32(minutes),
                np.int32(clock.offset(tick, first)),
                np.float32(abs(clock.analysis_minutes[first] - clock.analysis_minutes[second])),
            ),
            room.of(minutes, len(numbers)),
        )
        if len(numbers):
            rows, moved, values = _advance_chunk(
                geometry, physics, chunk, sizes, state, numbers, wanted, rows, size
            )
            receive(tick, numbers, moved, values)
            # Given back to the next call.
            del moved, values
        tick += minutes
        if progress is not None:
            progress(min(tick / last, 1.0))


class Room(NamedTuple):
    """Memory for the rows of a chunk that takes several calls.

    Attributes:
        values: wanted columns, (columns, ``CHUNK_MINUTES`` * particles), or (columns, minutes, n).
        moved: whether there is such a row, (``CHUNK_MINUTES`` * particles,), or (minutes, n).
    """

    values: np.ndarray
    moved: np.ndarray

    @classmethod
    def empty(cls, columns: int, particles: int) -> Room:
        """Room for so many columns and particles."""
        rows = CHUNK_MINUTES * particles
        return cls(np.empty((columns, rows), np.float32), np.empty(rows, bool))

    def of(self, minutes: int, particles: int) -> Room:
        """The beginning of this memory, for fewer rows."""
        shape = (minutes, particles)
        rows = math.prod(shape)
        return Room(
            self.values[:, :rows].reshape(len(self.values), *shape),
            self.moved[:rows].reshape(shape),
        )


class _Chunk(NamedTuple):
    """Some minutes of a sweep.

    Attributes:
        frames: the weather.
        clock: tick, minutes, offset and interval as :func:`_advance` takes them.
        room: to be filled.
    """

    frames: Frames
    clock: tuple[np.int32, np.int32, np.int32, np.float32]
    room: Room


def _advance_chunk(
    geometry: Geometry,
    physics: Physics,
    chunk: _Chunk,
    cell_size_m: jax.Array,
    state: Particles,
    numbers: np.ndarray,
    wanted: Sequence[int],
    rows: Rows,
    size: int,
) -> tuple[Rows, np.ndarray, Sequence[np.ndarray]]:
    """Advance the particles of these numbers in ``state``; gives what moved, and the columns."""
    together = rows.moved.shape[1]
    count = len(numbers)
    # Filled up with copies that do not move.
    chosen = _taken(state, np.resize(numbers, -(-count // together) * together))
    chosen.alive[count:] = False
    minutes = len(chunk.room.moved)
    moved: np.ndarray = chunk.room.moved
    values: Sequence[np.ndarray] = list(chunk.room.values)
    for begin in range(0, count, together):
        part = slice(begin, begin + together)
        here = min(together, count - begin)
        done, rows = _advance(
            chunk.frames,
            _taken(chosen, part),
            rows,
            cell_size_m,
            *chunk.clock,
            np.int32(-(-here // size)),
            geometry=geometry,
            physics=physics,
            size=size,
        )
        _put(chosen, part, done)
        has_moved = np.asarray(rows.moved)[:minutes, :here]
        columns = [np.asarray(rows.values)[source, :minutes, :here] for source in wanted]
        if count <= together:
            moved, values = has_moved, columns
        else:
            moved[:, part] = has_moved
            for column, source in zip(values, columns, strict=True):
                column[:, part] = source
    _put(state, numbers, _taken(chosen, slice(count)))
    return rows, moved, values


def _taken(particles: Particles, which: slice | np.ndarray) -> Particles:
    return jax.tree.map(lambda leaf: leaf[which], particles)


def _put(particles: Particles, which: slice | np.ndarray, new: Particles) -> None:
    """Overwrite what a step changes."""
    pairs = zip(
        jax.tree.leaves((particles[:8], particles.errors)),
        jax.tree.leaves((new[:8], new.errors)),
        strict=True,
    )
    for leaf, changed in pairs:
        leaf[which] = np.asarray(changed)


def to_device(prepared: PreparedAnalysis) -> Frame:
    """Put a prepared analysis on the device, its axes flattened."""
    surface = prepared.surface
    return Frame(
        jnp.asarray(prepared.column.reshape(-1)),
        jnp.asarray(prepared.turbulence.reshape(-1)),
        jnp.asarray(prepared.air.reshape(-1)),
        jnp.asarray(surface.reshape(-1, surface.shape[-1])),
    )


def _in_order(now: Particles, tick: int, minutes: int) -> np.ndarray:
    """Numbers of the particles that move in this chunk, by height where that helps."""
    due = np.flatnonzero(now.alive & (now.start < tick + minutes) & (now.stop > tick))
    return due[np.argsort(now.z[due], kind="stable")] if device().by_height else due
