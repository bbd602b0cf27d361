"""What operations on a footprint need of it; :class:`stilt.Footprint` stands on top of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from stilt.config import FootprintConfig, Grid
    from stilt.receptors import Receptor


class GriddedInfluence(Protocol):
    """Influence on a grid, with whose it is and how it was made.

    Attributes:
        receptor: the measurement's place and time.
        config: how the footprint was made.
        data: influence in ppm per (umol m-2 s-1), dims (time, lat, lon) or (time, y, x).
        name: which of the configured footprints it is, "" for an unnamed one.
        empty_reason: "" or why every value is zero.
    """

    receptor: Receptor
    config: FootprintConfig
    data: xr.DataArray
    name: str
    empty_reason: str

    @property
    def grid(self) -> Grid:
        """The grid of its configuration."""

    @property
    def is_empty(self) -> bool:
        """Whether every value is zero."""

    @property
    def time_range(self) -> tuple[pd.Timestamp, pd.Timestamp]:
        """Start of the first layer and end of the last, naive UTC."""
