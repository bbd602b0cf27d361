"""Particle steps sorted by age, so that the rows of one age are contiguous."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from stilt.footprint.steps import Floats, Ints, ParticleSteps

# Rows processed together: enough that calls cost little, few enough for the processor's caches.
PART_ROWS = 131_072


@dataclass(frozen=True)
class Part:
    """Neighbouring segments with all rows of the ages they belong to.

    Attributes:
        rows, segments: which of all rows, and of all segments.
    """

    rows: slice
    segments: slice


@dataclass(frozen=True)
class Ages:
    """Rows in segments of equal age and time, ordered by age.

    Attributes:
        first: first row of every segment, and the number of rows, shape (segments + 1,).
        time_min: time of every segment, minutes since release, shape (segments,).
        minutes: the distinct ages with the sign of time, outwards from the release, shape (ages,).
        age: position in ``minutes`` of every segment, ascending, shape (segments,).
    """

    first: Ints
    time_min: Floats
    minutes: Floats
    age: Ints

    @classmethod
    def order(cls, steps: ParticleSteps, particles: int) -> tuple[ParticleSteps, Ages]:
        """Sort the steps of some particles by age; nothing is copied where they are sorted."""
        time, starts = steps.time_min, steps.runs[:-1]
        elapsed = np.abs(time[starts])
        in_order = np.all(np.diff(elapsed) > 0)
        if in_order and np.unique(steps.particle[: steps.runs[1]]).size == particles:
            age = time[starts] - steps.direction() * elapsed[0]
            return steps, cls(steps.runs, time[starts], age, np.arange(starts.size))
        age = steps.age()
        order = np.lexsort((np.abs(time), np.abs(age)))
        steps, age = steps.take(order), age[order]
        starts = np.union1d(steps.runs[:-1], _changes(age))
        minutes = age[starts]
        change = np.append(True, np.diff(minutes) != 0)
        return steps, cls(
            np.append(starts, time.size),
            steps.time_min[starts],
            minutes[change],
            np.cumsum(change) - 1,
        )

    def sizes(self) -> Ints:
        """Return the number of rows of each age."""
        return np.diff(self._rows_of_ages)

    def parts(self) -> Iterator[Part]:
        """Yield all rows in order, in pieces that hold whole ages."""
        segment, row = self._segments_of_ages, self._rows_of_ages
        begin = 0
        while begin < row.size - 1:
            end = int(np.searchsorted(row, row[begin] + PART_ROWS, side="right")) - 1
            end = max(end, begin + 1)
            yield Part(
                slice(int(row[begin]), int(row[end])), slice(int(segment[begin]), int(segment[end]))
            )
            begin = end

    def spread(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Compute the sum of squared distances from the mean position, and mean y, of each age.

        Args:
            x, y: positions of the rows, shape (rows,).
        """
        squares, mean_y = np.empty(self.minutes.size), np.empty(self.minutes.size)
        for part in self.parts():
            low = int(self.age[part.segments.start])
            high = int(self.age[part.segments.stop - 1]) + 1
            first = self._rows_of_ages[low : high + 1] - part.rows.start
            squares[low:high], _ = _about_mean(x[part.rows], first)
            added, mean_y[low:high] = _about_mean(y[part.rows], first)
            squares[low:high] += added
        return squares, mean_y

    @cached_property
    def _segments_of_ages(self) -> Ints:
        """First segment of every age, and the number of segments."""
        return np.append(np.flatnonzero(np.diff(self.age, prepend=-1)), self.age.size)

    @cached_property
    def _rows_of_ages(self) -> Ints:
        """First row of every age, and the number of rows."""
        return self.first[self._segments_of_ages]


def _changes(values: Floats) -> NDArray[np.intp]:
    """Return where a value differs from the one before."""
    return np.flatnonzero(values[1:] != values[:-1]) + 1


def _about_mean(values: NDArray[np.floating], first: Ints) -> tuple[Floats, Floats]:
    """Return the sum of squares about the mean, and the mean, of runs that begin at ``first``."""
    sizes, base = np.diff(first), values[first[:-1]].astype(np.float64)
    if np.all(sizes == sizes[0]):
        centred = np.subtract(values.reshape(sizes.size, -1), base[:, None], dtype=np.float64)
        mean = centred @ np.ones(centred.shape[1]) / centred.shape[1]
        squares = np.vecdot(centred, centred)
    else:
        flat = values - np.repeat(base, sizes)
        mean = np.add.reduceat(flat, first[:-1]) / sizes
        squares = np.add.reduceat(np.square(flat), first[:-1])
    # Values are relative to a particle of the run, close to the mean: no precision is lost here.
    return np.maximum(squares - sizes * np.square(mean), 0.0), mean + base
