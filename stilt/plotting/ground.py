"""What lies under and around the data of a map: graticule, outlines, receptors, scale bar."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from stilt.footprint.cell_grid import is_longlat, transformer
from stilt.plotting.natural_earth import LAYERS, Bounds, Line, outlines
from stilt.plotting.projected import bounds_in_degrees, lattice, projected_lines
from stilt.plotting.style import FAINT_INK, INK, LETTERS_PT, LINES, WATER, degree_text, frame

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from stilt.plotting.map_keywords import MapKeywords
    from stilt.plotting.particle_keywords import ParticleKeywords
    from stilt.receptors import Receptor

EARTH_KM_PER_DEGREE = 111.195
LINE_STYLES: dict[str, dict[str, Any]] = {
    "coastlines": {"colors": INK, "linewidths": 0.9},
    "borders": {"colors": INK, "linewidths": 0.8, "linestyles": (0, (5, 2))},
    "states": {"colors": FAINT_INK, "linewidths": 0.6, "linestyles": (0, (4, 2))},
    "lakes": {"colors": WATER, "linewidths": 0.8},
}
FINEST_SHARE = 1 / 1500
SMALLEST_SHARE = 1 / 150
NARROW_DEGREES = 40.0
MOST_DEGREES_WITH_STATES = 75.0
FEW_PLACES = 12


def dress(
    ax: Axes, projection: str, *, letters: float = LETTERS_PT, graticule: bool = True
) -> None:
    """Give a map whose extent is set its background, graticule and aspect."""
    frame(ax, letters)
    if is_longlat(projection):
        _dress_degrees(ax, graticule)
    else:
        _dress_projected(ax, projection, letters, graticule)


def _dress_degrees(ax: Axes, graticule: bool) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    wide = np.clip(_inches_wide(ax) / 0.9, 2, 6)
    steps = [1, 2, 2.5, 5, 10]
    ax.xaxis.set_major_locator(MaxNLocator(int(wide), steps=steps))
    ax.yaxis.set_major_locator(MaxNLocator(6, steps=steps))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: degree_text(v, "E", "W")))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda v, _: degree_text(v, "N", "S")))
    ax.set_axisbelow(True)
    if graticule:
        ax.grid(True, color=LINES, linewidth=0.6)
    middle = np.deg2rad(np.clip(np.mean(ax.get_ylim()), -85, 85))
    ax.set_aspect(1.0 / np.cos(middle))


def _inches_wide(ax: Axes) -> float:
    return ax.get_position().width * ax.figure.get_figwidth()  # type: ignore[union-attr]


def _dress_projected(ax: Axes, projection: str, letters: float, graticule: bool) -> None:
    from matplotlib.patheffects import withStroke
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    if graticule:
        x, y, lon, lat = lattice((*ax.get_xlim(), *ax.get_ylim()), projection)
        for field, marks in ((lon, ("E", "W")), (lat, ("N", "S"))):
            levels = MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(np.min(field), np.max(field))
            lines = ax.contour(
                x, y, field, levels=levels, colors=[LINES], linewidths=0.6, linestyles="solid",
                zorder=0.5,
            )  # fmt: skip
            labels = ax.clabel(
                lines, fmt=lambda v, m=marks: degree_text(v, *m), fontsize=letters - 1.5,
                colors=[INK],
            )  # fmt: skip
            # Legible on dark colours too.
            for label in labels:
                label.set_path_effects([withStroke(linewidth=2.0, foreground="white")])
    for axis, name in ((ax.xaxis, "x"), (ax.yaxis, "y")):
        axis.set_major_locator(MaxNLocator(6))
        axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v / 1000:g}"))
        axis.set_label_text(f"{name} (km)", fontsize=letters - 0.5, color=INK)
    ax.set_aspect("equal")


def draw_surroundings(
    ax: Axes,
    extent: Bounds,
    receptors: Sequence[Receptor],
    taken: Any,
    projection: str,
    keywords: MapKeywords | ParticleKeywords,
) -> None:
    """Draw everything of a map except its data.

    Args:
        ax: the map.
        extent: west, east, south and north end, in its own coordinates.
        receptors: whose places are marked.
        taken: (x, y) of the data, where there is no room for a scale bar.
        projection: PROJ string of the map's coordinates.
        keywords: of the picture.
    """
    letters = keywords.get("letters", LETTERS_PT)
    ax.set_xlim(extent[0], extent[1])
    ax.set_ylim(extent[2], extent[3])
    dress(ax, projection, letters=letters, graticule=keywords.get("graticule", True))
    draw_outlines(ax, projection, keywords.get("outlines", True))
    if keywords.get("receptor", True) and receptors:
        mark_receptors(ax, receptors, projection, 2.0 * letters)
    if keywords.get("scale", True):
        scale_bar(ax, projection, taken=taken, letters=letters)


def draw_outlines(ax: Axes, projection: str, layers: bool | Sequence[str] = True) -> None:
    """Draw coastlines, borders, states and lakes on a map whose extent is set.

    Args:
        ax: the map.
        projection: PROJ string of its coordinates.
        layers: which of ``coastlines``, ``borders``, ``states`` and ``lakes``; True draws all.

    Raises:
        UsageError: there is no such layer.
    """
    from matplotlib.collections import LineCollection

    names = asked_layers(layers)
    degrees = is_longlat(projection)
    area = (*ax.get_xlim(), *ax.get_ylim())
    bounds = area if degrees else bounds_in_degrees(area, projection)
    span = max(bounds[1] - bounds[0], bounds[3] - bounds[2])
    thin = float(np.clip(NARROW_DEGREES / span, 0.5, 1.0))
    for number, name in enumerate(reversed(names)):
        # On a map of a continent, states are too small to see.
        if name == "states" and span > MOST_DEGREES_WITH_STATES:
            continue
        look = LINE_STYLES[name]
        look = {**look, "linewidths": look["linewidths"] * thin}
        lines = outlines(name, bounds, detail=span * FINEST_SHARE, smallest=span * SMALLEST_SHARE)
        if not degrees:
            lines = list(projected_lines(lines, projection))
        ax.add_collection(
            LineCollection(lines, label=name, zorder=2 + 0.01 * number, **look),
            autolim=False,
        )


def asked_layers(layers: bool | Sequence[str]) -> list[str]:
    """Return the names of the layers that a keyword ``outlines`` asks for."""
    if isinstance(layers, bool):
        return list(LAYERS) if layers else []
    return [layers] if isinstance(layers, str) else list(layers)


def map_places(
    ax: Axes, lon: npt.ArrayLike, lat: npt.ArrayLike, projection: str
) -> tuple[Line, Line]:
    """Return x and y of places on a map; across the date line, on the map's side of it."""
    lon, lat = np.asarray(lon, np.float64), np.asarray(lat, np.float64)
    if not is_longlat(projection):
        return transformer(projection).transform(lon, lat)
    west = ax.get_xlim()[0]
    return (lon - west) % 360.0 + west, lat


def mark_receptors(
    ax: Axes, receptors: Sequence[Receptor], projection: str, size: float = 15.0
) -> None:
    """Mark the points of receptors on a map, without hiding what lies there.

    Args:
        ax: the map.
        receptors: whose points.
        projection: PROJ string of the map's coordinates.
        size: of a mark, points; for more than a dozen places, marks are small rings.
    """
    from matplotlib.patheffects import withStroke

    places = {
        (place.longitude, place.latitude)
        for receptor in receptors
        for place in receptor.positions
    }  # fmt: skip
    lon, lat = np.array(sorted(places)).T
    x, y = map_places(ax, lon, lat, projection)
    few = len(places) <= FEW_PLACES
    ax.plot(
        x, y, linestyle="none", marker=_crosshair() if few else "o",
        markersize=size if few else size / 3, markerfacecolor="none", markeredgecolor=INK,
        markeredgewidth=1.6 if few else 1.0, zorder=5, label="receptor", scalex=False,
        scaley=False, path_effects=[withStroke(linewidth=4.4 if few else 3.0, foreground="white")],
    )  # fmt: skip


def _crosshair() -> Any:
    """Return a mark of four strokes around an open middle.

    The ends of the strokes project, so that a halo surrounds them.
    """
    from matplotlib.markers import MarkerStyle
    from matplotlib.path import Path

    ends = [(dx * r, dy * r) for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)) for r in (0.5, 1.0)]
    strokes = Path(ends, [Path.MOVETO, Path.LINETO] * 4)
    return MarkerStyle(strokes, capstyle="projecting")


def scale_bar(ax: Axes, projection: str, *, taken: Any = None, letters: float = LETTERS_PT) -> None:
    """Draw a bar of round length in km in the corner with the least data.

    Args:
        ax: a map whose extent is set.
        projection: PROJ string of its coordinates.
        taken: (x, y) of the data; None draws it in the lower left corner.
        letters: size, points.
    """
    from matplotlib.patheffects import withStroke

    (x0, x1), (y0, y1) = ax.get_xlim(), ax.get_ylim()
    right_side, top = _freest_corner((x0, x1, y0, y1), taken)
    height = y0 + (0.93 if top else 0.045) * (y1 - y0)
    km_per_unit = 1e-3
    if is_longlat(projection):
        latitude = np.clip(height, -85, 85)
        km_per_unit = EARTH_KM_PER_DEGREE * np.cos(np.deg2rad(latitude))
    length = round_below(0.22 * (x1 - x0) * km_per_unit)
    wide = length / km_per_unit
    left = x1 - 0.04 * (x1 - x0) - wide if right_side else x0 + 0.04 * (x1 - x0)
    halo = [withStroke(linewidth=3.0, foreground="white")]
    ax.plot(
        [left, left + wide], [height, height], color=INK, linewidth=2.2, solid_capstyle="butt",
        path_effects=[withStroke(linewidth=4.0, foreground="white")], zorder=4, scalex=False,
        scaley=False,
    )  # fmt: skip
    ax.annotate(
        f"{length:g} km", (left + wide / 2, height), xytext=(0, 3), textcoords="offset points",
        ha="center", fontsize=letters - 1, color=INK, path_effects=halo, zorder=4,
    )  # fmt: skip


def round_below(value: float) -> float:
    """Return the largest of 1, 2 or 5 times a power of ten that does not exceed a value."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(max(m for m in (1, 2, 5) if m * power <= value * (1 + 1e-9)) * power)


def _freest_corner(bounds: Bounds, taken: Any) -> tuple[bool, bool]:
    """Return whether the corner with the least data is on the right, and at the top."""
    corners = [(False, False), (True, False), (False, True), (True, True)]
    if taken is None:
        return corners[0]
    x = (np.asarray(taken[0]) - bounds[0]) / (bounds[1] - bounds[0])
    y = (np.asarray(taken[1]) - bounds[2]) / (bounds[3] - bounds[2])

    def data_in(corner: tuple[bool, bool]) -> int:
        right, top = corner
        return int((((1 - x if right else x) < 0.32) & ((1 - y if top else y) < 0.14)).sum())

    return min(corners, key=data_in)
