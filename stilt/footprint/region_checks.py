"""What polygons and basis functions of regions must be like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from stilt.errors import UsageError
from stilt.fill_values import fill_among
from stilt.footprint.target import HIGHEST_LATITUDE

if TYPE_CHECKING:
    import xarray as xr


def check_polygons(names: Sequence[Any], shapes: Sequence[Any]) -> None:
    """Refuse shapes that are no polygons with an area, in degrees, that do not cross themselves.

    Raises:
        UsageError: one is not, or there are more or fewer names.
    """
    import shapely

    if len(names) != len(shapes):
        raise UsageError(f"There are {len(names)} names for {len(shapes)} regions: give one each.")
    for name, shape in zip(names, shapes, strict=True):
        if isinstance(shape, shapely.Geometry) and not shapely.is_valid(shape):
            raise UsageError(
                f"The polygon of the region {name!r} is not valid "
                f"({shapely.is_valid_reason(shape)}): mend it with shapely.make_valid."
            )
        if not isinstance(shape, shapely.Geometry) or not shape.area > 0.0:
            kind = getattr(shape, "geom_type", type(shape).__name__)
            raise UsageError(
                f"The region {name!r} is a {kind} without an area: give a polygon, or leave it out."
            )
        _, south, _, north = shape.bounds
        if max(abs(south), abs(north)) > HIGHEST_LATITUDE:
            raise UsageError(
                f"The polygon of the region {name!r} reaches from {south:g} to {north:g} in "
                "latitude, beyond 90 degrees: are longitude and latitude exchanged, or is it in "
                "metres, which a GeoDataFrame with its crs converts?"
            )


def check_weights(patterns: xr.DataArray) -> None:
    """Refuse weights of basis functions that stand for missing values.

    Raises:
        UsageError: there are such.
    """
    fill = fill_among(patterns.values)
    if fill is not None:
        raise UsageError(
            f"The weights of the regions hold the value {fill:g}, which seems to stand for "
            "missing values: replace it by NaN or 0 (array.where(...))."
        )
