import json
import re
import shlex
from pathlib import Path

import click
import jsonschema
import pytest
import yaml
from commands import prefect, stilt, worker
from prefect_api_helpers import flow_run_of

from flows.deployments import RUNS_AT_ONCE, TAGS
from stilt.cli import cli
from stilt.model import Model

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deployments"


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
        assert len(json.dumps(flow.parameters.model_dump())) < 10_000
        function = flow.name.replace("-", "_")
        assert deployment["entrypoint"] == f"flows.definitions.{function}"
        assert "description" not in deployment, "its flow has one"
        assert deployment["tags"] == list(TAGS)
        assert deployment["concurrency_limit"] == RUNS_AT_ONCE[flow.name]
        assert deployment["name"] == "local"
        assert deployment["work_pool"]["name"] == "stilt"
    assert names == RUNS_AT_ONCE.keys()
    assert names == {"simulate", "prepare-meteorology", "footprints", "maintain"}


@pytest.mark.slow
def test_a_deployment_run_does_what_stilt_run_does(api: str, project_files, tmp_path: Path) -> None:
    root = project_files(tmp_path / "deployed")
    deployed = stilt("deploy")
    prefect("--no-prompt", "deploy", "--all")  # the same again, from the folder of prefect.yaml

    def watched(flow_name: str, *given: str) -> str:
        """Run a deployment until it has ended; the last message of its flow run."""
        named = ["-p", f"project={root}", *given]
        shown = prefect("deployment", "run", f"{flow_name}/local", *named, "--watch")
        assert "Flow run finished successfully in 'Completed'" in shown
        return flow_run_of(root)[0].state.message

    with worker("stilt", tmp_path):
        assert watched("prepare-meteorology").endswith("analyses are ready")
        assert watched("simulate", "-p", "n_workers=2") == "3 of 3 simulations complete"
        _, tasks, artifacts = flow_run_of(root)
        config = root / "config.yaml"
        config.write_text(config.read_text().replace("xres: 0.1", "xres: 0.2"))
        assert watched("footprints") == "3 of 3 simulations complete"
        assert "3 of 3 simulations complete, 0 failed" in watched("maintain")
        wait = ("--backend", "prefect", "--wait")
        submitted = stilt("run", project_files(tmp_path / "submitted"), *wait)
        late = "time,lon,lat,zagl\n2023-07-15 18:00,-111.85,40.77,30\n2023-08-30 18:00,-111,40,5\n"
        holes = stilt("run", project_files(tmp_path / "holes", late), *wait)
    assert deployed.returncode == 0, deployed.stderr
    assert "Work pool: stilt (made)" in deployed.stdout
    assert {task.state_name for task in tasks} == {"Completed"}
    assert {"deployed-progress", "deployed-summary"} <= artifacts.keys()
    assert len(list(root.glob("simulations/by-id/*/*_traj.parquet"))) == 3
    model = Model(project=root)
    assert model.status()["completed"] == 3
    assert model.footprints["default"].load()[0].data.sizes["lon"] == 10
    assert submitted.returncode == 0, submitted.stdout + submitted.stderr
    assert "Execution mode: submit-and-wait" in submitted.stdout
    assert "Project: submitted  total=3  completed=3" in submitted.stdout
    assert holes.returncode == 1, holes.stdout + holes.stderr
    assert "completed=1  running=0  pending=0  failed=1" in holes.stdout


def test_the_image_copies_what_exists_and_sends_nothing() -> None:
    text = (FOLDER / "Dockerfile").read_text()
    for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE):
        *sources, _ = line.split()
        for source in sources:
            assert (ROOT / source).exists(), source
    assert "DO_NOT_TRACK=1" in text


def test_compose_names_only_what_it_defines() -> None:
    content = yaml.safe_load((FOLDER / "compose.yaml").read_text())
    validate(content, "compose-spec.json")
    services = content["services"]
    for name, service in services.items():
        for other in service.get("depends_on", {}):
            assert other in services, f"{name} waits for {other}"
        for volume in service.get("volumes", []):
            source = str(volume).split(":")[0]
            assert source[0] in "./$" or source in content["volumes"]
    assert accepts(services["deploy"]["command"])
    assert "asyncpg" in services["server"]["environment"]["PREFECT_SERVER_DATABASE_CONNECTION_URL"]


@pytest.mark.parametrize("service", ["server", "worker"])
def test_compose_commands_exist_in_this_prefect(service: str) -> None:
    content = yaml.safe_load((FOLDER / "compose.yaml").read_text())
    command = content["services"][service]["command"]
    helped = prefect(*command[:2], "--help")
    for option in (word for word in command if word.startswith("--")):
        assert option in helped


def test_the_kubernetes_job_calls_the_command_line_as_it_is() -> None:
    job = yaml.safe_load((FOLDER / "kubernetes" / "job.yaml").read_text())
    pod = check_job(job)
    assert accepts(pod["containers"][0]["args"])


def test_the_work_pool_template_renders_to_a_job() -> None:
    from prefect.utilities.templating import apply_values

    template = json.loads((FOLDER / "kubernetes" / "work-pool.json").read_text())
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
