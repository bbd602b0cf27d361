"""A sweep's particles on the device from beginning to end: the way of a GPU.

Their rows leave it while the next minutes are computed, through memory that the GPU writes to
directly where there is such: ten times as fast as into the memory of a NumPy array.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Self

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import SingleDeviceSharding

from stilt.transport.device import device
from stilt.transport.program import (
    Chunk,
    Receiver,
    Rows,
    Setting,
    advance,
    columns_of,
    filled_up,
    taken,
)
from stilt.transport.step import Particles

CHUNKS_UNDER_WAY = 2
"""Chunks whose rows may be on the device or on their way to the host."""

_PINNED = "pinned_host"


class Resident:
    """Particles that stay on the device, all of them in every call."""

    def __init__(self, setting: Setting, particles: Particles, receiver: Receiver) -> None:
        """Take the particles of a sweep.

        Args:
            setting: weather's shape, physics.
            particles: initial state, NumPy leaves of shape (particles,).
            receiver: of their rows; another thread calls it.
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
        self._rows = Rows.empty(len(columns_of(setting.physics)), device().minutes, together)
        self._fetching = ThreadPoolExecutor(1, thread_name_prefix="rows")
        self._under_way: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait until the last rows are handed over; after an error until one chunk is."""
        try:
            if error is None:
                self._wait(0)
        finally:
            self._fetching.shutdown(cancel_futures=True)

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
            hand_over = self._rows_of_all(chunk) if self._whole else self._rows_of(chunk, numbers)
            self._wait(CHUNKS_UNDER_WAY - 1)
            self._under_way.append(self._fetching.submit(hand_over))

    @property
    def _whole(self) -> bool:
        """Whether one call takes all particles."""
        return len(self._numbers) == 1

    def _rows_of_all(self, chunk: Chunk) -> Callable[[], None]:
        """Have the last call's rows put together for each release; what hands them over."""
        each = self._receiver.particles
        found = _by_release(self._rows, self._wanted, len(self._start) // each, each)

        def hand_over() -> None:
            values, moved = to_host(found.values), to_host(found.moved)
            minutes = chunk.minutes
            self._receiver.add_all(chunk.tick, moved[:, :minutes], values[:, :, :minutes])

        return hand_over

    def _rows_of(self, chunk: Chunk, numbers: np.ndarray) -> Callable[[], None]:
        """Have the last call's rows copied; what hands them over."""
        found = _chosen(self._rows, self._wanted)

        def hand_over() -> None:
            values, moved = to_host(found.values), to_host(found.moved)
            part = (..., slice(chunk.minutes), slice(len(numbers)))
            self._receiver.add(chunk.tick, numbers, moved[part], list(values[part]))

        return hand_over

    def _wait(self, left: int) -> None:
        """Wait until no more than so many chunks are under way; raises what went wrong there."""
        while len(self._under_way) > left:
            self._under_way.popleft().result()


@partial(jax.jit, static_argnames=("wanted",))
def _chosen(rows: Rows, wanted: tuple[int, ...]) -> Rows:
    """A copy of the wanted columns, which the next call does not overwrite."""
    return Rows(rows.values[jnp.array(wanted)], jnp.copy(rows.moved))


@partial(jax.jit, static_argnames=("wanted", "releases", "each"))
def _by_release(rows: Rows, wanted: tuple[int, ...], releases: int, each: int) -> Rows:
    """The wanted columns of so many releases, one release after the other."""
    found = _chosen(rows, wanted)
    values, moved = (leaf[..., : releases * each] for leaf in found)
    values = values.reshape(*values.shape[:-1], releases, each)
    moved = moved.reshape(*moved.shape[:-1], releases, each)
    return Rows(jnp.moveaxis(values, -2, 0), jnp.moveaxis(moved, -2, 0))


def to_host(array: jax.Array) -> np.ndarray:
    """An array of a device as one of NumPy, to be read only."""
    place = next(iter(array.devices()))
    if any(memory.kind == _PINNED for memory in place.addressable_memories()):
        # Waits here, without Python's lock; NumPy then takes the memory as it is.
        array = jax.device_put(array, SingleDeviceSharding(place, memory_kind=_PINNED))
        array.block_until_ready()
    return np.asarray(array)
