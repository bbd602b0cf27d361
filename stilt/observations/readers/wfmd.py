"""TROPOMI methane by WFM-DOAS: the files of the ESA CCI and Copernicus climate services."""

from __future__ import annotations

import os

import pandas as pd

from stilt.observations.readers.hdf5_product import (
    Floats,
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
from stilt.observations.soundings import Soundings


def read_wfmd(path: str | os.PathLike[str]) -> Soundings:
    """Read methane of TROPOMI/WFMD (Schneising et al. 2019, doi:10.5194/amt-12-6771-2019).

    Files are in the layout that the GHG products of ESA's climate change initiative share
    (``*TROPOMI-WFMD-*.nc``). The value is the column-averaged dry-air mole fraction in ppb;
    ``good`` means ``xch4_quality_flag`` 0. ``pressure_levels`` are the edges of the layers; the
    kernel belongs to the middles of layers, or to the levels when it has a value for each level.

    Raises:
        FileNotFoundError: there is no such file.
        UsageError: it is not such a file.
    """
    with product(path, "TROPOMI/WFMD methane", "xch4_averaging_kernel") as file:
        levels = hectopascals(file, "pressure_levels", "hPa")
        kernel = numbers(file, "xch4_averaging_kernel")
        prior = mole_fractions(file, "ch4_profile_apriori", "ppb")
        edges, _ = from_surface_up(levels, None)
        _, kernel_up, prior_up = from_surface_up(levels, kernel, prior)
        assert edges is not None
        assert kernel_up is not None
        assert prior_up is not None
        in_layers = kernel.shape[1] == levels.shape[1] - 1
        middle = 0.5 * (edges[:, :-1] + edges[:, 1:]) if in_layers else edges
        when = times(file, "time")
        longitude = wrapped_longitude(numbers(file, "longitude"))
        latitude = degrees(numbers(file, "latitude"))
        ids = [
            f"{time:%Y%m%d%H%M%S}_{lon:g}_{lat:g}"
            for time, lon, lat in zip(when, longitude, latitude, strict=True)
        ]
        table = pd.DataFrame(
            {
                "sounding_id": ids,
                "time": when,
                "longitude": longitude,
                "latitude": latitude,
                "value": mole_fractions(file, "xch4", "ppb"),
                "uncertainty": mole_fractions(file, "xch4_uncertainty", "ppb"),
                "units": "ppb",
                "species": "ch4",
                "sensor": "tropomi",
                "good": numbers(file, "xch4_quality_flag") == 0,
                "surface_pressure_hpa": edges[:, 0],
                "zenith_deg": numbers(file, "sensor_zenith_angle"),
                "solar_zenith_deg": numbers(file, "solar_zenith_angle"),
            }
        )
        if "altitude" in file:
            table["surface_altitude_m"] = numbers(file, "altitude")
        profiles: dict[str, Floats] = {
            "ak_pressure_hpa": middle, "ak": kernel_up, "apriori": prior_up,
            "pressure_levels_hpa": edges,
        }  # fmt: skip
        for axis in ("longitude", "latitude"):
            if f"{axis}_corners" in file:
                profiles[f"corner_{axis}s"] = numbers(file, f"{axis}_corners")
    return located(Soundings(table, profiles), path)
