"""Footprint files: CF-1.8 NetCDF, written whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from stilt.atomic import atomic_path
from stilt.errors import FootprintError, UsageError
from stilt.footprint.cell_grid import coordinate_system, is_longlat
from stilt.footprint.layers import Layers, runs_of
from stilt.footprint.nonzero import define_nonzero, nonzero_in, seal
from stilt.footprint.receptor_coordinates import ATTRIBUTES as RECEPTOR_ATTRIBUTES
from stilt.footprint.receptor_coordinates import receptor_coordinates
from stilt.hdf5 import array, number, open_hdf5, text
from stilt.receptors import Receptor
from stilt.version import __version__

if TYPE_CHECKING:
    import xarray as xr

    from stilt.config import Grid
    from stilt.footprint.gridded import GriddedInfluence

UNITS = "ppm m2 s umol-1"
LONG_NAME = "mole fraction enhancement at the receptor per unit surface flux"
TIME_UNITS = "seconds since 1970-01-01 00:00:00"
# Cells along a chunk's side: small enough that most chunks of an hour are zero, and not written.
CHUNK = 64
COMPRESSION_LEVEL: Final = 4
GRID_NUMBERS = ("xmin", "xmax", "ymin", "ymax", "xres", "yres")
NEEDED_GLOBALS = ("receptor", "projection", "smooth_factor", "time_integrate", *GRID_NUMBERS)


def write_footprint(
    footprint: GriddedInfluence,
    path: str | os.PathLike[str],
    attrs: Mapping[str, Any] | None = None,
) -> Path:
    """Write one footprint.

    Args:
        footprint: what to write.
        path: file to create or replace; readers see the old file or the new one, never a part.
        attrs: further global attributes.

    Returns:
        The path written.
    """
    with atomic_path(path) as temporary:
        _write_netcdf(footprint, temporary, attrs or {})
        seal(temporary)
    return Path(path)


def _write_netcdf(footprint: GriddedInfluence, path: Path, attrs: Mapping[str, Any]) -> None:
    """Write a whole file except its checksum.

    Everything is defined before any value is written, because netCDF flushes the file whenever it
    changes from one to the other.
    """
    import netCDF4

    influence, *axes = footprint.arrays
    layers, coordinates = Layers.of(footprint), coordinate_attributes(footprint.grid.projection)
    with netCDF4.Dataset(path, "w", format="NETCDF4") as file:
        file.setncatts({**_globals(footprint), **attrs})
        for name, size in zip(coordinates, influence.shape, strict=True):
            file.createDimension(name, size)
        values: list[tuple[Any, Any]] = []
        for (name, attributes), stored in zip(coordinates.items(), axes, strict=True):
            variable = file.createVariable(name, "f8", (name,), fill_value=False)
            variable.setncatts(attributes)
            values.append((variable, _seconds(stored) if name == "time" else stored))
        crs = file.createVariable("crs", "i4", (), fill_value=False)
        crs.setncatts(crs_attributes(footprint.grid.projection))
        values.append((crs, 0))
        values += _define_receptor(file, footprint.receptor)
        foot = _define_foot(file, tuple(coordinates), influence.shape)
        foot.setncatts(foot_attributes(footprint.empty_reason))
        values += define_nonzero(file, layers, {"units": UNITS, "long_name": LONG_NAME})
        for variable, stored in values:
            variable[...] = stored
        for number, rows, columns in layers.boxes():
            foot[number, rows, columns] = influence[number, rows, columns]


def _define_foot(file: Any, dims: tuple[str, ...], shape: tuple[int, ...]) -> Any:
    """Define the influence variable, whose unwritten chunks are zero."""
    foot = file.createVariable(
        "foot",
        "f8",
        dims,
        zlib=True,
        complevel=COMPRESSION_LEVEL,
        chunksizes=(1, _chunk_size(shape[1]), _chunk_size(shape[2])),
        fill_value=0.0,
    )
    # Chunks that are not written read as the fill value, zero. With the attribute _FillValue,
    # readers would take zeros for missing values, as some do without any attribute; so
    # missing_value is NaN.
    foot.delncattr("_FillValue")
    foot.setncatts({"missing_value": np.nan, "coordinates": " ".join(RECEPTOR_ATTRIBUTES)})
    foot.set_auto_maskandscale(False)
    return foot


def _define_receptor(file: Any, receptor: Receptor) -> list[tuple[Any, Any]]:
    """Define the scalar coordinates by which footprints of several receptors combine.

    Returns:
        Variables and their values.
    """
    values = []
    for name, value in receptor_coordinates(receptor).items():
        attributes = RECEPTOR_ATTRIBUTES[name]
        if isinstance(value, str):
            # A variable-length string made netCDF crash when the file was opened repeatedly.
            letters = np.frombuffer(value.encode(), "S1")
            file.createDimension(f"{name}_letters", letters.size)
            variable = file.createVariable(name, "S1", (f"{name}_letters",))
            attributes = {**attributes, "_Encoding": "utf-8"}
            # Letters are written as they are; readers join them by the attribute _Encoding.
            variable.set_auto_chartostring(False)
            values.append((variable, letters))
        else:
            variable = file.createVariable(name, "f8", (), fill_value=False)
            if isinstance(value, np.datetime64):
                attributes = {**attributes, "units": TIME_UNITS, "calendar": "standard"}
                value = _seconds(np.asarray(value))
            values.append((variable, value))
        variable.setncatts(attributes)
    return values


def _chunk_size(cells: int) -> int:
    """Return the cells of a chunk along one axis: chunks of nearly equal size near ``CHUNK``."""
    return -(-cells // max(1, round(cells / CHUNK)))


def _globals(footprint: GriddedInfluence) -> dict[str, Any]:
    """Return everything needed to rebuild the object, as global attributes."""
    config, grid = footprint.config, footprint.grid
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "Conventions": "CF-1.8",
        "title": "Influence of upwind surface fluxes on an atmospheric measurement",
        "source": f"stilt {__version__}",
        "history": f"{now} footprint gridded from particles by stilt {__version__}",
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
    """Return the attributes of the influence variable."""
    attributes = {
        "units": UNITS,
        "long_name": LONG_NAME,
        "grid_mapping": "crs",
    }
    return {**attributes, "empty_reason": empty_reason} if empty_reason else attributes


def coordinate_attributes(projection: str) -> dict[str, dict[str, str]]:
    """Return the CF attributes of time and the horizontal coordinates, by name, in file order."""
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
    """Return the CF grid mapping attributes of a projection."""
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
        missing = [name for name in NEEDED_GLOBALS if name not in dataset.attrs]
        if missing and "foot" in dataset:
            raise FootprintError(
                f"{os.fspath(path)} is not a footprint file of a simulation of stilt (it lacks the "
                f"attribute {missing[0]}): open exports and files of other programs with "
                "xarray.open_dataset; `stilt migrate` takes over whole campaigns of R-STILT."
            )
        if missing:
            raise KeyError(f"no attribute {', '.join(missing)}")
        foot = dataset["foot"].assign_coords(crs=dataset["crs"])
        return _without_gaps(foot), dict(dataset.attrs)
    except (FileNotFoundError, FootprintError):
        raise
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise _unreadable(path, error) from error


def _without_gaps(foot: xr.DataArray) -> xr.DataArray:
    """Return influence with zeros where another program has made them missing values."""
    in_chunks = foot.chunks is not None
    has_gaps = "_FillValue" in foot.encoding if in_chunks else np.isnan(foot.values.sum())
    return foot.fillna(0.0) if has_gaps else foot


def read_layers(path: str | os.PathLike[str]) -> Layers:
    """Read the cells of a footprint file that are not zero.

    They are read from the group ``nonzero``, which is ten times as fast as reading ``foot``; in a
    file without it, or whose ``foot`` another program has changed, ``foot`` is read.

    Raises:
        FileNotFoundError: there is no such file.
        FootprintError: the file is not a footprint or is damaged.
    """
    layers = _layers_of_group(path)
    if layers is not None:
        return layers
    foot, attrs = read_footprint(path)
    time, y, x = (foot[dim].values for dim in foot.dims)
    return Layers(
        Receptor.from_dict(json.loads(attrs["receptor"])),
        _grid(tuple(float(attrs[name]) for name in GRID_NUMBERS), str(attrs["projection"])),
        bool(attrs["time_integrate"]),
        x,
        y,
        time,
        *runs_of(foot.values),
    )


def _layers_of_group(path: str | os.PathLike[str]) -> Layers | None:
    """Read a file by its group ``nonzero``; None where that cannot be done."""
    try:
        with open_hdf5(path) as file:
            runs = nonzero_in(file)
            if runs is None or text(file, "units", "time") != TIME_UNITS:
                return None
            projection = text(file, "projection")
            y, x = ("lat", "lon") if is_longlat(projection) else ("y", "x")
            return Layers(
                Receptor.from_dict(json.loads(text(file, "receptor"))),
                _grid(tuple(number(file, name) for name in GRID_NUMBERS), projection),
                bool(number(file, "time_integrate")),
                array(file, x, np.float64),
                array(file, y, np.float64),
                array(file, "time", np.int64).astype("datetime64[s]"),
                *runs,
            )
    except FileNotFoundError:
        raise
    except (OSError, KeyError):
        return None


@lru_cache(maxsize=64)
def _grid(numbers: tuple[float, ...], projection: str) -> Grid:
    """Return a grid from its fields; cached, as validation takes longer than reading the file."""
    from stilt.config import Grid

    return Grid(**dict(zip(GRID_NUMBERS, numbers, strict=True)), projection=projection)


def _unreadable(path: str | os.PathLike[str], error: Exception) -> FootprintError:
    # xarray's own sentence, when no reader knows the file, is about what to install.
    why = "it is no NetCDF file" if type(error) is ValueError else error
    return FootprintError(
        f"{os.fspath(path)} is not a readable footprint file ({why}); delete it and run the "
        "simulation again."
    )
