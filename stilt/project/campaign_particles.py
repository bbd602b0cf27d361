"""Particles of many receptors as one lazy dataset."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from stilt.errors import UsageError
from stilt.project.campaign import Cells, lazy, receptor_coordinates
from stilt.project.reading import Locations, particle_columns, read_columns

_AXES = ("time", "indx")
_DIMS = ("particle", "minutes_back", "minutes_after")


class ParticleReader:
    """Reads one column of the particles of some receptors."""

    def __init__(self, located: Locations, column: str, minutes: int, particles: int) -> None:
        self._located, self._column = located, column
        self._minutes, self._particles = minutes, particles

    def __len__(self) -> int:
        return len(self._located)

    def cells(self, number: int) -> Cells:
        """Read the column of one receptor.

        Raises:
            UsageError: it has more particles or minutes than the configuration says.
        """
        one = self._located[number]
        table = read_columns(one, (*_AXES, self._column))
        minute = np.abs(table["time"].to_numpy(np.float64)).astype(np.int64) - 1
        particle = table["indx"].to_numpy(np.int64) - 1
        fits = minute.size == 0 or (
            0 <= minute.min() <= minute.max() < self._minutes
            and 0 <= particle.min() <= particle.max() < self._particles
        )
        if not fits:
            raise UsageError(
                f"The particles of {one.sim_id} are more, or longer, than config.yaml says: run "
                "again, or select others."
            )
        return Cells((particle, minute), table[self._column].to_numpy())


def open_particles(
    located: Locations, table: pd.DataFrame, n_hours: int, numpar: int
) -> xr.Dataset:
    """Return particles with dims (receptor, particle, minutes_back), none of them read.

    Args:
        located: where they are.
        table: their rows of the view ``receptors``.
        n_hours: length of the simulations, negative backward.
        numpar: particles of each.

    Returns:
        A variable for each column; NaN where there is no such row.
    """
    minutes = abs(n_hours) * 60
    label = "minutes_back" if n_hours < 0 else "minutes_after"
    direction = "back from" if n_hours < 0 else "after"
    axes = {
        "particle": (np.arange(1, numpar + 1), {"long_name": "number of the particle (indx)"}),
        label: (
            np.arange(1, minutes + 1),
            {"long_name": f"time {direction} the measurement", "units": "min"},
        ),
    }
    coordinates = receptor_coordinates(table, _DIMS)
    columns: Sequence[str] = [n for n in particle_columns(located[0]) if n not in _AXES]
    return xr.Dataset(
        {
            name: lazy(
                ParticleReader(located, name, minutes, numpar), axes, coordinates,
                dtype=np.float32, fill=np.nan,
            )
            for name in columns
        }
    )  # fmt: skip
