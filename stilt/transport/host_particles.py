"""A sweep's particles on the host, advanced some blocks at a time: used on a CPU."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import TracebackType
from typing import NamedTuple, Self

import jax
import numpy as np

from stilt.transport.device import device
from stilt.transport.particles import MOVING, Particles
from stilt.transport.plumes import HostPlumes
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

_FOOT = MAIN_COLUMNS.index("foot")


class HostParticles:
    """Particles that stay on the host; those that move are gathered by height for every chunk.

    Attributes:
        state: of all particles, NumPy leaves of shape (particles,).
    """

    def __init__(self, setting: SweepSettings, particles: Particles, receiver: Receiver) -> None:
        """Take the particles of a sweep.

        Args:
            setting: shape of the met fields, physics.
            particles: initial state, NumPy leaves of shape (particles,).
            receiver: takes their rows.
        """
        self._setting, self._receiver = setting, receiver
        self.state = jax.tree.map(np.array, particles)
        self._size, self._together = device().shape(len(particles.start))
        minutes = device().minutes
        self._rows = ChunkRows.empty(len(column_names(setting.physics)), minutes, self._together)
        # Allocated once: the system clears new memory, which takes time.
        self._buffer = _RowBuffer.empty(len(receiver.columns), minutes * len(particles.start))
        near_field = receiver.near_field
        self._plumes = None if near_field is None else HostPlumes(near_field, particles.start)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Do nothing: all rows have been handed over."""

    def advance(self, chunk: Chunk) -> None:
        """Advance those that move in a chunk, and hand over their rows."""
        numbers = self.moving(chunk.tick, chunk.minutes)
        if len(numbers):
            moved, values = self.advanced(self._setting, chunk, numbers)
            self._receiver.add(chunk.tick, numbers, moved, values)

    def moving(self, tick: int, minutes: int) -> np.ndarray:
        """Return the numbers of the particles that move in these minutes, by height."""
        now = self.state
        due = np.flatnonzero(now.alive & (now.start < tick + minutes) & (now.stop > tick))
        return due[np.argsort(now.z[due], kind="stable")]

    def advanced(
        self, setting: SweepSettings, chunk: Chunk, numbers: np.ndarray
    ) -> tuple[np.ndarray, Sequence[np.ndarray]]:
        """Advance some particles; return what moved and the columns, (minutes, numbers) each.

        The arrays are overwritten by the next call.
        """
        count, together, minutes = len(numbers), self._together, chunk.minutes
        chosen = filled_up(self.state, numbers, together)
        room = self._buffer.of(minutes, count)
        moved: np.ndarray = room.moved
        values: Sequence[np.ndarray] = list(room.values)
        for begin in range(0, count, together):
            part = slice(begin, begin + together)
            here = min(together, count - begin)
            done, self._rows = advance(
                setting, chunk, taken(chosen, part), self._rows, count=here, size=self._size
            )
            _put(chosen, part, done)
            has_moved = np.asarray(self._rows.moved)[:minutes, :here]
            every = np.asarray(self._rows.values)
            columns = [every[source, :minutes, :here] for source in self._receiver.columns]
            if self._plumes is not None:
                columns[self._receiver.columns.index(_FOOT)] = self._plumes.corrected(
                    every[:, :minutes, :here], has_moved, numbers[part], chunk.tick
                )
            if count <= together:
                moved, values = has_moved, columns
            else:
                moved[:, part] = has_moved
                for column, source in zip(values, columns, strict=True):
                    column[:, part] = source
                # Released for the next call, which otherwise could not overwrite them in place.
                del has_moved, every, columns
        self.put(numbers, taken(chosen, slice(count)))
        return moved, values

    def put(self, numbers: np.ndarray, particles: Particles) -> None:
        """Overwrite the state that a step changes, for the particles of these numbers."""
        _put(self.state, numbers, particles)


class _RowBuffer(NamedTuple):
    """Memory for the rows of a chunk that takes several calls.

    Attributes:
        values: wanted columns, (columns, rows), or (columns, minutes, n).
        moved: whether there is such a row, (rows,), or (minutes, n).
    """

    values: np.ndarray
    moved: np.ndarray

    @classmethod
    def empty(cls, columns: int, rows: int) -> _RowBuffer:
        """Reserve room for so many columns and rows."""
        return cls(np.empty((columns, rows), np.float32), np.empty(rows, bool))

    def of(self, minutes: int, particles: int) -> _RowBuffer:
        """Return the beginning of this memory, for fewer rows."""
        shape = (minutes, particles)
        rows = math.prod(shape)
        return _RowBuffer(
            self.values[:, :rows].reshape(len(self.values), *shape),
            self.moved[:rows].reshape(shape),
        )


def _put(particles: Particles, which: slice | np.ndarray, new: Particles) -> None:
    """Overwrite the state that a step changes."""
    for name in (*MOVING, "alive", "errors"):
        jax.tree.map(
            lambda leaf, changed: leaf.__setitem__(which, np.asarray(changed)),
            getattr(particles, name),
            getattr(new, name),
        )
