"""receptors.csv: reading with the place of every mistake, and writing."""

from __future__ import annotations

import csv
import io
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import pandas as pd

from stilt.atomic import atomic_path
from stilt.errors import UsageError
from stilt.receptors.checks import (
    check_altitude,
    check_altitude_ref,
    check_latitude,
    check_longitude,
)
from stilt.receptors.ids import number_text
from stilt.receptors.kinds import Receptor
from stilt.receptors.times import parse_time

logger = logging.getLogger(__name__)

_ALIASES = {
    "time": ("time",),
    "latitude": ("latitude", "lat", "lati"),
    "longitude": ("longitude", "lon", "long"),
    "altitude": ("altitude", "zagl", "zmsl", "z"),
    "altitude_ref": ("altitude_ref", "height_ref"),
    "r_idx": ("r_idx",),
}
_REQUIRED = ("time", "latitude", "longitude", "altitude")
_HEADER = ("r_idx", "time", "longitude", "latitude", "altitude", "altitude_ref")

_STARTER = """\
# Receptors: where and when air was measured. One line is one point.
#   time       UTC, YYYY-MM-DD HH:MM:SS
#   longitude  degrees east, -180 to 180
#   latitude   degrees north, -90 to 90
#   altitude   metres above ground
# Optional columns: altitude_ref (agl or msl); r_idx (lines with the same r_idx make one receptor:
# two lines above one another a vertical column, any other lines a set of points).
# Lines that begin with # are skipped. Replace the example with your own.
time,longitude,latitude,altitude
2023-01-01 12:00:00,-111.85,40.77,5
"""

T = TypeVar("T")


@dataclass(frozen=True)
class _Row:
    """One checked line of the file."""

    line: int
    group: str
    time: pd.Timestamp
    longitude: float
    latitude: float
    altitude: float
    altitude_ref: str


def read_receptors(path: str | os.PathLike[str]) -> list[Receptor]:
    """Read receptors from a CSV file.

    Column names may have any case: ``time``; ``latitude``, ``lat`` or ``lati``; ``longitude``,
    ``lon`` or ``long``; ``altitude``, ``zagl``, ``zmsl`` or ``z`` (m); optionally
    ``altitude_ref`` or ``height_ref`` (else ``msl`` for a ``zmsl`` column and ``agl`` for the
    others) and ``r_idx``, whose equal values join lines into one receptor. Other columns, blank
    lines and ``#`` lines are skipped. Exact duplicates are dropped with a logged note.

    Returns:
        Receptors in the order in which they first appear.

    Raises:
        FileNotFoundError: there is no such file.
        UsageError: a mistake in the file; the message names file, line and column.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise FileNotFoundError(f"Receptor file not found: {path}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    groups: dict[str, list[_Row]] = {}
    for row in _rows(text, path):
        groups.setdefault(row.group, []).append(row)
    return unique_receptors([_receptor(rows, path) for rows in groups.values()], source=str(path))


def write_receptors(path: str | os.PathLike[str], receptors: Iterable[Receptor]) -> None:
    """Write receptors as CSV that :func:`read_receptors` reads back equal, in one atomic step."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(_HEADER)
    for index, receptor in enumerate(receptors):
        time = receptor.time.strftime("%Y-%m-%d %H:%M:%S")
        for lat, lon, alt in receptor:
            numbers = (number_text(value) for value in (lon, lat, alt))
            writer.writerow((index, time, *numbers, receptor.altitude_ref))
    with atomic_path(path) as temporary:
        temporary.write_text(buffer.getvalue(), encoding="utf-8")


def starter_receptors_csv() -> str:
    """Return the text of the receptors.csv that ``stilt init`` writes; it reads as it is."""
    return _STARTER


def unique_receptors(receptors: Sequence[Receptor], *, source: str = "receptors") -> list[Receptor]:
    """Drop exact duplicates with a logged note, keeping the order.

    Raises:
        UsageError: two different receptors have one id.
    """
    kept: dict[str, Receptor] = {}
    dropped = 0
    for receptor in receptors:
        identity = receptor.id
        first = kept.get(identity)
        if first is None:
            kept[identity] = receptor
            continue
        if first != receptor:
            raise UsageError(
                f"{source}: two different receptors have the id {identity}: {first!r} and "
                f"{receptor!r}; remove one"
            )
        dropped += 1
    if dropped:
        logger.warning("%s: dropped %d duplicate receptor(s)", source, dropped)
    return list(kept.values())


@dataclass(frozen=True)
class _Line:
    """One line of values and what is needed to say where a mistake is."""

    place: str
    number: int
    cells: list[str]
    names: list[str]
    columns: dict[str, int]

    def has(self, role: str) -> bool:
        index = self.columns.get(role, len(self.cells))
        return index < len(self.cells) and bool(self.cells[index])

    def read(self, role: str, check: Callable[[str], T]) -> T:
        """Return the checked value, or raise UsageError naming file, line and column."""
        index = self.columns[role]
        try:
            if not self.has(role):
                raise UsageError("the value is missing")
            return check(self.cells[index])
        except UsageError as error:
            raise UsageError(
                f"{self.place}, line {self.number}, column '{self.names[index]}': {error}"
            ) from error


def _rows(text: str, path: Path) -> Iterator[_Row]:
    """Yield the checked lines of the file."""
    lines = (
        (number, _split(line, f"{path}, line {number}"))
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not line.lstrip().startswith("#")
    )
    _, names = next(lines, (0, []))
    columns = _columns(names, path)
    default_ref = "msl" if names[columns["altitude"]].lower() == "zmsl" else "agl"
    for number, cells in lines:
        if any(cells[len(names) :]):
            raise UsageError(
                f"{path}, line {number}: {len(cells)} values, but the header names "
                f"{len(names)} columns"
            )
        line = _Line(str(path), number, cells, names, columns)
        has_ref = line.has("altitude_ref")
        reference = line.read("altitude_ref", check_altitude_ref) if has_ref else default_ref
        yield _Row(
            line=number,
            group=line.read("r_idx", str) if "r_idx" in columns else str(number),
            time=line.read("time", parse_time),
            longitude=line.read("longitude", check_longitude),
            latitude=line.read("latitude", check_latitude),
            altitude=line.read("altitude", partial(check_altitude, altitude_ref=reference)),
            altitude_ref=reference,
        )


def _split(line: str, place: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], skipinitialspace=True))]
    except csv.Error as error:
        raise UsageError(f"{place}: not a line of values: {error}") from error


def _columns(names: list[str], path: Path) -> dict[str, int]:
    """Map each role to its column index."""
    lowered = [name.lower() for name in names]
    columns: dict[str, int] = {}
    for role, aliases in _ALIASES.items():
        found = [index for index, name in enumerate(lowered) if name in aliases]
        if len(found) > 1:
            given = ", ".join(repr(names[index]) for index in found)
            raise UsageError(f"{path}: the columns {given} all mean {role}; keep one of them")
        if found:
            columns[role] = found[0]
    missing = [role for role in _REQUIRED if role not in columns]
    if missing:
        raise UsageError(
            f"Receptor file must contain columns: {list(_REQUIRED)}; {path} lacks {missing} "
            f"(its columns: {names})"
        )
    return columns


def _receptor(rows: list[_Row], path: Path) -> Receptor:
    """Join the lines of one group."""
    first = rows[0]
    for row in rows[1:]:
        for name in ("time", "altitude_ref"):
            mine, theirs = getattr(row, name), getattr(first, name)
            if mine != theirs:
                raise UsageError(
                    f"{path}, lines {first.line} and {row.line}: all lines with r_idx "
                    f"{row.group} must have one {name}, got {theirs} and {mine}"
                )
    points = [(row.longitude, row.latitude, row.altitude) for row in rows]
    try:
        return Receptor.from_points(first.time, points, altitude_ref=first.altitude_ref)
    except UsageError as error:
        lines = ", ".join(str(row.line) for row in rows)
        raise UsageError(f"{path}, line {lines}: {error}") from error
