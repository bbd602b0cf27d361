"""Particles of many receptors swept together through the weather, minute by minute.

All receptors of a sweep share one clock that starts at the latest release (the earliest, forward)
and only the two analyses around the clock are on the device. Particles are computed in blocks of
one fixed size, so that one compiled program serves every batch, and those at similar heights
share a block, because they need similar numbers of sub-steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from stilt.meteorology.prepare import PreparedAnalysis
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

_CPU_BLOCK = 256
_GPU_BLOCK = 65_536


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


@partial(jax.jit, static_argnames=("geometry", "physics"))
def _advance_block(
    frames: Frames,
    particles: Particles,
    cell_size_m: jax.Array,
    tick: jax.Array,
    minutes: jax.Array,
    offset: jax.Array,
    interval: jax.Array,
    *,
    geometry: Geometry,
    physics: Physics,
) -> tuple[Particles, jax.Array, jax.Array]:
    """Advance one block by up to ``CHUNK_MINUTES``; rows beyond ``minutes`` stay empty."""
    size = particles.x.shape[0]
    rows = jnp.zeros((CHUNK_MINUTES, len(columns_of(physics)), size), jnp.float32)
    moved = jnp.zeros((CHUNK_MINUTES, size), bool)

    def body(
        minute: jax.Array, carry: tuple[Particles, jax.Array, jax.Array]
    ) -> tuple[Particles, jax.Array, jax.Array]:
        state, out, flags = carry
        before = (offset + minute).astype(jnp.float32) / interval
        after = (offset + minute + 1).astype(jnp.float32) / interval
        state, moves, columns = minute_step(
            frames, geometry, physics, state, tick + minute, (before, after), cell_size_m
        )
        return state, out.at[minute].set(columns), flags.at[minute].set(moves)

    return jax.lax.fori_loop(0, minutes, body, (particles, rows, moved))


def block_size() -> int:
    """Particles per block on this device."""
    return _CPU_BLOCK if jax.default_backend() == "cpu" else _GPU_BLOCK


def sweep(
    geometry: Geometry,
    physics: Physics,
    clock: SweepClock,
    load: Callable[[int], PreparedAnalysis],
    cell_size_m: np.ndarray,
    particles: Particles,
    receive: Callable[[int, np.ndarray, np.ndarray, np.ndarray], None],
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
        receive: called with (tick, particle numbers, moved (minutes, n), rows (minutes, columns,
            n)) after every chunk of minutes.
        progress: called with the fraction done.
    """
    state = jax.tree.map(np.array, particles)
    last = int(particles.stop.max(initial=0))
    sizes = jnp.asarray(cell_size_m, jnp.float32)
    size = block_size()
    held: dict[int, Frame] = {}
    tick = int(particles.start.min(initial=0))
    while tick < last:
        first, second = clock.bracket(tick)
        held = {index: held.get(index) or to_device(load(index)) for index in (first, second)}
        frames = Frames(held[first], held[second])
        minutes = min(CHUNK_MINUTES, clock.ticks_left(tick, second), last - tick)
        interval = abs(clock.analysis_minutes[first] - clock.analysis_minutes[second])
        blocks: list[tuple[np.ndarray, ...]] = []
        for block in _blocks(state, tick, minutes, size):
            padded = np.concatenate([block, np.full(size - len(block), block[0])])
            part = jax.tree.map(lambda leaf, rows=padded: leaf[rows], state)
            part = part._replace(alive=part.alive & (np.arange(size) < len(block)))
            done, rows, moved = _advance_block(
                frames,
                part,
                sizes,
                np.int32(tick),
                np.int32(minutes),
                np.int32(clock.offset(tick, first)),
                np.float32(interval),
                geometry=geometry,
                physics=physics,
            )
            changed = zip(
                jax.tree.leaves((state[:8], state.errors)),
                jax.tree.leaves((done[:8], done.errors)),
                strict=True,
            )
            for leaf, new in changed:
                leaf[block] = np.asarray(new)[: len(block)]
            made = (np.asarray(leaf)[:minutes, ..., : len(block)] for leaf in (moved, rows))
            blocks.append((block, *made))
        if blocks:
            columns = zip(*blocks, strict=True)
            receive(tick, *(np.concatenate(pieces, axis=-1) for pieces in columns))
        tick += minutes
        if progress is not None:
            progress(min(tick / last, 1.0))


def to_device(prepared: PreparedAnalysis) -> Frame:
    """Put a prepared analysis on the device, its axes flattened."""
    surface = prepared.surface
    return Frame(
        jnp.asarray(prepared.column.reshape(-1)),
        jnp.asarray(prepared.turbulence.reshape(-1)),
        jnp.asarray(prepared.air.reshape(-1)),
        jnp.asarray(surface.reshape(-1, surface.shape[-1])),
    )


def _blocks(now: Particles, tick: int, minutes: int, size: int) -> Sequence[np.ndarray]:
    """Particle numbers that move in this chunk, in blocks of similar height."""
    due = np.flatnonzero(now.alive & (now.start < tick + minutes) & (now.stop > tick))
    if len(due) == 0:
        return []
    order = due[np.argsort(now.z[due], kind="stable")]
    # Neighbours in number lie together in memory.
    return [np.sort(block) for block in np.array_split(order, range(size, len(order), size))]
