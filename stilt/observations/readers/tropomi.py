"""TROPOMI methane: operational files (S5P_*_L2__CH4____*.nc) and the blended product's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from stilt.observations.readers.hdf5_product import (
    Floats,
    degrees,
    hectopascals,
    located,
    mole_fractions,
    numbers,
    product,
    seconds,
    wrapped_longitude,
)
from stilt.observations.soundings import Soundings

if TYPE_CHECKING:
    import h5py

# ESA's and SRON's advice: do not use soundings with qa_value of 0.5 or less.
LEAST_QUALITY = 0.5
_NO_TIME = np.timedelta64("NaT", "ms").astype(np.int64)


def read_tropomi(path: str | os.PathLike[str]) -> Soundings:
    """Read methane from a TROPOMI file.

    The value is the bias-corrected column-averaged dry-air mole fraction in ppb, for the blended
    product (Balasus et al. 2023, doi:10.5194/amt-16-3787-2023) the blended one; ``good`` means
    a ``qa_value`` above 0.5. The edges of the 12 layers are equally spaced in pressure from the
    surface up, and the kernel belongs to the middle of each layer. Files list layers from the top
    down, Soundings from the surface up.

    Raises:
        FileNotFoundError: there is no such file.
        UsageError: it is not such a file.
    """
    with product(path, "TROPOMI methane", _needed(path)) as file:
        read = _blended if "methane_mixing_ratio_blended" in file else _operational
        return located(read(file), path)


def _needed(path: str | os.PathLike[str]) -> str:
    blended = "_BLND_" in os.path.basename(os.fspath(path))
    return "methane_mixing_ratio_blended" if blended else "PRODUCT/methane_mixing_ratio"


def _operational(file: h5py.File) -> Soundings:
    """Read an operational file: dims (time = 1, scanline, ground_pixel)."""
    main = file["PRODUCT"]
    details = main["SUPPORT_DATA/DETAILED_RESULTS"]
    places, inputs = main["SUPPORT_DATA/GEOLOCATIONS"], main["SUPPORT_DATA/INPUT_DATA"]
    shape = main["latitude"].shape
    reference = np.datetime64("2010-01-01", "ms") + np.timedelta64(
        int(main["time"][0]) * 1000, "ms"
    )
    offset = numbers(main, "delta_time")
    offset = np.broadcast_to(offset if offset.ndim == len(shape) else offset[..., None], shape)
    times = reference + np.where(np.isnan(offset), _NO_TIME, offset).astype("timedelta64[ms]")
    value = "methane_mixing_ratio_bias_corrected"
    orbit = int(np.asarray(file.attrs.get("orbit", 0)).reshape(-1)[0])
    scanline = np.broadcast_to(np.asarray(main["scanline"][...])[None, :, None], shape)
    pixel = np.broadcast_to(np.asarray(main["ground_pixel"][...])[None, None, :], shape)
    ids = [f"{orbit:05d}-{s}-{p}" for s, p in zip(scanline.ravel(), pixel.ravel(), strict=True)]
    table = pd.DataFrame(
        {
            "sounding_id": ids,
            "time": seconds(times.ravel()),
            **_common(main, inputs, value),
            "solar_zenith_deg": numbers(places, "solar_zenith_angle").ravel(),
            "zenith_deg": numbers(places, "viewing_zenith_angle").ravel(),
            "azimuth_deg": numbers(places, "viewing_azimuth_angle").ravel() % 360.0,
        }
    )
    profiles = _profiles(inputs, details, places)
    altitude = numbers(inputs, "altitude_levels")
    altitude = altitude.reshape(len(table), altitude.shape[-1])
    profiles["altitude_levels_m"] = altitude[:, ::-1]
    return Soundings(table, profiles)


def _blended(file: h5py.File) -> Soundings:
    """Read a file of the blended product: dim nobs."""
    texts = [item.decode() if isinstance(item, bytes) else item for item in file["time_utc"][...]]
    times = seconds(pd.to_datetime(texts, utc=True, format="ISO8601"))
    common = _common(file, file, "methane_mixing_ratio_blended")
    places = zip(times, common["longitude"], common["latitude"], strict=True)
    ids = [f"{time:%Y%m%d%H%M%S}_{lon:g}_{lat:g}" for time, lon, lat in places]
    table = pd.DataFrame({"sounding_id": ids, "time": times, **common})
    return Soundings(table, _profiles(file, file, file))


def _common(main: h5py.Group, inputs: h5py.Group, value: str) -> dict[str, Any]:
    quality = numbers(main, "qa_value").ravel()
    return {
        "longitude": wrapped_longitude(numbers(main, "longitude").ravel()),
        "latitude": degrees(numbers(main, "latitude").ravel()),
        "value": mole_fractions(main, value, "ppb").ravel(),
        "uncertainty": mole_fractions(main, "methane_mixing_ratio_precision", "ppb").ravel(),
        "units": "ppb",
        "species": "ch4",
        "sensor": "tropomi",
        "good": quality > LEAST_QUALITY,
        "quality": quality,
        "surface_altitude_m": numbers(inputs, "surface_altitude").ravel(),
        "surface_pressure_hpa": hectopascals(inputs, "surface_pressure", "Pa").ravel(),
    }


def _profiles(inputs: h5py.Group, details: h5py.Group, places: h5py.Group) -> dict[str, Floats]:
    """Return kernel, prior and edges of layers, from the surface up."""
    kernel = numbers(details, "column_averaging_kernel")
    layers = kernel.shape[-1]
    kernel = kernel.reshape(-1, layers)
    surface = hectopascals(inputs, "surface_pressure", "Pa").ravel()
    thickness = hectopascals(inputs, "pressure_interval", "Pa").ravel()
    edges = surface[:, None] - thickness[:, None] * np.arange(layers + 1)
    prior = numbers(inputs, "methane_profile_apriori").reshape(-1, layers)
    air = numbers(inputs, "dry_air_subcolumns").reshape(-1, layers)
    return {
        "ak_pressure_hpa": 0.5 * (edges[:, :-1] + edges[:, 1:]),
        "ak": kernel[:, ::-1],
        "apriori": 1e9 * (prior / air)[:, ::-1],
        "pressure_levels_hpa": edges.clip(0.0),
        "corner_longitudes": numbers(places, "longitude_bounds").reshape(-1, 4),
        "corner_latitudes": numbers(places, "latitude_bounds").reshape(-1, 4),
    }
