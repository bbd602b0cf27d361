"""Find met files by name: the names that a window of time asks for, in a folder's tree.

A name only narrows the search. Which analyses a file holds is read from its index.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import pandas as pd

from stilt.meteorology.formats.stores import is_store
from stilt.roots import Place

AnyPlace = TypeVar("AnyPlace", Path, Place)

_UNFINISHED = ("~", ".partial", ".bad")
_CROP_NOTE = ".crop.json"
_WILDCARDS = frozenset("*?[")


def name_beginnings(
    pattern: str, start: pd.Timestamp, end: pd.Timestamp, interval: pd.Timedelta
) -> dict[str, list[pd.Timestamp]]:
    """Return what file names between two times begin with, in order, with the times they name.

    Args:
        pattern: strftime pattern.
        start: first time; it is moved back to a multiple of the interval.
        end: last time, included.
        interval: time covered by one file.
    """
    beginnings: dict[str, list[pd.Timestamp]] = {}
    for time in pd.date_range(start.floor(interval), end, freq=interval):
        beginnings.setdefault(time.strftime(pattern), []).append(time)
    return beginnings


def crop_note(name: str) -> str:
    """Return the name of the file that stands beside a cropped weather file and says of what."""
    return f".{name}{_CROP_NOTE}"


def cropped_file(note: Path) -> Path:
    """Return the cropped weather file beside which a note of :func:`crop_note` stands."""
    return note.with_name(note.name.removeprefix(".").removesuffix(_CROP_NOTE))


class FolderListing:
    """Names and paths of the regular files under a folder, read once; a Zarr store is one file.

    Files that are locked, unfinished or set aside (``*.lock``, ``*~``, ``*.partial``, ``*.bad``)
    and folders named ``*.lock`` are passed over, and so are files in lower folders that this
    program has cropped, which belong to another meteorology. Links are followed, and a file that
    is reached twice counts once. Case is ignored, since archives write ``jul23``
    where strftime writes ``Jul23``.
    """

    def __init__(self, folder: Path, exclude: Path | None = None) -> None:
        self._folder = folder
        self._exclude = exclude.resolve() if exclude else None
        rows = sorted(
            (path.name.casefold(), path.relative_to(folder).as_posix().casefold(), path)
            for path in self._walk()
        )
        self._names = [name for name, _, _ in rows]
        self._relative = [relative for _, relative, _ in rows]
        self._paths = [path for _, _, path in rows]
        self._resolved: dict[Path, Path] = {}

    def __len__(self) -> int:
        return len(self._paths)

    @cached_property
    def all_files(self) -> list[Path]:
        """Every file by name, links to the same file once."""
        return unique_files([self._real(path) for path in self._paths])

    def beginning_with(self, text: str) -> list[Path]:
        """Return files, links resolved, whose name begins with a text.

        The text may hold the wildcards ``* ? [ ]``, and ``/`` when folders are part of it.
        """
        text = text.casefold()
        if "/" in text or _WILDCARDS & set(text):
            fits = zip(self._paths, self._fits(text), strict=True)
            return [self._real(path) for path, ok in fits if ok]
        first = bisect_left(self._names, text)
        last = first
        while last < len(self._names) and self._names[last].startswith(text):
            last += 1
        return [self._real(path) for path in self._paths[first:last]]

    def _real(self, path: Path) -> Path:
        if path not in self._resolved:
            self._resolved[path] = path.resolve()
        return self._resolved[path]

    def _fits(self, text: str) -> Iterator[bool]:
        """Return whether each file's last path parts match a text with folders or wildcards."""
        depth = text.count("/") + 1
        for relative in self._relative:
            tail = relative.split("/")[-depth:]
            parts = text.split("/")
            parts[-1] += "*"
            yield len(tail) == depth and all(map(fnmatchcase, tail, parts))

    def _walk(self) -> Iterator[Path]:
        seen: set[str] = set()
        for root, folders, files in os.walk(self._folder, followlinks=True):
            real = os.path.realpath(root)
            if real in seen or (self._exclude and Path(real) == self._exclude):
                folders.clear()
                continue
            seen.add(real)
            if is_store(root):
                # Its files are parts of one, which stands for a file.
                folders.clear()
                yield Path(root)
                continue
            folders[:] = [name for name in folders if not name.endswith(".lock")]
            here = set(files) if Path(root) != self._folder else set()
            for name in files:
                path = Path(root, name)
                if crop_note(name) in here:
                    continue
                if ".lock" not in name and not name.endswith(_UNFINISHED) and path.is_file():
                    yield path


def unique_files(paths: list[AnyPlace]) -> list[AnyPlace]:
    """Return each file once, sorted by file name."""
    return sorted(set(paths), key=lambda path: (os.path.basename(path), str(path)))
