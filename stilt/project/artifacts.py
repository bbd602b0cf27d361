"""Output files: published whole, linked into the flat folders, and asked what made them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stilt.atomic import atomic_path
from stilt.errors import StiltError
from stilt.project.layout import ProjectLayout

HASH = "hash"
MET_FILES = "met_files"
NETCDF_HASH = "stilt_hash"
NETCDF_MADE = "stilt_made"

# Where the superblock of an HDF5 file holds the file's size, by its version.
_HDF5 = b"\x89HDF\r\n\x1a\n"
_SIZE_AT = {0: 40, 1: 44, 2: 28, 3: 28}
_MADE = b'{"stilt_made": 1, '
_GLANCE_BYTES = 65_536
# Type of a text field that directly follows another field, or begins a structure.
_THRIFT_TEXT = 0x18


@dataclass(frozen=True)
class Made:
    """What an output file says about its making.

    Attributes:
        hash: text of :func:`stilt.project.keys.content_hash`, "" when a file has none.
        receptor: JSON of the receptor, "" when a file has none or was not asked for it.
        empty_reason: of a footprint, "" when it is not empty.
        total: of a footprint, ppm per (umol m-2 s-1).
        met_files: weather files that it was made from.
    """

    hash: str
    receptor: str
    empty_reason: str = ""
    total: float | None = None
    met_files: tuple[str, ...] = ()


class DamagedArtifactError(StiltError):
    """An output file cannot be read: empty, cut short, or something else."""


def publish(source: Path, final: Path) -> None:
    """Move a finished file to where readers look for it, in one atomic step.

    On one file system that is a rename; otherwise a copy beside the final place, then a rename.
    """
    if source == final:
        return
    final.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.replace(source, final)
    except OSError:
        with atomic_path(final) as temporary:
            shutil.copyfile(source, temporary)
        source.unlink()


def link(layout: ProjectLayout, artifact: Path) -> None:
    """Make the relative link to an artifact in its flat folder; an equal one is kept."""
    place = layout.link(artifact)
    target = os.path.relpath(artifact, place.parent)
    try:
        if os.readlink(place) == target:
            return
    except OSError:
        pass
    place.parent.mkdir(parents=True, exist_ok=True)
    temporary = place.with_name(f".{place.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    try:
        os.symlink(target, temporary)
        os.replace(temporary, place)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if not isinstance(error, (PermissionError, NotImplementedError)):
            raise


def footprint_attributes(
    content: str, total: float, empty_reason: str, met_files: Sequence[str]
) -> dict[str, str]:
    """Global attributes by which a footprint file says what made it.

    Args:
        content: text of :func:`stilt.project.keys.content_hash`.
        total: sum of the footprint, ppm per (umol m-2 s-1).
        empty_reason: "" or why all values are zero.
        met_files: weather files that it was made from.
    """
    made = {
        "stilt_made": 1, HASH: content, "total": total, "empty_reason": empty_reason,
        MET_FILES: list(met_files),
    }  # fmt: skip
    return {NETCDF_HASH: content, NETCDF_MADE: json.dumps(made)}


def made_of(path: Path, *, with_receptor: bool = True) -> Made | None:
    """What a trajectory or footprint file says about itself; None when there is no such file.

    Args:
        path: the file.
        with_receptor: read a footprint's receptor, too; without it that is ten times as fast.

    Raises:
        DamagedArtifactError: the file is there but cannot be read.
    """
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return None
    if path.suffix == ".empty":
        return Made("", "", "marker")
    if size == 0:
        raise DamagedArtifactError(f"{path} is empty")
    try:
        if path.suffix != ".nc":
            return _trajectory_at_a_glance(path) or _trajectory(path)
        return (None if with_receptor else _footprint_at_a_glance(path)) or _footprint(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, IndexError, RuntimeError) as error:
        raise DamagedArtifactError(f"{path} is damaged ({error})") from error


def _trajectory(path: Path) -> Made:
    import pyarrow.parquet as pq

    metadata = pq.read_schema(path).metadata or {}
    text = {key.decode().removeprefix("stilt:"): value.decode() for key, value in metadata.items()}
    files = json.loads(text.get(MET_FILES, "[]"))
    return Made(text.get(HASH, ""), text.get("receptor", ""), met_files=tuple(files))


def _footprint(path: Path) -> Made:
    import netCDF4

    with netCDF4.Dataset(path, "r") as file:
        text = {name: file.getncattr(name) for name in file.ncattrs()}
        # HDF5 notices a file cut short only when it reaches for what is missing.
        file["foot"].shape  # noqa: B018
    made = json.loads(text.get(NETCDF_MADE, "{}"))
    return Made(
        str(text.get(NETCDF_HASH, "")),
        str(text.get("receptor", "")),
        str(text.get("empty_reason", "")) or ("legacy" if text.get("is_empty") else ""),
        made.get("total"),
        tuple(made.get(MET_FILES, ())),
    )


def _footprint_at_a_glance(path: Path) -> Made | None:
    """Find the attribute in the bytes of the file; None when that is not possible.

    Opening a NetCDF file costs 1.5 ms, which a hundred thousand folders make minutes. HDF5 keeps
    attributes as they are, most often near its beginning, where it says how long the file must be.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        content = file.read(_GLANCE_BYTES)
        at = _SIZE_AT.get(content[8]) if content.startswith(_HDF5) and len(content) > 64 else None
        if at is None:
            return None
        if size < int.from_bytes(content[at : at + 8], "little"):
            raise OSError("it was cut short")
        made = _made_in(content)
        if made is None and size > len(content):
            made = _made_in(content + file.read())
    if made is None:
        return None
    files = tuple(made.get(MET_FILES, ()))
    return Made(made[HASH], "", made["empty_reason"], made["total"], files)


def _made_in(content: bytes) -> dict[str, Any] | None:
    """The attribute's JSON in these bytes; None when it is not there, or not as a whole."""
    at = content.find(_MADE)
    if at < 0:
        return None
    try:
        made, _ = json.JSONDecoder().raw_decode(content[at:].decode("latin-1"))
    except ValueError:
        return None
    return made if isinstance(made, dict) else None


def _trajectory_at_a_glance(path: Path) -> Made | None:
    """Find the texts in the footer of a Parquet file; None when that is not possible.

    Arrow takes ten times as long to open a file. In the footer a key is followed by its value, in
    the compact form of Thrift: a byte of type, the length in groups of seven bits, the text.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size < 12:
            raise OSError("it was cut short")
        file.seek(max(0, size - _GLANCE_BYTES))
        tail = file.read()
    length = int.from_bytes(tail[-8:-4], "little")
    if tail[-4:] != b"PAR1" or length + 12 > size:
        raise OSError("it was cut short")
    footer = tail[-8 - length : -8]
    if len(footer) < length:
        return None
    found = [_text_in(footer, key) for key in (HASH, "receptor", MET_FILES)]
    if None in found:
        return None
    content, receptor, files = (text or "" for text in found)
    return Made(content, receptor, met_files=tuple(json.loads(files)))


def _text_in(footer: bytes, key: str) -> str | None:
    """Value of a key of ours in a Parquet footer."""
    name = f"stilt:{key}".encode()
    at = footer.find(bytes([_THRIFT_TEXT, len(name)]) + name + bytes([_THRIFT_TEXT]))
    if at < 0:
        return None
    at += len(name) + 3
    length = shift = 0
    while True:
        length |= (footer[at] & 0x7F) << shift
        shift += 7
        at += 1
        if footer[at - 1] < 0x80:
            return footer[at : at + length].decode()
