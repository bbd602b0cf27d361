import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from prefect import flow, task, unmapped
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client

from flows.pool import WorkersError, process_workers, run_batches
from stilt.execution.plan import Batch


def run_with_killers(batches: Sequence[Batch], marks: Path):
    """Run batches; a simulation named "killer..." kills the worker that computes it."""

    @task(task_run_name="{label}", cache_policy=NO_CACHE, persist_result=False)
    def work(sim_ids, label, batch_id, folder):
        from stilt.project.batches import mark_running
        from stilt.project.owners import new_owner

        mark = mark_running(Path(folder), batch_id, new_owner(), sim_ids)
        time.sleep(0.5)  # long enough for Prefect to hear that the task run has begun
        if any(sim_id.startswith("killer") for sim_id in sim_ids):
            os.kill(os.getpid(), signal.SIGKILL)
        mark.unlink()
        return len(sim_ids)

    @flow(persist_result=False)
    def run():
        def submit(wave):
            return work.map(
                [batch.sim_ids for batch in wave],
                [batch.label for batch in wave],
                [batch.id for batch in wave],
                unmapped(str(marks)),
            )

        return list(run_batches(batches, submit, n_workers=2, workers=process_workers(marks)))

    return run()


@pytest.mark.slow  # six pools, one after another
def test_a_killer_is_found_and_everybody_else_completes(api: str, tmp_path: Path) -> None:
    batches = [
        Batch("a", ("a1", "a2")),
        Batch("b", ("b1", "killer")),
        Batch("c", ("c1",)),
        Batch("d", ("d1",)),
    ]
    outcomes = run_with_killers(batches, tmp_path)
    done = [sim_id for o in outcomes if o.result for sim_id in o.batch.sim_ids]
    assert sorted(done) == ["a1", "a2", "b1", "c1", "d1"]
    assert [o.batch.sim_ids for o in outcomes if o.worker_died] == [("killer",)]
    assert not any(o.error for o in outcomes)
    assert not list(tmp_path.glob("*.json"))

    with get_client(sync_client=True) as client:
        runs = client.read_task_runs()
    states = {(run.name, run.state_name) for run in runs}
    assert {state for name, state in states if name == "killer"} == {"Crashed"}
    # One that was beside the killer in its pool has a crashed run before the completed one.
    assert ("c1", "Completed") in states
    assert "Running" not in {state for _, state in states}


def test_an_exception_in_a_task_is_told_and_nothing_is_tried_again(
    api: str, tmp_path: Path
) -> None:
    @task(cache_policy=NO_CACHE, persist_result=False)
    def work(sim_ids):
        raise ValueError("no such thing")

    @flow(persist_result=False)
    def run():
        def submit(wave):
            return work.map([batch.sim_ids for batch in wave])

        return list(
            run_batches(
                [Batch("a", ("a1",))], submit, n_workers=2, workers=process_workers(tmp_path)
            )
        )

    (outcome,) = run()
    assert outcome.result is None
    assert "no such thing" in outcome.error


@pytest.mark.slow
def test_workers_that_never_begin_end_the_run(api: str, tmp_path: Path) -> None:
    @task(cache_policy=NO_CACHE, persist_result=False)
    def work(sim_ids):
        os.kill(os.getpid(), signal.SIGKILL)

    @flow(persist_result=False)
    def run():
        def submit(wave):
            return work.map([batch.sim_ids for batch in wave])

        return list(
            run_batches(
                [Batch("a", ("a1",))], submit, n_workers=2, workers=process_workers(tmp_path)
            )
        )

    with pytest.raises(WorkersError, match="n_workers=1"):
        run()
