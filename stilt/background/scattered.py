"""Nodes in no rows and columns, such as the triangles of ICON or the polygons of MPAS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from stilt.background.nodes import Corner, Floats, on_sphere, outside_in_words

_SEAM_STEP_DEG = 30.0


@dataclass(frozen=True, eq=False)
class ScatteredNodes:
    """Nodes with a longitude and latitude each, in one dimension.

    They are joined to triangles (Delaunay), in which a field is linear in longitude and latitude.
    Outside all triangles the nearest node counts, where it is nearer than nodes usually lie to one
    another.

    Attributes:
        longitudes, latitudes: degrees, shape (nodes,), at least three.
    """

    longitudes: Floats = field(repr=False)
    latitudes: Floats = field(repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_triangles", lru_cache(maxsize=4)(self._joined))

    def around(self, longitude: Floats, latitude: Floats) -> Sequence[Corner]:
        """Return the nodes around points; see :class:`stilt.background.nodes.Nodes`.

        The single row has the number 0.
        """
        turned = np.exp(1j * np.radians(longitude)).mean()
        middle = float(np.round(np.degrees(np.angle(turned)) / _SEAM_STEP_DEG) * _SEAM_STEP_DEG)
        triangles, spacing = self._triangles(middle)  # type: ignore[attr-defined]
        places = np.stack([_beside(longitude, middle), latitude], axis=1)
        found = triangles.find_simplex(places)
        to_shares = triangles.transform[found]
        first_two = np.einsum("nij,nj->ni", to_shares[:, :2], places - to_shares[:, 2])
        shares = np.column_stack([first_two, 1.0 - first_two.sum(axis=1)]).clip(0.0, 1.0)
        nodes = triangles.simplices[found]
        beyond = np.flatnonzero(found < 0)
        if beyond.size:
            nodes, shares = nodes.copy(), shares.copy()
            away, nearest = self._tree().query(on_sphere(longitude[beyond], latitude[beyond]))
            nodes[beyond] = nearest[:, None]
            shares[beyond] = [1.0, 0.0, 0.0]
            far = beyond[away > spacing]
            if far.size:
                outside_in_words(self.longitudes, self.latitudes, longitude, latitude, far)
        row = np.zeros(longitude.size, np.int64)
        return [(row, nodes[:, corner].astype(np.int64), shares[:, corner]) for corner in range(3)]

    def _joined(self, middle: float) -> tuple[Any, float]:
        """Return triangles around a longitude, and how far nodes lie apart (of a sphere of 1)."""
        from scipy.spatial import Delaunay

        triangles = Delaunay(np.stack([_beside(self.longitudes, middle), self.latitudes], axis=1))
        places = on_sphere(self.longitudes, self.latitudes)
        apart, _ = self._tree().query(places[:: max(1, places.shape[0] // 1000)], k=2)
        return triangles, 1.5 * float(np.median(apart[:, 1]))

    def _tree(self) -> Any:
        from scipy.spatial import KDTree

        return KDTree(on_sphere(self.longitudes, self.latitudes))


def _beside(longitude: Floats, middle: float) -> Floats:
    """Return longitudes within half a turn of one."""
    return middle + (longitude - middle + 180.0) % 360.0 - 180.0
