"""Find receptors that release air below the ground of the met fields or above their top.

Transport starts such particles at the ground, or in the wind of the top level. Up to
:data:`TOLERATED_M` outside that may be due to the weather's coarse terrain, and gives a warning;
further outside a result would be meaningless, and the simulation fails.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from stilt.config import ModelConfig
from stilt.errors import MeteorologyError, Reason
from stilt.meteorology.columns import top_level_agl_m
from stilt.meteorology.formats import read_analysis
from stilt.meteorology.grids import MetGrid
from stilt.meteorology.ground_values import terrain_m
from stilt.meteorology.levels import (
    STANDARD_SURFACE_HPA,
    InternalLevels,
    approximate_height_m,
    internal_levels,
)
from stilt.meteorology.records import AnalysisRef, RawAnalysis
from stilt.receptors import Receptor, all_points

TOLERATED_M = 500.0
"""How far below the ground or above the top a receptor may be and still be computed."""

_NOTICED_M = 1.0
_HIGHEST_GROUND_M = 9000.0
_COLUMNS_TOGETHER = 50_000
_TERRAIN = {"SHGT", "TERR"}
_HEIGHTS = {"SHGT", "TERR", "HGTS", "PRSS", "PRES", "TEMP", "THET", "T02M", "TMPS", "RELH", "SPHU"}

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class HeightProblem:
    """What is wrong with a receptor's heights.

    Attributes:
        detail: one sentence.
        reason: why its simulation fails; None when it is computed all the same.
    """

    detail: str
    reason: Reason | None = None


def check_heights(
    receptors: Sequence[Receptor],
    ref: AnalysisRef,
    config: ModelConfig,
    n_levels: int | None = None,
) -> list[HeightProblem | None]:
    """Compare release heights with the ground and the top of the weather, for many receptors.

    The analysis is read only if a height is above sea level or may be near the top.

    Args:
        receptors: those whose run meets ``ref`` first; horizontally outside the grid they pass.
        ref: the analysis.
        config: for ``z_top``, ``kmsl`` and ``k10m``.
        n_levels: levels that a cropped file keeps; None keeps all.

    Returns:
        A problem or None for each receptor.

    Raises:
        MeteorologyError: the analysis is damaged or lacks a field that transport needs.
    """
    if not receptors:
        return []
    lon, lat, height, first = all_points(receptors)
    is_msl = _heights_msl(receptors, config)
    counts = np.diff(np.append(first, len(lon)))
    point_msl = np.repeat(is_msl, counts)
    grid = ref.grid if n_levels is None else replace(ref.grid, levels=ref.grid.levels[:n_levels])
    levels = internal_levels(grid.levels, grid.vertical_flag, config.z_top)
    if not point_msl.any() and (height < _certain_top_m(grid, levels, _HIGHEST_GROUND_M)).all():
        return [None] * len(receptors)
    x, y = grid.to_xy(lon, lat)
    inside = np.logical_and.reduceat(grid.usable(x, y), first)
    ground = grid.interpolate(ground_of(ref), x, y)
    above_ground = np.where(point_msl, height - ground, height)
    top = _computed_top_m(levels, ground)
    is_weathers = np.zeros(len(top), dtype=bool)
    if (above_ground >= _certain_top_m(grid, levels, ground)).any():
        weathers = grid.interpolate(_top_of(ref, len(grid.levels), config.k10m == 1), x, y)
        # The top of the computation is the lower one where z_top is low.
        is_weathers = weathers <= top
        top = np.minimum(weathers, top)
    depth = np.where(point_msl, -above_ground, 0.0)
    excess = above_ground - top
    deepest, highest, lowest = (
        np.maximum.reduceat(depth, first),
        np.maximum.reduceat(excess, first),
        np.minimum.reduceat(excess, first),
    )
    problems: list[HeightProblem | None] = [None] * len(receptors)
    for number in np.flatnonzero(inside & ((deepest > _NOTICED_M) | (highest > _NOTICED_M))):
        points = slice(first[number], first[number] + counts[number])
        msl = bool(is_msl[number])
        by_kmsl = msl and config.heights_msl is True
        place = _Place(lon[points], lat[points], height[points], msl, by_kmsl)
        if deepest[number] > _NOTICED_M:
            problems[number] = place.below_ground(depth[points], ground[points])
        if highest[number] > _NOTICED_M:
            fails = bool(lowest[number] > TOLERATED_M)
            above = place.above_top(excess[points], top[points], is_weathers[points], fails=fails)
            problems[number] = _graver(problems[number], above)
    return problems


def _graver(one: HeightProblem | None, other: HeightProblem) -> HeightProblem:
    """Return the problem that makes a simulation fail; both where it is computed nevertheless."""
    if one is None or other.reason is not None:
        return other
    return one if one.reason is not None else HeightProblem(f"{one.detail} {other.detail}")


@dataclass(frozen=True)
class _Place:
    """The points of one receptor: longitudes, latitudes, heights above sea level or ground.

    Attributes:
        is_msl: the heights are above sea level.
        by_kmsl: because of ``kmsl: 1``, whatever the receptor says.
    """

    lon: Floats
    lat: Floats
    height_m: Floats
    is_msl: bool
    by_kmsl: bool = False

    def below_ground(self, depth_m: Floats, ground_m: Floats) -> HeightProblem:
        """Describe points below the ground."""
        worst = int(np.argmax(depth_m))
        text = (
            f"{self._point(worst)}, lies {depth_m[worst]:.0f} m below the ground of the weather, "
            f"which is {ground_m[worst]:.0f} m above sea level there"
        )
        if depth_m[worst] > TOLERATED_M:
            remedy = "correct the altitude, or give it above ground (altitude_ref agl)"
            if self.by_kmsl:
                remedy = (
                    "with kmsl: 1 in config.yaml all altitudes are above sea level: remove it if "
                    "they are above ground, or correct the altitude"
                )
            return HeightProblem(f"{text}; {remedy}.", Reason.RECEPTOR_BELOW_GROUND)
        return HeightProblem(f"{text}; what lies below is released at the ground.")

    def above_top(
        self, excess_m: Floats, top_m: Floats, is_weathers: NDArray[np.bool_], *, fails: bool
    ) -> HeightProblem:
        """Describe points above the top."""
        worst = int(np.argmax(excess_m))
        top = "the highest level of the weather" if is_weathers[worst] else "the top set by z_top"
        text = f"{self._point(worst)}, lies above {top}, {top_m[worst]:.0f} m above ground there"
        if fails:
            remedy = "use weather that reaches higher" if is_weathers[worst] else "raise z_top"
            return HeightProblem(
                f"{text}: no wind is known at its height; {remedy}, or correct the altitude.",
                Reason.RECEPTOR_ABOVE_TOP,
            )
        if is_weathers[worst]:
            return HeightProblem(f"{text}; what lies above moves with the wind of that level.")
        return HeightProblem(f"{text}; what lies above is released there.")

    def _point(self, worst: int) -> str:
        reference = "sea level" if self.is_msl else "ground"
        reference += " (kmsl: 1)" if self.by_kmsl else ""
        return (
            f"The receptor at {self.lon[worst]:g}, {self.lat[worst]:g} (longitude, latitude), "
            f"{self.height_m[worst]:g} m above {reference}"
        )


def _heights_msl(receptors: Sequence[Receptor], config: ModelConfig) -> NDArray[np.bool_]:
    if config.heights_msl is not None:
        return np.full(len(receptors), config.heights_msl)
    return np.array([receptor.altitude_ref == "msl" for receptor in receptors])


def _computed_top_m(levels: InternalLevels, ground_m: Floats | float) -> Floats:
    """Return the height above ground of the highest internal level, in metres."""
    scale = (levels.model_top_m - np.asarray(ground_m)) / levels.model_top_m
    return np.asarray(levels.heights_m[-1] * scale)


def _certain_top_m(grid: MetGrid, levels: InternalLevels, ground_m: Floats | float) -> Floats:
    """Return a height above ground that is certainly below the top, without reading a file.

    A level's height in the standard atmosphere is right to 15 %, and levels that follow the
    terrain are higher over high ground than the pressure levels that are counted here.
    """
    value, flag, offset_hpa = grid.levels[-1], grid.vertical_flag, grid.pressure_offset_hpa
    if flag in (1, 5):
        value, flag = value * (STANDARD_SURFACE_HPA - offset_hpa) + offset_hpa, 2
    weathers = 0.85 * approximate_height_m(value, flag) - np.asarray(ground_m)
    return np.minimum(weathers, _computed_top_m(levels, ground_m))


@lru_cache(maxsize=4)
def ground_of(ref: AnalysisRef) -> NDArray[np.float32]:
    """Return the height of the ground above sea level, (ny, nx)."""
    raw = read_analysis(ref, _TERRAIN)
    if not _TERRAIN & raw.surface.keys():
        raw = read_analysis(ref, _HEIGHTS)
    return terrain_m(raw).astype(np.float32)


@lru_cache(maxsize=4)
def _top_of(ref: AnalysisRef, n_levels: int, use_ten_metre: bool) -> NDArray[np.float32]:
    """Return the height above ground of the highest level that is used, (ny, nx)."""
    raw = read_analysis(ref, _HEIGHTS)
    grid = replace(ref.grid, levels=ref.grid.levels[:n_levels])
    out = np.empty((grid.ny, grid.nx), np.float32)
    step = max(1, _COLUMNS_TOGETHER // grid.nx)
    for start in range(0, grid.ny, step):
        rows = slice(start, min(start + step, grid.ny))
        part = RawAnalysis(
            raw.time,
            replace(grid, ny=rows.stop - rows.start),
            raw.forecast_hour,
            {name: field[rows] for name, field in raw.surface.items()},
            {name: field[:n_levels, rows] for name, field in raw.upper.items()},
        )
        out[rows] = top_level_agl_m(part, use_ten_metre=use_ten_metre)
    return out


def raise_if_fatal(problem: HeightProblem | None) -> None:
    """Raise what makes a simulation fail.

    Raises:
        MeteorologyError: RECEPTOR_BELOW_GROUND or RECEPTOR_ABOVE_TOP.
    """
    if problem is not None and problem.reason is not None:
        raise MeteorologyError(problem.detail, reason=problem.reason)
