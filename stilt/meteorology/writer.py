"""Write ARL weather files."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd
from arlmet import Header, IndexRecord, calculate_checksum, pack, unpack
from arlmet.indexrecord import LvlInfo, VarInfo
from numpy.typing import NDArray

from stilt.meteorology.arl_format import (
    FIXED_INDEX_BYTES,
    LABEL_BYTES,
    MAX_INDEX_CHARACTERS,
    parse_label,
)
from stilt.meteorology.grids import MetGrid
from stilt.meteorology.records import RawAnalysis

_LARGEST_LABEL_FORECAST = 99
_LEAST_EXPONENT = -99


def write_arl(
    path: str | os.PathLike[str],
    grid: MetGrid,
    analyses: Iterable[RawAnalysis],
    *,
    corrections: bool = False,
) -> Path:
    """Write analyses to one ARL file, packed at eight bits a node; the file appears when whole.

    On upper levels a variable is left out where it is NaN throughout. An index that does not fit
    into one record continues in the next.

    Args:
        path: file to write or to replace.
        grid: grid and levels of every analysis.
        analyses: in the order of their times.
        corrections: write a second record with what packing lost for vertical motion, turbulent
            energy and precipitation (``DIFW``, ``DIFT``, ``DIFR``), which HYSPLIT adds.

    Returns:
        The path written.

    Raises:
        ValueError: a field has another shape than the grid, or holds NaN beside numbers, or the
            grid is about a rotated pole.
    """
    if grid.kind == "rotated":
        raise ValueError(
            "its grid is about a rotated pole, which an ARL header cannot describe; interpolate it "
            "to evenly spaced longitudes and latitudes."
        )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with temporary.open("wb") as handle:
            for analysis in analyses:
                _write_period(handle, grid, analysis, corrections)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _write_period(
    handle: BinaryIO, grid: MetGrid, analysis: RawAnalysis, corrections: bool
) -> None:
    time = pd.Timestamp(analysis.time)
    levels: list[LvlInfo] = []
    data: list[bytes] = []
    for level, height in enumerate((_surface_height(grid), *grid.levels)):
        variables: list[tuple[str, VarInfo]] = []
        for name, field in _fields(grid, analysis, level):
            record = _record(grid, time, analysis.forecast_hour, level, name, field)
            records = {name: record}
            if corrections and (correction := correction_name(name.strip(), level)):
                lost = field - _unpacked(record, grid)
                records[correction] = _record(
                    grid, time, analysis.forecast_hour, level, correction, lost
                )
            data += records.values()
            variables += [
                (each, VarInfo(calculate_checksum(packed[LABEL_BYTES:]), " "))
                for each, packed in records.items()
            ]
        levels.append(LvlInfo(level, height, variables))
    for record in _index_records(grid, time, analysis.forecast_hour, levels):
        handle.write(record)
    for record in data:
        handle.write(record)


def _record(
    grid: MetGrid,
    time: pd.Timestamp,
    forecast_hour: int,
    level: int,
    name: str,
    field: NDArray[np.float32],
) -> bytes:
    """Label and packed bytes of a field."""
    packed, precision, exponent, first = pack(field)
    if first and (field == field.flat[0]).all():
        precision, exponent = _precision_of_constant(float(first))
    label = _label(grid, time, forecast_hour, level, name, exponent, precision, first)
    return label.tobytes() + packed.tobytes()


def correction_name(name: str, level: int) -> str:
    """Return the name of the record that corrects a field; "" where HYSPLIT knows none.

    Args:
        name: of the field.
        level: 0 for the surface.
    """
    if level == 0:
        return "DIFR" if name.startswith(("TPP", "PRT")) else ""
    return {"WWND": "DIFW", "DZDT": "DIFW", "TKEN": "DIFT"}.get(name, "")


def _precision_of_constant(value: float) -> tuple[float, int]:
    """Return precision and exponent with which a field of one value is kept.

    Readers take values below the precision for zero, and HYSPLIT packs a constant field with a
    precision of 0.008, above a usual humidity.
    """
    exponent = max(math.frexp(value)[1] - 10, _LEAST_EXPONENT)
    return 2.0**exponent / 254.0, exponent


def _unpacked(record: bytes, grid: MetGrid) -> NDArray[np.float32]:
    """What a reader makes of a record: its label has fewer digits than the numbers packed with."""
    label = parse_label(record)
    return unpack(
        record[LABEL_BYTES:], grid.nx, grid.ny, label.precision, label.exponent, label.first_value
    )


def _surface_height(grid: MetGrid) -> float:
    """Return the level value of the surface: one for sigma and WRF's eta, zero otherwise."""
    return 1.0 if grid.vertical_flag in (1, 5) else 0.0


def _fields(
    grid: MetGrid, analysis: RawAnalysis, level: int
) -> list[tuple[str, NDArray[np.float32]]]:
    """Return the fields that exist on a level, under their four-character names."""
    shape = (grid.ny, grid.nx)
    found = []
    source = analysis.surface if level == 0 else analysis.upper
    for name, values in source.items():
        field = np.asarray(values if level == 0 else values[level - 1], np.float32)
        if level > 0 and np.isnan(field).all():
            continue
        if field.shape != shape or not np.isfinite(field).all():
            raise ValueError(f"{name} on level {level} must be {shape} finite numbers.")
        found.append((f"{name:<4.4}", field))
    return found


def _label(
    grid: MetGrid,
    time: pd.Timestamp,
    forecast_hour: int,
    level: int,
    variable: str,
    exponent: int,
    precision: float,
    first_value: float,
) -> Header:
    return Header(
        year=time.year,
        month=time.month,
        day=time.day,
        hour=time.hour,
        forecast=min(forecast_hour, _LARGEST_LABEL_FORECAST),
        level=level,
        grid=(1000 * (grid.nx // 1000), 1000 * (grid.ny // 1000)),
        variable=variable,
        exponent=exponent,
        precision=precision,
        initial_value=first_value,
    )


def _index_records(
    grid: MetGrid, time: pd.Timestamp, forecast_hour: int, levels: list[LvlInfo]
) -> list[bytes]:
    """Return the index of one period, cut into as many records as it needs."""
    index = IndexRecord(
        header=_label(grid, time, forecast_hour, 0, "INDX", 0, 0.0, 0.0),
        source=grid.source,
        forecast=forecast_hour,
        minutes=time.minute,
        pole_lat=grid.pole_lat,
        pole_lon=grid.pole_lon,
        tangent_lat=grid.ref_lat,
        tangent_lon=grid.ref_lon,
        grid_size=grid.size_km,
        orientation=grid.orientation_deg,
        cone_angle=grid.cone_lat,
        sync_x=grid.sync_x,
        sync_y=grid.sync_y,
        sync_lat=grid.sync_lat,
        sync_lon=grid.sync_lon,
        reserved=grid.pressure_offset_hpa,
        nx=grid.nx,
        ny=grid.ny,
        nz=len(levels),
        vertical_flag=grid.vertical_flag,
        levels=levels,
    ).tobytes()
    label, text = index[:LABEL_BYTES], index[LABEL_BYTES:]
    cells = grid.nx * grid.ny
    if cells < FIXED_INDEX_BYTES or len(text) > MAX_INDEX_CHARACTERS:
        raise ValueError(
            f"An ARL index of {len(text)} characters does not fit a grid of {grid.nx} x {grid.ny}."
        )
    n_records = len(text) // cells + 1
    return [label + text[i * cells : (i + 1) * cells].ljust(cells) for i in range(n_records)]
