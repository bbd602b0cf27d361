"""What all pictures share: colours, letters, colour scales, and how a receptor is named."""

from __future__ import annotations

import textwrap
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from stilt.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap, Normalize

    from stilt.receptors import Receptor

INK = "#22303c"
FAINT_INK = "#5b6b78"
PAPER = "#f4f6f7"
LINES = "#c3ccd3"
ACCENT = "#0b6e99"
WATER = "#3f7fae"
DECADES = 4.0
SERIES_COLOURS = (ACCENT, "#d4693f", "#431246", "#8aa84f", "#b13f8f", "#6b7a86")
LETTERS_PT = 8.5
COLOUR_LABEL = "influence, ppm per (µmol m$^{-2}$ s$^{-1}$)"
# From pale to dark in equal steps of lightness, readable with red-green colour blindness too.
INFLUENCE = ("#f3e9a8", "#f3d07a", "#efb35a", "#e39049", "#cd6940", "#a94246", "#7d2150", "#431246")


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


def degree_text(value: float, positive: str, negative: str) -> str:
    """Write a longitude or latitude as on a map: 112.5°W."""
    value = (value + 180.0) % 360.0 - 180.0 if positive == "E" and abs(value) > 180 else value
    mark = "" if round(value, 6) == 0 else positive if value > 0 else negative
    return f"{abs(round(value, 6)):g}°{mark}"


def receptor_text(receptor: Receptor) -> str:
    """Say where and when a receptor is, for titles; its label ``site`` comes first."""
    places = receptor.positions
    lon = float(np.mean([place.longitude for place in places]))
    lat = float(np.mean([place.latitude for place in places]))
    heights = sorted({place.altitude_m for place in places})
    height = " to ".join(f"{value:g}" for value in {heights[0]: 0, heights[-1]: 0})
    ground = "above sea level" if receptor.altitude_ref == "msl" else "above ground"
    where = f"{degree_text(round(lat, 4), 'N', 'S')} {degree_text(round(lon, 4), 'E', 'W')}"
    site = receptor.labels.get("site")
    first = f"{site}, " if isinstance(site, str) and site else ""
    return f"{first}{where}, {height} m {ground}, {receptor.time:%Y-%m-%d %H:%M} UTC"


def where_text(receptor: Receptor) -> str:
    """Say at which latitude and longitude a receptor's first point is."""
    first = receptor.positions[0]
    return f"{degree_text(first.latitude, 'N', 'S')} {degree_text(first.longitude, 'E', 'W')}"


def height_text(receptor: Receptor) -> str:
    """Say how high a receptor is, from its lowest to its highest point."""
    heights = [place.altitude_m for place in receptor.positions]
    ends = [min(heights), max(heights)] if max(heights) > min(heights) else heights[:1]
    sea = " above sea level" if receptor.altitude_ref == "msl" else ""
    return f"{' to '.join(f'{value:g}' for value in ends)} m{sea}"


def influence_norm(
    values: np.ndarray, log: bool, vmin: float | None = None, vmax: float | None = None
) -> Normalize:
    """Return the colour scale of influence: the upper decades in logarithms, or from zero.

    Args:
        values: of any shape; those that are not positive are not drawn.
        log: logarithmic.
        vmin, vmax: ends of the scale; None takes them from the values.

    Raises:
        UsageError: the ends are not in order, or not positive on a logarithmic scale.
    """
    from matplotlib.colors import LogNorm, Normalize

    largest = float(np.nanmax(values)) if values.size else 0.0
    largest = largest if vmax is None else vmax
    if largest <= 0 and vmin is None:
        return Normalize(0.0, 1.0)
    low = 0.0 if vmin is None else vmin
    if log and vmin is None:
        positive = values[values > 0]
        smallest = float(positive.min()) if positive.size else 0.0
        low = max(smallest, largest / 10**DECADES)
        low = low if low < largest else largest / 10
    if low >= largest or (log and low <= 0):
        ends = "0 < vmin < vmax" if log else "vmin < vmax"
        raise UsageError(f"Colours from vmin={low:g} to vmax={largest:g}: there must be {ends}.")
    return LogNorm(low, largest) if log else Normalize(low, largest)


def influence_colours(colours: str | Colormap | None = None) -> Colormap:
    """Return the colour map of influence, from pale to dark, or the one that is asked for.

    Raises:
        UsageError: matplotlib has no map of this name.
    """
    from matplotlib import colormaps
    from matplotlib.colors import Colormap, LinearSegmentedColormap

    if isinstance(colours, Colormap):
        return colours
    if colours is None:
        return LinearSegmentedColormap.from_list("influence", INFLUENCE)
    if colours not in colormaps:
        raise UsageError(f"matplotlib has no colour map {colours!r}: try 'viridis' or 'magma_r'.")
    return colormaps[colours]


def new_axes(
    aspect_of_map: float, ax: Axes | None = None, figsize: tuple[float, float] | None = None
) -> Axes:
    """Return ``ax``, or axes on a new figure whose shape suits a map (height over width)."""
    if ax is not None:
        return ax
    width = 7.2
    height = float(np.clip(width * aspect_of_map * 0.82 + 0.9, 3.6, 9.0))
    _, made = pyplot().subplots(figsize=figsize or (width, height), layout="compressed")
    return made


def frame(ax: Axes, letters: float = LETTERS_PT) -> None:
    """Give axes the background and lines that all pictures have."""
    ax.set_facecolor(PAPER)
    for side in ax.spines.values():
        side.set_color(INK)
        side.set_linewidth(0.8)
    ax.tick_params(colors=INK, labelsize=letters - 0.5, length=3)


def dress_dates(ax: Axes, letters: float = LETTERS_PT) -> None:
    """Write dates, which are in UTC, along the horizontal axis."""
    from matplotlib import dates

    class Dates(dates.ConciseDateFormatter):
        """Writes only the year in the corner where a tick at midnight names the day."""

        year = ""

        def format_ticks(self, values: Any) -> list[str]:
            labels: list[str] = super().format_ticks(values)  # type: ignore[no-untyped-call]
            both = len({":" in label for label in labels if label}) == 2
            last = dates.num2date(values[-1:])  # type: ignore[no-untyped-call]
            self.year = f"{last[0]:%Y}" if both else ""
            return labels

        def get_offset(self) -> str:
            return self.year or str(super().get_offset())  # type: ignore[no-untyped-call]

    locator = dates.AutoDateLocator()  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_locator(locator)
    formatter = Dates(  # type: ignore[no-untyped-call]
        locator,
        formats=["%Y", "%b", "%d %b", "%H:%M", "%H:%M", "%S.%f"],
        zero_formats=["", "%Y", "%d %b", "%d %b", "%H:%M", "%H:%M"],
        offset_formats=["", "%Y", "%Y", "%d %b %Y", "%d %b %Y", "%d %b %Y %H:%M"],
    )
    ax.xaxis.set_major_formatter(formatter)
    ax.xaxis.get_offset_text().set(size=letters - 0.5, color=INK)
    if not ax.get_xlabel():
        ax.set_xlabel("UTC", fontsize=letters, color=INK)


def colour_bar(
    ax: Axes, mappable: Any, label: str, *, letters: float = LETTERS_PT, extend: str = "neither"
) -> Any:
    """Draw a colour bar beside axes, exactly as high as they are; return it.

    It is a part of the axes, so that it follows them whatever their aspect and cannot overlap the
    title.
    """
    inside = ax.inset_axes((1.025, 0.0, 0.032, 1.0))
    bar = ax.figure.colorbar(mappable, cax=inside, extend=extend)
    dress_bar(bar, label, letters)
    return bar


def dress_bar(bar: Any, label: str, letters: float = LETTERS_PT) -> None:
    """Give a colour bar its label and letters."""
    bar.set_label(label, fontsize=letters, color=INK)
    # A scale of less than a decade has its numbers at minor ticks.
    bar.ax.tick_params(which="both", labelsize=letters - 0.5, colors=INK)
    bar.outline.set_linewidth(0.6)
    if bar.solids is not None:
        bar.solids.set_alpha(1.0)


def in_lines(title: str, wide_inches: float, points: float) -> str:
    """Break a title into lines of some width; letters are about half as wide as they are high."""
    columns = max(24, int(wide_inches * 72 / (0.5 * points)))
    return "\n".join(textwrap.wrap(title, columns))


def write_title(ax: Axes, title: str, note: str = "", letters: float = LETTERS_PT) -> None:
    """Write a title, broken into lines within the figure, and a fainter line below it."""
    large = letters + 2
    wide = ax.get_position().width * ax.figure.get_figwidth()  # type: ignore[union-attr]
    lines = in_lines(title, 1.3 * wide, large)
    # Where letters are wider than estimated, matplotlib breaks lines at the edge of the figure.
    ax.set_title(
        lines, fontsize=large, color=INK, loc="left", pad=6 + 1.2 * letters * bool(note), wrap=True
    )
    if note:
        # A long note must not make the map smaller.
        ax.annotate(
            note, (0, 1), xytext=(0, 4), xycoords="axes fraction", textcoords="offset points",
            fontsize=letters, color=FAINT_INK,
        ).set_in_layout(False)  # fmt: skip
