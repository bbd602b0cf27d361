"""TCCON: public and private NetCDF files of GGG2020."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stilt.errors import UsageError
from stilt.observations.readers.hdf5_product import (
    Floats,
    attribute,
    degrees,
    from_surface_up,
    hectopascals,
    located,
    mole_fractions,
    numbers,
    product,
    times,
    wrapped_longitude,
)
from stilt.observations.readers.mole_fractions import WHOLE, factor_of
from stilt.observations.soundings import Soundings

if TYPE_CHECKING:
    import h5py

M_PER_KM = 1000.0
DEFAULT_UNITS = {"co2": "ppm", "ch4": "ppm", "co": "ppb", "n2o": "ppb", "h2o": "ppm", "hf": "ppt"}


def read_tccon(path: str | os.PathLike[str], *, species: str = "co2") -> Soundings:
    """Read one gas from a TCCON file.

    Value, uncertainty and prior are in the unit that the file gives for the gas. Public files
    hold what passed quality control; of private ones ``good`` means ``flag`` 0, and their kernels,
    which are tabulated by slant column, are interpolated to each spectrum's. ``zenith_deg`` and
    ``azimuth_deg`` are those of the sun, towards which the instrument looks.

    Args:
        path: the file.
        species: co2, ch4, co or another gas of the file.

    Raises:
        FileNotFoundError: there is no such file.
        UsageError: it is not such a file, or does not have this gas.
    """
    with product(path, "TCCON", "ak_pressure") as file:
        gas = f"x{species}"
        if gas not in file:
            known = sorted(n[1:] for n in file if f"ak_{n}" in file)
            raise UsageError(
                f"{os.fspath(path)} has no gas {species!r}: it has {', '.join(known) or 'none'}."
            )
        units = attribute(file[gas], "units").strip() or DEFAULT_UNITS.get(species, "ppm")
        when = times(file, "time")
        site = attribute(file, "long_name") or os.path.basename(os.fspath(path))[:2]
        flag = numbers(file, "flag") if "flag" in file else np.zeros(len(when))
        table = pd.DataFrame(
            {
                "sounding_id": [f"{site}-{time:%Y%m%d%H%M%S}-{species}" for time in when],
                "time": when,
                "longitude": wrapped_longitude(numbers(file, "long")),
                "latitude": degrees(numbers(file, "lat")),
                "value": numbers(file, gas),
                "uncertainty": mole_fractions(file, f"{gas}_error", units),
                "units": units,
                "species": species,
                "sensor": "tccon",
                "good": flag == 0,
                "site": site,
                "surface_altitude_m": M_PER_KM * numbers(file, "zobs"),
                "surface_pressure_hpa": numbers(file, "pout"),
                "zenith_deg": numbers(file, "solzen"),
                "azimuth_deg": numbers(file, "azim") % 360.0,
            }
        )
        profiles = _profiles(file, species, units, table["value"].to_numpy())
        return located(Soundings(table, profiles), path)


def _profiles(file: h5py.File, species: str, units: str, value: Floats) -> dict[str, Floats]:
    """Return the kernel on its pressures, and the prior interpolated to them."""
    pressure = hectopascals(file, "ak_pressure", "hPa")
    kernel = numbers(file, f"ak_x{species}")
    if kernel.shape[0] != value.size or f"ak_slant_x{species}_bin" in file:
        kernel = _by_slant_column(file, species, kernel, value)
    order = np.argsort(-pressure)
    pressure, kernel = pressure[order], kernel[:, order]
    profiles = {"ak_pressure_hpa": np.tile(pressure, (value.size, 1)), "ak": kernel}
    found = [name for name in (f"prior_{species}", f"prior_1{species}") if name in file]
    if found:
        which = np.arange(value.size)
        if "prior_index" in file:
            which = file["prior_index"][...].astype(np.int64)
        told = attribute(file[found[0]], "units").strip() or WHOLE
        prior = numbers(file, found[0]) * factor_of(told, units, file.filename)
        at, upward = from_surface_up(hectopascals(file, "prior_pressure", "atm"), prior)
        assert at is not None
        assert upward is not None
        brought = [
            np.interp(-np.log(pressure), -np.log(p), values)
            for p, values in zip(at, upward, strict=True)
        ]
        profiles["apriori"] = np.reshape(brought, (len(brought), pressure.size))[which]
    return profiles


def _by_slant_column(file: h5py.File, species: str, kernel: Floats, value: Floats) -> Floats:
    """Interpolate a table of kernels, (levels, bins), to the slant column of each spectrum."""
    bins = numbers(file, f"ak_slant_x{species}_bin")
    airmass = next(
        (numbers(file, name) for name in ("o2_7885_am_o2", "airmass") if name in file), None
    )
    if airmass is None:
        raise UsageError(
            "The kernels of this private TCCON file are given by slant column, and it lacks the "
            "airmass (o2_7885_am_o2): use the public file."
        )
    slant = value * airmass
    return np.stack([np.interp(slant, bins, level) for level in kernel], axis=1)
