"""Nodes in no rows and columns, such as the triangles of ICON or the polygons of MPAS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from stilt.background.nodes import Corner, Floats, outside_in_words
from stilt.errors import UsageError
from stilt.meteorology.grids import wrap_longitude
from stilt.sphere import unit_vectors

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
    _triangles: dict[float, tuple[Any, float]] = field(default_factory=dict, init=False, repr=False)

    def around(self, longitude: Floats, latitude: Floats) -> Sequence[Corner]:
        """Return the nodes around points; see :class:`stilt.background.nodes.Nodes`.

        The single row has the number 0.
        """
        turned = np.exp(1j * np.radians(longitude)).mean()
        middle = float(np.round(np.degrees(np.angle(turned)) / _SEAM_STEP_DEG) * _SEAM_STEP_DEG)
        if middle not in self._triangles:
            self._triangles[middle] = self._joined(middle)
        triangles, spacing = self._triangles[middle]
        places = np.stack([middle + wrap_longitude(longitude - middle), latitude], axis=1)
        found = triangles.find_simplex(places)
        to_shares = triangles.transform[found]
        first_two = np.einsum("nij,nj->ni", to_shares[:, :2], places - to_shares[:, 2])
        shares = np.column_stack([first_two, 1.0 - first_two.sum(axis=1)]).clip(0.0, 1.0)
        nodes = triangles.simplices[found]
        beyond = np.flatnonzero(found < 0)
        if beyond.size:
            nodes, shares = nodes.copy(), shares.copy()
            away, nearest = self._tree.query(
                unit_vectors(np.radians(longitude[beyond]), np.radians(latitude[beyond]))
            )
            nodes[beyond] = nearest[:, None]
            shares[beyond] = [1.0, 0.0, 0.0]
            far = beyond[away > spacing]
            if far.size:
                outside_in_words(self.longitudes, self.latitudes, longitude, latitude, far)
        row = np.zeros(longitude.size, np.int64)
        return [(row, nodes[:, corner].astype(np.int64), shares[:, corner]) for corner in range(3)]

    def _joined(self, middle: float) -> tuple[Any, float]:
        """Return triangles around a longitude, and how far nodes lie apart (of a sphere of 1).

        Raises:
            UsageError: the nodes lie on one line.
        """
        from scipy.spatial import Delaunay, QhullError

        longitudes = middle + wrap_longitude(self.longitudes - middle)
        try:
            triangles = Delaunay(np.stack([longitudes, self.latitudes], axis=1))
        except QhullError as error:
            raise UsageError(
                f"The {longitudes.size} nodes of the field lie on one line, as of a track or a "
                "single row: between them there is no field."
            ) from error
        places = self._tree.data
        apart, _ = self._tree.query(places[:: max(1, places.shape[0] // 1000)], k=2)
        return triangles, 1.5 * float(np.median(apart[:, 1]))

    @cached_property
    def _tree(self) -> Any:
        from scipy.spatial import KDTree

        return KDTree(unit_vectors(np.radians(self.longitudes), np.radians(self.latitudes)))
