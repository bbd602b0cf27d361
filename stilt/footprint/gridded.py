"""What operations on a footprint need from it; :class:`stilt.Footprint` is built on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import xarray as xr

    from stilt.config import FootprintConfig, Grid
    from stilt.footprint.steps import Floats
    from stilt.receptors import Receptor


class FootprintArrays(NamedTuple):
    """A footprint as bare arrays: building an xarray object of them takes as long as gridding.

    Attributes:
        values: influence in ppm per (umol m-2 s-1), shape (layers, rows, columns).
        stamps: start of each layer, datetime64, naive UTC.
        y, x: cell centres in grid units, shapes (rows,) and (columns,).
    """

    values: Floats
    stamps: np.ndarray
    y: Floats
    x: Floats


class GriddedInfluence(Protocol):
    """Influence on a grid, with whose it is and how it was made.

    Attributes:
        receptor: the measurement's place and time.
        config: how the footprint was made.
        name: which of the configured footprints it is, "" for an unnamed one.
        empty_reason: "" or why every value is zero.
    """

    receptor: Receptor
    config: FootprintConfig
    name: str
    empty_reason: str

    @property
    def data(self) -> xr.DataArray:
        """Influence in ppm per (umol m-2 s-1), dims (time, lat, lon) or (time, y, x)."""

    @property
    def arrays(self) -> FootprintArrays:
        """The same without labels."""

    @property
    def grid(self) -> Grid:
        """The grid of its configuration."""

    @property
    def is_empty(self) -> bool:
        """Whether every value is zero."""

    @property
    def time_range(self) -> tuple[pd.Timestamp, pd.Timestamp]:
        """Start of the first layer and end of the last, naive UTC."""
