"""The footprint of one receptor as an object: its data, its origin, and operations on it."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from stilt.config import FootprintConfig, Grid
from stilt.errors import UsageError
from stilt.footprint.calculate import GriddedFootprint, grid_footprint
from stilt.footprint.cell_grid import CellGrid
from stilt.footprint.empty import empty_text
from stilt.footprint.gridded import FootprintArrays
from stilt.footprint.netcdf import (
    GRID_NUMBERS,
    coordinate_attributes,
    crs_attributes,
    foot_attributes,
    read_footprint,
    write_footprint,
)
from stilt.footprint.receptor_coordinates import ATTRIBUTES as RECEPTOR_ATTRIBUTES
from stilt.footprint.receptor_coordinates import receptor_coordinates
from stilt.footprint.steps import Floats, Ints, ParticleSteps
from stilt.missing_attributes import no_attribute
from stilt.receptors import Receptor, parse_time
from stilt.transforms import ParticleTransform, apply_transforms

if TYPE_CHECKING:
    import xarray as xr

    from stilt.footprint.enhancement import Enhancement
    from stilt.plotting.footprints import FootprintPlots

LAYER = pd.Timedelta(hours=1)
_OF_ITS_DATA = {
    name: f"its values are an xarray array, as in footprint.data.{name}."
    for name in ("sel", "isel", "where", "sum", "mean", "values", "coords", "dims", "time", "lat",
                 "lon", "to_dataset", "to_dataframe")
}  # fmt: skip


class Footprint:
    """How much each patch of the surface influenced one measurement.

    Attributes:
        receptor: the measurement's place and time.
        config: how the footprint was made.
        name: which of the configured footprints it is, "" for an unnamed one.
        empty_reason: "" or why every value is zero (``no_particles``, ``outside_domain``).
    """

    def __init__(
        self,
        receptor: Receptor,
        config: FootprintConfig,
        data: xr.DataArray | FootprintArrays,
        name: str = "",
        *,
        empty_reason: str = "",
    ) -> None:
        self.receptor = receptor
        self.config = config
        self.name = name
        self.empty_reason = empty_reason
        self._data = data

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise no_attribute(self, name, _OF_ITS_DATA)

    @property
    def data(self) -> xr.DataArray:
        """Influence in ppm per (umol m-2 s-1), dims (time, lat, lon) or (time, y, x).

        Time is the start of each hour in naive UTC.
        """
        if isinstance(self._data, FootprintArrays):
            self._data = _labelled(self._data, self.receptor, self.config, self.empty_reason)
        return self._data

    @data.setter
    def data(self, data: xr.DataArray) -> None:
        self._data = data

    @property
    def arrays(self) -> FootprintArrays:
        """The data without labels."""
        if isinstance(self._data, FootprintArrays):
            return self._data
        # Variables directly: building a DataArray of each coordinate takes longer than the rest.
        coordinates = self._data.coords.variables
        stamps, y, x = (coordinates[dim].values for dim in self._data.dims)
        return FootprintArrays(self._data.values, stamps, y, x)

    @classmethod
    def calculate(
        cls,
        particles: pd.DataFrame,
        receptor: Receptor,
        config: FootprintConfig,
        name: str = "",
        *,
        transforms: Sequence[ParticleTransform | Mapping[str, Any]] = (),
        heights_msl: bool | None = None,
        warn: bool = True,
    ) -> Footprint:
        """Compute the footprint of a receptor's particles.

        Args:
            particles: trajectory table; time, indx, long, lati and foot are used, and what the
                transforms ask for.
            receptor: the particles' receptor.
            config: grid, smoothing and transforms.
            name: of the footprint.
            transforms: applied to the particles after those of the config.
            heights_msl: whether release heights are above sea level, for the transforms;
                overrides the receptor as kmsl does (``ModelConfig.heights_msl``).
            warn: warn when a side of a grid in degrees is not a whole number of cells.

        Raises:
            FootprintError: a column is missing.
            ConfigValidationError: the grid has no cell or an unknown projection.
        """
        weighted = apply_transforms(
            particles,
            [*config.transforms, *transforms],
            receptor=receptor,
            heights_msl=heights_msl,
        )
        cell_grid = CellGrid.of(config.grid)
        for sentence in cell_grid.cut_ranges() if warn and cell_grid.degrees else ():
            warnings.warn(sentence, stacklevel=2)
        gridded = grid_footprint(
            ParticleSteps.from_table(weighted),
            cell_grid,
            smooth_factor=config.smooth_factor,
            time_integrate=config.time_integrate,
            signed=bool(config.transforms or transforms),
        )
        return cls.of_gridded(gridded, receptor, config, name)

    @classmethod
    def of_gridded(
        cls, gridded: GriddedFootprint, receptor: Receptor, config: FootprintConfig, name: str = ""
    ) -> Footprint:
        """Label influence on a grid with time and place."""
        arrays = FootprintArrays(
            gridded.values, _stamps(receptor, gridded.layers), gridded.y, gridded.x
        )
        return cls(receptor, config, arrays, name, empty_reason=gridded.empty_reason)

    @classmethod
    def of_layers(
        cls,
        values: Floats,
        hours: Ints,
        x: Floats,
        y: Floats,
        receptor: Receptor,
        config: FootprintConfig,
        name: str = "",
        *,
        empty_reason: str = "",
    ) -> Footprint:
        """Create a footprint from influence that is already on its grid.

        Args:
            values: ppm per (umol m-2 s-1), shape (layers, rows, columns).
            hours: from the receptor's time to the start of each layer, ascending.
            x, y: cell centres in grid units, ascending.
            receptor: the measurement.
            config: grid, and how the footprint was made.
            name: of the footprint.
            empty_reason: why all values are zero, "" where they are not.
        """
        arrays = FootprintArrays(values, _stamps(receptor, hours), y, x)
        return cls(receptor, config, arrays, name, empty_reason=empty_reason)

    @classmethod
    def from_netcdf(
        cls, path: str | os.PathLike[str], *, chunks: Any = None, **kwargs: Any
    ) -> Footprint:
        """Read a footprint file.

        Args:
            path: file written by :meth:`to_netcdf`.
            chunks: as in ``xarray.open_dataset``: load lazily in chunks (needs dask).
            **kwargs: passed to ``xarray.open_dataset``.

        Raises:
            FileNotFoundError: there is no such file.
            FootprintError: the file is damaged or not a footprint.
        """
        data, attrs = read_footprint(path, chunks=chunks, **kwargs)
        grid = Grid(
            **{key: float(attrs[key]) for key in GRID_NUMBERS}, projection=attrs["projection"]
        )
        config = FootprintConfig(
            grid=grid,
            smooth_factor=float(attrs["smooth_factor"]),
            time_integrate=bool(attrs["time_integrate"]),
            transforms=json.loads(attrs.get("transforms", "[]")),
        )
        reason = str(attrs.get("empty_reason", ""))
        if attrs.get("is_empty", 0) and not reason:
            reason = "legacy"
        receptor = Receptor.from_dict(json.loads(attrs["receptor"]))
        return cls(receptor, config, data, str(attrs.get("name", "")), empty_reason=reason)

    def to_netcdf(
        self, path: str | os.PathLike[str], *, attrs: Mapping[str, Any] | None = None
    ) -> Path:
        """Write a CF-1.8 NetCDF file under a temporary name, then rename it.

        Args:
            path: file to create or replace.
            attrs: further global attributes.
        """
        return write_footprint(self, path, attrs)

    @property
    def grid(self) -> Grid:
        """The grid, in degrees and projection units as configured."""
        return self.config.grid

    @property
    def is_empty(self) -> bool:
        """Whether no particle influenced the grid; the data are then explicit zeros."""
        return bool(self.empty_reason)

    @property
    def total(self) -> float:
        """Sum over all layers and cells, ppm per (umol m-2 s-1)."""
        data = self._data
        values = data.values if isinstance(data, FootprintArrays) else data.data
        if isinstance(values, np.ndarray):
            total = float(np.sum(values, dtype=np.float64))
            if not np.isnan(total):
                return total
        return float(self.data.sum())

    @property
    def time_range(self) -> tuple[pd.Timestamp, pd.Timestamp]:
        """Start of the first layer and end of the last, naive UTC as all times here.

        Both are the same for a single layer, hourly or integrated. They can be used to select:
        ``data.sel(time=slice(*footprint.time_range))``.
        """
        stamps = pd.DatetimeIndex(self.data["time"].values)
        last = stamps[-1] + LAYER if len(stamps) > 1 else stamps[0]
        return stamps[0], last

    def integrate_over_time(self, start: Any = None, end: Any = None) -> xr.DataArray:
        """Sum the layers whose stamps lie from ``start`` to ``end``, both included.

        Times are read as :func:`stilt.receptors.parse_time` reads them; None leaves that side
        open.

        Raises:
            UsageError: a time that cannot be read in one way only, or a part of the hours of a
                footprint that holds only their sum.
        """
        first, last = (None if time is None else parse_time(time) for time in (start, end))
        if self.config.time_integrate and not {first, last} <= {None, self.receptor.time}:
            raise UsageError(
                f"The footprint of {self.receptor.id} holds the sum of its hours (time_integrate), "
                "of which no part can be taken: leave start and end out, or use hourly footprints."
            )
        chosen = self.data.sel(time=slice(first, last))
        summed: xr.DataArray = chosen.sum("time", keep_attrs=True)
        return summed

    def aggregate(
        self,
        target: Grid | xr.DataArray | xr.Dataset | Iterable[tuple[float, float]],
        time_bins: Any,
        *,
        resolution: float | tuple[float, float] | None = None,
        projection: str | None = None,
    ) -> pd.DataFrame:
        """Move the footprint to other cells and times, conserving its sum.

        See :func:`stilt.footprint.aggregate.aggregate`.
        """
        from stilt.footprint.aggregate import aggregate

        return aggregate(self, target, time_bins, resolution=resolution, projection=projection)

    def enhancement(
        self,
        flux: xr.DataArray,
        *,
        molar_mass_g: float | None = None,
        projection: str | None = None,
    ) -> Enhancement:
        """Multiply by a surface flux and sum: what the flux adds to the measurement, ppm.

        Args:
            flux, molar_mass_g, projection: see :func:`stilt.footprint.enhancement.enhancement`.

        Returns:
            A number whose ``outside`` is the influence that the flux does not cover, ppm per
            (umol m-2 s-1), and ``outside_share`` its share of the footprint. A warning is given
            when that is more than a tenth.

        Raises:
            UsageError: units are missing or wrong, the grid or the times cannot be used, or the
                flux changes with time and this footprint has its hours summed.
        """
        from stilt.footprint.enhancement import Enhancement, enhancement

        table = enhancement([self], flux, molar_mass_g=molar_mass_g, projection=projection)
        found = table.iloc[0]
        return Enhancement(found["enhancement_ppm"], found["outside"], found["outside_share"])

    @cached_property
    def plot(self) -> FootprintPlots:
        """Maps of this footprint (needs matplotlib)."""
        from stilt.plotting.footprints import FootprintPlots

        return FootprintPlots(self)

    def __repr__(self) -> str:
        why = empty_text(self.empty_reason)
        what = f"empty: {why}" if self.is_empty else f"total {self.total:.4g} {UNIT}"
        data = self._data
        shape = data.values.shape if isinstance(data, FootprintArrays) else data.shape
        layers, rows, columns = shape
        return (
            f"<Footprint {self.name!r} of {self.receptor.id}: {layers} layer(s) of "
            f"{rows} x {columns} cells, {what}>"
        )


UNIT = "ppm per (umol m-2 s-1)"


def _stamps(receptor: Receptor, hours: Ints) -> np.ndarray:
    """Return the start of each layer, datetime64, from hours since the receptor's time."""
    stamps = receptor.time.to_datetime64() + hours.astype("timedelta64[h]")
    return stamps.astype("datetime64[ns]")


def _labelled(
    arrays: FootprintArrays, receptor: Receptor, config: FootprintConfig, empty_reason: str
) -> xr.DataArray:
    """Label a footprint with time and place."""
    import xarray as xr

    meta = coordinate_attributes(config.grid.projection)
    axes = dict(zip(meta, (arrays.stamps, arrays.y, arrays.x), strict=True))
    coords: dict[str, Any] = {
        name: (
            name,
            axes[name],
            {key: v for key, v in meta[name].items() if key not in ("units", "calendar")}
            if name == "time"
            else meta[name],
        )
        for name in meta
    }
    for name, value in receptor_coordinates(receptor).items():
        coords[name] = ((), value, RECEPTOR_ATTRIBUTES[name])
    coords["crs"] = ((), np.int32(0), crs_attributes(config.grid.projection))
    return xr.DataArray(
        arrays.values,
        coords=coords,
        dims=tuple(meta),
        name="foot",
        attrs=foot_attributes(empty_reason),
    )
