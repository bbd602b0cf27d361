"""A sweep's particles on the device from beginning to end: used on a GPU.

Their rows are copied to the host while the next minutes are computed, through pinned memory where
there is any, which the GPU writes to directly: ten times as fast as into a NumPy array's memory.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Self

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import SingleDeviceSharding

from stilt.meteorology.grids import MetGrid
from stilt.transport.device import device
from stilt.transport.particles import Particles
from stilt.transport.plumes import Plumes, corrected_influence
from stilt.transport.program import (
    Chunk,
    ChunkRows,
    SweepSettings,
    advance,
    column_names,
    filled_up,
    taken,
)
from stilt.transport.receiver import Receiver
from stilt.transport.step_columns import MAIN_COLUMNS

CHUNKS_UNDER_WAY = 2
"""Chunks whose rows may be on the device or on their way to the host."""

COPYING_THREADS = 3
"""Threads that put rows into their tables; a single one would take as long as the GPU."""

_PINNED = "pinned_host"


class DeviceParticles:
    """Particles that stay on the device, all of them in every call."""

    def __init__(self, setting: SweepSettings, particles: Particles, receiver: Receiver) -> None:
        """Take the particles of a sweep.

        Args:
            setting: shape of the met fields, physics.
            particles: initial state, NumPy leaves of shape (particles,).
            receiver: takes their rows; it is called from another thread.
        """
        count = len(particles.start)
        self._setting, self._receiver = setting, receiver
        self._wanted = tuple(receiver.columns)
        self._start, self._stop = particles.start, particles.stop
        self._size, together = device().shape(count)
        every = filled_up(particles, np.arange(count), together)
        self._numbers = [
            np.arange(begin, min(begin + together, count)) for begin in range(0, count, together)
        ]
        self._parts = [
            jax.device_put(taken(every, slice(part[0], part[0] + together)))
            for part in self._numbers
        ]
        self._rows = ChunkRows.empty(len(column_names(setting.physics)), device().minutes, together)
        self._cells = [jnp.stack([part.cell_x, part.cell_y]) for part in self._parts]
        self._near_field = receiver.near_field
        self._plumes: list[Plumes] = []
        if self._near_field is not None:
            heights = self._near_field.height_agl_m
            self._plumes = [
                Plumes.at_release(heights[part], self._start[part], together)
                for part in self._numbers
            ]
        self._fetching = ThreadPoolExecutor(1, thread_name_prefix="rows")
        self._copying = ThreadPoolExecutor(COPYING_THREADS, thread_name_prefix="copies")
        self._under_way: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait until all rows are handed over; after an error, only for the chunk being copied."""
        try:
            if error is None:
                self._wait(0)
        finally:
            self._fetching.shutdown(cancel_futures=True)
            self._copying.shutdown(cancel_futures=True)

    def advance(self, chunk: Chunk) -> None:
        """Advance all by a chunk; its rows are handed over later."""
        if not np.any((self._start < chunk.tick + chunk.minutes) & (self._stop > chunk.tick)):
            return
        for place, numbers in enumerate(self._numbers):
            self._parts[place], self._rows = advance(
                self._setting,
                chunk,
                self._parts[place],
                self._rows,
                count=len(numbers),
                size=self._size,
            )
            influence = None
            if self._near_field is not None:
                influence, self._plumes[place] = corrected_influence(
                    self._rows,
                    self._plumes[place],
                    chunk,
                    names=column_names(self._setting.physics),
                    veght=self._near_field.veght,
                )
            with jax.enable_x64(True):
                found = _chosen(
                    self._rows,
                    influence,
                    self._cells[place],
                    self._wanted,
                    self._receiver.grid,
                )
                whole = len(self._numbers) == 1
                if whole:
                    found = _by_release(found, self._receiver.particles, len(numbers))
            hand_over = self._all_rows if whole else self._some_rows
            self._wait(CHUNKS_UNDER_WAY - 1)
            self._under_way.append(self._fetching.submit(hand_over, chunk, numbers, found))

    def _all_rows(self, chunk: Chunk, numbers: np.ndarray, found: ChunkRows) -> None:
        """Hand over a call's rows, put together by release."""
        del numbers
        values = to_host(found.values)[:, :, : chunk.minutes]
        moved = to_host(found.moved)[:, : chunk.minutes]

        def hand_over(part: np.ndarray) -> None:
            some = slice(part[0], part[-1] + 1)
            self._receiver.add_all(chunk.tick, int(part[0]), moved[some], values[some])

        releases = np.array_split(np.arange(len(moved)), min(COPYING_THREADS, len(moved)))
        list(self._copying.map(hand_over, releases))

    def _some_rows(self, chunk: Chunk, numbers: np.ndarray, found: ChunkRows) -> None:
        """Hand over the rows of the particles that one call took, by their numbers."""
        values, moved = to_host(found.values), to_host(found.moved)
        part = (..., slice(chunk.minutes), slice(len(numbers)))
        self._receiver.add(chunk.tick, numbers, moved[part], list(values[part]))

    def _wait(self, left: int) -> None:
        """Wait until at most so many chunks are under way; raise what went wrong there."""
        while len(self._under_way) > left:
            self._under_way.popleft().result()


@partial(jax.jit, static_argnames=("wanted", "grid"))
def _chosen(
    rows: ChunkRows,
    influence: jax.Array | None,
    cells: jax.Array,
    wanted: tuple[int, ...],
    grid: MetGrid | None,
) -> ChunkRows:
    """Copy the wanted columns, because the next call overwrites the rows.

    ``influence`` replaces that of the rows where it is given.
    """
    values = rows.values[jnp.array(wanted)]
    if influence is not None:
        values = values.at[wanted.index(MAIN_COLUMNS.index("foot"))].set(influence)
    if grid is not None:
        at_x, at_y = (wanted.index(MAIN_COLUMNS.index(name)) for name in ("x", "y"))
        cell_x, cell_y = cells.astype(jnp.float64)
        x, y = values[at_x].astype(jnp.float64) + cell_x, values[at_y].astype(jnp.float64) + cell_y
        lon, lat = grid.unwrapped_lonlat(x, y, jnp)
        lon = (jnp.mod(lon + 180.0, 360.0) - 180.0).astype(jnp.float32)
        # Rounding may have turned a value just below 180 into 180.
        values = values.at[at_x].set(jnp.where(lon >= 180.0, -180.0, lon).astype(jnp.float32))
        values = values.at[at_y].set(lat.astype(jnp.float32))
    return ChunkRows(values, jnp.copy(rows.moved))


@partial(jax.jit, static_argnames=("each", "count"))
def _by_release(rows: ChunkRows, each: int, count: int) -> ChunkRows:
    """Return rows of the first ``count`` particles, one release after the other."""

    def put_together(leaf: jax.Array) -> jax.Array:
        leaf = leaf[..., :count]
        return jnp.moveaxis(leaf.reshape(*leaf.shape[:-1], count // each, each), -2, 0)

    return ChunkRows(*map(put_together, rows))


def to_host(array: jax.Array) -> np.ndarray:
    """Return an array on a device as a read-only NumPy array."""
    place = next(iter(array.devices()))
    if any(memory.kind == _PINNED for memory in place.addressable_memories()):
        # Waiting here releases Python's lock; NumPy then uses the memory without a copy.
        array = jax.device_put(array, SingleDeviceSharding(place, memory_kind=_PINNED))
        array.block_until_ready()
    return np.asarray(array)
