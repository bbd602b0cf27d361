"""Particles that end where the weather was cropped, although its files reach further."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stilt.meteorology.grids import MetGrid
from stilt.meteorology.records import Crop
from stilt.transport.particle_rows import ReleaseRows

_CELLS = 4.0


def ended_at_crop(rows: ReleaseRows, grid: MetGrid, crop: Crop) -> int:
    """Return how many particles of a release ended at an edge that cropping made.

    Args:
        rows: of the release, with its positions.
        grid: on which its particles moved; of several nested ones, the outermost.
        crop: which part of the file's grid that is.
    """
    moved, values = rows.store.arrays()
    ended = np.flatnonzero(moved.any(axis=0) & ~moved[-1])
    if not len(ended):
        return 0
    last = len(moved) - 1 - np.argmax(moved[::-1, ended], axis=0)
    if "x" in rows.names:
        x, y = (
            values[rows.names.index(name)][last, ended] + rows.cells[axis, ended]
            for axis, name in enumerate("xy")
        )
    else:
        lon, lat = (values[rows.names.index(name)][last, ended] for name in ("long", "lati"))
        x, y = grid.to_xy(lon, lat)
    at_edge = np.zeros(len(ended), bool)
    for position, first, count, whole, closes in (
        (x, crop.column, crop.columns, crop.of_columns, grid.cyclic_x),
        (y, crop.row, crop.rows, crop.of_rows, False),
    ):
        if closes or count >= whole:
            continue
        # A global grid's columns may begin anywhere, so cropping makes both ends.
        passes_seam = first + count > whole
        if first > 0 or passes_seam:
            at_edge |= position < _CELLS
        if first + count != whole:
            at_edge |= position > count - 1 - _CELLS
    return int(at_edge.sum())


def cropped_text(ended: Sequence[tuple[str, int]], n_particles: int) -> str:
    """Say in one sentence that particles ended at the edge of cropped weather.

    Args:
        ended: simulations, and how many particles of each ended there.
        n_particles: of each simulation.
    """
    sim_id, number = max(ended, key=lambda each: each[1])
    more = f" (and fewer of {len(ended) - 1} more simulations)" if len(ended) > 1 else ""
    return (
        f"{number} of the {n_particles} particles of {sim_id}{more} ended at the edge of the part "
        "of the weather that was prepared; raise fastest_wind of the meteorology in config.yaml "
        "(null prepares all of it), or widen subgrid_bounds where it crops."
    )
