"""Check, before a run, whether the analyses cover each receptor in time and space."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import pandas as pd

from stilt.config import MetConfig, ModelConfig
from stilt.errors import MeteorologyError, Reason
from stilt.meteorology.catalogue import Assessment, MetCatalogue
from stilt.meteorology.formats import field_names
from stilt.meteorology.grids import MetGrid
from stilt.meteorology.heights import HeightProblem, check_heights
from stilt.meteorology.lacks import Window, window_of
from stilt.meteorology.outside_grid import outside_grid
from stilt.meteorology.overlap import overlap_text
from stilt.meteorology.records import AnalysisRef
from stilt.meteorology.stand_ins import StandIn, stand_in_text, stand_ins
from stilt.meteorology.subgrid import crop_bounds
from stilt.receptors import Receptor, release_points
from stilt.roots import Place


class Coverage(StrEnum):
    """How far the analyses cover a receptor."""

    COVERED = "covered"
    PARTLY = "partly"
    NOT_COVERED = "not covered"


@dataclass(frozen=True)
class ReceptorCoverage:
    """How the analyses cover one receptor.

    Attributes:
        receptor_id: the receptor.
        status: covered; partly, when some of its hours have analyses; or not covered.
        missing: valid times that no file holds.
        looked_for: beginnings of file names that were looked for and not found.
        files: files found by name.
        outside_grid: whether a release point lies outside the grid, or within its unusable edge.
        reason: why a simulation would fail, None when it is covered.
        detail: the same in one sentence.
        height: what is odd about its heights although it can be computed; "" for nothing.
        overlap: which files are used where several hold an analysis; "" where none do.
        analyses: those that are used, as far as there are any.
    """

    receptor_id: str
    status: Coverage
    missing: tuple[np.datetime64, ...] = ()
    looked_for: tuple[str, ...] = ()
    files: tuple[Place, ...] = ()
    outside_grid: bool = False
    reason: Reason | None = None
    detail: str = ""
    height: str = ""
    overlap: str = ""
    analyses: tuple[AnalysisRef, ...] = ()


def check_coverage(
    catalogue: MetCatalogue,
    receptors: Iterable[Receptor],
    n_hours: float,
    config: ModelConfig | None = None,
) -> list[ReceptorCoverage]:
    """Check every receptor against one meteorology, in the order given.

    Args:
        catalogue: the meteorology.
        receptors: where and when particles are released.
        n_hours: hours that they are followed, negative for backward.
        config: settings that heights depend on; None leaves heights unchecked. Where a height is
            above sea level or near the top of the met fields, one analysis of each hour is read.
    """
    listed = list(receptors)
    by_window: dict[Window, list[int]] = {}
    for number, receptor in enumerate(listed):
        by_window.setdefault(window_of(receptor.time, n_hours), []).append(number)
    results: dict[int, ReceptorCoverage] = {}
    # In the order of the times, so that an analysis is read once for all that start in its hour.
    for window in sorted(by_window):
        numbers = by_window[window]
        assessment = catalogue.assess(*window)
        grids = catalogue.grids(*window, assessment)
        there = [listed[number] for number in numbers]
        heights = _heights(there, assessment, catalogue.config, n_hours, config)
        overlap = overlap_text(
            assessment.bracket.refs, assessment.passed_over, catalogue.config.forecasts
        )
        for number, receptor, height in zip(numbers, there, heights, strict=True):
            found = _coverage(receptor, window, assessment, grids, catalogue.config, height)
            results[number] = replace(found, overlap=overlap, analyses=assessment.bracket.refs)
    return [results[number] for number in range(len(listed))]


def nest_remarks(
    catalogue: MetCatalogue, receptors: Sequence[Receptor], n_hours: float
) -> list[str]:
    """Say which finer meteorologies of a nest some receptors do without; none without a nest."""
    if not receptors:
        return []
    windows = dict.fromkeys(window_of(receptor.time, n_hours) for receptor in receptors)
    points = [release_points(receptor)[:2] for receptor in receptors]
    lon, lat = (np.concatenate(each) for each in zip(*points, strict=True))
    return catalogue.remarks(sorted(windows), lon, lat)


def lacking_fields(name: str, ref: AnalysisRef, config: ModelConfig) -> str:
    """Say in one sentence what fields a meteorology lacks, and what takes their place.

    Args:
        name: of the meteorology.
        ref: one of its analyses, whose fields stand for all.
        config: settings that decide which fields count.

    Returns:
        The sentence; "" when it lacks nothing, or cannot be read, which is said elsewhere.
    """
    return stand_in_text(name, _stand_ins(ref, config))


def needed_fields(name: str, ref: AnalysisRef, config: ModelConfig) -> str:
    """Say in one sentence which fields an analysis lacks that nothing can take the place of.

    Args:
        name: of the meteorology.
        ref: the analysis.
        config: settings that decide which fields count.

    Returns:
        The sentence; "" when it lacks none, or cannot be read, which is said elsewhere.
    """
    lacks = [each.lacks for each in _stand_ins(ref, config) if not each.instead]
    if not lacks:
        return ""
    return (
        f"The weather of {name} lacks {' and '.join(lacks)}, which transport needs: add the file "
        "that carries it, or fetch the weather again with it."
    )


def _stand_ins(ref: AnalysisRef, config: ModelConfig) -> tuple[StandIn, ...]:
    """Return what an analysis lacks; nothing where it cannot be read, which is said elsewhere."""
    try:
        names = field_names(ref)
    except MeteorologyError:
        return ()
    return stand_ins(names, ref.grid.vertical_flag, config)


def kept_levels(met: MetConfig) -> int | None:
    """Return how many levels, the surface not counted, cropping keeps; None for all."""
    if not met.subgrid_enable or met.subgrid_levels is None:
        return None
    return met.subgrid_levels - 1


def _heights(
    receptors: Sequence[Receptor],
    assessment: Assessment,
    met: MetConfig,
    n_hours: float,
    config: ModelConfig | None,
) -> Sequence[HeightProblem | None]:
    """Return problems with the heights of receptors of one window; none without met fields."""
    if config is None or assessment.error is not None:
        return [None] * len(receptors)
    refs = assessment.bracket.refs
    try:
        return check_heights(receptors, refs[0 if n_hours > 0 else -1], config, kept_levels(met))
    except MeteorologyError as error:
        return [HeightProblem(error.detail, error.reason)] * len(receptors)


def _require_inside(receptor: Receptor, grids: Sequence[MetGrid]) -> None:
    """Check that every release point of a receptor can be computed on one of some grids.

    Raises:
        MeteorologyError: RECEPTOR_OUTSIDE_GRID, naming the point and the last grid's extent.
    """
    lon, lat, _ = release_points(receptor)
    outside = np.ones(len(lon), bool)
    for grid in grids:
        outside &= ~grid.usable(*grid.to_xy(lon, lat))
    if outside.any():
        worst = int(np.argmax(outside))
        raise outside_grid(lon[worst], lat[worst], grids[-1])


def _coverage(
    receptor: Receptor,
    window: Window,
    assessment: Assessment,
    grids: Sequence[MetGrid],
    config: MetConfig,
    height: HeightProblem | None,
) -> ReceptorCoverage:
    bracket = assessment.bracket
    error, outside = assessment.error, False
    if bracket.refs:
        try:
            _require_inside(receptor, grids)
            if config.subgrid_enable:
                _require_kept(receptor, config)
        except MeteorologyError as problem:
            error, outside = error or problem, True
    misplaced = outside
    if error is None and height is not None and height.reason is not None:
        error, misplaced = MeteorologyError(height.detail, reason=height.reason), True
    if error is None:
        return ReceptorCoverage(
            str(receptor.id),
            Coverage.COVERED,
            files=assessment.files,
            height="" if height is None else height.detail,
        )
    in_window = any(window[0] <= pd.Timestamp(ref.time) <= window[1] for ref in bracket.refs)
    return ReceptorCoverage(
        receptor_id=str(receptor.id),
        status=Coverage.PARTLY if in_window and not misplaced else Coverage.NOT_COVERED,
        missing=bracket.missing,
        looked_for=assessment.absent,
        files=assessment.files,
        outside_grid=outside,
        reason=error.reason,
        detail=error.detail,
    )


def _require_kept(receptor: Receptor, config: MetConfig) -> None:
    """Check that cropping keeps the surroundings of every release point."""
    west, south, east, north = crop_bounds(config)
    lon, lat, _ = release_points(receptor)
    east_of_west = np.mod(lon - west, 360.0)
    if (east_of_west > east - west).any() or (lat < south).any() or (lat > north).any():
        raise MeteorologyError(
            f"The receptor at {lon[0]:g}, {lat[0]:g} (longitude, latitude) lies outside "
            "subgrid_bounds; widen them or turn subgrid_enable off.",
            reason=Reason.RECEPTOR_OUTSIDE_GRID,
        )
