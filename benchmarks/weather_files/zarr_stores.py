"""Zarr stores in the layout of ARCO-ERA5, and a server of local files that counts what is asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import xarray as xr

from benchmarks.weather_files.era5_files import level_dataset, surface_dataset
from stilt.meteorology.records import RawAnalysis

LONG_NAMES = {
    "u": "u_component_of_wind", "v": "v_component_of_wind", "w": "vertical_velocity",
    "t": "temperature", "q": "specific_humidity", "z": "geopotential",
}  # fmt: skip
SURFACE_NAMES = {
    "sp": "surface_pressure", "z": "geopotential_at_surface", "t2m": "2m_temperature",
    "u10": "10m_u_component_of_wind", "v10": "10m_v_component_of_wind",
    "blh": "boundary_layer_height", "zust": "friction_velocity",
    "ishf": "instantaneous_surface_sensible_heat_flux", "slhf": "surface_latent_heat_flux",
    "ssrd": "surface_solar_radiation_downwards",
}  # fmt: skip


def level_store(analyses: Sequence[RawAnalysis]) -> xr.Dataset:
    """Return fields on pressure levels under ARCO's names."""
    return level_dataset(analyses).rename(valid_time="time", pressure_level="level", **LONG_NAMES)


def surface_store(analyses: Sequence[RawAnalysis]) -> xr.Dataset:
    """Return surface fields under ARCO's names; the ground's height has no time."""
    data = surface_dataset(analyses).rename(valid_time="time")
    data = data.rename({old: new for old, new in SURFACE_NAMES.items() if old in data})
    data["geopotential_at_surface"] = data["geopotential_at_surface"].isel(time=0, drop=True)
    return data


def arco_store(analyses: Sequence[RawAnalysis]) -> xr.Dataset:
    """Return a store of pressure levels and surface fields, as ARCO's first one is."""
    return xr.merge([level_store(analyses), surface_store(analyses)])


def write_store(data: xr.Dataset, path: Path, **chunks: int) -> Path:
    """Write a store in the format that ARCO has; dimensions not named are one chunk."""
    sizes = {str(dim): chunks.get(str(dim), data.sizes[dim]) for dim in data.dims}
    encoding = {
        name: {"chunks": tuple(sizes[str(dim)] for dim in data[name].dims)}
        for name in data.data_vars
    }
    data.to_zarr(path, zarr_format=2, consolidated=True, encoding=encoding)
    return path


class _Counting(SimpleHTTPRequestHandler):
    asked: list[tuple[str, str]]

    def do_GET(self) -> None:
        self.asked.append(("GET", self.path))
        super().do_GET()

    def do_HEAD(self) -> None:
        self.asked.append(("HEAD", self.path))
        super().do_HEAD()

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # with the usual 5, chunks asked for together wait a second


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Serve a folder at a URL of this machine; yields it and the growing list of requests."""
    asked: list[tuple[str, str]] = []
    handler = type("_Own", (_Counting,), {"asked": asked})
    server = _Server(("127.0.0.1", 0), partial(handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def chunks_of(asked: Sequence[tuple[str, str]]) -> list[str]:
    """Chunks of fields that were read."""
    return [
        path
        for method, path in asked
        if method == "GET" and path.rsplit("/", 1)[-1].replace(".", "").isdigit()
        and path.rsplit("/", 2)[-2] not in ("time", "level", "latitude", "longitude")
    ]  # fmt: skip
