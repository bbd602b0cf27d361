"""Places on the sphere as unit vectors, whose chords order as their arcs do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def unit_vectors(longitude_rad: Floats, latitude_rad: Floats) -> Floats:
    """Return Cartesian coordinates on a sphere of radius 1, shape (points, 3).

    Args:
        longitude_rad, latitude_rad: of the points, radians, shape (points,).
    """
    lon, lat = longitude_rad, latitude_rad
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)
