"""Functions that readers of NetCDF-4 products share: variables as floats, with gaps as NaN."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stilt.errors import UsageError
from stilt.hdf5 import open_hdf5
from stilt.observations.readers.mole_fractions import factor_of, measured

if TYPE_CHECKING:
    import h5py

    from stilt.observations.soundings import Soundings

Floats = NDArray[np.float64]
# NetCDF's default fill value of float32, which products use without declaring it.
DEFAULT_FILL = 9.9e36
POSITION_DECIMALS = 5
HPA = {"Pa": 0.01, "hPa": 1.0, "mbar": 1.0, "mb": 1.0, "atm": 1013.25}
"""Units of pressure, in hPa."""


@contextmanager
def product(path: str | os.PathLike[str], what: str, needed: str) -> Iterator[h5py.File]:
    """Open a product's file.

    Args:
        path: the file.
        what: the product in words, for messages.
        needed: a variable that files of this product have.

    Raises:
        FileNotFoundError: there is no such file.
        UsageError: it is not NetCDF-4, or lacks a variable.
    """
    if not os.path.exists(path):
        raise FileNotFoundError(f"There is no file {os.fspath(path)}.")
    try:
        file = open_hdf5(path)
    except OSError as error:
        raise UsageError(
            f"{os.fspath(path)} is not a NetCDF-4 file that can be read ({error})."
        ) from error
    with file:
        if needed not in file:
            raise UsageError(
                f"{os.fspath(path)} is not a file of {what}: it has no variable {needed}."
            )
        try:
            yield file
        except KeyError as error:
            raise UsageError(
                f"{os.fspath(path)} is not a file of {what} that can be read: {error.args[0]}."
            ) from error


def numbers(file: h5py.Group, name: str) -> Floats:
    """Read a variable as floats, scaled, with fill values and values out of range as NaN.

    Raises:
        KeyError: there is none of this name.
    """
    if name not in file:
        raise KeyError(f"it has no variable {name}")
    stored = file[name]
    raw = stored[...]
    values = raw.astype(np.float64)
    missing = ~np.isfinite(values) | (np.abs(values) > DEFAULT_FILL)
    for fill in ("_FillValue", "missing_value"):
        if fill in stored.attrs:
            # Some files give them in another precision than the values.
            missing |= np.isin(raw, np.asarray(stored.attrs[fill]).astype(raw.dtype))
    scale = np.asarray(stored.attrs.get("scale_factor", 1.0), np.float64).reshape(-1)[0]
    offset = np.asarray(stored.attrs.get("add_offset", 0.0), np.float64).reshape(-1)[0]
    # A factor of 0.01 is stored in single precision; the decimal number is what was meant.
    values = values * float(f"{scale:.7g}") + float(f"{offset:.7g}")
    values[missing] = np.nan
    return values


def times(file: h5py.Group, name: str, units: str = "seconds since 1970-01-01") -> pd.DatetimeIndex:
    """Read a variable as times, NaT where they are missing.

    Args:
        file: the file or group.
        name: of the variable.
        units: of the product, where the variable does not say.

    Raises:
        KeyError: there is none of this name.
        UsageError: its units are not those of times.
    """
    from xarray.coding.times import decode_cf_datetime

    values = numbers(file, name)
    told = attribute(file[name], "units")
    told = told if " since " in told else units
    found = np.full(values.shape, np.datetime64("NaT", "ns"))
    known = np.isfinite(values)
    try:
        found[known] = decode_cf_datetime(values[known], told, "standard", use_cftime=False)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"The times {name} cannot be read as {told!r}: {error}.") from error
    return seconds(found.ravel())


def hectopascals(file: h5py.Group, name: str, units: str) -> Floats:
    """Read a variable as pressures in hPa.

    Args:
        file: the file or group.
        name: of the variable.
        units: of the product, where the variable does not say: one of ``HPA``.

    Raises:
        KeyError: there is none of this name.
        UsageError: its units are not known.
    """
    values = numbers(file, name)
    told = attribute(file[name], "units").strip() or units
    if told not in HPA:
        raise UsageError(
            f"{file.file.filename}: the units {told!r} of {name} are none of pressure that are "
            f"known: {', '.join(HPA)}."
        )
    return values * HPA[told]


def mole_fractions(file: h5py.Group, name: str, units: str) -> Floats:
    """Read a variable as mole fractions in given units.

    Args:
        file: the file or group.
        name: of the variable.
        units: wanted, such as ppb; also those of the product, where the variable does not say.

    Raises:
        KeyError: there is none of this name.
        UsageError: its units are not those of a mole fraction.
    """
    values = numbers(file, name)
    told = attribute(file[name], "units").strip()
    # Some files write 1 for what is in parts per million or billion.
    same = told in ("", "1", units)
    return values if same else values * factor_of(told, units, file.file.filename)


def located(soundings: Soundings, where: str | os.PathLike[str]) -> Soundings:
    """Return the soundings that have a time and a place on the Earth; fill values are NaN.

    Args:
        soundings: as read.
        where: the file, for messages.

    Raises:
        UsageError: as :func:`stilt.observations.readers.mole_fractions.measured`.
    """
    table = soundings.table
    known = table["time"].notna() & np.isfinite(table["longitude"])
    found = soundings.take((known & (table["latitude"].abs() <= 90.0)).to_numpy())
    return measured(found, where)


def attribute(item: Any, name: str) -> str:
    """Return a text attribute, "" where there is none."""
    value = item.attrs.get(name, "")
    one = np.asarray(value).reshape(-1)
    text = one[0] if one.size else ""
    return text.decode() if isinstance(text, bytes) else str(text)


def degrees(values: Floats) -> Floats:
    """Round degrees that were stored in single precision, which is accurate to about a metre."""
    rounded: Floats = values.astype(np.float64).round(POSITION_DECIMALS) + 0.0
    return rounded


def wrapped_longitude(values: Floats) -> Floats:
    """Return longitudes in -180 to 180."""
    return degrees(np.where(np.abs(values) > 180.0, (values + 180.0) % 360.0 - 180.0, values))


def seconds(times: Any) -> pd.DatetimeIndex:
    """Return times in naive UTC, rounded to whole seconds as in ids of receptors."""
    index = pd.DatetimeIndex(times)
    if index.tz is not None:
        index = index.tz_convert("UTC").tz_localize(None)
    return index.round("s").as_unit("ns")


def from_surface_up(pressure: Floats, *others: Floats | None) -> list[Floats | None]:
    """Return profiles from the surface up, reversed where pressure increases along the levels.

    Args:
        pressure: shape (soundings, levels).
        others: profiles on the same levels, or None.
    """
    steps = np.diff(pressure, axis=1)
    steps = steps[np.isfinite(steps)]
    rises = bool(steps.size and np.median(steps) > 0)
    profiles: list[Floats | None] = [pressure, *others]
    return [p[:, ::-1] if rises and p is not None else p for p in profiles]
