import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.states import Completed, Crashed, Failed

import flows.submission
from flows import simulate
from flows.deployments import RUNS_AT_ONCE, TAGS
from flows.submission import PrefectBackend, SubmittedHandle
from stilt.cli import cli
from stilt.errors import SimulationError, UsageError
from stilt.execution.backend import get_executor
from stilt.execution.observing import Silent, Tally
from stilt.execution.runs import Outcome, is_outcome
from stilt.project.inputs import Project


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows.submission, "POLL_S", 0.05)


@pytest.fixture
def pool(api: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of a work pool that is not there yet, and is gone afterwards."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name)
    yield name
    with get_client(sync_client=True) as client:
        for deployment in client.read_deployments():
            client.delete_deployment(deployment.id)
        for each in client.read_work_pools():
            client.delete_work_pool(each.name)


class Hears(Silent):
    """An observer that passes tallies on to a function."""

    def __init__(self, function) -> None:
        self.progressed = function


def submit(root: Path, pool: str) -> SubmittedHandle:
    executor = get_executor({"backend": "prefect", "n_workers": 2, "work_pool": pool})
    return executor.start(Project(root), ["a", "b"], skip_existing=True)


def run_of(handle: SubmittedHandle) -> FlowRun:
    with get_client(sync_client=True) as client:
        return client.read_flow_run(handle.job_id)


def end(handle: SubmittedHandle, state) -> None:
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(handle.job_id, state, force=True)


def test_a_run_is_submitted_to_a_deployment_made_for_it(pool: str, tmp_path: Path, caplog) -> None:
    handle = submit(tmp_path / "case", pool)
    run = run_of(handle)
    assert run.parameters["project"] == str(tmp_path / "case")
    assert run.parameters["n_workers"] == 2
    assert "project:case" in run.tags
    assert run.state_name == "Scheduled"
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment(run.deployment_id)
        assert client.read_work_pool(pool).type == "process"
    assert (deployment.name, deployment.work_pool_name) == ("local", pool)
    assert deployment.entrypoint == "flows.definitions.simulate"
    assert deployment.description == simulate.description
    assert deployment.global_concurrency_limit.limit == 4
    assert f"prefect worker start --pool {pool}" in caplog.text
    assert run_of(submit(tmp_path / "case", pool)).deployment_id == run.deployment_id


def test_a_deployment_of_another_pool_is_not_used(pool: str, tmp_path: Path) -> None:
    submit(tmp_path, pool)
    with pytest.raises(UsageError, match=f"belongs to the work pool '{pool}', not 'other'"):
        submit(tmp_path, "other")


def test_a_deployment_that_is_missing_is_the_users_mistake(pool: str, tmp_path: Path) -> None:
    executor = get_executor({"backend": "prefect"})
    with pytest.raises(UsageError, match=r"no deployment 'simulate/local'.*deploy --all"):
        executor.start(Project(tmp_path), ["a"])
    executor = get_executor({"backend": "prefect", "deployment": "other/x", "work_pool": pool})
    with pytest.raises(UsageError, match="name a deployment simulate/NAME"):
        executor.start(Project(tmp_path), ["a"])


def test_without_a_server_the_error_says_what_to_set(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(flows.submission, "user_api_url", lambda: None)
    with pytest.raises(UsageError, match="set PREFECT_API_URL, or use --backend local"):
        PrefectBackend().start(Project(tmp_path), ["a"])
    with pytest.raises(UsageError, match=r"no option 'workpool' .*did you mean 'work_pool'"):
        get_executor({"backend": "prefect", "workpool": "x"})


def test_waiting_ends_with_the_run_and_shows_its_progress(pool: str, tmp_path: Path) -> None:
    handle = submit(tmp_path, pool)
    told: list[Tally] = []
    handle.observer = Hears(told.append)
    waiting = threading.Thread(target=handle.wait, daemon=True)
    waiting.start()
    deadline = time.monotonic() + 30
    while not told and waiting.is_alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert told[0] == Tally(2)
    end(handle, Completed(message="2 of 2 simulations complete"))
    waiting.join(10)
    assert not waiting.is_alive()
    handle.wait()


def test_failed_simulations_do_not_break_the_wait_and_a_crash_does(
    pool: str, tmp_path: Path
) -> None:
    handle = submit(tmp_path, pool)
    end(handle, Failed(message="1 of 2 simulations complete, 1 failed (MET_COVERAGE 1)"))
    handle.wait()
    handle = submit(tmp_path, pool)
    end(handle, Crashed(message="Flow run process exited with code 137"))
    with pytest.raises(SimulationError, match=rf"{handle.job_id}.* ended Crashed: .* code 137"):
        handle.wait()


def test_ctrl_c_while_waiting_cancels_the_run(pool: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(flows.submission, "CANCEL_GRACE_S", 0.1)
    handle = submit(tmp_path, pool)

    def ctrl_c(tally: Tally) -> None:
        raise KeyboardInterrupt

    handle.observer = Hears(ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        handle.wait()
    assert run_of(handle).state_name in ("Cancelling", "Cancelled")


def test_the_command_line_submits_and_returns(pool: str, new_project) -> None:
    root = new_project("submitted")
    with (root / "config.yaml").open("a") as file:
        file.write(f"execution: {{backend: prefect, work_pool: {pool}}}\n")
    done = CliRunner().invoke(cli, ["run", str(root), "--no-wait"])
    assert done.exit_code == 0
    assert "Execution mode: submit-and-return" in done.output
    assert re.search(r"^Submitted job: [0-9a-f-]{36}$", done.output, re.MULTILINE)


def test_the_command_line_makes_a_pool_and_registers_every_flow(pool: str, new_project) -> None:
    root = new_project("given")
    done = CliRunner().invoke(cli, ["deploy", str(root), "--pool", pool, "--name", "here"])
    assert done.exit_code == 0, done.output
    assert f"Work pool: {pool} (made)" in done.output
    assert f"prefect worker start --pool {pool}" in done.output
    with get_client(sync_client=True) as client:
        assert client.read_work_pool(pool).type == "process"
        assert {each.name for each in client.read_deployments()} == {"here"}
        for flow_name, limit in RUNS_AT_ONCE.items():
            deployment = client.read_deployment_by_name(f"{flow_name}/here")
            assert f"Deployed: {flow_name}/here" in done.output
            assert deployment.work_pool_name == pool
            assert deployment.tags == list(TAGS)
            assert deployment.global_concurrency_limit.limit == limit
            assert deployment.parameters == {"project": str(root)}
    again = CliRunner().invoke(cli, ["deploy", "--pool", pool, "--type", "docker"])
    assert again.exit_code == 2
    assert f"The work pool '{pool}' is of type process, not docker" in again.output


def test_a_pool_is_made_with_the_template_that_is_given(pool: str, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text("{}")
    kind = ["deploy", "--pool", pool, "--type", "kubernetes", "--template"]
    refused = CliRunner().invoke(cli, [*kind, str(wrong)])
    assert refused.exit_code == 2
    assert "is not a base job template" in refused.output
    template = Path(__file__).parents[2] / "deployments" / "kubernetes" / "work-pool.json"
    assert CliRunner().invoke(cli, [*kind, str(template)]).exit_code == 0
    with get_client(sync_client=True) as client:
        made = client.read_work_pool(pool)
    assert made.type == "kubernetes"
    assert made.base_job_template == json.loads(template.read_text())


def test_without_a_server_there_is_nowhere_to_deploy(monkeypatch) -> None:
    monkeypatch.setattr(flows.submission, "user_api_url", lambda: None)
    done = CliRunner().invoke(cli, ["deploy"])
    assert done.exit_code == 2
    assert "start one (`prefect server start`) and set PREFECT_API_URL" in done.output


@pytest.mark.parametrize("tally", [Tally(3), Tally(40, 12.5, 1, 8), Tally(0)])
def test_a_tally_is_read_from_its_sentence(tally: Tally) -> None:
    assert Tally.read(tally.sentence()) == tally
    assert Tally.read("something else") is None


def test_an_outcome_is_told_from_an_exception() -> None:
    outcome = Outcome(3, 2, failures=({"sim_id": "a", "reason": "DISK", "detail": "full"},))
    assert is_outcome(str(outcome))
    assert not is_outcome("Flow run encountered an exception: OSError: 3 of 4")
