"""Datasets given in memory, stored in the project so that any process can read them."""

from __future__ import annotations

from pathlib import Path

from stilt.atomic import atomic_path
from stilt.config import MetConfig

DATASET_FILE = "dataset.nc"


def store_dataset(met: MetConfig) -> None:
    """Write the dataset of a meteorology into its folder as a NetCDF file, unless it is there.

    The folder's name has the dataset's digest. The meteorology lets go of the dataset.
    """
    dataset = met.dataset
    if dataset is None or not isinstance(met.directory, Path):
        return
    path = met.directory / DATASET_FILE
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            dataset.to_netcdf(temporary, engine="netcdf4")
    met.forget_dataset()
