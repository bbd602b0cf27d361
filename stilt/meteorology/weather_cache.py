"""Weather kept between runs, for a person to see how large it is and to remove it.

:mod:`stilt.meteorology.used` has prepared weather and what was read from stores at URLs; this
module adds indexes of weather files and cropped copies of ARL files. All of them are created again
when they are needed.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from stilt.errors import UsageError
from stilt.meteorology import used
from stilt.meteorology.search import crop_note, cropped_file

PREPARED, FETCHED = "prepared weather", "parts of stores"
INDEX, CROP = "indexes of files", "cropped files"
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(B|kB|KB|MB|GB|TB|)\s*")
_FACTORS = {"": 1.0, "B": 1.0, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}
# Crops may be shared with projects whose runs are not known here.
_CROP_REST_S = 86_400.0


@dataclass(frozen=True)
class Kept:
    """One file or folder that is kept.

    Attributes:
        kind: prepared weather, parts of stores, indexes of files, or cropped files.
        path: file or folder.
        nbytes: its size.
        used_at: when it was used last, in seconds since 1970.
    """

    kind: str
    path: Path
    nbytes: int
    used_at: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**asdict(self), "path": str(self.path)}


@dataclass(frozen=True)
class Cleared:
    """What was removed, and what was left because a run may be using it."""

    removed: tuple[Kept, ...]
    in_use: tuple[Kept, ...]


def kept_weather(cache_dir: Path, crop_folders: Iterable[Path] = ()) -> list[Kept]:
    """Return what is kept, the least recently used first.

    Args:
        cache_dir: folder of prepared weather and of indexes.
        crop_folders: folders of cropped ARL files.
    """
    found = [
        Kept(_kind(entry.folder), entry.folder, entry.nbytes, entry.used)
        for entry in used.cache_entries(cache_dir)
    ]
    indexes = cache_dir / "met-index"
    found += [_file(INDEX, path, path) for path in indexes.glob("*.json")]
    for folder in dict.fromkeys(map(Path, crop_folders)):
        found += [_file(CROP, cropped_file(note), note) for note in folder.glob(crop_note("*"))]
    return sorted(found, key=lambda each: (each.used_at, str(each.path)))


def _kind(folder: Path) -> str:
    """Return the kind of weather that the folder of an entry holds."""
    return FETCHED if folder.parent.name == used.CROPS else PREPARED


def clear_weather(kept: Sequence[Kept], *, limit_bytes: float = 0.0) -> Cleared:
    """Remove what was used least recently until the rest is no larger than a limit.

    What is being read or was used within ten minutes stays, and so do cropped files that were used
    within a day. A run that needs something that was removed creates it again.

    Args:
        kept: from :func:`kept_weather`.
        limit_bytes: how much may stay; 0 removes all.
    """
    rest = sum(each.nbytes for each in kept)
    removed, in_use = list[Kept](), list[Kept]()
    for each in kept:
        if rest <= limit_bytes:
            break
        if _remove(each):
            removed.append(each)
            rest -= each.nbytes
        else:
            in_use.append(each)
    return Cleared(tuple(removed), tuple(in_use))


def totals(kept: Iterable[Kept]) -> dict[str, dict[str, int]]:
    """Return number and bytes of each kind."""
    found = {kind: {"number": 0, "bytes": 0} for kind in (PREPARED, FETCHED, INDEX, CROP)}
    for each in kept:
        found[each.kind]["number"] += 1
        found[each.kind]["bytes"] += each.nbytes
    return found


def parse_size(text: str) -> float:
    """Return bytes of a text such as ``10GB`` or ``500 MB``.

    Raises:
        UsageError: it is not a size.
    """
    found = _SIZE.fullmatch(text)
    if found is None:
        raise UsageError(f"'{text}' is not a size: write it like 500MB or 10GB.")
    return float(found[1]) * _FACTORS[found[2]]


def size_text(nbytes: float) -> str:
    """Write a size for a person."""
    for unit in ("GB", "MB", "kB"):
        if nbytes >= _FACTORS[unit]:
            return f"{nbytes / _FACTORS[unit]:.1f} {unit}"
    return f"{nbytes:.0f} B"


def folder_bytes(folder: Path) -> int:
    """Return the bytes of all files below a folder; 0 when it is not there."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(root, name)).st_size
    return total


def _file(kind: str, path: Path, dated: Path) -> Kept:
    """Return a file that is kept, with the note beside it whose date is that of the last use."""
    nbytes, used_at = 0, 0.0
    for each in {path, dated}:
        with suppress(OSError):
            nbytes += each.stat().st_size
    with suppress(OSError):
        used_at = dated.stat().st_mtime
    return Kept(kind, path, nbytes, used_at)


def _remove(kept: Kept) -> bool:
    """Remove one file or folder; return False while it is being written or used."""
    if kept.kind in (PREPARED, FETCHED):
        return used.remove_unused(kept.path)
    if kept.kind == CROP and time.time() - kept.used_at < _CROP_REST_S:
        return False
    lock = FileLock(kept.path.with_name(f".{kept.path.name}.lock"))
    try:
        if kept.kind == CROP:
            lock.acquire(timeout=0)
            kept.path.with_name(crop_note(kept.path.name)).unlink(missing_ok=True)
        kept.path.unlink(missing_ok=True)
    except (Timeout, OSError):
        return False
    finally:
        lock.release()
    return True
