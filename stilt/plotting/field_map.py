"""One field of influence as a map: which part is shown, its colours, and what surrounds it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from stilt.errors import UsageError
from stilt.footprint.cell_grid import is_longlat
from stilt.plotting.ground import draw_surroundings
from stilt.plotting.map_keywords import MapKeywords, check_keywords, chosen_extent
from stilt.plotting.natural_earth import Bounds
from stilt.plotting.style import (
    COLOUR_LABEL,
    INK,
    LETTERS_PT,
    colour_bar,
    influence_colours,
    influence_norm,
    new_axes,
    write_title,
)

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize

    from stilt.config import Grid
    from stilt.receptors import Receptor

FEWEST_CELLS = 9
SLIMMEST = 0.6
MARGIN = 1 / 12
SHARE_LINES = ("-", (0, (4, 1.5)), (0, (1, 1)))


def draw_map(
    layer: xr.DataArray,
    grid: Grid,
    receptors: Sequence[Receptor],
    ax: Axes | None,
    *,
    title: str,
    note: str,
    keywords: MapKeywords,
) -> Axes:
    """Draw one field with everything around it.

    Args:
        layer: influence, dims (lat, lon) or (y, x).
        grid: its cells and projection.
        receptors: whose places are marked.
        ax: axes to draw on; a new figure when None.
        title, note: texts when the keywords have none.
        keywords: see :class:`MapKeywords`.
    """
    check_keywords(keywords)
    cell = grid.xres, grid.yres
    layer = without_jump(layer, cell[0])
    extent = shown_part(layer, cell, keywords)
    ax = new_axes(shape_of(extent, grid.projection), ax, keywords.get("figsize"))
    log = keywords.get("log", True)
    norm = influence_norm(layer.values, log, keywords.get("vmin"), keywords.get("vmax"))
    mesh = draw_panel(ax, layer, grid, receptors, extent, norm, keywords)
    letters = keywords.get("letters", LETTERS_PT)
    if keywords.get("colorbar", True) and bool((layer > 0).any()):
        label = keywords.get("label", COLOUR_LABEL)
        colour_bar(ax, mesh, label, letters=letters, extend=extend_of(layer.values, norm))
    text, below = keywords.get("title", title), keywords.get("note", note)
    if text or below:
        write_title(ax, text, below, letters)
    return ax


def draw_panel(
    ax: Axes,
    layer: xr.DataArray,
    grid: Grid,
    receptors: Sequence[Receptor],
    extent: Bounds,
    norm: Normalize,
    keywords: MapKeywords,
) -> Any:
    """Draw a field without title and colour bar; return what a colour bar needs."""
    y, x = (layer[dim].values for dim in layer.dims)
    letters = keywords.get("letters", LETTERS_PT)
    mesh = ax.pcolormesh(
        cell_edges(x, grid.xres),
        cell_edges(y, grid.yres),
        np.ma.masked_less_equal(layer.values, 0.0),
        norm=norm,
        cmap=influence_colours(keywords.get("cmap")),
        rasterized=True,
        zorder=1,
    )
    rows, columns = np.nonzero(layer.values > 0)
    draw_surroundings(ax, extent, receptors, (x[columns], y[rows]), grid.projection, keywords)
    if shares := keywords.get("shares", ()):
        _draw_shares(ax, layer, np.atleast_1d(shares).tolist(), letters)
    return mesh


def _draw_shares(ax: Axes, layer: xr.DataArray, shares: Sequence[float], letters: float) -> None:
    """Draw the borders of the smallest areas that hold shares of the influence."""
    from matplotlib.lines import Line2D

    y, x = (layer[dim].values for dim in layer.dims)
    drawn = []
    for number, share in enumerate(sorted(shares)):
        level = level_of_share(layer.values, share)
        if level is None or min(x.size, y.size) < 2:
            continue
        dashes: Any = SHARE_LINES[number % len(SHARE_LINES)]
        inside = (layer.values >= level).astype(float)
        ax.contour(
            x, y, inside, levels=[0.5], colors=[INK], linewidths=1.2, linestyles=[dashes], zorder=3
        )
        label = f"{share:.0%} of the influence"
        drawn.append(Line2D([], [], color=INK, linewidth=1.2, linestyle=dashes, label=label))
    if drawn:
        ax.legend(handles=drawn, fontsize=letters - 0.5, framealpha=0.85, loc="best")


def level_of_share(values: np.ndarray, share: float) -> float | None:
    """Return the smallest influence among the cells that hold a share of it, largest first.

    Returns:
        None where there is no influence.

    Raises:
        UsageError: the share does not lie between 0 and 1.
    """
    if not 0 < share < 1:
        raise UsageError(f"A share of influence lies between 0 and 1, not {share:g}.")
    ordered = np.sort(values[values > 0], axis=None)[::-1].astype(np.float64)
    if not ordered.size:
        return None
    held = np.cumsum(ordered)
    return float(ordered[np.searchsorted(held, share * held[-1])])


def extend_of(values: np.ndarray, norm: Normalize) -> str:
    """Return the ends of the colour scale that values lie beyond, as matplotlib names them."""
    drawn = values[values > 0]
    below = bool(norm.vmin is not None and (drawn < norm.vmin * (1 - 1e-6)).any())
    above = bool(norm.vmax is not None and (drawn > norm.vmax * (1 + 1e-6)).any())
    return {(0, 0): "neither", (1, 0): "min", (0, 1): "max", (1, 1): "both"}[below, above]


def without_jump(data: xr.DataArray, xres: float) -> xr.DataArray:
    """Return a footprint across the dateline with longitudes that continue beyond 180."""
    if "lon" not in data.dims or data.sizes["lon"] < 2:
        return data
    steps = np.diff(data["lon"].values)
    jump = int(steps.argmax())
    if steps[jump] < 1.5 * xres:
        return data
    west = data["lon"].values[jump]
    lon = data["lon"].where(data["lon"] > west, data["lon"] + 360.0)
    return data.assign_coords(lon=lon.values).sortby("lon")


def cell_edges(centres: np.ndarray, size: float) -> np.ndarray:
    """Return the edges of neighbouring cells of one size, shape (cells + 1,)."""
    return np.append(centres - size / 2, centres[-1] + size / 2)


def shown_part(layer: xr.DataArray, cell: tuple[float, float], keywords: MapKeywords) -> Bounds:
    """Return the edges of the part to show: x from and to, y from and to.

    Args:
        layer: dims (y, x).
        cell: size along x and y.
        keywords: ``extent`` and ``zoom`` are used.

    Raises:
        UsageError: the extent's ends are not in order, or it has nothing of the grid.
    """
    y, x = (layer[dim].values for dim in layer.dims)
    extent = keywords.get("extent")
    if extent is not None:
        return chosen_extent(extent, _bounds(x, y, cell))
    first, last = _used(layer.values > 0) if keywords.get("zoom", True) else (None, None)
    if first is None or last is None:
        first, last = (0, 0), (y.size - 1, x.size - 1)
    return _bounds(x[first[1] : last[1] + 1], y[first[0] : last[0] + 1], cell)


def _bounds(x: np.ndarray, y: np.ndarray, cell: tuple[float, float]) -> Bounds:
    """Return the edges of cells with these centres: x from and to, y from and to."""
    return (
        float(x[0] - cell[0] / 2),
        float(x[-1] + cell[0] / 2),
        float(y[0] - cell[1] / 2),
        float(y[-1] + cell[1] / 2),
    )


def _used(influence: np.ndarray) -> tuple[Any, Any]:
    """Return first and last (row, column) around the influence, with a margin; None without any."""
    if not influence.any():
        return None, None
    ends = []
    for axis in (1, 0):
        used = np.flatnonzero(influence.any(axis=axis))
        ends.append([used[0], used[-1]])
    sizes = [high - low + 1 for low, high in ends]
    # A narrow part is widened, to be seen.
    least = max(FEWEST_CELLS, SLIMMEST * max(sizes))
    first, last = [], []
    for (low, high), size, cells in zip(ends, sizes, influence.shape, strict=True):
        margin = max(2, int(size * MARGIN), int(np.ceil((least - size) / 2)))
        first.append(max(0, int(low) - margin))
        last.append(min(cells - 1, int(high) + margin))
    return tuple(first), tuple(last)


def shape_of(extent: Bounds, projection: str) -> float:
    """Return the height over width of the map on the ground."""
    shape = (extent[3] - extent[2]) / (extent[1] - extent[0])
    if is_longlat(projection):
        shape /= np.cos(np.deg2rad(np.clip((extent[2] + extent[3]) / 2, -85, 85)))
    return float(shape)
