"""Crops weather files to an area and to their lowest levels, once, and keeps the cropped files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from stilt.config import MetConfig
from stilt.errors import MeteorologyError, Reason
from stilt.meteorology.arl import read_analysis, read_index
from stilt.meteorology.arl_format import FIXED_INDEX_BYTES as SMALLEST_RECORD_BYTES
from stilt.meteorology.grids import MetGrid, wrap_longitude
from stilt.meteorology.records import RawAnalysis

_EDGE_POINTS = 200


def crop_file(source: Path, config: MetConfig) -> Path:
    """The cropped copy of a weather file, made now unless it is there and still right.

    It lies under the file's own name in ``config.subgrid_directory`` and holds the nodes that
    surround ``subgrid_bounds`` with its buffer, and the levels 0 to ``subgrid_levels`` - 1.

    Raises:
        MeteorologyError: DAMAGED_MET_FILE when the source is damaged, MET_COVERAGE when the
            bounds lie outside its grid.
    """
    folder = Path(config.subgrid_directory)
    target = folder / source.name
    note = folder / f".{source.name}.json"
    wanted = _recipe(source, config)
    if _is_current(target, note, wanted):
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f".{source.name}.lock"):
        if not _is_current(target, note, wanted):
            note.unlink(missing_ok=True)
            _crop(source, target, config)
            temporary = note.with_suffix(f".{os.getpid()}.partial")
            temporary.write_text(wanted)
            os.replace(temporary, note)
    return target


def crop_bounds(config: MetConfig) -> tuple[float, float, float, float]:
    """West, south, east and north of the area kept, buffer included, in degrees."""
    bounds = config.subgrid_bounds
    assert bounds is not None
    buffer = config.subgrid_buffer
    return (
        bounds.xmin - buffer,
        max(bounds.ymin - buffer, -90.0),
        bounds.xmax + buffer,
        min(bounds.ymax + buffer, 90.0),
    )


def _recipe(source: Path, config: MetConfig) -> str:
    stat = source.stat()
    return json.dumps(
        {
            "source": str(source),
            "size": stat.st_size,
            "mtime_ns": stat.st_mtime_ns,
            "bounds": crop_bounds(config),
            "levels": config.subgrid_levels,
        }
    )


def _is_current(target: Path, note: Path, wanted: str) -> bool:
    try:
        return target.is_file() and note.read_text() == wanted
    except OSError:
        return False


def _crop(source: Path, target: Path, config: MetConfig) -> None:
    """Crop with arlmet, which keeps packed records as they are; else decode and pack again.

    arlmet opens no file whose index takes several records, and writes none.
    """
    from arlmet import ARLFormatError, extract_subset

    from stilt.meteorology.writer import write_arl

    refs = read_index(source)
    levels = None if config.subgrid_levels is None else range(config.subgrid_levels)
    columns, rows = _window(refs[0].grid, crop_bounds(config), source)
    if len(columns) * len(rows) < SMALLEST_RECORD_BYTES:
        raise MeteorologyError(
            f"The subgrid_bounds keep only {len(columns)} x {len(rows)} nodes of the weather file "
            f"{source}, too few for an ARL file; widen them or turn subgrid_enable off.",
            reason=Reason.MET_COVERAGE,
        )
    whole = len(columns) == refs[0].grid.nx and len(rows) == refs[0].grid.ny
    try:
        extract_subset(source, target, bbox=None if whole else crop_bounds(config), levels=levels)
    except (ARLFormatError, ValueError):
        grid = _cropped_grid(refs[0].grid, columns, rows, config.subgrid_levels)
        analyses = (read_analysis(ref) for ref in refs)
        write_arl(target, grid, _cropped(analyses, grid, columns, rows))


def _window(
    grid: MetGrid, bounds: tuple[float, float, float, float], source: Path
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Columns and rows of the nodes that surround an area; columns may pass a cyclic seam."""
    west, south, east, north = bounds
    lon = np.linspace(west, east, _EDGE_POINTS)
    lat = np.linspace(south, north, _EDGE_POINTS)
    x, y = grid.to_xy(*(axis.ravel() for axis in np.meshgrid(lon, lat)))
    if grid.cyclic_x:
        if east - west >= 360.0 - 1e-6:
            x = np.array([0.0, grid.nx - 1.0])
        else:
            first = float(grid.to_xy(west, south)[0])
            x = first + np.array([0.0, (east - west) / 360.0 * grid.nx])
    slack = 1e-6
    low_x, high_x = np.floor(x.min() + slack), np.ceil(x.max() - slack)
    low_y, high_y = np.floor(y.min() + slack), np.ceil(y.max() - slack)
    if not grid.cyclic_x:
        low_x, high_x = max(low_x, 0.0), min(high_x, grid.nx - 1.0)
    low_y, high_y = max(low_y, 0.0), min(high_y, grid.ny - 1.0)
    if high_x - low_x < 1 or high_y - low_y < 1:
        raise MeteorologyError(
            f"The subgrid_bounds do not meet the grid of the weather file {source}; "
            "correct subgrid_bounds or turn subgrid_enable off.",
            reason=Reason.MET_COVERAGE,
        )
    columns = np.arange(int(low_x), min(int(high_x), int(low_x) + grid.nx - 1) + 1) % grid.nx
    return columns, np.arange(int(low_y), int(high_y) + 1)


def _cropped_grid(
    grid: MetGrid, columns: NDArray[np.intp], rows: NDArray[np.intp], n_levels: int | None
) -> MetGrid:
    kept = grid.levels if n_levels is None else grid.levels[: n_levels - 1]
    cropped = replace(grid, nx=len(columns), ny=len(rows), levels=kept)
    if grid.kind == "conformal":
        sync_x, sync_y = grid.sync_x - float(columns[0]), grid.sync_y - float(rows[0])
        return replace(cropped, sync_x=sync_x, sync_y=sync_y)
    lon, lat = grid.to_lonlat(float(columns[0]), float(rows[0]))
    west, south = float(wrap_longitude(lon)), float(lat)
    east = west + (len(columns) - 1) * grid.ref_lon
    turn = 360.0 if west < 0.0 and east < 0.0 else 0.0
    return replace(
        cropped,
        sync_lon=west + turn,
        sync_lat=south,
        pole_lon=east + turn,
        pole_lat=south + (len(rows) - 1) * grid.ref_lat,
    )


def _cropped(
    analyses: Iterator[RawAnalysis],
    grid: MetGrid,
    columns: NDArray[np.intp],
    rows: NDArray[np.intp],
) -> Iterator[RawAnalysis]:
    nodes = np.ix_(rows, columns)
    for raw in analyses:
        surface = {name: field[nodes] for name, field in raw.surface.items()}
        upper = {
            name: field[: grid.n_levels][:, rows[:, None], columns[None, :]]
            for name, field in raw.upper.items()
        }
        yield RawAnalysis(raw.time, grid, raw.forecast_hour, surface, upper)
