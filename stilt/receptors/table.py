"""Tables of receptors, receptors.csv and DataFrames: reading with the place of every mistake."""

from __future__ import annotations

import csv
import io
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from stilt.atomic import atomic_path
from stilt.errors import UsageError
from stilt.receptors.checks import (
    check_altitude,
    check_altitude_ref,
    check_latitude,
    check_longitude,
)
from stilt.receptors.columns import ALIASES, NAMES, missing_columns
from stilt.receptors.file_kinds import csv_text, other_separator
from stilt.receptors.ids import number_text
from stilt.receptors.kinds import Receptor
from stilt.receptors.labels import joined, label_of_point, read_column
from stilt.receptors.times import TimeFormatError, check_time_format, parse_time

logger = logging.getLogger(__name__)

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

_LINE_END = re.compile(r"\r\n|\n|\r")
_SHOWN_ROWS = 5
# Where the names of the columns are looked for when the first line does not hold them.
_LINES_ABOVE = 20

T = TypeVar("T")


@dataclass(frozen=True)
class _Row:
    """One checked row of a table."""

    number: str
    group: str
    time: pd.Timestamp
    longitude: float
    latitude: float
    altitude: float
    altitude_ref: str
    labels: Mapping[str, Any]


def read_receptors(
    path: str | os.PathLike[str],
    *,
    time_format: str | None = None,
    keep_duplicates: bool = False,
) -> list[Receptor]:
    """Read receptors from a CSV file, comma-separated and in UTF-8.

    Column names may have any case: ``time``; ``latitude``, ``lat`` or ``lati``; ``longitude``,
    ``lon`` or ``long``; ``altitude``, ``zagl``, ``zmsl`` or ``z`` (m); optionally
    ``altitude_ref`` or ``height_ref`` (else ``msl`` for a ``zmsl`` column and ``agl`` for the
    others) and ``r_idx``, whose equal values join lines into one receptor. Other columns become
    ``labels``, as numbers where all of a column's values are numbers. Blank lines and ``#`` lines
    are skipped. Exact duplicates are dropped with a logged note.

    Args:
        path: the file.
        time_format: form of the time column as a pattern of ``datetime.strptime``, where it is
            not one that :func:`stilt.receptors.parse_time` reads.
        keep_duplicates: return equal receptors as often as they are there, such as those of two
            gases.

    Returns:
        Receptors in the order in which they first appear.

    Raises:
        FileNotFoundError: there is no such file.
        UsageError: a mistake in the file; the message names file, line and column.
    """
    path = Path(path)
    text = _file_text(path)
    table = _Table(str(path), "line", time_format)
    receptors = _receptors(table, *_csv_rows(text, path))
    return receptors if keep_duplicates else unique_receptors(receptors, source=table.source)


def read_places(
    path: str | os.PathLike[str], *, time_format: str | None = None
) -> tuple[list[Receptor], bool]:
    """Read a table of measurements, in which altitudes may be missing.

    Args:
        path: the file.
        time_format: as for :func:`read_receptors`.

    Returns:
        A receptor for each measurement, at 0 m where the table has no column of altitudes; and
        whether it has one.

    Raises:
        FileNotFoundError: there is no such file.
        UsageError: a mistake in the file; the message names file, line and column.
    """
    path = Path(path)
    text = _file_text(path)
    names, numbered = _csv_rows(text, path)
    has_altitudes = any(name.lower() in ALIASES["altitude"] for name in names)
    table = _Table(str(path), "line", time_format, needs_altitudes=has_altitudes or not names)
    return _receptors(table, names, numbered), has_altitudes


def receptors_from_table(
    table: pd.DataFrame | Sequence[Mapping[str, Any]], *, time_format: str | None = None
) -> list[Receptor]:
    """Return the receptors of a DataFrame, or of one dictionary for each row.

    Args:
        table: columns, or keys, as :func:`read_receptors` takes them; an index may hold one.
        time_format: as for :func:`read_receptors`.

    Returns:
        Receptors in the order in which they first appear.

    Raises:
        UsageError: a mistake in the table; the message names row and column.
    """
    if not isinstance(table, pd.DataFrame):
        names = list(dict.fromkeys(str(name) for row in table for name in row))
        rows = [[row.get(name) for name in names] for row in table]
        numbered = ((str(number), cells) for number, cells in enumerate(rows))
        return _unique(_Table("receptors", "row", time_format), names, numbered)
    if any(str(name).lower() in NAMES for name in table.index.names):
        table = table.reset_index()
    names = [str(name) for name in table.columns]
    columns = [table.iloc[:, number].tolist() for number in range(len(names))]
    cells = map(list, zip(*columns, strict=True))
    numbered = ((str(label), row) for label, row in zip(table.index, cells, strict=True))
    return _unique(_Table("receptors", "row", time_format), names, numbered)


def write_receptors(path: str | os.PathLike[str], receptors: Iterable[Receptor]) -> None:
    """Write receptors as CSV that :func:`read_receptors` reads back equal, in one atomic step."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    receptors = list(receptors)
    names = tuple(dict.fromkeys(name for receptor in receptors for name in receptor.labels))
    writer.writerow((*_HEADER, *names))
    for index, receptor in enumerate(receptors):
        time = receptor.time.strftime("%Y-%m-%d %H:%M:%S")
        for number, position in enumerate(receptor.positions):
            labels = (label_of_point(receptor.labels.get(name), number) for name in names)
            numbers = map(number_text, position)
            writer.writerow((index, time, *numbers, receptor.altitude_ref, *labels))
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
    dropped: list[str] = []
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
        if first.labels != receptor.labels:
            logger.warning(
                "%s: %s is there more than once; of its labels the first count: %s.",
                source, identity, dict(first.labels),
            )  # fmt: skip
        dropped.append(identity)
    if dropped:
        logger.warning(
            "%s: dropped %d duplicate receptor(s), such as %s", source, len(dropped), dropped[0]
        )
    return list(kept.values())


def _file_text(path: Path) -> str:
    """Return the text of a file of receptors."""
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise FileNotFoundError(f"Receptor file not found: {path}") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    return csv_text(content, path)


@dataclass(frozen=True)
class _Table:
    """What a table is called in messages, how its times are written, and whether it has heights."""

    source: str
    unit: str
    time_format: str | None
    needs_altitudes: bool = True

    def place(self, *numbers: str) -> str:
        """Return where rows are, for a message."""
        shown = ", ".join(numbers[:_SHOWN_ROWS])
        more = f" and {len(numbers) - _SHOWN_ROWS} more" if len(numbers) > _SHOWN_ROWS else ""
        return f"{self.source}, {self.unit}{'s' if len(numbers) > 1 else ''} {shown}{more}"

    def time(self, value: Any) -> pd.Timestamp:
        """Read a time; tables that were read from CSV hold 12 digits as a whole number."""
        if isinstance(value, (int, np.integer)) and len(str(value)) in (12, 14):
            value = str(value)
        try:
            return parse_time(value, self.time_format)
        except TimeFormatError as error:
            raise UsageError(
                f"{error}; or state the format of the column, as in --time-format "
                "'%d.%m.%Y %H:%M' (time_format= in Python)"
            ) from error


@dataclass(frozen=True)
class _Cells:
    """One row of values and what is needed to say where a mistake is."""

    place: str
    cells: list[Any]
    names: list[str]
    columns: dict[str, int]

    def has(self, role: str) -> bool:
        """Whether the row has a value for a role."""
        index = self.columns.get(role, len(self.cells))
        return index < len(self.cells) and not _is_missing(self.cells[index])

    def read(self, role: str, check: Callable[[Any], T]) -> T:
        """Return the checked value, or raise UsageError naming table, row and column."""
        index = self.columns[role]
        try:
            if not self.has(role):
                raise UsageError("the value is missing")
            return check(self.cells[index])
        except (UsageError, TypeError) as error:
            raise UsageError(f"{self.place}, column '{self.names[index]}': {error}") from error


def _is_missing(value: Any) -> bool:
    """Whether a cell is empty, None, NaN or NaT."""
    if isinstance(value, str):
        return not value or value.isspace()
    return value is None or value is pd.NA or bool(value != value)


def _csv_rows(text: str, path: Path) -> tuple[list[str], Iterator[tuple[str, list[Any]]]]:
    """Return the names of the columns, and the number and values of every further line."""
    lines = (
        (number, line)
        for number, line in enumerate(_LINE_END.split(text), start=1)
        if line.strip() and not line.lstrip().startswith("#")
    )
    number, header = next(lines, (0, ""))
    names = _split(header, f"{path}, line {number}") if header else []
    known = NAMES.intersection(name.lower() for name in names)
    if not known and (word := other_separator(header, NAMES)):
        raise UsageError(
            f"{path}, line {number}: the columns are separated by {word}: separate them by "
            "commas, and write numbers with a decimal point"
        )
    first = list(islice(lines, _LINES_ABOVE)) if not known else []
    for below, line in first:
        if len(NAMES.intersection(name.strip(' "').lower() for name in line.split(","))) > 1:
            raise UsageError(
                f"{path}, line {number}: {header.strip()!r} does not name columns, and line "
                f"{below} does: remove what is above that, or begin it with #"
            )
    return names, _cells(chain(first, lines), len(names), path)


def _cells(
    lines: Iterator[tuple[int, str]], width: int, path: Path
) -> Iterator[tuple[str, list[Any]]]:
    """Yield number and values of every line that holds any."""
    for number, line in lines:
        cells = _split(line, f"{path}, line {number}")
        if any(cells[width:]):
            raise UsageError(
                f"{path}, line {number}: {len(cells)} values, but the header names {width} "
                "columns; numbers need a decimal point, and text that holds a comma needs quotes"
            )
        yield str(number), cells


def _split(line: str, place: str) -> list[str]:
    # A quote that is not closed would go on in the second, empty line.
    reader = csv.reader((line, ""), skipinitialspace=True)
    try:
        cells = [cell.strip() for cell in next(reader)]
    except csv.Error as error:
        raise UsageError(f"{place}: not a line of values: {error}") from error
    if reader.line_num > 1:
        raise UsageError(f"{place}: a quote is not closed; text in quotes must end on its line")
    return cells


def _receptors(
    table: _Table, names: list[str], numbered: Iterable[tuple[str, list[Any]]]
) -> list[Receptor]:
    """Check the rows and join them into receptors."""
    if table.time_format is not None:
        check_time_format(table.time_format)
    groups: dict[str, list[_Row]] = {}
    rows = list(_rows(table, names, numbered))
    for row in _with_numbers(rows) if table.unit == "line" else rows:
        groups.setdefault(row.group, []).append(row)
    return [_receptor(rows, table) for rows in groups.values()]


def _unique(
    table: _Table, names: list[str], numbered: Iterable[tuple[str, list[Any]]]
) -> list[Receptor]:
    return unique_receptors(_receptors(table, names, numbered), source=table.source)


def _rows(
    table: _Table, names: list[str], numbered: Iterable[tuple[str, list[Any]]]
) -> Iterator[_Row]:
    """Yield the checked rows; those without any value are skipped."""
    columns = _columns(names, table)
    roles = set(columns.values())
    further = [
        (index, name) for index, name in enumerate(names) if index not in roles and name.strip()
    ]
    default_ref = _default_reference(names, columns)
    for position, (number, cells) in enumerate(numbered):
        row = _Cells(table.place(number), cells, names, columns)
        if not any(map(row.has, columns)) and all(map(_is_missing, cells)):
            continue
        has_ref = row.has("altitude_ref")
        reference = row.read("altitude_ref", check_altitude_ref) if has_ref else default_ref
        yield _Row(
            number=number,
            group=row.read("r_idx", _group) if "r_idx" in columns else str(position),
            time=row.read("time", table.time),
            longitude=row.read("longitude", check_longitude),
            latitude=row.read("latitude", check_latitude),
            altitude=row.read("altitude", partial(check_altitude, altitude_ref=reference))
            if "altitude" in columns
            else 0.0,
            altitude_ref=reference,
            labels={name: cells[index] for index, name in further if index < len(cells)},
        )


def _group(value: Any) -> str:
    """Return a value of ``r_idx``; a whole number is itself, also written as 1.0."""
    text = str(value)
    whole, point, rest = text.partition(".")
    return whole if point and whole.isdecimal() and not rest.strip("0") else text


def _default_reference(names: Sequence[str], columns: Mapping[str, int]) -> str:
    """Return what altitudes refer to where a row does not say it."""
    altitude = columns.get("altitude")
    return "msl" if altitude is not None and names[altitude].lower() == "zmsl" else "agl"


def _with_numbers(rows: list[_Row]) -> list[_Row]:
    """Return rows whose labels were text: numbers where all values of a column are numbers."""
    names = dict.fromkeys(name for row in rows for name in row.labels)
    columns = {name: read_column(row.labels.get(name, "") for row in rows) for name in names}
    return (
        [
            replace(row, labels={name: columns[name][number] for name in names})
            for number, row in enumerate(rows)
        ]
        if names
        else rows
    )


def _columns(names: list[str], table: _Table) -> dict[str, int]:
    """Map each role to its column index."""
    lowered = [name.lower() for name in names]
    columns: dict[str, int] = {}
    for role, aliases in ALIASES.items():
        found = [index for index, name in enumerate(lowered) if name in aliases]
        if len(found) > 1:
            given = ", ".join(repr(names[index]) for index in found)
            raise UsageError(f"{table.source}: the columns {given} all mean {role}; keep one")
        if found:
            columns[role] = found[0]
    twice = [name for name in dict.fromkeys(names) if name.strip() and names.count(name) > 1]
    if twice:
        raise UsageError(f"{table.source}: several columns are called '{twice[0]}'; keep one")
    required = [role for role in _REQUIRED if role != "altitude" or table.needs_altitudes]
    missing = [role for role in required if role not in columns]
    if missing:
        source = table.source if table.unit == "line" else "The table of receptors"
        raise UsageError(missing_columns(missing, names, source))
    return columns


def _receptor(rows: list[_Row], table: _Table) -> Receptor:
    """Join the rows of one group."""
    first = rows[0]
    for row in rows[1:]:
        for name in ("time", "altitude_ref"):
            mine, theirs = getattr(row, name), getattr(first, name)
            if mine != theirs:
                raise UsageError(
                    f"{table.place(first.number, row.number)}: all {table.unit}s with r_idx "
                    f"{row.group} must have one {name}, got {theirs} and {mine}"
                )
    points = [(row.longitude, row.latitude, row.altitude) for row in rows]
    try:
        return Receptor.from_points(
            first.time,
            points,
            altitude_ref=first.altitude_ref,
            labels=joined([row.labels for row in rows]),
        )
    except UsageError as error:
        raise UsageError(f"{table.place(*(row.number for row in rows))}: {error}") from error
