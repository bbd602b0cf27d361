"""A run never ends as if complete, and never begins where it could not end."""

import multiprocessing
import subprocess
import sys
import textwrap

import pytest
import stilt_fakes as fakes
from click.testing import CliRunner
from inline_backend import Inline

import stilt
from stilt.cli import cli
from stilt.errors import RunUnfinishedError, UsageError
from stilt.execution import BatchSummary, batch, forks, orders, run_batch
from stilt.execution.forks import allowed_workers


def test_a_run_that_computes_nothing_raises(make_model):
    with pytest.raises(RunUnfinishedError, match=r"4 of 4 simulations were not computed.*run aga"):
        make_model(4).run(executor=Inline(0))


def test_a_run_that_computes_a_part_raises_and_keeps_it(make_model):
    model = make_model(4)
    with pytest.raises(RunUnfinishedError, match="3 of 4 simulations were not computed"):
        model.run(executor=Inline(1))
    assert model.status()["completed"] == 1


def test_a_failure_is_an_end(make_model, steer):
    model = make_model(2)
    fakes.wish(steer, "fail", model.register_pending()[0])
    model.run(executor=Inline(2))
    assert model.status()["failed"] == 1


def test_a_failed_error_run_is_an_end(make_model, steer):
    wind = {"siguverr": 2.0, "tluverr": 100.0, "zcoruverr": 400.0, "horcoruverr": 14.0}
    model = make_model(2, **wind)
    fakes.wish(steer, "fail-error", model.register_pending()[0])
    model.run(executor=Inline(2))
    assert model.status()["pending"] == 1


def test_outputs_whose_receipt_was_lost_count(make_model, monkeypatch):
    def lost(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(batch, "write_receipt", lost)
    model = make_model(3)
    model.run(executor=Inline(3))
    assert model.status()["completed"] == 3


def test_a_push_and_a_pull_that_compute_nothing_raise(make_model, monkeypatch):
    monkeypatch.setattr(orders, "compute_batch", lambda *_, **__: BatchSummary("b"))
    model = make_model(2)
    ids = model.register_pending()
    with pytest.raises(RunUnfinishedError, match="2 of 2"):
        stilt.push_simulations(model, ids)
    with pytest.raises(RunUnfinishedError, match="2 of 2"):
        stilt.pull_simulations(model)


def test_a_batch_leaves_nothing_without_a_reason(make_model, monkeypatch):
    monkeypatch.setattr(batch, "run_group", lambda *args, **options: None)
    model = make_model(2)
    summary = run_batch(str(model.output_root), model.register_pending())
    assert summary.n_failed == 2
    model.index.fold()
    assert model.failure_counts() == {"UNKNOWN": 2}
    assert "although nothing failed" in model.failures()[0]["detail"]


def test_a_worker_command_whose_simulations_fail_exits_with_1(make_model, steer):
    model = make_model(2)
    ids = model.register_pending()
    fakes.wish(steer, "fail", ids[0])
    told = CliRunner().invoke(cli, ["pull-worker", str(model.output_root)])
    assert told.exit_code == 1, told.output
    assert "1 simulation(s) failed" in told.output
    assert CliRunner().invoke(cli, ["pull-worker", str(model.output_root)]).exit_code == 0


def test_a_daemonic_process_computes_by_itself(caplog, monkeypatch):
    assert allowed_workers(2) == 2
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)
    assert allowed_workers(1) == 1
    assert not caplog.records
    assert allowed_workers(2) == 1
    assert "This process is daemonic" in caplog.text


@pytest.mark.parametrize("entry", ["run", "push", "pull", "batch", "by hand"])
def test_a_fork_of_a_process_that_has_computed_is_refused(make_model, monkeypatch, entry):
    model = make_model(2)
    ids = model.register_pending()
    monkeypatch.setattr(forks, "_computing", 1)
    uses = {
        "run": lambda: model.run(executor=Inline(2)),
        "push": lambda: stilt.push_simulations(model, ids),
        "pull": lambda: stilt.pull_simulations(model),
        "batch": lambda: run_batch(str(model.output_root), ids),
        "by hand": lambda: model.simulations[ids[0]].run_trajectories(),
    }
    with pytest.raises(UsageError, match=r"forked from one that has computed.*spawn"):
        uses[entry]()
    assert model.status()["pending"] == 2


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at threads in /proc")
def test_a_fork_of_a_process_whose_user_has_used_jax_is_refused():
    code = textwrap.dedent(
        """
        import _thread, os, threading, time
        import jax.numpy as jnp
        import stilt.execution.forks as forks
        jnp.ones(3).sum().block_until_ready()
        for _ in range(40):
            # Python goes on counting such threads when they have ended.
            _thread.start_new_thread(threading.current_thread, ())
        time.sleep(0.5)
        forks.refuse_in_fork()
        if not os.fork():
            threading.Thread(target=time.sleep, args=(1,)).start()
            try:
                forks.refuse_in_fork()
            except forks.UsageError as error:
                print(error, flush=True)
            os._exit(0)
        os.wait()
        """
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("This process was forked from one that has computed with JAX")


@pytest.mark.parametrize("begun", [True, False])
def test_a_worker_that_died_is_mentioned_though_all_is_complete(make_model, begun) -> None:
    from stilt.execution.crews import InlineCrew
    from stilt.execution.observing import Ended

    class Dying(InlineCrew):
        deaths = 1

        def compute(self, plan, batches, *, alone, progress):
            if self.deaths:
                self.deaths -= 1
                yield Ended(batches[0], lost=True, begun=begun)
                batches = batches[1:]
            yield from super().compute(plan, batches, alone=alone, progress=progress)

    model = make_model(2)
    ids = model.register_pending()
    outcome = stilt.push_simulations(model, ids, crew=Dying(model.files))
    assert outcome.complete == 2
    assert outcome.retried_sentence.startswith("1 batch was tried again")
