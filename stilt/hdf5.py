"""NetCDF-4 files read with h5py, which opens one in a tenth of the time that netCDF4 takes.

Callers give the type of what they read: asking the file for it takes longer than reading.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import h5py


def open_hdf5(path: str | os.PathLike[str], mode: str = "r") -> h5py.File:
    """Open a file without locks: files get their names only when they are whole.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: it is not an HDF5 file, or was cut short.
    """
    import h5py

    if mode != "r":
        return h5py.File(path, mode, locking=False)
    return h5py.File(h5py.h5f.open(os.fsencode(path), h5py.h5f.ACC_RDONLY, _reading()))


@cache
def _reading() -> h5py.h5p.PropFAID:
    """Return how files are opened for reading; made once, as making it takes as long as opening."""
    import h5py

    properties = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    properties.set_fclose_degree(h5py.h5f.CLOSE_STRONG)
    properties.set_file_locking(False, False)
    return properties


def global_text(path: str | os.PathLike[str], name: str) -> str:
    """Return a global attribute of a file; "" where it has none, or is no such file."""
    try:
        with open_hdf5(path) as file:
            return text(file, name)
    except (OSError, KeyError, ValueError):
        return ""


def is_written_by_stilt(path: str | os.PathLike[str]) -> bool:
    """Return whether a file is a NetCDF file that this program wrote."""
    return global_text(path, "source").startswith("stilt ")


def has(file: h5py.File, name: str) -> bool:
    """Return whether a file has a variable or group of this name."""
    return name.encode() in file.id


def array(file: h5py.File, name: str, kind: npt.DTypeLike) -> np.ndarray:
    """Read a variable of numbers, as numbers of this kind.

    Raises:
        KeyError: there is none of this name.
    """
    import h5py

    stored = h5py.h5d.open(file.id, name.encode())
    values = np.empty(stored.shape, kind)
    stored.read(h5py.h5s.ALL, h5py.h5s.ALL, values)
    return values


def number(file: h5py.File, name: str) -> float:
    """Read a global attribute that is one number.

    Raises:
        KeyError: there is none of this name.
    """
    import h5py

    value = np.empty(1)
    h5py.h5a.open(file.id, name.encode()).read(value)
    return float(value[0])


def text(file: h5py.File, name: str, item: str = ".") -> str:
    """Read an attribute that is a text.

    Args:
        file: an open file.
        name: of the attribute.
        item: the variable or group that has it; the file itself by default.

    Raises:
        KeyError: there is none of this name.
    """
    import h5py

    stored = h5py.h5a.open(file.id, name.encode(), obj_name=item.encode())
    kind = stored.get_type()
    if kind.is_variable_str():
        value = np.empty((), _any_text())
    elif stored.get_space().get_simple_extent_type() == h5py.h5s.NULL:
        return ""
    else:
        value = np.empty((), f"S{kind.get_size()}")
    stored.read(value)
    one = value.item()
    return one.decode() if isinstance(one, bytes) else str(one)


@cache
def _any_text() -> np.dtype[Any]:
    import h5py

    return h5py.string_dtype()


def stored_chunks(file: h5py.File, name: str) -> list[tuple[tuple[int, ...], memoryview]]:
    """Return the chunks of a variable that were ever written, as they are stored.

    Returns:
        Offset of the chunk in the variable, followed by the mask of filters that it was spared,
        and its bytes; ascending. Nothing for a variable without chunks.
    """
    import h5py

    stored = h5py.h5d.open(file.id, name.encode())
    if stored.get_create_plist().get_layout() != h5py.h5d.CHUNKED:
        return []
    chunks: list[Any] = []
    stored.chunk_iter(chunks.append)
    with open(file.filename, "rb") as whole:
        content = memoryview(whole.read())
    return sorted(
        (
            (*chunk.chunk_offset, chunk.filter_mask),
            content[chunk.byte_offset : chunk.byte_offset + chunk.size],
        )
        for chunk in chunks
    )
