"""Overlap of cells on different projections, by polygon areas."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import shapely

from stilt.footprint.cell_grid import coordinate_system, is_longlat
from stilt.footprint.target import Source, Target


def overlap_areas(source: Source, target: Target) -> sp.csr_array:
    """Return the share of each source cell (columns, rows of y first) in each target cell.

    Target cells become polygons through their corners in the source's projection. Neighbours share
    corners and straight edges, so a target that covers the source takes up all of it. Target rows
    are numbered ``column * rows + row``. Cells with a corner outside the projection are left out.
    """
    centre = 0.5 * (source.x.low.min() + source.x.high.max())
    degrees = is_longlat(source.projection)
    polygons, number = _target_polygons(source, target, centre if degrees else None)
    x_low, x_high = source.x.low, source.x.high
    boxes = shapely.box(
        x_low[None, :], source.y.low[:, None], x_high[None, :], source.y.high[:, None]
    ).reshape(-1)
    tree = shapely.STRtree(boxes)
    inner = tree.query(polygons, predicate="contains")
    touching = tree.query(polygons, predicate="intersects")
    cells = boxes.size
    known = np.isin(touching[0] * cells + touching[1], inner[0] * cells + inner[1])
    touching = touching[:, ~known]
    area = shapely.area(shapely.intersection(polygons[touching[0]], boxes[touching[1]]))
    share = np.concatenate((np.ones(inner.shape[1]), area / shapely.area(boxes[touching[1]])))
    pairs = np.concatenate((inner, touching), axis=1)
    shape = (target.x.centre.size * target.y.centre.size, cells)
    return sp.coo_array((share, (number[pairs[0]], pairs[1])), shape=shape).tocsr()


def _target_polygons(
    source: Source, target: Target, centre_longitude: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return target cells as polygons in the source's projection, and their numbers in the grid."""
    from pyproj import Transformer

    step = Transformer.from_crs(
        coordinate_system(target.projection), coordinate_system(source.projection), always_xy=True
    )
    columns, rows = target.x.centre.size, target.y.centre.size
    x = np.stack([target.x.low, target.x.high, target.x.high, target.x.low], axis=1)
    y = np.stack([target.y.low, target.y.low, target.y.high, target.y.high], axis=1)
    corners_x = np.broadcast_to(x[:, None, :], (columns, rows, 4)).reshape(-1, 4)
    corners_y = np.broadcast_to(y[None, :, :], (columns, rows, 4)).reshape(-1, 4)
    in_x, in_y = step.transform(corners_x, corners_y)
    if centre_longitude is not None:
        in_x = centre_longitude + (in_x - centre_longitude + 180.0) % 360.0 - 180.0
    number = np.flatnonzero(np.isfinite(in_x).all(axis=1) & np.isfinite(in_y).all(axis=1))
    corners = np.stack([in_x[number], in_y[number]], axis=-1)
    return shapely.polygons(corners), number
