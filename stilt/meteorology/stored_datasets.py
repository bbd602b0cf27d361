"""Datasets given in memory, stored as NetCDF files so that they are read like other weather."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stilt.atomic import atomic_path
from stilt.config import MetConfig

DATASET_FILE = "dataset.nc"


def store_dataset(met: MetConfig) -> None:
    """Write the dataset of a meteorology into its folder as a NetCDF file, unless it is there.

    The folder's name has the dataset's digest. The meteorology no longer holds the dataset.
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
