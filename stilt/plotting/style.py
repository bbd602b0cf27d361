"""What all maps share: axes with a graticule, marks, scale bar, colour scales."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from stilt.errors import UsageError
from stilt.footprint.cell_grid import is_longlat, transformer

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize

    from stilt.receptors import Receptor

INK = "#22303c"
PAPER = "#f4f6f7"
LINES = "#c3ccd3"
ACCENT = "#0b6e99"
EARTH_KM_PER_DEGREE = 111.195
DECADES = 4.0


def pyplot() -> ModuleType:
    """Return matplotlib.pyplot.

    Raises:
        UsageError: matplotlib is not installed.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise UsageError(
            "Maps need matplotlib, which is not installed; get it with: pip install 'stilt[plots]'."
        ) from error
    return plt


def new_axes(aspect_of_map: float, ax: Axes | None = None) -> Axes:
    """Return ``ax``, or axes on a new figure whose shape suits a map (height over width)."""
    if ax is not None:
        return ax
    width = 7.2
    height = float(np.clip(width * aspect_of_map * 0.82 + 0.9, 3.6, 9.0))
    _, made = pyplot().subplots(figsize=(width, height), layout="constrained")
    return made


def dress(ax: Axes, projection: str) -> None:
    """Give a map of finished extent its background, graticule and aspect."""
    ax.set_facecolor(PAPER)
    for side in ax.spines.values():
        side.set_color(INK)
        side.set_linewidth(0.8)
    ax.tick_params(colors=INK, labelsize=8, length=3)
    if is_longlat(projection):
        _dress_degrees(ax)
    else:
        _dress_projected(ax, projection)


def _dress_degrees(ax: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    steps = [1, 2, 2.5, 5, 10]
    ax.xaxis.set_major_locator(MaxNLocator(6, steps=steps))
    ax.yaxis.set_major_locator(MaxNLocator(6, steps=steps))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: degree_text(v, "E", "W")))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda v, _: degree_text(v, "N", "S")))
    ax.grid(True, color=LINES, linewidth=0.6)
    middle = np.deg2rad(np.clip(np.mean(ax.get_ylim()), -85, 85))
    ax.set_aspect(1.0 / np.cos(middle))


def _dress_projected(ax: Axes, projection: str) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    (x0, x1), (y0, y1) = ax.get_xlim(), ax.get_ylim()
    x, y = np.meshgrid(np.linspace(x0, x1, 60), np.linspace(y0, y1, 60))
    lon, lat = transformer(projection).transform(x, y, direction="INVERSE")
    for field, marks in ((lon, ("E", "W")), (lat, ("N", "S"))):
        levels = MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(np.min(field), np.max(field))
        lines = ax.contour(
            x, y, field, levels=levels, colors=[LINES], linewidths=0.6, linestyles="solid", zorder=2
        )
        ax.clabel(
            lines,
            fmt=lambda v, m=marks: degree_text(v, *m),
            fontsize=7,
            colors=["#8794a0"],
        )
    for axis, name in ((ax.xaxis, "x"), (ax.yaxis, "y")):
        axis.set_major_locator(MaxNLocator(6))
        axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v / 1000:g}"))
        axis.set_label_text(f"{name} (km)", fontsize=8, color=INK)
    ax.set_aspect("equal")


def degree_text(value: float, positive: str, negative: str) -> str:
    """Write a longitude or latitude as on a map: 112.5°W."""
    value = (value + 180.0) % 360.0 - 180.0 if positive == "E" and abs(value) > 180 else value
    mark = "" if round(value, 6) == 0 else positive if value > 0 else negative
    return f"{abs(round(value, 6)):g}°{mark}"


def receptor_text(receptor: Receptor) -> str:
    """Say where and when a receptor is, for titles."""
    places = receptor.positions
    lon = float(np.mean([place.longitude for place in places]))
    lat = float(np.mean([place.latitude for place in places]))
    heights = sorted({place.altitude_m for place in places})
    height = " to ".join(f"{value:g}" for value in {heights[0]: 0, heights[-1]: 0})
    ground = "above sea level" if receptor.altitude_ref == "msl" else "above ground"
    where = f"{degree_text(round(lat, 4), 'N', 'S')} {degree_text(round(lon, 4), 'E', 'W')}"
    return f"{where}, {height} m {ground}, {receptor.time:%Y-%m-%d %H:%M} UTC"


def mark_receptor(ax: Axes, receptor: Receptor, projection: str, size: float = 13.0) -> None:
    """Draw a star of some points' size at every point of the receptor that is on the map."""
    places = np.array([(place.longitude, place.latitude) for place in receptor.positions])
    x, y = places[:, 0], places[:, 1]
    if is_longlat(projection):
        west = ax.get_xlim()[0]
        x = (x - west) % 360.0 + west
    else:
        x, y = transformer(projection).transform(x, y)
    ax.plot(
        x,
        y,
        linestyle="none",
        marker="*",
        markersize=size,
        markerfacecolor="white",
        markeredgecolor=INK,
        markeredgewidth=1.1,
        zorder=5,
        label="receptor",
        scalex=False,
        scaley=False,
    )


def scale_bar(ax: Axes, projection: str) -> None:
    """Draw a bar of round length in km in the lower left corner."""
    (x0, x1), (y0, y1) = ax.get_xlim(), ax.get_ylim()
    km_per_unit = 1e-3
    if is_longlat(projection):
        latitude = np.clip(y0 + 0.05 * (y1 - y0), -85, 85)
        km_per_unit = EARTH_KM_PER_DEGREE * np.cos(np.deg2rad(latitude))
    wanted = 0.22 * (x1 - x0) * km_per_unit
    power = 10.0 ** np.floor(np.log10(wanted))
    length = max(m for m in (1, 2, 5) if m * power <= wanted * (1 + 1e-9)) * power
    left, height = x0 + 0.04 * (x1 - x0), y0 + 0.045 * (y1 - y0)
    right = left + length / km_per_unit
    ax.plot([left, right], [height, height], color=INK, linewidth=2.2, solid_capstyle="butt")
    ax.annotate(
        f"{length:g} km",
        ((left + right) / 2, height),
        xytext=(0, 3),
        textcoords="offset points",
        ha="center",
        fontsize=7.5,
        color=INK,
    )


def influence_norm(values: np.ndarray, log: bool) -> Normalize:
    """Return the colour scale of influence: the upper decades in logarithms, or from zero."""
    from matplotlib.colors import LogNorm, Normalize

    largest = float(np.nanmax(values)) if values.size else 0.0
    if largest <= 0:
        return Normalize(0.0, 1.0)
    if not log:
        return Normalize(0.0, largest)
    smallest = float(values[values > 0].min())
    return LogNorm(max(smallest, largest / 10**DECADES), largest)


def influence_colours(name: str | None = None) -> Any:
    """Return the colour map of influence, from pale to dark."""
    from matplotlib.colors import LinearSegmentedColormap

    if name is not None:
        return pyplot().get_cmap(name)
    stops = ["#e4f2f0", "#bfe2cf", "#f4e08c", "#f7b258", "#e9713f", "#be363f", "#5f0d37"]
    return LinearSegmentedColormap.from_list("influence", stops)
