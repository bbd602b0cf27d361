"""The ARL packed format: labels of records, and the index records in front of every period.

A file is a chain of periods, one per valid time. A period is one or several index records and
then its data records, all of ``50 + nx * ny`` bytes: a label of 50 characters and one byte per
node. The index lists every level and its variables, so nothing else is needed to know a file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from typing import BinaryIO

import numpy as np

from stilt.meteorology.grids import MetGrid

LABEL_BYTES = 50
FIXED_INDEX_BYTES = 108
MAX_INDEX_CHARACTERS = 9999
_MISSING_FORECAST = -1
_FIRST_LETTER = 64
# Fields are numbers of four bytes.
_LARGEST = 1e38
_VERTICAL_FLAGS = (1, 2, 3, 4, 5)
_LARGEST_SIGMA = 1.001


class MalformedError(ValueError):
    """Bytes that are not what the format allows; the text says what was found."""


@dataclass(frozen=True)
class Label:
    """The 50 characters in front of every record."""

    time: np.datetime64
    forecast_hour: int
    level: int
    grid_letters: str
    variable: str
    exponent: int
    precision: float
    first_value: float

    @property
    def is_missing(self) -> bool:
        """Whether the record is a placeholder without data."""
        return self.forecast_hour == _MISSING_FORECAST or self.variable == "NULL"


@dataclass(frozen=True)
class PeriodIndex:
    """The content of the index records of one period.

    Attributes:
        time: valid time, minute precision, UTC.
        forecast_hour: hours since the forecast began.
        grid: grid and levels of the period.
        manifest: per level, the surface first, the four-character variable names in file order.
        n_index_records: records the index takes.
        digest: of the index's text; it holds a checksum of every field.
        checksums: of each field, in file order, see :func:`checksum`; 0 where there is none: some
            programs write zeros for all fields, or for some. -1 for one that is not a number.
    """

    time: np.datetime64
    forecast_hour: int
    grid: MetGrid
    manifest: tuple[tuple[str, ...], ...]
    n_index_records: int
    digest: str = ""
    checksums: tuple[int, ...] = ()

    @property
    def record_bytes(self) -> int:
        """Bytes of one record."""
        return LABEL_BYTES + self.grid.nx * self.grid.ny

    @property
    def n_records(self) -> int:
        """Data records in the period."""
        return sum(len(names) for names in self.manifest)

    @property
    def nbytes(self) -> int:
        """Bytes of the whole period."""
        return (self.n_index_records + self.n_records) * self.record_bytes

    @property
    def has_checksum(self) -> tuple[bool, ...]:
        """Whether each field's checksum is there, in file order."""
        return tuple(number != 0 for number in self.checksums)

    def records(self) -> Iterator[tuple[int, str]]:
        """Return the level and variable of every data record, in file order."""
        for level, names in enumerate(self.manifest):
            for name in names:
                yield level, name


def parse_label(record: bytes) -> Label:
    """Read the label of a record.

    Raises:
        MalformedError: the 50 characters are not an ARL label.
    """
    try:
        text = record[:LABEL_BYTES].decode("ascii")
        year, month, day, hour, forecast, level = (
            _integer(text[start : start + 2]) for start in range(0, 12, 2)
        )
        year += 2000 if year <= 40 else 1900
        time = np.datetime64(f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:00", "m")
        variable = text[14:18]
        if forecast == _MISSING_FORECAST or variable == "NULL":
            return Label(time, forecast, level, text[12:14], variable, 0, 0.0, 0.0)
        label = Label(
            time=time,
            forecast_hour=forecast,
            level=level,
            grid_letters=text[12:14],
            variable=variable,
            exponent=_integer(text[18:22]),
            precision=float(text[22:36]),
            first_value=float(text[36:50]),
        )
    except (ValueError, UnicodeDecodeError):
        raise MalformedError(
            "a record does not begin with an ARL label, as every record of an ARL file does"
        ) from None
    if not all(abs(each) < _LARGEST for each in (label.precision, label.first_value)):
        raise MalformedError(f"its {variable.strip()!r} of {minute_text(time)} is not a number")
    return label


def _integer(text: str) -> int:
    """Parse an integer field, blank meaning zero as in Fortran."""
    return int(text) if text.strip() else 0


def read_period_index(handle: BinaryIO, offset: int) -> PeriodIndex:
    """Read the index records at a byte position, however many there are."""
    handle.seek(offset)
    head = handle.read(LABEL_BYTES + FIXED_INDEX_BYTES)
    label = parse_label(head)
    if label.variable != "INDX":
        raise MalformedError(f"byte {offset} should begin an analysis but holds no index record")
    try:
        fixed = head[LABEL_BYTES:].decode("ascii")
        length = int(fixed[104:108])
        nx, ny = _grid_size(label.grid_letters, fixed[93:96], fixed[96:99])
    except (ValueError, UnicodeDecodeError):
        raise MalformedError(
            f"the index record of {minute_text(label.time)} is not readable"
        ) from None
    if nx < 2 or ny < 2 or length < FIXED_INDEX_BYTES:
        raise MalformedError(f"the index record of {minute_text(label.time)} has impossible sizes")
    body, n_records = _index_body(handle, offset, label, nx * ny, length)
    try:
        return _parse_index(label, fixed, body, nx, ny, n_records)
    except (ValueError, IndexError):
        raise MalformedError(
            f"the index record of {minute_text(label.time)} is not readable"
        ) from None


def _index_body(
    handle: BinaryIO, offset: int, label: Label, cells: int, length: int
) -> tuple[str, int]:
    """Join the data parts of a period's index records; returns the text and their number.

    The header length decides how many there are. A length that fills its records exactly is
    followed by one more in files written by the rule ``length // cells + 1``, and by none in
    others, so there the label of the next record decides.
    """
    n_records = length // cells + 1
    parts: list[str] = []
    for i in range(n_records):
        handle.seek(offset + i * (LABEL_BYTES + cells))
        part = handle.read(LABEL_BYTES + min(cells, length - i * cells))
        if i > 0 and length == i * cells and part[14:18] != b"INDX":
            return "".join(parts), i
        if len(part) < LABEL_BYTES + min(cells, length - i * cells):
            raise MalformedError(f"it ends within the index of {minute_text(label.time)}")
        if part[14:18] != b"INDX":
            raise MalformedError(f"the index of {minute_text(label.time)} is not complete")
        parts.append(part[LABEL_BYTES:].decode("ascii", errors="replace"))
    return "".join(parts), n_records


def _grid_size(letters: str, nx: str, ny: str) -> tuple[int, int]:
    """Return node counts from their three digits and the letters that carry the thousands."""
    thousands = [max(0, ord(letter) - _FIRST_LETTER) for letter in letters]
    return int(nx) + 1000 * thousands[0], int(ny) + 1000 * thousands[1]


def _parse_index(
    label: Label, fixed: str, body: str, nx: int, ny: int, n_records: int
) -> PeriodIndex:
    minutes = int(fixed[7:9])
    reals = [float(fixed[9 + 7 * i : 16 + 7 * i] or "0") for i in range(12)]
    n_levels = int(fixed[99:102])
    heights, manifest, checksums = _parse_levels(body, n_levels)
    _require_possible(minutes, reals, heights, int(fixed[102:104]))
    grid = MetGrid(
        nx=nx,
        ny=ny,
        kind="latlon" if reals[4] == 0.0 else "conformal",
        levels=heights[1:],
        vertical_flag=int(fixed[102:104]),
        pressure_offset_hpa=reals[11],
        source=fixed[:4],
        pole_lat=reals[0],
        pole_lon=reals[1],
        ref_lat=reals[2],
        ref_lon=reals[3],
        size_km=reals[4],
        orientation_deg=reals[5],
        cone_lat=reals[6],
        sync_x=reals[7],
        sync_y=reals[8],
        sync_lat=reals[9],
        sync_lon=reals[10],
    )
    return PeriodIndex(
        time=label.time + np.timedelta64(minutes, "m"),
        forecast_hour=int(fixed[4:7]),
        grid=grid,
        manifest=manifest,
        n_index_records=n_records,
        digest=hashlib.sha256(f"{label.time} {body.rstrip()}".encode()).hexdigest()[:16],
        checksums=checksums,
    )


def _parse_levels(
    body: str, n_levels: int
) -> tuple[tuple[float, ...], tuple[tuple[str, ...], ...], tuple[int, ...]]:
    """Parse level values, the variables of each level, surface first, and checksums of fields."""
    heights: list[float] = []
    manifest: list[tuple[str, ...]] = []
    checksums: list[int] = []
    at = FIXED_INDEX_BYTES
    for _ in range(n_levels):
        heights.append(float(body[at : at + 6]))
        n_variables = int(body[at + 6 : at + 8])
        at += 8
        names = tuple(body[at + 8 * i : at + 8 * i + 4] for i in range(n_variables))
        if names and len(names[-1]) < 4:
            raise ValueError("the list of variables is cut off")
        manifest.append(names)
        sums = (body[at + 8 * i + 4 : at + 8 * i + 7] for i in range(n_variables))
        checksums += [_checksum_number(text.strip()) for text in sums]
        at += 8 * n_variables
    if body[at:].strip(" \0"):
        raise ValueError("the list of levels goes on")
    return tuple(heights), tuple(manifest), tuple(checksums)


def _checksum_number(text: str) -> int:
    if text.isdigit():
        return int(text)
    return -1 if text else 0


def _require_possible(
    minutes: int, reals: list[float], heights: tuple[float, ...], vertical_flag: int
) -> None:
    """Refuse an index with impossible values.

    Raises:
        ValueError: a value is outside its range.
    """
    pole_lat, _, ref_lat, ref_lon, size_km, _, cone_lat, _, _, sync_lat = reals[:10]
    possible = 0 <= minutes < 60 and len(heights) > 1 and vertical_flag in _VERTICAL_FLAGS
    possible = possible and all(map(isfinite, (*reals, *heights)))
    possible = possible and max(map(abs, (pole_lat, sync_lat, cone_lat))) <= 90.0
    possible = possible and (size_km > 0.0 or (size_km == 0.0 and ref_lat > 0.0 and ref_lon > 0.0))
    # Sigma is at most 1, and pressure levels begin below.
    is_sigma = max(heights[1:], default=0.0) <= _LARGEST_SIGMA
    possible = possible and {1: is_sigma, 2: not is_sigma}.get(vertical_flag, True)
    upward = {1: -1.0, 2: -1.0, 3: 1.0}.get(vertical_flag, 0.0)
    steps = (upward * (high - low) for low, high in pairwise(heights[1:]))
    if not possible or any(step < 0.0 for step in steps):
        raise ValueError("the index holds impossible values")


def checksum(packed: bytes) -> int:
    """Return the checksum of packed bytes: their sum, less 255 each time it passes 255."""
    # The narrower sum is twice as fast, and holds 16 million bytes.
    wide = np.uint32 if len(packed) < 1 << 24 else np.uint64
    total = int(np.frombuffer(packed, np.uint8).sum(dtype=wide))
    return (total - 1) % 255 + 1 if total else 0


def minute_text(time: np.datetime64) -> str:
    """Return a valid time as text: date, blank, hour and minute."""
    return str(time).replace("T", " ")
