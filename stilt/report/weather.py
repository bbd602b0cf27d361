"""How far the weather files cover the hours that a project's receptors need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from stilt.errors import StiltError

if TYPE_CHECKING:
    from stilt.meteorology.catalogue import MetCatalogue
    from stilt.model import Model

MOST_WINDOWS = 3000
HOUR = np.timedelta64(1, "h")


@dataclass(frozen=True)
class MetCover:
    """How far one meteorology covers the hours that receptors need.

    Attributes:
        name: of the meteorology.
        where: its folders or URLs.
        hours: all whole hours that some receptor needs, ascending.
        covered: of each hour, whether the weather there is now holds it.
        files: weather files that would be used.
        problems: one sentence on windows that cannot be computed for each reason, with the number
            of these windows.
        left_out: windows that were not looked at, of very many.
    """

    name: str
    where: str
    hours: npt.NDArray[np.datetime64]
    covered: npt.NDArray[np.bool_]
    files: int
    problems: dict[str, int]
    left_out: int


def weather_cover(model: Model, times: pd.Series) -> list[MetCover]:
    """Return how far the weather covers what receptors need, without reading fields.

    Args:
        model: the project.
        times: of the receptors, naive UTC.
    """
    from stilt.meteorology.nest import catalogue_of

    try:
        config = model.config
    except FileNotFoundError:
        return []
    span = pd.Timedelta(hours=config.n_hours)
    distinct = np.unique(times.dropna().to_numpy("datetime64[s]"))
    picked = distinct
    if len(distinct) > MOST_WINDOWS:
        numbers = np.unique(np.linspace(0, len(distinct) - 1, MOST_WINDOWS).astype(int))
        picked = distinct[numbers]
    windows = [tuple(sorted((pd.Timestamp(t), pd.Timestamp(t) + span))) for t in picked]
    found = []
    for name in config.simulated_mets:
        met = config.mets[name]
        places = met.directory if isinstance(met.directory, tuple) else (met.directory,)
        where = " and ".join(str(place) for place in places)
        try:
            catalogue = catalogue_of(config.mets, name, model.files.cache_dir)
            cover = _covered(catalogue, windows)
        except (StiltError, OSError) as error:
            hours = _hours_of(windows)
            cover = hours, np.zeros(len(hours), bool), 0, {str(error): len(windows)}
        found.append(MetCover(name, where, *cover, len(distinct) - len(picked)))
    return found


Windows = list[tuple[pd.Timestamp, ...]]


def _hours_of(windows: Windows) -> npt.NDArray[np.datetime64]:
    """Return the whole hours of all windows, both ends included."""
    parts = []
    for start, end in windows:
        first = np.datetime64(start, "h")
        last = np.datetime64(end.ceil("h"), "h")
        parts.append(np.arange(first, last + HOUR))
    return np.unique(np.concatenate(parts)) if parts else np.zeros(0, "datetime64[h]")


def _covered(
    catalogue: MetCatalogue, windows: Windows
) -> tuple[npt.NDArray[np.datetime64], npt.NDArray[np.bool_], int, dict[str, int]]:
    """Return hours, whether each is covered, the number of files, and what is wrong."""
    hours = _hours_of(windows)
    there: set[np.datetime64] = set()
    intervals: list[np.timedelta64] = []
    paths: set[str] = set()
    by_reason: dict[str, tuple[str, int]] = {}
    for start, end in windows:
        found = catalogue.assess(start, end)
        paths.update(str(ref.path) for ref in found.bracket.refs)
        there.update(ref.time.astype("datetime64[s]") for ref in found.bracket.refs)
        if found.bracket.interval is not None:
            intervals.append(found.bracket.interval)
        if found.error is not None:
            reason = str(found.error.reason)
            text, count = by_reason.get(reason, (found.error.detail, 0))
            by_reason[reason] = (text, count + 1)
    step = max(intervals, default=HOUR)
    covered = between(hours, np.array(sorted(there), "datetime64[s]"), step)
    return hours, covered, len(paths), dict(by_reason.values())


def between(
    hours: npt.NDArray[np.datetime64], times: npt.NDArray[np.datetime64], step: np.timedelta64
) -> npt.NDArray[np.bool_]:
    """Return which hours are times of analyses, or lie between two that are one step apart.

    Args:
        hours: to check.
        times: of the analyses, ascending.
        step: between neighbouring analyses without a gap.
    """
    if not times.size:
        return np.zeros(len(hours), bool)
    after = np.searchsorted(times, hours, side="left")
    exact = times[np.minimum(after, len(times) - 1)] == hours
    inside = (after > 0) & (after < len(times))
    gap = times[np.minimum(after, len(times) - 1)] - times[np.maximum(after - 1, 0)]
    return exact | (inside & (gap <= step))


def stretches(
    hours: npt.NDArray[np.datetime64], chosen: npt.NDArray[np.bool_]
) -> list[tuple[pd.Timestamp, pd.Timestamp]]:
    """Return first and last hour of each unbroken stretch of chosen hours."""
    picked = hours[chosen]
    if not picked.size:
        return []
    breaks = np.flatnonzero(np.diff(picked) > HOUR)
    firsts = picked[np.append(0, breaks + 1)]
    lasts = picked[np.append(breaks, len(picked) - 1)]
    return [(pd.Timestamp(a), pd.Timestamp(b)) for a, b in zip(firsts, lasts, strict=True)]
