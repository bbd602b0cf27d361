"""The flows of this package: simulate, footprints, prepare-meteorology, maintain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prefect.logging import get_run_logger
from prefect.states import Completed, Failed, State

from flows.crew import crash_unfinished
from flows.observer import PrefectObserver, show_failures, show_outcome
from flows.project_flow import project_flow, tag_content
from stilt.errors import MeteorologyError
from stilt.execution.backend import Backend, get_executor
from stilt.execution.engine import run_plan
from stilt.execution.observing import Observer
from stilt.execution.plan import Plan, share_in_words
from stilt.execution.runs import Outcome, SimulationsFailedError
from stilt.execution.setup import refuse_wrong_process
from stilt.execution.warm_up import prepare_meteorology as prepare
from stilt.execution.weather import weather_report
from stilt.model import Model
from stilt.project.claims import release_stale
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
        weather = weather_report(model.files, sim_ids)
        for told in (*weather.remarks[:SHOWN_PROBLEMS], *weather.problems[:SHOWN_PROBLEMS]):
            get_run_logger().warning("%s", told)
        return run_simulations(model, sim_ids, n_workers, skip_existing)


@project_flow(name="footprints")
def footprints(
    project: str,
    scene: str | None = None,
    mets: list[str] | None = None,
    n_workers: int | None = None,
    output_dir: str | None = None,
) -> State[Any]:
    """Make the footprints that kept trajectories lack; no particle is moved.

    Change grids, smoothing or transforms in config.yaml, then run this. Simulations whose
    trajectory is missing, or was made by other transport settings, are left to `simulate`.

    Args:
        project: directory, as the worker sees it.
        scene: only simulations of this scene.
        mets: only these meteorologies.
        n_workers: worker processes; 1 computes inline; None takes the config's.
        output_dir: output root, when it is not the project.
    """
    model = Model(project=project, output_dir=output_dir)
    lacking = model.pending(skip_existing=True, scene_id=scene, mets=mets or None)
    ready = model.files.with_trajectories(lacking)
    return run_simulations(model, ready, n_workers, skip_existing=True)


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


@project_flow(name="maintain")
def maintain(
    project: str,
    rebuild: bool = True,
    output_dir: str | None = None,
) -> State[Any]:
    """Rebuild a project's index from its files and free claims of dead workers.

    Args:
        project: directory, as the worker sees it.
        rebuild: rebuild the index from the files.
        output_dir: output root, when it is not the project.
    """
    model = Model(project=project, output_dir=output_dir)
    if rebuild:
        model.rebuild()
    else:
        model.index.fold()
    counts = {**model.status(), "freed": release_stale(model.index)}
    text = "{completed} of {total} simulations complete, {failed} failed, {freed} claims freed"
    return Completed(message=text.format(**counts), data=counts)


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
