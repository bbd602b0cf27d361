"""Particle steps as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stilt.errors import FootprintError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST_PARTICLE_NUMBERS = 10_000_000
STEP_COLUMNS = ("time", "indx", "long", "lati", "foot")


_PLACE_AND_FOOT = ("long", "lati", "foot")
# Below are the fill values -999, -9999, -1e30: no influence and no place.
_LEAST = -900.0


@dataclass(frozen=True)
class ParticleSteps:
    """One row per particle and output step; all arrays have shape (rows,).

    Attributes:
        time_min: minutes since release, negative backward.
        particle: particle number, of any numeric type.
        x: longitude in degrees, or easting in projection units.
        y: latitude in degrees, or northing in projection units.
        foot: influence gained over the step, ppm per (umol m-2 s-1).

    Positions and influence may be in single precision; sums are taken in double.
    """

    time_min: Floats
    particle: Ints
    x: Floats
    y: Floats
    foot: Floats

    @classmethod
    def from_table(cls, particles: pd.DataFrame) -> ParticleSteps:
        """Take the five columns a footprint needs from a trajectory table.

        Only these are kept: what else the table holds must not change a footprint. Longitudes
        from 0 to 360 become those from -180 to 180.

        Raises:
            FootprintError: a column is missing, or holds infinity or fill values.
        """
        missing = [name for name in STEP_COLUMNS if name not in particles.columns]
        if missing:
            raise FootprintError(
                f"The particle table lacks the column(s) {', '.join(missing)}, which a footprint "
                "needs; add them to varsiwant and run the transport again."
            )
        longitude, latitude, foot = (_floating(particles[name]) for name in _PLACE_AND_FOOT)
        for name, values in zip(_PLACE_AND_FOOT, (longitude, latitude, foot), strict=True):
            _refuse_fill_values(name, values)
        if longitude.size and np.fmax.reduce(longitude) > 180.0:
            longitude = np.where(longitude > 180.0, longitude - 360.0, longitude)
        return cls(
            particles["time"].to_numpy(np.float64), particles["indx"].to_numpy(),
            longitude, latitude, foot,
        )  # fmt: skip

    def __len__(self) -> int:
        return self.time_min.size

    @cached_property
    def numbers(self) -> Ints:
        """Particle numbers as integers small enough to index tables."""
        return small_numbers(self.particle)

    @cached_property
    def runs(self) -> Ints:
        """First row of every run of rows with the same time, and the number of rows."""
        time = self.time_min
        return np.concatenate([[0], np.flatnonzero(time[1:] != time[:-1]) + 1, [time.size]])

    def take(self, keep: slice | NDArray[np.bool_] | NDArray[np.intp]) -> ParticleSteps:
        """Return the rows that a slice, a mask or an index array selects."""
        return ParticleSteps(
            self.time_min[keep], self.particle[keep], self.x[keep], self.y[keep], self.foot[keep]
        )

    def count_particles(self) -> int:
        """Return the number of distinct particles, whatever their rows hold."""
        period = repeated_list(self.particle)
        return period if period < len(self) else _count_distinct(self.numbers)

    def direction(self) -> float:
        """Return the sign of the median time: -1 backward, 1 forward."""
        times = self.time_min[self.runs[:-1]]
        if times.max() < 0:
            return -1.0
        if times.min() > 0:
            return 1.0
        return float(np.sign(np.median(self.time_min)))

    def age(self) -> Floats:
        """Return the minutes since each particle's own first row, with the sign of ``time_min``."""
        elapsed = np.abs(self.time_min)
        first = elapsed.min()
        if _count_distinct(self.numbers[elapsed == first]) == self.count_particles():
            return self.time_min - self.direction() * first
        earliest = np.full(int(self.numbers.max()) + 1, np.inf)
        np.minimum.at(earliest, self.numbers, elapsed)
        return self.time_min - self.direction() * earliest[self.numbers]


def repeated_list(particle: Ints) -> int:
    """Return the length of the list of distinct particles that a table repeats throughout.

    Returns:
        That length; the number of rows when there is no such list.
    """
    period = _period(particle)
    if period < particle.size and particle.size % period == 0:
        table = particle.reshape(-1, period)
        if np.all(table == table[0]) and np.unique(table[0]).size == period:
            return period
    return particle.size


def _period(particle: Ints) -> int:
    """Return the number of rows until the first particle appears again; all if it does not."""
    looked_at = 1
    while looked_at < particle.size:
        ahead = particle[looked_at : 16 * looked_at]
        again = np.flatnonzero(ahead == particle[0])
        if again.size:
            return looked_at + int(again[0])
        looked_at += ahead.size
    return particle.size


def _count_distinct(particle: Ints) -> int:
    """Return the number of distinct values."""
    seen = np.zeros(int(particle.max(initial=-1)) + 1, bool)
    seen[particle] = True
    return int(np.count_nonzero(seen))


def _floating(column: pd.Series) -> Floats:
    """Return values in double precision, or as they are in single precision."""
    return column.to_numpy(np.float32 if column.dtype == np.float32 else np.float64)


def small_numbers(particle: Ints) -> Ints:
    """Return particle numbers as integers, renumbered when tables over them would be huge."""
    if particle.dtype.kind not in "iu":
        particle = particle.astype(np.int64)
    if particle.size and (particle.min() < 0 or particle.max() > MOST_PARTICLE_NUMBERS):
        return pd.factorize(particle)[0].astype(np.int64)
    return particle


def _refuse_fill_values(name: str, values: Floats) -> None:
    """Refuse a column with fill values or infinity, without a temporary array for a sound one.

    NaN is let through: as in R-STILT its rows do not count.

    Raises:
        FootprintError: there are such.
    """
    if not values.size or (np.isfinite(values.sum()) and values.min() > _LEAST):
        return
    wrong = np.flatnonzero(np.isinf(values) | (values <= _LEAST))
    if wrong.size:
        raise FootprintError(
            f"{wrong.size:,} of {values.size:,} rows of the particle table hold no usable {name}, "
            f"such as {values[wrong[0]]:g}: leave out these rows, or correct them."
        )
