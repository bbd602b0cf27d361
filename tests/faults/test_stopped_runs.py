"""`stilt run` stopped by Ctrl-C or SIGTERM: what is finished stays, the rest is pending again."""

import signal

import pytest
from real_runs import check_everything, computing, n_footprints, wait_until

import stilt

NUMBER = 24


def made_at(root):
    """When each output was made, by name."""
    return {
        path.name: path.stat().st_mtime_ns
        for path in (root / "simulations" / "by-id").glob("*/[!.]*")
        if path.suffix in (".nc", ".parquet")
    }


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("n_workers", ["1", "2"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_keeps_what_is_finished_and_goes_on(
    real_runs, tmp_path, demo_weather, number, n_workers
):
    root = real_runs.project(tmp_path / "case", NUMBER, numpar=400)
    run = real_runs.start("run", root, "--n-workers", n_workers)
    wait_until(lambda: (n_footprints(root) > 1 and bool(computing(root))) or not run.goes_on())
    assert run.goes_on()
    run.process.send_signal(number)
    code, text = run.end()
    assert code == 3, text
    assert "What is finished is kept: run the same command again to go on." in text
    assert "Traceback" not in text
    assert not computing(root)
    kept = made_at(root)
    model = stilt.Model(root)
    counts = model.status()
    assert counts["running"] == counts["failed"] == 0
    assert counts["completed"] + counts["pending"] == counts["total"] == NUMBER
    finished = {name for name in kept if name.endswith("_foot.nc")}
    assert 2 <= len(finished) < NUMBER
    # One that got its name just when the signal came is found by the next run.
    assert len(finished) - int(n_workers) <= counts["completed"] <= len(finished)
    code, text = real_runs.run("run", root, "--n-workers", n_workers)
    assert code == 0, text
    check_everything(root, NUMBER)
    now = made_at(root)
    assert all(now[name] == kept[name] for name in finished)
