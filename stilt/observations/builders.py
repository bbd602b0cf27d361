"""Receptors from observations: a point, a column, given points, or a slanted path."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stilt.errors import UsageError
from stilt.observations.geodesy import offset_degrees
from stilt.observations.geometry import LineOfSight
from stilt.observations.observation import Observation
from stilt.receptors import ColumnReceptor, PointReceptor, Receptor


def build_point_receptor(
    observation: Observation, *, altitude: float | None = None
) -> PointReceptor:
    """Return a point receptor at the observation's position.

    Args:
        observation: the measurement.
        altitude: used when the observation has none, in m above its altitude reference.

    Raises:
        UsageError: neither gives an altitude.
    """
    height = observation.altitude if observation.altitude is not None else altitude
    if height is None:
        raise UsageError(f"observation '{observation.id}' has no altitude: give a default height")
    return PointReceptor(
        observation.time,
        observation.longitude,
        observation.latitude,
        height,
        altitude_ref=observation.altitude_ref,
    )


def build_column_receptor(
    observation: Observation, bottom: float, top: float, *, altitude_ref: str = "agl"
) -> ColumnReceptor:
    """Return a vertical column at the observation's position, from ``bottom`` to ``top`` (m)."""
    return ColumnReceptor(
        observation.time,
        observation.longitude,
        observation.latitude,
        bottom,
        top,
        altitude_ref=altitude_ref,
    )


def build_multipoint_receptor(
    observation: Observation,
    points: Sequence[tuple[float, float, float]],
    *,
    altitude_ref: str = "agl",
) -> Receptor:
    """Return the receptor of ``(lon, lat, altitude in m)`` points at the observation's time."""
    return Receptor.from_points(observation.time, points, altitude_ref=altitude_ref)


def build_slant_receptor(
    observation: Observation,
    *,
    surface_altitude: float | None = None,
    model_top: float | None = None,
) -> Receptor:
    """Return points along the path between the ground and the instrument.

    A level is displaced from the observation's position by its height above the anchor times
    tan(VZA), in the direction of the viewing azimuth. The anchor is the line of sight's
    ``anchor_altitude``, else the observation's altitude, else the first level.

    Args:
        observation: has a line of sight, and a viewing geometry with VZA below 90 and VAA.
        surface_altitude: ground in m above sea level; levels below it are left out. For ``agl``
            the ground is 0.
        model_top: levels above it (m) are left out. By default it is the line of sight's
            ``max_altitude``.

    Raises:
        UsageError: an angle or the line of sight is missing, or no level is left.
    """
    sight = observation.line_of_sight
    if sight is None:
        raise UsageError(f"observation '{observation.id}' has no line of sight")
    zenith, azimuth = _viewing_angles(observation)
    levels = sight.levels()
    anchor = next(
        float(value)
        for value in (sight.anchor_altitude, observation.altitude, levels[0])
        if value is not None
    )
    kept = _clipped(levels, observation, sight, surface_altitude, model_top)
    if not len(kept):
        raise UsageError(
            f"no level of the line of sight of observation '{observation.id}' lies between the "
            "ground and the top"
        )
    offset = (kept - anchor) * math.tan(zenith)
    lon, lat = offset_degrees(
        observation.longitude,
        observation.latitude,
        offset * math.sin(azimuth),
        offset * math.cos(azimuth),
    )
    points = list(zip(lon.tolist(), lat.tolist(), kept.tolist(), strict=True))
    return Receptor.from_points(observation.time, points, altitude_ref=sight.altitude_ref)


def _viewing_angles(observation: Observation) -> tuple[float, float]:
    """Return viewing zenith and azimuth in radians."""
    viewing = observation.viewing
    zenith = viewing.viewing_zenith_deg if viewing else None
    azimuth = viewing.viewing_azimuth_deg if viewing else None
    if zenith is None or azimuth is None:
        raise UsageError(
            f"observation '{observation.id}' needs a viewing zenith and a viewing azimuth angle"
        )
    if not 0 <= zenith < 90:
        raise UsageError(
            f"observation '{observation.id}': the viewing zenith angle must be within [0, 90), "
            f"got {zenith}"
        )
    return math.radians(zenith), math.radians(azimuth)


def _clipped(
    levels: NDArray[np.float64],
    observation: Observation,
    sight: LineOfSight,
    surface_altitude: float | None,
    model_top: float | None,
) -> NDArray[np.float64]:
    """Leave out levels below the ground or above the top."""
    if sight.altitude_ref == "agl":
        ground: float | None = 0.0
    else:
        over_sea = observation.altitude if observation.altitude_ref == "msl" else None
        candidates = (surface_altitude, sight.surface_altitude, over_sea)
        ground = next((value for value in candidates if value is not None), None)
    top = model_top if model_top is not None else sight.max_altitude
    kept = np.ones(len(levels), dtype=bool)
    if ground is not None:
        kept &= levels >= ground
    if top is not None:
        kept &= levels <= top
    return levels[kept]
