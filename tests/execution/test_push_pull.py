"""Push and pull: exactly what was asked for, once, in one process or in several."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pandas as pd
import pytest
import stilt_fakes as fakes

import stilt
from stilt.execution import plan_batches, pull_simulations, push_simulations
from stilt.execution.observing import Silent
from stilt.execution.runs import SimulationsFailedError
from stilt.trajectories import Trajectories


class Notes(Silent):
    """An observer that keeps what it is told."""

    def __init__(self):
        self.batches, self.tallies = [], []

    def ended(self, ended):
        self.batches.append(ended)

    def progressed(self, tally):
        self.tallies.append(tally)


def particles(model, sim_id):
    return Trajectories.from_parquet(model.layout.trajectory(sim_id)).particles


def pids(steer):
    return {
        int(line)
        for path in (steer / "started").glob("*.txt")
        for line in path.read_text().splitlines()
    }


def test_one_worker_computes_in_this_process(make_model, steer):
    model = make_model(3)
    outcome = push_simulations(model, model.register_pending())
    assert outcome.counts == {"total": 3, "complete": 3, "empty": 0, "failed": 0, "unfinished": 0}
    assert model.status()["completed"] == 3
    assert pids(steer) == {os.getpid()}


def test_several_workers_are_processes_and_give_the_same_numbers(make_model, steer):
    inline, pooled = make_model(12, name="one"), make_model(12, name="two")
    ids = inline.register_pending()
    push_simulations(inline, ids)
    observer = Notes()
    push_simulations(pooled, ids, n_workers=2, observer=observer)
    assert pooled.status()["completed"] == 12
    assert sum(ended.summary.n_complete for ended in observer.batches) == 12
    assert observer.tallies[0].done == 0
    assert observer.tallies[-1].done == observer.tallies[-1].total == 12
    workers = pids(steer) - {os.getpid()}
    assert 1 <= len(workers) <= 2
    assert set(fakes.starts(steer).values()) == {2}
    for sim_id in ids:
        pd.testing.assert_frame_equal(
            particles(inline, sim_id), particles(pooled, sim_id), check_exact=True
        )


def test_workers_leave_the_index_alone(make_model, steer):
    """DuckDB gives back the memory that a worker keeps for its next tables."""
    model = make_model(4)
    push_simulations(model, model.register_pending(), n_workers=2)
    with_duckdb = {int(path.name) for path in (steer / "with-duckdb").glob("*")}
    assert pids(steer)
    assert not with_duckdb & pids(steer)


def test_pushed_ids_need_no_registration_but_a_receptor(make_model):
    model = make_model(2)
    ids = [f"fake_{receptor.id}" for receptor in model.receptors]
    push_simulations(model, ids)
    assert model.status()["completed"] == 2
    assert model.simulations.keys() == sorted(ids)
    with pytest.raises(KeyError, match="203001010000"):
        push_simulations(model, ["fake_203001010000_1_2_3"])
    assert push_simulations(model, []).total == 0


def test_a_plan_keeps_neighbours_in_met_and_time_together_and_loses_nothing():
    ids = [f"{met}_2023010{day}{hour:02d}00_0_0_5" for met in ("b", "a") for day in (2, 1)
           for hour in range(24)]  # fmt: skip
    batches = plan_batches(ids + ids[:3], 2)
    assert sorted(i for batch in batches for i in batch.sim_ids) == sorted(ids)
    order = [i.split("_")[:2] for batch in batches for i in batch.sim_ids]
    assert order == sorted(order)
    assert len({batch.id for batch in batches}) == len(batches)


@pytest.mark.parametrize(
    ("number", "workers", "size"),
    [(1, 1, 1), (10, 2, 1), (11, 2, 2), (10**5, 2, 256), (10**6, 2, 500)],
)
def test_batches_are_neither_too_many_nor_too_big(number, workers, size):
    from stilt.execution.plan import batch_size

    assert batch_size(number, workers) == size


def test_a_worker_on_a_gpu_takes_its_whole_share_at_once():
    from stilt.execution.plan import batch_sizes

    assert batch_sizes(200, 4, "gpu") == [50, 50, 50, 50]
    assert batch_sizes(600, 1, "gpu") == [256, 256, 88]


@pytest.mark.parametrize("number", [0, 1, 5, 16, 17, 256, 10**5])
@pytest.mark.parametrize("workers", [1, 2, 8])
def test_the_last_batches_are_smaller_where_workers_would_wait_for_them(number, workers):
    from stilt.execution.plan import batch_size, batch_sizes

    sizes = batch_sizes(number, workers)
    assert sum(sizes) == number
    assert max(sizes, default=0) == (batch_size(number, workers) if number else 0)
    assert sizes == sorted(sizes, reverse=True)
    if workers > 1 and number >= 256:
        assert sum(sizes[-workers:]) <= 0.6 * workers * sizes[0]


def test_a_pull_runs_what_is_pending_and_returns(make_model, steer):
    model = make_model(5)
    ids = model.register_pending()
    fakes.wish(steer, "fail", ids[3])
    outcome = pull_simulations(model)
    assert (outcome.total, outcome.complete, outcome.reasons) == (5, 4, {"NO_TRAJECTORY_DATA": 1})
    assert [row["sim_id"] for row in outcome.failures] == [ids[3]]
    with pytest.raises(SimulationsFailedError, match="4 of 5 simulations complete, 1 failed"):
        outcome.raise_for_failures()
    status = model.status()
    assert (status["completed"], status["failed"]) == (4, 1)
    assert pull_simulations(model).total == 0
    assert fakes.starts(steer) == dict.fromkeys(ids, 1)


def test_a_new_run_tries_failures_again_and_a_pull_does_not(make_model, steer):
    model = make_model(2)
    ids = model.register_pending()
    fakes.wish(steer, "fail", ids[0])
    pull_simulations(model)
    (steer / "fail" / ids[0]).unlink()
    pull_simulations(model)
    assert model.status()["failed"] == 1
    assert model.pending() == [ids[0]]
    push_simulations(model, model.pending()).raise_for_failures()
    assert model.status()["completed"] == 2


def test_a_following_pull_takes_new_work_until_interrupted(make_model, steer):
    model = make_model(2)
    model.register_pending()

    def add_work_then_stop():
        other = stilt.Model(model.output_root)
        while model.status()["completed"] < 2:
            time.sleep(0.05)
        other.register_pending(receptors=fakes.receptors(4))
        while model.status()["completed"] < 4:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=add_work_then_stop)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        pull_simulations(model, follow=True, poll_interval=0.1)
    thread.join()
    assert model.status()["completed"] == 4
    assert model.status()["running"] == 0


def test_an_interrupted_push_keeps_what_is_finished(make_model, steer):
    model = make_model(12)
    ids = model.register_pending()
    fakes.wish(steer, "interrupt", ids[6])
    with pytest.raises(KeyboardInterrupt):
        push_simulations(model, ids)
    status = model.status()
    assert status["completed"] >= 2
    assert status["failed"] == status["running"] == 0
    (steer / "interrupt" / ids[6]).unlink()
    push_simulations(model, ids)
    assert model.status()["completed"] == 12


SCRIPT = """
    import sys
    sys.path.insert(0, {support!r})
    import stilt, stilt_fakes
    from stilt.execution import push
    stilt_fakes.install()
    push.crew_of_this_machine = stilt_fakes.crew
    model = stilt.Model({project!r}, stilt_fakes.receptors(8), stilt_fakes.config())
    stilt.push_simulations(model, model.register_pending(), n_workers=2)
    import json
    print(json.dumps(model.status()))
"""


def test_a_script_without_a_main_guard_may_use_several_workers(tmp_path, steer):
    support = os.path.dirname(fakes.__file__)
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT.format(support=support, project=str(tmp_path / "p"))))
    path = os.pathsep.join(entry for entry in sys.path if entry)
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=True,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert json.loads(done.stdout)["completed"] == 8
    assert done.stdout.count("completed") == 1
