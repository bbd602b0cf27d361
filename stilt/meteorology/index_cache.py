"""Remembers the index of weather files, in memory and, if a folder is given, on disk."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from stilt.meteorology.arl import FileIndex, scan_file
from stilt.meteorology.grids import MetGrid
from stilt.meteorology.records import AnalysisRef

_FORMAT = 2


class IndexCache:
    """Indexes of weather files, scanned again only when a file's size or date has changed.

    Args:
        folder: where to keep them between runs; in memory alone when None.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._known: dict[str, tuple[str, FileIndex]] = {}

    def index_of(self, path: Path) -> FileIndex:
        """The index of a file; of a damaged file, the whole analyses before the damage."""
        name = str(path)
        identity = _identity(path)
        known = self._known.get(name)
        if known and known[0] == identity:
            return known[1]
        index = self._load(name, identity)
        if index is None:
            index = scan_file(path)
            if not index.damage:
                self._store(name, identity, index)
        self._known[name] = (identity, index)
        return index

    def _file(self, name: str) -> Path | None:
        if self._folder is None:
            return None
        return self._folder / f"{hashlib.sha256(name.encode()).hexdigest()[:24]}.json"

    def _load(self, name: str, identity: str) -> FileIndex | None:
        """The stored index, unless it is of another state of the file or cannot be read."""
        file = self._file(name)
        if file is None:
            return None
        try:
            stored = json.loads(file.read_text())
            if stored["format"] != _FORMAT or stored["identity"] != identity:
                return None
            return FileIndex(_refs_from_json(name, stored))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _store(self, name: str, identity: str, index: FileIndex) -> None:
        """Keep an index for later runs; a folder that cannot be written only costs time."""
        file = self._file(name)
        if file is None:
            return
        temporary = file.with_suffix(f".{os.getpid()}.{threading.get_ident()}.partial")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps(_refs_to_json(name, identity, index)))
            os.replace(temporary, file)
        except OSError:
            temporary.unlink(missing_ok=True)


def _identity(path: Path) -> str:
    try:
        stat = path.stat()
    except OSError:
        return ""
    return f"{stat.st_size}-{stat.st_mtime_ns}"


def _refs_to_json(name: str, identity: str, index: FileIndex) -> dict[str, Any]:
    grids: dict[MetGrid, int] = {}
    rows = []
    for ref in index.refs:
        number = grids.setdefault(ref.grid, len(grids))
        time = str(ref.time)
        rows.append(
            [time, ref.forecast_hour, ref.offset, ref.nbytes, number, ref.n_records, ref.content]
        )
    return {
        "format": _FORMAT,
        "path": name,
        "identity": identity,
        "grids": [asdict(grid) for grid in grids],
        "analyses": rows,
    }


def _refs_from_json(name: str, stored: dict[str, Any]) -> tuple[AnalysisRef, ...]:
    grids = [MetGrid(**{**grid, "levels": tuple(grid["levels"])}) for grid in stored["grids"]]
    return tuple(
        AnalysisRef(
            path=name,
            time=np.datetime64(time, "m"),
            forecast_hour=forecast_hour,
            offset=offset,
            nbytes=nbytes,
            grid=grids[grid],
            checksum=f"{stored['identity']}-{offset}",
            n_records=n_records,
            content=content,
        )
        for time, forecast_hour, offset, nbytes, grid, n_records, content in stored["analyses"]
    )
