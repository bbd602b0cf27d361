"""Datasets given in memory, stored as NetCDF files so that they are read like other weather."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from stilt.atomic import atomic_path
from stilt.config import MetConfig
from stilt.errors import UsageError

if TYPE_CHECKING:
    import xarray as xr

DATASET_FILE = "dataset.nc"
_KEPT_ENCODING = ("coordinates", "grid_mapping", "units", "calendar")


def store_dataset(met: MetConfig) -> None:
    """Write the dataset of a meteorology into its folder as a NetCDF file, unless it is there.

    The folder's name has the dataset's digest. The meteorology no longer holds the dataset.

    Raises:
        UsageError: it holds what a NetCDF file cannot.
    """
    dataset = met.dataset
    if dataset is None or not isinstance(met.directory, Path):
        return
    path = met.directory / DATASET_FILE
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            try:
                _unpacked(dataset).to_netcdf(temporary, engine="netcdf4")
            except (TypeError, ValueError) as error:
                raise UsageError(
                    f"The dataset given as weather cannot be kept as a NetCDF file ({error}): "
                    "change or remove what is named here, attributes most often."
                ) from error
    met.forget_dataset()


def _unpacked(dataset: xr.Dataset) -> xr.Dataset:
    """Return a dataset that is written as its values are.

    Several packed files read as one keep the scale and offset of the first, under which the values
    of the others may not fit.
    """
    found = dataset.drop_encoding()
    for name, variable in dataset.variables.items():
        kept = {key: variable.encoding[key] for key in _KEPT_ENCODING if key in variable.encoding}
        found.variables[name].encoding = kept
    return found


@contextmanager
def stored_for_now(met: MetConfig) -> Iterator[MetConfig]:
    """Yield the meteorology with its dataset, if it has one, in a folder that exists for the block.

    The meteorology that was given keeps its dataset.
    """
    if met.dataset is None:
        yield met
        return
    with tempfile.TemporaryDirectory(prefix="stilt-") as folder:
        stored = met.dataset_below(Path(folder))
        store_dataset(stored)
        yield stored
