"""Remember the index of weather files, in memory and, if a folder is given, on disk."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from stilt.meteorology.formats import scan_file, scan_store
from stilt.meteorology.formats.stores import is_store
from stilt.meteorology.grids import MetGrid
from stilt.meteorology.records import AnalysisRef, FileIndex, Message, Window
from stilt.meteorology.rotated_grid import grid_from
from stilt.notices import notice
from stilt.roots import Place

logger = logging.getLogger(__name__)

_FORMAT = 7
_KEPT = ("forecast_hour", "offset", "nbytes", "checksum", "n_records", "content", "format")


class IndexCache:
    """Indexes of weather files, scanned again only when a file's size or dates have changed.

    Args:
        folder: where to keep them between runs; in memory alone when None.
        form: format of the files, or ``auto``.
    """

    def __init__(self, folder: Path | None = None, form: str = "arl") -> None:
        self._folder = folder
        self._form = form
        self._known: dict[str, tuple[str, FileIndex]] = {}

    def index_of(self, path: Place, window: Window | None = None) -> FileIndex:
        """Return the index of a file; of a damaged file, the whole analyses before the damage.

        Args:
            path: the file, or a Zarr store, which is looked into each time.
            window: times that are asked for of a store; None lists all of them, without what
                tells their content, which would be asked for one by one.
        """
        name = str(path)
        if is_store(path):
            return scan_store(name, self._form, window)
        path = Path(path)
        identity = _identity(path)
        known = self._known.get(name)
        if known and known[0] == identity:
            return known[1]
        index = self._load(name, identity)
        if index is None:
            index = scan_file(name, self._form)
            if not index.damage:
                self._store(name, identity, index)
        self._known[name] = (identity, index)
        return index

    def _file(self, name: str) -> Path | None:
        if self._folder is None:
            return None
        digest = hashlib.sha256(f"{self._form} {name}".encode()).hexdigest()
        return self._folder / f"{digest[:24]}.json"

    def _load(self, name: str, identity: str) -> FileIndex | None:
        """Return the stored index, unless the file has changed or the index is unreadable."""
        file = self._file(name)
        if file is None:
            return None
        try:
            digest, _, text = file.read_bytes().partition(b"\n")
        except OSError:
            return None
        # With this digest it is as it was written, and needs no further check.
        if digest != _digest(text):
            return None
        stored = json.loads(text)
        if (stored["format"], stored["path"], stored["identity"]) != (_FORMAT, name, identity):
            return None
        return FileIndex(_refs_from_json(name, stored))

    def _store(self, name: str, identity: str, index: FileIndex) -> None:
        """Keep an index for later runs; a folder that cannot be written only costs time."""
        file = self._file(name)
        if file is None:
            return
        temporary = file.with_suffix(f".{os.getpid()}.{threading.get_ident()}.partial")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps(_refs_to_json(name, identity, index)).encode()
            temporary.write_bytes(_digest(text) + b"\n" + text)
            os.replace(temporary, file)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink()
            if isinstance(error, FileExistsError | NotADirectoryError):
                _say_not_kept(file.parent)


@cache
def _say_not_kept(folder: Path) -> None:
    """Say once in a process that a file is where the folder should be."""
    notice(
        logger,
        "Indexes of weather files are not kept for the next run: %s is not a folder; remove it.",
        folder,
    )


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest().encode()


def _identity(path: Path) -> str:
    """Return what changes with a file's content, even if its date of change is set back."""
    try:
        stat = path.stat()
    except OSError:
        return ""
    return f"{stat.st_size}-{stat.st_mtime_ns}-{stat.st_ctime_ns}"


def _refs_to_json(name: str, identity: str, index: FileIndex) -> dict[str, Any]:
    grids: dict[MetGrid, int] = {}
    rows = []
    for ref in index.refs:
        number = grids.setdefault(ref.grid, len(grids))
        kept = (getattr(ref, field) for field in _KEPT)
        rows.append([str(ref.time), number, ref.messages, *kept])
    return {
        "format": _FORMAT,
        "path": name,
        "identity": identity,
        "grids": [asdict(grid) for grid in grids],
        "analyses": rows,
    }


def _refs_from_json(name: str, stored: dict[str, Any]) -> tuple[AnalysisRef, ...]:
    grids = [grid_from({**grid, "levels": tuple(grid["levels"])}) for grid in stored["grids"]]
    refs = []
    for time, number, messages, *kept in stored["analyses"]:
        fields = dict(zip(_KEPT, kept, strict=True))
        fields["messages"] = tuple(Message(*each) for each in messages)
        refs.append(AnalysisRef(name, np.datetime64(time, "m"), grid=grids[number], **fields))
    return tuple(refs)
