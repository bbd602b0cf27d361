"""`stilt deploy`: the flows registered in a work pool, for workers of Prefect to run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from stilt.cli.common import json_option, print_json, project_argument, project_root
from stilt.errors import UsageError


@click.command(
    epilog="""\b
Examples:
  stilt deploy                              # then: prefect worker start --pool stilt
  stilt deploy ./case --name case           # runs are of ./case when they name no project
  stilt deploy --pool k8s --type kubernetes --template deployments/kubernetes/work-pool.json
"""
)
@project_argument()
@click.option("--pool", default="stilt", help="Work pool, made when it is missing.  [stilt]")
@click.option(
    "--type",
    "kind",
    type=click.Choice(["process", "docker", "kubernetes"]),
    help="Prefect's type of a new pool.  [process]",
)
@click.option(
    "--template",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON file with the base job template of a new pool.  [the worker's own]",
)
@click.option("--name", default="local", help="Name of the deployments: simulate/NAME.  [local]")
@json_option
def deploy(
    project: str | None,
    pool: str,
    kind: str | None,
    template: Path | None,
    name: str,
    as_json: bool,
) -> None:
    """Register the flows in a work pool of your Prefect server.

    With PROJECT, runs are of that project unless they name another one.
    """
    from stilt.execution.backend import DeploymentRequest, get_executor

    registration = DeploymentRequest(
        work_pool=pool,
        name=name,
        kind=kind,
        template=_template(template),
        project=project_root(project, None) if project is not None else None,
    )

    def say(text: str) -> None:
        click.echo(text, err=as_json)

    get_executor({"backend": "prefect"}).deploy(registration, say)
    given = "" if project is not None else " -p project=DIR"
    worker = f"prefect worker start --pool {pool}"
    run = f"prefect deployment run 'simulate/{name}'{given}"
    say(f"Start a worker: {worker}")
    say(f"Run a project: {run}")
    if as_json:
        print_json({"work_pool": pool, "start_worker": worker, "run_project": run})


def _template(path: Path | None) -> dict[str, Any] | None:
    if path is None:
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UsageError(
            f"'{path}' is not valid JSON ({error}): give a base job template."
        ) from error
    if not isinstance(content, dict) or not {"variables", "job_configuration"} <= content.keys():
        raise UsageError(
            f"'{path}' is not a base job template: 'variables' or 'job_configuration' is missing."
        )
    return content
