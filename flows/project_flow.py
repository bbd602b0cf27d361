"""A Prefect flow over one project, callable from a script or a notebook cell."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from prefect import Flow, tags

from flows.server import prefect_api, state_directory

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Caller:
    """What a caller in the same process hands to a flow beside its parameters.

    Flow parameters travel to the API and are limited to scalars; these stay in memory.

    Attributes:
        pending: simulation ids to run, already planned; None lets the flow plan.
        on_progress: called with (finished simulations, all simulations, failed simulations).
    """

    pending: tuple[str, ...] | None = None
    on_progress: Callable[[float, int, int], None] | None = None


CALLER: ContextVar[Caller] = ContextVar("caller", default=Caller())


class ProjectFlow(Flow[P, R]):
    """A flow whose first parameter is a project directory.

    Called directly, it makes the path absolute, finds or starts a Prefect API (one for the run)
    and tags the run with project, scene and weather. In a deployment the worker has done so.
    """

    def __call__(self, project: Any, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        """Run the flow on `project`, a directory."""
        root = os.fspath(project)
        if "://" not in root:
            root = str(Path(root).expanduser().resolve())
        with ExitStack() as stack:
            stack.enter_context(prefect_api(state_directory(kwargs.get("output_dir") or root)))
            stack.enter_context(tags(*run_tags(root, kwargs.get("scene"), kwargs.get("mets"))))
            return super().__call__(root, *args, **kwargs)


def run_tags(project: str, scene: str | None, mets: Sequence[str] | None) -> list[str]:
    """Tags of a flow run: ``project:NAME``, ``scene:ID``, ``met:NAME`` for each."""
    named = [f"project:{Path(project).name}"]
    if scene:
        named.append(f"scene:{scene}")
    return named + [f"met:{met}" for met in mets or ()]


def project_flow(
    **options: Any,
) -> Callable[[Callable[P, R]], ProjectFlow[P, R]]:
    """Make a function of a project a :class:`ProjectFlow`; results stay in memory."""

    def decorate(function: Callable[P, R]) -> ProjectFlow[P, R]:
        return ProjectFlow(function, persist_result=False, **options)

    return decorate
