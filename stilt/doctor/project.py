"""A project: its files, what records its runs, and its weather."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from stilt.doctor.finding import Finding, fine, problem
from stilt.errors import StiltError
from stilt.execution.backend import get_executor
from stilt.execution.refusals import refusals
from stilt.project.inputs import Project

ADVICE = "Correct it; `stilt check` says more."


def service_finding(folder: Path, files: Project | None = None) -> Finding:
    """Ask the backend whether it could start, and who would record the run.

    Args:
        folder: local folder of outputs.
        files: the project whose backend is meant; None for the local one.
    """
    try:
        executor = get_executor(None if files is None else files.config.execution)
        return fine("prefect", executor.check(output_root=folder))
    except StiltError as error:
        return problem("prefect", _sentence(error), "Fix it, and run `stilt doctor` again.")


def project_findings(root: str) -> Iterator[Finding]:
    """Check configuration, receptors, what a run would refuse, and the weather."""
    try:
        files = Project(root)
        config = files.config
    except (StiltError, OSError) as error:
        yield problem("config", _sentence(error), ADVICE)
        return
    mets, footprints = len(config.mets), len(config.footprints)
    yield fine("config", f"{mets} meteorology(ies), {footprints} footprint(s) in {root}.")
    yield service_finding(files.layout.root, files)
    for said in refusals(files):
        yield problem("run", said, ADVICE)
    yield from _weather_findings(files)


def _weather_findings(files: Project) -> Iterator[Finding]:
    """Report for each meteorology how many receptors have all their hours; registers nothing."""
    from stilt.meteorology.coverage import check_coverage
    from stilt.meteorology.nest import catalogue_of
    from stilt.model import Model

    config = files.config
    try:
        receptors = list(Model(project=files).receptors)
    except (StiltError, OSError) as error:
        yield problem("receptors", _sentence(error), ADVICE)
        return
    for name in config.simulated_mets:
        subject = f"weather {name}"
        try:
            catalogue = catalogue_of(config.mets, name, files.cache_dir)
            covered = check_coverage(catalogue, receptors, config.n_hours, config)
        except (StiltError, OSError) as error:
            yield problem(subject, _sentence(error), ADVICE)
            continue
        lacking = [one for one in covered if one.reason]
        if lacking:
            yield problem(
                subject,
                f"{len(lacking)} of {len(covered)} receptor(s) lack weather, the first: "
                f"{lacking[0].detail}",
                "`stilt check` names all of them, `stilt weather list` what is there.",
            )
        else:
            yield fine(subject, f"All {len(covered)} receptor(s) have their weather.")


def _sentence(error: BaseException) -> str:
    return " ".join(str(error).split())
