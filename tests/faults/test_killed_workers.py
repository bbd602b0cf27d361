"""Workers, coordinators and pullers that are killed: nothing lost, nothing twice."""

import os
import random
import signal
import subprocess
import sys
import textwrap
import time

import pytest
import stilt_fakes as fakes

import stilt
from stilt.execution import pull_simulations, push_simulations
from stilt.execution.plan import plan_run
from stilt.project.artifacts import made_of
from stilt.project.receipts import receipt_files


def check_everything(model, number):
    """Every simulation complete, none twice in the index, no half file."""
    status = model.status()
    assert (status["total"], status["completed"]) == (number, number)
    frame = model.simulations.to_frame()
    assert frame["sim_id"].is_unique
    for path in model.layout.by_id.rglob("*"):
        if path.suffix in (".parquet", ".nc") and not path.name.startswith("."):
            assert made_of(path) is not None
    assert len(model.trajectories.paths()) == number
    assert len(model.footprints["default"].paths()) == number


def test_a_killed_worker_costs_a_retry_not_the_run(make_model, steer):
    model = make_model(20)
    ids = model.register_pending()
    fakes.wish(steer, "kill-once", ids[3])
    fakes.wish(steer, "kill-once", ids[11])
    outcome = push_simulations(model, ids, n_workers=2)
    check_everything(model, 20)
    plan = plan_run(model.files, ids, 2)
    killers = [batch for batch in plan.batches if {ids[3], ids[11]} & set(batch.sim_ids)]
    assert outcome.retried == len(killers)
    assert outcome.retried_sentence.startswith(
        f"{outcome.retried} batches were tried again because a worker process died"
    )


def test_a_simulation_that_always_kills_its_worker_fails_alone(make_model, steer):
    model = make_model(40)
    ids = model.register_pending()
    fakes.wish(steer, "kill", ids[5])
    push_simulations(model, ids, n_workers=2)
    status = model.status()
    assert (status["completed"], status["failed"]) == (39, 1)
    assert model.failure_counts() == {"WORKER_DIED": 1}
    assert model.simulations.ids(reason="WORKER_DIED") == [ids[5]]
    assert "Reason: WORKER_DIED" in model.layout.log(ids[5]).read_text()


RUN = """
    import sys, logging
    sys.path.insert(0, {support!r})
    import stilt, stilt_fakes
    from stilt.execution import push
    stilt_fakes.install()
    push.crew_of_this_machine = stilt_fakes.crew
    config = stilt_fakes.config(**{config})
    model = stilt.Model({project!r}, stilt_fakes.receptors({number}), config)
    {action}
"""
PUSH = "stilt.push_simulations(model, model.pending(), n_workers=2)"
PULL = "stilt.pull_simulations(stilt.Model({project!r}))"


def start(tmp_path, number, action, **config):
    project = str(tmp_path / "case")
    script = RUN.format(
        support=os.path.dirname(fakes.__file__), project=project, number=number,
        action=action.format(project=project), config=config,
    )  # fmt: skip
    path = os.pathsep.join(entry for entry in sys.path if entry)
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        env={**os.environ, "PYTHONPATH": path, "STILT_FAKE_PAUSE": "0.05"},
    )
    _started.append(process)
    return process


_started: list[subprocess.Popen] = []


@pytest.fixture(autouse=True)
def nothing_is_left_running():
    """A test that fails must not slow down those after it."""
    yield
    while _started:
        _started.pop().kill()


@pytest.fixture(autouse=True)
def nobody_is_shown_a_traceback(capfd):
    """Whoever stops or dies, what reaches the terminal are sentences."""
    yield
    assert "Traceback" not in capfd.readouterr().err


def begun(steer):
    return len(list((steer / "started").glob("*.txt")))


def pids_begun(steer):
    """Processes that have begun a simulation; a file may be there before its text."""
    texts = [path.read_text().split() for path in (steer / "started").glob("*.txt")]
    return {int(words[0]) for words in texts if words}


def wait_until(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def kill_coordinator_then_run_again(
    tmp_path, make_model, steer, after_s, check=check_everything, **config
):
    process = start(tmp_path, 24, PUSH, **config)
    wait_until(lambda: begun(steer) > 0)
    time.sleep(after_s)
    process.kill()
    process.wait()
    # Its workers notice that it is gone, and what they hold is free then.
    wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids_begun(steer)))
    go_on(make_model(24, **config), check)


def go_on(model, check=check_everything):
    """Run what a killed or stopped run has left, in this process."""
    push_simulations(model, model.pending())
    check(model, 24)


def kill_a_worker_of_a_run(tmp_path, steer, after_s, check=check_everything, **config):
    process = start(tmp_path, 24, PUSH, **config)
    wait_until(lambda: begun(steer) > 0)
    time.sleep(after_s)
    wait_until(lambda: pids_begun(steer))
    for pid in sorted(pids_begun(steer))[-1:]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    assert process.wait(120) == 0
    check(stilt.Model(tmp_path / "case"), 24)


def test_a_killed_coordinator_loses_nothing(tmp_path, make_model, steer):
    kill_coordinator_then_run_again(tmp_path, make_model, steer, 0.4)


def test_a_worker_killed_from_outside_loses_nothing(tmp_path, faked):
    kill_a_worker_of_a_run(tmp_path, faked, 0.2)


@pytest.mark.slow
@pytest.mark.parametrize("moment", range(20))
def test_coordinators_killed_at_random_moments(tmp_path, make_model, steer, moment):
    after_s = random.Random(moment).uniform(0, 1.2)
    kill_coordinator_then_run_again(tmp_path, make_model, steer, after_s)


@pytest.mark.slow
@pytest.mark.parametrize("moment", range(20))
def test_workers_killed_at_random_moments(tmp_path, faked, moment):
    kill_a_worker_of_a_run(tmp_path, faked, random.Random(moment).uniform(0, 1.2))


def test_workers_end_when_their_coordinator_is_killed(tmp_path, steer):
    process = start(tmp_path, 8, PUSH)
    for number in range(8):
        fakes.wish(steer, "wait", f"fake_2023010100{number}0_-111.85_40.77_5")
    wait_until(lambda: pids_begun(steer))
    pid = next(iter(pids_begun(steer)))
    process.kill()
    process.wait()
    wait_until(lambda: not os.path.exists(f"/proc/{pid}"), 10.0)


def test_terminating_a_run_keeps_what_is_finished(tmp_path, make_model, steer, capfd):
    process = start(tmp_path, 24, PUSH)
    wait_until(lambda: begun(steer) > 4)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) != 0
    # A script of the user's own ends with Python's KeyboardInterrupt, its workers with nothing.
    assert capfd.readouterr().err.count("Traceback") == 1
    model = make_model(24)
    status = model.status()
    assert status["running"] == status["failed"] == 0
    assert status["completed"] + status["pending"] == 24
    go_on(model)


def pull_together(tmp_path, make_model, steer, number, pullers, killed):
    model = make_model(number)
    model.register_pending()
    processes = [start(tmp_path, number, PULL) for _ in range(pullers)]
    wait_until(lambda: begun(steer) > pullers)
    victims = processes[:killed]
    for process in victims:
        process.kill()
    for process in processes:
        process.wait(300)
    assert all(process.returncode == 0 for process in processes[killed:])
    pull_simulations(model)
    check_everything(model, number)
    # A simulation in a killed process may have been computed once more; no other was.
    times = fakes.starts(steer).values()
    assert max(times) <= 1 + killed
    assert sum(count > 1 for count in times) <= killed * 16


def test_processes_that_pull_together_do_each_simulation_once(tmp_path, make_model, steer):
    pull_together(tmp_path, make_model, steer, 20, 3, 0)
    assert set(fakes.starts(steer).values()) == {1}


def test_the_work_of_a_killed_puller_is_taken_over(tmp_path, make_model, steer):
    pull_together(tmp_path, make_model, steer, 20, 3, 1)


@pytest.mark.slow
def test_eight_processes_pull_four_hundred_and_three_are_killed(tmp_path, make_model, steer):
    pull_together(tmp_path, make_model, steer, 400, 8, 3)


@pytest.mark.slow
def test_eight_processes_pull_four_hundred_each_once(tmp_path, make_model, steer):
    pull_together(tmp_path, make_model, steer, 400, 8, 0)
    assert set(fakes.starts(steer).values()) == {1}


def test_a_receipt_written_before_the_coordinator_died_is_folded_by_the_next(make_model):
    model = make_model(3)
    ids = model.register_pending()
    stilt.execution.run_batch(str(model.output_root), ids)
    assert receipt_files(model.layout.receipts)
    assert model.pending() == []
    assert not receipt_files(model.layout.receipts)


def test_status_is_answered_all_the_time_while_a_run_goes_on(tmp_path, steer):
    process = start(tmp_path, 24, PUSH)
    wait_until(lambda: (tmp_path / "case" / ".stilt" / "index.duckdb").exists())
    model, seen = stilt.Model(tmp_path / "case"), []
    while process.poll() is None:
        seen.append(model.status())
        assert seen[-1]["completed"] <= len(model.simulations.ids(state="complete")) <= 24
        # The first answer may come before the 24 are registered, the second after.
        assert seen[-1]["total"] <= len(model.simulations.to_frame()) <= 24
        assert len(model.simulations.incomplete()) <= 24 - seen[-1]["completed"]
        assert seen[-1]["total"] in (0, 24)
        model.index.sql("SELECT name, sum(total) FROM footprints GROUP BY name")
        time.sleep(0.1)
    assert process.returncode == 0
    done = [status["completed"] for status in seen]
    assert done == sorted(done)
    for status in seen:
        parts = ("completed", "running", "pending", "failed")
        assert status["total"] == sum(status[part] for part in parts)
    check_everything(model, 24)
