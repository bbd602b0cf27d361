"""The flow `simulate`: plan, map batches over workers, fold their receipts, report."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

from prefect import task, unmapped
from prefect.cache_policies import NO_CACHE
from prefect.context import TagsContext
from prefect.futures import PrefectFuture
from prefect.logging import get_run_logger
from prefect.states import State

from flows.bookkeeping import batch_state, conclude, content, note, simulations_to_run
from flows.pool import EndedFailedError, Outcome, crash_unfinished, process_workers, run_batches
from flows.project_flow import caller, project_flow, tag_content
from flows.report import Progress
from flows.worker import compute
from stilt.errors import StiltError
from stilt.execution import BatchSummary, fold_receipts, plan_batches
from stilt.execution.forks import allowed_workers, refuse_in_fork
from stilt.execution.lookup import receptors_of
from stilt.execution.plan import Batch, Roles
from stilt.execution.setup import (
    computing_environment,
    prepare_process,
    refuse_in_starting_worker,
    worker_arguments,
)
from stilt.model import Model
from stilt.project.holders import all_held, names, planned, refuse_if_all_held
from stilt.project.inputs import Project
from stilt.receptors import Receptor

FOLD_EVERY_S = 2.0
MOST_RECEPTORS_CARRIED = 20_000


@task(name="simulate-batch", task_run_name="{label}", cache_policy=NO_CACHE, persist_result=False)
def simulate_batch(
    sim_ids: Sequence[str],
    label: str,
    batch_id: str,
    options: dict[str, Any],
    receptors: Mapping[str, Receptor] | None = None,
    progress: Callable[[float], None] | None = None,
) -> State[Any]:
    """Compute one batch; a simulation that fails is an outcome and no exception.

    The task run ends Failed when one did, with the counts; its result is a
    :class:`BatchSummary` all the same.
    """
    del label
    return batch_state(compute(sim_ids, batch_id, options, receptors, progress), len(sim_ids))


@project_flow(name="simulate")
def simulate(
    project: str,
    scene: str | None = None,
    mets: list[str] | None = None,
    n_workers: int | None = None,
    skip_existing: bool | None = None,
    output_dir: str | None = None,
    compute_root: str | None = None,
) -> State[Any]:
    """Compute the simulations that a project lacks; the same as `stilt run`.

    The run ends Failed when a simulation failed or was not finished; its message has the counts.

    Args:
        project: directory, as the worker sees it.
        scene: only simulations of this scene.
        mets: only these meteorologies.
        n_workers: worker processes; 1 computes inline; None takes the config's.
        skip_existing: keep outputs that exist; None takes the config's.
        output_dir: output root, a folder or a URL, when it is not the project.
        compute_root: where files are made before they are published.
    """
    refuse_in_fork()
    refuse_in_starting_worker()
    model = Model(project=project, output_dir=output_dir, compute_root=compute_root)
    sim_ids = simulations_to_run(model, scene=scene, mets=mets, skip_existing=skip_existing)
    return run_simulations(model, sim_ids, n_workers, skip_existing)


def run_simulations(
    model: Model, sim_ids: Sequence[str], n_workers: int | None, skip_existing: bool | None
) -> State[Any]:
    """Compute simulations in the current flow run; the final state says what came of them."""
    if not sim_ids:
        running = model.index.in_states(model.files.expectations, states=("running",))
        refuse_if_all_held(model.index, running)
    with planned(model.index, sim_ids) as share:
        if share.others and not share.mine:
            raise all_held(share.others, len(sim_ids))
        if share.others:
            get_run_logger().warning(
                "%d of %d simulations are left to %s.",
                len(sim_ids) - len(share.mine), len(sim_ids), names(share.others),
            )  # fmt: skip
        return _run_share(model, share.mine, n_workers, skip_existing)


def _run_share(
    model: Model, sim_ids: Sequence[str], n_workers: int | None, skip_existing: bool | None
) -> State[Any]:
    """Compute what no other process does."""
    device = model.config.execution.device
    elsewhere = (caller().execution or model.config.execution).backend == "dask"
    workers = n_workers or model.config.execution.n_workers
    workers = workers if elsewhere else allowed_workers(workers)
    if model.files.remote is not None:
        model.files.remote.check(2 if elsewhere else workers)
    # Each Dask worker is thought to have a GPU of its own.
    roles = Roles(workers) if elsewhere else Roles.of(workers, device)
    batches = plan_batches(sim_ids, roles.transport, device, roles.helpers)
    tag_content(*content(model, sim_ids))
    progress = Progress(model.name, [len(batch.sim_ids) for batch in batches], roles.transport)
    options = {**worker_arguments(model.files), "skip_existing": skip_existing}
    folded_at = time.monotonic()
    errors: list[str] = []
    try:
        for outcome in _compute(model, batches, roles, options, progress):
            note(model, outcome, progress)
            if outcome.error:
                errors.append(outcome.error)
            if time.monotonic() - folded_at > FOLD_EVERY_S:
                # A receipt that cannot be folded now waits for the end of the run.
                with contextlib.suppress(StiltError):
                    fold_receipts(model)
                folded_at = time.monotonic()
    except BaseException:
        crash_unfinished("The run broke off; its simulations are pending again.")
        raise
    finally:
        fold_receipts(model)
    return conclude(model, sim_ids, errors)


def _compute(
    model: Model,
    batches: Sequence[Batch],
    roles: Roles,
    options: dict[str, Any],
    progress: Progress,
) -> Iterator[Outcome[BatchSummary]]:
    """Compute batches: inline for one worker, mapped over a pool of processes, or on Dask."""
    execution = caller().execution or model.config.execution
    if execution.backend == "dask":
        from flows.dask_backend import dask_workers, traveling

        arguments = traveling(model.files, options)
        with dask_workers(model.files, roles.transport, execution.options) as workers:
            yield from run_batches(
                batches,
                lambda wave: _map(wave, arguments, receptors_by_batch(model.files, wave)),
                n_workers=roles.transport,
                workers=workers,
            )
        return
    if roles.transport + roles.helpers > 1:
        options = {**options, "n_helpers": roles.helpers}
        yield from run_batches(
            batches,
            lambda wave: _map(wave, options, carried_receptors(model.files, wave)),
            n_workers=roles.transport,
            workers=process_workers(
                model.layout.running, computing_environment(model.files, roles.transport)
            ),
        )
        return
    prepare_process(model.files)
    for batch, receptors in zip(batches, carried_receptors(model.files, batches), strict=True):
        within = progress.within(len(batch.sim_ids))
        with _untagged():
            state = simulate_batch(
                batch.sim_ids, batch.label, batch.id, options, receptors, within, return_state=True
            )
        try:
            # In a running event loop (a notebook) the call would be a coroutine without _sync.
            yield Outcome(batch, cast(Any, state).result(_sync=True))
        except EndedFailedError as told:
            yield Outcome(batch, told.result)


def _untagged() -> TagsContext:
    """Task runs without the tags of their flow run.

    For each tag a task run asks the API whether it may begin, and so may wait.
    """
    return TagsContext(current_tags=set())


def carried_receptors(
    files: Project, batches: Sequence[Batch]
) -> Sequence[dict[str, Receptor] | None]:
    """Receptors that go along with each batch; None lets its worker ask the index.

    DuckDB gives all free memory of a process back to the system whenever it opens a file, and a
    worker needs it again at once: 4 % of a run of 128 receptors. The batches of very many are
    large, so that this is rare, and their receptors would fill the coordinator's memory.
    """
    if sum(len(batch.sim_ids) for batch in batches) > MOST_RECEPTORS_CARRIED:
        return [None] * len(batches)
    return receptors_by_batch(files, batches)


def receptors_by_batch(files: Project, batches: Sequence[Batch]) -> list[dict[str, Receptor]]:
    """Receptors of each batch by id, so that its worker need not read the index."""
    known = receptors_of(files, [sim_id for batch in batches for sim_id in batch.sim_ids])
    return [{i: known[i] for i in batch.sim_ids if i in known} for batch in batches]


def _map(
    batches: Sequence[Batch],
    options: dict[str, Any],
    receptors: Sequence[Mapping[str, Receptor] | None],
) -> Sequence[PrefectFuture[BatchSummary]]:
    """One task run for each batch, in the task runner of the flow run."""
    with _untagged():
        futures: Any = simulate_batch.map(
            [batch.sim_ids for batch in batches],
            [batch.label for batch in batches],
            [batch.id for batch in batches],
            unmapped(options),
            list(receptors),
        )
    return cast(Sequence[PrefectFuture[BatchSummary]], futures)
