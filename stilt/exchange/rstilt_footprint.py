"""Footprint files of R-STILT: their grid, times and values, also after another program's hands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from stilt.config import FootprintConfig, Grid
from stilt.errors import UsageError
from stilt.footprint import Footprint
from stilt.footprint.cell_grid import CellGrid, is_longlat, transformer
from stilt.footprint.intervals import Intervals
from stilt.footprint.map_projection import described_projection, describes, units_per_step
from stilt.footprint.steps import Floats, Ints
from stilt.hdf5 import open_hdf5
from stilt.receptors import Receptor

_UNIX_TIME = "seconds since 1970-01-01"
_EVEN = 1e-3
_SECONDS_PER_HOUR = 3600.0


def read_footprint(path: Path, receptor: Receptor, name: str) -> Footprint:
    """Read a file of R-STILT.

    Rows may be from north to south, longitudes beyond 180 or wrapped at the dateline, and times
    in any unit, as programs that copy such files leave them. Fill values are no influence.

    Args:
        path: ``*_foot.nc``.
        receptor: its receptor.
        name: of the footprint.

    Raises:
        UsageError: it is no such file, its grid is not even, or a value is no influence.
    """
    try:
        with open_hdf5(path) as file:
            axes = ("lon", "lat") if "lon" in file else ("x", "y")
            x, y = (file[each][...].astype(np.float64) for each in axes)
            values = file["foot"][...].astype(np.float64)
            fill = _text_or_number(file["foot"].attrs.get("_FillValue"))
            stamps = _stamps(file["time"])
            projection = _projection(file, axes)
            units = [str(_plain(file[each].attrs.get("units", ""))) for each in axes]
    except (OSError, KeyError, ValueError) as error:
        raise UsageError(f"{path} is not a footprint of R-STILT ({error}).") from error
    if values.shape != (stamps.size, y.size, x.size):
        raise UsageError(
            f"{path} is not a footprint of R-STILT: foot has the shape {values.shape}, and its "
            f"times, rows and columns are {(stamps.size, y.size, x.size)}."
        )
    if fill is not None:
        values[np.isnan(values) if np.isnan(fill) else values == fill] = 0.0
    if not (np.isfinite(values) & (values >= 0.0)).all():
        raise UsageError(
            f"{path}: foot holds values that are no influence (negative, or not a number) and that "
            "its _FillValue does not name."
        )
    if not is_longlat(projection):
        x, y = (
            centres * units_per_step(unit, name, projection, "footprint")
            for centres, unit, name in zip((x, y), units, axes, strict=True)
        )
    columns, rows = _ascending(x, is_longlat(projection)), np.argsort(y)
    grid = _grid_of(path, columns.along, y[rows], projection)
    published, order = CellGrid.of(grid).order_of_columns()
    values = values[:, rows][:, :, columns.order[order]]
    hours = (stamps - receptor.time.to_datetime64().astype("datetime64[s]")).astype(np.int64)
    config = FootprintConfig(grid=grid, time_integrate=len(stamps) == 1 and hours[0] == 0)
    return Footprint.of_layers(
        values, np.round(hours / _SECONDS_PER_HOUR).astype(np.int64), published, y[rows],
        receptor, config, name,
    )  # fmt: skip


def _projection(file: Any, axes: tuple[str, str]) -> str:
    """Return the projection of a file: its attribute ``crs``, or its grid mapping.

    Raises:
        UsageError: x and y are those of a map of which the file says nothing.
    """
    if "crs" in file.attrs:
        return str(_plain(file.attrs["crs"]))
    attributes = {
        name: {key: _plain(value) for key, value in file[name].attrs.items()} for name in file
    }
    named = str(attributes["foot"].get("grid_mapping", "")).replace(":", " ").split()[:1]
    described = [name for name in (*named, *attributes) if describes(attributes.get(name, {}))]
    if described:
        return described_projection(attributes[described[0]], described[0], "footprint")
    if axes == ("x", "y"):
        raise UsageError(
            f"{file.filename} has x and y, and does not say of which projection: add the global "
            "attribute crs with its PROJ text, such as '+proj=utm +zone=12 +datum=WGS84'."
        )
    return "+proj=longlat"


def _plain(attribute: Any) -> Any:
    """Return an attribute of HDF5 as text, a number or a list of numbers."""
    if isinstance(attribute, np.ndarray) and attribute.size > 1:
        return attribute.tolist()
    return _text_or_number(attribute)


class _Ascending:
    """Columns from west to east: their centres without a jump, and which of the file each is."""

    def __init__(self, along: Floats, order: Ints) -> None:
        self.along, self.order = along, order


def _ascending(x: Floats, degrees: bool) -> _Ascending:
    if not degrees or x.size < 2:
        order = np.argsort(x)
        return _Ascending(x[order], order)
    cells = Intervals.around_globe(x, 1.0)
    order = cells.order()
    return _Ascending(cells.unwrapped()[order], order)


def _stamps(time: Any) -> np.ndarray:
    """Return times as datetime64[s] in UTC; without a unit they are seconds since 1970."""
    units = _text_or_number(time.attrs.get("units"))
    if units is None or str(units).startswith(_UNIX_TIME):
        stamps: np.ndarray = time[...].astype("datetime64[s]")
        return stamps
    from xarray.coding.times import decode_cf_datetime

    calendar = _text_or_number(time.attrs.get("calendar"))
    decoded = decode_cf_datetime(time[...], str(units), None if calendar is None else str(calendar))
    return np.asarray(decoded).astype("datetime64[s]")


def _text_or_number(attribute: Any) -> Any:
    """Return an attribute of HDF5 as a plain value."""
    if isinstance(attribute, bytes):
        return attribute.decode()
    return attribute.reshape(-1)[0].item() if isinstance(attribute, np.ndarray) else attribute


def _grid_of(path: Path, x: Floats, y: Floats, projection: str) -> Grid:
    """Return the grid of cell centres, whose spacing is rounded to what was meant.

    Raises:
        UsageError: an axis has one cell, whose size no file says, or uneven ones.
    """
    numbers: dict[str, float] = {}
    for name, centres in (("x", x), ("y", y)):
        if centres.size < 2:
            raise UsageError(f"{path} has a single cell along {name}: its size is not in the file.")
        size = float(f"{(centres[-1] - centres[0]) / (centres.size - 1):.9g}")
        if not np.allclose(np.diff(centres), size, rtol=_EVEN, atol=0.0):
            raise UsageError(f"{path}: the cells along {name} are not evenly spaced.")
        low = float(f"{centres[0] - size / 2:.9g}")
        numbers |= {f"{name}res": size, f"{name}min": low}
        numbers[f"{name}max"] = float(f"{low + centres.size * size:.9g}")
    if not is_longlat(projection):
        # Edges are in degrees in every projection: those of the lower left and upper right corner.
        along, across = ([numbers[f"{axis}min"], numbers[f"{axis}max"]] for axis in ("x", "y"))
        west_east, south_north = transformer(projection).transform(
            along, across, direction="INVERSE"
        )
        numbers |= dict(zip(("xmin", "xmax"), west_east, strict=True))
        numbers |= dict(zip(("ymin", "ymax"), south_north, strict=True))
    grid = Grid(**numbers, projection=projection)
    cells = CellGrid.of(grid)
    if (cells.x.count, cells.y.count) != (x.size, y.size):
        raise UsageError(
            f"{path}: its grid has {x.size} x {y.size} cells, and its corners on {projection!r} "
            f"give {cells.x.count} x {cells.y.count}: such a footprint is not read."
        )
    return grid
