"""The cells of a footprint that are not zero, as a group of its file.

Most cells of a footprint are zero, and reading these takes ten times as long as reading the rest.
So a file holds the rest a second time, as plain variables of the group ``nonzero``. The variable
``foot`` takes precedence: the group has a checksum of ``foot`` as it is stored, and where that no
longer matches, because another program has changed or rewritten the file, the group is ignored.
"""

from __future__ import annotations

import os
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from stilt.footprint.layers import Layers
from stilt.footprint.steps import Floats, Ints
from stilt.hdf5 import array, has, open_hdf5, stored_chunks, text

if TYPE_CHECKING:
    import h5py

GROUP = "nonzero"
FOOT = "foot"
CHECKSUM = "checksum"
ABOUT = {
    "title": "Cells of the variable foot that are not zero, as runs of neighbours within a row",
    "comment": (
        "foot.flat[start[i] : start[i] + length[i]] is the i-th run; foot in this group has the "
        "values of all runs, one run after the other. The variable foot of the file is the truth: "
        f"{CHECKSUM} is the CRC-32 of the offsets and filter masks of its stored chunks, ascending "
        "(little-endian int64), of these chunks as they are stored, and of start, length and foot "
        "of this group."
    ),
}
VARIABLES: dict[str, tuple[str, str, dict[str, str]]] = {
    "start": (
        "i8",
        "run",
        {"long_name": "cell in which a run begins, counted from 0 in foot, last dimension fastest"},
    ),
    "length": ("i4", "run", {"long_name": "number of cells of a run"}),
    FOOT: ("f8", "cell", {}),
}


def define_nonzero(
    file: Any, layers: Layers, attributes: dict[str, Any]
) -> list[tuple[Any, np.ndarray]]:
    """Define the group in an open NetCDF file; :func:`seal` completes it.

    Args:
        file: ``netCDF4.Dataset``, open for writing.
        layers: the influence in the file.
        attributes: of the values, such as their units.

    Returns:
        Variables and the values to write into them.
    """
    group = file.createGroup(GROUP)
    group.setncatts(ABOUT)
    group.createDimension("run", layers.starts.size)
    group.createDimension("cell", layers.values.size)
    contents = {"start": layers.starts, "length": layers.lengths, FOOT: layers.values}
    values = []
    for name, (kind, dimension, described) in VARIABLES.items():
        variable = group.createVariable(name, kind, (dimension,), fill_value=False)
        variable.setncatts(described or attributes)
        values.append((variable, contents[name]))
    return values


def seal(path: str | os.PathLike[str]) -> None:
    """Add the checksum to a closed file with the group."""
    with open_hdf5(path, "r+") as file:
        file[GROUP].attrs[CHECKSUM] = np.bytes_(_checksum(file, _runs(file)))


def nonzero_in(file: h5py.File) -> tuple[Ints, Ints, Floats] | None:
    """Read starts, lengths and values of all runs, as in :class:`stilt.footprint.layers.Layers`.

    Returns:
        None where the file has no such group, or one that does not match its ``foot``.
    """
    if not has(file, GROUP):
        return None
    runs = _runs(file)
    return runs if text(file, CHECKSUM, GROUP) == _checksum(file, runs) else None


def _runs(file: h5py.File) -> tuple[Ints, Ints, Floats]:
    start, length, values = (
        array(file, f"{GROUP}/{name}", kind) for name, (kind, *_) in VARIABLES.items()
    )
    return start, length, values


def _checksum(file: h5py.File, runs: tuple[np.ndarray, ...]) -> str:
    """Return the CRC-32 of the stored chunks of ``foot`` and of the runs, 8 hex digits."""
    chunks = stored_chunks(file, FOOT)
    offsets = np.array([offset for offset, _ in chunks], "<i8")
    total = 0
    for stored in (offsets.data, *(stored for _, stored in chunks), *(run.data for run in runs)):
        total = zlib.crc32(stored, total)
    return f"{total:08x}"
