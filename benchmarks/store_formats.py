"""Compares formats for a store of footprints: Parquet in several forms, and sharded Zarr v3.

Takes the footprint files of a project, puts all of them in one shard of each format, and prints
bytes, and seconds to write, to read one of them, to read all, and to read one over fsspec.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stilt.footprint import Footprint
from stilt.footprint.layers import Layers
from stilt.footprint.netcdf import read_layers

ROWS = 131_072


def columns(layers: Layers, number: int, form: str) -> pa.Table:
    """Rows of one footprint, a cell each."""
    cell, size = layers.places(), np.diff(layers.first_of_layers)
    hour = np.repeat(np.arange(size.size, dtype=np.int32), size)
    foot = layers.values.astype(np.float32)
    sim = pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(cell.size, np.int32)), pa.array([f"basin_{number:030d}"])
    )
    row, column = np.divmod(cell, layers.x.size)
    if form == "cells":
        return pa.table({"sim_id": sim, "hour": hour, "cell": cell.astype(np.int32), "foot": foot})
    if form == "indices":
        return pa.table({"sim_id": sim, "hour": hour, "row": row.astype(np.int32),
                         "column": column.astype(np.int32), "foot": foot})  # fmt: skip
    stamps = np.repeat(layers.stamps.astype("datetime64[ms]"), size)
    return pa.table(
        {"sim_id": sim, "time": stamps, "lat": layers.y[row], "lon": layers.x[column], "foot": foot}
    )


ENCODINGS: dict[str, dict[str, Any]] = {
    "cells": {"use_dictionary": ["sim_id", "hour"],
              "column_encoding": {"cell": "DELTA_BINARY_PACKED", "foot": "BYTE_STREAM_SPLIT"}},
    "indices": {"use_dictionary": ["sim_id", "hour", "row"],
                "column_encoding": {"column": "DELTA_BINARY_PACKED", "foot": "BYTE_STREAM_SPLIT"}},
    "coordinates": {"use_dictionary": ["sim_id", "time", "lat", "lon"],
                    "column_encoding": {"foot": "BYTE_STREAM_SPLIT"}},
}  # fmt: skip


def write_parquet(path: Path, found: list[Layers], form: str) -> None:
    writer, waiting, rows = None, [], 0
    for number, layers in enumerate(found):
        waiting.append(columns(layers, number, form))
        rows += len(waiting[-1])
        if writer is None:
            writer = pq.ParquetWriter(path, waiting[0].schema, compression="zstd",
                                      write_page_checksum=True, **ENCODINGS[form])  # fmt: skip
        if rows >= ROWS or number == len(found) - 1:
            writer.write_table(pa.concat_tables(waiting, promote_options="default"), rows + 1)
            waiting, rows = [], 0
    writer.close()


def read_parquet(source: Any, number: int | None) -> int:
    file = pq.ParquetFile(source)
    if number is None:
        return sum(len(file.read_row_group(at)) for at in range(file.num_row_groups))
    name = f"basin_{number:030d}"
    for at in range(file.num_row_groups):
        seen = file.metadata.row_group(at).column(0).statistics
        if seen.min <= name <= seen.max:
            table = file.read_row_group(at)
            return int(
                (table["sim_id"].combine_chunks().dictionary_decode().to_numpy(False) == name).sum()
            )
    return 0


def write_zarr_dense(path: Path, found: list[Layers]) -> None:
    import zarr

    first = found[0]
    shape = (len(found), 25, first.y.size, first.x.size)
    array = zarr.create_array(
        path, shape=shape, chunks=(1, 1, 64, 64), dtype="f4", fill_value=0,
        shards=(len(found), 25, -(-shape[2] // 64) * 64, -(-shape[3] // 64) * 64),
        compressors=zarr.codecs.ZstdCodec(level=1),
    )  # fmt: skip
    block = np.zeros(shape, np.float32)
    for number, layers in enumerate(found):
        size = np.diff(layers.first_of_layers)
        hour = np.repeat(np.arange(size.size), size)
        block[number].reshape(25, -1)[hour, layers.places()] = layers.values
    array[...] = block


def write_zarr_ragged(path: Path, found: list[Layers]) -> None:
    import zarr

    group = zarr.create_group(path)
    cells = np.concatenate([layers.places() for layers in found]).astype(np.int32)
    values = np.concatenate([layers.values for layers in found]).astype(np.float32)
    hours = np.concatenate(
        [
            np.repeat(np.arange(n.size), n)
            for n in (np.diff(layers.first_of_layers) for layers in found)
        ]
    ).astype(np.int16)
    first = np.cumsum([0, *(layers.values.size for layers in found)])
    shard = -(-cells.size // ROWS) * ROWS
    filters = {"cell": [zarr.codecs.numcodecs.Delta(dtype="i4")]}
    for name, array in (("cell", cells), ("hour", hours), ("foot", values)):
        made = group.create_array(
            name, shape=array.shape, dtype=array.dtype, chunks=(ROWS,), shards=(shard,),
            compressors=[zarr.codecs.BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle",
                                                typesize=array.dtype.itemsize)],
            filters=filters.get(name, []),
        )  # fmt: skip
        made[:] = array
    group.create_array("first", data=first)


def read_zarr_dense(source: Any, number: int | None) -> int:
    import zarr

    array = zarr.open_array(source, mode="r")
    if number is not None:
        return int(np.count_nonzero(array[number]))
    return sum(int(np.count_nonzero(array[at])) for at in range(array.shape[0]))


def read_zarr_ragged(source: Any, number: int | None) -> int:
    import zarr

    group = zarr.open_group(source, mode="r")
    first = group["first"][:]
    part = slice(None) if number is None else slice(int(first[number]), int(first[number + 1]))
    return sum(group[name][part].size for name in ("cell", "hour", "foot"))


def timed(work: Callable[[], Any], times: int) -> float:
    """Return the shortest of some times, in ms."""
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return 1e3 * min(taken)


def nbytes(path: Path) -> int:
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return sum(file.stat().st_size for file in files)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.store_formats", description=__doc__)
    parser.add_argument("project", type=Path)
    parser.add_argument("--name", default="default")
    options = parser.parse_args()
    paths = sorted(options.project.glob(f"simulations/by-id/*/*_{options.name}_foot.nc"))
    found = [read_layers(path) for path in paths]
    count = len(found)
    print(f"{count} footprints, {np.mean([f.values.size for f in found]):.0f} cells each, "
          "a footprint:")  # fmt: skip
    print(f"{'':22}{'kB':>8}{'write ms':>10}{'one ms':>8}{'all ms':>8}{'fsspec one ms':>15}")
    scratch = Path(tempfile.mkdtemp())
    objects = [Footprint.from_netcdf(path) for path in paths[:8]]
    write = sum(timed(lambda f=f: f.to_netcdf(scratch / "foot.nc"), 2) for f in objects) / 8
    one = timed(lambda: read_layers(paths[3]), 3)
    every = timed(lambda: [read_layers(path) for path in paths], 2) / count
    size = np.mean([path.stat().st_size for path in paths])
    print(f"{'NetCDF files':22}{size / 1e3:8.0f}{write:10.1f}{one:8.1f}{every:8.1f}{'':>15}")
    del objects
    for form in ENCODINGS:
        path = scratch / f"{form}.parquet"
        write = timed(lambda path=path, form=form: write_parquet(path, found, form), 2) / count
        one = timed(lambda path=path: read_parquet(path, count // 2), 5)
        every = timed(lambda path=path: read_parquet(path, None), 3) / count

        def remote(path: Path = path) -> int:
            with fsspec.open(f"file://{path}", block_size=1 << 20) as file:
                return read_parquet(file, count // 2)

        over = timed(remote, 3)
        print(f"{'Parquet, ' + form:22}{nbytes(path) / count / 1e3:8.0f}{write:10.1f}{one:8.1f}"
              f"{every:8.1f}{over:15.1f}")  # fmt: skip
    for name, writes, reads in (
        ("Zarr v3, dense", write_zarr_dense, read_zarr_dense),
        ("Zarr v3, ragged", write_zarr_ragged, read_zarr_ragged),
    ):
        path = scratch / f"{name.split()[-1]}.zarr"

        def fresh(path: Path = path, writes: Any = writes) -> None:
            shutil.rmtree(path, ignore_errors=True)
            writes(path, found)

        write = timed(fresh, 2) / count
        one = timed(lambda path=path, reads=reads: reads(path, count // 2), 5)
        every = timed(lambda path=path, reads=reads: reads(path, None), 3) / count
        over = timed(lambda path=path, reads=reads: reads(f"file://{path}", count // 2), 3)
        print(f"{name:22}{nbytes(path) / count / 1e3:8.0f}{write:10.1f}{one:8.1f}"
              f"{every:8.1f}{over:15.1f}")  # fmt: skip
    shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
