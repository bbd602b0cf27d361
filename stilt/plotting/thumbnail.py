"""A small map of the mean of some footprints, as a picture inside a Markdown text."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from stilt.errors import StiltError
from stilt.plotting.style import INFLUENCE

if TYPE_CHECKING:
    from stilt.footprint.layers import Layers

WIDTH_PX = 480
DECADES = 3.0
MARGIN = 0.15


def footprint_thumbnail(footprints: Iterable[Path | Layers], name: str) -> str:
    """Return Markdown with the mean of footprints, all hours together.

    Args:
        footprints: of one name, as layers or files. Files that are missing, and footprints on
            another grid than the first, are left out.
        name: of the footprint.

    Returns:
        The text; "" when there is nothing to show, or Pillow (which comes with matplotlib) is not
        installed.
    """
    if find_spec("PIL") is None:
        return ""
    from stilt.footprint.netcdf import coordinate_attributes, read_layers

    first, number = None, 0
    try:
        for one in footprints:
            if isinstance(one, Path) and not one.exists():
                continue
            layers = read_layers(one) if isinstance(one, Path) else one
            if first is None:
                first, total = layers, layers.summed()
            elif layers.key() == first.key():
                total += layers.summed()
            else:
                continue
            number += 1
    except (StiltError, OSError):
        return ""
    if first is None or not total.max() > 0:
        return ""
    mean = total / number
    rows, columns = (touched(mean, axis) for axis in (1, 0))
    _, *dims = coordinate_attributes(first.grid.projection)
    edges = ", ".join(
        f"{axis} {shown[0]:.6g} to {shown[-1]:.6g}"
        for axis, shown in reversed(list(zip(dims, (first.y[rows], first.x[columns]), strict=True)))
    )
    shown = mean[rows, columns]
    text = base64.b64encode(picture(shown)).decode()
    return (
        f"![mean footprint](data:image/png;base64,{text})\n\n"
        f"Mean of {number} footprints `{name}`, all hours together, where there is any: {edges}. "
        f"Darkest: {shown.max():.2g} ppm per (µmol m⁻² s⁻¹); lightest: a thousandth of it."
    )


def touched(values: npt.NDArray[np.floating], axis: int) -> slice:
    """Return where values are large enough to be drawn along one dimension, with a margin.

    Args:
        values: (row, column), some positive.
        axis: the dimension to look along; the slice is along the other one.
    """
    drawn = np.flatnonzero((values > values.max() / 10**DECADES).any(axis=axis))
    margin = max(2, round(MARGIN * (drawn[-1] - drawn[0] + 1)))
    return slice(max(0, int(drawn[0]) - margin), int(drawn[-1]) + margin + 1)


def picture(values: npt.NDArray[np.floating]) -> bytes:
    """Return a PNG of values on a logarithmic colour scale, north up, cells as whole pixels.

    Args:
        values: (row, column), rows from south to north, not negative, some positive.
    """
    # Not with matplotlib, which takes longer to load than everything else here.
    from PIL import Image

    with np.errstate(divide="ignore"):
        shade = 1.0 + np.log10(values / values.max()) / DECADES
    palette = np.array([[int(each[i : i + 2], 16) for i in (1, 3, 5)] for each in INFLUENCE])
    steps = np.linspace(0.0, 1.0, len(palette))
    pixels = np.stack([np.interp(shade, steps, band) for band in palette.T], axis=-1)
    pixels[shade <= 0.0] = 255.0
    scale = max(1, WIDTH_PX // values.shape[1])
    large = pixels[::-1].round().astype(np.uint8).repeat(scale, axis=0).repeat(scale, axis=1)
    file = io.BytesIO()
    Image.fromarray(large).save(file, "png")
    return file.getvalue()
