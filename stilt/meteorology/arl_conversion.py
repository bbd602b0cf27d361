"""Write ARL files from weather of any format, for HYSPLIT and other programs that read them.

Pressure levels stay what they are. Hybrid levels become sigma levels that carry their pressure in
``PRES``: HYSPLIT takes pressure from that field on sigma levels (ARL flag 1), and not on hybrid
ones (flag 4), whose code has room for whole hPa and two to five digits of the fraction only. Both
were found by giving its program levels with codes that contradict ``PRES``.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stilt.config import MetConfig
from stilt.destinations import file_to_write, folder_to_fill
from stilt.errors import MeteorologyError, Reason, StiltError, UsageError
from stilt.meteorology.archive import list_met
from stilt.meteorology.arl import read_index
from stilt.meteorology.arl_format import minute_text
from stilt.meteorology.catalogue import MetCatalogue
from stilt.meteorology.formats import field_names, read_analysis
from stilt.meteorology.gaps import between_levels
from stilt.meteorology.grids import MetGrid, wrap_longitude
from stilt.meteorology.input_levels import level_heights_m
from stilt.meteorology.levels import STANDARD_SURFACE_HPA
from stilt.meteorology.records import AnalysisRef, RawAnalysis
from stilt.meteorology.stored_datasets import stored_for_now
from stilt.meteorology.subgrid import cropped_when_read
from stilt.meteorology.writer import write_arl
from stilt.notices import notice

logger = logging.getLogger(__name__)

_LEVEL_DIGITS = 5
_LIKE = 0.1
_CELL_TOLERANCE = 0.05


def to_arl(
    config: MetConfig,
    target: str | Path,
    *,
    start: pd.Timestamp | str | None = None,
    end: pd.Timestamp | str | None = None,
    hours_per_file: int = 24,
    file_format: str = "%Y%m%d_%H",
) -> list[Path]:
    """Write the analyses of a meteorology to ARL files; returns their paths in order of time.

    Fields are packed at eight bits a node, as ARL files are: a field is known to about a hundredth
    of its largest step between neighbouring nodes. Vertical motion, precipitation and turbulent
    energy get a second record with what packing lost (``DIFW``, ``DIFR``, ``DIFT``), which HYSPLIT
    adds.

    HYSPLIT needs the same fields in every analysis of a file, and equal intervals between them: a
    field that some analyses lack, such as the rain of a model's first hour, is there that of the
    nearest analysis that has it. That, and hours that are missing, are told in a sentence.

    Args:
        config: the weather; with ``subgrid_enable`` only that area and those levels.
        target: folder of the ARL files, none of those that the weather is in; ARL files of the
            same names and grid are replaced.
        start, end: first and last time needed, UTC; everything there is without both.
        hours_per_file: hours in each file; the first file of a day begins at midnight UTC.
        file_format: strftime pattern of the files' names.

    Raises:
        UsageError: files would share a name, the weather is on several grids, start is after end,
            or the folder is where the weather is or has other files of these names.
        MeteorologyError: the weather is missing, damaged, or cannot be written as ARL.
    """
    if hours_per_file < 1:
        raise UsageError("hours_per_file must be 1 or more.")
    folder = _folder_apart(target, config)
    with stored_for_now(config) as stored:
        files = _by_file(_wanted(stored, start, end), hours_per_file, file_format)
        return _written(files, folder, config)


def _folder_apart(target: str | Path, config: MetConfig) -> Path:
    """Return the folder to write into, which must not be one that the weather is read from."""
    folder = folder_to_fill(target)
    sources = [place for place in config.places if isinstance(place, Path)]
    if os.path.realpath(folder) in map(os.path.realpath, sources):
        raise UsageError(
            f"{folder} is the folder of the weather itself, whose files would be mixed with the "
            "converted ones: name another folder."
        )
    return folder


def _written(
    files: Mapping[str, Sequence[AnalysisRef]], target: Path, config: MetConfig
) -> list[Path]:
    """Write files of analyses, by their names, into a folder."""
    first_ref = next(iter(files.values()))[0]
    for name in files:
        file_to_write(target / name, lambda there: _is_of_grid(there, first_ref.grid))
    codes: tuple[float, ...] | None = None
    paths = []
    refs = [ref for of_file in files.values() for ref in of_file]
    lenders = _lenders(refs)
    for said in filter(None, [_what_is_lent(refs, lenders), _uneven_intervals(refs)]):
        notice(logger, "%s", said)
    for name, of_file in files.items():
        first = _complete(of_file[0], lenders)
        codes = codes or level_codes(first)
        analyses = _readied(first, of_file[1:], codes, lenders)
        grid = _arl_grid(first.grid, codes)
        try:
            paths.append(write_arl(target / name, grid, analyses, corrections=True))
        except ValueError as problem:
            raise MeteorologyError(
                f"The weather of {config.where} cannot be written as ARL: {problem}",
                reason=Reason.DAMAGED_MET_FILE,
            ) from problem
        if len(paths) == 1:
            _require_same_nodes(grid, paths[0])
    return paths


def _is_of_grid(path: Path, grid: MetGrid) -> bool:
    """Return whether a file is an ARL file of a grid with as many nodes, as a conversion's is."""
    try:
        there = read_index(path)[0].grid
    except (StiltError, OSError, LookupError):
        return False
    return (there.nx, there.ny, there.source) == (grid.nx, grid.ny, grid.source)


_Lenders = Mapping[AnalysisRef, Mapping[str, AnalysisRef]]


def _lenders(refs: Sequence[AnalysisRef]) -> _Lenders:
    """Return, for each analysis, the nearest one that has each field which others have."""
    names = {ref: field_names(ref) for ref in refs}
    having: dict[str, list[AnalysisRef]] = {}
    for ref, found in names.items():
        for name in (*found.surface, *found.upper):
            having.setdefault(name, []).append(ref)
    uneven = {name: found for name, found in having.items() if len(found) < len(names)}
    return {
        ref: {
            name: min(found, key=lambda other: abs(other.time - ref.time))
            for name, found in uneven.items()
            if name not in (*names[ref].surface, *names[ref].upper)
        }
        for ref in refs
    }


def _what_is_lent(refs: Sequence[AnalysisRef], lenders: _Lenders) -> str:
    """Say which analyses take fields from others; "" where none does."""
    lacking = [ref for ref in refs if lenders[ref]]
    if not lacking:
        return ""
    names = sorted({name for ref in lacking for name in lenders[ref]})
    return (
        f"{len(lacking)} of {len(refs)} analyses, such as that of {minute_text(lacking[0].time)}, "
        f"lack fields that others have ({', '.join(names)}): HYSPLIT needs the same fields in all, "
        "so those of the nearest analysis that has them are written."
    )


def _uneven_intervals(refs: Sequence[AnalysisRef]) -> str:
    """Say that analyses are missing; "" where intervals are equal."""
    times = np.array([ref.time for ref in refs])
    steps = np.diff(times)
    if steps.size == 0 or (steps == steps.min()).all():
        return ""
    at = int(np.flatnonzero(steps > steps.min())[0])
    return (
        f"Between {minute_text(times[at])} and {minute_text(times[at + 1])} analyses are missing, "
        "and HYSPLIT reads no file with unequal intervals: complete the weather, or convert what "
        "is before and after with start and end."
    )


def _complete(ref: AnalysisRef, lenders: _Lenders) -> RawAnalysis:
    """Read an analysis, with the fields that it lacks from others."""
    raw = read_analysis(ref)
    if not any(lenders.values()):
        return raw
    by_lender: dict[AnalysisRef, list[str]] = {}
    for name, lender in lenders[ref].items():
        by_lender.setdefault(lender, []).append(name)
    surface, upper = dict(raw.surface), dict(raw.upper)
    for lender, names in by_lender.items():
        other = read_analysis(lender)
        surface |= {name: other.surface[name] for name in names if name in other.surface}
        upper |= {name: other.upper[name] for name in names if name in other.upper}
    # HYSPLIT looks for a field at the place that it has in the file's first analysis.
    return replace(raw, surface=dict(sorted(surface.items())), upper=dict(sorted(upper.items())))


def level_codes(raw: RawAnalysis) -> tuple[float, ...]:
    """Return the level values under which an analysis is written.

    Of hybrid levels with PRES they are the ratio to the surface pressure, so that what reads
    levels alone has them nearly right: that of a standard surface pressure where the level list
    gives it, which is the same for every analysis, else the mean of this one.
    """
    grid = raw.grid
    if not _becomes_sigma(raw):
        return grid.levels
    ratio = raw.upper["PRES"] / raw.surface["PRSS"]
    mean = ratio.mean(axis=(1, 2), dtype=np.float64)
    listed = np.array(grid.levels, float)
    whole = np.floor(listed)
    nominal = (whole + (listed - whole) * STANDARD_SURFACE_HPA) / STANDARD_SURFACE_HPA
    fits = np.all(np.diff(nominal) < 0.0) and np.all(np.abs(nominal - mean) < _LIKE)
    codes = np.round(nominal if fits else mean, _LEVEL_DIGITS)
    return tuple(float(max(code, 10.0**-_LEVEL_DIGITS)) for code in codes)


def arl_analysis(raw: RawAnalysis, codes: Sequence[float]) -> RawAnalysis:
    """Return an analysis as it is written: with the levels of ARL, and no redundant fields.

    Args:
        raw: the analysis.
        codes: of :func:`level_codes`, the same for all analyses.

    Raises:
        MeteorologyError: a field is not known at some nodes.
    """
    raw = replace(raw, upper={name: _filled(raw, name) for name in raw.upper})
    dropped = {2: {"PRES"}}.get(raw.grid.vertical_flag, {"HGTS"})
    upper = {name: field for name, field in raw.upper.items() if name not in dropped}
    for name, field in (*raw.surface.items(), *upper.items()):
        bad = ~np.isfinite(field)
        if bad.any() and not _lacks_whole_levels(bad):
            raise MeteorologyError(
                f"The weather at {raw.time} has no {name} at {int(bad.sum())} of its nodes, which "
                "ARL files cannot say; crop it to where the field is, or leave the field out.",
                reason=Reason.DAMAGED_MET_FILE,
            )
    return replace(raw, grid=_arl_grid(raw.grid, codes), upper=upper)


def _filled(raw: RawAnalysis, name: str) -> NDArray[np.float32]:
    """Return a field on levels, on pressure levels with its gaps filled as transport fills them.

    Levels above the lowest one with values that lack the variable everywhere stay without it.
    """
    field = raw.upper[name]
    missing = np.isnan(field)
    if raw.grid.vertical_flag != 2 or not missing.any():
        return field
    empty = missing.all(axis=(1, 2))
    empty &= np.logical_or.accumulate(~empty)
    if name == "HGTS":
        pressure = np.broadcast_to(np.array(raw.grid.levels)[:, None, None], field.shape)
        filled = level_heights_m(raw, pressure)
    else:
        filled = between_levels(field.astype(np.float64), raw.grid.levels)
    return np.where(empty[:, None, None], np.nan, filled).astype(np.float32)


def _readied(
    first: RawAnalysis, others: Sequence[AnalysisRef], codes: Sequence[float], lenders: _Lenders
) -> Iterator[RawAnalysis]:
    yield arl_analysis(first, codes)
    for ref in others:
        yield arl_analysis(_complete(ref, lenders), codes)


def _becomes_sigma(raw: RawAnalysis) -> bool:
    return raw.grid.vertical_flag == 4 and "PRES" in raw.upper and "PRSS" in raw.surface


def _arl_grid(grid: MetGrid, codes: Sequence[float]) -> MetGrid:
    if tuple(codes) == grid.levels:
        return grid
    return replace(grid, levels=tuple(codes), vertical_flag=1, pressure_offset_hpa=0.0)


def _lacks_whole_levels(bad: NDArray[np.bool_]) -> bool:
    """Whether a field on levels is missing on whole levels only, which ARL leaves out."""
    if bad.ndim < 3:
        return False
    missing = bad.all(axis=(1, 2))
    return bool(not bad[~missing].any() and not missing.all())


def _wanted(
    config: MetConfig, start: pd.Timestamp | str | None, end: pd.Timestamp | str | None
) -> Sequence[AnalysisRef]:
    """The analyses to write, one of each time."""
    if (start is None) != (end is None):
        raise UsageError("Give both start and end, or neither.")
    if start is not None and end is not None:
        if pd.Timestamp(start) > pd.Timestamp(end):
            raise UsageError(f"The start, {start}, is after the end, {end}: exchange them.")
        return MetCatalogue(config).select(start, end)
    archive = list_met(config)
    if len(archive.streams) != 1:
        found = "no analysis" if not archive.streams else f"{len(archive.streams)} grids"
        raise UsageError(
            f"The weather of {config.where} has {found}, and ARL files are of one grid; see "
            "`stilt weather list`, and give start and end of one of them."
        )
    refs = archive.streams[0].analyses
    if config.subgrid_enable:
        return [cropped_when_read(ref, config) for ref in refs]
    return refs


def _by_file(
    refs: Sequence[AnalysisRef], hours_per_file: int, file_format: str
) -> dict[str, list[AnalysisRef]]:
    """Analyses of each file, by its name; files begin at multiples of their length."""
    begins: dict[str, pd.Timestamp] = {}
    files: dict[str, list[AnalysisRef]] = {}
    for ref in refs:
        time = pd.Timestamp(ref.time)
        midnight = time.normalize()
        step = pd.Timedelta(hours=hours_per_file)
        # Files of more than a day are counted from 1970.
        begin = (
            time.floor(step) if hours_per_file > 24 else midnight + (time - midnight) // step * step
        )
        name = begin.strftime(file_format)
        if begins.setdefault(name, begin) != begin:
            raise UsageError(
                f"Two files would be named {name}: give a file_format that tells files of "
                f"{hours_per_file} h apart, such as %Y%m%d_%H."
            )
        files.setdefault(name, []).append(ref)
    return files


def _require_same_nodes(grid: MetGrid, path: Path) -> None:
    """Refuse a grid that the seven characters of each number in the header do not describe.

    Raises:
        MeteorologyError: nodes of the file are elsewhere; it is removed.
    """
    written = read_index(path)[0].grid
    corners = np.array([0.0, grid.nx - 1.0, 0.0, grid.nx - 1.0]), np.repeat([0.0, grid.ny - 1.0], 2)
    (lon, lat), (lon_there, lat_there) = (one.to_lonlat(*corners) for one in (grid, written))
    dx, dy = grid.spacing_m()
    metres_per_degree = 111_195.0
    apart = (
        np.hypot(wrap_longitude(lon - lon_there) * np.cos(np.radians(lat)), lat - lat_there)
        * metres_per_degree
    )
    if apart.max() > _CELL_TOLERANCE * min(dx.min(), dy.min()):
        path.unlink()
        raise MeteorologyError(
            f"An ARL header cannot describe this grid: its corners would be up to "
            f"{apart.max():.0f} m off; interpolate it to a spacing of few digits, or crop it.",
            reason=Reason.DAMAGED_MET_FILE,
        )
