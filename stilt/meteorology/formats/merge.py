"""Combine analyses from files that each hold a part, such as levels or surface fields."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from stilt.meteorology.formats.node_offsets import offset_within
from stilt.meteorology.formats.step_ranges import with_earlier
from stilt.meteorology.formats.stores import is_store
from stilt.meteorology.grids import MetGrid
from stilt.meteorology.records import AnalysisRef, Crop
from stilt.roots import Place, place_of

WHOLE = ("arl", "wrf", "wrf-instantaneous")
"""Formats whose files hold whole analyses."""

_FALLING = (1, 2)
_TOLD_APART = (*_FALLING, 3)
"""Kinds of levels whose values tell levels apart: sigma, pressure, height."""

_Key = tuple[np.datetime64, int]


def merged(parts: Iterable[AnalysisRef], order: Sequence[Place] = ()) -> list[AnalysisRef]:
    """Return the analyses that parts of files make up, in the order of their times.

    Parts of one time and forecast hour belong together, and those without a time belong to all.
    Fields of several parts with levels on the same nodes are combined, each on its own levels where
    the values of levels tell them apart. Of surface fields of a larger area, those at the levels'
    nodes are taken; parts on other nodes are left out. A time that has no levels, or lacks surface
    fields that other times have in separate files, is not an analysis.

    Args:
        parts: what files hold, in one format; those of formats in :data:`WHOLE` are not changed.
        order: files, folders or URLs; where several hold levels of one time on different grids,
            or in stores on different levels, those of the first are used.
    """
    whole, by_time, always = list[AnalysisRef](), defaultdict[_Key, list[AnalysisRef]](list), []
    for part in with_earlier(list(parts)):
        if part.format in WHOLE:
            whole.append(part)
        elif np.isnat(part.time):
            always.append(part)
        else:
            by_time[part.time, part.forecast_hour].append(part)
    has_own_surface = any(not part.grid.levels for each in by_time.values() for part in each)
    for key in sorted(by_time):
        levels = [part for part in by_time[key] if part.grid.levels]
        ground = [part for part in by_time[key] if not part.grid.levels]
        if levels and (ground or not has_own_surface):
            first = min(_rank(part, order) for part in levels)
            chosen = [part for part in levels if _rank(part, order) == first]
            levels = [
                part for part in levels if any(part is one or _fits(part, one) for one in chosen)
            ]
            whole.extend(_analysis(each, [*ground, *always]) for each in _alike(levels))
    return whole


def _alike(levels: Sequence[AnalysisRef]) -> list[list[AnalysisRef]]:
    """Return parts with levels, grouped by grid."""
    groups: dict[str, list[AnalysisRef]] = {}
    for part in levels:
        groups.setdefault(_kind(part), []).append(part)
    return list(groups.values())


def _fits(part: AnalysisRef, chosen: AnalysisRef) -> bool:
    """Return whether a part adds to the levels of a chosen one: a store's are complete."""
    if part.grid.levels != chosen.grid.levels and is_store(place_of(chosen.path)):
        return False
    return _kind(part) == _kind(chosen)


def _kind(part: AnalysisRef) -> str:
    """Return the key of a part's grid, without its levels if their values tell them apart."""
    grid = part.grid
    return (replace(grid, levels=()) if grid.vertical_flag in _TOLD_APART else grid).key()


def _with_all_levels(parts: Sequence[AnalysisRef]) -> MetGrid:
    """Return the grid of parts on the same nodes with the levels of all of them."""
    grid = parts[0].grid
    if all(part.grid.levels == grid.levels for part in parts):
        return grid
    levels = sorted({level for part in parts for level in part.grid.levels})
    is_falling = grid.vertical_flag in _FALLING
    return replace(grid, levels=tuple(reversed(levels) if is_falling else levels))


def _rank(part: AnalysisRef, order: Sequence[Place]) -> int:
    """Return the number of the first place that holds a part."""
    for number, place in enumerate(order):
        if part.path == str(place) or part.path.startswith(f"{str(place).rstrip('/')}/"):
            return number
    return len(order)


def _analysis(levels: Sequence[AnalysisRef], others: Sequence[AnalysisRef]) -> AnalysisRef:
    grid = _with_all_levels(levels)
    fitting = [
        part
        for constant in (False, True)
        for part in _fitting(levels[0].grid, [o for o in others if np.isnat(o.time) == constant])
    ]
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


def has_surface(analysis: AnalysisRef) -> bool:
    """Return whether an analysis of :func:`merged` has surface fields, in any of its files."""
    is_whole = analysis.format in WHOLE or "." in analysis.format  # a format of the user's own
    return is_whole or any(
        not part.grid.levels or any(message.level < 0 for message in part.messages)
        for part in analysis.parts or (analysis,)
    )


def surface_elsewhere(analysis: AnalysisRef, parts: Iterable[AnalysisRef]) -> AnalysisRef | None:
    """Return surface fields of an analysis's time that lack some of its nodes, if it has no others.

    Args:
        analysis: one of :func:`merged`.
        parts: what the files hold, as :func:`merged` takes them.
    """
    if analysis.format in WHOLE or any(not part.grid.levels for part in analysis.parts):
        return None
    same_time = analysis.time, analysis.forecast_hour
    return next(
        (
            part
            for part in parts
            if not part.grid.levels
            and part.format == analysis.format
            and (np.isnat(part.time) or (part.time, part.forecast_hour) == same_time)
        ),
        None,
    )


def _fitting(grid: MetGrid, parts: Sequence[AnalysisRef]) -> list[AnalysisRef]:
    """Return surface fields at the nodes of a grid, of larger areas if there are no others."""
    cut = [fit for part in parts if (fit := _at_nodes_of(grid, part)) is not None]
    return [part for part in cut if part.crop is None] or cut


def _at_nodes_of(grid: MetGrid, part: AnalysisRef) -> AnalysisRef | None:
    """Return the part of surface fields at the nodes of a grid; None if they lack some of them."""
    wanted = replace(grid, levels=(), vertical_flag=part.grid.vertical_flag)
    if part.grid == wanted:
        return part
    start = offset_within(wanted, part.grid)
    if start is None:
        return None
    column, row = start
    crop = Crop(column, grid.nx, row, grid.ny, 0, part.grid.nx, part.grid.ny)
    earlier = None if part.earlier is None else replace(part.earlier, grid=wanted, crop=crop)
    return replace(part, grid=wanted, crop=crop, earlier=earlier)
