"""Rectangles on the Earth: output grids and the bounds of a weather subset."""

from __future__ import annotations

import math
from typing import Any

from pydantic import model_validator

from stilt.config.base import Float, Section, described, problem

LONGLAT = "+proj=longlat"
_MOST_CELLS = 1e8
# No edge in degrees is as large.
_IN_METRES = 1000.0
# Share of a cell by which rounding may shorten a range: R's, for seq(low, high, by = resolution).
_ROUNDING_CELLS = 1e-10


def whole_cells(low: float, high: float, resolution: float) -> int:
    """Return how many whole cells of a grid fit between two bounds.

    Every grid is laid by this rule, which is R-STILT's: floor((high - low) / resolution + 1e-10).
    """
    return math.floor((high - low) / resolution + _ROUNDING_CELLS)


class Bounds(Section):
    """A rectangle in degrees."""

    xmin: Float = described(
        ..., "Western edge", unit="degrees east", visibility="basic", ge=-180, le=360
    )
    xmax: Float = described(
        ..., "Eastern edge", unit="degrees east", visibility="basic", ge=-180, le=360
    )
    ymin: Float = described(
        ..., "Southern edge", unit="degrees north", visibility="basic", ge=-90, le=90
    )
    ymax: Float = described(
        ..., "Northern edge", unit="degrees north", visibility="basic", ge=-90, le=90
    )

    @model_validator(mode="after")
    def _edges_in_order(self) -> Bounds:
        across_dateline = self.xmin > 0 > self.xmax
        if not (self.xmin < self.xmax or across_dateline) or self.xmax - self.xmin > 360:
            raise problem(
                f"xmin {self.xmin:g} must be west of xmax {self.xmax:g} and at most 360 degrees "
                "away (across the dateline: xmin > 0 > xmax, or xmax above 180)",
                "xmin",
            )
        if not self.ymin < self.ymax:
            raise problem(f"ymin {self.ymin:g} must be below ymax {self.ymax:g}", "ymin")
        return self

    @property
    def width_deg(self) -> float:
        """West-east extent in degrees, also across the dateline."""
        width = self.xmax - self.xmin
        return width if width > 0 else width + 360.0


class Grid(Bounds):
    """A footprint grid: edges in degrees, cell sizes in units of the projection."""

    xres: Float = described(
        ...,
        "West-east size of a cell",
        unit="units of the projection: degrees for longlat, else usually m",
        visibility="basic",
        gt=0,
    )
    yres: Float = described(
        ...,
        "South-north size of a cell",
        unit="units of the projection: degrees for longlat, else usually m",
        visibility="basic",
        gt=0,
    )
    projection: str = described(
        LONGLAT, "PROJ text of the grid's projection", visibility="advanced", min_length=1
    )

    @model_validator(mode="before")
    @classmethod
    def _edges_in_degrees(cls, given: Any) -> Any:
        """Say it of edges in metres, which pydantic would only call too large."""
        if not isinstance(given, dict) or "projection" not in given:
            return given
        for name in ("xmin", "xmax", "ymin", "ymax"):
            edge = given.get(name)
            if isinstance(edge, int | float) and abs(edge) > _IN_METRES:
                raise problem(
                    f"{edge:g} looks like metres: edges are in degrees in every projection, only "
                    "xres and yres are in its units",
                    name,
                )
        return given

    @property
    def is_longlat(self) -> bool:
        """Whether cells are counted in degrees of longitude and latitude."""
        words = self.projection.split()
        return any(word in ("+proj=longlat", "+proj=latlong", "+proj=lonlat") for word in words)

    @model_validator(mode="after")
    def _cells_fit(self) -> Grid:
        if not self.is_longlat:
            return _checked_projection(self)
        columns = whole_cells(0.0, self.width_deg, self.xres)
        rows = whole_cells(self.ymin, self.ymax, self.yres)
        if columns < 1:
            raise problem(
                f"xres {self.xres:g} is wider than the grid ({self.width_deg:g} degrees)", "xres"
            )
        if rows < 1:
            raise problem(
                f"yres {self.yres:g} is taller than the grid ({self.ymax - self.ymin:g} degrees)",
                "yres",
            )
        cells = float(columns) * rows
        if cells > _MOST_CELLS:
            raise problem(
                f"the grid would have {cells:.1e} cells, more than {_MOST_CELLS:.0e}: "
                "choose larger xres and yres",
                "xres",
            )
        return self


def _checked_projection(grid: Grid) -> Grid:
    """Refuse text that PROJ does not understand."""
    import pyproj

    try:
        pyproj.CRS.from_user_input(grid.projection)
    except pyproj.exceptions.CRSError as error:
        raise problem(
            f"'{grid.projection}' is not a projection that PROJ knows", "projection"
        ) from error
    return grid
