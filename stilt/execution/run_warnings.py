"""Warn of a run's weather and receptors, before and after it computes."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stilt.errors import WeatherWarning
from stilt.execution.particles import particle_problems
from stilt.execution.weather import weather_report
from stilt.meteorology.lacks import LACKS_WEATHER
from stilt.meteorology.weather_notes import WeatherNotes

if TYPE_CHECKING:
    from stilt.meteorology.lacks import WeatherProblem
    from stilt.project.ahead import Again
    from stilt.project.inputs import Project
    from stilt.receptors import Receptor

logger = logging.getLogger(__name__)

SHOWN_WEATHER_PROBLEMS = 10
SHOWN_PARTICLE_PROBLEMS = 3
# Of a warning: whoever calls Model.run, which leads here by one function.
_CALLER = 4


@dataclass(frozen=True)
class WeatherFound:
    """What was found of the weather before a run.

    Attributes:
        notes: names of the notes on odd weather that there are.
        said: the problems with weather that were named.
        all_lack: every simulation lacks weather, none may be downloaded, and no particles are
            there from which footprints could be made.
    """

    notes: set[str]
    said: Sequence[WeatherProblem]
    all_lack: bool


def warn_of_weather_before(
    project: Project, sim_ids: Sequence[str], receptors: Mapping[str, Receptor] | None
) -> WeatherFound:
    """Name missing or odd weather before anything is computed; the others still run.

    Args:
        project: whose simulations these are.
        sim_ids: what a run will compute.
        receptors: of these; None asks the index.

    Returns:
        What was found.

    Warns:
        WeatherWarning: weather looks wrong, or receptors lie a little outside it.
    """
    noted = set(WeatherNotes(project.cache_dir).names())
    report = weather_report(project, sim_ids, receptors)
    for remark in report.remarks[:SHOWN_WEATHER_PROBLEMS]:
        warnings.warn(remark, WeatherWarning, stacklevel=_CALLER)
    problems = report.problems
    said = problems[:SHOWN_WEATHER_PROBLEMS] if logger.isEnabledFor(logging.WARNING) else ()
    for problem in said:
        logger.warning("%s", problem)
    if len(problems) > SHOWN_WEATHER_PROBLEMS:
        logger.warning(
            "... and %d more; `stilt check` lists all.", len(problems) - SHOWN_WEATHER_PROBLEMS
        )
    lacking = [
        reason in LACKS_WEATHER and project.config.mets[problem.met].source is None
        for problem in problems
        for reason in problem.reasons
    ]
    all_lack = len(lacking) == len(set(sim_ids)) and all(lacking)
    if all_lack:
        all_lack = set(project.index.ids("trajectory_bytes IS NOT NULL")).isdisjoint(sim_ids)
    return WeatherFound(noted, said, all_lack)


def warn_of_weather_after(project: Project, noted: set[str]) -> None:
    """Warn of what workers found odd in the weather; the log of a flow run is not shown here.

    Args:
        project: whose weather.
        noted: notes that there were before the run.

    Warns:
        WeatherWarning: one for each note that is new.
    """
    notes = WeatherNotes(project.cache_dir)
    found = notes.sentences(name for name in notes.names() if name not in noted)
    for text in list(found.values())[:SHOWN_WEATHER_PROBLEMS]:
        warnings.warn(text, WeatherWarning, stacklevel=_CALLER)


def tell_of_recomputing(again: Again, number: int, moved: Sequence[str] = ()) -> None:
    """Say why a run computes more than a person may expect, and how to keep what is there.

    Args:
        again: simulations with outputs of other settings, and those no longer listed.
        number: of all simulations that will be computed.
        moved: sentences of :func:`stilt.project.moved_weather.moved_weather`.
    """
    said = []
    if again.stale:
        how = "computed again"
        if again.footprints_only == again.stale:
            how = "given new footprints, from the particles that are there"
        elif again.footprints_only:
            how += f" ({again.footprints_only:,} of them only the footprints)"
        said.append(
            f"{again.stale:,} of {number:,} simulation(s) have outputs that other settings or "
            f"other weather made: they are {how}."
        )
        said += moved
    if again.unlisted:
        said.append(
            f"{again.unlisted:,} of {number:,} simulation(s) are of receptors that are no longer "
            "listed but registered in this project."
        )
    if said:
        said.append("If that is not wanted, stop (Ctrl-C) and run with another --output-dir.")
        logger.warning("%s", " ".join(said))


def warn_of_few_particles(
    project: Project, sim_ids: Sequence[str], receptors: Mapping[str, Receptor] | None
) -> None:
    """Name receptors with more points than particles; the others still run."""
    problems = particle_problems(project, sim_ids, receptors)
    for sim_id, problem in list(problems.items())[:SHOWN_PARTICLE_PROBLEMS]:
        logger.warning("%s: %s: %s", sim_id, problem.reason, problem.detail)
    if len(problems) > SHOWN_PARTICLE_PROBLEMS:
        logger.warning(
            "... and %d more have too few particles; `stilt check` lists all.",
            len(problems) - SHOWN_PARTICLE_PROBLEMS,
        )


def warn_of_unused_kernels(project: Project) -> None:
    """Say that measurements have averaging kernels that no footprint is weighted with."""
    if project.home is None and not project.layout.observations.is_dir():
        return
    from stilt.project.unused_kernels import unused_kernels

    if said := unused_kernels(project.observations, project.config.footprints):
        logger.warning("%s", said)
