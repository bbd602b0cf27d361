"""Time bins, and which layers fall into them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from stilt.errors import UsageError
from stilt.receptors import parse_time

# Share of a footprint that may be left out, or counted in another hour, without a warning.
TOLERATED_SHARE = 0.1


def parse_bins(time_bins: Any) -> pd.IntervalIndex:
    """Read time bins as naive UTC intervals.

    Args:
        time_bins: an IntervalIndex, or the edges of adjacent bins, ascending; edges that are text
            are read as :func:`stilt.receptors.parse_time` reads times.

    Raises:
        UsageError: there are no bins, the edges do not ascend, or text that is not a time.
    """
    if isinstance(time_bins, (str, pd.Timestamp, pd.Timedelta)) or not np.iterable(time_bins):
        raise UsageError(
            f"Time bins are given by their edges, not by {str(time_bins)!r}: for bins of six hours "
            "pandas.date_range('2023-07-14', '2023-07-16', freq='6h')."
        )
    if isinstance(time_bins, pd.IntervalIndex):
        left, right = (_naive(pd.DatetimeIndex(side)) for side in (time_bins.left, time_bins.right))
    else:
        edges = _naive(pd.DatetimeIndex([_edge(edge) for edge in time_bins]))
        left, right = edges[:-1], edges[1:]
    if len(left) == 0 or not (right > left).all():
        raise UsageError("Time bins need at least two edges, each later than the one before.")
    return pd.IntervalIndex.from_arrays(left, right, closed="left")


def _edge(edge: Any) -> Any:
    return parse_time(edge).as_unit("us") if isinstance(edge, str) else edge


def _naive(times: pd.DatetimeIndex) -> pd.DatetimeIndex:
    return times.tz_convert("UTC").tz_localize(None) if times.tz is not None else times


def edges(bins: pd.IntervalIndex) -> tuple[np.ndarray, np.ndarray]:
    """Return the left and right edges of bins as datetime64, for :func:`membership`."""
    return bins.left.to_numpy("datetime64[ns]"), bins.right.to_numpy("datetime64[ns]")


def membership(stamps: np.ndarray, bins: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Return which layers (columns) are in which bins (rows): left <= stamp < right, boolean."""
    stamps = stamps.astype("datetime64[ns]")
    left, right = bins
    inside: np.ndarray = (stamps >= left[:, None]) & (stamps < right[:, None])
    return inside


def memberships(
    stamps: np.ndarray, bins: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return layer and bin of every membership, by layer; fast for bins that do not overlap."""
    # Integers compare several times as fast as datetimes.
    left, right = (side.view(np.int64) for side in bins)
    if np.all(left[1:] >= right[:-1]):
        at = stamps.astype("datetime64[ns]").view(np.int64)
        number = np.searchsorted(left, at, side="right") - 1
        layer = np.flatnonzero((number >= 0) & (at < right[number]))
        return layer, number[layer]
    layer, number = np.nonzero(membership(stamps, bins).T)
    return layer, number


def stamps_of_sums(
    stamps: np.ndarray,
    bins: tuple[np.ndarray, np.ndarray],
    n_hours: float | None,
    name_of: Callable[[int], str],
) -> np.ndarray:
    """Return stamps by which footprints that hold the sum of their hours fall into bins.

    Args:
        stamps: their layers' own, which are the receptors' times, datetime64, shape (layers,).
        bins: left and right edges.
        n_hours: how long particles were followed, negative backward; None where it is not known.
        name_of: which footprint a layer is of, for the sentence.

    Raises:
        UsageError: the hours of a footprint are not all in one bin, or that is not known.
    """
    left, right = bins
    at = stamps.astype("datetime64[ns]")
    if n_hours is None and left.size > 1 and at.size:
        raise UsageError(
            f"The footprint of {name_of(0)} holds the sum of its hours (time_integrate), which "
            "cannot be shared out among time bins: give one bin that holds them all, or use hourly "
            "footprints."
        )
    after = np.timedelta64(round((n_hours or 0.0) * 3_600_000_000_000), "ns")
    first, last = np.minimum(at, at + after)[:, None], np.maximum(at, at + after)[:, None]
    holds = (left <= first) & (last <= right)
    touched = holds if n_hours is None else (left < last) & (first < right)
    wrong = np.flatnonzero((touched & ~holds).any(axis=1))
    if wrong.size:
        begin, end = (
            pd.Timestamp(side[wrong[0], 0]).strftime("%Y-%m-%d %H:%M") for side in (first, last)
        )
        raise UsageError(
            f"The footprint of {name_of(int(wrong[0]))} holds the sum of its hours "
            f"(time_integrate), {begin} to {end} UTC, and a time bin ends among them: give bins "
            "that hold all hours of a footprint, or use hourly footprints."
        )
    placed = first[:, 0].copy()
    outside = ~holds.any(axis=1)
    placed[outside] = left.min() - np.timedelta64(1, "s")
    # A bin without its right edge, at which a backward run of no known length begins.
    at_edge = ~outside & ~membership(placed, bins).any(axis=0)
    placed[at_edge] = left[holds[at_edge].argmax(axis=1)]
    return placed


def crossing(
    stamps: np.ndarray, layer: np.ndarray, number: np.ndarray, bins: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """Return the layers whose hour ends after the bin that holds its start, ascending.

    Args:
        stamps: start of each layer, datetime64, shape (layers,).
        layer, number: memberships, as :func:`memberships` gives them.
        bins: left and right edges.
    """
    ends = stamps.astype("datetime64[ns]")[layer] + np.timedelta64(1, "h")
    return np.unique(layer[ends > bins[1][number]])


def warn_of_rows_outside(
    labels: Sequence[Any],
    inside: np.ndarray,
    outside_times: np.ndarray,
    bins: pd.IntervalIndex,
    stacklevel: int,
) -> None:
    """Warn of footprints that are in no time bin at all: rows of zeros in a Jacobian.

    Args:
        labels: of the rows.
        inside, outside_times: influence in the matrix and outside the bins, shape (rows,).
        bins: the time bins.
        stacklevel: as for :func:`warnings.warn`, of the caller.
    """
    lost = np.flatnonzero((inside == 0.0) & (outside_times > 0.0))
    if lost.size:
        span = f"{bins.left.min():%Y-%m-%d %H:%M} to {bins.right.max():%Y-%m-%d %H:%M} UTC"
        warnings.warn(
            f"{lost.size} of {len(inside)} rows of the Jacobian are zeros, because their influence "
            f"lies outside the time bins ({span}), as that of {labels[lost[0]]}: extend "
            "time_bins, or leave these measurements out.",
            stacklevel=stacklevel + 1,
        )


def warn_of_crossing(receptor_id: str, share: float, stacklevel: int) -> None:
    """Warn that hours of a footprint are not shared out among time bins."""
    warnings.warn(
        f"{share:.0%} of the influence of {receptor_id} is in hours that go on into the next time "
        "bin; each hour counts wholly in the bin that holds its start. Use bins whose edges are "
        "starts of the footprint's hours, or enhancement(flux), which shares hours out.",
        stacklevel=stacklevel + 1,
    )


def warn_of_target_elsewhere(what: str, stacklevel: int) -> None:
    """Warn of a target that has none of the influence within the time bins.

    Args:
        what: whose influence, such as "3 footprints".
        stacklevel: as for :func:`warnings.warn`, of the caller.
    """
    warnings.warn(
        f"None of the influence of {what} lies in the target's cells, so that all numbers are 0: "
        "are longitude and latitude exchanged, or is the target elsewhere?",
        stacklevel=stacklevel + 1,
    )
