"""How long the header of a NetCDF 3 file says that it is.

The netCDF library reads what a classic file lacks at its end as zeros, without an error. The form
of the header is that of the NetCDF classic format specification (CDF-1, CDF-2 and CDF-5).
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import BinaryIO

_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}
_WORD = 4


class _CutShortError(Exception):
    """Raised where a header ends before its last variable."""


@dataclass(frozen=True)
class _Variable:
    """Where a variable begins, and how many bytes it has, in each record if it has records."""

    begin: int
    nbytes: int
    has_records: bool


def require_whole(path: str) -> None:
    """Refuse a NetCDF 3 file that is shorter than its header says; others are passed over.

    Raises:
        ValueError: it is cut short.
        OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        beginning = file.read(_WORD)
        if beginning[:3] != b"CDF" or beginning[3:] not in (b"\1", b"\2", b"\5"):
            return
        held = os.fstat(file.fileno()).st_size
        try:
            promised = _promised(file, beginning[3])
        except _CutShortError:
            raise ValueError("it is cut short, within its header") from None
    if held < promised:
        raise ValueError(f"it is cut short: it has {held:,} of {promised:,} bytes")


def _promised(file: BinaryIO, version: int) -> int:
    """Return the number of bytes of a file whose header is read from its fifth byte on."""
    size = 8 if version == 5 else _WORD
    n_records = _integer(file, size)
    is_streamed = n_records == (1 << 8 * size) - 1
    lengths = []
    for _ in range(_elements(file, size)):
        _skip_name(file, size)
        lengths.append(_integer(file, size))
    _skip_attributes(file, size)
    variables = [
        _variable(file, size, _WORD if version == 1 else 8, lengths)
        for _ in range(_elements(file, size))
    ]
    ends = [each.begin + each.nbytes for each in variables if not each.has_records]
    recorded = [each for each in variables if each.has_records]
    if recorded and n_records and not is_streamed:
        # A single variable with records has no padding between them.
        alone = len(recorded) == 1
        step = recorded[0].nbytes if alone else sum(_padded(each.nbytes) for each in recorded)
        ends += [each.begin + (n_records - 1) * step + each.nbytes for each in recorded]
    return max([file.tell(), *ends])


def _variable(file: BinaryIO, size: int, offset_size: int, lengths: list[int]) -> _Variable:
    _skip_name(file, size)
    dims = [_integer(file, size) for _ in range(_integer(file, size))]
    _skip_attributes(file, size)
    item = _TYPE_BYTES.get(_integer(file, _WORD), 1)
    _integer(file, size)  # its size, which may have overflowed
    begin = _integer(file, offset_size)
    shape = [lengths[dim] for dim in dims if dim < len(lengths)]
    has_records = bool(shape) and shape[0] == 0
    return _Variable(begin, item * math.prod(shape[1:] if has_records else shape), has_records)


def _skip_attributes(file: BinaryIO, size: int) -> None:
    for _ in range(_elements(file, size)):
        _skip_name(file, size)
        item = _TYPE_BYTES.get(_integer(file, _WORD), 1)
        _skip(file, item * _integer(file, size))


def _elements(file: BinaryIO, size: int) -> int:
    """Return the number of elements of a list, after the tag that says of what."""
    _integer(file, _WORD)
    return _integer(file, size)


def _skip_name(file: BinaryIO, size: int) -> None:
    _skip(file, _integer(file, size))


def _skip(file: BinaryIO, nbytes: int) -> None:
    if nbytes:
        file.seek(_padded(nbytes) - 1, os.SEEK_CUR)
        _read(file, 1)


def _integer(file: BinaryIO, size: int) -> int:
    return int.from_bytes(_read(file, size), "big")


def _read(file: BinaryIO, nbytes: int) -> bytes:
    found = file.read(nbytes)
    if len(found) < nbytes:
        raise _CutShortError
    return found


def _padded(nbytes: int) -> int:
    return -(-nbytes // _WORD) * _WORD
