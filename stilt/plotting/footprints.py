"""Pictures of one footprint."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import numpy.typing as npt
import pandas as pd

from stilt.errors import UsageError
from stilt.footprint.empty import empty_text
from stilt.plotting.field_map import (
    draw_map,
    draw_panel,
    extend_of,
    shape_of,
    shown_part,
    without_jump,
)
from stilt.plotting.map_keywords import MapKeywords, check_keywords
from stilt.plotting.style import (
    COLOUR_LABEL,
    INK,
    LETTERS_PT,
    dress_bar,
    in_lines,
    influence_norm,
    pyplot,
    receptor_text,
)
from stilt.receptors import parse_time

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

    from stilt.footprint.gridded import GriddedInfluence
    from stilt.plotting.interactive import InteractiveMap

_FEW_PANELS = 6
_PANEL_INCHES = 3.1
_SMALL_PANEL_INCHES = 2.2
_BAR_INCHES = 4.0


class FootprintPlots:
    """Pictures of one footprint, as ``footprint.plot``.

    The keywords of every map are those of :class:`stilt.plotting.MapKeywords`.
    """

    def __init__(self, footprint: GriddedInfluence) -> None:
        self._footprint = footprint

    def __call__(self, time: Any = None, **keywords: Any) -> Axes:
        """Draw :meth:`map`: as of arrays and tables, ``plot()`` is the usual picture."""
        return self.map(time, **keywords)

    def map(
        self, time: Any = None, *, ax: Axes | None = None, **keywords: Unpack[MapKeywords]
    ) -> Axes:
        """Draw one layer, or the sum of all.

        Args:
            time: None sums all layers; else a time (the layer that starts there) or its number.
            ax: axes to draw on; a new figure when None.
            **keywords: see :class:`stilt.plotting.MapKeywords`.

        Returns:
            The axes; ``ax.figure.savefig(path)`` writes a file.

        Raises:
            UsageError: matplotlib is missing, a keyword's value cannot be used, or no layer
                starts at ``time``.
        """
        footprint = self._footprint
        layer, when = self._layer(time)
        note = (
            when
            if not footprint.is_empty
            else f"no influence: {empty_text(footprint.empty_reason)}"
        )
        note = f"{note} (footprint '{footprint.name}')" if footprint.name else note
        return draw_map(
            layer, footprint.grid, [footprint.receptor], ax,
            title=self._title(), note=note, keywords=keywords,
        )  # fmt: skip

    def facet(
        self,
        *,
        hours: int = 1,
        ncols: int | None = None,
        axes: Sequence[Axes] | npt.NDArray[Any] | None = None,
        **keywords: Unpack[MapKeywords],
    ) -> npt.NDArray[Any]:
        """Draw each layer in its own panel, all with one colour scale.

        Args:
            hours: how many layers are summed for a panel, counted back from the last.
            ncols: panels in a row; by default up to six panels are three in a row, and more of
                them make a page that is about square.
            axes: axes to draw on, at least one for each panel; a new figure when None.
            **keywords: see :class:`stilt.plotting.MapKeywords`.

        Returns:
            The axes, (rows, columns) on a new figure, else as given.

        Raises:
            UsageError: matplotlib is missing, a keyword's value cannot be used, or there are
                fewer axes than panels.
        """
        check_keywords(keywords)
        footprint = self._footprint
        grid = footprint.grid
        firsts, numbers = _groups(footprint.data.sizes["time"], hours)
        data = without_jump(_summed(footprint.data, firsts), grid.xres)
        count = data.sizes["time"]
        extent = shown_part(data.sum("time"), (grid.xres, grid.yres), keywords)
        if axes is None:
            shape = shape_of(extent, grid.projection)
            panels = _panels(count, shape, ncols, keywords.get("figsize"))
        else:
            panels = np.asarray(axes, dtype=object)
            if panels.size < count:
                raise UsageError(f"{count} panels cannot be drawn on {panels.size} axes.")
        log = keywords.get("log", True)
        norm = influence_norm(data.values, log, keywords.get("vmin"), keywords.get("vmax"))
        letters = keywords.get("letters", LETTERS_PT)
        few: MapKeywords = {**keywords, "scale": False}
        mesh = None
        for number, ax in enumerate(panels.flat):
            if number >= count:
                ax.set_axis_off()
                continue
            if axes is None and number + panels.shape[1] >= count:
                ax.tick_params(labelbottom=True)
            few["scale"] = keywords.get("scale", True) and number == 0
            layer = data.isel(time=number)
            mesh = draw_panel(ax, layer, grid, [footprint.receptor], extent, norm, few)
            ax.set_title(
                _hours_text(layer["time"].item(), numbers[number]), fontsize=letters, color=INK
            )
        figure = panels.flat[0].figure
        if keywords.get("colorbar", True):
            length = min(0.7, _BAR_INCHES / figure.get_figheight())
            bar = figure.colorbar(
                mesh, ax=panels, shrink=length, aspect=18, extend=extend_of(data.values, norm)
            )
            dress_bar(bar, keywords.get("label", COLOUR_LABEL), letters)
        if axes is None and (title := keywords.get("title", self._title())):
            size = letters + 2.5
            lines = in_lines(title, 0.85 * figure.get_figwidth(), size)
            figure.suptitle(lines, fontsize=size, color=INK)
        return panels

    def interactive(self) -> InteractiveMap:
        """Return a map to step through by hour, which needs neither a network nor matplotlib.

        A notebook shows it; its method ``save(path)`` writes it as a page.
        """
        from stilt.footprint.layers import Layers
        from stilt.plotting.interactive import interactive_map

        footprint = self._footprint
        name = str(footprint.receptor.id)
        return interactive_map({name: lambda: Layers.of(footprint)}, self._title())

    def _layer(self, time: Any) -> tuple[xr.DataArray, str]:
        """Pick or sum layers, and say which hours they cover."""
        data = self._footprint.data
        stamps = pd.DatetimeIndex(data["time"].values)
        if time is None:
            start, stop = self._footprint.time_range
            if len(stamps) > 1:
                hours = f"{start:%Y-%m-%d %H:%M} to {stop:%Y-%m-%d %H:%M} UTC"
                return data.sum("time"), f"all hours: {hours}"
            whole = self._footprint.config.time_integrate
            what = "all hours to" if whole else "one hour, from"
            return data.isel(time=0), f"{what} {start:%Y-%m-%d %H:%M} UTC"
        if isinstance(time, (int, np.integer)):
            if not -len(stamps) <= time < len(stamps):
                raise UsageError(f"There is no layer {time}: there are 0 to {len(stamps) - 1}.")
            layer = data.isel(time=int(time))
        else:
            wanted = parse_time(time)
            if wanted not in stamps:
                raise UsageError(
                    f"No layer of the footprint starts at {wanted:%Y-%m-%d %H:%M}: they start "
                    f"every hour from {stamps[0]:%Y-%m-%d %H:%M} to {stamps[-1]:%Y-%m-%d %H:%M}."
                )
            layer = data.sel(time=wanted)
        return layer, f"hour from {pd.Timestamp(layer['time'].item()):%Y-%m-%d %H:%M} UTC"

    def _title(self) -> str:
        return f"Footprint of {receptor_text(self._footprint.receptor)}"


def _panels(
    count: int, shape: float, ncols: int | None, figsize: tuple[float, float] | None
) -> npt.NDArray[Any]:
    """Return axes on a new figure for maps of a shape, height over width."""
    if ncols is None:
        # Four panels are two rows of two, not three and one.
        ncols = 2 if count == 4 else max(3, math.ceil(math.sqrt(count * shape)))
    ncols = min(ncols, count)
    nrows = -(-count // ncols)
    panel = _PANEL_INCHES if count <= _FEW_PANELS else _SMALL_PANEL_INCHES
    size = figsize or (panel * ncols + 1.0, panel * shape * nrows + 1.0)
    _, axes = pyplot().subplots(
        nrows, ncols, figsize=size, squeeze=False, layout="compressed", sharex=True, sharey=True
    )
    return axes


def _groups(count: int, hours: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the first layer of every group, and how many it has; the last group is whole.

    Raises:
        UsageError: the number of layers of a group is not positive.
    """
    if hours < 1:
        raise UsageError(f"hours={hours}: a panel sums one layer or more.")
    firsts = np.unique(np.arange(count - hours, -hours, -hours).clip(0))
    return firsts, np.diff(np.append(firsts, count))


def _summed(data: xr.DataArray, firsts: npt.NDArray[np.int64]) -> xr.DataArray:
    """Return the sums of layers from each first one to the next, with the time of the first."""
    values = np.add.reduceat(data.values, firsts, axis=0)
    return data.isel(time=firsts).copy(data=values)


def _hours_text(stamp: Any, hours: int) -> str:
    start = pd.Timestamp(stamp)
    if hours == 1:
        return f"{start:%Y-%m-%d %H:%M}"
    return f"{start:%Y-%m-%d %H:%M}, {hours} hours"
