"""The clock of a sweep, in whole minutes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


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
        """Return indices of the analyses around the minute that begins at ``tick``, in order."""
        minute = self.first_minute + self.direction * tick
        times = np.asarray(self.analysis_minutes)
        if self.direction < 0:
            first = int(np.searchsorted(times, minute, side="left"))
            return first, first - 1
        first = int(np.searchsorted(times, minute, side="right")) - 1
        return first, first + 1

    def analyses(self, ticks: int) -> range:
        """Return the indices of the analyses that the first ``ticks`` minutes need, in order."""
        first, last = self.bracket(0)[0], self.bracket(ticks - 1)[1]
        return range(first, last + self.direction, self.direction)

    def ticks_left(self, tick: int, second: int) -> int:
        """Return the minutes until the clock reaches analysis ``second``."""
        minute = self.first_minute + self.direction * tick
        return abs(self.analysis_minutes[second] - minute)

    def offset(self, tick: int, first: int) -> int:
        """Return the minutes since analysis ``first``, along the particles' path."""
        return abs(self.first_minute + self.direction * tick - self.analysis_minutes[first])


def minute_of(time: np.datetime64) -> int:
    """Return whole minutes since the epoch."""
    return int(time.astype("datetime64[m]").astype(np.int64))
