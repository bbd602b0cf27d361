"""A footprint on other cells and times, with its sum conserved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from stilt.footprint.bins import (
    TOLERATED_SHARE,
    crossing,
    edges,
    membership,
    parse_bins,
    stamps_of_sums,
    warn_of_crossing,
    warn_of_target_elsewhere,
)
from stilt.footprint.intervals import Intervals
from stilt.footprint.overlay import Overlay
from stilt.footprint.target import Source, Target, parse_target

if TYPE_CHECKING:
    from stilt.config import Grid
    from stilt.footprint.gridded import GriddedInfluence


def aggregate(
    footprint: GriddedInfluence,
    target: Any,
    time_bins: Any,
    *,
    resolution: float | tuple[float, float] | None = None,
    projection: str | None = None,
) -> pd.DataFrame:
    """Move a footprint to target cells and time bins.

    Each source cell is shared out by overlap, so the sum over a target that covers the footprint
    is the footprint's. What falls outside the target's cells or bins is not included: the frame's
    ``attrs`` hold ``total``, ``outside_cells`` (within the bins) and ``outside_times``, all in ppm
    per (umol m-2 s-1).

    Hours are not shared out: a layer belongs to the bin that holds its start. When hours with more
    than a tenth of the influence extend into the next bin, as those of a receptor at 14:37 do in
    bins of clock hours, a warning says so. A footprint that holds the sum of its hours takes one
    bin, which must hold the receptor's time.

    Args:
        footprint: what to move.
        target: a :class:`stilt.Grid`, an xarray grid with lon and lat or x and y (NaN cells of a
            2-D DataArray do not count), or a list of (x, y) centres of a regular grid.
        time_bins: IntervalIndex or edges; a layer belongs to every bin with
            left <= its stamp < right.
        resolution: cell size for lists of centres.
        projection: PROJ text of the target; without it, lon and lat are degrees, and x and y are in
            the target's own projection if it carries one, or the footprint's.

    Returns:
        Rows (lon, lat) or (x, y), x outermost; columns the left edges of the bins in naive UTC.

    Raises:
        UsageError: the target or the bins cannot be used.
    """
    bins = parse_bins(time_bins)
    source = source_of(footprint)
    cells = cells_of(footprint.grid, target, resolution=resolution, projection=projection)
    overlay = Overlay(source, cells)
    stamps = footprint.data["time"].values
    if footprint.config.time_integrate:
        stamps = stamps_of_sums(stamps, edges(bins), None, lambda _: str(footprint.receptor.id))
    inside = membership(stamps, edges(bins))
    layers = footprint.data.values
    moved = np.zeros((cells.cell.size, len(bins)))
    for number in np.flatnonzero(inside.any(axis=1)):
        moved[:, number] = overlay.push(layers[inside[number]].sum(axis=0))
    frame = pd.DataFrame(moved, index=cells.index(), columns=bins.left)
    per_layer = layers.sum(axis=(1, 2))
    if not footprint.config.time_integrate:
        layer, of_bin = np.nonzero(inside.T)
        late = crossing(stamps, layer, of_bin, edges(bins))
        if per_layer[late].sum() > TOLERATED_SHARE * per_layer.sum():
            share = float(per_layer[late].sum() / per_layer.sum())
            warn_of_crossing(str(footprint.receptor.id), share, stacklevel=2)
    binned = float((inside @ per_layer).sum())
    if binned > 0.0 and moved.size and not moved.any():
        warn_of_target_elsewhere(str(footprint.receptor.id), stacklevel=2)
    frame.attrs.update(
        total=float(per_layer.sum()),
        outside_cells=binned - float(moved.sum()),
        outside_times=float(per_layer[~inside.any(axis=0)].sum()),
    )
    return frame


def source_of(footprint: GriddedInfluence) -> Source:
    """Return the cells of a footprint's data."""
    y, x = (footprint.data[dim].values for dim in footprint.data.dims[1:])
    grid = footprint.grid
    return Source(Intervals.of_size(x, grid.xres), Intervals.of_size(y, grid.yres), grid.projection)


def cells_of(
    grid: Grid,
    target: Any,
    *,
    resolution: float | tuple[float, float] | None = None,
    projection: str | None = None,
    called: str = "target grid",
) -> Target:
    """Return target cells for footprints on a grid, whose cell size and projection are used where
    the target has none of its own; sentences call the target by the name given."""
    return parse_target(
        target,
        native=(grid.xres, grid.yres),
        source_projection=grid.projection,
        resolution=resolution,
        projection=projection,
        called=called,
    )
