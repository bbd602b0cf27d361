"""Nearest points and flat local coordinates on a spherical Earth."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stilt.sphere import unit_vectors

EARTH_RADIUS_M = 6_371_000.0

_TIE = 1e-12
"""Chords on the unit sphere that differ by less count as equal: 6 micrometres on the Earth."""

Floats = NDArray[np.float64]


def nearest(
    longitude: ArrayLike, latitude: ArrayLike, to_longitude: ArrayLike, to_latitude: ArrayLike
) -> NDArray[np.intp]:
    """Return which point is nearest to each target by great circle; the first of several.

    Args:
        longitude, latitude: degrees, shape (points,), at least one.
        to_longitude, to_latitude: degrees, shape (targets,).

    Returns:
        Indices of points, shape (targets,).
    """
    from scipy.spatial import KDTree

    # The shortest chord belongs to the shortest arc.
    tree = KDTree(unit_vectors(np.radians(longitude), np.radians(latitude)))
    targets = unit_vectors(np.radians(to_longitude), np.radians(to_latitude))
    chord, _ = tree.query(targets)
    found = tree.query_ball_point(targets, chord + _TIE)
    return np.array([min(ties) for ties in found], dtype=np.intp)


def offset_degrees(
    longitude: float, latitude: float, east_m: ArrayLike, north_m: ArrayLike
) -> tuple[Floats, Floats]:
    """Return (lon, lat) in degrees of displaced points; accurate up to a few hundred km.

    Degrees of longitude shrink with the cosine of the latitude of the starting point.
    """
    lat = latitude + np.degrees(np.asarray(north_m, dtype=np.float64) / EARTH_RADIUS_M)
    width = EARTH_RADIUS_M * np.cos(np.radians(latitude))
    lon = longitude + np.degrees(np.asarray(east_m, dtype=np.float64) / width)
    return wrapped(lon), lat


def wrapped(longitude: ArrayLike) -> Floats:
    """Return longitudes in [-180, 180), leaving those already in [-180, 180] untouched."""
    lon = np.asarray(longitude, dtype=np.float64)
    return np.where(np.abs(lon) <= 180.0, lon, (lon + 180.0) % 360.0 - 180.0)


class LocalPlane:
    """Flat coordinates in m around a point: the azimuthal equidistant projection of a sphere.

    Directions and distances from the centre are exact.
    """

    def __init__(self, longitude: float, latitude: float) -> None:
        import pyproj

        sphere = f"+R={EARTH_RADIUS_M:.0f} +no_defs"
        plane = f"+proj=aeqd +lat_0={latitude!r} +lon_0={longitude!r} {sphere}"
        self._transform = pyproj.Transformer.from_crs(
            f"+proj=longlat {sphere}", plane, always_xy=True
        )

    def to_plane(self, longitude: ArrayLike, latitude: ArrayLike) -> tuple[Floats, Floats]:
        """Return (east, north) in m of points in degrees."""
        east, north = self._transform.transform(np.asarray(longitude), np.asarray(latitude))
        return np.asarray(east), np.asarray(north)

    def to_degrees(self, east_m: ArrayLike, north_m: ArrayLike) -> tuple[Floats, Floats]:
        """Return (lon, lat) in degrees of points in m from the centre."""
        lon, lat = self._transform.transform(
            np.asarray(east_m), np.asarray(north_m), direction="INVERSE"
        )
        return np.asarray(lon), np.asarray(lat)
