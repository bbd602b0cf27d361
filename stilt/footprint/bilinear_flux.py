"""A flux between the centres of its cells: continuous along a path, with its slopes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stilt.footprint.cell_grid import is_longlat
from stilt.footprint.particle_flux import FluxAlongPaths
from stilt.footprint.steps import Floats
from stilt.footprint.target import Intervals

if TYPE_CHECKING:
    from collections.abc import Callable

    from stilt.receptors import Receptor

    Places = Callable[[Floats, Floats], tuple[Floats, Floats]]

_NEAR_CELLS = 1e-3


class FluxThere(NamedTuple):
    """A flux at some places, umol m-2 s-1, and its slopes along both coordinates of the places."""

    value: Floats
    slope_x: Floats
    slope_y: Floats


def flux_at(
    along: FluxAlongPaths,
    x: Floats,
    y: Floats,
    to_lonlat: Places,
    minutes: Floats,
    receptor: Receptor,
) -> FluxThere:
    """Interpolate a flux bilinearly between the centres of its cells.

    Within half a cell of its edge it is constant across the edge, and zero beyond; so it is where
    it has no value. In time it is constant within its steps.

    Args:
        along: the flux.
        x, y: places in coordinates of their own, any shape.
        to_lonlat: gives their longitudes and latitudes.
        minutes: since the release, of the same shape.
        receptor: released there.
    """
    here = _own_coordinates(along, *to_lonlat(x, y))
    step = along.steps(minutes.ravel(), receptor).reshape(minutes.shape)
    value, by_own_x, by_own_y = (np.zeros(x.shape) for _ in range(3))
    for number in np.unique(step[step >= 0]):
        rows = step == number
        field = np.nan_to_num(along.inventory.values(int(number)))
        value[rows], by_own_x[rows], by_own_y[rows] = _between_centres(
            along, field, here[0][rows], here[1][rows]
        )
    slopes = []
    for shift_x, shift_y in ((_NEAR_CELLS, 0.0), (0.0, _NEAR_CELLS)):
        after = _own_coordinates(along, *to_lonlat(x + shift_x, y + shift_y))
        before = _own_coordinates(along, *to_lonlat(x - shift_x, y - shift_y))
        own_x, own_y = ((a - b) / (2 * _NEAR_CELLS) for a, b in zip(after, before, strict=True))
        # Across the longitude at which the flux begins again.
        own_x = np.where(np.abs(own_x) > 90.0 / _NEAR_CELLS, 0.0, own_x)
        slopes.append(by_own_x * own_x + by_own_y * own_y)
    return FluxThere(value, slopes[0], slopes[1])


def _own_coordinates(
    along: FluxAlongPaths, longitude: Floats, latitude: Floats
) -> tuple[Floats, Floats]:
    """Return places in the coordinates of the flux."""
    target = along.target
    if is_longlat(target.projection):
        west = target.x.low.min()
        return west + (longitude - west) % 360.0, latitude
    from pyproj import Transformer

    to = Transformer.from_crs("EPSG:4326", target.projection, always_xy=True)
    x, y = to.transform(longitude, latitude)
    return x, y


def _between_centres(
    along: FluxAlongPaths, field: Floats, x: Floats, y: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return values at places in the flux's own coordinates, and slopes along these."""
    target = along.target
    grid = field.reshape(target.x.centre.size, target.y.centre.size)
    i, next_i, share_x, by_x = _place(target.x, x)
    j, next_j, share_y, by_y = _place(target.y, y)
    low = grid[i, j] + share_y * (grid[i, next_j] - grid[i, j])
    high = grid[next_i, j] + share_y * (grid[next_i, next_j] - grid[next_i, j])
    near = grid[i, next_j] - grid[i, j]
    far = grid[next_i, next_j] - grid[next_i, j]
    inside = np.isfinite(share_x) & np.isfinite(share_y)
    made = (
        low + share_x * (high - low),
        by_x * (high - low),
        by_y * (near + share_x * (far - near)),
    )
    value, slope_x, slope_y = (np.where(inside, each, 0.0) for each in made)
    return value, slope_x, slope_y


def _place(cells: Intervals, at: Floats) -> tuple[np.ndarray, np.ndarray, Floats, Floats]:
    """Return the two cells between whose centres each place lies, the second one's share (NaN
    outside), and how it grows along the axis."""
    order = np.argsort(cells.centre)
    centre = cells.centre[order]
    outside = (at < cells.low.min()) | (at >= cells.high.max())
    if centre.size == 1:
        nothing = np.zeros(at.shape, np.intp)
        return nothing, nothing, np.where(outside, np.nan, 0.0), np.zeros(at.shape)
    first = np.clip(np.searchsorted(centre, at, side="right") - 1, 0, centre.size - 2)
    width = centre[first + 1] - centre[first]
    share = (at - centre[first]) / width
    growth = np.where((share > 0.0) & (share < 1.0), 1.0 / width, 0.0)
    share = np.where(outside, np.nan, np.clip(share, 0.0, 1.0))
    return order[first], order[first + 1], share, growth
