"""Two runs on one project: the second takes what is left, or says who computes it."""

import os
import re
import subprocess
import sys
import threading

import pytest
import stilt_fakes as fakes
from inline_backend import Inline

import stilt
from stilt.errors import RunUnfinishedError
from stilt.project import batches, claims
from stilt.project.holders import holders, planned, refuse_if_all_held
from stilt.project.owners import new_owner

HOLD = """
import sys, time
from stilt.project.holders import planned
from stilt.project.index import Index
with planned(Index(sys.argv[1]), sys.argv[2:]) as share:
    print(len(share.mine), flush=True)
    time.sleep(600)
"""


class Here(Inline):
    """A backend that computes in this process, and takes its simulations as the local one does."""

    def start(self, project, sim_ids, **options):
        with planned(project.index, sim_ids) as share:
            self.computed = share.mine
            return super().start(project, share.mine, **options)


@pytest.fixture
def other_run():
    """Start another process that runs simulations of a model; none is left at the end."""
    started = []

    def start(model, sim_ids):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(model.layout.index), *sim_ids],
            stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )  # fmt: skip
        started.append(process)
        assert process.stdout.readline() == f"{len(sim_ids)}\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_second_run_says_who_computes_and_since_when(make_model, other_run, steer):
    model = make_model(4)
    other = other_run(model, model.register_pending())
    said = (
        rf"All 4 .* computed by process {other.pid} on \S+ \(since \d{{4}}-\d\d-\d\d .* UTC\): wait"
    )
    with pytest.raises(RunUnfinishedError, match=said):
        model.run(executor=Here())
    assert fakes.starts(steer) == {}
    # What a run has planned waits: nobody computes it yet.
    assert model.status()["pending"] == 4


def test_a_second_run_takes_what_is_left(make_model, other_run, steer, caplog):
    model = make_model(5)
    ids = model.register_pending()
    other_run(model, ids[:3])
    here = Here()
    model.run(executor=here)
    assert here.computed == ids[3:]
    assert "3 of 5 simulations are left to process" in caplog.text
    assert fakes.starts(steer) == dict.fromkeys(ids[3:], 1)
    assert model.status()["completed"] == 2


def test_what_a_killed_run_had_planned_is_free_at_once(make_model, other_run):
    model = make_model(4)
    other = other_run(model, model.register_pending())
    other.kill()
    other.wait()
    model.run(executor=Here())
    assert model.status()["completed"] == 4


def test_a_plan_elsewhere_ends_with_its_lease(make_model, monkeypatch):
    model = make_model(3)
    ids = model.register_pending()
    owner = "otherhost/1/2|12|34|abcd"
    mark = batches.mark_running(model.layout.planned, "there", owner, ids)
    with pytest.raises(RunUnfinishedError, match="process 12 on otherhost"):
        model.run(executor=Here())
    old = mark.stat().st_mtime - batches.LEASE_S - 1
    os.utime(mark, (old, old))
    model.run(executor=Here())
    assert model.status()["completed"] == 3


def test_a_pull_leaves_what_a_run_has_planned(make_model, other_run, steer):
    model = make_model(4)
    ids = model.register_pending()
    other_run(model, ids[1:])
    stilt.pull_simulations(model)
    assert set(fakes.starts(steer)) == {ids[0]}


def test_a_run_leaves_what_a_pull_has_claimed(make_model, steer):
    model = make_model(4)
    ids = model.register_pending()
    assert claims.claim(model.index, new_owner(), limit=3) == ids[:3]
    here = Here()
    model.run(executor=here)
    assert here.computed == ids[3:]
    with pytest.raises(RunUnfinishedError, match=rf"process {os.getpid()} on"):
        model.run(executor=here)


def test_runs_that_begin_together_share_without_overlap(make_model):
    model = make_model(8)
    ids = model.register_pending()
    shares, ready, done = [], threading.Barrier(4), threading.Event()

    def run(asked):
        ready.wait()
        with planned(model.index, asked) as share:
            shares.append(share.mine)
            done.wait(60)

    runs = [threading.Thread(target=run, args=(ids[k:],)) for k in range(4)]
    for each in runs:
        each.start()
    while len(shares) < 4:
        assert any(each.is_alive() for each in runs)
    taken = [sim_id for share in shares for sim_id in share]
    done.set()
    for each in runs:
        each.join()
    assert len(taken) == len(set(taken))
    assert ids[-1] in taken
    assert holders(model.index) == []
    assert list(model.layout.planned.iterdir()) == []


def test_nothing_planned_refuses_nothing(make_model):
    model = make_model(2)
    refuse_if_all_held(holders(model.index), [])
    refuse_if_all_held(holders(model.index), model.register_pending())


def test_the_sentence_names_a_few(make_model):
    model = make_model(5)
    ids = model.register_pending()
    for number, sim_id in enumerate(ids):
        owner = f"host{number}/1/2|{number}|34|abcd"
        batches.mark_running(model.layout.planned, f"b{number}", owner, [sim_id])
    with pytest.raises(RunUnfinishedError) as told:
        refuse_if_all_held(holders(model.index), ids)
    assert len(re.findall("process", str(told.value))) == 3
    assert "and 2 more" in str(told.value)
