"""A Prefect flow over one project, callable from a script or a notebook cell."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from functools import partial, wraps
from importlib import import_module
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import httpx
from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext
from prefect.runtime import flow_run
from prefect.states import State

from flows.api import check_reachable, prefect_api
from flows.private_server import state_directory
from flows.settings import user_api_url
from stilt.roots import is_url, local_output_root

P = ParamSpec("P")
R = TypeVar("R")

TAGGED_SCENES = 8


class ProjectFlow(Flow[P, R]):
    """A flow whose first parameter is a project.

    Called directly, it makes the path absolute, and finds or starts a Prefect API.
    """

    def running(self, function: Callable[..., Any]) -> ProjectFlow[..., Any]:
        """Return a flow of the same name, parameters and options that runs another function."""
        return _made(wraps(self.fn)(function), self.name)

    def serialize_parameters(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return the parameters: they are text, numbers and lists. Prefect would import FastAPI."""
        return parameters

    def __reduce__(self) -> tuple[Callable[[str], Any], tuple[str]]:
        # Each task run takes its flow along to a worker, which finds it by name.
        return flow_named, (self.name,)

    def __call__(self, project: Any, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        """Run the flow on `project`, a directory.

        Raises:
            UsageError: the user's Prefect API does not answer.
        """
        if (url := user_api_url()) is not None:
            check_reachable(url)
        return self.recorded(project, *args, **kwargs)

    def recorded(self, project: Any, *args: Any, **kwargs: Any) -> Any:
        """Run the flow on `project`; whether a user's API answers has been asked before."""
        outputs = local_output_root(project, kwargs.get("output_dir"))
        root = os.fspath(project) if is_url(project) else str(local_output_root(project, None))
        with prefect_api(state_directory(outputs)):
            return super().__call__(root, *args, **kwargs)


def run_tags(project: str, scene: str | None, mets: Iterable[str] | None) -> list[str]:
    """Tags of a flow run: ``project:NAME``, ``scene:ID``, ``met:NAME`` for each."""
    named = [f"project:{Path(project).name}"]
    if scene:
        named.append(f"scene:{scene}")
    return named + [f"met:{met}" for met in mets or ()]


def tag_run(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Give a flow run the tags that its parameters name."""
    del flow, state
    given = flow_run.parameters
    add_tags(flow_run, run_tags(str(given["project"]), given.get("scene"), given.get("mets")))


def tag_content(mets: Iterable[str], scenes: Collection[str]) -> None:
    """Tag the current flow run with what it has found to compute.

    Args:
        mets: names of meteorologies.
        scenes: scene ids; more than :data:`TAGGED_SCENES` are left to the index.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return
    found = [f"met:{met}" for met in mets]
    if len(scenes) <= TAGGED_SCENES:
        found += [f"scene:{scene}" for scene in scenes]
    add_tags(context.flow_run, found)


def add_tags(flow_run: FlowRun, wanted: Iterable[str]) -> None:
    """Add tags that a flow run does not have yet, in Prefect and in `flow_run`."""
    given = set(flow_run.tags)
    if missing := set(wanted) - given:
        flow_run.tags = sorted(given | missing)
        with suppress(httpx.HTTPError), get_client(sync_client=True) as client:
            client.update_flow_run(flow_run.id, tags=flow_run.tags)


def run_name() -> str:
    """Name of the current flow run: the project, and the scene when there is one."""
    parameters = flow_run.parameters
    parts = (Path(str(parameters["project"])).name, parameters.get("scene"))
    return " ".join(part for part in parts if part)


def flow_named(name: str) -> Any:
    """Return one of this package's flows."""
    return getattr(import_module("flows"), name.replace("-", "_"))


def project_flow(*, name: str) -> Callable[[Callable[P, R]], ProjectFlow[P, R]]:
    """Make a function of a project a :class:`ProjectFlow`; results stay in memory."""
    return partial(_made, name=name)


def _made(function: Callable[P, R], name: str) -> ProjectFlow[P, R]:
    return ProjectFlow(
        function, name=name, flow_run_name=run_name, persist_result=False, on_running=[tag_run]
    )
