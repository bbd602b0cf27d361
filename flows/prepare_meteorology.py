"""The flow `prepare-meteorology`: the weather of a project checked and prepared ahead of a run."""

from __future__ import annotations

from typing import Any

from prefect.states import Completed, Failed, State

from flows.observer import show_failures
from flows.project_flow import project_flow
from stilt.errors import MeteorologyError
from stilt.execution.warm_up import prepare_meteorology as prepare
from stilt.execution.weather import weather_report
from stilt.model import Model
from stilt.receptors import met_of


@project_flow(name="prepare-meteorology")
def prepare_meteorology(
    project: str,
    mets: list[str] | None = None,
    output_dir: str | None = None,
) -> State[Any]:
    """Report missing weather, and put what is there on internal levels, once for all workers.

    The run ends as Failed when a simulation lacks weather; everything else is still prepared.

    Args:
        project: directory, as the worker sees it.
        mets: only these meteorologies.
        output_dir: output root, when it is not the project.
    """
    model = Model(project=project, output_dir=output_dir)
    ids = [sid for sid in model.register_pending() if not mets or met_of(sid) in mets]
    problems = weather_report(model.files, ids).problems
    n_prepared = prepare(model.files, ids)
    if not problems:
        return Completed(message=f"{n_prepared} analyses are ready", data={"ready": n_prepared})
    rows = [{"sim_id": one.who, "reason": one.why, "detail": one.detail} for one in problems]
    show_failures(model.name, rows)
    lacking = sum(len(problem.sim_ids) for problem in problems)
    text = f"{lacking} of {len(ids)} simulations lack weather; {n_prepared} analyses are ready"
    return Failed(message=text, data=MeteorologyError(f"{text}: {problems[0].detail}"))
