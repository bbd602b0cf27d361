"""Prefect's process pool under the engine: workers that die, and what Prefect shows of it."""

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path

import pytest
import stilt_fakes as fakes
from prefect import Task, flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client

import stilt
from flows.crew import MappedTasks, process_pool
from stilt.errors import SimulationError
from stilt.execution.engine import WorkersError, run_plan
from stilt.execution.places import Folders
from stilt.execution.plan import Batch, Plan, Roles
from stilt.execution.processes import remove_mark
from stilt.project.inputs import Project


def compute_with_killers(order):
    """Complete all simulations of an order, unless one is a killer: see :func:`run_with`."""
    from stilt.execution.summary import BatchSummary
    from stilt.project.batches import mark_running
    from stilt.project.owners import new_owner
    from stilt.project.receipts import Result, write_receipt

    project, batch = order.place.open(), order.batch
    mark = mark_running(project.layout.running, batch.id, new_owner(), batch.sim_ids)
    time.sleep(0.5)  # long enough for Prefect to hear that the task run has begun
    if any(sim_id.endswith("666") for sim_id in batch.sim_ids):
        os.kill(os.getpid(), signal.SIGKILL)
    results = [Result(sim_id, "{}", state="failed", reason="UNKNOWN") for sim_id in batch.sim_ids]
    receipt = write_receipt(project.layout.receipts, results, batch.id)
    mark.unlink()
    return BatchSummary(batch.id, n_failed=len(results), receipt=str(receipt))


def die(order):
    """End before the batch has begun."""
    os.kill(os.getpid(), signal.SIGKILL)


def fail(order):
    """Raise what no simulation can be blamed for."""
    raise ValueError("no such thing")


def interrupt(order):
    raise KeyboardInterrupt


def leave(order):
    """Leave as Prefect does in a worker that cannot reach its server."""
    raise SystemExit(1)


def a_task(function: Callable) -> Task:
    return task(
        function, task_run_name="{order.label}", cache_policy=NO_CACHE, persist_result=False
    )


@pytest.fixture
def project(tmp_path: Path, faked) -> Project:
    root = tmp_path / "case"
    model = stilt.Model(root, receptors=fakes.receptors(1), config=fakes.config())
    model.store_inputs()
    return model.files


def run_with(function: Callable, project: Project, *batches: Batch) -> None:
    """Run batches with two workers of Prefect's pool."""
    running = project.layout.running
    crew = MappedTasks(
        project,
        Folders.of(project),
        partial(process_pool, running=running, variables={}, ready=[]),
        (BrokenProcessPool,),
        partial(remove_mark, running),
        a_task(function),
    )
    ids = tuple(sim_id for batch in batches for sim_id in batch.sim_ids)
    receptor = fakes.receptors(1)[0]
    plan = Plan(batches, Roles(2), receptors=dict.fromkeys(ids, receptor))

    @flow(persist_result=False)
    def run() -> None:
        run_plan(project, plan, crew)

    run()


def sim(number: int) -> str:
    return f"fake_202301010000_1_2_{number}"


@pytest.mark.slow  # six pools, one after another
def test_a_killer_is_found_and_everybody_else_is_computed(
    api: str, project: Project, caplog
) -> None:
    run_with(
        compute_with_killers,
        project,
        Batch("a", (sim(1), sim(2))),
        Batch("b", (sim(3), sim(666))),
        Batch("c", (sim(4),)),
        Batch("d", (sim(5),)),
    )
    reasons = {row["sim_id"]: row["reason"] for row in project.index.rows(
        [*map(sim, range(1, 6)), sim(666)], ("sim_id", "reason")
    )}  # fmt: skip
    assert reasons.pop(sim(666)) == "WORKER_DIED"
    assert reasons == dict.fromkeys(map(sim, range(1, 6)), "UNKNOWN")
    assert not list(project.layout.running.glob("*.json"))

    with get_client(sync_client=True) as client:
        runs = client.read_task_runs()
    states = {(run.name, run.state_name) for run in runs}
    assert {state for name, state in states if name == sim(666)} == {"Crashed"}
    # One that was beside the killer in its pool has a crashed run before the completed one.
    assert (sim(4), "Completed") in states
    assert "Running" not in {state for _, state in states}


def test_an_exception_in_a_task_is_told_and_nothing_is_tried_again(
    api: str, project: Project, caplog
) -> None:
    run_with(fail, project, Batch("a", (sim(1),)))
    assert f"Batch {sim(1)}: ValueError: no such thing" in caplog.text


@pytest.mark.slow
def test_workers_that_never_begin_end_the_run(api: str, project: Project) -> None:
    with pytest.raises(WorkersError, match="n_workers=1"):
        run_with(die, project, Batch("a", (sim(1),)))


def test_a_worker_that_exits_as_prefect_does_without_its_server_ends_the_run(
    api: str, project: Project
) -> None:
    with pytest.raises(SimulationError, match=r"no longer answers.*run again"):
        run_with(leave, project, Batch("a", (sim(1),)))


def test_a_worker_that_is_interrupted_at_the_end_of_a_batch_is_told_and_the_run_ends(
    api: str, project: Project, caplog
) -> None:
    run_with(interrupt, project, Batch("a", (sim(1),)))
    assert "The worker was interrupted." in caplog.text
