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
from stilt.plotting.style import influence_colours

if TYPE_CHECKING:
    import xarray as xr

    from stilt.footprint.layers import Layers

WIDTH_PX = 480
DECADES = 3.0
MARGIN = 0.15


def footprint_thumbnail(footprints: Iterable[Path | Layers], name: str) -> str:
    """Return Markdown with the mean of footprints, all hours together.

    Args:
        footprints: of one name and grid: what is not zero in them, or files, of which those that
            are missing are left out.
        name: of the footprint.

    Returns:
        The text; "" when there is nothing to show, or no matplotlib to show it with.
    """
    if find_spec("matplotlib") is None:
        return ""
    total, number = None, 0
    try:
        for one in footprints:
            if isinstance(one, Path) and not one.exists():
                continue
            data = hours_together(one)
            total = data if total is None else total + data
            number += 1
    except (StiltError, OSError):
        return ""
    if total is None or not float(total.max()) > 0:
        return ""
    mean = total / number
    rows, columns = (touched(np.asarray(mean), axis) for axis in (1, 0))
    shown = mean[rows, columns]
    y, x = shown.dims[-2:]
    edges = ", ".join(
        f"{axis} {float(shown[axis][0]):.6g} to {float(shown[axis][-1]):.6g}" for axis in (x, y)
    )
    text = base64.b64encode(picture(np.asarray(shown))).decode()
    return (
        f"![mean footprint](data:image/png;base64,{text})\n\n"
        f"Mean of {number} footprints `{name}`, all hours together, where there is any: {edges}. "
        f"Darkest: {float(shown.max()):.2g} ppm per (µmol m⁻² s⁻¹); lightest: a thousandth of it."
    )


def hours_together(footprint: Path | Layers) -> xr.DataArray:
    """Return the sum over all layers of a footprint, or of its file.

    Raises:
        FootprintError: the file is not a footprint or is damaged.
    """
    import xarray as xr

    from stilt.footprint.netcdf import coordinate_attributes, read_layers

    layers = read_layers(footprint) if isinstance(footprint, Path) else footprint
    total = np.bincount(layers.places(), layers.values, layers.cells)
    _, *dims = coordinate_attributes(layers.grid.projection)
    axes = dict(zip(dims, (layers.y, layers.x), strict=True))
    return xr.DataArray(total.reshape(layers.y.size, layers.x.size), axes, dims)


def touched(values: npt.NDArray[np.floating], axis: int) -> slice:
    """Return where values are large enough to be drawn along one dimension, with a margin.

    Args:
        values: (row, column), some positive.
        axis: the dimension to look along; the slice is of the other one.
    """
    drawn = np.flatnonzero((values > values.max() / 10**DECADES).any(axis=axis))
    margin = max(2, round(MARGIN * (drawn[-1] - drawn[0] + 1)))
    return slice(max(0, int(drawn[0]) - margin), int(drawn[-1]) + margin + 1)


def picture(values: npt.NDArray[np.floating]) -> bytes:
    """Return a PNG of values on a logarithmic colour scale, north up, cells as whole pixels.

    Args:
        values: (row, column), rows from south to north, not negative, some positive.
    """
    # Not through matplotlib's figures: loading them takes longer than all the rest.
    from matplotlib.colors import LogNorm
    from PIL import Image

    most = float(values.max())
    scale = max(1, WIDTH_PX // values.shape[1])
    shown = np.ma.masked_less_equal(values, most / 10**DECADES)
    colours = influence_colours().with_extremes(bad="white")
    pixels = colours(LogNorm(most / 10**DECADES, most)(shown), bytes=True)
    file = io.BytesIO()
    Image.fromarray(pixels[::-1].repeat(scale, axis=0).repeat(scale, axis=1)).save(file, "png")
    return file.getvalue()
