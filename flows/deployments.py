"""The flows registered in a work pool, with what `prefect.yaml` says of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from stilt.errors import UsageError

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

WORK_POOL = "stilt"
NAME = "local"


@dataclass(frozen=True)
class Deployed:
    """How a flow is registered.

    Attributes:
        module: of `flows`; the flow has its name.
        description: shown in Prefect.
        tags: shown in Prefect.
        concurrency_limit: runs of this deployment at a time; further ones wait.
    """

    module: str
    description: str
    tags: tuple[str, ...]
    concurrency_limit: int


DEPLOYMENTS = {
    "simulate": Deployed(
        "simulate",
        "Compute what a project still lacks; the same as `stilt run PROJECT`.",
        ("stilt", "transport"),
        4,
    ),
    "prepare-meteorology": Deployed(
        "prepare_meteorology",
        "Check the weather a project needs and put it on internal levels, ahead of a run.",
        ("stilt", "weather"),
        2,
    ),
    "footprints": Deployed(
        "footprints",
        "Make footprints again from the trajectories that a project has kept.",
        ("stilt", "footprints"),
        4,
    ),
    "maintain": Deployed(
        "maintain",
        "Rebuild a project's index from its files and free claims of dead workers.",
        ("stilt", "maintenance"),
        1,
    ),
}
"""By name of the flow; a test holds `prefect.yaml` to the same."""


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
        flow_name: one of :data:`DEPLOYMENTS`.
        name: of the deployment.
        work_pool: which is there.
        parameters: of runs that do not say otherwise.
    """
    from prefect.deployments.runner import EntrypointType, RunnerDeployment

    about = DEPLOYMENTS[flow_name]
    flow = getattr(import_module("flows"), about.module)
    deployment = RunnerDeployment.from_flow(
        flow,
        name,
        parameters=dict(parameters or {}),
        tags=list(about.tags),
        concurrency_limit=about.concurrency_limit,
        description=about.description,
        entrypoint_type=EntrypointType.MODULE_PATH,
        work_pool_name=work_pool,
    )
    cast(Any, deployment).apply(_sync=True)  # also beside a running event loop
    return f"{flow_name}/{name}"
