"""Spread an observation that represents an area over points inside it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stilt.errors import UsageError
from stilt.observations.geodesy import LocalPlane, wrapped
from stilt.observations.geometry import HorizontalGeometry
from stilt.observations.observation import Observation

_MOST_CELLS_ACROSS = 1000
_MOST_DRAWS = 1000


def jitter_observation(
    observation: Observation, n: int, *, method: str = "regular", seed: int | None = None
) -> list[Observation]:
    """Return ``n`` copies of an observation at points inside its area.

    Args:
        observation: has a geometry with vertices or a resolution.
        n: number of copies, named ``{id}-j{k}`` with k from 0.
        method: ``regular`` takes cell centres of the coarsest square lattice that has ``n`` of
            them inside; ``random`` draws uniformly over the area.
        seed: makes ``random`` reproducible.

    Raises:
        UsageError: n is below 1, the method is unknown, or the geometry has no area.
    """
    if n < 1:
        raise UsageError(f"n must be at least 1, got {n}")
    if method not in ("regular", "random"):
        raise UsageError(f"method must be 'regular' or 'random', got {method!r}")
    polygon = observation.geometry.polygon(observation.longitude, observation.latitude)
    plane = LocalPlane(observation.longitude, observation.latitude)
    corners = np.column_stack(plane.to_plane(*np.array(polygon.exterior.coords).T))
    points = _regular(corners, n) if method == "regular" else _random(corners, n, seed)
    lon, lat = plane.to_degrees(points[:, 0], points[:, 1])
    return [
        observation.with_changes(
            id=f"{observation.id}-j{index}",
            longitude=float(x),
            latitude=float(y),
            geometry=HorizontalGeometry("point"),
        )
        for index, (x, y) in enumerate(zip(wrapped(lon), lat, strict=True))
    ]


def _regular(corners: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Return n lattice points inside the polygon, shape (n, 2), spread over all that fit."""
    low, high = corners.min(axis=0), corners.max(axis=0)
    for across in range(1, _MOST_CELLS_ACROSS + 1):
        steps = (np.arange(across) + 0.5) / across
        x, y = np.meshgrid(low[0] + steps * (high[0] - low[0]), low[1] + steps * (high[1] - low[1]))
        inside = _inside(corners, np.column_stack([x.ravel(), y.ravel()]))
        if len(inside) >= n:
            return inside[np.linspace(0, len(inside) - 1, n).round().astype(int)]
    raise UsageError("the geometry has no area to spread points over")


def _random(corners: NDArray[np.float64], n: int, seed: int | None) -> NDArray[np.float64]:
    """Return n points drawn uniformly from the polygon, shape (n, 2)."""
    generator = np.random.default_rng(seed)
    low, high = corners.min(axis=0), corners.max(axis=0)
    found = np.empty((0, 2))
    for _ in range(_MOST_DRAWS):
        found = np.vstack([found, _inside(corners, generator.uniform(low, high, (4 * n, 2)))])
        if len(found) >= n:
            return found[:n]
    raise UsageError("the geometry has no area to spread points over")


def _inside(corners: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return those points that lie inside the polygon."""
    import shapely

    inside: NDArray[np.float64] = points[
        shapely.contains_xy(shapely.Polygon(corners), points[:, 0], points[:, 1])
    ]
    return inside
