"""The grid a footprint lies on: longitude wrap, projection, cells."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from stilt.config.geometry import whole_cells
from stilt.errors import ConfigValidationError
from stilt.footprint.steps import Floats, Ints

if TYPE_CHECKING:
    from pyproj import CRS, Transformer


# Share of a cell next to its edges in which rounding may put a position on the wrong side.
NEAR_EDGE = 1e-6
LONGLAT_NAMES = ("longlat", "latlong", "lonlat", "latlon")


@runtime_checkable
class GridLike(Protocol):
    """What a footprint needs to know of a grid: degrees for bounds, projection units for cells."""

    @property
    def xmin(self) -> float: ...  # noqa: D102
    @property
    def xmax(self) -> float: ...  # noqa: D102
    @property
    def ymin(self) -> float: ...  # noqa: D102
    @property
    def ymax(self) -> float: ...  # noqa: D102
    @property
    def xres(self) -> float: ...  # noqa: D102
    @property
    def yres(self) -> float: ...  # noqa: D102
    @property
    def projection(self) -> str: ...  # noqa: D102


def is_longlat(projection: str) -> bool:
    """Return whether a projection's coordinates are longitude and latitude in degrees."""
    names = [word.removeprefix("+proj=") for word in projection.split() if "+proj=" in word]
    if names:
        return names[0] in LONGLAT_NAMES
    return coordinate_system(projection).is_geographic


@lru_cache(maxsize=32)
def coordinate_system(projection: str) -> CRS:
    """Parse a projection with pyproj.

    Raises:
        ConfigValidationError: PROJ does not understand the text.
    """
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        return CRS.from_user_input(projection)
    except CRSError as error:
        raise ConfigValidationError(
            f"PROJ does not understand the grid's projection {projection!r}; "
            "give a PROJ text such as '+proj=utm +zone=12 +datum=WGS84' or 'EPSG:32612'."
        ) from error


@lru_cache(maxsize=32)
def transformer(projection: str) -> Transformer:
    """Return the transformation from longitude and latitude (EPSG:4326) to a projection's x, y."""
    from pyproj import Transformer

    return Transformer.from_crs("EPSG:4326", coordinate_system(projection), always_xy=True)


@dataclass(frozen=True)
class Axis:
    """Equal cells along one axis.

    Attributes:
        low, high: bounds in grid units; there are only cells that lie wholly below ``high``.
        resolution: cell size, grid units.
        count: number of cells.
    """

    low: float
    high: float
    resolution: float
    count: int

    @classmethod
    def of(cls, low: float, high: float, resolution: float, name: str) -> Axis:
        """Lay cells from ``low`` upwards.

        Raises:
            ConfigValidationError: the resolution is not positive or no cell fits.
        """
        if not resolution > 0:
            raise ConfigValidationError(
                f"The grid's {name}res is {resolution:g}; give a positive cell size."
            )
        count = whole_cells(low, high, resolution)
        if count < 1:
            raise ConfigValidationError(
                f"The grid has no cell along {name}: {low:g} to {high:g} is shorter than "
                f"{name}res = {resolution:g}; widen the bounds or make the cells smaller."
            )
        return cls(low, high, resolution, count)

    @property
    def end(self) -> float:
        """Upper edge of the last cell, below ``high`` when the range ends within a cell."""
        return self.low + self.count * self.resolution

    @property
    def is_cut(self) -> bool:
        """Whether the range ends within a cell, which is then left out."""
        return (self.high - self.end) / self.resolution > NEAR_EDGE

    def centres(self) -> Floats:
        """Return cell centres, ascending, shape (count,)."""
        cells = np.arange(self.count, dtype=np.float64)
        return self.low + cells * self.resolution + self.resolution / 2

    def cell(self, position: Floats, buffer_cells: int = 0) -> Floats:
        """Return the index of each position's cell, closed on the left, as a whole number.

        Indices continue outside the axis. As in R-STILT the edges are those of a grid that begins
        ``buffer_cells`` before the axis, ``(low - buffer resolution) + k resolution`` in floating
        point: the last bit decides for positions that lie exactly on an edge.

        Args:
            position: grid units, shape (n,).
            buffer_cells: width of the widest smoothing kernel, in cells.
        """
        quotient = position - self.low
        quotient /= self.resolution
        index = np.floor(quotient)
        quotient -= index
        unsure = np.flatnonzero((quotient < NEAR_EDGE) | (quotient > 1.0 - NEAR_EDGE))
        if unsure.size:
            at, cell = position[unsure], index[unsure]
            first = self.low - buffer_cells * self.resolution
            cell += buffer_cells
            cell -= at < first + cell * self.resolution
            cell += at >= first + (cell + 1) * self.resolution
            index[unsure] = cell - buffer_cells
        return index

    def near(self, position: Floats, margin_cells: int) -> np.ndarray:
        """Return which positions lie in the bounds widened by some cells, closed on the left."""
        margin = margin_cells * self.resolution
        return (position >= self.low - margin) & (position < self.high + margin)

    def all_near(self, position: Floats, margin_cells: int) -> bool:
        """Return whether :meth:`near` holds for all; faster than asking for each."""
        if position.size == 0:
            return True
        margin = margin_cells * self.resolution
        return bool(position.min() >= self.low - margin and position.max() < self.high + margin)


@dataclass(frozen=True)
class CellGrid:
    """Where a footprint's cells lie, in the coordinates it is computed in.

    Attributes:
        x, y: the axes.
        degrees: coordinates are longitude and latitude.
        projection: PROJ text.
        west: for a grid across the dateline, longitudes are wrapped to [west, west + 360); else
            None.
    """

    x: Axis
    y: Axis
    degrees: bool
    projection: str
    west: float | None = None

    @classmethod
    def of(cls, grid: GridLike) -> CellGrid:
        """Work out the axes of a grid (R-STILT's rules for wrapping and projecting bounds).

        Raises:
            ConfigValidationError: no cell fits or the projection is unknown.
        """
        degrees = is_longlat(grid.projection)
        xmin, xmax, ymin, ymax = (float(v) for v in (grid.xmin, grid.xmax, grid.ymin, grid.ymax))
        west = None
        if degrees:
            if ((180.0 - xmin) - (-180.0 - xmax)) % 360.0 == 0.0:
                xmin, xmax = -180.0, 180.0
            elif xmax < xmin or xmax > 180.0:
                xmin, xmax, west = _wrapped_bounds(xmin, xmax)
        else:
            corners_x, corners_y = transformer(grid.projection).transform(
                [xmin, xmax], [ymin, ymax]
            )
            if not np.isfinite([*corners_x, *corners_y]).all():
                raise ConfigValidationError(
                    f"The grid's corners ({xmin:g}, {ymin:g}) and ({xmax:g}, {ymax:g}) lie outside "
                    f"the range of the projection {grid.projection!r}; choose other bounds."
                )
            xmin, xmax = min(corners_x), max(corners_x)
            ymin, ymax = min(corners_y), max(corners_y)
        return cls(
            Axis.of(xmin, xmax, float(grid.xres), "x"),
            Axis.of(ymin, ymax, float(grid.yres), "y"),
            degrees,
            grid.projection,
            west,
        )

    def cut_ranges(self) -> list[str]:
        """Return a sentence for each axis whose range is no whole number of cells."""
        unit = "degrees" if self.degrees else "units of the projection"
        return [
            f"{name} from {axis.low:.10g} to {axis.high:.10g} ({unit}) is not a whole number of "
            f"cells of {name}res {axis.resolution:.10g}: the grid has {axis.count} and ends at "
            f"{name} {axis.end:.10g}."
            for name, axis in (("x", self.x), ("y", self.y))
            if axis.is_cut
        ]

    def wrap(self, longitude: Floats) -> Floats:
        """Wrap longitudes to the range of the grid's axes."""
        if self.west is None:
            return longitude
        return (longitude.astype(np.float64) - self.west) % 360.0 + self.west

    def project(self, longitude: Floats, latitude: Floats) -> tuple[Floats, Floats]:
        """Convert longitude and latitude to the grid's coordinates."""
        if self.degrees:
            return self.wrap(longitude), latitude
        x, y = transformer(self.projection).transform(longitude, latitude)
        return np.asarray(x), np.asarray(y)

    def order_of_columns(self) -> tuple[Floats, Ints]:
        """Return longitudes (or x) as published, ascending, and the grid's column of each.

        Wrapped longitudes go back to [-180, 180).
        """
        centres = self.x.centres()
        if self.west is not None:
            centres = np.where(centres >= 180.0, centres - 360.0, centres)
        order = np.argsort(centres, kind="stable")
        return centres[order], order


def _wrapped_bounds(xmin: float, xmax: float) -> tuple[float, float, float]:
    """Return the bounds of a grid across the dateline without a jump, and where longitudes begin.

    They begin at 0, as in R-STILT, unless the grid also crosses the Greenwich meridian; then in
    the middle of the part of the globe that the grid leaves out.
    """
    low, high = xmin % 360.0, xmax % 360.0
    if low < high:
        return low, high, 0.0
    low -= 360.0
    return low, high, low - 0.5 * (360.0 - (high - low))
