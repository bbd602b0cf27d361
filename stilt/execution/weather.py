"""Report simulations that lack weather, and weather that looks odd, before a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from stilt.config.meteorology import nest_of
from stilt.errors import MeteorologyError, Reason
from stilt.execution.lookup import receptors_of
from stilt.project.inputs import Project
from stilt.receptors import Receptor, sim_parts

if TYPE_CHECKING:
    from stilt.meteorology.catalogue import MetCatalogue
    from stilt.meteorology.lacks import WeatherProblem
    from stilt.meteorology.records import AnalysisRef


@dataclass(frozen=True)
class WeatherReport:
    """What is wrong or odd with the weather of a run.

    Attributes:
        problems: spans of time that lack weather; their simulations fail.
        remarks: what looks odd although it is computed, one sentence each.
    """

    problems: tuple[WeatherProblem, ...]
    remarks: tuple[str, ...]


def weather_report(
    files: Project, sim_ids: Sequence[str], receptors: Mapping[str, Receptor] | None = None
) -> WeatherReport:
    """Check the weather of every window of time that these simulations need.

    Args:
        files: the project.
        sim_ids: simulations; those of one time share a window.
        receptors: of these simulations; None asks the index.
    """
    from stilt.meteorology.coverage import needed_fields
    from stilt.meteorology.lacks import WeatherProblem, together, window_of
    from stilt.meteorology.nest import catalogue_of
    from stilt.meteorology.uneven_fields import uneven_fields
    from stilt.meteorology.weather_notes import WeatherNotes

    windows: dict[tuple[str, str], list[str]] = {}
    for sim_id in sim_ids:
        windows.setdefault(sim_parts(sim_id)[:2], []).append(sim_id)
    catalogues: dict[str, MetCatalogue] = {}
    problems: dict[str, list[WeatherProblem]] = {}
    paths: dict[str, None] = {}
    by_grid: dict[tuple[str, str], tuple[AnalysisRef, list[str]]] = {}
    used: dict[str, dict[tuple[str, Any], AnalysisRef]] = {}
    for (met, stamp), ids in sorted(windows.items()):
        if met not in files.config.mets:
            continue
        if met not in catalogues:
            catalogues[met] = catalogue_of(files.config.mets, met, files.cache_dir)
        time = pd.to_datetime(stamp, format="%Y%m%d%H%M%S")
        window = window_of(time, files.config.n_hours)
        found = catalogues[met].assess(*window)
        if found.error is not None:
            reasons = (found.error.reason,) * len(ids)
            lacking = WeatherProblem(met, tuple(ids), reasons, window, found.error.detail)
            problems.setdefault(met, []).append(lacking)
            continue
        refs = found.bracket.refs
        paths.update(dict.fromkeys(ref.path for ref in refs))
        used.setdefault(met, {}).update(((ref.path, ref.time), ref) for ref in refs)
        by_grid.setdefault((met, refs[0].grid.key()), (refs[0], []))[1].extend(ids)
    for (met, _), (ref, ids) in by_grid.items():
        if detail := needed_fields(met, ref, files.config):
            time = pd.to_datetime(sim_parts(ids[0])[1], format="%Y%m%d%H%M%S")
            reasons = (Reason.DAMAGED_MET_FILE,) * len(ids)
            window = window_of(time, files.config.n_hours)
            lacking = WeatherProblem(met, tuple(ids), reasons, window, detail)
            problems.setdefault(met, []).append(lacking)
    remarks = [*WeatherNotes(files.cache_dir).of(paths).values()]
    remarks += _suspicions(files, sim_ids, receptors, [ref for ref, _ in by_grid.values()])
    remarks += _lacking(files, by_grid)
    for met, analyses in used.items():
        if files.config.mets[met].realization == 0:
            remarks += filter(None, [uneven_fields(met, analyses.values(), files.config)])
    remarks += _of_nests(files, catalogues, sim_ids, receptors)
    for (met, _), (ref, ids) in by_grid.items():
        known = receptors_of(files, ids) if receptors is None else receptors
        found_here = [known[sim_id] for sim_id in ids if sim_id in known]
        remarks += _height_remarks(files, met, ref, found_here)
    told = [each for met, some in problems.items() for each in together(some, catalogues[met])]
    return WeatherReport(tuple(told), tuple(remarks))


def _suspicions(
    files: Project,
    sim_ids: Sequence[str],
    receptors: Mapping[str, Receptor] | None,
    refs: Sequence[AnalysisRef],
) -> list[str]:
    """Say what receptors look like mistakes; those of several meteorologies are looked at once."""
    from stilt.meteorology.suspicions import suspicions

    known = receptors_of(files, sim_ids) if receptors is None else receptors
    distinct = {str(known[sim_id].id): known[sim_id] for sim_id in sim_ids if sim_id in known}
    return suspicions(list(distinct.values()), files.config, refs)


def _of_nests(
    files: Project,
    catalogues: Mapping[str, MetCatalogue],
    sim_ids: Sequence[str],
    receptors: Mapping[str, Receptor] | None,
) -> list[str]:
    """Say which finer meteorologies of nests are not used."""
    from stilt.meteorology.coverage import nest_remarks

    remarks = []
    for met, catalogue in catalogues.items():
        if len(nest_of(files.config.mets, met)) > 1:
            ids = [sim_id for sim_id in sim_ids if sim_parts(sim_id)[0] == met]
            known = receptors_of(files, ids) if receptors is None else receptors
            there = [known[sim_id] for sim_id in ids if sim_id in known]
            remarks += nest_remarks(catalogue, there, files.config.n_hours)
    return remarks


def _lacking(
    files: Project, by_grid: Mapping[tuple[str, str], tuple[AnalysisRef, Any]]
) -> list[str]:
    """Say of each meteorology that is not in ARL files what fields it lacks.

    Who has ARL files has chosen their fields with the program that wrote them, and `stilt check`
    says what lacks.
    """
    from stilt.meteorology.coverage import lacking_fields

    said = (
        lacking_fields(met, ref, files.config)
        for (met, _), (ref, _) in by_grid.items()
        if ref.format != "arl"
    )
    return list(dict.fromkeys(filter(None, said)))


def _height_remarks(
    files: Project, met: str, ref: AnalysisRef, receptors: Sequence[Receptor]
) -> list[str]:
    """Say that receptors are a little below the ground or above the top; one stands for all.

    One analysis tells for all times: the ground stays where it is, and the top moves little.
    """
    from stilt.meteorology.coverage import kept_levels
    from stilt.meteorology.heights import check_heights

    try:
        checked = check_heights(receptors, ref, files.config, kept_levels(files.config.mets[met]))
    except MeteorologyError:
        # Those who need it fail with what is wrong.
        return []
    odd = [problem.detail for problem in checked if problem and problem.reason is None]
    if not odd:
        return []
    more = f" (The same or the like is true of {len(odd) - 1} more.)" if len(odd) > 1 else ""
    return [f"{met}: {odd[0]}{more}"]
