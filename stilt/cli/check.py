"""`stilt check`: is everything there that a run needs?"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from stilt.cli.common import (
    EXIT_COMPLETE,
    EXIT_FAILED,
    EXIT_USAGE,
    NO_RECEPTORS,
    json_option,
    open_model,
    output_dir_option,
    print_json,
    project_argument,
    require_registered,
    time_format_option,
    warn_in_json,
)
from stilt.errors import Reason
from stilt.roots import shown

if TYPE_CHECKING:
    from stilt.meteorology.coverage import ReceptorCoverage
    from stilt.meteorology.lacks import WeatherProblem
    from stilt.meteorology.records import AnalysisRef
    from stilt.meteorology.weather_notes import WeatherNotes
    from stilt.model import Model
    from stilt.receptors import Receptor

SHOWN = 20
# From so many simulations on a store is proposed.
MANY = 5000


@dataclass(frozen=True)
class CoverageReport:
    """What was found of the weather of every receptor.

    Attributes:
        entries: one per met and receptor: what stops it, what is missing, what looks odd.
        lacks: sentences on weather that is missing, one for all that lack it together.
        suspected: what the receptors look like mistakes in, and what meteorologies lack in part.
    """

    entries: list[dict[str, Any]]
    lacks: list[str]
    suspected: list[str]


def coverage_report(model: Model, complete: Container[str] = ()) -> CoverageReport:
    """Look at every met and receptor.

    Args:
        model: the project.
        complete: simulations that are not computed again, so that they need no weather.
    """
    from stilt.execution.particles import too_few_particles
    from stilt.meteorology.coverage import (
        check_coverage,
        lacking_fields,
        needed_fields,
        nest_remarks,
    )
    from stilt.meteorology.lacks import together
    from stilt.meteorology.nest import catalogue_of
    from stilt.meteorology.suspicions import suspicions
    from stilt.meteorology.uneven_fields import uneven_fields
    from stilt.meteorology.weather_notes import WeatherNotes
    from stilt.project.unused_kernels import unused_kernels
    from stilt.receptors.misspelt import misspelt_columns

    report = []
    missing: list[str] = []
    odd_mets: list[str] = []
    receptors = list(model.receptors)
    notes = WeatherNotes(model.files.cache_dir)
    one_of_grid: dict[str, AnalysisRef] = {}
    for name in model.config.simulated_mets:
        catalogue = catalogue_of(model.config.mets, name, model.files.cache_dir)
        covered = check_coverage(catalogue, receptors, model.config.n_hours, model.config)
        lacking = _lacking(name, receptors, covered, model.config.n_hours, complete)
        missing += map(str, together(lacking, catalogue))
        odd_mets += nest_remarks(catalogue, receptors, model.config.n_hours)
        odd, unusable = _odd_weather(notes, covered)
        for found in covered:
            for ref in found.analyses[:1]:
                one_of_grid.setdefault(ref.grid.key(), ref)
        one = next((ref for found in covered for ref in found.analyses), None)
        again = model.config.mets[name].realization > 0
        lacks = "" if one is None or again else lacking_fields(name, one, model.config)
        needed = "" if one is None else needed_fields(name, one, model.config)
        used = [] if again else [ref for found in covered for ref in found.analyses]
        if uneven := uneven_fields(name, used, model.config, each_file=True):
            odd_mets.append(uneven)
        for receptor, found in zip(receptors, covered, strict=True):
            problem = too_few_particles(receptor, model.config.numpar)
            is_complete = f"{name}_{found.receptor_id}" in complete
            reason = problem.reason if problem else found.reason
            details = [problem.detail, found.detail] if problem else [found.detail]
            if (damage := needed or unusable.get(id(found.analyses), "")) and not reason:
                reason, details = Reason.DAMAGED_MET_FILE, [damage]
            report.append(
                {
                    "met": name,
                    "receptor": found.receptor_id,
                    "status": str(found.status),
                    "complete": is_complete,
                    # What is complete is not computed again, and its weather may be gone.
                    "reason": "" if is_complete else str(reason or ""),
                    "detail": " ".join(details).strip(),
                    "missing_hours": [str(time) for time in found.missing],
                    "looked_for": list(found.looked_for),
                    "files": len(found.files),
                    "height": found.height,
                    "overlap": found.overlap,
                    "weather": odd[id(found.analyses)],
                    "lacks": lacks,
                }
            )
    suspected = [
        *misspelt_columns(receptors),
        *suspicions(receptors, model.config, one_of_grid.values()),
        *filter(None, [unused_kernels(model.files.observations, model.config.footprints)]),
        *model.files.kernels.lacking(model.config.footprints, receptors),
        *odd_mets,
    ]
    return CoverageReport(report, missing, suspected)


def _lacking(
    met: str,
    receptors: Sequence[Receptor],
    covered: Sequence[ReceptorCoverage],
    n_hours: float,
    complete: Container[str],
) -> list[WeatherProblem]:
    """Return the receptors whose weather is missing, without those that are complete."""
    from stilt.meteorology.lacks import LACKS_WEATHER, WeatherProblem, window_of

    return [
        WeatherProblem(
            met,
            (f"{met}_{found.receptor_id}",),
            (found.reason,),
            window_of(receptor.time, n_hours),
            found.detail,
        )
        for receptor, found in zip(receptors, covered, strict=True)
        if found.reason in LACKS_WEATHER and f"{met}_{found.receptor_id}" not in complete
    ]


def _odd_weather(
    notes: WeatherNotes, covered: Sequence[ReceptorCoverage]
) -> tuple[dict[int, list[str]], dict[int, str]]:
    """Return sentences on odd weather files, and one on an analysis that cannot be used.

    Both are by the identity of a receptor's analyses.
    """
    # Receptors of one time share the tuple of their analyses.
    windows = {id(found.analyses): found.analyses for found in covered}
    paths = {
        window: list(dict.fromkeys(ref.path for ref in refs)) for window, refs in windows.items()
    }
    found = notes.look_at_files(ref for refs in windows.values() for ref in refs)
    unusable = {
        window: text for window, refs in windows.items() for ref, text in found if ref in refs
    }
    odd = notes.of(path for listed in paths.values() for path in listed)
    sentences = {
        window: [odd[path] for path in listed if path in odd] for window, listed in paths.items()
    }
    return sentences, unusable


def remarks(report: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is odd but no reason to fail: one line for each file, receptor or meteorology."""
    lines = list(dict.fromkeys(text for entry in report for text in entry["weather"]))
    lines = _first_of(lines)
    lines += dict.fromkeys(entry["lacks"] for entry in report if entry["lacks"])
    lines += _first_of(
        [
            f"{entry['met']}_{entry['receptor']}: {entry['height']}"
            for entry in report
            if entry["height"]
        ]
    )
    overlaps: dict[str, list[str]] = {}
    for entry in report:
        if entry["overlap"]:
            overlaps.setdefault(entry["met"], []).append(entry["overlap"])
    for met, texts in overlaps.items():
        more = f" (The like is true of {len(texts) - 1} more.)" if len(texts) > 1 else ""
        lines.append(f"{met}: {texts[0]}{more}")
    return lines


def _alike(bad: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return one line for all receptors of a meteorology that fail for the same cause."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for entry in bad:
        cause = (entry["met"], entry["reason"], entry["detail"])
        groups.setdefault(cause, []).append(entry["receptor"])
    lines = []
    for (met, reason, detail), receptors in groups.items():
        more = f" and {len(receptors) - 1} more" if len(receptors) > 1 else ""
        lines.append(f"{met}_{receptors[0]}{more}: {reason}: {detail}")
    return lines


def _first_of(lines: list[str]) -> list[str]:
    if len(lines) <= SHOWN:
        return lines
    return [*lines[:SHOWN], f"... and {len(lines) - SHOWN} more; --json lists all."]


def refused_report(model: Model) -> list[dict[str, Any]]:
    """One entry for each thing that a run would refuse, in the form of the others."""
    from stilt.execution.refusals import refusals

    nothing: dict[str, Any] = {
        "met": "", "receptor": "", "complete": False, "missing_hours": [], "looked_for": [],
        "files": 0, "height": "", "overlap": "", "weather": [], "lacks": "",
    }  # fmt: skip
    return [
        {**nothing, "status": "refused", "reason": "REFUSED", "detail": said}
        for said in refusals(model.files)
    ]


@click.command(
    epilog="""\b
Examples:
  stilt check ./case
  stilt check ./case --json | jq '.result[] | select(.reason != "")'
"""
)
@project_argument()
@time_format_option
@output_dir_option
@json_option
def check(
    project: str | None, time_format: str | None, output_dir: str | None, as_json: bool
) -> int:
    """Check config, receptors and weather of PROJECT before a core-hour is spent.

    Says what a run would refuse (exit code 2), and names the weather that is missing: which
    receptors, which hours, which files were looked for (exit code 1); what is complete needs none.
    Also says what looks wrong in
    the weather files, which fields are missing and what replaces them, which of overlapping
    forecasts are used, which receptors lie below the ground or above the top of the weather, and
    which have more points than particles, so that some points would release none. Points out likely
    mistakes: longitude and latitude exchanged, a missing minus, local times, heights above sea
    level or in kilometres, a tower in the sea, receptors outside every footprint grid.
    """
    from stilt.execution.cut_grids import cut_grids

    model = open_model(project, output_dir, time_format=time_format)
    refused = refused_report(model)
    if not refused:
        for sentence in cut_grids(model.config):
            click.echo(sentence, err=as_json)
    from stilt.meteorology.lacks import LACKS_WEATHER

    complete: set[str] = set()
    if not refused and model.config.skip_existing:
        complete.update(model.simulations.ids(state="complete"))
    found = coverage_report(model, complete)
    report = found.entries
    if not refused:
        require_registered(model)
    bad = [entry for entry in report if entry["reason"]]
    if as_json:
        warn_in_json(found.suspected)
        print_json([*refused, *report])
        return _exit_code(refused, bad)
    for entry in refused:
        click.echo(f"Refused: {entry['detail']}", err=True)
    others = [entry for entry in bad if entry["reason"] not in LACKS_WEATHER]
    stopped = [*found.lacks, *_alike(others)]
    for line in (*_first_of(stopped), *found.suspected, *remarks(report)):
        click.echo(line)
    ready = f"{len(report) - len(bad)} of {len(report)} simulation(s) have their weather"
    if any(entry["reason"] == Reason.TOO_FEW_PARTICLES for entry in bad):
        ready += " and particles"
    if spared := sum(entry["complete"] and bool(entry["missing_hours"]) for entry in report):
        ready += f", or are complete without it ({spared})"
    click.echo(f"{ready}." if report else NO_RECEPTORS)
    if found.lacks:
        click.echo(f"Which files and hours there are: stilt weather list {shown(model.project)}")
    if (proposal := propose_store(model, len(report))) is not None:
        click.echo(proposal)
    return _exit_code(refused, bad)


def propose_store(model: Model, number: int) -> str | None:
    """Return what to say of so many simulations in files of their own; None for few."""
    if number < MANY or model.config.output.layout == "store":
        return None
    return (
        f"{number:,} simulations make more files than most file systems like: 'output: "
        "{layout: store}' in config.yaml puts them into few (docs: A campaign in a store)."
    )


def _exit_code(refused: Sequence[object], bad: Sequence[object]) -> int:
    if refused:
        return EXIT_USAGE
    return EXIT_FAILED if bad else EXIT_COMPLETE
