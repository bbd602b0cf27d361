"""A footprint from particle steps: arrays in, arrays out (R-STILT's algorithm).

The steps follow ``r/src/calc_footprint.r`` of R-STILT as documented for it (Lin et al. 2003,
Fasoli et al. 2018): count particles, wrap longitudes, densify the first 100 minutes, age, project,
kernel width, filter, cells and layers, spread, divide by the number of particles.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from stilt.footprint.accumulate import Entries, accumulate
from stilt.footprint.bandwidth import kernel_width, nearest
from stilt.footprint.densify import densify, needs_densifying
from stilt.footprint.gridding import Frame
from stilt.footprint.kernel import half_width
from stilt.footprint.steps import Floats, Groups, Ints, ParticleSteps

NO_PARTICLES = "no_particles"
OUTSIDE_DOMAIN = "outside_domain"


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


def grid_footprint(
    steps: ParticleSteps, frame: Frame, *, smooth_factor: float = 1.0, time_integrate: bool = False
) -> GriddedFootprint:
    """Compute the footprint of all particle steps of one receptor.

    Args:
        steps: longitude and latitude in degrees, with ``foot`` of each step.
        frame: the grid.
        smooth_factor: scales the kernel width; 0 switches smoothing off.
        time_integrate: one layer for the whole run, instead of one per hour.
    """
    if len(steps) == 0:
        return _nothing(frame, np.zeros(1, np.int64), NO_PARTICLES)
    particles = steps.count_particles()
    xres, yres = frame.x.resolution, frame.y.resolution
    steps = replace(steps, x=frame.wrap(steps.x))
    if needs_densifying(steps, xres, yres):
        steps = densify(steps)
    ages = Groups.of(steps.age())
    x, y = frame.project(steps.x, steps.y)
    age_of_width, sigma = kernel_width(
        ages, x, y, smooth_factor=smooth_factor, degrees=frame.degrees
    )
    reach_x = int(half_width(sigma.max(), xres))
    reach_y = int(half_width(sigma.max(), yres))
    keep = np.flatnonzero((steps.foot > 0) & frame.x.near(x, reach_x) & frame.y.near(y, reach_y))
    if keep.size == 0:
        return _nothing(frame, _hours(steps.time_min, time_integrate).values, OUTSIDE_DOMAIN)
    hours = _hours(steps.time_min[keep], time_integrate)
    entries = Entries(
        row=frame.y.cell(y[keep]),
        column=frame.x.cell(x[keep]),
        foot=steps.foot[keep] / particles,
        layer=hours.code,
        width=nearest(age_of_width, ages.values)[ages.code[keep]],
    )
    values = accumulate(
        entries,
        sigma,
        layers=hours.values.size,
        shape=(frame.y.count, frame.x.count),
        xres=xres,
        yres=yres,
    )
    return _published(frame, values, hours.values.astype(np.int64))


def _hours(time_min: Floats, time_integrate: bool) -> Groups:
    """Group rows by the hour they belong to: [-60, 0) minutes is hour -1, [0, 60) is hour 0."""
    if time_integrate:
        return Groups.of(np.zeros_like(time_min))
    return Groups.of(np.floor(time_min / 60.0))


def _nothing(frame: Frame, layers: Floats | Ints, reason: str) -> GriddedFootprint:
    values = np.zeros((layers.size, frame.y.count, frame.x.count))
    return replace(_published(frame, values, layers.astype(np.int64)), empty_reason=reason)


def _published(frame: Frame, values: Floats, layers: Ints) -> GriddedFootprint:
    """Put the columns in ascending order of the published coordinate."""
    x, order = frame.order_of_columns()
    if np.any(np.diff(order) != 1):
        values = values[:, :, order]
    return GriddedFootprint(values, layers, x, frame.y.centres())
