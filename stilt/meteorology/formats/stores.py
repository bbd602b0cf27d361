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
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stilt.digests import sampled_digest
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
    filesystem, root = _place(path)

    def token(key: str) -> str:
        file = f"{root}/{key}"
        if not is_url(path):
            return sampled_digest(file) if os.path.exists(file) else ""
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

    distinct = list(dict.fromkeys(keys))
    if is_url(path):
        with ThreadPoolExecutor(_TOGETHER) as threads:
            tokens = dict(zip(distinct, threads.map(token, distinct), strict=True))
    else:
        tokens = {key: token(key) for key in distinct}
    return [tokens[key] for key in keys]


def _chunk_keys(
    path: str, variable: xr.DataArray, time_dim: str, positions: list[int]
) -> list[str]:
    import zarr

    array = zarr.open_array(path, path=str(variable.name), mode="r")
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
