"""A flux interpolated between its cell centres: continuous along a path, with its slopes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stilt.errors import UsageError
from stilt.footprint.cell_grid import is_longlat
from stilt.footprint.intervals import Intervals
from stilt.footprint.particle_flux import FluxAlongPaths
from stilt.footprint.steps import Floats, Ints

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

    It is zero beyond the edge of its grid and where it has no value; around the edge it falls to
    zero within the width of a cell. In time it is constant within its steps.

    Args:
        along: the flux.
        x, y: places in any coordinates, any shape.
        to_lonlat: converts them to longitudes and latitudes.
        minutes: since the release, of the same shape.
        receptor: the receptor, from whose time the minutes count.
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
        # A jump across the longitude where the grid of the flux begins is not a slope.
        own_x = np.where(np.abs(own_x) > 90.0 / _NEAR_CELLS, 0.0, own_x)
        slopes.append(by_own_x * own_x + by_own_y * own_y)
    return FluxThere(value, slopes[0], slopes[1])


def _own_coordinates(
    along: FluxAlongPaths, longitude: Floats, latitude: Floats
) -> tuple[Floats, Floats]:
    """Return places in the coordinates of the flux."""
    target = along.target
    if is_longlat(target.projection):
        west = _nodes(target.x, around=True)[0]
        return west + (longitude - west) % 360.0, latitude
    from pyproj import Transformer

    to = Transformer.from_crs("EPSG:4326", target.projection, always_xy=True)
    x, y = to.transform(longitude, latitude)
    return x, y


def _upwards(cells: Intervals) -> Ints:
    """Return the cells that have a width, from low to high."""
    order = cells.order()
    return order[(cells.high > cells.low)[order]]


def _nodes(cells: Intervals, around: bool) -> Floats:
    """Return the ascending centres of cells, and of one more beyond either end.

    Args:
        cells: along one axis.
        around: they are longitudes.

    Raises:
        UsageError: there is a gap between two of them.
    """
    order = _upwards(cells)
    low, high = cells.low[order], cells.high[order]
    gap = np.flatnonzero(low[1:] - high[:-1] > 1e-6 * (high[:-1] - low[:-1]))
    if gap.size:
        raise UsageError(
            f"The flux has no cells between {high[gap[0]]:g} and {low[gap[0] + 1]:g} along one "
            "axis, and is interpolated here: fill the gap with 0 first (flux.reindex(...))."
        )
    centre = (cells.unwrapped() if around else cells.centre)[order]
    return np.concatenate([[2.0 * low[0] - centre[0]], centre, [2.0 * high[-1] - centre[-1]]])


def _between_centres(
    along: FluxAlongPaths, field: Floats, x: Floats, y: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return values at places in the flux's own coordinates, and slopes along these."""
    target = along.target
    around = is_longlat(target.projection)
    grid = field.reshape(target.x.centre.size, target.y.centre.size)
    grid = np.pad(grid[_upwards(target.x)][:, _upwards(target.y)], 1)
    width = target.x.high.max() - target.x.low.min()
    if around and width > 360.0 - _NEAR_CELLS:
        grid[0], grid[-1] = grid[-2], grid[1]
    i, share_x, by_x = _place(_nodes(target.x, around), x)
    j, share_y, by_y = _place(_nodes(target.y, around=False), y)
    low = grid[i, j] + share_y * (grid[i, j + 1] - grid[i, j])
    high = grid[i + 1, j] + share_y * (grid[i + 1, j + 1] - grid[i + 1, j])
    near = grid[i, j + 1] - grid[i, j]
    far = grid[i + 1, j + 1] - grid[i + 1, j]
    return (
        low + share_x * (high - low),
        by_x * (high - low),
        by_y * (near + share_x * (far - near)),
    )


def _place(nodes: Floats, at: Floats) -> tuple[np.ndarray, Floats, Floats]:
    """Return the node below each place, the weight of the next one, and that weight's slope."""
    first = np.clip(np.searchsorted(nodes, at, side="right") - 1, 0, nodes.size - 2)
    width = nodes[first + 1] - nodes[first]
    share = (at - nodes[first]) / width
    growth = np.where((share > 0.0) & (share < 1.0), 1.0 / width, 0.0)
    return first, np.clip(share, 0.0, 1.0), growth
