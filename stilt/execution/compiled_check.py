"""Compiled code that is no longer what JAX has written is removed, so that it is compiled again.

JAX warns of an entry of its cache that it cannot read, and compiles; but it never replaces the
entry, so that every later process would do so again. Nothing here imports JAX.
"""

from __future__ import annotations

import json
import logging
import time
import zlib
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from stilt.atomic import atomic_path
from stilt.digests import file_digest
from stilt.notices import notice

logger = logging.getLogger(__name__)

LOCK_S = 5.0
"""How long to wait for a process that is writing into the cache."""

_ENTRY, _USED = "-cache", "-atime"
_DIGESTS = "digests.json"


_looked_at: set[Path] = set()


def remove_damaged(folder: Path) -> None:
    """Remove damaged entries of JAX's cache, once in a process, and say so in one sentence.

    An entry that no process has looked at before is taken if it can be unpacked.

    Args:
        folder: the cache; its folder ``programs`` says which programs are in it.
    """
    if folder in _looked_at:
        return
    _looked_at.add(folder)
    with suppress(OSError, NotImplementedError, Timeout), _locked(folder):
        known = _read(folder)
        kept: dict[str, str] = {}
        damaged = []
        for entry in sorted(folder.glob(f"*{_ENTRY}")):
            digest = file_digest(entry)
            if known.get(entry.name) == digest or (
                entry.name not in known and _can_be_unpacked(entry)
            ):
                kept[entry.name] = digest
                _mark_used(entry)
            else:
                damaged.append(entry)
        for entry in damaged:
            entry.unlink(missing_ok=True)
            _used(entry).unlink(missing_ok=True)
        if damaged:
            # Which programs they belonged to is not known.
            for mark in (folder / "programs").glob("*.compiled"):
                mark.unlink(missing_ok=True)
            notice(
                logger,
                "Compiled code was damaged; it has been removed and is compiled again: %s",
                ", ".join(map(str, damaged)),
            )
        if kept != known:
            _write(folder, kept)


def remember(folder: Path, since: float) -> None:
    """Keep digests of the entries that were written since a time, which this process trusts.

    Args:
        folder: the cache; one that is not the program's own is left alone.
        since: seconds since 1970.
    """
    if folder not in _looked_at:
        return
    with suppress(OSError, NotImplementedError, Timeout), _locked(folder):
        known = _read(folder)
        new = {
            entry.name: file_digest(entry)
            for entry in folder.glob(f"*{_ENTRY}")
            if entry.name not in known and entry.stat().st_mtime >= since
        }
        if new:
            _write(folder, {**known, **new})


def _locked(folder: Path) -> FileLock:
    """The lock that JAX holds while it reads or writes an entry."""
    return FileLock(folder / ".lockfile", timeout=LOCK_S)


def _read(folder: Path) -> dict[str, str]:
    try:
        known = json.loads((folder / _DIGESTS).read_bytes())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _write(folder: Path, digests: dict[str, str]) -> None:
    with atomic_path(folder / _DIGESTS) as part:
        part.write_text(json.dumps(digests))


def _can_be_unpacked(entry: Path) -> bool:
    """Return whether an entry is whole by the checksum that zlib adds to what it packs."""
    try:
        zlib.decompress(entry.read_bytes())
    except zlib.error:
        return False
    return True


def _used(entry: Path) -> Path:
    """The file in which JAX keeps when it last used an entry."""
    return entry.with_name(entry.name.removesuffix(_ENTRY) + _USED)


def _mark_used(entry: Path) -> None:
    """Give an entry the time of its last use where that is missing: JAX would stop at it."""
    used = _used(entry)
    if not used.exists():
        used.write_bytes(time.time_ns().to_bytes(8, "little"))
