"""Campaigns written for other programs: as files, one CF file, Zarr, or Parquet."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import warnings
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import xarray as xr

from stilt.atomic import atomic_path
from stilt.destinations import file_to_write, folder_to_fill, folder_to_replace
from stilt.errors import StiltError, UsageError
from stilt.hdf5 import global_text, is_written_by_stilt
from stilt.project.files_of import write_file
from stilt.project.kinds import FOOTPRINTS
from stilt.project.reading import Located, Locations, own_name
from stilt.roots import PathLike
from stilt.trajectories import read_metadata
from stilt.version import __version__

Format = Literal["files", "netcdf", "zarr", "parquet"]
FORMATS: tuple[str, ...] = get_args(Format)
_SUFFIXES = {".nc": "netcdf", ".nc4": "netcdf", ".zarr": "zarr", ".parquet": "parquet"}

_MARK = "exported by stilt"
_SOURCE = f"stilt {__version__}"
BLOCK_BYTES = 64_000_000
CHUNK = 64
ROWS = 131_072


def format_of(path: str | os.PathLike[str], chosen: str | None) -> str:
    """Return the format to write: the one chosen, else what the path's suffix says.

    Raises:
        UsageError: there is no such format, or the suffix is of another kind of file.
    """
    if chosen is None:
        suffix = Path(path).suffix.lower()
        is_folder = os.fspath(path).endswith("/") or Path(path).is_dir()
        if suffix[1:2].isalpha() and suffix not in _SUFFIXES and not is_folder:
            raise UsageError(
                f"'{suffix}' is no format of exports: end the name in .nc, .zarr or .parquet, or "
                "in / for a folder with a NetCDF file for each simulation."
            )
        return _SUFFIXES.get(suffix, "files")
    if chosen not in FORMATS:
        raise UsageError(f"Unknown format '{chosen}': the choices are {', '.join(FORMATS)}.")
    return chosen


def target_of(path: PathLike, how: str) -> Path:
    """Return the file or folder to write, checked to replace nothing but an earlier export.

    Args:
        path: as a person gave it.
        how: the format, of :func:`format_of`.

    Raises:
        UsageError: something else is there, or the path belongs to a project.
    """
    if how == "files":
        return folder_to_fill(path)
    if how == "zarr":
        return folder_to_replace(path, _is_exported_zarr)
    return file_to_write(path, _is_exported_netcdf if how == "netcdf" else _is_exported_parquet)


def _is_exported_netcdf(path: Path) -> bool:
    return global_text(path, "history").endswith(_MARK)


def _is_exported_parquet(path: Path) -> bool:
    try:
        metadata = pq.read_schema(path).metadata or {}
    except (OSError, pa.ArrowException):
        return False
    return metadata.get(b"history") == _MARK.encode()


def _is_exported_zarr(folder: Path) -> bool:
    """Return whether a folder is a Zarr group that was exported, and holds nothing else."""
    try:
        group = json.loads((folder / "zarr.json").read_text(encoding="utf-8"))
        marked = group["attributes"]["history"].endswith(_MARK)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False
    members = [each for each in folder.iterdir() if each.name != "zarr.json"]
    return bool(marked) and all((each / "zarr.json").is_file() for each in members)


def _is_output_file(path: Path) -> bool:
    """Return whether a file is a footprint or a table of particles of this program."""
    if path.suffix == ".nc":
        return is_written_by_stilt(path)
    try:
        return bool(read_metadata(path))
    except StiltError:
        return False


def export_files(located: Sequence[Located], kind: str, name: str, folder: Path) -> int:
    """Write each output as the file that it has with the layout ``files``; returns how many.

    Raises:
        UsageError: a file of another kind has the name of one of them; nothing is written.
    """
    names = [own_name(one.sim_id, kind, name) for one in located]
    paths = [file_to_write(folder / each, _is_output_file) for each in names]
    for one, path in zip(located, paths, strict=True):
        write_file(one, kind, path)
    return len(located)


def export_netcdf(dataset: xr.Dataset, path: Path) -> None:
    """Write a campaign as one CF-1.8 file, receptors along a dimension, a block at a time."""
    import netCDF4

    with atomic_path(path) as part, netCDF4.Dataset(part, "w", format="NETCDF4") as file:
        file.setncatts(
            {
                "Conventions": "CF-1.8",
                "title": "Upwind influence on, or air particles of, many measurements",
                "source": _SOURCE,
                "history": _history(),
                **_plain(dataset.attrs),
            }
        )
        for dim, size in dataset.sizes.items():
            file.createDimension(str(dim), size)
        for name, coordinate in dataset.coords.items():
            _write_coordinate(file, str(name), coordinate)
        auxiliary = [str(n) for n in dataset.coords if n not in dataset.sizes and n != "crs"]
        for name, variable in dataset.data_vars.items():
            is_sparse = variable.attrs.get("grid_mapping") is not None
            made = file.createVariable(
                str(name), variable.dtype, tuple(map(str, variable.dims)), zlib=True, complevel=4,
                shuffle=True, chunksizes=_chunks(variable),
                fill_value=0.0 if is_sparse else np.nan,
            )  # fmt: skip
            if is_sparse:
                # What is not written reads as zero, which is not a missing value.
                made.delncattr("_FillValue")
            made.set_auto_maskandscale(False)
            made.setncatts({**_plain(variable.attrs), "coordinates": " ".join(auxiliary)})
            for first, block in blocks(variable):
                if not is_sparse:
                    made[first : first + len(block)] = block
                    continue
                for number, values in enumerate(block, start=first):
                    for hour, rows, columns in _boxes(values):
                        made[number, hour, rows, columns] = values[hour, rows, columns]


def export_zarr(dataset: xr.Dataset, path: Path) -> None:
    """Write a campaign as a Zarr v3 group, sharded, a block at a time, metadata consolidated.

    Raises:
        UsageError: zarr is not installed.
    """
    if find_spec("zarr") is None:
        raise UsageError(
            "Writing Zarr needs zarr, which is not installed: pip install 'stilt[zarr]'."
        )
    import zarr

    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        attributes = {"source": _SOURCE, "history": _history(), **dataset.attrs}
        coordinates = xr.Dataset(coords=dataset.coords, attrs=attributes)
        for name, values in list(coordinates.coords.items()):
            if values.dtype.kind in "OU":
                texts = np.array([_said(value) for value in values.values], object)
                coordinates = coordinates.drop_vars(str(name)).assign_coords(
                    {name: (values.dims, texts, values.attrs)}
                )
        coordinates.to_zarr(part, zarr_format=3, consolidated=False)
        group = zarr.open_group(part, mode="a")
        auxiliary = [str(n) for n in dataset.coords if n not in dataset.sizes]
        for name, variable in dataset.data_vars.items():
            chunks = _chunks(variable)
            each = max(1, int(np.prod(variable.shape[1:])) * variable.dtype.itemsize)
            together = max(1, BLOCK_BYTES // each)
            whole = zip(variable.shape[1:], chunks[1:], strict=True)
            shards = (together, *(-(-size // chunk) * chunk for size, chunk in whole))
            made = group.create_array(
                str(name), shape=variable.shape, dtype=variable.dtype, chunks=chunks, shards=shards,
                dimension_names=list(map(str, variable.dims)),
                fill_value=0.0 if variable.attrs.get("grid_mapping") else np.nan,
                attributes={**_plain(variable.attrs), "coordinates": " ".join(auxiliary)},
            )  # fmt: skip
            for first, block in blocks(variable):
                made[first : first + len(block)] = block
        with warnings.catch_warnings():
            # The metadata of all arrays in one place are an extension of format 3, of which zarr
            # warns; without them xarray warns of every reader.
            warnings.simplefilter("ignore")
            zarr.consolidate_metadata(part, zarr_format=3)
        _replace_folder(part, path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def export_parquet(located: Locations, receptors: pd.DataFrame, kind: str, path: Path) -> None:
    """Write rows of many simulations as one Parquet file, with receptors in further columns.

    Particles may have columns that those of other simulations lack, as of columns ``xhgt``: they
    are null there.
    """
    columns = [n for n in receptors if n not in ("receptor", "kind")]
    fixed = with_text_for_nothing(pa.Table.from_pandas(receptors[columns], preserve_index=False))
    taken = {"time": "receptor_time", "longitude": "receptor_longitude",
             "latitude": "receptor_latitude", "altitude": "receptor_altitude"}  # fmt: skip
    fixed = fixed.rename_columns([taken.get(name, name) for name in fixed.column_names])
    with atomic_path(path) as part:
        schema = _write_rows(located, fixed, kind, part, None)
        while schema is not None:
            schema = _write_rows(located, fixed, kind, part, schema)


def _write_rows(
    located: Locations, fixed: pa.Table, kind: str, part: Path, schema: pa.Schema | None
) -> pa.Schema | None:
    """Write rows with a schema, or that of the first simulation.

    Returns:
        A wider schema to begin again with, when a simulation has further columns.
    """
    writer: pq.ParquetWriter | None = None
    try:
        waiting: list[pa.Table] = []
        rows = 0
        for number, one in enumerate(located):
            table = _rows(one, kind)
            repeated = fixed.take(pa.array(np.full(len(table), number)))
            for name in reversed(repeated.column_names):
                table = table.add_column(0, name, repeated[name].combine_chunks())
            schema = schema or table.schema
            if not set(table.column_names) <= set(schema.names):
                return pa.unify_schemas([schema, table.schema])
            # The empty table has the order of columns, and those that this one lacks.
            table = pa.concat_tables([schema.empty_table(), table], promote_options="default")
            waiting.append(table)
            rows += len(table)
            if writer is None:
                marked = schema.with_metadata({**(schema.metadata or {}), "history": _MARK})
                writer = pq.ParquetWriter(part, marked, compression="zstd")
            if rows >= ROWS or number == len(located) - 1:
                writer.write_table(pa.concat_tables(waiting), rows or 1)
                waiting, rows = [], 0
    finally:
        if writer is not None:
            writer.close()
    return None


def with_text_for_nothing(table: pa.Table) -> pa.Table:
    """Return a table in which columns without any value, such as the scene's, are text."""
    for number, field in enumerate(table.schema):
        untyped = pa.types.is_null(field.type) or pa.types.is_dictionary(field.type)
        if untyped and table[number].null_count == len(table):
            empty = pa.nulls(len(table), pa.string())
            table = table.set_column(number, field.name, empty)
    return table


def _rows(one: Located, kind: str) -> pa.Table:
    """Return rows of an output as the store has them."""
    if kind == FOOTPRINTS:
        from stilt.project.reading import read_footprint
        from stilt.store.footprint_rows import rows_of

        return rows_of(read_footprint(one))[0]
    from stilt.project.reading import read_trajectories
    from stilt.store.particle_rows import rows_of as particle_rows

    return particle_rows(read_trajectories(one))


def blocks(variable: xr.DataArray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield parts of an array along its first dimension, of limited size, with their place."""
    each = max(1, int(np.prod(variable.shape[1:])) * variable.dtype.itemsize)
    size = max(1, BLOCK_BYTES // each)
    for first in range(0, variable.shape[0], size):
        yield first, variable[first : first + size].values


def _boxes(values: np.ndarray) -> Iterator[tuple[int, slice, slice]]:
    """Yield hour, rows and columns of the smallest box around what is not zero in each hour."""
    for hour in range(values.shape[0]):
        rows = np.flatnonzero(values[hour].any(axis=1))
        if rows.size:
            columns = np.flatnonzero(values[hour].any(axis=0))
            yield (
                hour,
                slice(int(rows[0]), int(rows[-1]) + 1),
                slice(int(columns[0]), int(columns[-1]) + 1),
            )


def _chunks(variable: xr.DataArray) -> tuple[int, ...]:
    """One receptor, and one hour, to a chunk; cells in squares, and particles whole."""
    if variable.attrs.get("grid_mapping") is None:
        return (1, *variable.shape[1:])
    return (1, 1, *(-(-n // max(1, round(n / CHUNK))) for n in variable.shape[2:]))


def _write_coordinate(file: Any, name: str, coordinate: xr.DataArray) -> None:
    attributes = _plain(coordinate.attrs)
    if name != "crs":
        attributes.setdefault("long_name", name.replace("_", " "))
    values = coordinate.values
    dims = tuple(map(str, coordinate.dims))
    if values.dtype.kind == "M":
        attributes |= {"units": "seconds since 1970-01-01 00:00:00", "calendar": "standard"}
        values = values.astype("datetime64[s]").astype(np.int64).astype(np.float64)
    if values.dtype.kind in "OUT" or _is_long(values):
        coded = np.array([_said(value).encode() for value in values.ravel()])
        width = max(1, coded.dtype.itemsize)
        file.createDimension(f"{name}_letters", width)
        made = file.createVariable(name, "S1", (*dims, f"{name}_letters"))
        made.setncatts({**attributes, "_Encoding": "utf-8"})
        made.set_auto_chartostring(False)
        letters = coded.astype(f"S{width}").view("S1").reshape(*coordinate.shape, width)
        made[...] = letters
        return
    if values.dtype == bool:
        values = values.astype(np.int8)
    if values.dtype == np.int64:
        # CF has no integers of 64 bits.
        small = values.size == 0 or np.abs(values).max() <= np.iinfo(np.int32).max
        values = values.astype(np.int32 if small else np.float64)
    made = file.createVariable(name, values.dtype, dims, fill_value=False)
    made.setncatts(attributes)
    made[...] = values


def _is_long(values: np.ndarray) -> bool:
    """Return whether numbers, such as ids of soundings, are too long for a double."""
    return values.dtype == np.int64 and values.size > 0 and bool(np.abs(values).max() > 2**53)


def _said(value: Any) -> str:
    """Return a value as text, "" for none."""
    return "" if value is None or value != value else str(value)


def _history() -> str:
    """Return what says when a file was exported, by which an earlier export is recognised."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {_MARK}"


def _plain(attributes: Any) -> dict[str, Any]:
    return {str(k): v for k, v in attributes.items() if v is not None}


def _replace_folder(part: Path, path: Path) -> None:
    """Put a finished folder in the place of another."""
    old = path.with_name(f".{path.name}.{secrets.token_hex(4)}.old")
    if path.exists():
        os.replace(path, old)
    os.replace(part, path)
    shutil.rmtree(old, ignore_errors=True)
