"""What the variables of a field's dataset mean: CarbonTracker, CAMS, CarboScope, and CF."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from stilt.background.maps import rows_and_columns
from stilt.background.vertical import Levels, levels_of
from stilt.errors import UsageError
from stilt.footprint.map_projection import named_mappings

TIMES = ("time", "mtime", "valid_time", "Times")
LATITUDES = ("latitude", "lat")
LONGITUDES = ("longitude", "lon")
GASES = ("co2", "ch4", "co", "n2o")
VARIABLES = ("co2mix", "mole_fraction", "molefraction")


@dataclass(frozen=True)
class Layout:
    """Names and meanings in a dataset.

    Attributes:
        variable: the mole fraction.
        time: name of its dimension, None where it has none.
        rows, columns: names of its horizontal dimensions: latitudes and longitudes, or those of a
            map; None where it has none.
        on_map: whether each node has a longitude and a latitude of its own.
        level: name of the vertical dimension; None for a field without levels.
        levels: what the levels are; None for a field without them.
        units: those of the product, where its files do not say.
        initial: attribute of the variable that is to be added to it.
    """

    variable: str
    time: str | None
    rows: str | None
    columns: str | None
    on_map: bool = False
    level: str | None = None
    levels: Levels | None = None
    units: str = ""
    initial: str = ""

    @property
    def dims(self) -> Sequence[Sequence[str]]:
        """Names of time, level (of values and of edges), rows and columns."""
        edges = self.levels.edges if self.levels is not None else ()
        return [[self.time or ""], [self.level or "", *edges], [self.rows or ""],
                [self.columns or ""]]  # fmt: skip

    def offset(self, dataset: xr.Dataset) -> float:
        """Return what is to be added to the values."""
        if not self.initial:
            return 0.0
        return float(np.asarray(dataset[self.variable].attrs[self.initial]).reshape(-1)[0])


def layout_of(dataset: xr.Dataset, variable: str | None = None) -> Layout:
    """Find out what a dataset's variables mean.

    Known are CarbonTracker CO2 (``pressure`` at ``boundary``), CarbonTracker CH4
    (``at`` + ``bt`` ``surf_pressure``), CAMS inversions (``ap`` + ``bp`` ``Psurf``), CarboScope
    (``a`` + ``b`` ``ps``; its attribute ``ini`` is added), and CF datasets: on latitudes and
    longitudes, on a map or about a rotated pole, with any levels of
    :func:`stilt.background.vertical.levels_of`, or without.

    Raises:
        UsageError: the variable or one of its coordinates is not understood.
    """
    name = _variable(dataset, variable)
    array = dataset[name]
    time, rows, columns = (
        _dim(array, names, standard)
        for names, standard in (
            (TIMES, "time"), (LATITUDES, "latitude"), (LONGITUDES, "longitude"),
        )
    )  # fmt: skip
    on_map = False
    if rows is None and columns is None:
        found = rows_and_columns(dataset, array)
        if found is not None:
            (rows, columns), on_map = found, True
    rest = [str(dim) for dim in array.dims if dim not in (time, rows, columns)]
    mapping = next(iter(named_mappings(array)), None)
    if rows is None and columns is None and mapping and mapping not in dataset.variables:
        raise UsageError(
            f"The field {name} is on a map that its grid_mapping {mapping} describes, which is not "
            "there: give the whole dataset, not one of its variables."
        )
    if not (time or rows or columns):
        raise UsageError(
            f"The field {name} has dimensions {', '.join(map(str, array.dims)) or 'none'}: none of "
            "them is a time, a latitude or a longitude, and no coordinates give the longitude and "
            "latitude of its nodes."
        )
    if len(rest) > 1:
        raise UsageError(
            f"The field {name} has dimensions {', '.join(rest)} besides time and place: select "
            "from all but the level; of a field on a map give the whole dataset, with its "
            "grid_mapping or the longitude and latitude of each node."
        )
    return Layout(
        name,
        time,
        rows,
        columns,
        on_map,
        level=rest[0] if rest else None,
        levels=levels_of(dataset, array, rest[0]) if rest else None,
        units="ppm" if name == "co2mix" else "",
        initial="ini" if name == "co2mix" and "ini" in array.attrs else "",
    )


def _variable(dataset: xr.Dataset, wanted: str | None) -> str:
    if wanted is not None:
        if wanted not in dataset:
            listed = ", ".join(map(str, dataset.data_vars))
            raise UsageError(f"The field has no variable {wanted!r}: it has {listed}.")
        return wanted
    lowered = {str(name).lower(): str(name) for name in dataset.data_vars}
    known: list[str] = [lowered[name] for name in (*VARIABLES, *GASES) if name in lowered]
    if not known:
        known = [
            str(name)
            for name, array in dataset.data_vars.items()
            if "mole_fraction" in str(array.attrs.get("standard_name", ""))
        ]
    if not known and len(dataset.data_vars) == 1:
        known = [str(next(iter(dataset.data_vars)))]
    if len(known) != 1:
        listed = ", ".join(known or map(str, dataset.data_vars))
        raise UsageError(f"Say which variable of the field is meant, variable=: {listed}.")
    return known[0]


def _dim(array: xr.DataArray, names: Sequence[str], standard: str) -> str | None:
    for dim in array.dims:
        coordinate = array.coords.get(str(dim))
        told = "" if coordinate is None else coordinate.attrs.get("standard_name", "")
        if str(dim) in names or told == standard:
            return str(dim)
    return None
