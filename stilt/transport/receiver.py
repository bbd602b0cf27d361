"""Interface of what receives the rows of a sweep as they are computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from stilt.meteorology.grids import MetGrid
    from stilt.transport.plumes import NearField


class Receiver(Protocol):
    """Takes the rows of a sweep, chunk by chunk in order, one at a time.

    The arrays that it is given are overwritten afterwards.

    Attributes:
        columns: positions in :func:`stilt.transport.program.column_names` of those that it wants.
        particles: number of particles of each release; they are next to each other in the sweep.
        grid: where it is not None, the columns x and y are to be longitudes in [-180, 180) and
            latitudes on this grid.
        near_field: where it is not None, the influence is to be corrected with it.
    """

    columns: list[int]
    particles: int
    grid: MetGrid | None
    near_field: NearField | None

    def add(
        self, tick: int, numbers: np.ndarray, moved: np.ndarray, values: Sequence[np.ndarray]
    ) -> None:
        """Take rows of some particles.

        Args:
            tick: minute of the sweep of the first row.
            numbers: of the particles in the sweep, (n,).
            moved: (minutes, n), whether there is a row: only where a particle has moved.
            values: the wanted columns, (minutes, n) each.
        """

    def add_all(self, tick: int, first: int, moved: np.ndarray, values: np.ndarray) -> None:
        """Take rows of all particles of some releases; other threads may add other releases.

        Args:
            tick: minute of the sweep of the first row.
            first: number of the first release.
            moved: (releases, minutes, particles); see :meth:`add`.
            values: the wanted columns, (releases, columns, minutes, particles).
        """
