"""Winds of files that give them towards east and north, rotated to the axes of a grid."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from stilt.meteorology.grids import MetGrid

WINDS = (("surface", "U10M", "V10M"), ("surface", "UMOF", "VMOF"), ("upper", "UWND", "VWND"))
"""Where a pair of components is, and its names along x and along y."""

PARTNER = {one: other for _, u, v in WINDS for one, other in ((u, v), (v, u))}
"""The other component of each."""

_AT_POLE_LAT = 90.0 - 1e-6

Fields = dict[str, NDArray[np.float32]]


def with_partners(variables: Collection[str] | None) -> set[str] | None:
    """Return variables with the other component of each wind among them, to rotate it."""
    if variables is None:
        return None
    return {*variables, *(PARTNER[name] for name in variables if name in PARTNER)}


def turn_winds(
    grid: MetGrid, surface: Fields, upper: Fields, names: Collection[str] = tuple(PARTNER)
) -> None:
    """Rotate winds that are towards east and north to the grid's axes, in place.

    At a pole east is wherever the file's longitude of it says: a node there takes the mean of its
    neighbours.

    Args:
        grid: of the fields, cropped as they are.
        surface, upper: fields by ARL name.
        names: of the components that are towards east or north.
    """
    lon, lat = grid.to_lonlat(*np.meshgrid(np.arange(grid.nx), np.arange(grid.ny)))
    angle = grid.wind_rotation_rad(lon, lat)
    cosine, sine = np.cos(angle), np.sin(angle)
    poles = np.argwhere(np.abs(lat) > _AT_POLE_LAT)
    for place, u, v in WINDS:
        fields = surface if place == "surface" else upper
        if u in fields and v in fields and u in names:
            # A level at a time: fields in double precision would be large.
            for east, north in zip(_levels(fields[u]), _levels(fields[v]), strict=True):
                x, y = east * cosine - north * sine, east * sine + north * cosine
                east[:], north[:] = x, y
                for row, column in poles:
                    for field in (east, north):
                        field[row, column] = _mean_around(field, row, column)


def _mean_around(field: NDArray[np.float32], row: int, column: int) -> float:
    """Return the mean of a field at the neighbours of a node."""
    rows, columns = (
        np.clip([at - 1, at + 1], 0, size - 1)
        for at, size in zip((row, column), field.shape, strict=True)
    )
    return float(0.25 * (field[rows, column].sum() + field[row, columns].sum()))


def _levels(field: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a view of a field with levels as its first axis."""
    return field.reshape(-1, *field.shape[-2:])
