"""Maps of a footprint."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from stilt.plotting.style import (
    INK,
    dress,
    influence_colours,
    influence_norm,
    mark_receptor,
    new_axes,
    pyplot,
    receptor_text,
    scale_bar,
)
from stilt.receptors import parse_time

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from stilt.footprint.gridded import GriddedInfluence

COLOUR_LABEL = "influence, ppm per (µmol m$^{-2}$ s$^{-1}$)"

_FEW_PANELS = 6
_PANEL_INCHES = 3.1
_SMALL_PANEL_INCHES = 2.2
_BAR_INCHES = 4.0


class FootprintPlots:
    """Maps of one footprint, as ``footprint.plot``."""

    def __init__(self, footprint: GriddedInfluence) -> None:
        self._footprint = footprint

    def map(
        self,
        time: Any = None,
        *,
        log: bool = True,
        ax: Axes | None = None,
        cmap: str | None = None,
        zoom: bool = False,
        title: str | None = None,
    ) -> Axes:
        """Draw one layer, or the sum of all.

        Args:
            time: None sums all layers; else a time (the layer that starts there) or its number.
            log: logarithmic colours over the upper four decades.
            ax: axes to draw on; a new figure when None.
            cmap: name of a matplotlib colour map.
            zoom: show only the part of the grid that has influence.
            title: replaces receptor and time.

        Returns:
            The axes; ``ax.figure.savefig(path)`` writes a file.

        Raises:
            UsageError: matplotlib is missing.
            KeyError: no layer starts at ``time``.
        """
        footprint = self._footprint
        layer, when = self._layer(time)
        cell = footprint.grid.xres, footprint.grid.yres
        layer = _without_jump(layer, cell[0])
        extent = _extent(layer, cell, zoom)
        ax = new_axes(_shape(extent, footprint.grid.projection), ax)
        norm = influence_norm(layer.values, log)
        mesh = self._draw(ax, layer, norm, cmap, extent, 13.0)
        scale_bar(ax, footprint.grid.projection)
        bar = ax.figure.colorbar(
            mesh, ax=ax, shrink=0.86, pad=0.02, extend="min" if log else "neither"
        )
        bar.set_label(COLOUR_LABEL, fontsize=8.5, color=INK)
        bar.ax.tick_params(labelsize=8, colors=INK)
        bar.outline.set_linewidth(0.6)
        ax.set_title(title or self._title(), fontsize=10.5, color=INK, loc="left", pad=16)
        note = when if not footprint.is_empty else f"no influence ({footprint.empty_reason})"
        note = f"{footprint.name}: {note}" if footprint.name else note
        ax.annotate(
            note,
            (0, 1),
            xytext=(0, 4),
            xycoords="axes fraction",
            textcoords="offset points",
            fontsize=8.5,
            color="#5b6b78",
        )
        return ax

    def facet(
        self,
        *,
        ncols: int | None = None,
        log: bool = True,
        cmap: str | None = None,
        figsize: tuple[float, float] | None = None,
        zoom: bool = False,
    ) -> Figure:
        """Draw every layer in a panel of its own, all with one colour scale.

        Without ``ncols`` up to six panels are three in a row, more of them make a page that is
        about square.

        Raises:
            UsageError: matplotlib is missing.
        """
        cell = self._footprint.grid.xres, self._footprint.grid.yres
        data = _without_jump(self._footprint.data, cell[0])
        count = data.sizes["time"]
        extent = _extent(data.sum("time"), cell, zoom)
        shape = _shape(extent, self._footprint.grid.projection)
        ncols = min(ncols or max(3, math.ceil(math.sqrt(count * shape))), count)
        nrows = -(-count // ncols)
        panel = _PANEL_INCHES if count <= _FEW_PANELS else _SMALL_PANEL_INCHES
        size = figsize or (panel * ncols + 1.0, panel * shape * nrows + 1.0)
        figure, axes = pyplot().subplots(
            nrows,
            ncols,
            figsize=size,
            squeeze=False,
            layout="constrained",
            sharex=True,
            sharey=True,
        )
        norm = influence_norm(data.values, log)
        mesh = None
        for number, ax in enumerate(axes.flat):
            if number >= data.sizes["time"]:
                ax.set_axis_off()
                continue
            mesh = self._draw(ax, data.isel(time=number), norm, cmap, extent, 9.0)
            stamp = pd.Timestamp(data["time"].values[number])
            ax.set_title(f"{stamp:%Y-%m-%d %H:%M}", fontsize=8.5, color=INK)
        length = min(0.7, _BAR_INCHES / size[1])
        bar = figure.colorbar(
            mesh, ax=axes, shrink=length, aspect=18, extend="min" if log else "neither"
        )
        bar.set_label(COLOUR_LABEL, fontsize=8.5, color=INK)
        bar.ax.tick_params(labelsize=8, colors=INK)
        figure.suptitle(self._title(), fontsize=11, color=INK)
        return figure

    def _draw(
        self,
        ax: Axes,
        layer: xr.DataArray,
        norm: Any,
        cmap: str | None,
        extent: tuple[float, float, float, float],
        star: float,
    ) -> Any:
        """Draw one layer with graticule and receptor; return what the colour bar needs."""
        grid = self._footprint.grid
        y, x = (layer[dim].values for dim in layer.dims)
        shown = np.ma.masked_less_equal(layer.values, 0.0)
        mesh = ax.pcolormesh(
            _edges(x, grid.xres),
            _edges(y, grid.yres),
            shown,
            norm=norm,
            cmap=influence_colours(cmap),
            rasterized=True,
            zorder=1,
        )
        ax.set_xlim(extent[0], extent[1])
        ax.set_ylim(extent[2], extent[3])
        dress(ax, grid.projection)
        mark_receptor(ax, self._footprint.receptor, grid.projection, star)
        return mesh

    def _layer(self, time: Any) -> tuple[xr.DataArray, str]:
        """Pick or sum layers, and say which hours they cover."""
        data = self._footprint.data
        if time is None:
            start, stop = self._footprint.time_range
            hours = data.sizes["time"]
            what = "whole run" if self._footprint.config.time_integrate else f"{hours} hour(s)"
            if hours > 1:
                return data.sum("time"), f"{start:%Y-%m-%d %H:%M} to {stop:%Y-%m-%d %H:%M} UTC"
            return data.isel(time=0), f"{what}, {start:%Y-%m-%d %H:%M} UTC"
        if isinstance(time, (int, np.integer)):
            layer = data.isel(time=int(time))
        else:
            layer = data.sel(time=parse_time(time))
        return layer, f"hour from {pd.Timestamp(layer['time'].item()):%Y-%m-%d %H:%M} UTC"

    def _title(self) -> str:
        return f"Footprint of {receptor_text(self._footprint.receptor)}"


def _without_jump(data: xr.DataArray, xres: float) -> xr.DataArray:
    """Return the footprint of a grid across the dateline with longitudes that go on above 180."""
    if "lon" not in data.dims or data.sizes["lon"] < 2:
        return data
    steps = np.diff(data["lon"].values)
    jump = int(steps.argmax())
    if steps[jump] < 1.5 * xres:
        return data
    west = data["lon"].values[jump]
    lon = data["lon"].where(data["lon"] > west, data["lon"] + 360.0)
    return data.assign_coords(lon=lon.values).sortby("lon")


def _edges(centres: np.ndarray, size: float) -> np.ndarray:
    """Return the edges of neighbouring cells of one size, shape (cells + 1,)."""
    return np.append(centres - size / 2, centres[-1] + size / 2)


def _extent(
    layer: xr.DataArray, cell: tuple[float, float], zoom: bool
) -> tuple[float, float, float, float]:
    """Return the edges of the part to show: x from and to, y from and to.

    Args:
        layer: dims (y, x).
        cell: size along x and y.
        zoom: only where there is influence.
    """
    y, x = (layer[dim].values for dim in layer.dims)
    rows, columns = np.arange(y.size), np.arange(x.size)
    if zoom and bool((layer > 0).any()):
        used = layer.values > 0
        rows, columns = np.flatnonzero(used.any(axis=1)), np.flatnonzero(used.any(axis=0))
        rows, columns = _widened(rows, y.size), _widened(columns, x.size)
    return (
        float(x[columns[0]] - cell[0] / 2),
        float(x[columns[-1]] + cell[0] / 2),
        float(y[rows[0]] - cell[1] / 2),
        float(y[rows[-1]] + cell[1] / 2),
    )


def _widened(used: np.ndarray, size: int) -> np.ndarray:
    """Return the indices from a little before the first used to a little after the last."""
    margin = max(2, (used[-1] - used[0]) // 12)
    return np.arange(max(0, used[0] - margin), min(size, used[-1] + margin + 1))


def _shape(extent: tuple[float, float, float, float], projection: str) -> float:
    """Return the height over width of the map on the ground."""
    from stilt.footprint.cell_grid import is_longlat

    shape = (extent[3] - extent[2]) / (extent[1] - extent[0])
    if is_longlat(projection):
        shape /= np.cos(np.deg2rad(np.clip((extent[2] + extent[3]) / 2, -85, 85)))
    return float(shape)
