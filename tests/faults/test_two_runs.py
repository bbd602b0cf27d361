"""Two runs of the command line on one project at the same time."""

import pytest
from real_runs import check_everything, kill, wait_until

NUMBER = 12


@pytest.mark.slow
def test_two_runs_at_once_compute_everything_once(real_runs, tmp_path):
    root = real_runs.project(tmp_path / "case", NUMBER)
    runs = [real_runs.start("run", root, "--n-workers", "2") for _ in range(2)]
    ended = sorted((run.end() for run in runs), key=lambda end: end[0])
    assert [code for code, _ in ended] == [0, 1], ended
    assert f"All {NUMBER} simulation(s) that are left are being computed by process" in ended[1][1]
    model = check_everything(root, NUMBER)
    assert model.simulations.to_frame()["attempts"].tolist() == [1] * NUMBER


@pytest.mark.slow
def test_a_run_takes_over_from_one_that_was_killed(real_runs, tmp_path):
    root = real_runs.project(tmp_path / "case", NUMBER)
    first = real_runs.start("run", root)
    wait_until(lambda: any((root / ".stilt" / "planned").glob("[!.]*.json")))
    kill(first.process.pid)
    first.process.wait()
    code, said = real_runs.run("run", root)
    assert code == 0, said
    check_everything(root, NUMBER)
