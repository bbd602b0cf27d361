"""Crop weather files to an area and to their lowest levels, once, and keep the cropped files."""

from __future__ import annotations

import glob
import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from stilt.atomic import atomic_path
from stilt.cache import why_unusable
from stilt.config import MetConfig
from stilt.digests import file_digest, is_intact
from stilt.errors import MeteorologyError, Reason
from stilt.meteorology.arl import read_analysis, read_index
from stilt.meteorology.arl_format import FIXED_INDEX_BYTES as SMALLEST_RECORD_BYTES
from stilt.meteorology.grids import MetGrid, wrap_longitude
from stilt.meteorology.records import AnalysisRef, Crop, RawAnalysis
from stilt.meteorology.search import crop_note, cropped_file
from stilt.notices import notice

logger = logging.getLogger(__name__)

_EDGE_POINTS = 200
_OUTDATED_AFTER_S = 86_400.0


def crop_file(source: Path, config: MetConfig, refs: Sequence[AnalysisRef] | None = None) -> Path:
    """Return the cropped copy of a weather file, cropping the file unless an intact copy is there.

    It holds the nodes that surround ``subgrid_bounds`` with its buffer, and the levels 0 to
    ``subgrid_levels`` - 1. Its name in ``config.subgrid_directory`` carries a digest of the
    source's path and content and of what was kept, so that no two crops share a file.

    Args:
        source: the weather file.
        config: what to keep, and where.
        refs: all analyses of the source; None reads its index.

    Raises:
        MeteorologyError: DAMAGED_MET_FILE when the source is damaged, MET_COVERAGE when the
            bounds lie outside its grid, DISK when the crop cannot be written.
    """
    refs = read_index(source) if refs is None else refs
    crop = _Crop.of(source, config, refs)
    if crop.is_whole():
        return crop.path
    try:
        crop.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(crop.path.with_name(f".{crop.path.name}.lock")):
            if not crop.is_whole():
                _make(crop, source, config, refs)
    except OSError as error:
        raise _refused(crop.path.parent, error.strerror or str(error)) from error
    return crop.path


def unwritable(config: MetConfig) -> str:
    """Return why no file can be written into ``config.subgrid_directory``; "" if one can."""
    return why_unusable(Path(config.subgrid_directory))


def refuse_lacking(source: Path, config: MetConfig, refs: Sequence[AnalysisRef], why: str) -> None:
    """Refuse a weather file that has no cropped copy where none can be made.

    Args:
        source, config, refs: as :func:`crop_file` takes them.
        why: answer of :func:`unwritable`.

    Raises:
        MeteorologyError: DISK, naming ``subgrid_dir``.
    """
    if not _Crop.of(source, config, refs).is_whole():
        raise _refused(Path(config.subgrid_directory), why)


def crop_bounds(config: MetConfig) -> tuple[float, float, float, float]:
    """Return west, south, east and north of the area kept, buffer included, in degrees."""
    bounds = config.subgrid_bounds
    assert bounds is not None
    buffer = config.subgrid_buffer
    return (
        bounds.xmin - buffer,
        max(bounds.ymin - buffer, -90.0),
        bounds.xmax + buffer,
        min(bounds.ymax + buffer, 90.0),
    )


def cropped_when_read(ref: AnalysisRef, config: MetConfig) -> AnalysisRef:
    """Return the reference to what ``config`` keeps of an analysis, for formats that read a part.

    Raises:
        MeteorologyError: MET_COVERAGE when the bounds lie outside its grid.
    """
    return cropped_to(ref, crop_bounds(config), config.subgrid_levels)


def cropped_to(
    ref: AnalysisRef, bounds: tuple[float, float, float, float], n_levels: int | None = None
) -> AnalysisRef:
    """Return the reference to a part of an analysis, which may be a part already.

    Args:
        ref: the analysis.
        bounds: west, south, east and north, in degrees.
        n_levels: levels kept, the surface counted; None keeps all.

    Raises:
        MeteorologyError: MET_COVERAGE when the bounds lie outside its grid.
    """
    columns, rows = kept_nodes(ref.grid, bounds, ref.path)

    def cropped(part: AnalysisRef) -> AnalysisRef:
        grid, before = cropped_grid(part.grid, columns, rows, n_levels), part.crop
        column, row = (before.column, before.row) if before else (0, 0)
        whole = (before.of_columns, before.of_rows) if before else (part.grid.nx, part.grid.ny)
        first, lowest = column + int(columns[0]), row + int(rows[0])
        crop = Crop(first, len(columns), lowest, len(rows), grid.n_levels, *whole)
        parts = tuple(map(cropped, part.parts))
        earlier = None if part.earlier is None else cropped(part.earlier)
        return replace(part, grid=grid, crop=crop, parts=parts, earlier=earlier)

    return cropped(ref)


@dataclass(frozen=True)
class _Crop:
    """A cropped copy of a weather file: where it is, and what it is of.

    Attributes:
        path: the copy.
        recipe: path and content of the source, area and levels kept.
    """

    path: Path
    recipe: dict[str, Any]

    @classmethod
    def of(cls, source: Path, config: MetConfig, refs: Sequence[AnalysisRef]) -> Self:
        """Name the copy of a weather file, whose analyses are ``refs``."""
        recipe = {
            "source": str(source),
            "content": _digest([(str(ref.time), ref.content) for ref in refs]),
            "bounds": list(crop_bounds(config)),
            "levels": config.subgrid_levels,
        }
        return cls(Path(config.subgrid_directory) / f"{source.name}.{_digest(recipe)}", recipe)

    @property
    def note(self) -> Path:
        """The file that holds the recipe and a digest of the copy."""
        return self.path.with_name(crop_note(self.path.name))

    def is_whole(self) -> bool:
        """Return whether the copy is there as it was made; it is read once in a process."""
        try:
            note = json.loads(self.note.read_bytes())
            whole = note["recipe"] == self.recipe and is_intact(self.path, note["digest"])
            if whole:
                # Its date is that of the last use, for `stilt weather cache`.
                with suppress(OSError):
                    os.utime(self.note)
            return whole
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return False

    def outdated(self) -> Iterator[Path]:
        """Yield copies of what the same source held before, cropped alike, of a day ago or more.

        A run that continues while the source is replaced may still be reading a younger one.
        """
        latest = time.time() - _OUTDATED_AFTER_S
        name, _, _ = self.path.name.rpartition(".")
        for note in self.path.parent.glob(crop_note(glob.escape(f"{name}.") + "*")):
            with suppress(OSError, ValueError, KeyError, TypeError):
                other = json.loads(note.read_bytes())["recipe"]
                content = {"content": other["content"]}
                alike = other != self.recipe and other == {**self.recipe, **content}
                if alike and note.stat().st_mtime < latest:
                    yield cropped_file(note)


def _digest(data: Any) -> str:
    return hashlib.sha256(json.dumps(data).encode()).hexdigest()[:12]


def _refused(folder: Path, why: str) -> MeteorologyError:
    return MeteorologyError(
        f"Cropped weather files cannot be kept in {folder}: {why}; set subgrid_dir in config.yaml "
        "to another folder.",
        reason=Reason.DISK,
    )


def _make(crop: _Crop, source: Path, config: MetConfig, refs: Sequence[AnalysisRef]) -> None:
    """Write a crop and its note, and remove crops of what the source held before."""
    if crop.note.exists():
        notice(logger, "A cropped weather file was damaged and is recreated: %s", crop.path)
        crop.note.unlink()
    partial = crop.path.with_name(f".{crop.path.name}.{os.getpid()}.partial")
    try:
        _crop(source, partial, config, refs)
        digest = file_digest(partial)
        os.replace(partial, crop.path)
    finally:
        partial.unlink(missing_ok=True)
    with atomic_path(crop.note) as note:
        note.write_text(json.dumps({"recipe": crop.recipe, "digest": digest}))
    for path in crop.outdated():
        path.with_name(crop_note(path.name)).unlink(missing_ok=True)
        path.unlink(missing_ok=True)


def _crop(source: Path, target: Path, config: MetConfig, refs: Sequence[AnalysisRef]) -> None:
    """Crop with arlmet, which keeps packed records as they are; else decode and pack again.

    arlmet opens no file whose index takes several records, and writes none.
    """
    from arlmet import ARLFormatError, extract_subset

    from stilt.meteorology.writer import write_arl

    levels = None if config.subgrid_levels is None else range(config.subgrid_levels)
    columns, rows = kept_nodes(refs[0].grid, crop_bounds(config), source)
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
        grid = cropped_grid(refs[0].grid, columns, rows, config.subgrid_levels)
        analyses = (read_analysis(ref) for ref in refs)
        write_arl(target, grid, _cropped(analyses, grid, columns, rows))


def kept_nodes(
    grid: MetGrid, bounds: tuple[float, float, float, float], source: Path | str
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return columns and rows of the nodes around an area; columns may pass a cyclic seam."""
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
            f"The subgrid_bounds (or --bounds) do not meet the grid of the weather file {source}: "
            "correct them, or leave them out with subgrid_enable: false.",
            reason=Reason.MET_COVERAGE,
        )
    columns = np.arange(int(low_x), min(int(high_x), int(low_x) + grid.nx - 1) + 1) % grid.nx
    return columns, np.arange(int(low_y), int(high_y) + 1)


def cropped_grid(
    grid: MetGrid, columns: NDArray[np.intp], rows: NDArray[np.intp], n_levels: int | None
) -> MetGrid:
    """Return the grid of some columns and rows, and of the surface and so many levels less one."""
    kept = grid.levels if n_levels is None else grid.levels[: n_levels - 1]
    cropped = replace(grid, nx=len(columns), ny=len(rows), levels=kept)
    if grid.kind == "conformal":
        sync_x, sync_y = grid.sync_x - float(columns[0]), grid.sync_y - float(rows[0])
        return replace(cropped, sync_x=sync_x, sync_y=sync_y)
    lon, lat = grid.own_lonlat(float(columns[0]), float(rows[0]))
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
