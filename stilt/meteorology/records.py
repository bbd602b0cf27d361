"""What readers of met files return: references to the analyses in files, and the fields of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stilt.meteorology.grids import MetGrid

Window = tuple[np.datetime64, np.datetime64]
"""First and last time that is asked for."""


@dataclass(frozen=True)
class Crop:
    """The part of a grid that is kept; columns may pass the seam of a global grid.

    Attributes:
        column, row: first node kept, counted from zero along x and y of the whole grid.
        columns, rows: how many nodes are kept.
        levels: how many levels are kept, from the ground up.
        of_columns, of_rows: nodes of the whole grid.
    """

    column: int
    columns: int
    row: int
    rows: int
    levels: int
    of_columns: int
    of_rows: int


class Message(NamedTuple):
    """Where a GRIB file has one field of an analysis.

    Attributes:
        name: of the field in the table of its product.
        level: index among the levels of the grid, from the ground up; -1 at the surface.
        offset: first byte of the message.
        nbytes: bytes of the message.
        number: of the field in the message, from 0; NCEP puts both components of the wind in one.
        step_type: "instant", "accum" (an amount) or "avg" (a mean).
        start, end: minutes since the forecast began between which an amount or a mean is taken.
    """

    name: str
    level: int
    offset: int
    nbytes: int
    number: int = 0
    step_type: str = "instant"
    start: int = 0
    end: int = 0


@dataclass(frozen=True)
class AnalysisRef:
    """One valid time in a weather file: cheap to keep, to sort and to send to a worker.

    What one file holds may be a part of an analysis only, such as its surface fields; then
    ``parts`` of the whole one refers to each of them.

    Attributes:
        path: the file, or the first of several; a path or a URL.
        time: valid time, minute precision, UTC; NaT for fields that are the same at all times.
        forecast_hour: hours since the forecast began, 0 for an analysis.
        offset: where the analysis is in the file: the byte at which it starts in an ARL file,
            else whatever the format counts.
        nbytes: bytes of the analysis in an ARL file, index included.
        grid: horizontal grid and levels, cropped if ``crop`` is set; a part without levels has
            none in its grid.
        checksum: cheap identity of the bytes: file size, modification time and offset.
        n_records: data records of the analysis in an ARL file, index records not counted.
        content: digest of what the analysis holds, the same after the file was copied or touched.
            Of a cropped analysis, that of the analysis it was cropped from.
        format: how the file is written, a name of :mod:`stilt.meteorology.formats`.
        parts: what the files of an analysis in several files contribute; else empty.
        crop: the part of the file's grid that is read; None for all of it.
        messages: where the fields are in a GRIB file.
        earlier: surface fields of an earlier hour of the same forecast, by which amounts and means
            since then are known; see :mod:`stilt.meteorology.formats.step_ranges`.
        kept_in: folder that keeps what was read of a store at a URL; "" where nothing is kept.
    """

    path: str
    time: np.datetime64
    forecast_hour: int
    offset: int
    nbytes: int
    grid: MetGrid
    checksum: str
    n_records: int = 0
    content: str = ""
    format: str = "arl"
    parts: tuple[AnalysisRef, ...] = ()
    crop: Crop | None = None
    messages: tuple[Message, ...] = ()
    earlier: AnalysisRef | None = None
    kept_in: str = ""

    @property
    def paths(self) -> tuple[str, ...]:
        """All files that hold a part of the analysis."""
        held = [one.path for part in self.parts for one in (part, part.earlier) if one is not None]
        return tuple(dict.fromkeys(held)) or (self.path,)


@dataclass(frozen=True)
class FieldNames:
    """Fields of an analysis by their ARL names, each once, in the order of the files."""

    surface: tuple[str, ...]
    upper: tuple[str, ...]


@dataclass(frozen=True)
class FileIndex:
    """What a weather file holds and, if it is damaged, one sentence about the damage."""

    refs: tuple[AnalysisRef, ...]
    damage: str = ""


AnalysisPair = tuple[AnalysisRef, AnalysisRef]
"""Two analyses in the order in which a run meets them."""


@dataclass(frozen=True)
class RawAnalysis:
    """The decoded fields of one valid time.

    Attributes:
        time: valid time, minute precision, UTC.
        grid: horizontal grid and levels.
        forecast_hour: hours since the forecast began.
        surface: float32 fields of shape (ny, nx) by variable name without blanks.
        upper: float32 fields of shape (n_levels, ny, nx), bottom-up, NaN on levels that do not
            carry the variable.
    """

    time: np.datetime64
    grid: MetGrid
    forecast_hour: int
    surface: dict[str, NDArray[np.float32]]
    upper: dict[str, NDArray[np.float32]]
