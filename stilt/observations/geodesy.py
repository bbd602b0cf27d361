"""Distances and flat local coordinates on a spherical Earth."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

EARTH_RADIUS_M = 6_371_000.0

Floats = NDArray[np.float64]


def haversine_km(
    longitude: ArrayLike, latitude: ArrayLike, to_longitude: ArrayLike, to_latitude: ArrayLike
) -> Floats:
    """Return great-circle distances in km between points in degrees; the inputs broadcast."""
    lon, lat, to_lon, to_lat = (
        np.radians(np.asarray(value, dtype=np.float64))
        for value in (longitude, latitude, to_longitude, to_latitude)
    )
    half = (
        np.sin((to_lat - lat) / 2) ** 2
        + np.cos(lat) * np.cos(to_lat) * np.sin((to_lon - lon) / 2) ** 2
    )
    return 2 * EARTH_RADIUS_M / 1000 * np.arcsin(np.sqrt(np.clip(half, 0.0, 1.0)))


def offset_degrees(
    longitude: float, latitude: float, east_m: ArrayLike, north_m: ArrayLike
) -> tuple[Floats, Floats]:
    """Return (lon, lat) in degrees of points a short way off, good to a few hundred km.

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
