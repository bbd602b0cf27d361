"""Footprint files: CF-1.8 NetCDF, written whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

import stilt
from stilt.atomic import atomic_path
from stilt.errors import FootprintError, UsageError
from stilt.footprint.gridding import coordinate_system, is_longlat
from stilt.footprint.layers import Layers, Window, occupied
from stilt.receptors import Receptor

if TYPE_CHECKING:
    import xarray as xr

    from stilt.footprint.footprint import Footprint

UNITS = "ppm m2 s umol-1"
TIME_UNITS = "seconds since 1970-01-01 00:00:00"
# Cells along a chunk's side: small enough that most chunks of an hour are zero, and not written.
CHUNK = 64
COMPRESSION_LEVEL: Final = 4
# Shape of the data, then first row, end of rows, first column, end of columns of every layer
# around all that is not zero there.
WINDOWS = "nonzero_windows"
# Reading that many times what is needed, most of it zeros, is as fast as reading layer by layer.
READ_AT_MOST = 12
NEEDED_GLOBALS = ("receptor", "projection", "smooth_factor", "time_integrate")
GRID_NUMBERS = ("xmin", "xmax", "ymin", "ymax", "xres", "yres")


def write_footprint(
    footprint: Footprint, path: str | os.PathLike[str], attrs: Mapping[str, Any] | None = None
) -> Path:
    """Write one footprint.

    Args:
        footprint: what to write.
        path: file to make or replace; readers see the old file or the new one, never a part.
        attrs: further global attributes.

    Returns:
        The path written.
    """
    import netCDF4

    data = footprint.data
    with atomic_path(path) as temporary, netCDF4.Dataset(temporary, "w", format="NETCDF4") as file:
        file.setncatts({**_globals(footprint), **(attrs or {})})
        for dim, size in zip(data.dims, data.shape, strict=True):
            file.createDimension(str(dim), size)
        for name, attributes in coordinate_attributes(footprint.grid.projection).items():
            variable = file.createVariable(name, "f8", (name,), fill_value=False)
            variable.setncatts(attributes)
            variable[:] = _seconds(data[name].values) if name == "time" else data[name].values
        crs = file.createVariable("crs", "i4", (), fill_value=False)
        crs.setncatts(crs_attributes(footprint.grid.projection))
        crs[...] = 0
        foot = file.createVariable(
            "foot",
            "f8",
            tuple(map(str, data.dims)),
            zlib=True,
            complevel=COMPRESSION_LEVEL,
            chunksizes=(1, _chunk_size(data.shape[1]), _chunk_size(data.shape[2])),
            fill_value=0.0,
        )
        # Chunks that are not written read as the zero above. As an attribute it would make zeros
        # missing for readers, and without any mark some take it for one; so the mark is NaN.
        foot.delncattr("_FillValue")
        foot.setncatts({"missing_value": np.nan, **foot_attributes(footprint.empty_reason)})
        foot.set_auto_maskandscale(False)
        windows = list(occupied(data.values))
        edges = [edge for window in windows for part in window for edge in (part.start, part.stop)]
        foot.setncattr(WINDOWS, np.array([*data.shape, *edges], np.int32))
        for number, window in enumerate(windows):
            part = data.values[number][window]
            if part.size:
                foot[number, window[0], window[1]] = part
    return Path(path)


def _chunk_size(cells: int) -> int:
    """Cells of a chunk along one axis: chunks of nearly equal size near ``CHUNK``."""
    return -(-cells // max(1, round(cells / CHUNK)))


def _globals(footprint: Footprint) -> dict[str, Any]:
    """Everything needed to rebuild the object, as global attributes."""
    config, grid = footprint.config, footprint.grid
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "Conventions": "CF-1.8",
        "title": "Influence of upwind surface fluxes on an atmospheric measurement",
        "source": f"stilt {stilt.__version__}",
        "history": f"{now} footprint gridded from particles by stilt {stilt.__version__}",
        "name": footprint.name,
        "receptor": json.dumps(footprint.receptor.to_dict()),
        "projection": grid.projection,
        **{key: float(getattr(grid, key)) for key in GRID_NUMBERS},
        "smooth_factor": float(config.smooth_factor),
        "time_integrate": np.int32(config.time_integrate),
        "is_empty": np.int32(footprint.is_empty),
        "empty_reason": footprint.empty_reason,
        "transforms": json.dumps(list(config.transforms)),
        "time_created": now,
    }


def foot_attributes(empty_reason: str = "") -> dict[str, Any]:
    """Attributes of the influence variable."""
    attributes = {
        "units": UNITS,
        "long_name": "mole fraction enhancement at the receptor per unit surface flux",
        "grid_mapping": "crs",
    }
    return {**attributes, "empty_reason": empty_reason} if empty_reason else attributes


def coordinate_attributes(projection: str) -> dict[str, dict[str, str]]:
    """CF attributes of time and the two horizontal coordinates, by name, in file order."""
    time = {
        "standard_name": "time",
        "long_name": "start of the hour in which the surface was influenced",
        "units": TIME_UNITS,
        "calendar": "standard",
        "axis": "T",
    }
    if is_longlat(projection):
        return {
            "time": time,
            "lat": _coordinate("latitude", "latitude at cell centre", "degrees_north", "Y"),
            "lon": _coordinate("longitude", "longitude at cell centre", "degrees_east", "X"),
        }
    unit = coordinate_system(projection).axis_info[0].unit_name if _has_axes(projection) else "m"
    unit = "m" if unit in ("metre", "meter") else unit
    return {
        "time": time,
        "y": _coordinate("projection_y_coordinate", "northing at cell centre", unit, "Y"),
        "x": _coordinate("projection_x_coordinate", "easting at cell centre", unit, "X"),
    }


def _has_axes(projection: str) -> bool:
    return len(coordinate_system(projection).axis_info) > 0


def _coordinate(standard_name: str, long_name: str, units: str, axis: str) -> dict[str, str]:
    return {
        "standard_name": standard_name,
        "long_name": long_name,
        "units": units,
        "axis": axis,
    }


@lru_cache(maxsize=32)
def _crs_attributes(projection: str) -> tuple[tuple[str, Any], ...]:
    described = coordinate_system(projection).to_cf()
    attributes = {
        key: value for key, value in described.items() if not isinstance(value, str) or value
    }
    if attributes.get("grid_mapping_name") == "polar_stereographic":
        # CF asks for the pole itself, which PROJ leaves to the sign of the standard parallel.
        pole = np.copysign(90.0, attributes.get("standard_parallel", 90.0))
        attributes.setdefault("latitude_of_projection_origin", float(pole))
    attributes["spatial_ref"] = attributes["crs_wkt"]
    attributes["proj4_params"] = projection
    return tuple(attributes.items())


def crs_attributes(projection: str) -> dict[str, Any]:
    """CF grid mapping attributes of a projection."""
    return dict(_crs_attributes(projection))


def _seconds(times: np.ndarray) -> np.ndarray:
    return times.astype("datetime64[s]").astype(np.int64).astype(np.float64)


def read_footprint(
    path: str | os.PathLike[str], *, chunks: Any = None, **kwargs: Any
) -> tuple[xr.DataArray, dict[str, Any]]:
    """Read the influence array and the global attributes of a footprint file.

    Args:
        path: file to read.
        chunks: as in ``xarray.open_dataset``; None reads everything now and closes the file.
        **kwargs: passed to ``xarray.open_dataset``.

    Raises:
        FootprintError: the file is not a footprint or is damaged.
        UsageError: chunks were asked for and dask is not installed.
    """
    import xarray as xr

    if chunks is not None and find_spec("dask") is None:
        raise UsageError(
            "Reading a footprint in chunks needs dask, which is not installed; get it with: "
            "pip install 'stilt[dask]', or leave chunks out."
        )
    try:
        if chunks is None:
            with xr.open_dataset(path, **kwargs) as dataset:
                dataset.load()
        else:
            dataset = xr.open_dataset(path, chunks=chunks, **kwargs)
        missing = [name for name in (*NEEDED_GLOBALS, *GRID_NUMBERS) if name not in dataset.attrs]
        if missing:
            raise KeyError(f"no attribute {', '.join(missing)}")
        foot = dataset["foot"].assign_coords(crs=dataset["crs"])
        foot.attrs.pop(WINDOWS, None)
        return foot, dict(dataset.attrs)
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError) as error:
        raise _unreadable(path, error) from error


def read_layers(path: str | os.PathLike[str]) -> Layers:
    """Read only the parts of a footprint file that are not zero, several times as fast.

    Raises:
        FileNotFoundError: there is no such file.
        FootprintError: the file is not a footprint or is damaged.
    """
    import netCDF4

    from stilt.config import Grid

    try:
        with netCDF4.Dataset(os.fspath(path)) as file:
            file.set_auto_mask(False)
            file.set_always_mask(False)
            foot = file["foot"]
            foot.set_auto_maskandscale(False)
            time, y, x = (file[name] for name in foot.dimensions)
            if not str(time.units).startswith("seconds since 1970-01-01"):
                raise ValueError(f"its times are in {time.units!r}")
            windows = tuple(_windows(foot))
            return Layers(
                Receptor.from_dict(json.loads(file.receptor)),
                Grid(
                    **{key: float(getattr(file, key)) for key in GRID_NUMBERS},
                    projection=file.projection,
                ),
                np.asarray(x[:], np.float64),
                np.asarray(y[:], np.float64),
                np.asarray(time[:]).astype("datetime64[s]"),
                windows,
                _parts(foot, windows),
            )
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, AttributeError, IndexError, RuntimeError) as error:
        raise _unreadable(path, error) from error


def _parts(foot: Any, windows: Sequence[Window]) -> tuple[np.ndarray, ...]:
    """Data in the window of each layer; in one go unless that would read far more than needed."""
    used = [window for window in windows if window[0].start < window[0].stop]
    if not used:
        return tuple(np.zeros((0, 0)) for _ in windows)
    rows, columns = (
        slice(min(window[i].start for window in used), max(window[i].stop for window in used))
        for i in (0, 1)
    )
    needed = sum((row.stop - row.start) * (column.stop - column.start) for row, column in used)
    whole = (rows.stop - rows.start) * (columns.stop - columns.start) * len(windows)
    if whole > READ_AT_MOST * needed:
        return tuple(np.asarray(foot[at, row, column]) for at, (row, column) in enumerate(windows))
    values = np.asarray(foot[:, rows, columns])
    return tuple(
        layer[
            max(row.start - rows.start, 0) : row.stop - rows.start,
            max(column.start - columns.start, 0) : column.stop - columns.start,
        ]
        if row.start < row.stop
        else np.zeros((0, 0))
        for layer, (row, column) in zip(values, windows, strict=True)
    )


def _windows(foot: Any) -> list[Window]:
    """Windows of the layers as the file says; whole layers where it does not, or wrongly."""
    layers, rows, columns = foot.shape
    stored = np.asarray(getattr(foot, WINDOWS, ()), np.int64)
    if stored.size == 3 + 4 * layers and tuple(stored[:3]) == foot.shape:
        edges = stored[3:].reshape(-1, 4).tolist()
        return [(slice(top, bottom), slice(left, right)) for top, bottom, left, right in edges]
    return [(slice(0, rows), slice(0, columns))] * layers


def _unreadable(path: str | os.PathLike[str], error: Exception) -> FootprintError:
    return FootprintError(
        f"{os.fspath(path)} is not a readable footprint file ({error}); delete it and run the "
        "simulation again."
    )
