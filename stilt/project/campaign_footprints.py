"""Footprints of many receptors as one lazy array."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr

from stilt.config import FootprintConfig
from stilt.errors import UsageError
from stilt.footprint.cell_grid import CellGrid
from stilt.footprint.layers import LayerCells
from stilt.footprint.netcdf import coordinate_attributes, crs_attributes, foot_attributes
from stilt.footprint.receptor_coordinates import ATTRIBUTES
from stilt.project.campaign import Cells, lazy, receptor_coordinates
from stilt.project.reading import Locations, read_cells

Along = Literal["hours_back", "time"]
_HOUR = np.timedelta64(1, "h")


class FootprintReader:
    """Reads what is not zero in the footprints of some receptors.

    Args:
        located: where each is.
        first: of the hours along the first axis: hours from the receptor's time, or a time.
        hours: of that axis.
        shape: rows and columns of the grid.
    """

    def __init__(
        self, located: Locations, first: Any, hours: int, shape: tuple[int, int], reverse: bool
    ) -> None:
        self._located = located
        self._first, self._hours, self._shape, self._reverse = first, hours, shape, reverse

    def __len__(self) -> int:
        return len(self._located)

    def cells(self, number: int) -> Cells:
        """Read the cells of a footprint that are not zero.

        Raises:
            UsageError: it lies on another grid, or has other hours, than the configuration says.
        """
        one = self._located[number]
        found = read_cells(one)
        width = max(found.x.size, 1)
        if isinstance(found, LayerCells):
            layer, (row, column) = found.layer, np.divmod(found.cell, width)
        else:
            layer = np.repeat(np.arange(found.stamps.size), np.diff(found.first_of_layers))
            row, column = np.divmod(found.places(), width)
        foot, stamps, receptor = found.values, found.stamps, found.receptor
        shape = found.y.size, found.x.size
        if isinstance(self._first, np.datetime64):
            hour = (stamps.astype("datetime64[h]") - self._first) // _HOUR
        else:
            start = receptor.time.to_datetime64().astype("datetime64[s]")
            hour = (stamps.astype("datetime64[s]") - start) // _HOUR - self._first
        hour = hour.astype(np.int64)[layer]
        if shape != self._shape or (hour.size and not 0 <= hour.min() <= hour.max() < self._hours):
            raise UsageError(
                f"The footprint of {one.sim_id} has another grid or other hours than config.yaml "
                "says: run again, or select others."
            )
        if self._reverse:
            hour = self._hours - 1 - hour
        return Cells((hour, row, column), foot)


def open_footprints(
    located: Locations,
    table: pd.DataFrame,
    settings: FootprintConfig,
    n_hours: int,
    name: str,
    along: Along,
) -> xr.DataArray:
    """Return footprints with dims (receptor, hours_back or time, lat, lon), none of them read.

    Args:
        located: where they are.
        table: their rows of the view ``receptors``.
        settings: of the footprints.
        n_hours: length of the simulations, negative backward.
        name: of the footprints.
        along: ``hours_back`` counts from each receptor's time, ``time`` has the clock hours that
            hold the starts of the hours.
    """
    frame = CellGrid.of(settings.grid)
    x, _ = frame.order_of_columns()
    meta = coordinate_attributes(settings.grid.projection)
    _, y_name, x_name = meta
    first, axis, attributes, reverse = _hours(table["time"], settings, n_hours, along)
    label = "time" if along == "time" else ("hours_back" if n_hours < 0 else "hours_after")
    source = FootprintReader(located, first, axis.size, (frame.y.count, frame.x.count), reverse)
    array = lazy(
        source,
        {
            label: (axis, attributes),
            y_name: (frame.y.centres(), meta[y_name]),
            x_name: (x, meta[x_name]),
        },
        receptor_coordinates(table, ("time", "hours_back", "hours_after", *meta)),
        dtype=np.float32 if located.all_stored else np.float64,
        fill=0.0,
    )
    for each, described in ATTRIBUTES.items():
        if each in array.coords:
            array[each].attrs.update(described)
    array.name = "foot"
    array.attrs.update(foot_attributes(), footprint=name)
    return array.assign_coords(crs=((), np.int32(0), crs_attributes(settings.grid.projection)))


def _hours(
    times: pd.Series, settings: FootprintConfig, n_hours: int, along: Along
) -> tuple[Any, np.ndarray, dict[str, str], bool]:
    """Return the first hour, the coordinate, its attributes, and whether it runs backward."""
    # A backward run of 24 hours has the hours -24 to -1, a forward one 0 to 24.
    low, high = (n_hours, -1) if n_hours < 0 else (0, n_hours)
    if settings.time_integrate:
        low = high = 0
    if along == "time":
        stamps = times.to_numpy("datetime64[h]")
        first, last = stamps.min() + low * _HOUR, stamps.max() + high * _HOUR
        axis = np.arange(first, last + _HOUR, _HOUR).astype("datetime64[ns]")
        told = {"long_name": "clock hour in which the surface was influenced", "axis": "T"}
        return first, axis, told, False
    if n_hours > 0:
        told = {"long_name": "start of the hour, after the measurement", "units": "h"}
        return low, np.arange(low, high + 1), told, False
    told = {"long_name": "start of the hour, back from the measurement", "units": "h"}
    return low, np.arange(-high, -low + 1), told, True


def check_along(along: str) -> None:
    """Refuse an unknown axis.

    Raises:
        UsageError: it is neither ``hours_back`` nor ``time``.
    """
    if along not in ("hours_back", "time"):
        raise UsageError(f"along is 'hours_back' or 'time', not {along!r}.")
