"""Where an instrument looked: its footprint on the ground, its angles, its line of sight."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stilt.errors import UsageError
from stilt.observations.geodesy import LocalPlane

if TYPE_CHECKING:
    import shapely

KINDS = ("point", "polygon", "ellipse", "swath_cell", "line")
_ELLIPSE_POINTS = 72


@dataclass(frozen=True)
class HorizontalGeometry:
    """The area on the ground that an observation represents.

    Attributes:
        kind: ``point``, ``polygon``, ``ellipse``, ``swath_cell`` or ``line``.
        vertices: (lon, lat) corners in degrees.
        resolution_km: full (across, along) size in km of an ellipse or cell without vertices.
        rotation_deg: direction of the along axis, clockwise from north.

    Raises:
        UsageError: an unknown kind, too few vertices, or a size that is not positive.
    """

    kind: str = "point"
    vertices: tuple[tuple[float, float], ...] = ()
    resolution_km: tuple[float, float] | None = None
    rotation_deg: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UsageError(f"unknown kind of geometry {self.kind!r}: use {', '.join(KINDS)}")
        corners = tuple((float(lon), float(lat)) for lon, lat in self.vertices)
        object.__setattr__(self, "vertices", corners)
        needed = {"polygon": 3, "line": 2}.get(self.kind, 0)
        if len(corners) < needed:
            raise UsageError(f"a {self.kind} needs at least {needed} vertices, got {len(corners)}")
        if self.resolution_km is not None and not all(
            math.isfinite(size) and size > 0 for size in self.resolution_km
        ):
            raise UsageError(f"resolution_km must be above 0, got {self.resolution_km}")

    def polygon(self, longitude: float, latitude: float) -> shapely.Polygon:
        """Return the area around a centre in degrees as (lon, lat) corners.

        Vertices take precedence. Without them an ellipse has 72 corners, and any other kind with
        a resolution is a rectangle.

        Raises:
            UsageError: there are neither enough vertices nor a resolution.
        """
        import shapely

        if len(self.vertices) >= 3:
            return shapely.Polygon(self.vertices)
        if self.resolution_km is None:
            raise UsageError(
                f"a {self.kind} without an area needs three vertices or a resolution_km"
            )
        half_x, half_y = (500.0 * size for size in self.resolution_km)
        if self.kind == "ellipse":
            angle = np.linspace(0.0, 2 * np.pi, _ELLIPSE_POINTS, endpoint=False)
            across, along = half_x * np.cos(angle), half_y * np.sin(angle)
        else:
            across = half_x * np.array([-1.0, 1.0, 1.0, -1.0])
            along = half_y * np.array([-1.0, -1.0, 1.0, 1.0])
        turn = math.radians(self.rotation_deg)
        east = across * math.cos(turn) + along * math.sin(turn)
        north = -across * math.sin(turn) + along * math.cos(turn)
        lon, lat = LocalPlane(longitude, latitude).to_degrees(east, north)
        return shapely.Polygon(np.column_stack([lon, lat]))


@dataclass(frozen=True)
class ViewingGeometry:
    """Angles in degrees at the ground point; azimuths clockwise from north.

    Attributes:
        solar_zenith_deg: angle of the sun from the vertical (SZA), 0 to 180.
        viewing_zenith_deg: angle of the instrument from the vertical (VZA), 0 to 180.
        solar_azimuth_deg: direction to the sun (SAA), -180 to 360.
        viewing_azimuth_deg: direction to the instrument (VAA), -180 to 360.

    Raises:
        UsageError: an angle is outside its range.
    """

    solar_zenith_deg: float | None = None
    viewing_zenith_deg: float | None = None
    solar_azimuth_deg: float | None = None
    viewing_azimuth_deg: float | None = None

    def __post_init__(self) -> None:
        for name, low, high in (
            ("solar_zenith_deg", 0.0, 180.0),
            ("viewing_zenith_deg", 0.0, 180.0),
            ("solar_azimuth_deg", -180.0, 360.0),
            ("viewing_azimuth_deg", -180.0, 360.0),
        ):
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise UsageError(f"{name} must be within [{low:g}, {high:g}], got {value}")


@dataclass(frozen=True)
class LineOfSight:
    """Altitudes along an instrument's line of sight, in m.

    Give either ``altitude_levels``, or ``start_altitude`` and ``end_altitude`` with exactly one
    of ``count`` and ``frequency_m``.

    Attributes:
        altitude_levels: altitudes to place particles at.
        start_altitude: lowest altitude.
        end_altitude: highest altitude.
        count: number of altitudes between start and end, both included; at least 2.
        frequency_m: desired distance between altitudes, above 0.
        altitude_ref: ``"agl"`` or ``"msl"``.
        anchor_altitude: altitude at which the path passes over the observation's position.
        surface_altitude: ground above sea level, below which nothing is placed.
        max_altitude: altitude above which nothing is placed.

    Raises:
        UsageError: these rules are broken.
    """

    altitude_levels: tuple[float, ...] | None = None
    start_altitude: float | None = None
    end_altitude: float | None = None
    count: int | None = None
    frequency_m: float | None = None
    altitude_ref: str = "agl"
    anchor_altitude: float | None = None
    surface_altitude: float | None = None
    max_altitude: float | None = None

    def __post_init__(self) -> None:
        if self.altitude_ref not in ("agl", "msl"):
            raise UsageError(f"altitude_ref must be 'agl' or 'msl', got {self.altitude_ref!r}")
        spacing = (self.start_altitude, self.end_altitude, self.count, self.frequency_m)
        if self.altitude_levels is not None:
            if any(value is not None for value in spacing):
                raise UsageError("give altitude_levels or a start and end altitude, not both")
            levels = tuple(float(level) for level in self.altitude_levels)
            if not levels or not all(math.isfinite(level) for level in levels):
                raise UsageError("altitude_levels must hold at least one finite altitude")
            object.__setattr__(self, "altitude_levels", levels)
            return
        self._check_spacing()

    def _check_spacing(self) -> None:
        start, end = self.start_altitude, self.end_altitude
        if start is None or end is None:
            raise UsageError("a line of sight needs altitude_levels, or start and end altitudes")
        if not (math.isfinite(start) and math.isfinite(end) and start < end):
            raise UsageError(f"start_altitude {start} must be below end_altitude {end}")
        if (self.count is None) == (self.frequency_m is None):
            raise UsageError("give exactly one of count and frequency_m")
        if self.count is not None and self.count < 2:
            raise UsageError(f"count must be at least 2, got {self.count}")
        if self.frequency_m is not None and not self.frequency_m > 0:
            raise UsageError(f"frequency_m must be above 0, got {self.frequency_m}")

    def levels(self) -> NDArray[np.float64]:
        """Return the altitudes in m, shape (n,)."""
        if self.altitude_levels is not None:
            return np.array(self.altitude_levels, dtype=np.float64)
        assert self.start_altitude is not None
        assert self.end_altitude is not None
        count = self.count
        if count is None:
            assert self.frequency_m is not None
            span = self.end_altitude - self.start_altitude
            count = max(2, round(span / self.frequency_m) + 1)
        return np.linspace(self.start_altitude, self.end_altitude, count)
