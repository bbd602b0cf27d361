"""Particle steps as plain arrays, and grouping of rows by a value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stilt.errors import FootprintError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST_PARTICLE_NUMBERS = 10_000_000
STEP_COLUMNS = ("time", "indx", "long", "lati", "foot")


@dataclass(frozen=True)
class ParticleSteps:
    """One row per particle and output step; all arrays have shape (rows,).

    Attributes:
        time_min: minutes since release, negative backward.
        particle: particle number, a non-negative integer.
        x: longitude in degrees, or easting in projection units.
        y: latitude in degrees, or northing in projection units.
        foot: influence gained over the step, ppm per (umol m-2 s-1).
    """

    time_min: Floats
    particle: Ints
    x: Floats
    y: Floats
    foot: Floats

    @classmethod
    def from_table(cls, particles: pd.DataFrame) -> ParticleSteps:
        """Take the five columns a footprint needs from a trajectory table.

        Only these are kept: what else the table holds must not change a footprint.

        Raises:
            FootprintError: a column is missing.
        """
        missing = [name for name in STEP_COLUMNS if name not in particles.columns]
        if missing:
            raise FootprintError(
                f"The particle table lacks the column(s) {', '.join(missing)}, which a footprint "
                "needs; add them to varsiwant and run the transport again."
            )
        return cls(
            particles["time"].to_numpy(np.float64),
            _small_numbers(particles["indx"].to_numpy(np.int64)),
            particles["long"].to_numpy(np.float64),
            particles["lati"].to_numpy(np.float64),
            particles["foot"].to_numpy(np.float64),
        )

    def __len__(self) -> int:
        return self.time_min.size

    def take(self, keep: NDArray[np.bool_] | NDArray[np.intp]) -> ParticleSteps:
        """Return the rows a mask or an index array selects."""
        return ParticleSteps(
            self.time_min[keep], self.particle[keep], self.x[keep], self.y[keep], self.foot[keep]
        )

    def count_particles(self) -> int:
        """Number of distinct particles, whatever their rows hold."""
        return int(np.count_nonzero(np.bincount(self.particle)))

    def direction(self) -> float:
        """Sign of the median time: -1 backward, 1 forward."""
        if self.time_min.max() < 0:
            return -1.0
        if self.time_min.min() > 0:
            return 1.0
        return float(np.sign(np.median(self.time_min)))

    def age(self) -> Floats:
        """Minutes since each particle's own first row, with the sign of ``time_min``."""
        elapsed = np.abs(self.time_min)
        first = elapsed.min()
        at_first = np.bincount(self.particle[elapsed == first])
        if np.count_nonzero(at_first) == self.count_particles():
            return self.time_min - self.direction() * first
        earliest = np.full(int(self.particle.max()) + 1, np.inf)
        np.minimum.at(earliest, self.particle, elapsed)
        return self.time_min - self.direction() * earliest[self.particle]


def _small_numbers(particle: Ints) -> Ints:
    """Particle numbers as they are, or renumbered when tables over them would be huge."""
    if particle.size and (particle.min() < 0 or particle.max() > MOST_PARTICLE_NUMBERS):
        return pd.factorize(particle)[0].astype(np.int64)
    return particle


@dataclass(frozen=True)
class Groups:
    """Rows grouped by a value.

    Attributes:
        values: the distinct values, ascending, shape (groups,).
        code: position in ``values`` of every row, shape (rows,).
    """

    values: Floats
    code: Ints
    _starts: NDArray[np.intp] | None = None
    _reverse: bool = False

    @classmethod
    def of(cls, values: Floats) -> Groups:
        """Group rows by exact equality; rows already ordered by the value are grouped fast."""
        change = np.diff(values)
        falling = bool(np.all(change <= 0))
        if falling or bool(np.all(change >= 0)):
            starts = np.concatenate(([0], np.flatnonzero(change) + 1))
            sizes = np.diff(np.concatenate((starts, [values.size])))
            number = np.arange(starts.size)
            distinct = values[starts]
            if falling:
                number, distinct = number[::-1], distinct[::-1]
            return cls(distinct, np.repeat(number, sizes), starts, falling)
        code, distinct = pd.factorize(values, sort=True)
        return cls(np.asarray(distinct), code.astype(np.int64))

    def sum(self, weights: Floats) -> Floats:
        """Sum ``weights`` (rows,) within each group."""
        if self._starts is None:
            return np.bincount(self.code, weights, minlength=self.values.size).astype(np.float64)
        total = np.add.reduceat(weights, self._starts)
        return total[::-1] if self._reverse else total

    def sizes(self) -> Ints:
        """Number of rows in each group."""
        return np.bincount(self.code, minlength=self.values.size)
