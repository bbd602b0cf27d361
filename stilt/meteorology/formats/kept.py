"""Fields of an analysis as files on disk: crops of stores at URLs, and what memory cannot hold.

A crop is a folder with one ``.npy`` file for each field. It is there completely or not at all.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from stilt.locks import locked_if_possible
from stilt.meteorology.grids import MetGrid
from stilt.meteorology.records import AnalysisRef, RawAnalysis
from stilt.meteorology.used import in_use, note_use

SURFACE_FIELDS = frozenset(
    (
        "SHGT", "HGTS", "TERR", "PRSS", "TMPS", "T02M", "U10M", "V10M", "PBLH", "HPBL", "MXHT",
        "RGHS", "USTR", "TSTR", "EXCO", "UMOF", "VMOF", "SHTF", "HFLX", "LHTF", "WFLX", "TCLD",
        "LCLD", "DSWF", "PRT6", "TPP1", "TPP3", "TPP6", "TPPT", "TPPD", "TPPA", "CPP1", "CPP3",
        "CPP6", "CPPT", "CPPD", "CPPA",
    )
)  # fmt: skip
"""Every surface field that transport may read."""

UPPER_FIELDS = (
    "UWND", "VWND", "WWND", "DZDT", "TEMP", "THET", "SPHU", "RELH", "HGTS", "PRES", "TKEN", "UVAR",
    "VVAR", "WVAR",
)  # fmt: skip
"""Every field on levels that transport may read."""

_SURFACE, _UPPER = "surface_", "upper_"

Read = Callable[[AnalysisRef, Collection[str] | None], RawAnalysis]


def read_kept(ref: AnalysisRef, read: Read, variables: Collection[str] | None) -> RawAnalysis:
    """Read a part of an analysis from its crop on disk, which is created when all of it is read.

    Args:
        ref: the part; ``kept_in`` is the folder of crops.
        read: reads fields of the part from its source.
        variables: ARL names; None for all, which creates the crop.
    """
    folder = _folder(ref)
    if variables is not None and not folder.is_dir():
        return read(ref, variables)
    return _loaded(ref, _kept(ref, read), variables, mapped=False)


def open_kept(ref: AnalysisRef, read: Read) -> RawAnalysis:
    """Open the crop of a part, created now unless it exists; its fields are memory-mapped."""
    return _loaded(ref, _kept(ref, read), None, mapped=True)


def spooled(ref: AnalysisRef, read: Read, folder: Path) -> RawAnalysis:
    """Write all fields of a part to a folder, one after the other, and open them memory-mapped."""
    folder.mkdir(parents=True)
    _spool(ref, read, folder)
    return _loaded(ref, folder, None, mapped=True)


def on_all_levels(
    grid: MetGrid, parts: Sequence[RawAnalysis], scratch: Path | None
) -> dict[str, NDArray[np.float32]]:
    """Combine fields of parts that each have some of the levels; NaN where none has a value.

    Args:
        grid: with all levels that are kept.
        parts: on the same nodes.
        scratch: folder for fields that are too large for memory; None keeps them in memory.
    """
    fields: dict[str, NDArray[np.float32]] = {}
    place = {level: number for number, level in enumerate(grid.levels)}
    for raw in parts:
        held = [k for k, level in enumerate(raw.grid.levels) if level in place]
        target = [place[raw.grid.levels[k]] for k in held]
        for name, field in raw.upper.items():
            if name not in fields:
                shape = (grid.n_levels, *field.shape[1:])
                if scratch is None:
                    fields[name] = np.empty(shape, np.float32)
                else:
                    fields[name] = open_memmap(
                        scratch / f"{_UPPER}{name}.npy", "w+", np.float32, shape
                    )
                fields[name][:] = np.nan
            for source, level in zip(held, target, strict=True):
                fields[name][level] = field[source]
    return fields


def _kept(ref: AnalysisRef, read: Read) -> Path:
    """Return the crop of a part, created now unless it exists."""
    folder = _folder(ref)
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked_if_possible(f"{folder}.lock"):
            if not folder.is_dir():
                with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".making_") as scratch:
                    made = Path(scratch) / "fields"
                    made.mkdir()
                    _spool(ref, read, made)
                    with suppress(OSError):  # without locks, another process may be faster
                        made.rename(folder)
    note_use(folder)
    return folder


def _folder(ref: AnalysisRef) -> Path:
    source = [ref.path, ref.format, str(ref.time), ref.forecast_hour, ref.offset, ref.content]
    identity = repr([*source, ref.crop, ref.grid.key()])
    stamp = str(ref.time).replace(":", "").replace("-", "")
    digest = hashlib.sha256(identity.encode()).hexdigest()[:20]
    return Path(ref.kept_in) / f"{stamp}_{digest}"


def _spool(ref: AnalysisRef, read: Read, folder: Path) -> None:
    """Write every field of a part, those on levels one after the other."""
    groups: list[Collection[str]] = [SURFACE_FIELDS]
    if ref.grid.levels:
        groups += [{name} for name in UPPER_FIELDS]
    for group in groups:
        # HGTS is the height of the ground in some files and of the levels in others.
        raw = read(ref, {name for name in group if not (folder / f"{_UPPER}{name}.npy").exists()})
        for beginning, fields in ((_SURFACE, raw.surface), (_UPPER, raw.upper)):
            for name, field in fields.items():
                np.save(folder / f"{beginning}{name}.npy", field)
        del raw


def _loaded(
    ref: AnalysisRef, folder: Path, variables: Collection[str] | None, *, mapped: bool
) -> RawAnalysis:
    fields: dict[str, dict[str, NDArray[np.float32]]] = {_SURFACE: {}, _UPPER: {}}
    with in_use(folder):
        for file in sorted(folder.glob("*.npy")):
            beginning = next(each for each in fields if file.name.startswith(each))
            name = file.stem.removeprefix(beginning)
            small = name in ("HYBA", "HYBB")
            if variables is None or name in variables or small:
                is_mapped = mapped and beginning == _UPPER and not small
                fields[beginning][name] = np.load(file, mmap_mode="r" if is_mapped else None)
    return RawAnalysis(ref.time, ref.grid, ref.forecast_hour, fields[_SURFACE], fields[_UPPER])
