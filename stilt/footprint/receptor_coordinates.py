"""Scalar coordinates that identify a footprint's receptor; many footprints combine along them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stilt.receptors.kinds import release_points

if TYPE_CHECKING:
    from stilt.receptors import Receptor

RECEPTOR = "receptor"
# No standard names and no degrees_east: programs would take these for coordinates of the cells.
ATTRIBUTES: dict[str, dict[str, str]] = {
    RECEPTOR: {"long_name": "receptor id"},
    "receptor_time": {"long_name": "time of the measurement"},
    "receptor_longitude": {"long_name": "longitude of the receptor, east", "units": "degrees"},
    "receptor_latitude": {"long_name": "latitude of the receptor, north", "units": "degrees"},
    "receptor_altitude": {
        "long_name": "release height of the receptor, above ground or sea level as its id says",
        "units": "m",
    },
}


def receptor_coordinates(receptor: Receptor) -> dict[str, Any]:
    """Return the value of each scalar coordinate by name.

    ``receptor`` is the id as text, ``receptor_time`` is datetime64 (UTC), longitude and latitude
    are in degrees and altitude in m; for a column or several points they are those of the middle.
    """
    longitude, latitude, altitude = release_points(receptor)
    values = (
        str(receptor.id),
        receptor.time.to_datetime64().astype("datetime64[ns]"),
        _middle(longitude),
        float(latitude.mean()),
        float(altitude.mean()),
    )
    return dict(zip(ATTRIBUTES, values, strict=True))


def _middle(longitude: np.ndarray) -> float:
    """Return the mean of longitudes in [-180, 180), also if they lie on both sides of 180."""
    if np.ptp(longitude) < 180.0:
        return float(longitude.mean())
    first = float(longitude[0])
    east = (longitude - first + 180.0) % 360.0 - 180.0
    return (first + float(east.mean()) + 180.0) % 360.0 - 180.0
