"""Footprints in the layout of CarbonTracker-Lagrange: one file a receptor, foot1 and endpts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from stilt.atomic import atomic_path
from stilt.background.ends import ends_of
from stilt.destinations import file_to_write
from stilt.errors import UsageError
from stilt.exchange.releases import ReleaseRecord
from stilt.hdf5 import is_written_by_stilt
from stilt.version import __version__

FILL = -1e34
EPOCH = pd.Timestamp("2000-01-01")
ENDS = ("time", "index", "lat", "lon", "agl")
UNITS = "ppm per (micromol m-2 s-1)"


def file_name(record: ReleaseRecord) -> str:
    """Return ``stilt2023x07x15x18x37x40.7700Nx111.8500Wx00030.nc``."""
    lon, lat = record.place
    stamp = f"{record.receptor.time:%Yx%mx%dx%Hx%M}"
    north, east = "N" if lat >= 0 else "S", "E" if lon >= 0 else "W"
    place = f"{abs(lat):07.4f}{north}x{abs(lon):08.4f}{east}"
    return f"stilt{stamp}x{place}x{record.height_m:05.0f}.nc"


def write(
    record: ReleaseRecord,
    particles: pd.DataFrame,
    path: Path,
    *,
    n_hours: float,
) -> None:
    """Write one receptor's file.

    Args:
        record: the measurement.
        particles: its particles, all rows or the first and last ones.
        path: the file, called by :func:`file_name`.
        n_hours: how long particles were followed.

    Raises:
        UsageError: particles have no heights.
    """
    import netCDF4

    ends = ends_of(particles, record.receptor, n_hours)
    if "zagl" not in ends:
        raise UsageError("This layout needs the particle column zagl: add it to varsiwant.")
    data = record.data
    days = (pd.DatetimeIndex(data["time"].values) - EPOCH) / pd.Timedelta("1D")
    table = np.stack(
        [-60.0 * ends["age_h"], ends["indx"], ends["lati"], ends["long"], ends["zagl"]], axis=1
    )
    path = file_to_write(path, is_written_by_stilt)
    with atomic_path(path) as temporary, netCDF4.Dataset(temporary, "w") as file:
        sizes = {"foot1date": len(days), "foot1lat": data.sizes["lat"],
                 "foot1lon": data.sizes["lon"], "endptsparticle": len(table),
                 "endptsvar": len(ENDS), "namelength": 16}  # fmt: skip
        for name, size in sizes.items():
            file.createDimension(name, size)
        for name, values, units in (
            ("foot1date", days, "days since 2000-01-01 00:00:00 UTC"),
            ("foot1lat", data["lat"].values, "degrees_north"),
            ("foot1lon", data["lon"].values, "degrees_east"),
        ):
            axis = file.createVariable(name, "f8", (name,))
            axis.units = units
            axis[:] = values
        foot = file.createVariable(
            "foot1", "f4", ("foot1date", "foot1lat", "foot1lon"), fill_value=FILL, zlib=True
        )
        foot.units = UNITS
        foot[:] = data.values
        points = file.createVariable(
            "endpts", "f4", ("endptsparticle", "endptsvar"), fill_value=FILL
        )
        points.description = "last place of each particle; time in minutes from the release"
        points[:] = table
        names = file.createVariable("endptsnames", "S1", ("endptsvar", "namelength"))
        names[:] = netCDF4.stringtochar(np.array(ENDS, "S16"))
        file.setncatts(
            {
                "receptor": str(record.receptor.id), "source": f"stilt {__version__}",
                "longitude": record.place[0], "latitude": record.place[1],
                "height_m": record.height_m, "Conventions": "CF-1.8",
            }
        )  # fmt: skip
