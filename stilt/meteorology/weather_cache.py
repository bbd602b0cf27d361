"""What is kept of weather between runs: how large it is, and removing what was not used for long.

Kept are prepared analyses and indexes of weather files, in the project's cache folder, and cropped
copies of files. All of them are made again when they are needed.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from stilt.errors import UsageError
from stilt.meteorology.cache_use import in_use_since
from stilt.meteorology.prepare import DIGESTS
from stilt.meteorology.search import crop_note, cropped_file

PREPARED, INDEX, CROP = "prepared weather", "indexes of files", "cropped files"
_PREPARED_NAME = re.compile(r"\d{8}T\d{4}_[0-9a-f]{20}")
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(B|kB|KB|MB|GB|TB|)\s*")
_FACTORS = {"": 1, "B": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}
# Crops may be shared by projects, whose runs cannot be seen from here.
_CROP_REST_S = 86_400.0


@dataclass(frozen=True)
class Entry:
    """One thing that is kept.

    Attributes:
        kind: prepared weather, indexes of files, or cropped files.
        path: file or folder.
        nbytes: its size.
        used_at: when it was used last, in seconds since 1970.
    """

    kind: str
    path: Path
    nbytes: int
    used_at: float


@dataclass(frozen=True)
class Cleared:
    """What was removed, and what was left because a run may be using it."""

    removed: tuple[Entry, ...]
    in_use: tuple[Entry, ...]


def cache_entries(cache_dir: Path, crop_folders: Iterable[Path] = ()) -> list[Entry]:
    """Return what is kept, that used least recently first.

    Args:
        cache_dir: folder of prepared weather and of indexes.
        crop_folders: folders of cropped files.
    """
    found = [
        Entry(PREPARED, folder, folder_bytes(folder), _used_at(folder))
        for folder in _children(cache_dir)
        if _PREPARED_NAME.fullmatch(folder.name) and folder.is_dir()
    ]
    found += [
        Entry(INDEX, file, folder_bytes(file), _used_at(file))
        for file in _children(cache_dir / "met-index")
        if file.suffix == ".json"
    ]
    for folder in dict.fromkeys(map(Path, crop_folders)):
        for note in sorted(folder.glob(crop_note("*"))) if folder.is_dir() else ():
            crop = cropped_file(note)
            found.append(Entry(CROP, crop, folder_bytes(crop) + folder_bytes(note), _used_at(note)))
    return sorted(found, key=lambda entry: (entry.used_at, str(entry.path)))


def clear_cache(cache_dir: Path, entries: Sequence[Entry], *, limit_bytes: float = 0.0) -> Cleared:
    """Remove what was used least recently until the rest is no larger than a limit.

    What a living process has used since it began to use the folder stays, and so do cropped files
    that were used within a day. A run that needs something that was removed makes it again.

    Args:
        cache_dir: folder of prepared weather.
        entries: of :func:`cache_entries`.
        limit_bytes: what may stay; 0 removes all.
    """
    since = in_use_since(cache_dir)
    rest = sum(entry.nbytes for entry in entries)
    removed, in_use = list[Entry](), list[Entry]()
    for entry in entries:
        if rest <= limit_bytes:
            break
        earliest = time.time() - _CROP_REST_S if entry.kind == CROP else since
        if (earliest is not None and entry.used_at >= earliest) or not _remove(entry):
            in_use.append(entry)
            continue
        removed.append(entry)
        rest -= entry.nbytes
    return Cleared(tuple(removed), tuple(in_use))


def totals(entries: Iterable[Entry]) -> dict[str, dict[str, int]]:
    """Return number and bytes of each kind."""
    found = {kind: {"number": 0, "bytes": 0} for kind in (PREPARED, INDEX, CROP)}
    for entry in entries:
        found[entry.kind]["number"] += 1
        found[entry.kind]["bytes"] += entry.nbytes
    return found


def parse_size(text: str) -> float:
    """Return bytes of a text such as ``10GB`` or ``500 MB``.

    Raises:
        UsageError: it is none.
    """
    found = _SIZE.fullmatch(text)
    if found is None:
        raise UsageError(f"'{text}' is no size: write it like 500MB or 10GB.")
    return float(found[1]) * _FACTORS[found[2]]


def size_text(nbytes: float) -> str:
    """Write a size for a person."""
    for unit in ("GB", "MB", "kB"):
        if nbytes >= _FACTORS[unit]:
            return f"{nbytes / _FACTORS[unit]:.1f} {unit}"
    return f"{nbytes:.0f} B"


def to_dict(entry: Entry) -> dict[str, Any]:
    """Return an entry for JSON."""
    return {
        "kind": entry.kind,
        "path": str(entry.path),
        "bytes": entry.nbytes,
        "used_at": entry.used_at,
    }


def _remove(entry: Entry) -> bool:
    """Remove an entry; False when somebody is making or using it just now.

    It is renamed first, so that nobody finds a half of it.
    """
    path = entry.path
    lock = FileLock(
        f"{path}.lock" if entry.kind == PREPARED else path.with_name(f".{path.name}.lock")
    )
    try:
        if entry.kind != INDEX:
            lock.acquire(timeout=0)
        if _used_at_of(entry) > entry.used_at:
            return False
        if entry.kind == PREPARED:
            doomed = path.with_name(f".removed_{path.name}_{os.getpid()}")
            path.rename(doomed)
            shutil.rmtree(doomed, ignore_errors=True)
        else:
            if entry.kind == CROP:
                _note_of(path).unlink(missing_ok=True)
            path.unlink(missing_ok=True)
    except Timeout:
        return False
    except FileNotFoundError:
        return True
    except OSError:
        return False
    finally:
        if lock.is_locked:
            with suppress(OSError):
                Path(lock.lock_file).unlink(missing_ok=True)
            lock.release()
    return True


def _note_of(crop: Path) -> Path:
    return crop.with_name(crop_note(crop.name))


def _used_at_of(entry: Entry) -> float:
    return _used_at(_note_of(entry.path) if entry.kind == CROP else entry.path)


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _used_at(path: Path) -> float:
    """Date of the last use: of a folder that of its list of digests, which every use renews."""
    for each in (path / DIGESTS, path):
        with suppress(OSError):
            return each.stat().st_mtime
    return 0.0


def folder_bytes(path: Path) -> int:
    """Return the bytes of a file, or of all files below a folder; 0 when it is not there."""
    if path.is_file():
        with suppress(OSError):
            return path.stat().st_size
        return 0
    return sum(folder_bytes(child) for child in _children(path) if not child.is_symlink())
