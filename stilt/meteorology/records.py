"""What the reader of met files returns: a reference to one analysis in a file, and its fields."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stilt.meteorology.grids import MetGrid


@dataclass(frozen=True)
class AnalysisRef:
    """One valid time inside one ARL file: cheap to keep, to sort and to send to a worker.

    Attributes:
        path: the file.
        time: valid time, minute precision, UTC.
        forecast_hour: hours since the forecast began, 0 for an analysis.
        offset: byte at which the period's first index record starts.
        nbytes: bytes of the whole period, index included.
        grid: horizontal grid and levels.
        checksum: cheap identity of the bytes: file size, modification time and offset.
        n_records: data records in the period, index records not counted.
        content: digest of the period's index, which holds a checksum of every field, and of some
            labels; the same after the file was copied or touched. Of a cropped analysis, that of
            the analysis it was cropped from.
    """

    path: str
    time: np.datetime64
    forecast_hour: int
    offset: int
    nbytes: int
    grid: MetGrid
    checksum: str
    n_records: int
    content: str = ""


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
