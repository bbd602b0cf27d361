"""Zarr stores, in a folder or at a URL that fsspec knows: opening them, and noticing changes.

Only metadata and coordinates of a store are read until a field is needed, and of a field only the
chunks that hold the part needed.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stilt.digests import FEW_SAMPLES, sampled_digest
from stilt.roots import is_url

if TYPE_CHECKING:
    import xarray as xr

_METADATA = (".zmetadata", "zarr.json", ".zgroup")
_STATE_LIFE_S = 60.0
_TOGETHER = 8
_TOGETHER_BYTES = 128_000_000
_TOKENS = ("ETag", "etag", "md5Hash", "crc32c", "content_md5", "LastModified", "mtime")

_states: dict[str, tuple[float, str]] = {}
_chunks: dict[tuple[str, str], tuple[float, str]] = {}


def is_store(path: str | os.PathLike[str]) -> bool:
    """Return whether a path is a folder that holds a Zarr group, or a URL."""
    return is_url(path) or any(os.path.isfile(os.path.join(path, name)) for name in _METADATA)


def open_store(path: str) -> xr.Dataset:
    """Open a store lazily.

    Raises:
        OSError: it cannot be reached, is not a Zarr group, or the library is not installed.
    """
    try:
        import zarr  # noqa: F401
    except ImportError as error:
        raise OSError(
            "Zarr stores need a package that is not installed (pip install 'stilt[zarr]')"
        ) from error
    import xarray as xr

    name, document = _document(path)
    whole = name == ".zmetadata" or bool(json.loads(document).get("consolidated_metadata"))
    try:
        return xr.open_dataset(path, engine="zarr", chunks=None, cache=False, consolidated=whole)
    except Exception as error:
        raise _unreachable(error) from error


def few_chunks_together(variable: xr.DataArray) -> AbstractContextManager[Any]:
    """Have few chunks of a field in memory at once in a block that reads it.

    A chunk may hold eighteen levels of the globe, 75 MB, of which some rows and columns are kept;
    Zarr decodes ten together.

    Args:
        variable: the field, as the store has it; one of another file is left alone.
    """
    chunks = variable.encoding.get("chunks")
    if not chunks:
        return nullcontext()
    import zarr

    fitting = _TOGETHER_BYTES // (math.prod(chunks) * variable.dtype.itemsize)
    usual = int(zarr.config.get("async.concurrency"))
    return zarr.config.set({"async.concurrency": max(1, min(fitting, usual))})


def store_state(path: str) -> str:
    """Return a digest of a store's metadata document; at a URL it is read at most once a minute.

    Raises:
        OSError: it cannot be reached, or there is none.
    """
    known = _states.get(path)
    now = time.monotonic()
    if known and is_url(path) and now - known[0] < _STATE_LIFE_S:
        return known[1]
    _states[path] = now, hashlib.sha256(_document(path)[1]).hexdigest()[:16]
    return _states[path][1]


def _document(path: str) -> tuple[str, bytes]:
    """Return name and text of a store's metadata document."""
    filesystem, root = _place(path)
    for name in _METADATA:
        try:
            return name, filesystem.cat_file(f"{root}/{name}")
        except FileNotFoundError:
            continue
        except Exception as error:
            raise _unreachable(error) from error
    raise OSError("there is no Zarr group there")


def layout_digest(data: xr.Dataset, names: Iterable[str]) -> str:
    """Return a digest of the type, units and grid of a store's fields, but not of their times.

    Args:
        data: the store.
        names: of the fields.
    """
    digest = hashlib.sha256()
    for name in sorted(names):
        variable = data[name]
        units = variable.attrs.get("units", "")
        digest.update(f"{name} {variable.dtype} {variable.dims} {units};".encode())
        for dim in variable.dims:
            if dim in data.coords and data[dim].dtype.kind in "iuf":
                digest.update(data[dim].to_numpy().tobytes())
    return digest.hexdigest()[:16]


def chunk_tokens(
    path: str, variable: xr.DataArray, time_dim: str, positions: list[int]
) -> list[str]:
    """Return a text that identifies the content of a field at each time, from its first chunk.

    In a folder it is a digest of some of the chunk's bytes, at a URL what the server says of it:
    its size and its checksum or date. The text of a chunk that is not there is empty.

    Args:
        path: the store.
        variable: the field, as the store has it.
        time_dim: its dimension of times; "" for none.
        positions: of the times.
    """
    keys = _chunk_keys(path, variable, time_dim, positions)
    token = partial(_token, path)
    distinct = list(dict.fromkeys(keys))
    if is_url(path):
        with ThreadPoolExecutor(_TOGETHER) as threads:
            tokens = dict(zip(distinct, threads.map(token, distinct), strict=True))
    else:
        tokens = {key: token(key) for key in distinct}
    return [tokens[key] for key in keys]


def _token(path: str, key: str) -> str:
    """Return a text that identifies the content of a chunk; "" if it is not there."""
    filesystem, root = _place(path)
    file = f"{root}/{key}"
    if not is_url(path):
        return sampled_digest(file, FEW_SAMPLES) if os.path.exists(file) else ""
    known = _chunks.get((path, key))
    if known and time.monotonic() - known[0] < _STATE_LIFE_S:
        return known[1]
    try:
        info: Mapping[str, Any] = filesystem.info(file)
    except FileNotFoundError:
        info = {}
    except Exception as error:
        raise _unreachable(error) from error
    facts = [str(info[name]) for name in ("size", *_TOKENS) if info.get(name) is not None]
    _chunks[path, key] = time.monotonic(), " ".join(facts)
    return _chunks[path, key][1]


@dataclass(frozen=True)
class AbsentChunk:
    """A chunk that a store does not have: its name, and what it covers of each dimension."""

    key: str
    covers: Mapping[str, range]


def absent_chunks(
    path: str, variable: xr.DataArray, taken: Mapping[str, slice], values: NDArray[Any]
) -> Iterator[AbsentChunk]:
    """Yield the chunks that a part of a field comes from and that are not there.

    Zarr reads such a chunk as one value throughout, so that only of those it is asked whether they
    are there.

    Args:
        path: the store.
        variable: the field, as the store has it; nothing is yielded for one of another file.
        taken: which part of each of its dimensions was read; dimensions not named are at 0.
        values: what was read, with the dimensions of ``taken`` in their order; a dimension of one
            value may lack.
    """
    sizes = variable.encoding.get("shards") or variable.encoding.get("chunks")
    if not sizes:
        return
    parts = [taken.get(str(dim), slice(0, 1)) for dim in variable.dims]
    lengths = [part.stop - part.start for part in parts]
    order = [list(taken).index(str(dim)) for dim in variable.dims if str(dim) in taken]
    shaped = values.reshape([taken[dim].stop - taken[dim].start for dim in taken])
    shaped = shaped.transpose(order).reshape(lengths)
    array = None
    chunks = [
        range(part.start // size, (part.stop - 1) // size + 1)
        for part, size in zip(parts, sizes, strict=True)
    ]
    for index in product(*chunks):
        covers = [range(at * size, (at + 1) * size) for at, size in zip(index, sizes, strict=True)]
        block = shaped[
            tuple(
                slice(max(each.start - part.start, 0), each.stop - part.start)
                for each, part in zip(covers, parts, strict=True)
            )
        ]
        if not _is_one_value(block):
            continue
        if array is None:
            array = _array(path, variable)
        key = f"{variable.name}/{array.metadata.encode_chunk_key(index)}"
        if not _token(path, key):
            yield AbsentChunk(key, dict(zip(map(str, variable.dims), covers, strict=True)))


def _is_one_value(block: NDArray[Any]) -> bool:
    first, middle = block.flat[0], block.flat[block.size // 2]
    if np.isnan(first):
        return bool(np.isnan(middle) and np.isnan(block).all())
    return bool(middle == first and (block == first).all())


def _array(path: str, variable: xr.DataArray) -> Any:
    import zarr

    return zarr.open_array(path, path=str(variable.name), mode="r")


def _chunk_keys(
    path: str, variable: xr.DataArray, time_dim: str, positions: list[int]
) -> list[str]:
    array = _array(path, variable)
    sizes = array.shards or array.chunks
    dims = list(variable.dims)
    keys = []
    for position in positions:
        first = [0] * len(dims)
        if time_dim in dims:
            axis = dims.index(time_dim)
            first[axis] = position // sizes[axis]
        key = array.metadata.encode_chunk_key(tuple(first))
        keys.append(f"{variable.name}/{key}")
    return keys


@lru_cache(maxsize=16)
def _place(path: str) -> tuple[Any, str]:
    """Return the file system and the root of a store."""
    import fsspec

    try:
        filesystem, root = fsspec.core.url_to_fs(path if is_url(path) else str(Path(path)))
    except (ImportError, ValueError) as error:
        raise OSError(str(error)) from error
    return filesystem, root.rstrip("/")


def _unreachable(error: Exception) -> OSError:
    """Return an error as an OSError, in one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return OSError(text.removesuffix("."))
