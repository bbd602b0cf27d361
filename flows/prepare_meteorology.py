"""The flow `prepare-meteorology`: the weather of a project checked and prepared ahead of a run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
from prefect.states import Completed, Failed, State

from flows.project_flow import project_flow
from flows.report import show_failures
from stilt.errors import MeteorologyError
from stilt.execution.setup import prepare_process
from stilt.execution.weather import WeatherProblem, weather_report
from stilt.meteorology.arl import read_analysis
from stilt.meteorology.catalogue import MetCatalogue
from stilt.meteorology.prepare import PreparationOptions, PreparedStore
from stilt.meteorology.records import AnalysisPair, AnalysisRef
from stilt.model import Model


@project_flow(name="prepare-meteorology")
def prepare_meteorology(
    project: str,
    mets: list[str] | None = None,
    output_dir: str | None = None,
) -> State[Any]:
    """Name the weather that is missing, and put what is there on internal levels, once for all.

    The run ends Failed when a simulation lacks weather; everything else is prepared all the same.

    Args:
        project: directory, as the worker sees it.
        mets: only these meteorologies.
        output_dir: output root, when it is not the project.
    """
    model = Model(project=project, output_dir=output_dir)
    ids = [sid for sid in model.register_pending() if not mets or sid.partition("_")[0] in mets]
    problems = weather_report(model.files, ids).problems
    n_prepared = prepare_weather(model, ids)
    if not problems:
        return Completed(message=f"{n_prepared} analyses are ready", data={"ready": n_prepared})
    show_failures(model.name, [_row(problem) for problem in problems])
    lacking = sum(len(problem.sim_ids) for problem in problems)
    text = f"{lacking} of {len(ids)} simulations lack weather; {n_prepared} analyses are ready"
    return Failed(message=text, data=MeteorologyError(f"{text}: {problems[0].detail}"))


def prepare_weather(
    model: Model, sim_ids: Sequence[str], enough: Callable[[], bool] = lambda: False
) -> int:
    """Prepare every analysis that simulations need and that is there.

    Args:
        model: the project.
        sim_ids: simulations, whose windows of time are prepared in order.
        enough: asked before each analysis; True ends the work early.

    Returns:
        How many analyses are ready.
    """
    prepare_process(model.files)
    from stilt.transport.run import minute_of, preparation

    store = PreparedStore(model.files.cache_dir, read_analysis)
    done: set[tuple[AnalysisRef, PreparationOptions, AnalysisPair | None]] = set()
    for met, start, end in _windows(model, sim_ids):
        catalogue = MetCatalogue(model.config.mets[met], met, cache_dir=model.files.cache_dir)
        with contextlib.suppress(MeteorologyError):
            refs = catalogue.select(start, end)
            start_minute = minute_of(start.to_datetime64())
            for index in range(len(refs)):
                if enough():
                    return len(done)
                wanted = preparation(refs, index, model.config, start_minute)
                if wanted not in done:
                    store.get(*wanted)
                    done.add(wanted)
    return len(done)


def _windows(model: Model, sim_ids: Sequence[str]) -> list[tuple[str, pd.Timestamp, pd.Timestamp]]:
    """Meteorology, release time and end of every distinct window of time, in order."""
    span = pd.Timedelta(hours=model.config.n_hours)
    stamps = {(met, text.ljust(14, "0")) for met, text, _ in (i.split("_", 2) for i in sim_ids)}
    times = [(met, pd.to_datetime(text, format="%Y%m%d%H%M%S")) for met, text in sorted(stamps)]
    return [(met, time, time + span) for met, time in times]


def _row(problem: WeatherProblem) -> dict[str, str]:
    more = len(problem.sim_ids) - 1
    return {
        "sim_id": problem.sim_ids[0] + (f" and {more} more" if more else ""),
        "reason": str(problem.reason),
        "detail": problem.detail,
    }
