"""Where particles leave a footprint's domain: sides, heights and ages, as OpenGHG has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stilt.meteorology.grids import wrap_longitude

if TYPE_CHECKING:
    from stilt.config import Grid

Floats = NDArray[np.float64]
SIDES = ("n", "e", "s", "w")
HEIGHTS_M = np.arange(500.0, 20000.0, 1000.0)
MINUTES_PER_HOUR = 60.0


@dataclass(frozen=True)
class Leaving:
    """Where particles left, or ended, on the sides of a domain.

    Attributes:
        locations: by side, share of the particles, (heights, longitudes) for n and s, (heights,
            latitudes) for e and w; all sides together sum to 1.
        ages_h: by side, mean age in hours of these particles, 0 where there are none.
    """

    locations: dict[str, Floats]
    ages_h: dict[str, Floats]


def leaving(
    particles: pd.DataFrame, weights: pd.Series, grid: Grid, x: Floats, y: Floats
) -> Leaving:
    """Return where particles first were outside a grid, or where they ended.

    A particle that never left counts at the side nearest to its end, so that shares sum to 1.

    Args:
        particles: table with time, indx, long, lati and zagl; all rows, or first and last ones.
        weights: of each particle, by indx.
        grid: the domain, in longitude and latitude.
        x, y: longitudes and latitudes of its cells, from west to east and from south to north.
    """
    elapsed = particles["time"].abs().to_numpy(np.float64)
    order = np.lexsort((elapsed, particles["indx"].to_numpy()))
    rows = particles.iloc[order]
    west, south = grid.xmin, grid.ymin
    east, north = west + x.size * grid.xres, south + y.size * grid.yres
    middle = 0.5 * (west + east)
    lon = middle + wrap_longitude(rows["long"].to_numpy(np.float64) - middle)
    x = middle + wrap_longitude(x - middle)
    lat = rows["lati"].to_numpy(np.float64)
    over = np.stack([lat - north, lon - east, south - lat, west - lon])
    outside = np.any(over > 0, axis=0)
    indx = rows["indx"].to_numpy()
    left = np.flatnonzero(outside)
    first = pd.Series(left, index=indx[left]).groupby(level=0).first()
    last = pd.Series(np.arange(len(rows)), index=indx).groupby(level=0).last()
    at = last.copy()
    at[first.index] = first
    chosen = at.to_numpy()
    side = over[:, chosen].argmax(axis=0)
    height = rows["zagl"].to_numpy(np.float64)[chosen]
    level = np.abs(height[:, None] - HEIGHTS_M).argmin(axis=1)
    share = weights.reindex(at.index).to_numpy(np.float64)
    share = share / share.sum()
    age = np.abs(rows["time"].to_numpy(np.float64))[chosen] / MINUTES_PER_HOUR
    locations, ages = {}, {}
    for number, name in enumerate(SIDES):
        along, places = (x, lon[chosen]) if name in "ns" else (y, lat[chosen])
        mine = side == number
        cell = np.abs(places[mine, None] - along).argmin(axis=1)
        found = np.zeros((HEIGHTS_M.size, along.size))
        aged = np.zeros_like(found)
        np.add.at(found, (level[mine], cell), share[mine])
        np.add.at(aged, (level[mine], cell), share[mine] * age[mine])
        locations[name] = found
        ages[name] = np.divide(aged, found, out=np.zeros_like(aged), where=found > 0)
    return Leaving(locations, ages)
