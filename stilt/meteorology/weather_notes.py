"""Remember what looks wrong in weather files, and warn once for each file and field.

A note is a small file beside the prepared analyses; whoever creates it says it. A file that is
replaced gets notes of its own.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from stilt.errors import MeteorologyError
from stilt.meteorology.arl_format import minute_text
from stilt.meteorology.formats import read_analysis
from stilt.meteorology.formats.stores import is_store
from stilt.meteorology.plausibility import (
    implausible,
    sine_of_highest_sun,
    sine_of_sun_elevation,
)
from stilt.meteorology.records import AnalysisRef, RawAnalysis
from stilt.roots import is_url, real_place

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Note:
    """One field of one file that cannot be right."""

    path: str
    time: str
    field: str
    text: str


class WeatherNotes:
    """Notes on weather files.

    Args:
        cache_dir: folder of the prepared analyses.
    """

    def __init__(self, cache_dir: Path) -> None:
        self._folder = Path(cache_dir) / "met-notes"

    def look(self, ref: AnalysisRef, raw: RawAnalysis) -> None:
        """Look for implausible values in an analysis, and warn of those that are new."""
        if new := self._keep(ref, raw):
            logger.warning("%s", _sentence(ref.path, new))

    def look_at_files(self, refs: Iterable[AnalysisRef]) -> list[tuple[AnalysisRef, str]]:
        """Look at one analysis of each file, that which tells most, unless that was done.

        It is that with the most sun, and of a night that after the longest darkness. What is odd is
        noted; see :meth:`of`. Stores at URLs are passed over: no more is read than a run needs.

        Returns:
            The analyses that cannot be used, each with a sentence that says why.
        """
        chosen: dict[str, AnalysisRef] = {}
        for ref in refs:
            if is_url(ref.path):
                continue
            if ref.path not in chosen or _worth(ref) > _worth(chosen[ref.path]):
                chosen[ref.path] = ref
        unusable = []
        for path, ref in chosen.items():
            looked = self._folder / f"{_key(path, _identity(ref))}.looked"
            if looked.exists():
                continue
            try:
                self._keep(ref, read_analysis(ref))
                self._folder.mkdir(parents=True, exist_ok=True)
                looked.touch()
            except MeteorologyError as problem:
                unusable.append((ref, str(problem)))
            except OSError as problem:
                logger.debug("%s was not checked: %s", path, problem)
        return unusable

    def of(self, paths: Iterable[str]) -> dict[str, str]:
        """Return a sentence for each of these files that has notes."""
        names = self.names()
        found = {}
        for path in dict.fromkeys(paths) if names else ():
            try:
                key = _key(path, _state(path))
            except OSError:
                continue
            found.update(self.sentences(name for name in names if name.startswith(key)))
        return found

    def names(self) -> list[str]:
        """Return the names of all notes that there are."""
        try:
            names = sorted(entry.name for entry in os.scandir(self._folder))
        except OSError:
            return []
        return [name for name in names if name.endswith(".json")]

    def sentences(self, names: Iterable[str]) -> dict[str, str]:
        """Return a sentence for each file that these notes are on, by its path."""
        notes: dict[str, list[_Note]] = {}
        for name in names:
            try:
                note = _Note(**json.loads((self._folder / name).read_text()))
            except (OSError, ValueError, TypeError):
                # Someone is writing it now, and says it.
                continue
            notes.setdefault(note.path, []).append(note)
        return {path: _sentence(path, each) for path, each in notes.items()}

    def _keep(self, ref: AnalysisRef, raw: RawAnalysis) -> list[_Note]:
        """Note what is implausible; return what was not known before."""
        new = []
        for finding in implausible(raw):
            note = _Note(ref.path, minute_text(raw.time), finding.field, finding.text)
            file = self._folder / f"{_key(ref.path, _identity(ref))}_{finding.field}.json"
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                with file.open("x") as handle:
                    handle.write(json.dumps(asdict(note)))
            except FileExistsError:
                continue
            except OSError as problem:
                logger.debug("%s cannot be written: %s", file, problem)
            new.append(note)
        return new


def _sentence(path: str, notes: Sequence[_Note]) -> str:
    said = "; ".join(f"at {note.time} {note.text}" for note in notes)
    return f"The weather file {path} looks wrong: {said}. It is used as it is."


def _key(path: str, identity: str) -> str:
    return hashlib.sha256(f"{real_place(path)} {identity}".encode()).hexdigest()[:20]


def _state(path: str) -> str:
    """Size and date of a file; "" of a store, whose notes stay."""
    if is_store(path):
        return ""
    stat = os.stat(path)
    return f"{stat.st_size}-{stat.st_mtime_ns}"


def _identity(ref: AnalysisRef) -> str:
    """Return the size and date of the file of an analysis; see :func:`_state`."""
    if is_store(ref.path):
        return ""
    part = next((part for part in ref.parts if part.path == ref.path), ref)
    return part.checksum.rsplit("-", 1)[0]


def _worth(ref: AnalysisRef) -> tuple[float, float]:
    """Return how much an analysis tells by the sun in the middle of its grid, as a sorting key."""
    middle = ref.grid.to_lonlat(0.5 * (ref.grid.nx - 1), 0.5 * (ref.grid.ny - 1))
    now = float(sine_of_sun_elevation(ref.time, *middle))
    return max(now, 0.0), -float(sine_of_highest_sun(ref.time, *middle))
