"""Horizontal grids and level lists of ARL weather files, and where a longitude and latitude fall.

Index coordinates are zero-based: the first node of the file, south-west on most grids, is
``(x, y) = (0.0, 0.0)``. Longitudes and latitudes are degrees on a sphere.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

EARTH_RADIUS_M = 6_371_200.0
"""Radius of the sphere on which ARL projections are defined."""

EDGE_CELLS = 1
"""Cells along the edges of a grid that particles may not enter."""

FloatArray = NDArray[np.float64]

_SMALL_GAMMA = 1e-7
_POLE_ROW_SHIFT = 0.25


@dataclass(frozen=True)
class MetGrid:
    """One horizontal grid with its levels, as an ARL index record describes it.

    The fields after ``source`` are the twelve reals of the index record in their order, without
    the pressure offset. A lat-lon grid keeps its last node in ``pole_lat, pole_lon``, its
    spacing in ``ref_lat, ref_lon`` and its first node in ``sync_lat, sync_lon``.

    Attributes:
        nx: nodes along x.
        ny: nodes along y.
        kind: ``"latlon"``, ``"conformal"`` (Lambert, polar stereographic, Mercator) or
            ``"rotated"``, see :class:`stilt.meteorology.rotated_grid.RotatedGrid`.
        levels: level values without the surface, bottom-up.
        vertical_flag: 1 sigma, 2 pressure (hPa), 3 terrain-following (m), 4 hybrid, 5 WRF.
        pressure_offset_hpa: top pressure of NMM-type sigma levels, else 0.
        source: four-character model id, verbatim.
        pole_lat: latitude of the pole, deg.
        pole_lon: longitude of the pole, deg.
        ref_lat: latitude at which the grid's size holds, deg.
        ref_lon: longitude that runs along y, deg.
        size_km: spacing at the reference latitude, 0 on a lat-lon grid.
        orientation_deg: angle between y and the reference longitude.
        cone_lat: angle of the cone: 90 stereographic, 0 Mercator, between Lambert.
        sync_x: column, from 1, of the reference point given below.
        sync_y: row, from 1, of that point.
        sync_lat: latitude of that point, deg.
        sync_lon: longitude of that point, deg.
    """

    nx: int
    ny: int
    kind: str
    levels: tuple[float, ...]
    vertical_flag: int
    pressure_offset_hpa: float
    source: str
    pole_lat: float
    pole_lon: float
    ref_lat: float
    ref_lon: float
    size_km: float
    orientation_deg: float
    cone_lat: float
    sync_x: float
    sync_y: float
    sync_lat: float
    sync_lon: float

    @property
    def n_levels(self) -> int:
        """Number of levels above the surface."""
        return len(self.levels)

    @cached_property
    def cyclic_x(self) -> bool:
        """Whether the columns go once round the globe."""
        return self.kind == "latlon" and abs(self.nx * self.ref_lon - 360.0) < 0.5 * self.ref_lon

    @cached_property
    def global_y(self) -> bool:
        """Whether the rows go round the globe's columns and from pole to pole."""
        span = (self.ny - 1) * self.ref_lat
        return self.cyclic_x and abs(span - 180.0) < 0.5 * self.ref_lat

    def to_xy(self, lon: ArrayLike, lat: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return zero-based fractional indices of points; any longitude convention is accepted.

        On a cyclic grid ``0 <= x < nx``. Points outside the grid get indices outside it.
        """
        lon, lat = np.broadcast_arrays(np.asarray(lon, float), np.asarray(lat, float))
        if self.kind == "latlon":
            return self._latlon_to_xy(lon, lat)
        return self._conformal_to_xy(lon, lat)

    def to_lonlat(self, x: ArrayLike, y: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return longitudes in [-180, 180) and latitudes of zero-based fractional indices."""
        x, y = np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float))
        lon, lat = self.unwrapped_lonlat(x, y)
        return wrap_longitude(lon), lat

    def unwrapped_lonlat(self, x: Any, y: Any, xp: Any = np) -> tuple[Any, Any]:
        """Return longitudes, which may be off by whole turns, and latitudes.

        Args:
            x, y: zero-based fractional indices in double precision, arrays of ``xp``.
            xp: NumPy, or a module that has its functions.
        """
        return (
            self.own_lonlat(x, y) if self.kind == "latlon" else self._conformal_to_lonlat(x, y, xp)
        )

    def own_lonlat(self, x: Any, y: Any) -> tuple[Any, Any]:
        """Return longitudes and latitudes of a lat-lon grid in its own coordinates, not wrapped."""
        return self.sync_lon + x * self._dlon, self.sync_lat + y * self.ref_lat

    def spacing_m(self) -> tuple[FloatArray, FloatArray]:
        """Return cell sizes (dx, dy) in metres at every node, each of shape (ny, nx).

        The pole rows of a lat-lon grid, where dx vanishes, use the latitude a quarter of a cell
        towards the equator.
        """
        shape = (self.ny, self.nx)
        if self.kind != "conformal":
            rows = np.arange(self.ny, dtype=float)
            lat = self.sync_lat + rows * self.ref_lat
            at_pole = np.abs(lat) > 90.0 - 1e-3 * self.ref_lat
            lat = np.where(at_pole, np.sign(lat) * (90.0 - _POLE_ROW_SHIFT * self.ref_lat), lat)
            dx = EARTH_RADIUS_M * np.cos(np.radians(lat)) * np.radians(self._dlon)
            dy = EARTH_RADIUS_M * np.radians(self.ref_lat)
            return np.broadcast_to(dx[:, None], shape).copy(), np.full(shape, dy)
        _, lat = self.to_lonlat(*np.meshgrid(np.arange(self.nx), np.arange(self.ny)))
        size = 1000.0 * self._scale_km * _size_factor(lat, self._gamma)
        return size, size.copy()

    def interpolate(self, field: NDArray[Any], x: ArrayLike, y: ArrayLike) -> FloatArray:
        """Interpolate a field bilinearly between nodes.

        Args:
            field: values at the nodes, (ny, nx).
            x, y: zero-based fractional indices of points; outside the grid the nearest cell counts.
        """
        x, y = np.nan_to_num(np.asarray(x, float)), np.nan_to_num(np.asarray(y, float))
        last_x = self.nx - 1 if self.cyclic_x else self.nx - 2
        i = np.clip(np.floor(x).astype(int), 0, last_x)
        j = np.clip(np.floor(y).astype(int), 0, self.ny - 2)
        fx, fy = x - i, y - j
        right = (i + 1) % self.nx
        return np.asarray(
            field[j, i] * (1 - fx) * (1 - fy)
            + field[j, right] * fx * (1 - fy)
            + field[j + 1, i] * (1 - fx) * fy
            + field[j + 1, right] * fx * fy
        )

    def wind_rotation_rad(self, lon: ArrayLike, lat: ArrayLike) -> FloatArray:
        """Return the angle from the grid's +y axis to true north, counter-clockwise, in radians.

        With it, grid-relative winds become earth-relative ones:
        ``u_east = u cos(a) + v sin(a)`` and ``v_north = -u sin(a) + v cos(a)``.
        """
        lon, lat = np.broadcast_arrays(np.asarray(lon, float), np.asarray(lat, float))
        if self.kind == "latlon":
            return np.zeros(lon.shape)
        dlon = np.radians(wrap_longitude(lon - self.ref_lon))
        return self._gamma * dlon + np.radians(self.orientation_deg)

    def contains(self, lon: ArrayLike, lat: ArrayLike) -> NDArray[np.bool_]:
        """Return whether points lie between the outermost nodes."""
        x, y = self.to_xy(lon, lat)
        inside_x = self.cyclic_x | ((x >= 0.0) & (x <= self.nx - 1))
        inside_y = self.global_y | ((y >= 0.0) & (y <= self.ny - 1))
        return np.asarray(np.isfinite(x) & np.isfinite(y) & inside_x & inside_y)

    def usable(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.bool_]:
        """Return whether a particle at zero-based indices is kept, by HYSPLIT's edge margin."""
        column = np.floor(np.asarray(x, float))
        row = np.floor(np.asarray(y, float))
        margin = EDGE_CELLS
        inside_x = self.cyclic_x | ((column >= margin) & (column < self.nx - 2 - margin))
        inside_y = self.global_y | ((row >= margin) & (row < self.ny - 2 - margin))
        return np.asarray(inside_x & inside_y)

    def key(self) -> str:
        """Return sixteen hexadecimal digits that identify this grid with everything in it."""
        values = tuple(getattr(self, name) for name in self.__dataclass_fields__)
        return hashlib.sha256(repr(values).encode()).hexdigest()[:16]

    @cached_property
    def _dlon(self) -> float:
        return 360.0 / self.nx if self.cyclic_x else self.ref_lon

    def _latlon_to_xy(self, lon: FloatArray, lat: FloatArray) -> tuple[FloatArray, FloatArray]:
        slack = 0.0 if self.cyclic_x else 0.5 * (360.0 - (self.nx - 1) * self._dlon)
        x = (np.mod(lon - self.sync_lon + slack, 360.0) - slack) / self._dlon
        if self.cyclic_x:
            x = np.where(x >= self.nx, x - self.nx, x)
        return x, (lat - self.sync_lat) / self.ref_lat

    @cached_property
    def _gamma(self) -> float:
        return float(np.sin(np.radians(self.cone_lat)))

    @cached_property
    def _scale_km(self) -> float:
        return self.size_km / float(_size_factor(np.array(self.ref_lat), self._gamma))

    @cached_property
    def _origin(self) -> tuple[float, float]:
        """Zero-based indices of the point on the reference meridian at the equator."""
        x, y = self._from_origin(np.array(self.sync_lon), np.array(self.sync_lat))
        return self.sync_x - 1.0 - float(x), self.sync_y - 1.0 - float(y)

    def _from_origin(self, lon: FloatArray, lat: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the indices from the projection's origin (Taylor's conformal map, one formula)."""
        gamma = self._gamma
        m = isometric_latitude(lat)
        dlon = np.radians(wrap_longitude(lon - self.ref_lon))
        if abs(gamma) < _SMALL_GAMMA:
            xi, eta = dlon, m
        else:
            shrink = np.exp(-gamma * m)
            xi = shrink * np.sin(gamma * dlon) / gamma
            eta = (1.0 - shrink * np.cos(gamma * dlon)) / gamma
        turn = np.radians(self.orientation_deg)
        nodes = EARTH_RADIUS_M / 1000.0 / self._scale_km
        x = nodes * (xi * np.cos(turn) - eta * np.sin(turn))
        y = nodes * (eta * np.cos(turn) + xi * np.sin(turn))
        return x, y

    def _conformal_to_xy(self, lon: FloatArray, lat: FloatArray) -> tuple[FloatArray, FloatArray]:
        x, y = self._from_origin(lon, lat)
        return x + self._origin[0], y + self._origin[1]

    def _conformal_to_lonlat(self, x: Any, y: Any, xp: Any) -> tuple[Any, Any]:
        gamma = self._gamma
        turn = np.radians(self.orientation_deg)
        nodes = EARTH_RADIUS_M / 1000.0 / self._scale_km
        dx, dy = (x - self._origin[0]) / nodes, (y - self._origin[1]) / nodes
        xi = dx * np.cos(turn) + dy * np.sin(turn)
        eta = dy * np.cos(turn) - dx * np.sin(turn)
        if abs(gamma) < _SMALL_GAMMA:
            dlon, m = xi, eta
        else:
            dlon = xp.arctan2(gamma * xi, 1.0 - gamma * eta) / gamma
            with np.errstate(divide="ignore"):
                m = -0.5 * xp.log1p(gamma * (gamma * (xi**2 + eta**2) - 2.0 * eta)) / gamma
        with np.errstate(over="ignore"):
            lat = xp.degrees(xp.arctan(xp.sinh(m)))
        return self.ref_lon + xp.degrees(dlon), lat


def latlon_grid(
    west: float,
    south: float,
    dlon: float,
    dlat: float,
    nx: int,
    ny: int,
    *,
    levels: tuple[float, ...],
    vertical_flag: int,
    source: str = "STLT",
    pressure_offset_hpa: float = 0.0,
) -> MetGrid:
    """Make a latitude-longitude grid from its south-west node and spacing in degrees.

    Longitudes are kept as HYSPLIT wants them in a file: 0 to 360, unless the grid straddles
    Greenwich.
    """
    first = float(wrap_longitude(west))
    last = first + (nx - 1) * dlon
    if first < 0.0 and last < 0.0:
        first, last = first + 360.0, last + 360.0
    return MetGrid(
        nx=nx,
        ny=ny,
        kind="latlon",
        levels=levels,
        vertical_flag=vertical_flag,
        pressure_offset_hpa=pressure_offset_hpa,
        source=source,
        pole_lat=south + (ny - 1) * dlat,
        pole_lon=last,
        ref_lat=dlat,
        ref_lon=dlon,
        size_km=0.0,
        orientation_deg=0.0,
        cone_lat=0.0,
        sync_x=1.0,
        sync_y=1.0,
        sync_lat=south,
        sync_lon=first,
    )


def conformal_grid(
    center_lon: float,
    center_lat: float,
    size_km: float,
    nx: int,
    ny: int,
    *,
    cone_lat: float,
    levels: tuple[float, ...],
    vertical_flag: int,
    ref_lat: float | None = None,
    ref_lon: float | None = None,
    source: str = "STLT",
    pressure_offset_hpa: float = 0.0,
) -> MetGrid:
    """Make a conformal grid around a central point, with spacing ``size_km`` at ``ref_lat``.

    Args:
        center_lon: longitude of the middle of the grid, degrees.
        center_lat: latitude of the middle of the grid, degrees.
        size_km: node spacing where the scale is true.
        nx: nodes along x.
        ny: nodes along y.
        cone_lat: 90 or -90 polar stereographic, 0 Mercator, between them Lambert's cone.
        levels: level values without the surface, bottom-up.
        vertical_flag: meaning of the level values, see :class:`MetGrid`.
        ref_lat: latitude of true scale; the cone's latitude when None.
        ref_lon: longitude that points along +y; the centre's when None.
        source: four-character model id.
        pressure_offset_hpa: top pressure of NMM-type sigma levels.
    """
    return MetGrid(
        nx=nx,
        ny=ny,
        kind="conformal",
        levels=levels,
        vertical_flag=vertical_flag,
        pressure_offset_hpa=pressure_offset_hpa,
        source=source,
        pole_lat=-90.0 if cone_lat < 0.0 else 90.0,
        pole_lon=0.0,
        ref_lat=cone_lat if ref_lat is None else ref_lat,
        ref_lon=center_lon if ref_lon is None else ref_lon,
        size_km=size_km,
        orientation_deg=0.0,
        cone_lat=cone_lat,
        sync_x=0.5 * (nx + 1),
        sync_y=0.5 * (ny + 1),
        sync_lat=center_lat,
        sync_lon=center_lon,
    )


def wrap_longitude(lon: ArrayLike) -> FloatArray:
    """Return longitudes moved by whole turns into [-180, 180)."""
    lon = np.array(lon, float)
    if lon.size and lon.min() >= -180.0 and lon.max() < 180.0:
        return lon
    wrapped = np.mod(lon + 180.0, 360.0) - 180.0
    return np.where(wrapped >= 180.0, -180.0, wrapped)


def isometric_latitude(lat: FloatArray) -> FloatArray:
    """Return the isometric latitude (Mercator ordinate), radians; large but finite at the poles."""
    return np.arcsinh(np.tan(np.radians(lat)))


def _size_factor(lat: FloatArray, gamma: float) -> FloatArray:
    """Compute cos(lat) exp(gamma m), written to be finite at the pole a cone is centred on."""
    s, c = np.sin(np.radians(lat)), np.cos(np.radians(lat))
    return np.clip(c, 0.0, None) ** (1.0 - abs(gamma)) * (1.0 + np.sign(gamma) * s) ** abs(gamma)
