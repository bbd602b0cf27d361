"""Prepared analyses on disk: made once, mapped into memory by all workers.

A folder's name carries a hash of everything that determines its content.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from stilt.digests import file_digest, is_intact
from stilt.locks import locked_if_possible
from stilt.meteorology.formats import open_analysis
from stilt.meteorology.prepare import (
    ARRAYS,
    PREPARATION_VERSION,
    PreparationOptions,
    PreparedAnalysis,
    levels_for,
    prepare_in_blocks,
    rows_of,
)
from stilt.meteorology.reach import is_large
from stilt.meteorology.records import AnalysisPair, AnalysisRef, RawAnalysis
from stilt.meteorology.used import in_use, note_use
from stilt.meteorology.weather_notes import WeatherNotes
from stilt.notices import notice
from stilt.roots import real_place
from stilt.timing import timed

logger = logging.getLogger(__name__)

_ROWS_LOOKED_AT = 40
_DIGESTS = "digests.json"
# NumPy parses the header of a file as Python, and CPython before 3.11.8 now and then fails when two
# threads parse at once (gh-106905: "AST constructor recursion depth mismatch").
_ONE_HEADER_AT_A_TIME = threading.Lock()


class PreparedStore:
    """Prepared analyses on disk, made when first asked for and shared by every process."""

    def __init__(self, directory: Path, read: Callable[[AnalysisRef], RawAnalysis]) -> None:
        """Keep arrays under ``directory``; ``read`` decodes an analysis that is not there yet."""
        self.directory = Path(directory)
        self._read = read

    def get(
        self,
        ref: AnalysisRef,
        options: PreparationOptions,
        pair: AnalysisPair | None = None,
    ) -> PreparedAnalysis:
        """Return the prepared analysis, memory-mapped, computed now if it has not been before.

        Args:
            ref: which one.
            options: settings.
            pair: see :func:`prepare`.
        """
        with timed("weather"):
            return self._get(ref, options, pair)

    def has(
        self, ref: AnalysisRef, options: PreparationOptions, pair: AnalysisPair | None = None
    ) -> bool:
        """Return whether the analysis that :meth:`get` would give has been prepared."""
        return (self.directory / self._key(ref, options, pair)).is_dir()

    def _get(
        self,
        ref: AnalysisRef,
        options: PreparationOptions,
        pair: AnalysisPair | None,
    ) -> PreparedAnalysis:
        folder = self.directory / self._key(ref, options, pair)
        if not _is_whole(folder):
            self.directory.mkdir(parents=True, exist_ok=True)
            with locked_if_possible(f"{folder}.lock"):
                if not _is_whole(folder):
                    self._make(folder, ref, options, pair)
        note_use(folder)
        with _ONE_HEADER_AT_A_TIME, in_use(folder):
            arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in ARRAYS}
        return PreparedAnalysis(**arrays)

    def _make(
        self,
        folder: Path,
        ref: AnalysisRef,
        options: PreparationOptions,
        pair: AnalysisPair | None,
    ) -> None:
        """Prepare an analysis; fields of a large grid are read from disk when they are needed."""
        levels = options.levels or levels_for(ref.grid, options.z_top_m)
        with tempfile.TemporaryDirectory(dir=self.directory, prefix=".reading_") as scratch:
            raw: dict[AnalysisRef, RawAnalysis] = {}
            for number, one in enumerate({ref, *(pair or ())}):
                if is_large(ref.grid):
                    raw[one] = open_analysis(one, Path(scratch) / str(number))
                else:
                    raw[one] = self._read(one)
            notes = WeatherNotes(self.directory)
            for part in _to_look_at(raw[ref]):
                notes.look(ref, part)
            read = pair and (raw[pair[0]], raw[pair[1]])
            self._write(folder, prepare_in_blocks(raw[ref], levels, options, read), ref.grid.ny)

    def _key(
        self,
        ref: AnalysisRef,
        options: PreparationOptions,
        pair: AnalysisPair | None,
    ) -> str:
        identity = [
            ARRAYS,
            PREPARATION_VERSION,
            ref.grid.key(),
            {name: value for name, value in asdict(options).items() if value is not None},
            *(
                [real_place(one.path), one.checksum, one.content, str(one.time)]
                for one in (ref, *(pair or ()))
            ),
        ]
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:20]
        return f"{str(ref.time).replace(':', '').replace('-', '')}_{digest}"

    def _write(self, folder: Path, blocks: Iterable[PreparedAnalysis], ny: int) -> None:
        """Write the arrays beside their final place, then rename the folder.

        Args:
            folder: the final place.
            blocks: of rows, from south to north.
            ny: how many rows there are.

        Damaged arrays are replaced; a process that has them mapped keeps its own.
        """
        with tempfile.TemporaryDirectory(dir=self.directory, prefix=".making_") as scratch:
            made = Path(scratch) / "arrays"
            made.mkdir()
            _save_blocks(made, blocks, ny)
            digests = {name: file_digest(made / f"{name}.npy") for name in ARRAYS}
            (made / _DIGESTS).write_text(json.dumps(digests))
            if os.path.lexists(folder):
                notice(
                    logger, "Prepared weather was damaged and has been computed again: %s", folder
                )
                folder.rename(Path(scratch) / "damaged")
            try:
                made.rename(folder)
            except OSError:
                # Where there are no locks, another process may have been faster.
                if not _is_whole(folder):
                    raise


def _save_blocks(folder: Path, blocks: Iterable[PreparedAnalysis], ny: int) -> None:
    """Write blocks of rows as one ``.npy`` file an array, as NumPy would write the whole."""
    with ExitStack() as files:
        open_files: dict[str, BinaryIO] = {}
        for block in blocks:
            for name in ARRAYS:
                rows = np.ascontiguousarray(getattr(block, name))
                if name not in open_files:
                    file = files.enter_context((folder / f"{name}.npy").open("wb"))
                    header = np.lib.format.header_data_from_array_1_0(rows)
                    header["shape"] = (ny, *rows.shape[1:])
                    np.lib.format.write_array_header_1_0(file, header)
                    open_files[name] = file
                rows.tofile(open_files[name])


def _is_whole(folder: Path) -> bool:
    """Return whether a folder holds every array as it was written.

    The arrays are read for this once in a process, and again after they have changed.
    """
    try:
        digests = json.loads((folder / _DIGESTS).read_bytes())
        return all(is_intact(folder / f"{name}.npy", digests[name]) for name in ARRAYS)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return False
    except (ValueError, KeyError, TypeError, AttributeError):
        return False


def _to_look_at(raw: RawAnalysis) -> Iterator[RawAnalysis]:
    """What is looked at for odd values: of a large grid the surface, and levels in some rows."""
    if not is_large(raw.grid):
        yield raw
        return
    yield replace(raw, upper={})
    rows = slice(0, None, max(1, raw.grid.ny // _ROWS_LOOKED_AT))
    heat = ("DSWF", "SHTF", "HFLX")
    surface = {name: values for name, values in raw.surface.items() if name not in heat}
    yield rows_of(replace(raw, surface=surface), rows)
