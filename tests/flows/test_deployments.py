import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import jsonschema
import pytest
import yaml
from prefect_api_helpers import flow_run_of

from stilt.cli import cli
from stilt.model import Model

ROOT = Path(__file__).parents[2]
DEPLOYMENTS = ROOT / "deployments"
PATH = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
ENVIRONMENT = {**os.environ, "PYTHONPATH": PATH, "COLUMNS": "200", "NO_COLOR": "1"}


def prefect(*arguments: str) -> str:
    """Call Prefect's command line in the checkout; returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "prefect", *arguments],
        capture_output=True,
        text=True,
        env=ENVIRONMENT | {"PREFECT_API_URL": os.environ.get("PREFECT_API_URL", "")},
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def stilt_run(root: Path, api: str) -> subprocess.CompletedProcess[str]:
    """Submit a run with the command line and wait for it."""
    return subprocess.run(
        [sys.executable, "-m", "stilt", "run", root, "--backend", "prefect", "--wait"],
        capture_output=True,
        text=True,
        env=ENVIRONMENT | {"PREFECT_API_URL": api},
        check=False,
    )


def accepts(arguments: list[str]) -> bool:
    """Whether the command line's own parser takes these arguments for a verb."""
    verb = cli.commands[arguments[0]]
    _, rest, _ = verb.make_parser(click.Context(verb)).parse_args(list(arguments[1:]))
    return not rest


def validate(content: object, schema: str) -> None:
    """Check a file's content by the schema of those who read it."""
    path = Path(__file__).parent / "schemas" / schema
    jsonschema.validate(content, json.loads(path.read_text()))


def test_every_entry_point_of_prefect_yaml_is_a_flow_of_a_project() -> None:
    from prefect.flows import load_flow_from_entrypoint

    content = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    names = set()
    for deployment in content["deployments"]:
        flow = load_flow_from_entrypoint(deployment["entrypoint"])
        names.add(flow.name)
        assert next(iter(flow.parameters.properties)) == "project"
        for name, schema in flow.parameters.properties.items():
            assert schema.get("description"), f"{flow.name}: {name} is not described"
        assert deployment["tags"]
        assert deployment["concurrency_limit"] >= 1
        assert deployment["work_pool"]["name"] == "stilt"
        assert len(json.dumps(flow.parameters.model_dump())) < 10_000
    assert names == {"simulate", "prepare-meteorology", "footprints", "maintain"}


@pytest.mark.slow
def test_a_deployment_run_does_what_stilt_run_does(api: str, project_files, tmp_path: Path) -> None:
    root = project_files(tmp_path / "deployed")
    deploy = ["deploy", "--all", "--prefect-file", str(ROOT / "prefect.yaml")]
    prefect("work-pool", "create", "stilt", "--type", "process")
    prefect("--no-prompt", *deploy)
    worker = subprocess.Popen(
        [sys.executable, "-m", "prefect", "worker", "start", "--pool", "stilt", "--limit", "1"],
        env=ENVIRONMENT | {"PREFECT_API_URL": api},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        given = ["-p", f"project={root}", "-p", "n_workers=2"]
        shown = prefect("deployment", "run", "simulate/local", *given, "--watch")
        submitted = stilt_run(project_files(tmp_path / "submitted"), api)
        late = "time,lon,lat,zagl\n2023-07-15 18:00,-111.85,40.77,30\n2023-08-30 18:00,-111,40,5\n"
        holes = stilt_run(project_files(tmp_path / "holes", late), api)
    finally:
        worker.terminate()
        worker.wait()
    assert "Flow run finished successfully in 'Completed'" in shown
    assert Model(project=root).status()["completed"] == 3
    assert submitted.returncode == 0, submitted.stdout + submitted.stderr
    assert "Execution mode: submit-and-wait" in submitted.stdout
    assert "Project: submitted  total=3  completed=3" in submitted.stdout
    assert holes.returncode == 1, holes.stdout + holes.stderr
    assert "completed=1  running=0  pending=0  failed=1" in holes.stdout
    run, _, artifacts = flow_run_of(root)
    assert run.state.message == "3 of 3 simulations complete"
    assert {"deployed-progress", "deployed-summary"} <= artifacts.keys()


def test_the_image_copies_what_exists_and_sends_nothing() -> None:
    text = (DEPLOYMENTS / "Dockerfile").read_text()
    for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE):
        *sources, _ = line.split()
        for source in sources:
            assert (ROOT / source).exists(), source
    assert "DO_NOT_TRACK=1" in text


def test_compose_names_only_what_it_defines() -> None:
    content = yaml.safe_load((DEPLOYMENTS / "compose.yaml").read_text())
    validate(content, "compose-spec.json")
    services = content["services"]
    for name, service in services.items():
        for other in service.get("depends_on", {}):
            assert other in services, f"{name} waits for {other}"
        for volume in service.get("volumes", []):
            source = str(volume).split(":")[0]
            assert source[0] in "./$" or source in content["volumes"]
    assert "asyncpg" in services["server"]["environment"]["PREFECT_SERVER_DATABASE_CONNECTION_URL"]


@pytest.mark.parametrize("service", ["server", "worker"])
def test_compose_commands_exist_in_this_prefect(service: str) -> None:
    content = yaml.safe_load((DEPLOYMENTS / "compose.yaml").read_text())
    command = content["services"][service]["command"]
    helped = prefect(*command[:2], "--help")
    for option in (word for word in command if word.startswith("--")):
        assert option in helped


def test_the_kubernetes_job_calls_the_command_line_as_it_is() -> None:
    job = yaml.safe_load((DEPLOYMENTS / "kubernetes" / "job.yaml").read_text())
    pod = check_job(job)
    assert accepts(pod["containers"][0]["args"])


def test_the_work_pool_template_renders_to_a_job() -> None:
    from prefect.utilities.templating import apply_values

    template = json.loads((DEPLOYMENTS / "kubernetes" / "work-pool.json").read_text())
    variables = template["variables"]["properties"]
    placeholders = set(re.findall(r"{{ (\w+) }}", json.dumps(template["job_configuration"])))
    assert placeholders <= set(variables)
    assert {"command", "env", "labels", "name"} <= placeholders, "what Prefect fills in itself"
    values = {name: about["default"] for name, about in variables.items() if "default" in about}
    values |= {"command": "prefect flow-run execute", "name": "run", "labels": {"app": "stilt"}}
    job = apply_values(template["job_configuration"], values)["job_manifest"]
    assert "{{" not in json.dumps(job)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "stilt:latest"
    # The image's entry point is `stilt`; what Prefect wants run must take its place.
    assert container["command"] == ["env"]
    assert container["args"] == "prefect flow-run execute"
    # What Prefect's Kubernetes worker does to a rendered manifest before it sends it.
    container["args"] = shlex.split(container["args"])
    container["env"] = [{"name": name, "value": value} for name, value in container["env"].items()]
    check_job(job)


def check_job(job: dict) -> dict:
    """Check a Job by Kubernetes' own schema; returns its pod's specification."""
    validate(job, "kubernetes-job.json")
    pod: dict = job["spec"]["template"]["spec"]
    assert pod["restartPolicy"] in ("Never", "OnFailure")
    for container in pod["containers"]:
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}
    return pod


def test_the_slurm_script_is_bash_and_calls_the_command_line_as_it_is() -> None:
    for script in ("array.sbatch", "chunks.sh"):
        subprocess.run(["bash", "-n", DEPLOYMENTS / "slurm" / script], check=True)
    text = (DEPLOYMENTS / "slurm" / "array.sbatch").read_text().replace("\\\n", " ")
    (call,) = re.findall(r"^exec stilt (.+)$", text, re.MULTILINE)
    call = call.replace("$SLURM_CPUS_PER_TASK", "4").replace("$project", "/case")
    assert accepts(shlex.split(call.replace("${SLURM_ARRAY_TASK_ID}", "0")))
