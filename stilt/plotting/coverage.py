"""A picture of what a weather archive covers: its area, and its times with their gaps."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stilt.destinations import file_to_write
from stilt.errors import UsageError
from stilt.meteorology.archive import Archive, Stream
from stilt.plotting.ground import draw_outlines, dress
from stilt.plotting.picture_file import save_picture
from stilt.plotting.style import (
    INK,
    LETTERS_PT,
    SERIES_COLOURS,
    dress_dates,
    frame,
    pyplot,
    write_title,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MISSING = "#d94f4f"
_LONGLAT = "+proj=longlat"
_SINGLE_MINUTES = 60


def plot_coverage(
    archives: Sequence[Archive],
    *,
    axes: tuple[Axes, Axes] | None = None,
    outlines: bool | Sequence[str] = True,
    title: str = "",
    letters: float = LETTERS_PT,
    figsize: tuple[float, float] | None = None,
) -> tuple[Axes, Axes]:
    """Draw the outlines of the grids on a map, and the times of each below it.

    Args:
        archives: what to draw; each grid is a row of times.
        axes: for the map and for the times; a new figure when None.
        outlines: draw coastlines, borders, states and lakes, none, or those named.
        title: of the map.
        letters: size of small letters, points.
        figsize: width and height of a new figure, inches.

    Returns:
        The axes of the map and of the times.

    Raises:
        UsageError: matplotlib is not installed, or no archive has an analysis.
    """
    rows = [(archive, stream) for archive in archives for stream in archive.streams]
    if not rows:
        raise UsageError("There is no analysis to draw: the weather files hold none.")
    if axes is None:
        size = figsize or (7.6, 5.2 + 0.4 * len(rows))
        ratios = [4.0, 0.6 + 0.4 * len(rows)]
        _, made = pyplot().subplots(2, 1, figsize=size, layout="constrained", height_ratios=ratios)
        axes = made[0], made[1]
    top, bottom = axes
    for number, (archive, stream) in enumerate(rows):
        colour = SERIES_COLOURS[number % len(SERIES_COLOURS)]
        _draw_area(top, stream, colour)
        _draw_times(bottom, stream, len(rows) - 1 - number, colour)
        label = archive.name or os.path.basename(archive.places[0])
        bottom.annotate(
            f"{label}: {len(stream.analyses)} analyses", (0.008, len(rows) - 1 - number + 0.3),
            xycoords=("axes fraction", "data"), fontsize=letters, color=INK,
        )  # fmt: skip
    dress(top, _LONGLAT, letters=letters)
    draw_outlines(top, _LONGLAT, outlines)
    _dress_times(bottom, len(rows), letters)
    if title:
        write_title(top, title, letters=letters)
    return top, bottom


def save_coverage(archives: Sequence[Archive], path: str | Path) -> Path:
    """Write the picture of :func:`plot_coverage` to a file, of the kind its name ends with.

    Raises:
        UsageError: matplotlib is not installed, does not know the kind of file, there is nothing
            to draw, or the file cannot be replaced.
    """
    file_to_write(path)
    top, _ = plot_coverage(archives)
    figure: Any = top.figure
    try:
        return save_picture(figure, path, 150)
    finally:
        pyplot().close(figure)


def _draw_area(ax: Axes, stream: Stream, colour: str) -> None:
    lon, lat = stream.outline()
    ax.fill(lon, lat, facecolor=colour, alpha=0.15)
    ax.plot(lon, lat, color=colour, linewidth=1.4)
    ax.margins(0.06)


def _draw_times(ax: Axes, stream: Stream, row: int, colour: str) -> None:
    """Draw bars for unbroken times, and mark the gaps between them."""
    step = stream.interval or np.timedelta64(_SINGLE_MINUTES, "m")
    times = stream.times
    # A gap begins one interval after the last analysis before it.
    ends = [first - step for first, _ in stream.gaps] + [times[-1]]
    begins = [times[0], *(last + step for _, last in stream.gaps)]
    for begin, end in zip(begins, ends, strict=True):
        _bar(ax, row, begin, max(end, begin + step // 4), colour)
    for (_, last), end in zip(stream.gaps, ends, strict=False):
        _bar(ax, row, end, last + step, _MISSING, alpha=0.35)


def _bar(ax: Axes, row: int, begin: Any, end: Any, colour: str, alpha: float = 1.0) -> None:
    # matplotlib counts days since 1970.
    left, right = (each.astype("datetime64[s]").astype(float) / 86_400.0 for each in (begin, end))
    ax.broken_barh([(left, right - left)], (row - 0.12, 0.24), facecolors=colour, alpha=alpha)


def _dress_times(ax: Axes, rows: int, letters: float) -> None:
    dress_dates(ax)
    ax.set_ylim(-0.5, rows - 0.2)
    ax.set_yticks([])
    frame(ax, letters)
