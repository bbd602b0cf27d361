"""Pictures in files: checked before they are drawn, whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from stilt.atomic import atomic_path
from stilt.destinations import file_to_write
from stilt.errors import UsageError

# A side of more is refused by matplotlib's Agg, after it has asked for the memory.
MOST_PIXELS_A_SIDE = 32_000
MOST_PIXELS = 250_000_000


def save_picture(figure: Any, path: str | os.PathLike[str], dpi: float) -> Path:
    """Write a figure to a file, of the kind that its name ends with.

    Args:
        figure: of matplotlib.
        path: file to make or replace.
        dpi: dots per inch.

    Raises:
        UsageError: the file cannot be replaced, matplotlib writes none of this kind, or the
            picture has no size or would be too large.
    """
    place = file_to_write(path)
    check_pixels(figure, dpi)
    kind = place.suffix.lstrip(".").lower()
    known = figure.canvas.get_supported_filetypes()
    if kind not in known:
        raise UsageError(
            f"Pictures cannot be written as '{place.suffix}': choose {', '.join(sorted(known))}."
        )
    with atomic_path(place) as temporary:
        figure.savefig(temporary, dpi=dpi, format=kind)
    return place


def check_pixels(figure: Any, dpi: float) -> None:
    """Refuse a picture without size, and one of more pixels than fit into memory.

    Raises:
        UsageError: it is such a picture.
    """
    width, height = (float(inches) * dpi for inches in figure.get_size_inches())
    text = f"The picture would have {width:,.0f} by {height:,.0f} pixels"
    if min(width, height) < 1.0:
        raise UsageError(f"{text}: give a width, height and dots per inch above 0.")
    if max(width, height) > MOST_PIXELS_A_SIDE or width * height > MOST_PIXELS:
        raise UsageError(f"{text}: lower its size in inches, or the dots per inch.")
