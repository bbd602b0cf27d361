"""Keywords of maps of influence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict

from stilt.errors import UsageError
from stilt.plotting.natural_earth import Bounds

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

_EDGES = 4


class MapKeywords(TypedDict, total=False):
    """Keywords that every map of influence takes.

    Attributes:
        log: logarithmic colours over the upper four decades (default), or from zero.
        cmap: matplotlib colour map, or its name; by default pale to dark in even steps of
            lightness, which reads the same to the colour-blind and in grey.
        vmin: lower end of the colours, ppm per (umol m-2 s-1); None takes it from the data.
        vmax: upper end of the colours, in the same unit; None takes it from the data.
        zoom: show the part of the grid where there is influence (default), or the whole grid.
        extent: west, east, south and north end of the map, in degrees or, on a projected grid,
            metres; instead of ``zoom``.
        outlines: draw coastlines, borders, states and lakes (default), none, or those named.
        shares: also draw the smallest areas that hold this share of the influence, or these, such
            as ``(0.5, 0.9)``.
        receptor: mark the receptor.
        scale: draw a scale bar.
        graticule: draw meridians and parallels.
        colorbar: draw a colour bar.
        label: text of the colour bar.
        title: replaces receptor and time; an empty one leaves it out.
        note: replaces the line below the title; an empty one leaves it out.
        letters: size of small letters, points (default 8.5); other sizes follow.
        figsize: width and height of a new figure, inches.
    """

    log: bool
    cmap: str | Colormap | None
    vmin: float | None
    vmax: float | None
    zoom: bool
    extent: tuple[float, float, float, float] | None
    outlines: bool | Sequence[str]
    shares: float | Sequence[float]
    receptor: bool
    scale: bool
    graticule: bool
    colorbar: bool
    label: str
    title: str
    note: str
    letters: float
    figsize: tuple[float, float] | None


def check_keywords(keywords: MapKeywords) -> None:
    """Refuse keywords that no map takes, an extent without four edges, and a figure without size.

    Raises:
        TypeError: there is an unknown keyword.
        UsageError: the extent or the size cannot be used.
    """
    if unknown := sorted(set(keywords) - set(MapKeywords.__annotations__)):
        raise TypeError(
            f"unknown keyword {unknown[0]!r}: a map takes {', '.join(MapKeywords.__annotations__)}"
        )
    check_extent(keywords.get("extent"))
    check_figsize(keywords.get("figsize"))


def check_figsize(figsize: Sequence[float] | None) -> None:
    """Refuse a figure without size.

    Raises:
        UsageError: width or height is missing or not above 0.
    """
    if figsize is None:
        return
    if len(figsize) != 2 or not all(0.0 < inches < math.inf for inches in figsize):
        raise UsageError(
            f"A figure needs a width and a height in inches, above 0, not {tuple(figsize)}."
        )


def check_extent(extent: Sequence[float] | None) -> None:
    """Refuse an extent without four edges.

    Raises:
        UsageError: it has another number.
    """
    if extent is not None and len(extent) != _EDGES:
        raise UsageError(
            f"extent takes the west, east, south and north end of the map, not {tuple(extent)}."
        )


def chosen_extent(extent: Sequence[float] | None, drawn: Bounds) -> Bounds:
    """Return the part of a map to show: the one that was asked for, else where what is drawn is.

    Args:
        extent: west, east, south and north end as asked for, or None.
        drawn: the same of what is drawn.

    Raises:
        UsageError: the ends are not in order, or nothing that is drawn lies between them.
    """
    if extent is None:
        return drawn
    west, east, south, north = map(float, extent)
    if west >= east or south >= north:
        raise UsageError(
            f"The extent {(west, east, south, north)} is empty: give west, east, south, north."
        )
    if not _overlap((west, east, south, north), drawn):
        between = "{:g} to {:g} and {:g} to {:g}".format
        hint = "give west, east, south, north of a part of it."
        if _overlap((south, north, west, east), drawn):
            hint = "are longitudes and latitudes exchanged?"
        raise UsageError(
            f"The extent, {between(west, east, south, north)}, has nothing of what is drawn, which "
            f"is in {between(*drawn)} (west to east and south to north): {hint}"
        )
    return west, east, south, north


def _overlap(first: Bounds, second: Bounds) -> bool:
    return all(
        max(first[low], second[low]) < min(first[low + 1], second[low + 1]) for low in (0, 2)
    )
