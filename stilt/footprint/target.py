"""Cells from which and to which footprints are moved: a grid, or a list of centres."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from stilt.errors import UsageError
from stilt.footprint.cell_grid import CellGrid, GridLike, is_longlat
from stilt.footprint.intervals import Intervals
from stilt.footprint.map_projection import own_projection, units_per_step
from stilt.footprint.steps import Floats, Ints

if TYPE_CHECKING:
    import xarray as xr

LONGLAT = "+proj=longlat"
NAMES = {True: ("lon", "lat"), False: ("x", "y")}
_AXES = (("lon", "lat"), ("longitude", "latitude"), ("x", "y"))
SPACING_DECIMALS = 9
# Degrees, with what rounding adds to 90.
HIGHEST_LATITUDE = 90.0 + 1e-3


@dataclass(frozen=True)
class Source:
    """Cells of a footprint.

    Attributes:
        x, y: cells along each axis, as in the data.
        projection: PROJ text.
    """

    x: Intervals
    y: Intervals
    projection: str

    def key(self) -> tuple[object, ...]:
        """Return a key that is equal for footprints on the same grid."""
        return (*self.x.key(), *self.y.key(), self.projection)


@dataclass(frozen=True)
class Target:
    """Cells on a rectangular grid, all of it or some.

    Attributes:
        x, y: cells along each axis, in the order given.
        cell: which cells count, as ``column * rows + row``, in the order of the result.
        projection: PROJ text of the coordinates.
    """

    x: Intervals
    y: Intervals
    cell: Ints
    projection: str

    @property
    def names(self) -> tuple[str, str]:
        """Names of the two coordinates."""
        return NAMES[is_longlat(self.projection)]

    @cached_property
    def is_complete(self) -> bool:
        """Whether every cell of the grid counts, in grid order."""
        size = self.x.centre.size * self.y.centre.size
        return self.cell.size == size and bool(np.array_equal(self.cell, np.arange(size)))

    def index(self) -> pd.MultiIndex:
        """Return the coordinates of the cells, in order."""
        column, row = np.divmod(self.cell, max(self.y.centre.size, 1))
        levels: Any = [self.x.centre, self.y.centre]
        codes: Any = [column, row]
        return pd.MultiIndex(levels, codes, names=self.names)


def parse_target(
    target: Any,
    *,
    native: tuple[float, float],
    source_projection: str,
    resolution: float | tuple[float, float] | None = None,
    projection: str | None = None,
    called: str = "target grid",
) -> Target:
    """Read a target.

    Args:
        target: a :class:`stilt.Grid`, whose own projection counts; an xarray grid with coordinates
            lon and lat, or x and y (NaN cells of a 2-D DataArray do not count); or (x, y) centres
            on a regular grid, not necessarily all of it.
        native: cell size of the footprints, for axes with a single cell.
        source_projection: projection of the footprints, assumed for x and y without their own.
        resolution: cell size for lists of centres; a number or (x, y).
        projection: PROJ text of the target's coordinates.
        called: what the target is, for sentences.

    Raises:
        UsageError: coordinates are missing, have a wrong shape, or the resolution is not positive.
    """
    if isinstance(target, GridLike):
        return _from_cell_grid(CellGrid.of(target))
    import xarray as xr

    if isinstance(target, (xr.DataArray, xr.Dataset)):
        return _from_grid(target, native, source_projection, projection, called)
    return _from_centres(target, native, projection or source_projection, resolution)


def _from_cell_grid(grid: CellGrid) -> Target:
    x, y = (Intervals.of_size(axis.centres(), axis.resolution) for axis in (grid.x, grid.y))
    return Target(x, y, np.arange(grid.x.count * grid.y.count), grid.projection)


def _from_grid(
    grid: xr.DataArray | xr.Dataset,
    native: tuple[float, float],
    source_projection: str,
    projection: str | None,
    called: str,
) -> Target:
    axes = axis_names(grid)
    if axes is None:
        raise UsageError(
            f"The {called} has no coordinates lon and lat, nor x and y; it has "
            f"{', '.join(map(str, grid.coords)) or 'none'}."
        )
    degrees = axes[0] in ("lon", "longitude")
    if projection is None:
        projection = LONGLAT if degrees else own_projection(grid, called) or source_projection
    centres = [_centres(grid, name, called) for name in axes]
    if not is_longlat(projection):
        centres = [
            centre
            * units_per_step(str(grid[name].attrs.get("units", "")), name, projection, called)
            for centre, name in zip(centres, axes, strict=True)
        ]
    if is_longlat(projection):
        _require_degrees(centres[1], axes, called)
        if np.unique(centres[0]).size < centres[0].size:
            raise UsageError(
                f"The {called}'s {axes[0]} has a value twice: keep one "
                f"(.drop_duplicates({axes[0]!r}))."
            )
        x = Intervals.around_globe(centres[0], native[0])
    else:
        _require_order(centres[0], axes[0], called)
        x = Intervals.between_midpoints(centres[0], native[0])
    _require_order(centres[1], axes[1], called)
    y = Intervals.between_midpoints(centres[1], native[1])
    import xarray as xr

    cell = np.arange(x.centre.size * y.centre.size)
    if isinstance(grid, xr.DataArray) and set(grid.dims) == set(axes):
        kept = ~np.isnan(grid.transpose(*axes).values.astype(np.float64))
        cell = cell[kept.reshape(-1)]
    return Target(x, y, cell, projection)


def _centres(grid: xr.DataArray | xr.Dataset, name: str, called: str) -> Floats:
    """Return the centres of a grid's cells along an axis.

    Raises:
        UsageError: they have two dimensions, there are none, or one is no number.
    """
    centre = np.asarray(grid[name].values, np.float64)
    if centre.ndim != 1 or centre.size == 0:
        raise UsageError(
            f"The {called}'s {name} must have one dimension and at least one value, and it has the "
            f"shape {centre.shape}: regrid it to rows and columns first."
        )
    if not np.isfinite(centre).all():
        raise UsageError(f"The {called}'s {name} holds a value that is no number.")
    return centre


def _require_order(centre: Floats, name: str, called: str) -> None:
    """Refuse centres that neither rise nor fall.

    Raises:
        UsageError: they do not.
    """
    steps = np.diff(centre)
    if not (np.all(steps > 0) or np.all(steps < 0)):
        raise UsageError(
            f"The {called}'s {name} must rise or fall throughout: sort it (.sortby({name!r})), and "
            f"keep one of equal values (.drop_duplicates({name!r}))."
        )


def _require_degrees(latitudes: Floats, axes: tuple[str, str], called: str) -> None:
    """Refuse latitudes that cannot be, above all x and y that are metres.

    Raises:
        UsageError: one is beyond 90 degrees.
    """
    if axes[0] != "x":
        require_latitudes(latitudes, called)
    elif np.abs(latitudes).max() > HIGHEST_LATITUDE:
        raise UsageError(
            f"The {called} has x and y but does not say of which projection, and they are no "
            f"degrees (y reaches {np.abs(latitudes).max():g}): give projection=, such as "
            "'+proj=utm +zone=12 +datum=WGS84', or a coordinate crs as CF has it."
        )


def require_latitudes(values: Any, of: str) -> None:
    """Refuse latitudes that cannot be.

    Args:
        values: degrees north.
        of: what they belong to, for the sentence.

    Raises:
        UsageError: one is beyond 90 degrees.
    """
    degrees = np.asarray(values, np.float64)
    beyond = degrees[np.abs(degrees) > HIGHEST_LATITUDE]
    if beyond.size:
        raise UsageError(
            f"The {of} has the latitude {beyond.flat[0]:g}, beyond 90 degrees: are latitude and "
            "longitude exchanged?"
        )


def axis_names(grid: xr.DataArray | xr.Dataset) -> tuple[str, str] | None:
    """Return the names of a grid's x and y coordinates, None when it has none we know."""
    known = [pair for pair in _AXES if all(name in grid.coords for name in pair)]
    # Maps often carry longitudes and latitudes of two dimensions beside their own x and y.
    along = (pair for pair in known if all(grid[name].ndim == 1 for name in pair))
    return next(along, known[0] if known else None)


def _from_centres(
    centres: Iterable[tuple[float, float]],
    native: tuple[float, float],
    projection: str,
    resolution: float | tuple[float, float] | None,
) -> Target:
    try:
        points = np.asarray(list(centres), np.float64)
    except (TypeError, ValueError):
        raise UsageError(
            "Target cells are a stilt.Grid, an xarray grid, or a list of (x, y) centres, such as "
            f"[(-111.85, 40.77)], not a {type(centres).__name__} of other things; of a table "
            "list(zip(table.lon, table.lat))."
        ) from None
    if points.size == 0:
        points = points.reshape(0, 2)
    if points.ndim != 2 or points.shape[1] != 2:
        raise UsageError(
            f"A list of target cells must hold (x, y) centres, got shape {points.shape}."
        )
    if is_longlat(projection):
        require_latitudes(points[:, 1], "target")
    given: tuple[float | None, float | None] = (None, None)
    if resolution is not None:
        sizes = np.broadcast_to(np.asarray(resolution, np.float64), (2,))
        if not np.all(sizes > 0):
            raise UsageError(f"The target's resolution must be positive, got {resolution}.")
        given = (float(sizes[0]), float(sizes[1]))
    axes, places = [], []
    for column, size in enumerate(given):
        rounded = points[:, column].round(SPACING_DECIMALS)
        values, first, place = np.unique(rounded, return_index=True, return_inverse=True)
        values = points[first, column]
        spacing = float(np.diff(rounded[first]).min()) if values.size > 1 else native[column]
        cells = Intervals.of_size(values, size or spacing)
        is_longitude = column == 0 and is_longlat(projection)
        axes.append(cells.once_around() if is_longitude else cells)
        places.append(place)
    cell = places[0] * max(axes[1].centre.size, 1) + places[1]
    return Target(axes[0], axes[1], cell, projection)
