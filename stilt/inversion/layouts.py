"""Jacobians in files, and in the layouts of other programs."""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd
import scipy.sparse as sp
import xarray as xr

from stilt.atomic import atomic_path
from stilt.destinations import file_to_write, folder_to_fill
from stilt.errors import UsageError
from stilt.footprint.jacobian import Jacobian

UNITS = "ppm m2 s umol-1"


def to_xarray(jacobian: Jacobian) -> xr.DataArray:
    """Return the matrix as a dense array (receptor, time, cell), with the cells' coordinates."""
    cells = jacobian.cells
    dense = jacobian.matrix.toarray().reshape(-1, len(jacobian.bins), len(cells))
    coordinates: dict[str, Any] = {
        "receptor": jacobian.receptors.index.to_numpy(),
        "time": jacobian.bins,
        "receptor_time": ("receptor", jacobian.receptors["time"].to_numpy()),
    }
    for level, name in enumerate(cells.names):
        coordinates[str(name)] = ("cell", cells.get_level_values(level).to_numpy())
    return xr.DataArray(
        dense, dims=("receptor", "time", "cell"), coords=coordinates, name="jacobian",
        attrs={"units": UNITS, "long_name": "sensitivity of measurements to fluxes"},
    )  # fmt: skip


def to_table(jacobian: Jacobian) -> pd.DataFrame:
    """Return what is not zero as rows: receptor, time, the cell's coordinates, sensitivity."""
    entries = sp.coo_array(jacobian.matrix)
    row, column = entries.coords
    number, cell = np.divmod(column, len(jacobian.cells))
    found: dict[str, Any] = {
        "receptor": pd.Categorical.from_codes(row, _distinct(jacobian.receptors.index)),
        "time": jacobian.bins[number],
    }
    for level, name in enumerate(jacobian.cells.names):
        found[str(name)] = jacobian.cells.get_level_values(level).to_numpy()[cell]
    return pd.DataFrame({**found, "sensitivity": entries.data})


def write_parquet(jacobian: Jacobian, path: str | os.PathLike[str]) -> Path:
    """Write :func:`to_table` as a Parquet file, which DuckDB, pandas and Polars read."""
    place = file_to_write(path)
    with atomic_path(place) as temporary:
        to_table(jacobian).to_parquet(temporary, index=False)
    return place


def write_npz(jacobian: Jacobian, path: str | os.PathLike[str]) -> Path:
    """Write a Jacobian, labels and all, as an npz file that :func:`read_npz` reads."""
    matrix = sp.csr_array(jacobian.matrix)
    cells: dict[str, Any] = {
        f"cell_{name}": _plain(jacobian.cells.get_level_values(level))
        for level, name in enumerate(jacobian.cells.names)
    }
    place = file_to_write(path)
    with atomic_path(place) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            data=matrix.data, indices=matrix.indices, indptr=matrix.indptr,
            shape=np.array(matrix.shape),
            receptors=_plain(jacobian.receptors.index),
            receptor_times=jacobian.receptors["time"].to_numpy("datetime64[us]"),
            bins=jacobian.bins.to_numpy("datetime64[us]"),
            cell_names=np.array([str(name) for name in jacobian.cells.names]),
            outside_cells=jacobian.outside_cells, outside_times=jacobian.outside_times,
            **cells,
        )  # fmt: skip
    return place


def read_npz(path: str | os.PathLike[str]) -> Jacobian:
    """Read what :func:`write_npz` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        UsageError: it is not such a file.
    """
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            names = file["cell_names"].tolist()
            matrix = sp.csr_array(
                (file["data"], file["indices"], file["indptr"]), shape=tuple(file["shape"])
            )
            index = pd.Index(file["receptors"].tolist(), name="receptor")
            return Jacobian(
                matrix,
                pd.DataFrame({"time": file["receptor_times"]}, index=index),
                pd.DatetimeIndex(file["bins"]),
                pd.MultiIndex.from_arrays(
                    [file[f"cell_{name}"].tolist() for name in names], names=names
                ),
                file["outside_cells"],
                file["outside_times"],
            )
    except FileNotFoundError:
        raise
    except (
        OSError, ValueError, KeyError, EOFError, TypeError, AttributeError, IndexError, BadZipFile,
        zlib.error,
    ) as error:  # fmt: skip
        raise UsageError(f"{os.fspath(path)} is not a Jacobian of stilt ({error}).") from error


def write_ct_lagrange(jacobian: Jacobian, folder: str | os.PathLike[str]) -> list[Path]:
    """Write one ``H0001.npz``, ... a time step, as inversions of CarbonTracker-Lagrange read them.

    Each is a SciPy CSR matrix of measurements by cells, counted from 1; ``receptors.csv`` and
    ``cells.csv`` beside them name the rows and columns.

    Returns:
        The matrices' files.
    """
    place = folder_to_fill(folder)
    first = place / "H0001.npz"
    tables = [
        file_to_write(place / name, lambda table: first.is_file())
        for name in ("receptors.csv", "cells.csv")
    ]
    place.mkdir(parents=True, exist_ok=True)
    cells = len(jacobian.cells)
    columns = sp.csc_array(jacobian.matrix)
    written = []
    for number in range(len(jacobian.bins)):
        path = place / f"H{number + 1:04d}.npz"
        part = sp.csr_matrix(columns[:, number * cells : (number + 1) * cells])
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            sp.save_npz(file, part)
        written.append(path)
    jacobian.receptors.to_csv(tables[0])
    jacobian.cells.to_frame(index=False).to_csv(tables[1], index=False)
    return written


def to_fips(jacobian: Jacobian, row_block: str = "concentration", col_block: str = "flux") -> Any:
    """Return the matrix as a ``fips.MatrixBlock``, labelled on both sides.

    Args:
        jacobian: the matrix.
        row_block, col_block: names that the inversion gives to measurements and fluxes.

    Raises:
        UsageError: fips, or a package that it needs, is not installed.
    """
    try:
        import fips
    except ImportError as error:
        if error.name != "fips":
            raise UsageError(
                f"This layout needs fips, which is installed but cannot be imported ({error}): "
                "install what it lacks, or fips again with: pip install --force-reinstall fips."
            ) from error
        raise UsageError(
            "This layout needs fips, which is not installed; get it with: pip install fips."
        ) from error
    return fips.MatrixBlock(
        jacobian.to_frame(), row_block=row_block, col_block=col_block, sparse=True
    )


def _plain(index: pd.Index) -> np.ndarray:
    """Return labels as an array without objects, which npz files hold without pickling."""
    values = index.to_numpy()
    if values.dtype == object or values.dtype.kind not in "iufM":
        return np.array([str(each) for each in values])
    return values


def _distinct(index: pd.Index) -> pd.Index:
    if index.has_duplicates:
        return pd.Index([f"{name}#{number}" for number, name in enumerate(index)])
    return index
