"""A footprint from particle steps: arrays in, arrays out (R-STILT's algorithm).

The steps follow ``r/src/calc_footprint.r`` of R-STILT as documented for it (Lin et al. 2003,
Fasoli et al. 2018): count particles, wrap longitudes, densify the first 100 minutes, age, project,
kernel width, filter, cells and layers, spread, divide by the number of particles.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from stilt.errors import FootprintError
from stilt.footprint.accumulate import Around, Entries, accumulate
from stilt.footprint.ages import Ages
from stilt.footprint.bandwidth import kernel_width, nearest
from stilt.footprint.cell_grid import CellGrid
from stilt.footprint.densify import densify, needs_densifying
from stilt.footprint.empty import NO_PARTICLES, OUTSIDE_DOMAIN
from stilt.footprint.kernel import half_width
from stilt.footprint.steps import Floats, Ints, ParticleSteps

MOST_REACH_CELLS = 1_000_000
# Cells beyond the kernels' reach: one that lies partly in the grid's bounds, one for rounding.
SPARE_CELLS = 2
# Elements of NumPy's buffers. With the default of 8,192, NumPy 2.4 copies operands broadcast along
# rows shorter than that, which takes as long as the computation itself.
BUFFER_ELEMENTS = 512


@dataclass(frozen=True)
class GriddedFootprint:
    """Influence on a grid.

    Attributes:
        values: ppm per (umol m-2 s-1), shape (layers, rows, columns).
        layers: hours from the receptor's time to the start of each layer, ascending.
        x, y: cell centres in grid units, ascending.
        empty_reason: "" or why all values are zero.
    """

    values: Floats
    layers: Ints
    x: Floats
    y: Floats
    empty_reason: str = ""


@contextmanager
def _small_buffers() -> Iterator[None]:
    """Keep NumPy from copying broadcast rows into its buffers."""
    before = np.setbufsize(BUFFER_ELEMENTS)
    try:
        yield
    finally:
        np.setbufsize(before)


@_small_buffers()
def grid_footprint(
    steps: ParticleSteps,
    cell_grid: CellGrid,
    *,
    smooth_factor: float = 1.0,
    time_integrate: bool = False,
    signed: bool = False,
) -> GriddedFootprint:
    """Compute the footprint of all particle steps of one receptor.

    Args:
        steps: longitude and latitude in degrees, with ``foot`` of each step.
        cell_grid: the grid.
        smooth_factor: scales the kernel width; 0 switches smoothing off.
        time_integrate: one layer for the whole run, instead of one per hour.
        signed: let negative ``foot`` count, as particles have where a kernel is below zero; else
            it is left out, as in R-STILT.

    Raises:
        FootprintError: the particles lie at a pole of a grid in degrees.
    """
    if len(steps) == 0:
        return _nothing(cell_grid, np.zeros(1, np.int64), NO_PARTICLES)
    particles = steps.count_particles()
    xres, yres = cell_grid.x.resolution, cell_grid.y.resolution
    if cell_grid.west is not None:
        steps = replace(steps, x=cell_grid.wrap(steps.x))
    if needs_densifying(steps, xres, yres):
        steps = densify(steps)
    steps, ages = Ages.order(steps, particles)
    x, y = cell_grid.project(steps.x, steps.y)
    age_of_width, sigma = kernel_width(
        ages, x, y, smooth_factor=smooth_factor, degrees=cell_grid.degrees
    )
    hours = np.zeros_like(ages.time_min) if time_integrate else np.floor(ages.time_min / 60.0)
    around = _reached(cell_grid, float(sigma.max()))
    placed = _place(steps, x, y, ages, cell_grid, around, signed=signed)
    if placed.foot.size == 0:
        return _nothing(cell_grid, np.unique(hours), OUTSIDE_DOMAIN)
    np.divide(placed.foot, particles, out=placed.foot)
    used = np.flatnonzero(np.diff(placed.first))
    layers, layer = np.unique(hours[used], return_inverse=True)
    entries = Entries(
        cell=placed.cell,
        foot=placed.foot,
        first=np.append(placed.first[used], placed.foot.size),
        layer=layer.reshape(-1),
        width=nearest(age_of_width, ages.minutes[ages.age[used]]),
    )
    values = accumulate(
        entries,
        sigma,
        layers=layers.size,
        around=around,
        xres=xres,
        yres=yres,
    )
    return _published(cell_grid, values, layers.astype(np.int64))


@dataclass(frozen=True)
class _Placed:
    """Steps with influence near the grid.

    Attributes:
        cell, foot: the numbers of their cells and their influence, shape (rows,).
        first: first row of every segment of ages, and the number of rows, shape (segments + 1,).
    """

    cell: Ints
    foot: Floats
    first: Ints


def _reached(cell_grid: CellGrid, widest: float) -> Around:
    """Return the grid with all cells from which a kernel ``widest`` wide may touch it."""
    reach_x = int(half_width(widest, cell_grid.x.resolution))
    reach_y = int(half_width(widest, cell_grid.y.resolution))
    if max(reach_x, reach_y) > MOST_REACH_CELLS:
        raise FootprintError(
            f"The smoothing kernel would reach {max(reach_x, reach_y):.3g} cells, because the "
            "particles lie at a pole, where a degree of longitude has no width; give the footprint "
            "a grid in a polar projection, or set smooth_factor to 0."
        )
    return Around(
        cell_grid.y.count, cell_grid.x.count, reach_y + SPARE_CELLS, reach_x + SPARE_CELLS
    )


def _place(
    steps: ParticleSteps,
    x: Floats,
    y: Floats,
    ages: Ages,
    cell_grid: CellGrid,
    around: Around,
    *,
    signed: bool,
) -> _Placed:
    """Find the cells of all steps on the grid or around it."""
    all_cells, all_foot = np.empty(len(steps), np.int64), np.empty(len(steps))
    firsts, count = [], 0
    for part in ages.parts():
        foot = steps.foot[part.rows]
        below_zero = signed and foot.size and np.fmin.reduce(foot) < 0
        kept = np.flatnonzero((np.abs(foot) if below_zero else foot) > 0)
        part_x, part_y = (at[part.rows].take(kept).astype(np.float64, copy=False) for at in (x, y))
        margins = around.margin_x - SPARE_CELLS, around.margin_y - SPARE_CELLS
        if not (
            cell_grid.x.all_near(part_x, margins[0]) and cell_grid.y.all_near(part_y, margins[1])
        ):
            near = cell_grid.x.near(part_x, margins[0]) & cell_grid.y.near(part_y, margins[1])
            kept, part_x, part_y = kept[near], part_x[near], part_y[near]
        begins = ages.first[part.segments] - part.rows.start
        firsts.append(count + np.searchsorted(kept, begins))
        rows = slice(count, count + kept.size)
        row = cell_grid.y.cell(part_y, 2 * margins[1] + 1)
        all_cells[rows] = around.number(row, cell_grid.x.cell(part_x, 2 * margins[0] + 1))
        all_foot[rows] = foot.take(kept)
        count += kept.size
    return _Placed(all_cells[:count], all_foot[:count], np.append(np.concatenate(firsts), count))


def _nothing(cell_grid: CellGrid, layers: Floats | Ints, reason: str) -> GriddedFootprint:
    values = np.zeros((layers.size, cell_grid.y.count, cell_grid.x.count))
    return replace(_published(cell_grid, values, layers.astype(np.int64)), empty_reason=reason)


def _published(cell_grid: CellGrid, values: Floats, layers: Ints) -> GriddedFootprint:
    """Put the columns in ascending order of the published coordinate."""
    x, order = cell_grid.order_of_columns()
    if np.any(np.diff(order) != 1):
        values = values[:, :, order]
    return GriddedFootprint(values, layers, x, cell_grid.y.centres())
