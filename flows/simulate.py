"""The flow `simulate`: plan, map batches over workers, record and show what came of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from prefect.logging import get_run_logger
from prefect.states import Completed, Failed, State

from flows.crew import crash_unfinished
from flows.observer import PrefectObserver, show_outcome
from flows.project_flow import ProjectFlow, project_flow, tag_content
from stilt.execution.backend import Backend, get_executor
from stilt.execution.engine import run_plan
from stilt.execution.observing import Observer
from stilt.execution.plan import Plan, share_in_words
from stilt.execution.runs import Outcome, SimulationsFailedError
from stilt.execution.setup import refuse_wrong_process
from stilt.execution.weather import weather_report
from stilt.model import Model
from stilt.project.holders import holders, refuse_if_all_held, shared
from stilt.project.inputs import Project
from stilt.receptors import met_of

SHOWN_PROBLEMS = 10


@project_flow(name="simulate")
def simulate(
    project: str,
    scene: str | None = None,
    mets: list[str] | None = None,
    n_workers: int | None = None,
    skip_existing: bool | None = None,
    output_dir: str | None = None,
    compute_root: str | None = None,
    task: str | None = None,
) -> State[Any]:
    """Compute the simulations that a project lacks; the same as `stilt run`.

    The run ends as Failed when a simulation failed or was not finished; its message has the counts.

    Args:
        project: folder, as the worker sees it, or URL.
        scene: only simulations of this scene.
        mets: only these meteorologies.
        n_workers: worker processes; 1 computes inline; None takes the config's.
        skip_existing: keep outputs that exist; None takes the config's.
        output_dir: output root, a folder or a URL, when it is not the project.
        compute_root: where files are made before they are published.
        task: I/N computes share I of N of all registered simulations: for flow runs on several
            machines that each have a GPU.
    """
    refuse_wrong_process()
    model = Model(project=project, output_dir=output_dir, compute_root=compute_root)
    with model.files.leased():
        sim_ids = model.pending(skip_existing=skip_existing, scene_id=scene, mets=mets or None)
        if task is not None:
            share = set(share_in_words(model.simulations.ids(), task))
            sim_ids = [sim_id for sim_id in sim_ids if sim_id in share]
        warn_of_weather(model.files, sim_ids)
        return run_simulations(model, sim_ids, n_workers, skip_existing)


def simulate_planned(
    project: Project,
    plan: Plan,
    backend: Backend,
    observer: Observer | None,
    ended: Callable[[Outcome], object],
) -> ProjectFlow[..., Any]:
    """Return the flow `simulate` for a caller in this process who has planned already.

    Args:
        project: open already.
        plan: what to compute.
        backend: whose crew computes.
        observer: told how the run goes on, beside Prefect.
        ended: told what came of it.
    """

    @wraps(simulate.fn)
    def planned(*arguments: Any, **parameters: Any) -> State[Any]:
        del arguments, parameters
        outcome = run_in_flow(project, plan, backend, observer)
        ended(outcome)
        return final_state(outcome)

    return simulate.running(planned)


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
