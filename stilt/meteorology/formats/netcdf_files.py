"""Tell NetCDF files from others by their first bytes."""

from __future__ import annotations

import os

_MAGIC = (b"CDF", b"\x89HDF")


def begins_as_netcdf(beginning: bytes) -> bool:
    """Return whether the first bytes of a file are those of NetCDF 3 or 4."""
    return beginning.startswith(_MAGIC)


def is_netcdf(path: str) -> bool:
    """Return whether a file begins as NetCDF files do.

    Raises:
        OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        return begins_as_netcdf(file.read(8))


def can_be_read(path: str) -> bool:
    """Return whether a path is that of a file that this process may read."""
    return os.path.isfile(path) and os.access(path, os.R_OK)
