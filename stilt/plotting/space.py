"""Particles in three dimensions, over the outlines of the ground."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stilt.errors import UsageError
from stilt.plotting.ground import FINEST_SHARE, LINE_STYLES, asked_layers
from stilt.plotting.natural_earth import Bounds, Line, outlines
from stilt.plotting.particle_keywords import ParticleKeywords
from stilt.plotting.style import INK, LETTERS_PT, degree_text, pyplot, receptor_text

if TYPE_CHECKING:
    from stilt.receptors import Receptor


def draw_space(
    ax: Any,
    places: tuple[Line, Line, Line],
    dots: dict[str, Any],
    extent: Bounds,
    receptor: Receptor,
    *,
    view: tuple[float, float],
    keywords: ParticleKeywords,
) -> tuple[Any, Any]:
    """Draw particles, outlines and receptor on three-dimensional axes.

    Args:
        ax: three-dimensional axes; a new figure when None.
        places: longitude and latitude in degrees, height above ground in metres.
        dots: keywords of ``scatter``.
        extent: west, east, south and north end, degrees.
        receptor: marked, with a line down to the ground.
        view: elevation and azimuth to look from, degrees.
        keywords: of the picture.

    Returns:
        The axes, and what a colour bar needs.

    Raises:
        UsageError: the axes are flat.
    """
    if ax is None:
        size = keywords.get("figsize") or (7.6, 5.2)
        figure = pyplot().figure(figsize=size, layout="constrained")
        ax = figure.add_subplot(projection="3d")
    if not hasattr(ax, "set_zlim"):
        raise UsageError('These axes are flat: make them with projection="3d".')
    letters = keywords.get("letters", LETTERS_PT)
    x, y, height = places
    inside = (x >= extent[0]) & (x <= extent[1]) & (y >= extent[2]) & (y <= extent[3])
    chosen = {**dots, "c": dots["c"][inside]}
    drawn = ax.scatter(x[inside], y[inside], height[inside], depthshade=False, **chosen)
    _draw_ground(ax, extent, keywords)
    if keywords.get("receptor", True):
        _draw_receptor(ax, receptor, extent[0])
    ax.set_xlim(extent[0], extent[1])
    ax.set_ylim(extent[2], extent[3])
    ax.set_zlim(bottom=0.0)
    middle = np.cos(np.deg2rad(np.clip((extent[2] + extent[3]) / 2, -85, 85)))
    wide, deep = (extent[1] - extent[0]) * middle, extent[3] - extent[2]
    longest = max(wide, deep)
    shape = (max(wide / longest, 0.4), max(deep / longest, 0.4), 0.45)
    ax.set_box_aspect(shape, zoom=1.1)
    ax.view_init(*view)
    _label(ax, letters)
    title = keywords.get("title", f"Particles of {receptor_text(receptor)}")
    if title:
        ax.set_title(title, fontsize=letters + 2, color=INK)
    return ax, drawn


def _draw_ground(ax: Any, extent: Bounds, keywords: ParticleKeywords) -> None:
    """Draw outlines, cut at the ends of the ground: three-dimensional axes do not cut them."""
    import shapely
    from mpl_toolkits.mplot3d.art3d import Line3DCollection  # type: ignore[import-untyped]

    area = shapely.box(extent[0], extent[2], extent[1], extent[3])
    detail = max(extent[1] - extent[0], extent[3] - extent[2]) * FINEST_SHARE
    for name in asked_layers(keywords.get("outlines", True)):
        found = [line for line in outlines(name, extent, detail=detail) if len(line) > 1]
        cut = shapely.intersection([shapely.linestrings(line) for line in found], area)
        lines = [
            np.column_stack([coordinates, np.zeros(len(coordinates))])
            for part in shapely.get_parts(cut)
            if len(coordinates := shapely.get_coordinates(part)) > 1
        ]
        if lines:
            ax.add_collection3d(Line3DCollection(lines, **LINE_STYLES[name]), autolim=False)


def _draw_receptor(ax: Any, receptor: Receptor, west: float) -> None:
    """Draw a line from the ground to every point of the receptor."""
    from matplotlib.patheffects import withStroke

    for place in receptor.positions:
        lon = (place.longitude - west) % 360.0 + west
        ax.plot(
            [lon, lon], [place.latitude] * 2, [0.0, place.altitude_m], color=INK, linewidth=1.2,
            marker="x", markersize=7, markeredgewidth=1.6, zorder=6, label="receptor",
            path_effects=[withStroke(linewidth=4.0, foreground="white")],
        )  # fmt: skip


def _label(ax: Any, letters: float) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    for axis, marks in ((ax.xaxis, ("E", "W")), (ax.yaxis, ("N", "S"))):
        axis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        axis.set_major_formatter(FuncFormatter(lambda v, _, m=marks: degree_text(v, *m)))
    ax.tick_params(labelsize=letters, colors=INK)
    ax.set_zlabel("height above ground, m", fontsize=letters, color=INK)
    for axis in (ax.xaxis, ax.yaxis, ax.zaxis):
        axis.pane.set_facecolor("#f4f6f7")
