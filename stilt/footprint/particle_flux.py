"""What a flux adds to each particle: the spread over particles shows how uncertain the sum is."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from stilt.errors import UsageError
from stilt.footprint.cell_grid import is_longlat
from stilt.footprint.intervals import Intervals
from stilt.footprint.inventory import CYCLES, Inventory
from stilt.footprint.steps import Floats, Ints
from stilt.footprint.target import Target, parse_target

if TYPE_CHECKING:
    from stilt.receptors import Receptor

LONGLAT = "+proj=longlat"


@dataclass
class FluxAlongPaths:
    """A flux, looked up where particles are: constant within its own cells and time steps.

    Attributes:
        inventory: the flux in umol m-2 s-1.
        target: its cells.
    """

    inventory: Inventory
    target: Target

    @classmethod
    def of(cls, flux: xr.DataArray, *, molar_mass_g: float | None = None) -> FluxAlongPaths:
        """Read a flux.

        Raises:
            UsageError: units, dimensions or times cannot be used.
        """
        inventory = Inventory.of(flux, molar_mass_g)
        target = parse_target(
            inventory.mask,
            native=(1.0, 1.0),
            source_projection=LONGLAT,
            projection=inventory.projection,
            called="flux",
        )
        return cls(inventory, target)

    def per_particle(self, particles: pd.DataFrame, receptor: Receptor) -> pd.Series:
        """Return the sum of influence times flux along each particle's path, ppm.

        The mean over particles is the enhancement that a footprint without smoothing gives (Lin
        et al. 2003, doi:10.1029/2002JD003161, equation 8). Where the flux has no value nothing is
        added.

        Args:
            particles: table with time, indx, long, lati and foot.
            receptor: their receptor.

        Returns:
            Index = indx, ascending.
        """
        foot = particles["foot"].to_numpy(np.float64)
        cell = self._cells(
            particles["long"].to_numpy(np.float64), particles["lati"].to_numpy(np.float64)
        )
        step = self.steps(particles["time"].to_numpy(np.float64), receptor)
        added = np.zeros(foot.size)
        used = np.flatnonzero((cell >= 0) & (step >= 0) & (foot != 0))
        order = used[np.argsort(step[used], kind="stable")]
        edges = np.flatnonzero(np.diff(step[order], prepend=-1, append=-1))
        for first, last in pairwise(edges):
            rows = order[first:last]
            field = self.inventory.values(int(step[rows[0]]))
            added[rows] = foot[rows] * field[cell[rows]]
        sums = pd.Series(np.nan_to_num(added)).groupby(particles["indx"].to_numpy()).sum()
        return sums.rename_axis("indx").rename("ppm")

    def _cells(self, longitude: Floats, latitude: Floats) -> Ints:
        """Return the cell of each place, -1 outside."""
        target = self.target
        x, y = longitude, latitude
        if not is_longlat(target.projection):
            from pyproj import Transformer

            to = Transformer.from_crs("EPSG:4326", target.projection, always_xy=True)
            x, y = to.transform(longitude, latitude)
        else:
            west = target.x.low.min()
            x = west + (x - west) % 360.0
        column, row = _interval(target.x, x), _interval(target.y, y)
        inside = (column >= 0) & (row >= 0)
        return np.where(inside, column * target.y.centre.size + row, -1)

    def steps(self, minutes: Floats, receptor: Receptor) -> Ints:
        """Return the time step of each row, -1 outside."""
        inventory = self.inventory
        if not inventory.changes:
            return np.zeros(minutes.size, np.int64)
        start = receptor.time.to_datetime64().astype("datetime64[us]").astype(np.int64)
        at = start + np.round(minutes * 60e6).astype(np.int64)
        if inventory.cycle:
            stamps = at.astype("datetime64[us]")
            number = np.zeros(minutes.size, np.int64)
            for dim in inventory.cycle:
                unit = "M" if dim == "month" else "h"
                count = stamps.astype(f"datetime64[{unit}]").astype(np.int64)
                number = number * len(CYCLES[dim]) + count % len(CYCLES[dim])
            return number
        step = np.searchsorted(inventory.left, at, side="right") - 1
        outside = (step < 0) | (at >= inventory.right[step])
        return np.where(outside, -1, step)


def _interval(cells: Intervals, at: Floats) -> Ints:
    """Return which cell along an axis holds each place, -1 for none."""
    order = cells.order()
    low, high = cells.low[order], cells.high[order]
    found = np.searchsorted(low, at, side="right") - 1
    inside = (found >= 0) & (at < high[found.clip(0)])
    return np.where(inside, order[found.clip(0)], -1)


@dataclass(frozen=True)
class Spread:
    """Mean and variance of a quantity over particles, with their sampling noise.

    Attributes:
        mean: over the particles.
        mean_noise: its standard error.
        variance: over the particles.
        variance_noise: standard error of the variance.
    """

    mean: float
    mean_noise: float
    variance: float
    variance_noise: float

    @classmethod
    def of(cls, values: np.ndarray) -> Spread:
        """Describe values of independent particles.

        The variance of a sample variance is (m4 - s^4 (n - 3) / (n - 1)) / n, with the fourth
        central moment m4 (Kendall and Stuart, The Advanced Theory of Statistics, 1, 12.35).

        Raises:
            UsageError: there are fewer than four particles.
        """
        count = values.size
        if count < 4:
            raise UsageError(f"The spread over particles needs at least four, got {count}.")
        variance = float(values.var(ddof=1))
        fourth = float(np.mean((values - values.mean()) ** 4))
        of_variance = (fourth - variance**2 * (count - 3) / (count - 1)) / count
        return cls(
            float(values.mean()),
            float(np.sqrt(variance / count)),
            variance,
            float(np.sqrt(max(of_variance, 0.0))),
        )
