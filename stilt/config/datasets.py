"""Datasets given in memory: what tells one from another."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr


def dataset_digest(dataset: xr.Dataset) -> str:
    """Return 16 hex digits that stand for everything in a dataset, attributes included.

    Args:
        dataset: read variable by variable, if it was opened lazily.
    """
    # Reading a configuration alone should not load NumPy.
    import numpy as np

    digest = hashlib.sha256(repr(sorted(dataset.attrs.items(), key=str)).encode())
    for name in sorted(dataset.variables, key=str):
        variable = dataset.variables[name]
        values = np.ascontiguousarray(variable.to_numpy())
        attributes = sorted(variable.attrs.items(), key=str)
        digest.update(f"{name} {variable.dims} {values.dtype} {attributes!r}".encode())
        digest.update(
            repr(values.tolist()).encode() if values.dtype.hasobject else values.tobytes()
        )
    return digest.hexdigest()[:16]
