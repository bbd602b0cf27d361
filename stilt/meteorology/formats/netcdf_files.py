"""Tell NetCDF files from others by their first bytes."""

from __future__ import annotations

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
