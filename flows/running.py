"""A run of simulations inside a flow run: plan, compute, record and show what came of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prefect.logging import get_run_logger
from prefect.states import Completed, Failed, State

from flows.crew import crash_unfinished
from flows.observer import PrefectObserver, show_outcome
from flows.project_flow import tag_content
from stilt.execution.backend import Backend, get_executor
from stilt.execution.engine import run_plan
from stilt.execution.observing import Observer
from stilt.execution.plan import Plan
from stilt.execution.runs import Outcome, SimulationsFailedError
from stilt.execution.weather import weather_report
from stilt.model import Model
from stilt.project.holders import holders, refuse_if_all_held, shared
from stilt.project.inputs import Project
from stilt.receptors import met_of

SHOWN_PROBLEMS = 10


def run_simulations(
    model: Model, sim_ids: Sequence[str], n_workers: int | None, skip_existing: bool | None
) -> State[Any]:
    """Compute simulations in the current flow run, as the configuration says.

    Those that other processes compute already are left to them.

    Raises:
        RunUnfinishedError: other processes compute all of them.
    """
    execution = model.config.execution
    if n_workers is not None:
        execution = execution.model_copy(update={"n_workers": n_workers})
    backend = get_executor(execution)
    project = model.files
    if not sim_ids:
        running = project.index.in_states(project.expectations, states=("running",))
        refuse_if_all_held(holders(project.index), running)
    with shared(project.index, sim_ids) as share:
        plan = backend.plan(project, share, skip_existing)
        return final_state(run_in_flow(project, plan, backend))


def run_in_flow(
    project: Project, plan: Plan, backend: Backend, observer: Observer | None = None
) -> Outcome:
    """Compute a plan in the current flow run, and show what came of it."""
    tag_content(sorted(set(map(met_of, plan.sim_ids))), plan.scenes)
    try:
        crew = backend.crew(project, plan)
        outcome = run_plan(project, plan, crew, PrefectObserver(project, observer))
    except BaseException:
        crash_unfinished("The run broke off; its simulations are pending again.")
        raise
    show_outcome(project, plan.sim_ids, outcome)
    return outcome


def final_state(outcome: Outcome) -> State[Any]:
    """Return the final state of a flow run, whose message says what came of it."""
    counts = {name: outcome.counts[name] for name in ("total", "complete", "failed", "unfinished")}
    if outcome.complete == outcome.total and not outcome.errors:
        return Completed(message=str(outcome), data=counts)
    return Failed(message=str(outcome), data=SimulationsFailedError(outcome))


def warn_of_weather(project: Project, sim_ids: Sequence[str]) -> None:
    """Log what weather these simulations lack, and what looks odd, with the current flow run."""
    report = weather_report(project, sim_ids)
    for told in (*report.remarks[:SHOWN_PROBLEMS], *report.problems[:SHOWN_PROBLEMS]):
        get_run_logger().warning("%s", told)
