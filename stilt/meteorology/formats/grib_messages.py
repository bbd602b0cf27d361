"""GRIB files as a sequence of fields: where each is, its header, and its bytes.

Headers of GRIB2 are found by skipping over sections by their lengths, so that only a few megabytes
are read of a file of some hundred; ecCodes decodes them. Messages of earlier editions are read
whole.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

from stilt.meteorology.formats.netcdf_files import begins_as_netcdf

_MAGIC = b"GRIB"
_INDICATOR = re.compile(_MAGIC + rb"...[\x01\x02]", re.DOTALL)
"""The word, three bytes of length or discipline, and the edition."""
_SEARCHED_BYTES = 256
_HEAD_BYTES = 4096
_NO_BITMAP, _EARLIER_BITMAP = 255, 254
_END = b"7777"
_PADDING = b"\0\r\n\x03 "


class GribError(ValueError):
    """Raised for a file that cannot be used; says why, and, unless it is damaged, what to do."""


class DamagedGribError(GribError):
    """Raised for a file that is damaged."""


@dataclass(frozen=True)
class MessagePlace:
    """One field of a GRIB file.

    Attributes:
        offset: first byte of its message.
        nbytes: bytes of the message.
        number: of the field in the message.
        header: a complete message without values, for ecCodes.
        digest: of the header and of the first values.
    """

    offset: int
    nbytes: int
    number: int
    header: bytes
    digest: bytes


def eccodes() -> Any:
    """Return ecCodes' module.

    Raises:
        GribError: it is not installed.
    """
    # ecCodes' wheel brings its own PROJ; pyproj crashes if it is imported after that.
    import pyproj  # noqa: F401

    try:
        import eccodes as module
    except (ImportError, RuntimeError) as error:
        raise GribError(
            "GRIB needs packages that are not installed (pip install 'stilt[grib]')"
        ) from error
    return module


def is_grib(path: str) -> bool:
    """Return whether a file begins as GRIB files do, possibly after a transmission header.

    The word GRIB alone does not tell: the Climate Data Store's NetCDF files have attributes named
    ``GRIB_...``, and names in archives may hold it.
    """
    try:
        with open(path, "rb") as file:
            beginning = file.read(_SEARCHED_BYTES)
    except OSError:
        return False
    return bool(_INDICATOR.search(beginning)) and not begins_as_netcdf(beginning)


@contextmanager
def decoded(message: bytes) -> Iterator[Any]:
    """Yield ecCodes' handle of a message, and release it at the end."""
    module = eccodes()
    try:
        handle = module.codes_new_from_message(message)
    except module.CodesInternalError as error:
        raise DamagedGribError(f"a message cannot be decoded ({error})") from error
    try:
        yield handle
    except module.CodesInternalError as error:
        raise DamagedGribError(f"a message cannot be decoded ({error})") from error
    finally:
        module.codes_release(handle)


def places(path: str) -> Iterator[MessagePlace]:
    """Yield the fields of a file in their order.

    Raises:
        GribError: it is cut short, or is not GRIB from some byte on.
    """
    size = os.path.getsize(path)
    with open(path, "rb", buffering=0) as file:
        offset = _next_message(file, 0, size)
        while offset < size:
            file.seek(offset)
            head = file.read(_HEAD_BYTES)
            nbytes = _length(head, offset)
            if offset + nbytes > size:
                raise DamagedGribError(f"it ends within the message at byte {offset}")
            file.seek(offset + nbytes - len(_END))
            if file.read(len(_END)) != _END:
                raise DamagedGribError(f"the message at byte {offset} has no end")
            yield from _fields(file, head, offset, nbytes)
            offset = _next_message(file, offset + nbytes, size)


def field_bytes(file: BinaryIO, offset: int, nbytes: int, number: int) -> bytes:
    """Return one field as a message of its own.

    Raises:
        GribError: it is not there.
    """
    file.seek(offset)
    message = file.read(nbytes)
    if len(message) < nbytes or not message.startswith(_MAGIC) or not message.endswith(_END):
        raise DamagedGribError(f"its message at byte {offset} has changed since it was read")
    if message[7] < 2:
        return message
    groups = list(_groups(_Source.of(message)))
    if number >= len(groups):
        raise DamagedGribError(f"its message at byte {offset} has changed since it was read")
    if len(groups) == 1:
        return message
    return _message(message[:8], groups[number])


def _next_message(file: BinaryIO, offset: int, size: int) -> int:
    """Return the first byte of the next message, after padding and transmission headers."""
    junk = 0
    while offset < size:
        file.seek(offset)
        read = file.read(_HEAD_BYTES)
        found = read.find(_MAGIC)
        between = read[: found if found >= 0 else None]
        junk += len(between.strip(_PADDING))
        if junk > _SEARCHED_BYTES:
            raise DamagedGribError(f"it is not GRIB from byte {offset} on")
        if found >= 0:
            return offset + found
        # The magic word may begin in the last bytes.
        offset += max(len(read) - len(_MAGIC) + 1, 1)
    return size


def _length(head: bytes, offset: int) -> int:
    if len(head) < 16:
        raise DamagedGribError(f"it ends within the message at byte {offset}")
    if head[7] >= 2:
        return int.from_bytes(head[8:16], "big")
    length = int.from_bytes(head[4:7], "big")
    # ECMWF gives lengths that do not fit into three bytes in units of 120 bytes.
    return length if length < 0x800000 else (length & 0x7FFFFF) * 120


def _fields(file: BinaryIO, head: bytes, offset: int, nbytes: int) -> Iterator[MessagePlace]:
    digest = hashlib.sha256(b"%d " % nbytes + head[:nbytes]).digest()
    if head[7] < 2:
        file.seek(offset)
        yield MessagePlace(offset, nbytes, 0, file.read(nbytes), digest)
        return
    source = _Source(head, offset, nbytes, file)
    for number, sections in enumerate(_groups(source)):
        yield MessagePlace(offset, nbytes, number, _message(head[:8], sections), digest)


@dataclass
class _Source:
    """Bytes of a message: its head in memory, and the rest possibly in a file."""

    head: bytes
    offset: int
    nbytes: int
    file: BinaryIO | None

    @classmethod
    def of(cls, message: bytes) -> _Source:
        return cls(message, 0, len(message), None)

    def take(self, start: int, length: int) -> bytes:
        if start + length <= len(self.head) or self.file is None:
            return self.head[start : start + length]
        self.file.seek(self.offset + start)
        return self.file.read(length)


def _groups(source: _Source) -> Iterator[dict[int, bytes]]:
    """Yield the sections of each field of a GRIB2 message by number; earlier ones stay valid.

    Values and bitmap are left out of what is read from a file.
    """
    position, held = 16, dict[int, bytes]()
    while position < source.nbytes - len(_END):
        start = source.take(position, 5)
        length, kind = int.from_bytes(start[:4], "big"), start[4] if len(start) == 5 else 0
        if not 1 <= kind <= 7 or length < 5:
            raise DamagedGribError(f"its message at byte {source.offset} is damaged")
        if source.file is not None and kind == 7:
            held[kind] = b"\0\0\0\x05\x07"
        elif source.file is not None and kind == 6:
            held[kind] = b"\0\0\0\x06\x06" + bytes([_NO_BITMAP])
        else:
            section = source.take(position, length)
            if kind != 6 or section[5] != _EARLIER_BITMAP:
                held[kind] = section
        if kind == 7:
            yield dict(held)
        position += length


def _message(start: bytes, sections: dict[int, bytes]) -> bytes:
    body = b"".join(sections[kind] for kind in sorted(sections)) + _END
    return start + (16 + len(body)).to_bytes(8, "big") + body
