"""The flows as deployments of a work pool; `prefect.yaml` says the same to Prefect's own command.

A deployment's description is its flow's docstring.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from flows.project_flow import flow_named
from stilt.errors import UsageError

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

RUNS_AT_ONCE = {"simulate": 4, "prepare-meteorology": 2, "footprints": 4, "maintain": 1}
"""By name of the flow: runs of its deployment at a time; further ones wait."""

TAGS = ("stilt",)


def ensure_work_pool(
    client: SyncPrefectClient,
    name: str,
    kind: str | None = None,
    template: Mapping[str, Any] | None = None,
) -> bool:
    """Make a work pool that is missing; True when it was.

    Args:
        client: of the Prefect server.
        name: of the work pool.
        kind: Prefect's type of it, `process` when not given.
        template: base job template; without one the first worker brings its own.

    Raises:
        UsageError: there is one of that name and another type.
    """
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectNotFound

    try:
        found = client.read_work_pool(name)
    except ObjectNotFound:
        client.create_work_pool(
            WorkPoolCreate(
                name=name, type=kind or "process", base_job_template=dict(template or {})
            )
        )
        return True
    if kind not in (None, found.type):
        raise UsageError(
            f"The work pool '{name}' is of type {found.type}, not {kind}: name another pool, or "
            "leave the type out."
        )
    return False


def register(
    flow_name: str, name: str, work_pool: str, parameters: Mapping[str, Any] | None = None
) -> str:
    """Register a flow in a work pool, or again as it is now; returns ``FLOW/NAME``.

    Args:
        flow_name: one of :data:`RUNS_AT_ONCE`.
        name: of the deployment.
        work_pool: which is there.
        parameters: of runs that do not say otherwise.
    """
    from prefect.deployments.runner import EntrypointType, RunnerDeployment

    deployment = RunnerDeployment.from_flow(
        flow_named(flow_name),
        name,
        parameters=dict(parameters or {}),
        tags=list(TAGS),
        concurrency_limit=RUNS_AT_ONCE[flow_name],
        entrypoint_type=EntrypointType.MODULE_PATH,
        work_pool_name=work_pool,
    )
    cast(Any, deployment).apply(_sync=True)  # also beside a running event loop
    return f"{flow_name}/{name}"
