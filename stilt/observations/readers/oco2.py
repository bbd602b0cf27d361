"""OCO-2 and OCO-3 carbon dioxide: lite files (oco?_LtCO2_*.nc4)."""

from __future__ import annotations

import os

import pandas as pd

from stilt.observations.readers.hdf5_product import (
    Floats,
    degrees,
    from_surface_up,
    located,
    mole_fractions,
    numbers,
    product,
    times,
    wrapped_longitude,
)
from stilt.observations.soundings import Soundings


def read_oco2(path: str | os.PathLike[str]) -> Soundings:
    """Read carbon dioxide from a lite file of OCO-2 or OCO-3.

    The value is the bias-corrected XCO2 in ppm; ``good`` means ``xco2_quality_flag`` 0. Kernel
    and prior are given at 20 pressures, which files list from the top down.

    Raises:
        FileNotFoundError: there is no such file.
        UsageError: it is not such a file.
    """
    with product(path, "OCO-2 or OCO-3 (lite)", "xco2_averaging_kernel") as file:
        surface = numbers(file, "pressure_levels").max(axis=1)
        if "Retrieval/psurf" in file:
            surface = numbers(file, "Retrieval/psurf")
        sensor = "oco3" if "oco3" in os.path.basename(os.fspath(path)).lower() else "oco2"
        table = pd.DataFrame(
            {
                # Some versions store them as floats, which hold 16 digits.
                "sounding_id": [str(int(number)) for number in file["sounding_id"][...]],
                "time": times(file, "time"),
                "longitude": wrapped_longitude(numbers(file, "longitude")),
                "latitude": degrees(numbers(file, "latitude")),
                "value": mole_fractions(file, "xco2", "ppm"),
                "uncertainty": mole_fractions(file, "xco2_uncertainty", "ppm"),
                "units": "ppm",
                "species": "co2",
                "sensor": sensor,
                "good": numbers(file, "xco2_quality_flag") == 0,
                "surface_pressure_hpa": surface,
                "zenith_deg": numbers(file, "sensor_zenith_angle"),
                "solar_zenith_deg": numbers(file, "solar_zenith_angle"),
            }
        )
        for column, name in (
            ("azimuth_deg", "Sounding/sensor_azimuth_angle"),
            ("surface_altitude_m", "Sounding/altitude"),
            ("operation_mode", "Sounding/operation_mode"),
            ("orbit", "Sounding/orbit"),
        ):
            if name in file:
                table[column] = numbers(file, name)
        levels, kernel, prior = from_surface_up(
            numbers(file, "pressure_levels"),
            numbers(file, "xco2_averaging_kernel"),
            mole_fractions(file, "co2_profile_apriori", "ppm"),
        )
        profiles: dict[str, Floats] = {}
        given = {"ak_pressure_hpa": levels, "ak": kernel, "apriori": prior}
        if "vertex_longitude" in file:
            given["corner_longitudes"] = numbers(file, "vertex_longitude")
            given["corner_latitudes"] = numbers(file, "vertex_latitude")
        for name, values in given.items():
            assert values is not None
            profiles[name] = values
    return located(Soundings(table, profiles), path)
