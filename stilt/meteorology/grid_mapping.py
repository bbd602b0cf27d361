"""The coordinate system that a grid mapping of CF describes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stilt.meteorology.grids import EARTH_RADIUS_M

if TYPE_CHECKING:
    from pyproj import CRS

_FIGURES = ("earth_radius", "semi_major_axis", "crs_wkt", "spatial_ref", "reference_ellipsoid_name")


def states_figure(mapping: Mapping[str, Any]) -> bool:
    """Return whether attributes of a grid mapping state the figure of the Earth."""
    return any(name in mapping for name in _FIGURES)


def crs_of(mapping: Mapping[str, Any]) -> CRS:
    """Return the coordinate system; one that states no figure of the Earth is on HYSPLIT's sphere.

    Raises:
        CRSError, KeyError, ValueError, TypeError: PROJ does not understand the attributes.
    """
    from pyproj import CRS

    figure = {} if states_figure(mapping) else {"earth_radius": EARTH_RADIUS_M}
    return CRS.from_cf({**mapping, **figure})
