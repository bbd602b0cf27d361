"""Formats of weather files: each lists the analyses of a file, and reads one of them.

A format is chosen by its name in config.yaml (``format: era5``), or by the import path of the
user's own class (``format: mypackage.weather.MyFormat``); see :class:`WeatherFormat`.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeGuard, cast, runtime_checkable

import numpy as np

from stilt.errors import ConfigValidationError, MeteorologyError, Reason
from stilt.meteorology.formats.grib_messages import is_grib
from stilt.meteorology.formats.hybrid import HYBRID_A, HYBRID_B, with_pressure
from stilt.meteorology.formats.kept import on_all_levels, open_kept, read_kept, spooled
from stilt.meteorology.formats.rivals import refuse_rivals
from stilt.meteorology.gaps import without_empty
from stilt.meteorology.records import AnalysisRef, FieldNames, FileIndex, RawAnalysis, Window

if TYPE_CHECKING:
    from stilt.meteorology.formats.dataset import DatasetFormat

FORMATS = {
    "arl": "arl_files.ArlFormat",
    "era5": "era5.Era5Format",
    "gfs": "ncep.GfsFormat",
    "hrrr": "ncep.HrrrFormat",
    "wrf": "wrf.WrfFormat",
    "wrf-instantaneous": "wrf.WrfInstantaneousFormat",
    "cf": "cf.CFFormat",
}
"""Formats of this package: name in config.yaml, and class in a module of this package."""

AUTO = "auto"
"""Every file is inspected, and read by the format that recognises it."""


class WeatherFormat(Protocol):
    """Reads weather files of one kind; created without arguments, once in a process."""

    def recognises(self, path: str) -> bool:
        """Return whether a file looks like this format, by its first bytes or its metadata."""

    def scan(self, path: str) -> FileIndex:
        """List what a file holds, without reading fields; see :class:`AnalysisRef`.

        Damage is described in the index and not raised. Analyses of one time are distinguished by
        ``forecast_hour``. Files that each hold a part of an analysis, one of them its levels, are
        combined by their times.
        """

    def read(self, ref: AnalysisRef, variables: Collection[str] | None = None) -> RawAnalysis:
        """Read what one file holds of an analysis, cropped as the reference says.

        Args:
            ref: one of :meth:`scan`.
            variables: ARL names to read; every variable when None.

        Returns:
            Fields by ARL name, in ARL units, the levels from the ground up, rows from south to
            north and columns from west to east (or along the grid's own axes).

        Raises:
            MeteorologyError: DAMAGED_MET_FILE when the file is not what the index promised.
        """


@runtime_checkable
class ListsFields(Protocol):
    """A format that can list the fields of an analysis without reading them."""

    def fields(self, ref: AnalysisRef) -> FieldNames:
        """Return the names of what :meth:`WeatherFormat.read` would give of one file."""


@cache
def weather_format(name: str) -> WeatherFormat:
    """Return the format with a name, or at an import path.

    Raises:
        ConfigValidationError: there is none, or it lacks a method of a format.
    """
    where = FORMATS.get(name)
    module, _, attribute = (f"{__name__}.{where}" if where else name).rpartition(".")
    if not module:
        raise ConfigValidationError(
            f"Unknown weather format '{name}': known are {', '.join([*FORMATS, AUTO])}, or the "
            "import path of a class (package.module.Class)."
        )
    try:
        made = getattr(import_module(module), attribute)()
    except (ImportError, AttributeError, TypeError) as error:
        how = "; put the folder of your module on PYTHONPATH, or install it"
        raise ConfigValidationError(
            f"The weather format '{name}' cannot be used: {error}"
            f"{how if isinstance(error, ImportError) else ''}."
        ) from error
    missing = [verb for verb in ("recognises", "scan", "read") if not hasattr(made, verb)]
    if missing:
        raise ConfigValidationError(
            f"The weather format '{name}' has no {' and no '.join(missing)}: see "
            "stilt.meteorology.formats.WeatherFormat."
        )
    return cast(WeatherFormat, made)


def format_of(path: str) -> str | None:
    """Return the name of the format of this package that recognises a file; None for none."""
    return next((name for name in FORMATS if weather_format(name).recognises(path)), None)


def scan_file(path: str, form: str) -> FileIndex:
    """List what a file holds; nothing if it is no weather file.

    Args:
        path: the file.
        form: name of its format, or ``auto``.
    """
    with _turn(path, form):
        name = format_of(path) if form == AUTO else form
        found = _unrecognised(path) if name is None else weather_format(name).scan(path)
    if name is None or name in FORMATS:
        return found
    # A format of the user's own is read by the class that has listed it.
    return replace(found, refs=tuple(replace(ref, format=name) for ref in found.refs))


def _unrecognised(path: str) -> FileIndex:
    """Return an index without analyses; for GRIB, which no format takes, with the reason."""
    return FileIndex((), weather_format("era5").scan(path).damage if is_grib(path) else "")


def scan_store(path: str, form: str, window: Window | None) -> FileIndex:
    """List what a Zarr store holds in a window of time; without one, all times but no content."""
    name = format_of(path) if form == AUTO else form
    chosen = weather_format(name or "era5")
    if not _reads_datasets(chosen):
        return FileIndex(
            (),
            f"The weather store {path} cannot be read as format: {name}; Zarr stores are era5 or "
            "cf.",
        )
    index = chosen.scan(path, window)
    if name is None and not index.damage:
        return FileIndex((), f"The weather store {path} is in none of the known formats.")
    return index


def read_analysis(ref: AnalysisRef, variables: Collection[str] | None = None) -> RawAnalysis:
    """Read one analysis, from all files that hold a part of it.

    Args:
        ref: which analysis of which file, or files.
        variables: ARL names to read; every variable when None.

    Raises:
        MeteorologyError: DAMAGED_MET_FILE when a file is not what the index promises.
    """
    wanted = None if variables is None else {*variables, "PRSS"}
    return with_pressure(_joined(ref, [_read(part, wanted) for part in ref.parts or (ref,)]))


def open_analysis(ref: AnalysisRef, scratch: Path) -> RawAnalysis:
    """Open one analysis that is too large for memory; fields are memory-mapped where they can be.

    Args:
        ref: which analysis of which file, or files.
        scratch: folder for the fields, which must stay while they are used.

    Returns:
        The analysis, with the coefficients of hybrid levels in place of PRES.
    """
    read = []
    for number, part in enumerate(ref.parts or (ref,)):
        form = weather_format(part.format)
        with _turn(part.path, part.format):
            if part.kept_in:
                read.append(open_kept(part, form.read))
            elif part.format in FORMATS and part.format != "arl":
                # A format of the user's own may read all fields to return one.
                read.append(spooled(part, form.read, scratch / str(number)))
            else:
                read.append(form.read(part))
    return _joined(ref, read, scratch)


def _reads_datasets(form: WeatherFormat) -> TypeGuard[DatasetFormat]:
    """Return whether xarray opens the files of a format."""
    from stilt.meteorology.formats.dataset import DatasetFormat

    return isinstance(form, DatasetFormat)


_ONE_READER = threading.RLock()


def _turn(path: str, form: str) -> AbstractContextManager[object]:
    """Return a lock to hold while a file is read: netCDF and HDF5 fail in two threads at once."""
    return nullcontext() if form == "arl" or not Path(path).is_file() else _ONE_READER


def _read(part: AnalysisRef, variables: Collection[str] | None) -> RawAnalysis:
    form = weather_format(part.format)
    with _turn(part.path, part.format):
        raw = read_kept(part, form.read, variables) if part.kept_in else form.read(part, variables)
    if part.format not in FORMATS:
        _require_shapes(part, raw)
    return raw


def _require_shapes(ref: AnalysisRef, raw: RawAnalysis) -> None:
    """Refuse fields of other shapes than the grid of an analysis.

    Raises:
        MeteorologyError: a format of the user's own has not read the part that was asked for.
    """
    shape = (ref.grid.ny, ref.grid.nx)
    for name, field in (*raw.surface.items(), *raw.upper.items()):
        if np.shape(field)[-2:] != shape:
            raise MeteorologyError(
                f"The weather format '{ref.format}' gave {name} of {ref.path} with "
                f"{' x '.join(map(str, np.shape(field)[-2:]))} rows and columns where "
                f"{' x '.join(map(str, shape))} were asked for: its read must return the part that "
                "the crop of the reference names.",
                reason=Reason.DAMAGED_MET_FILE,
            )


def _joined(
    ref: AnalysisRef, parts: Sequence[RawAnalysis], scratch: Path | None = None
) -> RawAnalysis:
    refuse_rivals(ref, parts)
    surface = {name: field for raw in parts for name, field in raw.surface.items()}
    if all(raw.grid.levels in ((), ref.grid.levels) for raw in parts):
        upper = {name: field for raw in parts for name, field in raw.upper.items()}
    else:
        upper = on_all_levels(ref.grid, parts, scratch)
    return RawAnalysis(ref.time, ref.grid, ref.forecast_hour, without_empty(surface), upper)


def field_names(ref: AnalysisRef) -> FieldNames:
    """Return the names of an analysis's fields, from all files that hold a part of it.

    Where a format cannot list them, the analysis is read.

    Raises:
        MeteorologyError: DAMAGED_MET_FILE when a file is not what the index promises.
    """
    found = [_field_names(part) for part in ref.parts or (ref,)]
    surface = dict.fromkeys(name for each in found for name in each.surface)
    upper = dict.fromkeys(
        "PRES" if name == HYBRID_A else name
        for each in found
        for name in each.upper
        if name != HYBRID_B
    )
    return FieldNames(tuple(surface), tuple(upper))


def _field_names(part: AnalysisRef) -> FieldNames:
    form = weather_format(part.format)
    if isinstance(form, ListsFields):
        with _turn(part.path, part.format):
            return form.fields(part)
    raw = _read(part, None)
    return FieldNames(tuple(raw.surface), tuple(raw.upper))
