"""Places on the sphere: unit vectors, whose chords order as their arcs do, and distances."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

EARTH_RADIUS_KM = 6371.0


def unit_vectors(longitude_rad: Floats, latitude_rad: Floats) -> Floats:
    """Return Cartesian coordinates on a sphere of radius 1, shape (points, 3).

    Args:
        longitude_rad, latitude_rad: of the points, radians, shape (points,).
    """
    lon, lat = longitude_rad, latitude_rad
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def distance_km(lon_a: Floats, lat_a: Floats, lon_b: Floats, lat_b: Floats) -> Floats:
    """Return great-circle distances, by the haversine formula.

    Args:
        lon_a, lat_a, lon_b, lat_b: radians, of shapes that broadcast.
    """
    square = (
        np.sin(0.5 * (lat_a - lat_b)) ** 2
        + np.cos(lat_a) * np.cos(lat_b) * np.sin(0.5 * (lon_a - lon_b)) ** 2
    )
    found: Floats = 2.0 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(square.clip(0.0, 1.0)))
    return found
