"""Backends: who carries out a run. Others add theirs as entry points of ``stilt.backends``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol, cast

from stilt.config import ExecutionConfig
from stilt.errors import UsageError

GROUP = "stilt.backends"

# Used from a checkout that was never installed, where entry points are not known.
_OWN = {
    "local": "flows.backends:LocalBackend",
    "prefect": "flows.submission:PrefectBackend",
    "dask": "flows.dask_backend:DaskBackend",
}


class JobHandle(Protocol):
    """A run that was started."""

    job_id: str
    detached: bool

    def wait(self) -> None:
        """Return when the run has ended; raises what stopped it. May be called again."""


class Executor(Protocol):
    """Starts runs."""

    name: str
    dispatch: str
    n_workers: int

    def check(self, *, output_root: Path) -> None:
        """Raise a UsageError that :meth:`start` would raise, without starting anything.

        Args:
            output_root: local folder of the outputs, or of their index.
        """

    def start(
        self,
        pending: Sequence[str],
        *,
        project: str,
        n_workers: int | None = None,
        output_dir: str | None = None,
        compute_root: str | None = None,
        skip_existing: bool | None = None,
    ) -> JobHandle:
        """Start computing the pending simulations of a project."""


class FinishedHandle:
    """A run in which nothing was left to do."""

    job_id = "local"
    detached = False

    def wait(self) -> None:
        """Return at once."""


def get_executor(execution: ExecutionConfig | Mapping[str, Any] | None = None) -> Executor:
    """Return the executor that ``execution`` of a configuration asks for.

    Args:
        execution: backend (default ``local``), n_workers (default 1) and options of the backend.

    Raises:
        UsageError: the backend is unknown, or has no such option.
    """
    if not isinstance(execution, ExecutionConfig):
        execution = ExecutionConfig(**dict(execution or {}))
    found = {entry.name: entry.value for entry in entry_points(group=GROUP)}
    known = {**_OWN, **found}
    if execution.backend not in known:
        raise UsageError(
            f"Unknown execution backend: '{execution.backend}'. Supported: "
            f"{', '.join(sorted(known))}."
        )
    module, _, name = known[execution.backend].partition(":")
    backend = getattr(import_module(module), name)
    executor = backend(n_workers=execution.n_workers, **execution.options)
    return cast(Executor, executor)
