"""Text output of GGG: .oof files of TCCON and EM27/SUN instruments."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pandas as pd

from stilt.encoding import decode_utf8
from stilt.errors import UsageError
from stilt.observations.readers.hdf5_product import degrees, seconds, wrapped_longitude
from stilt.observations.readers.mole_fractions import measured
from stilt.observations.soundings import Soundings

M_PER_KM = 1000.0


def read_ggg(path: str | os.PathLike[str], *, species: str = "co2") -> Soundings:
    """Read one gas from an official-output file of GGG.

    These files hold no averaging kernels: they are in the instrument's NetCDF files
    (:func:`stilt.observations.read_tccon`). ``good`` means ``flag`` 0.

    Args:
        path: the file.
        species: co2, ch4, co or another gas of the file.

    Raises:
        FileNotFoundError: there is no such file.
        UsageError: it is not such a file, or does not have this gas.
    """
    place = Path(path)
    try:
        lines = decode_utf8(place.read_bytes(), place).splitlines()
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no file {place}.") from None
    table, units = _columns(lines, place)
    found = [name for name in table.columns if name == f"x{species}"]
    if not found:
        known = [name[1:] for name in table.columns if f"{name}_error" in table.columns]
        raise UsageError(f"{place} has no gas {species!r}: it has {', '.join(known) or 'none'}.")
    days = pd.to_timedelta(table["day"] - 1, unit="D") + pd.to_timedelta(table["hour"], unit="h")
    start = pd.to_datetime(table["year"].astype(int).astype(str) + "-01-01")
    times = seconds(start + days)
    site = place.name[:2]
    soundings = Soundings(
        pd.DataFrame(
            {
                "sounding_id": [f"{name}-{species}" for name in table["spectrum"]],
                "time": times,
                "longitude": wrapped_longitude(table["long"].to_numpy()),
                "latitude": degrees(table["lat"].to_numpy()),
                "value": table[f"x{species}"].to_numpy(),
                "uncertainty": table[f"x{species}_error"].to_numpy(),
                "units": units[f"x{species}"],
                "species": species,
                "sensor": "ggg",
                "good": table["flag"].to_numpy() == 0,
                "site": site,
                "surface_altitude_m": M_PER_KM * table["zobs"].to_numpy(),
                "surface_pressure_hpa": table["pout"].to_numpy(),
                "zenith_deg": table["solzen"].to_numpy(),
                "azimuth_deg": table["azim"].to_numpy() % 360.0,
            }
        )
    )
    return measured(soundings, place)


def _columns(lines: list[str], place: Path) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return the numbers by name without units, and the unit of each.

    Raises:
        UsageError: the file does not begin with the number of its header's lines, or has no
            columns flag and spectrum.
    """
    first = lines[0].split() if lines else []
    if not first or not first[0].isdigit() or int(first[0]) > len(lines):
        raise UsageError(f"{place} is not an official-output file of GGG (.oof).")
    header = int(first[0])
    missing = next(
        (float(line.split(":")[1]) for line in lines[:header] if line.startswith("missing:")), None
    )
    titles = lines[header - 1].split()
    if titles[:2] != ["flag", "spectrum"]:
        raise UsageError(
            f"{place} is not an official-output file of GGG (.oof): line {header} does not begin "
            "with flag and spectrum."
        )
    names, units = [], {}
    for title in titles:
        match = re.fullmatch(r"([^(]+)(?:\(([^)]*)\))?(_error)?", title)
        assert match
        name = match[1] + (match[3] or "")
        names.append(name)
        units[name] = match[2] or "1"
    rows = [line.split() for line in lines[header:] if line.strip()]
    wrong = next((n for n, row in enumerate(rows) if len(row) != len(names)), None)
    if wrong is not None:
        raise UsageError(
            f"{place}, line {header + wrong + 1}: {len(rows[wrong])} values for {len(names)} "
            "columns."
        )
    table = pd.DataFrame(rows, columns=names)
    for name in names:
        if name != "spectrum":
            table[name] = pd.to_numeric(table[name])
            if missing is not None:
                table[name] = table[name].where(~np.isclose(table[name], missing))
    return table, units
