"""Footprints packed for a page that shows them in a browser: small and self-contained."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from stilt.errors import UsageError
from stilt.footprint.cell_grid import is_longlat
from stilt.plotting.natural_earth import LAYERS, Bounds, outlines
from stilt.plotting.projected import bounds_in_degrees, projected_lines

if TYPE_CHECKING:
    from stilt.footprint.layers import Layers

DECADES = 5.0
CODES = 255
SAMPLES = 16
SAFETY = 1.15
OUTLINE_STEPS = 4000
AROUND = 0.5
SMALLEST_SHARE = 0.002


class Coarseness(NamedTuple):
    """How much a map is simplified.

    Attributes:
        cells: along each side of a block that is summed to one cell.
        hours: layers that are summed to one.
    """

    cells: int
    hours: int


STEPS = tuple(
    Coarseness(*pair)
    for pair in (
        (1, 1), (2, 1), (2, 2), (3, 3), (4, 3), (6, 6), (8, 6), (12, 12), (16, 24), (32, 48),
        (64, 240),
    )
)  # fmt: skip


@dataclass(frozen=True)
class EncodedMaps:
    """Maps on one grid, as plain values for JSON.

    Attributes:
        grid: cells after coarsening: ``x``, ``y`` (first edges), ``dx``, ``dy``, ``columns``,
            ``rows``, ``degrees``.
        maps: of each footprint in the order asked for: ``id``, ``stamps`` (seconds since 1970 of
            its layers), ``largest`` (ppm per (umol m-2 s-1)), ``box`` (first row and column,
            rows, columns) and ``data``, one byte per cell, compressed by zlib, in base64.
        outlines: lines by layer, as integer steps.
        coarseness: how much the maps are simplified.
    """

    grid: dict[str, Any]
    maps: list[dict[str, Any]]
    outlines: dict[str, Any]
    coarseness: Coarseness

    def to_dict(self) -> dict[str, Any]:
        """Return what the page's script reads."""
        return {
            "grid": self.grid,
            "maps": self.maps,
            "outlines": self.outlines,
            "coarseness": self.coarseness._asdict(),
            "decades": DECADES,
            "codes": CODES,
        }


def encode_maps(read: Mapping[str, Callable[[], Layers]], *, budget_bytes: float) -> EncodedMaps:
    """Pack footprints so that all of them together stay below a size.

    Cells are summed in blocks, and hours in groups, as far as that is needed.

    Args:
        read: functions that read each footprint, by id; files may be read several times.
        budget_bytes: largest size of all maps together.

    Raises:
        UsageError: there is no footprint.
    """
    if not read:
        raise UsageError("There is no footprint to show.")
    ids = list(read)
    first = read[ids[0]]()
    some = [ids[number] for number in np.unique(np.linspace(0, len(ids) - 1, SAMPLES).astype(int))]
    samples = [read[name]() for name in some]
    for coarse in STEPS:
        mean = np.mean([len(encode(layers, coarse)["data"]) + 200 for layers in samples])
        if mean * len(ids) * SAFETY > budget_bytes and coarse != STEPS[-1]:
            continue
        maps = list(_encoded(ids, read, first.key(), coarse))
        if sum(len(one["data"]) + 200 for one in maps) <= budget_bytes or coarse == STEPS[-1]:
            break
    grid = _grid(first, coarse)
    return EncodedMaps(grid, maps, encode_outlines(grid, first.grid.projection), coarse)


def _encoded(
    ids: Sequence[str],
    read: Mapping[str, Callable[[], Layers]],
    key: tuple[object, ...],
    coarse: Coarseness,
) -> Iterable[dict[str, Any]]:
    """Yield packed maps; those on another grid than the first are left out."""
    for name in ids:
        layers = read[name]()
        if layers.key() == key:
            yield {"id": name, **encode(layers, coarse)}


def encode(layers: Layers, coarse: Coarseness) -> dict[str, Any]:
    """Pack one footprint: one byte per cell, from the largest value down by ``DECADES``.

    Code 0 is no influence; code c in 1 to ``CODES`` is ``largest * 10 ** (DECADES * (c / CODES -
    1))``. Values below that range have code 1.

    Args:
        layers: the footprint.
        coarse: how much it is simplified.

    Returns:
        ``stamps``, ``largest``, ``box`` and ``data``, see :class:`EncodedMaps`.
    """
    columns = layers.x.size
    within = layers.places()
    layer = np.repeat(layers.starts // max(layers.cells, 1), layers.lengths)
    row, column = np.divmod(within, max(columns, 1))
    column = (column - _westmost(layers)) % max(columns, 1)
    row, column = row // coarse.cells, column // coarse.cells
    # Groups of hours are counted back from the last layer: that is the receptor's.
    count = layers.stamps.size
    group = -(-count // coarse.hours) - 1 - (count - 1 - layer) // coarse.hours
    groups = -(-count // coarse.hours)
    firsts = np.maximum(count - coarse.hours * np.arange(groups, 0, -1), 0)
    stamps = layers.stamps[firsts].astype("datetime64[s]").astype(np.int64)
    if not layers.values.size or float(layers.values.max()) <= 0:
        box, codes, largest = [0, 0, 0, 0], np.zeros(0, np.uint8), 0.0
    else:
        low, high = (int(row.min()), int(column.min())), (int(row.max()), int(column.max()))
        size = high[0] - low[0] + 1, high[1] - low[1] + 1
        at = (group * size[0] + row - low[0]) * size[1] + column - low[1]
        total = np.bincount(at, layers.values, groups * size[0] * size[1]).astype(np.float64)
        largest = float(total.max())
        codes = _codes(total, largest)
        box = [*low, *size]
    packed = zlib.compress(codes.tobytes(), 9)
    return {
        "stamps": stamps.tolist(),
        "largest": float(f"{largest:.5g}"),
        "box": box,
        "data": base64.b64encode(packed).decode(),
    }


def _codes(values: npt.NDArray[np.float64], largest: float) -> npt.NDArray[np.uint8]:
    share = np.log10(np.maximum(values, largest * 1e-30) / largest) / DECADES + 1
    codes = np.clip(np.round(share * CODES), 1, CODES)
    return np.where(values > 0, codes, 0).astype(np.uint8)


def decode(one: Mapping[str, Any]) -> npt.NDArray[np.float64]:
    """Return the values of a packed map, shape (layers, rows, columns) of its box."""
    codes = np.frombuffer(zlib.decompress(base64.b64decode(one["data"])), np.uint8)
    values = one["largest"] * 10 ** (DECADES * (codes.astype(np.float64) / CODES - 1))
    return np.where(codes > 0, values, 0.0).reshape(-1, *one["box"][2:])


def _westmost(layers: Layers) -> int:
    """Return the westmost column: on a grid across the date line it is not the first."""
    if layers.x.size < 2 or not is_longlat(layers.grid.projection):
        return 0
    steps = np.diff(layers.x)
    jump = int(steps.argmax())
    return jump + 1 if steps[jump] > 1.5 * layers.grid.xres else 0


def _grid(layers: Layers, coarse: Coarseness) -> dict[str, Any]:
    """Return where the cells are after coarsening."""
    size = layers.grid.xres, layers.grid.yres
    return {
        "x": float(layers.x[_westmost(layers)] - size[0] / 2),
        "y": float(layers.y[0] - size[1] / 2),
        "dx": size[0] * coarse.cells,
        "dy": size[1] * coarse.cells,
        "columns": -(-layers.x.size // coarse.cells),
        "rows": -(-layers.y.size // coarse.cells),
        "degrees": is_longlat(layers.grid.projection),
    }


def encode_outlines(grid: Mapping[str, Any], projection: str) -> dict[str, Any]:
    """Return the outlines in and around a grid's area, as integer steps from point to point.

    Returns:
        ``x``, ``y`` (origin), ``step``, and by layer a list of lines, each of x, y, and further
        steps in x and y.
    """
    east = grid["x"] + grid["columns"] * grid["dx"]
    north = grid["y"] + grid["rows"] * grid["dy"]
    wide, high = east - grid["x"], north - grid["y"]
    step = max(wide, high) / OUTLINE_STEPS
    # A window shows more than the grid.
    reach = AROUND * max(wide, high)
    area = (grid["x"] - reach, east + reach, grid["y"] - reach, north + reach)
    degrees = grid["degrees"]
    bounds: Bounds = area if degrees else bounds_in_degrees(area, projection)
    span = max(bounds[1] - bounds[0], bounds[3] - bounds[2])
    found: dict[str, Any] = {"x": grid["x"], "y": grid["y"], "step": step}
    for layer in LAYERS:
        lines = outlines(layer, bounds, detail=span / OUTLINE_STEPS, smallest=span * SMALLEST_SHARE)
        lines = lines if degrees else list(projected_lines(lines, projection))
        found[layer] = []
        for line in lines:
            steps = np.round((line - [grid["x"], grid["y"]]) / step).astype(int)
            moves = np.diff(steps, axis=0, prepend=steps[:1] * 0)
            kept = np.any(moves != 0, axis=1)
            kept[0] = True
            if kept.sum() > 1:
                found[layer].append(np.diff(steps[kept], axis=0, prepend=0).ravel().tolist())
    return found
