"""`stilt submit` with a stand-in for SLURM's commands: submitting, following, cancelling."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from written import outputs

from stilt import Model, push_simulations
from stilt.cli import cli
from stilt.errors import SimulationError
from stilt.execution.observing import Silent
from stilt.execution.slurm.options import SlurmOptions
from stilt.execution.slurm.submissions import follow
from stilt.project.batches import living_marks
from stilt.slurm_queue import SlurmError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the stand-in needs Linux's /proc")

EXECUTION = "execution: {backend: slurm, n_workers: 2, poll_interval: 0.2}\n"


def submit(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stilt", "submit", *map(str, arguments)],
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip


def submitting(*arguments: object) -> subprocess.Popen[str]:
    """Submit in a process whose lines can be read as they come."""
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "stilt", "submit", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def stilt(*arguments: object):
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.fixture
def root(new_project) -> Path:
    made: Path = new_project("case")
    with (made / "config.yaml").open("a") as file:
        file.write(EXECUTION)
    return made


def test_an_array_is_submitted_and_left_then_followed(queue: Path, root: Path, new_project) -> None:
    hold = queue / "hold"
    hold.touch()
    ended = submit(root, "--n-workers", "3")
    assert ended.returncode == 0, ended.stderr
    assert "Submitted job: 1" in ended.stdout
    assert len(list(queue.glob("1_*.pid"))) == 3
    (mark,) = living_marks(Model(root).files.layout.planned)
    assert str(mark).startswith("the job array 1 of SLURM")
    assert len(mark.sim_ids) == 3
    # Nobody else computes what the array has.
    again = submit(root)
    assert (again.returncode, "Job array 1 of this project" in again.stdout) == (0, True)
    with submitting(root, "--wait") as following:
        assert following.stdout is not None
        assert "Job array 1 of this project is in the queue" in following.stdout.readline()
        hold.unlink()
        shown, errors = following.communicate(timeout=240)
    assert following.returncode == 0, errors
    assert "completed=3" in shown
    assert len(list(queue.glob("*.pid"))) == 3
    layout = Model(root).files.layout
    assert not list(layout.slurm.iterdir())
    assert not list(layout.planned.iterdir())
    plain = new_project("plain")
    model = Model(plain)
    model.register_pending()
    push_simulations(model, model.pending())
    assert outputs(root) == outputs(plain)


def test_what_a_killed_and_a_cancelled_task_leave_is_submitted_again(queue: Path, root: Path):
    model = Model(root)
    model.register_pending()
    killed = []

    class Killer(Silent):
        def progressed(self, tally):
            if not killed:
                while {each.task for each in spool.taken()} != {0, 1}:
                    time.sleep(0.05)
                os.killpg(int((queue / "1_0.pid").read_text()), signal.SIGKILL)
                subprocess.run(["scancel", "1_1"], check=True)
                killed.append(True)

    spool = submitted(model)
    outcome = follow(model.files, spool, SlurmOptions(poll_interval_s=0.2), Killer())
    assert outcome.counts == {
        "total": 3, "complete": 3, "empty": outcome.empty, "failed": 0, "unfinished": 0,
    }  # fmt: skip
    assert len({path.stem.split("_")[0] for path in queue.glob("*.pid")}) >= 2
    assert not list(model.files.layout.slurm.iterdir())


def test_a_cancelled_array_is_not_submitted_again(queue: Path, root: Path) -> None:
    model = Model(root)
    model.register_pending()
    spool = submitted(model)
    subprocess.run(["scancel", "1"], check=True)
    with pytest.raises(SimulationError, match="job array 1 was cancelled"):
        follow(model.files, spool, SlurmOptions(poll_interval_s=0.2))
    assert len(list(queue.glob("*.pid"))) == 2
    assert not list(model.files.layout.slurm.iterdir())
    assert model.status()["running"] == 0


def test_tasks_that_cannot_begin_end_the_run_with_their_last_words(queue: Path, root: Path):
    model = Model(root)
    model.register_pending()
    spool = submitted(model, setup=("echo no such module: python >&2", "exit 1"))
    with pytest.raises(SimulationError, match="ends with: no such module: python") as told:
        follow(model.files, spool, SlurmOptions(poll_interval_s=0.2))
    log = Path(str(told.value).partition("): ")[2].partition(" ends with")[0])
    assert "no such module" in log.read_text()
    assert not living_marks(model.files.layout.planned)


def test_what_slurm_refuses_is_told_in_its_words(queue: Path, root: Path) -> None:
    config = root / "config.yaml"
    config.write_text(config.read_text().replace("poll_", "partition: none, poll_"))
    ended = submit(root)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "sbatch refuses: invalid partition specified: none; the options of sb" in ended.stderr
    assert not list(Model(root).files.layout.slurm.iterdir())


def test_without_slurm_one_sentence_says_so(root: Path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    ended = stilt("run", root, "--backend", "slurm")
    assert ended.exit_code == 2
    assert "SLURM's commands are not on the PATH here (sbatch" in ended.output


@pytest.mark.parametrize("command", ["check", "submit"])
def test_a_controller_that_does_not_answer_is_one_sentence(
    queue: Path, root: Path, command: str
) -> None:
    squeue = queue.parent / "squeue"
    squeue.write_text(
        "#!/bin/bash\necho slurm_load_jobs error: Unable to contact slurm controller >&2; exit 1\n"
    )
    ended = stilt(command, root)
    assert ended.exit_code == 2
    assert ended.output.count("Unable to contact slurm controller") == 1
    assert "try again when `sinfo` answers here" in ended.output
    assert not Model(root).files.layout.slurm.exists()


@pytest.fixture
def url(root: Path, tmp_path: Path, monkeypatch) -> str:
    """The project on a URL; the caches of machines are folders beside it."""
    monkeypatch.setenv("STILT_CACHE_DIR", str(tmp_path / "first"))
    return f"file://{shutil.copytree(root, tmp_path / 'bucket' / 'case')}"


def test_an_array_computes_a_project_on_a_url(queue: Path, url: str, tmp_path, monkeypatch) -> None:
    ended = submit(url, "--n-workers", "2", "--wait")
    assert ended.returncode == 0, ended.stderr
    monkeypatch.setenv("STILT_CACHE_DIR", str(tmp_path / "second"))
    model = Model(url)
    assert model.status()["completed"] == 3
    assert not model.files.elsewhere()
    assert len(model.footprints["default"].load()) == 3


def test_tasks_do_not_compute_beside_another_machine(
    queue: Path, url: str, tmp_path, monkeypatch
) -> None:
    hold = queue / "hold"
    hold.touch()
    ended = submit(url, "--n-workers", "2")
    assert ended.returncode == 0, ended.stderr
    with monkeypatch.context() as there:
        there.setenv("STILT_CACHE_DIR", str(tmp_path / "second"))
        with Model(url).files.leased():
            hold.unlink()
            deadline = time.monotonic() + 60
            while len(list(queue.glob("*.code"))) < 2:
                assert time.monotonic() < deadline
                time.sleep(0.1)
    logs = [path.read_text() for path in (tmp_path / "first").rglob("logs/*.log")]
    assert len(logs) == 2
    assert all("is being computed by process" in log and "Traceback" not in log for log in logs)
    again = submit(url, "--wait")
    assert again.returncode == 0, again.stdout + again.stderr
    assert Model(url).status()["completed"] == 3


def test_shares_without_a_queue_together_are_the_whole(new_project) -> None:
    root = new_project("shares")
    for share in ("1/2", "2/2", "1/2"):
        ended = stilt("push-worker", root, "--task", share)
        assert ended.exit_code == 0, ended.output
    assert Model(root).status()["completed"] == 3
    for wrong in ("0/2", "3/2", "x"):
        ended = stilt("push-worker", root, "--task", wrong)
        assert (ended.exit_code, "takes I/N" in ended.output) == (2, True)
    assert stilt("push-worker", root).exit_code == 2


def submitted(model: Model, **options):
    from stilt.execution.plan import Roles, plan_run
    from stilt.execution.slurm.crew import new_submission

    plan = plan_run(model.files, model.pending(), 2, roles=Roles(2))
    return new_submission(model.files, plan, plan.batches, SlurmOptions(**options))


def test_an_array_outlives_a_follower_whom_slurm_does_not_answer(
    queue: Path, root: Path, monkeypatch
) -> None:
    model = Model(root)
    model.register_pending()
    spool = submitted(model)
    monkeypatch.setattr("stilt.execution.slurm.crew.SILENCE_ALLOWED_S", 0.0)
    with monkeypatch.context() as silent:
        silent.setenv("PATH", "/nowhere")
        with pytest.raises(SlurmError, match="not on the PATH"):
            follow(model.files, spool, SlurmOptions(poll_interval_s=0.2))
    assert not list(queue.glob("*.cancelled"))
    assert follow(model.files, spool, SlurmOptions(poll_interval_s=0.2)).complete == 3
