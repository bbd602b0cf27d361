"""Columns of which only each particle's first and last row are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np


@dataclass(frozen=True)
class Ends:
    """First and last rows of a sweep's particles, of those received so far.

    Attributes:
        names: of the columns.
        values: of the first and the last row, (columns, 2, particles), float32.
        begun: whether a particle has a row, (particles,).
    """

    names: tuple[str, ...]
    values: np.ndarray
    begun: np.ndarray

    @classmethod
    def of(cls, names: Sequence[str], particles: int) -> Self:
        """Reserve room for so many particles."""
        values = np.full((len(names), 2, particles), np.nan, np.float32)
        return cls(tuple(names), values, np.zeros(particles, bool))

    def add(
        self, numbers: np.ndarray, moved: np.ndarray, values: Sequence[np.ndarray] | np.ndarray
    ) -> None:
        """Take rows of some particles, which come in the order of minutes.

        Args:
            numbers: of the particles, (n,).
            moved: whether there is such a row, (minutes, n).
            values: (minutes, n) for every column.
        """
        if not self.names:
            return
        some = np.flatnonzero(moved.any(axis=0))
        number, moved = numbers[some], moved[:, some]
        last = len(moved) - 1 - moved[::-1].argmax(axis=0)
        new = np.flatnonzero(~self.begun[number])
        first = moved[:, new].argmax(axis=0)
        for kept, column in zip(self.values, values, strict=True):
            kept[0, number[new]] = column[first, some[new]]
            kept[1, number] = column[last, some]
        self.begun[number] = True

    def of_release(self, release: int, particles: int) -> Mapping[str, np.ndarray]:
        """Return the columns of one release, (2, particles) each."""
        part = slice(release * particles, (release + 1) * particles)
        return {
            name: values[:, part].copy()
            for name, values in zip(self.names, self.values, strict=True)
        }
