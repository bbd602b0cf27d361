"""Combine analyses from files that each hold a part, such as levels or surface fields."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from stilt.meteorology.formats.step_ranges import with_earlier
from stilt.meteorology.records import AnalysisRef
from stilt.roots import Place

WHOLE = ("arl", "wrf", "wrf-instantaneous")
"""Formats whose files hold whole analyses."""

_Key = tuple[np.datetime64, int]


def merged(parts: Iterable[AnalysisRef], order: Sequence[Place] = ()) -> list[AnalysisRef]:
    """Return the analyses that parts of files make up, in the order of their times.

    Parts of one time and forecast hour belong together, and those without a time belong to all.
    Fields of several parts with levels on one grid are combined; parts on another horizontal grid
    than the levels' are left out. A time that has no levels, or lacks surface fields that other
    times have in separate files, is not an analysis.

    Args:
        parts: what files hold, in one format; those of formats in :data:`WHOLE` are not changed.
        order: files, folders or URLs; where several hold levels of one time, on different grids or
            levels, those of the first are used.
    """
    whole, by_time, always = list[AnalysisRef](), defaultdict[_Key, list[AnalysisRef]](list), []
    for part in with_earlier(list(parts)):
        if part.format in WHOLE:
            whole.append(part)
        elif np.isnat(part.time):
            always.append(part)
        else:
            by_time[part.time, part.forecast_hour].append(part)
    surface_elsewhere = any(not part.grid.levels for each in by_time.values() for part in each)
    for key in sorted(by_time):
        levels = [part for part in by_time[key] if part.grid.levels]
        ground = [part for part in by_time[key] if not part.grid.levels]
        if levels and (ground or not surface_elsewhere):
            first = min(_rank(part, order) for part in levels)
            grids = {part.grid for part in levels if _rank(part, order) == first}
            levels = [part for part in levels if part.grid in grids]
            whole.extend(_analysis(each, [*ground, *always]) for each in _alike(levels))
    return whole


def _alike(levels: Sequence[AnalysisRef]) -> list[list[AnalysisRef]]:
    """Return parts with levels, grouped by grid."""
    groups: dict[str, list[AnalysisRef]] = {}
    for part in levels:
        groups.setdefault(part.grid.key(), []).append(part)
    return list(groups.values())


def _rank(part: AnalysisRef, order: Sequence[Place]) -> int:
    """Return the number of the first place that holds a part."""
    for number, place in enumerate(order):
        if part.path == str(place) or part.path.startswith(f"{str(place).rstrip('/')}/"):
            return number
    return len(order)


def _analysis(levels: Sequence[AnalysisRef], others: Sequence[AnalysisRef]) -> AnalysisRef:
    grid = levels[0].grid
    fitting = [part for part in others if _same_nodes(part, levels[0])]
    parts = tuple(
        sorted((*levels, *fitting), key=lambda each: (not each.grid.levels, each.path, each.offset))
    )
    first = levels[0]
    if len(parts) == 1:
        return first
    digest = hashlib.sha256(" ".join(part.content for part in parts).encode()).hexdigest()
    # The part with the levels comes first: messages name its path.
    return replace(
        first,
        grid=grid,
        checksum="+".join(part.checksum for part in parts),
        content=digest[:16],
        parts=parts,
    )


def _same_nodes(part: AnalysisRef, other: AnalysisRef) -> bool:
    return part.grid == replace(other.grid, levels=(), vertical_flag=part.grid.vertical_flag)
