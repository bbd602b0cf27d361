"""Horizontal and vertical axes of gridded files, as a weather grid and the order of its nodes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stilt.meteorology.grids import MetGrid, latlon_grid
from stilt.meteorology.records import Crop

_UNEVEN = 0.02


class AxisError(ValueError):
    """Raised for axes that transport cannot use; the text says why, and what to do."""


@dataclass(frozen=True)
class Horizontal:
    """A horizontal grid, and where its nodes are in the file.

    Attributes:
        grid: without levels.
        columns: index in the file of each column, from west to east or along the grid's x axis.
        rows: index in the file of each row, from south to north or along its y axis.
    """

    grid: MetGrid
    columns: NDArray[np.intp]
    rows: NDArray[np.intp]

    def cropped(self, crop: Crop | None) -> Horizontal:
        """Return the nodes that a crop keeps; the grid stays that of the file."""
        if crop is None:
            return self
        columns = (crop.column + np.arange(crop.columns)) % self.grid.nx
        rows = crop.row + np.arange(crop.rows)
        return replace(self, columns=self.columns[columns], rows=self.rows[rows])


@dataclass(frozen=True)
class Vertical:
    """A list of levels, and where they are in the file.

    Attributes:
        values: as in :attr:`MetGrid.levels`, from the ground up.
        flag: as in :attr:`MetGrid.vertical_flag`.
        order: index in the file of each level.
        a_hpa, b: pressure is ``a + b p_s`` on hybrid levels; empty on others.
    """

    values: tuple[float, ...]
    flag: int
    order: NDArray[np.intp]
    a_hpa: tuple[float, ...] = ()
    b: tuple[float, ...] = ()


NO_LEVELS = Vertical((), 0, np.zeros(0, np.intp))
"""The vertical axis of a file with surface fields only."""


def latlon_axes(lon: ArrayLike, lat: ArrayLike, source: str) -> Horizontal:
    """Return the grid of evenly spaced longitudes and latitudes, in any order and convention.

    Args:
        lon, lat: degrees, one-dimensional.
        source: four-character model id.

    Raises:
        AxisError: they are not evenly spaced, as on a Gaussian grid, or too few.
    """
    lon, lat = np.asarray(lon, float).ravel(), np.asarray(lat, float).ravel()
    if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
        raise AxisError(
            "some of its longitudes or latitudes are missing values; fetch or copy the file again"
        )
    columns, lon = _eastward(lon)
    rows = np.argsort(lat, kind="stable")
    lat = lat[rows]
    grid = latlon_grid(
        float(lon[0]), float(lat[0]), even_step(lon, "longitudes"), even_step(lat, "latitudes"),
        len(lon), len(lat), levels=(), vertical_flag=0, source=source,
    )  # fmt: skip
    return Horizontal(grid, columns, rows)


def _eastward(lon: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the order of longitudes from west to east, and their values without a jump.

    A regional grid begins after the widest gap between neighbours; on a global one the first
    longitude stays the first.
    """
    turned = np.mod(lon, 360.0)
    order = np.argsort(turned, kind="stable")
    # A repeated meridian (0 and 360 both) counts once.
    distinct = np.diff(turned[order], prepend=-1.0) > 1e-6
    order = order[distinct]
    around = turned[order]
    if len(order) < 2:
        raise AxisError("it has fewer than two longitudes; use a larger area")
    gaps = np.diff(around, append=around[0] + 360.0)
    widest, usual = int(np.argmax(gaps)), float(np.median(gaps))
    is_regional = gaps[widest] > 1.5 * usual
    first = (widest + 1) % len(order) if is_regional else int(np.argmin(order))
    order = np.roll(order, -first)
    unwrapped = np.unwrap(turned[order], period=360.0)
    return order, unwrapped


def even_step(values: NDArray[np.float64], what: str) -> float:
    """Return the distance between neighbours, which must be the same everywhere.

    Raises:
        AxisError: it is not, or there is only one value.
    """
    if len(values) < 2:
        raise AxisError(f"it has fewer than two {what}; use a larger area")
    step = float(values[-1] - values[0]) / (len(values) - 1)
    if np.abs(np.diff(values) - step).max() > _UNEVEN * step:
        raise AxisError(
            f"its {what} are not evenly spaced; interpolate its fields to evenly spaced ones, or "
            "request them so"
        )
    return round(step, 10)


def pressure_levels(values_hpa: ArrayLike) -> Vertical:
    """Return the vertical axis of pressures in any order, in hPa.

    Raises:
        AxisError: some are missing, not above zero, or there twice.
    """
    values = np.asarray(values_hpa, float)
    if not (np.isfinite(values).all() and (values > 0.0).all()):
        raise AxisError("some pressures of its levels are missing or not above zero; correct them")
    _refuse_repeated(values, "pressure", " hPa")
    order = np.argsort(-values, kind="stable")
    return Vertical(tuple(float(value) for value in values[order]), 2, order)


def hybrid_levels(a_hpa: ArrayLike, b: ArrayLike) -> Vertical:
    """Return the vertical axis of hybrid levels in any order.

    Args:
        a_hpa, b: pressure on each full level is ``a + b p_s``; hPa and fraction.

    Raises:
        AxisError: some are missing, or a level is there twice.
    """
    a, fraction = np.asarray(a_hpa, float), np.asarray(b, float)
    if not (np.isfinite(a).all() and np.isfinite(fraction).all()):
        raise AxisError("some coefficients of its hybrid levels are missing; correct them")
    _refuse_repeated(a + 1013.0 * fraction, "pressure at a surface of 1013 hPa", " hPa")
    order = np.argsort(-(a + 1013.0 * fraction), kind="stable")
    a, fraction = a[order], fraction[order]
    # The form of ARL's hybrid levels: whole hPa before the point, the fraction after it.
    values = tuple(
        float(np.floor(each) + min(part, 0.99999)) for each, part in zip(a, fraction, strict=True)
    )
    return Vertical(values, 4, order, tuple(map(float, a)), tuple(map(float, fraction)))


def _refuse_repeated(values: NDArray[np.float64], what: str, unit: str) -> None:
    distinct, counts = np.unique(values, return_counts=True)
    if (counts > 1).any():
        raise AxisError(
            f"two of its levels have the same {what} ({distinct[counts > 1][0]:g}{unit}); keep one"
        )


def with_levels(grid: MetGrid, vertical: Vertical) -> MetGrid:
    """Return a horizontal grid with the levels of a vertical axis."""
    return replace(grid, levels=vertical.values, vertical_flag=vertical.flag)
