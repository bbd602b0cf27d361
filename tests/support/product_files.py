"""Small files with the structure of instruments' products, values invented."""

from pathlib import Path

import h5py
import numpy as np

FILL = np.float32(9.96921e36)


def _put(file, name, values, **attrs):
    stored = file.create_dataset(name, data=values)
    stored.attrs.update(attrs)
    return stored


def write_wfmd(path: Path, turned: bool = False) -> Path:
    """Write a WFMD methane file of two soundings, levels from the top down where turned."""
    profiles = {
        "pressure_levels": np.array([860.0, 600.0, 300.0, 0.0]),
        "xch4_averaging_kernel": np.array([1.1, 1.0, 0.6]),
        "ch4_profile_apriori": np.array([1900.0, 1850.0, 1500.0]),
    }
    with h5py.File(path, "w") as file:
        _put(file, "time", np.array([1697745600.0, 1697745601.0]))
        _put(file, "longitude", np.array([-111.9, -111.8], np.float32))
        _put(file, "latitude", np.array([40.0, 40.1], np.float32))
        _put(file, "xch4", np.array([1885.0, 1890.0]))
        _put(file, "xch4_uncertainty", np.array([12.0, 13.0]))
        _put(file, "xch4_quality_flag", np.array([0, 1], np.int8))
        _put(file, "sensor_zenith_angle", np.array([20.0, 21.0], np.float32))
        _put(file, "solar_zenith_angle", np.array([50.0, 51.0], np.float32))
        for name, values in profiles.items():
            one = values[::-1] if turned else values
            units = "hPa" if name == "pressure_levels" else "1"
            _put(file, name, np.tile(one, (2, 1)), units=units)
    return path


def write_tropomi(path: Path) -> Path:
    """Write an operational methane file: one scan of two lines by three pixels, one of them bad."""
    shape = (1, 2, 3)
    with h5py.File(path, "w") as file:
        file.attrs["orbit"] = np.int32(31176)
        main, deep = "PRODUCT", "PRODUCT/SUPPORT_DATA"
        _put(file, f"{main}/time", np.array([435369600], np.int32))
        _put(file, f"{main}/delta_time", np.array([[72000400, 72001600]], np.int32))
        _put(file, f"{main}/scanline", np.array([7, 8], np.int32))
        _put(file, f"{main}/ground_pixel", np.array([1, 2, 3], np.int32))
        lon = np.array([[[-111.9, -111.8, -111.7]] * 2], np.float32)
        lat = np.array([[[40.0] * 3, [40.1] * 3]], np.float32)
        _put(file, f"{main}/longitude", lon)
        _put(file, f"{main}/latitude", lat)
        value = np.full(shape, 1900.0, np.float32) + np.arange(6, dtype=np.float32).reshape(shape)
        value[0, 1, 2] = FILL
        _put(file, f"{main}/methane_mixing_ratio", value)
        _put(file, f"{main}/methane_mixing_ratio_bias_corrected", value + 1)
        _put(file, f"{main}/methane_mixing_ratio_precision", np.full(shape, 2.5, np.float32))
        quality = np.array([[[100, 100, 50], [100, 40, 0]]], np.uint8)
        _put(file, f"{main}/qa_value", quality, scale_factor=np.float32(0.01),
             _FillValue=np.uint8(255))  # fmt: skip
        for name, value in (("solar_zenith_angle", 40), ("viewing_zenith_angle", 30),
                            ("viewing_azimuth_angle", -90)):  # fmt: skip
            _put(file, f"{deep}/GEOLOCATIONS/{name}", np.full(shape, value, np.float32))
        for name in ("longitude_bounds", "latitude_bounds"):
            _put(file, f"{deep}/GEOLOCATIONS/{name}", np.zeros((*shape, 4), np.float32))
        from_top = np.linspace(0.6, 1.15, 12, dtype=np.float32)
        _put(
            file, f"{deep}/DETAILED_RESULTS/column_averaging_kernel", np.tile(from_top, (*shape, 1))
        )
        inputs = f"{deep}/INPUT_DATA"
        _put(file, f"{inputs}/surface_altitude", np.full(shape, 1300, np.float32))
        _put(file, f"{inputs}/surface_pressure", np.full(shape, 86400, np.float32))
        _put(file, f"{inputs}/pressure_interval", np.full(shape, 7200, np.float32))
        edges = np.linspace(60000, 1300, 13, dtype=np.float32)
        _put(file, f"{inputs}/altitude_levels", np.tile(edges, (*shape, 1)))
        air = np.full((*shape, 12), 20000, np.float32)
        _put(file, f"{inputs}/dry_air_subcolumns", air)
        parts = np.linspace(1e-6, 2.1e-6, 12, dtype=np.float32)
        _put(file, f"{inputs}/methane_profile_apriori", air * parts)
    return path


def write_blended_tropomi(path: Path) -> Path:
    """Write a file of the blended product: four soundings in one line."""
    with h5py.File(path, "w") as file:
        text = h5py.string_dtype()
        times = [f"2023-10-19T20:31:4{n}.885000Z" for n in range(4)]
        file.create_dataset("time_utc", data=times, dtype=text)
        for name, value in (
            ("longitude", 181.5), ("latitude", -10.25), ("methane_mixing_ratio", 1850),
            ("methane_mixing_ratio_bias_corrected", 1860), ("methane_mixing_ratio_blended", 1870),
            ("methane_mixing_ratio_precision", 2), ("surface_altitude", 10),
            ("surface_pressure", 96000), ("pressure_interval", 8000),
        ):  # fmt: skip
            _put(file, name, np.full(4, value, np.float32))
        _put(file, "qa_value", np.full(4, 100, np.uint8), scale_factor=np.float32(0.01))
        for name in ("longitude_bounds", "latitude_bounds"):
            _put(file, name, np.zeros((4, 4), np.float32))
        ramp = np.tile(np.linspace(0.6, 1.15, 12, dtype=np.float32), (4, 1))
        _put(file, "column_averaging_kernel", ramp)
        _put(file, "dry_air_subcolumns", np.full((4, 12), 20000, np.float32))
        _put(file, "methane_profile_apriori", np.full((4, 12), 0.037, np.float32))
    return path


def write_oco2(path: Path) -> Path:
    """Write a lite file with three soundings, the second of bad quality, the third without."""
    with h5py.File(path, "w") as file:
        _put(file, "sounding_id", np.array([2023101919480000, 2023101919480010, 2023101919480020]))
        _put(file, "time", 1697744880.0 + np.array([0.0, 0.3, 0.7]))
        for name, value in (("longitude", -111.9), ("latitude", 40.7), ("sensor_zenith_angle", 20),
                            ("solar_zenith_angle", 52), ("xco2_uncertainty", 0.5)):  # fmt: skip
            _put(file, name, np.full(3, value, np.float32))
        xco2 = np.array([418.1, 418.4, -999999], np.float32)
        _put(file, "xco2", xco2, _FillValue=np.float32(-999999))
        _put(file, "xco2_quality_flag", np.array([0, 1, 0], np.int8))
        levels = np.linspace(0.1, 868, 20, dtype=np.float32)
        _put(file, "pressure_levels", np.tile(levels, (3, 1)))
        ramp = np.linspace(0.3, 1.1, 20, dtype=np.float32)
        _put(file, "xco2_averaging_kernel", np.tile(ramp, (3, 1)))
        _put(file, "co2_profile_apriori", np.tile(np.linspace(405, 420, 20), (3, 1)))
        for name, value in (("vertex_longitude", -111.9), ("vertex_latitude", 40.7)):
            _put(file, name, np.full((3, 4), value, np.float32))
        _put(file, "Sounding/sensor_azimuth_angle", np.full(3, 98, np.float32))
        _put(file, "Sounding/altitude", np.full(3, 1290, np.float32))
        _put(file, "Retrieval/psurf", np.array([868, 866, 870], np.float32))
    return path


def write_tccon(path: Path, *, private: bool = False) -> Path:
    """Write two spectra with carbon dioxide and methane; the private layout tabulates kernels."""
    pressure = np.array([1000, 700, 400, 100], np.float32)
    with h5py.File(path, "w") as file:
        file.attrs["long_name"] = "somewhere01"
        _put(file, "time", 1689436800.0 + np.array([0.0, 180.0]), units="seconds since 1970-01-01")
        for name, value in (("long", -111.85), ("lat", 40.77), ("zobs", 1.45), ("pout", 853),
                            ("solzen", 45), ("azim", -110)):  # fmt: skip
            _put(file, name, np.full(2, value, np.float32))
        _put(file, "ak_pressure", pressure)
        _put(file, "prior_pressure", np.tile(pressure / np.float32(1013.25), (2, 1)), units="atm")
        for gas, units, value in (("co2", "ppm", 420.0), ("ch4", "ppm", 1.9)):
            _put(file, f"x{gas}", np.array([value, value * 1.5], np.float32), units=units)
            _put(file, f"x{gas}_error", np.full(2, 0.001 * value, np.float32))
            if not private:
                ramp = np.array([1.2, 1.0, 0.8, 0.5], np.float32)
                _put(file, f"ak_x{gas}", np.tile(ramp, (2, 1)))
                parts = "ppb" if gas == "ch4" else "ppm"
                scale = 1000 if gas == "ch4" else 1
                _put(file, f"prior_{gas}", np.full((2, 4), value * scale), units=parts)
                continue
            bins = value * np.array([1.0, 2.0, 3.0])
            _put(file, f"ak_slant_x{gas}_bin", bins)
            _put(file, f"ak_x{gas}", np.tile(np.array([1.0, 0.9, 0.7]), (4, 1)))
            _put(file, f"prior_1{gas}", np.full((2, 4), value * 1e-6), units="")
        if private:
            _put(file, "o2_7885_am_o2", np.array([1.5, 2.0], np.float32))
            _put(file, "flag", np.array([0, 3], np.int16))
            _put(file, "prior_index", np.array([0, 0], np.int16))
    return path


GGG = """\
  5          9
  written by a test
missing:  9.8765E+35

  flag  spectrum  year  day  hour  lat(deg)  long(deg)  zobs(km)  solzen(deg)  azim(deg)  pout(hPa)  xco2(ppm)  xco2(ppm)_error
  0 ab20230715s0e00a.0001 2023 196 16.000 40.770 -111.850 1.45 40.00 -110.00 853.3 419.38 0.53
  2 ab20230715s0e00a.0002 2023 196 16.500 40.770 -111.850 1.45 40.00 -110.00 853.3 9.8765E+35 0.53
"""  # noqa: E501
