"""A small map of footprints as an image inside a text: for Prefect's summary of a run."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from stilt.errors import StiltError
from stilt.model import Model

if TYPE_CHECKING:
    import xarray as xr

MAPPED = 24
WIDTH_PX = 480
DECADES = 3.0
MARGIN = 0.15

# Light to dark: seven colours of a sequential scale, blended in between.
_SCALE = np.array(
    [(255, 255, 217), (199, 233, 180), (127, 205, 187), (65, 182, 196), (29, 145, 192),
     (34, 94, 168), (8, 29, 88)],
    dtype=float,
)  # fmt: skip


def footprint_map(model: Model, sim_ids: Sequence[str]) -> str:
    """Markdown with the mean footprint of some simulations; "" when there is nothing to show.

    Args:
        model: the project; its first footprint is drawn.
        sim_ids: simulations of the run; evenly chosen ones are averaged, at most
            :data:`MAPPED`, and only those with a footprint count.
    """
    names = model.footprints.names()
    if not names or not sim_ids:
        return ""
    name = names[0]
    steps = np.linspace(0, len(sim_ids) - 1, min(MAPPED, len(sim_ids))).astype(int)
    paths = (model.layout.footprint(sim_ids[step], name) for step in steps)
    total, number = None, 0
    try:
        for path in map(model.files.local_copy, paths):
            if path.exists():
                data = hours_together(path)
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
    text = base64.b64encode(png(colours(np.asarray(shown)))).decode()
    return (
        f"![mean footprint](data:image/png;base64,{text})\n\n"
        f"Mean of {number} footprints `{name}`, all hours together, where there is any: {edges}. "
        f"Darkest: {float(shown.max()):.2g} ppm per (µmol m⁻² s⁻¹); lightest: a thousandth of it."
    )


def hours_together(path: Path) -> xr.DataArray:
    """Sum over all layers of a footprint file.

    Raises:
        FootprintError: the file is not a footprint or is damaged.
    """
    import xarray as xr

    from stilt.footprint.netcdf import coordinate_attributes, read_layers

    layers = read_layers(path)
    total = np.bincount(layers.places(), layers.values, layers.cells)
    _, *dims = coordinate_attributes(layers.grid.projection)
    axes = dict(zip(dims, (layers.y, layers.x), strict=True))
    return xr.DataArray(total.reshape(layers.y.size, layers.x.size), axes, dims)


def touched(values: npt.NDArray[np.floating], axis: int) -> slice:
    """Where values are large enough to be drawn along one dimension, with a margin.

    Args:
        values: (row, column), some positive.
        axis: the dimension to look along; the slice is of the other one.
    """
    drawn = np.flatnonzero((values > values.max() / 10**DECADES).any(axis=axis))
    margin = max(2, round(MARGIN * (drawn[-1] - drawn[0] + 1)))
    return slice(max(0, int(drawn[0]) - margin), int(drawn[-1]) + margin + 1)


def colours(values: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """Values on a logarithmic scale as red, green, blue, north up, enlarged to whole pixels.

    Args:
        values: (row, column), rows from south to north, not negative, some positive.
    """
    floor = values.max() / 10**DECADES
    position = np.log10(np.maximum(values, floor) / floor) / DECADES * (len(_SCALE) - 1)
    steps = np.arange(len(_SCALE))
    rgb = np.stack([np.interp(position, steps, _SCALE[:, band]) for band in range(3)], axis=-1)
    rgb[values <= floor] = 255.0
    scale = max(1, WIDTH_PX // values.shape[1])
    large = rgb[::-1].astype(np.uint8)
    return large.repeat(scale, axis=0).repeat(scale, axis=1)


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """A PNG file of an image (row, column, colour)."""
    height, width, _ = pixels.shape

    def chunk(kind: bytes, data: bytes) -> bytes:
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"IDAT", zlib.compress(rows.tobytes(), 9)),
            chunk(b"IEND", b""),
        ]
    )
