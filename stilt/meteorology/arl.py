"""Read NOAA ARL packed weather files: the index by seeking, fields only on request."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from stilt.errors import MeteorologyError, Reason
from stilt.meteorology.arl_checks import RecordChecks
from stilt.meteorology.arl_format import (
    LABEL_BYTES,
    Label,
    MalformedError,
    PeriodIndex,
    minute_text,
    parse_label,
    read_period_index,
)
from stilt.meteorology.grids import MetGrid
from stilt.meteorology.records import AnalysisRef, Crop, FieldNames, FileIndex, RawAnalysis

_CORRECTED_ALOFT = {"DIFW": ("WWND", "DZDT"), "DIFT": ("TKEN", "TKEU")}
_CORRECTED_AT_SURFACE = ("TPP", "PRT")


def read_index(path: str | os.PathLike[str]) -> list[AnalysisRef]:
    """List the analyses of a file in file order, without decoding a field.

    Raises:
        MeteorologyError: DAMAGED_MET_FILE, naming the file, the last whole hour and what to do.
    """
    index = scan_file(path)
    if index.damage:
        raise MeteorologyError(index.damage, reason=Reason.DAMAGED_MET_FILE)
    return list(index.refs)


def scan_file(path: str | os.PathLike[str]) -> FileIndex:
    """Index a file up to its end or its first damage; whole periods before it stay usable."""
    refs: list[AnalysisRef] = []
    try:
        with open(path, "rb") as handle:
            stat = os.fstat(handle.fileno())
            identity = f"{stat.st_size}-{stat.st_mtime_ns}"
            offset = 0
            while offset < stat.st_size:
                period = read_period_index(handle, offset)
                if offset + period.nbytes > stat.st_size:
                    raise MalformedError(
                        f"it ends within the analysis of {minute_text(period.time)}"
                    )
                content = _content(handle, offset, period, identity)
                refs.append(_reference(path, period, offset, identity, content))
                offset += period.nbytes
    except MalformedError as problem:
        return FileIndex(tuple(refs), _damage(path, refs, str(problem)))
    except OSError as problem:
        return FileIndex(tuple(refs), _damage(path, refs, f"it cannot be read ({problem})"))
    if not refs:
        return FileIndex((), _damage(path, refs, "it is empty"))
    return FileIndex(tuple(refs))


def read_analysis(ref: AnalysisRef, variables: Collection[str] | None = None) -> RawAnalysis:
    """Decode one analysis; records that correct a field (``DIFx``) are added to it by name.

    Args:
        ref: which analysis of which file; with a crop, only that part is kept.
        variables: names to decode, without blanks; every variable when None.

    Raises:
        MeteorologyError: DAMAGED_MET_FILE when the bytes are not what the index promises.
    """
    with _period_of(ref) as (handle, period):
        return _decode(handle, ref, period, variables)


def field_names(ref: AnalysisRef) -> FieldNames:
    """Return the names of an analysis's fields from its index, without those that correct others.

    Raises:
        MeteorologyError: DAMAGED_MET_FILE when the bytes are not what the index promises.
    """
    with _period_of(ref) as (_, period):
        listed = [name.strip() for name in period.manifest[0]]
        aloft = [name.strip() for names in period.manifest[1:] for name in names]
    return FieldNames(
        tuple(name for name in dict.fromkeys(listed) if not name.startswith("DIF")),
        tuple(name for name in dict.fromkeys(aloft) if not name.startswith("DIF")),
    )


@contextmanager
def _period_of(ref: AnalysisRef) -> Iterator[tuple[BinaryIO, PeriodIndex]]:
    """Open a file at an analysis, and raise what is wrong with its bytes in the block too."""
    try:
        with open(ref.path, "rb") as handle:
            period = read_period_index(handle, ref.offset)
            if period.time != ref.time or (ref.crop is None and period.grid != ref.grid):
                raise MalformedError(
                    f"its analysis of {minute_text(ref.time)} has changed since it was read"
                )
            yield handle, period
    except MalformedError as problem:
        raise _damaged(ref.path, str(problem)) from None
    except OSError as problem:
        raise _damaged(ref.path, f"it cannot be read ({problem})") from None


def _decode(
    handle: BinaryIO, ref: AnalysisRef, period: PeriodIndex, variables: Collection[str] | None
) -> RawAnalysis:
    grid, nodes = ref.grid, _kept_nodes(ref.crop, period.grid)
    surface: dict[str, NDArray[np.float32]] = {}
    upper: dict[str, NDArray[np.float32]] = {}
    position = ref.offset + period.n_index_records * period.record_bytes
    checks, number = RecordChecks(handle, ref.offset, period), 0
    for level, names in enumerate(period.manifest[: 1 + grid.n_levels]):
        on_level: list[tuple[str, NDArray[np.float32]]] = []
        for raw_name in names:
            name = raw_name.strip()
            if variables is None or any(
                name == wanted or _corrects(name, wanted, level) for wanted in variables
            ):
                field = _read_field(handle, position, period, raw_name, checks, number)
                if field is not None:
                    on_level.append((name, field if nodes is None else field[nodes]))
            position += period.record_bytes
            number += 1
        for name, field in corrected_fields(on_level, level):
            _store(field, name, level, grid, surface, upper)
    return RawAnalysis(period.time, grid, period.forecast_hour, surface, upper)


def _kept_nodes(crop: Crop | None, grid: MetGrid) -> tuple[NDArray[np.intp], ...] | None:
    """Index of the nodes that a crop keeps of a field, (ny, nx); None for all of them."""
    if crop is None:
        return None
    rows = crop.row + np.arange(crop.rows)
    return np.ix_(rows, (crop.column + np.arange(crop.columns)) % grid.nx)


def corrected_fields(
    on_level: Sequence[tuple[str, NDArray[np.float32]]], level: int
) -> list[tuple[str, NDArray[np.float32]]]:
    """Add the records that hold what packing lost (``DIFx``) to the fields they belong to.

    The name says which field that is, wherever the record stands on its level: ``DIFW`` corrects
    WWND or DZDT, ``DIFT`` TKEN or TKEU, and at the surface any of them TPP* or PRT*; of several
    the nearest before it, as in HYSPLIT v5.1 (which leaves out one that is listed before its
    field). A record whose field is not there is left out.

    Args:
        on_level: names and fields of one level, in file order; the fields are changed.
        level: 0 for the surface.

    Returns:
        The fields without the corrections, in file order.
    """
    for place, (name, correction) in enumerate(on_level):
        if name.startswith("DIF"):
            nearest_first = (*on_level[:place][::-1], *on_level[place:])
            for parent, field in nearest_first:
                if _corrects(name, parent, level):
                    field += correction
                    break
    return [(name, field) for name, field in on_level if not name.startswith("DIF")]


def _corrects(name: str, parent: str, level: int) -> bool:
    """Return whether a correction of this name belongs to a field of that name."""
    if level == 0:
        return name.startswith("DIF") and parent.startswith(_CORRECTED_AT_SURFACE)
    return parent in _CORRECTED_ALOFT.get(name, ())


def _store(
    field: NDArray[np.float32],
    name: str,
    level: int,
    grid: MetGrid,
    surface: dict[str, NDArray[np.float32]],
    upper: dict[str, NDArray[np.float32]],
) -> None:
    """Put a field in its place among the others."""
    if level == 0:
        surface[name] = field
        return
    if name not in upper:
        upper[name] = np.full((grid.n_levels, grid.ny, grid.nx), np.nan, np.float32)
    upper[name][level - 1] = field


def _read_field(
    handle: BinaryIO,
    position: int,
    period: PeriodIndex,
    raw_name: str,
    checks: RecordChecks,
    number: int,
) -> NDArray[np.float32] | None:
    """Decode the record at a byte position; None when it is marked missing."""
    from arlmet import unpack  # takes a second to import, and an index needs none of it

    grid = period.grid
    handle.seek(position)
    record = handle.read(period.record_bytes)
    if len(record) < period.record_bytes:
        raise MalformedError(f"it ends within the analysis of {minute_text(period.time)}")
    label = parse_label(record)
    if label.is_missing:
        return None
    if label.variable != raw_name:
        raise MalformedError(
            f"the index of {minute_text(period.time)} promises {raw_name.strip()!r} at byte "
            f"{position} but the record is labelled {label.variable.strip()!r}"
        )
    checks.check(label, record, number)
    try:
        return unpack(
            record[LABEL_BYTES:],
            grid.nx,
            grid.ny,
            label.precision,
            label.exponent,
            label.first_value,
        )
    except (OverflowError, ValueError):
        raise MalformedError(
            f"the {raw_name.strip()!r} record of {minute_text(period.time)} cannot be unpacked"
        ) from None


def _reference(
    path: str | os.PathLike[str], period: PeriodIndex, offset: int, identity: str, content: str
) -> AnalysisRef:
    return AnalysisRef(
        path=os.fspath(path),
        time=period.time,
        forecast_hour=period.forecast_hour,
        offset=offset,
        nbytes=period.nbytes,
        grid=period.grid,
        checksum=f"{identity}-{offset}",
        n_records=period.n_records,
        content=content,
    )


def _content(handle: BinaryIO, offset: int, period: PeriodIndex, identity: str) -> str:
    """Return a digest of an analysis, of its index and the first record's label of each variable.

    The checksums in the index are of the packed differences between neighbouring nodes; the value
    that they start from is in the record's label, and alone tells of an offset to a whole field.
    A field without a checksum is read whole; for a file without any, size and date are used.
    """
    digest = hashlib.sha256(period.digest.encode())
    has_any = any(period.has_checksum)
    seen: set[str] = set()
    position = offset + period.n_index_records * period.record_bytes
    for (_, name), has_checksum in zip(period.records(), period.has_checksum, strict=True):
        is_whole = has_any and not has_checksum
        if is_whole or name not in seen:
            handle.seek(position)
            read = handle.read(period.record_bytes if is_whole else LABEL_BYTES)
            digest.update(read)
            _require_time(parse_label(read), period)
        seen.add(name)
        position += period.record_bytes
    if not has_any:
        digest.update(identity.encode())
    return digest.hexdigest()[:16]


def _require_time(label: Label, period: PeriodIndex) -> None:
    """Refuse a record of another hour than its index.

    Raises:
        MalformedError: it says both times.
    """
    if label.time != period.time.astype("datetime64[h]"):
        raise MalformedError(
            f"its index of {minute_text(period.time)} stands before a {label.variable.strip()!r} "
            f"record of {minute_text(label.time)}"
        )


def _damage(path: str | os.PathLike[str], refs: list[AnalysisRef], problem: str) -> str:
    last = (
        f"its last whole analysis is {minute_text(refs[-1].time)}"
        if refs
        else "no analysis is whole"
    )
    return (
        f"The weather file {Path(path)} is damaged: {problem}; {last}; "
        "fetch or copy the file again, or remove it."
    )


def _damaged(path: str, problem: str) -> MeteorologyError:
    detail = (
        f"The weather file {Path(path)} is damaged: {problem}; fetch or copy the file again, "
        "or remove it."
    )
    return MeteorologyError(detail, reason=Reason.DAMAGED_MET_FILE)
