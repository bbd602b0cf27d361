"""Backends: who carries out a run. All come as entry points of the group ``stilt.backends``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from stilt.config import ExecutionConfig
from stilt.errors import UsageError
from stilt.nearest_names import nearest_name

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from stilt.execution.engine import Crew
    from stilt.execution.observing import Observer
    from stilt.execution.plan import Plan
    from stilt.execution.runs import JobHandle
    from stilt.project.holders import Share
    from stilt.project.inputs import Project

GROUP = "stilt.backends"

Announce = Callable[[str], object]


@dataclass(frozen=True)
class DeploymentRequest:
    """Flows to be registered with a backend that runs them on request.

    Attributes:
        work_pool: made when it is missing.
        name: of the deployments, ``simulate/NAME`` and so on.
        kind: type of a pool that is made; None for the backend's default.
        template: base job template of a pool that is made.
        project: that runs are of when they name none.
    """

    work_pool: str
    name: str
    kind: str | None = None
    template: Mapping[str, Any] | None = None
    project: str | None = None


@runtime_checkable
class Backend(Protocol):
    """Carries out runs.

    Attributes:
        name: as in ``execution.backend``.
        dispatch: ``push`` when workers are given their simulations, ``pull`` when they claim them.
        n_workers: processes, or workers of a cluster.
        detaches: its runs go on without the process that started them.
        on_this_machine: its workers are processes of this machine.
    """

    name: str
    dispatch: str
    n_workers: int
    detaches: bool
    on_this_machine: bool

    def prepare(self, output_root: Path) -> AbstractContextManager[None]:
        """Start slow preparations for a run that is about to start in this block.

        For a process of the command line, whose terminal is left to its own lines.
        """

    def check(self, *, output_root: Path) -> str:
        """Raise a UsageError that :meth:`start` would raise, without starting anything.

        Args:
            output_root: local folder of the outputs, or of their index.

        Returns:
            One sentence: who records the runs.
        """

    def start(
        self,
        project: Project,
        sim_ids: Sequence[str],
        *,
        skip_existing: bool | None = None,
        observer: Observer | None = None,
    ) -> JobHandle:
        """Start computing simulations of a project; those of a backend that detaches go on alone.

        Raises:
            UsageError: the backend cannot run here, and why.
        """

    def plan(self, project: Project, share: Share, skip_existing: bool | None = None) -> Plan:
        """Return the plan of a run of what was taken, cut for the workers of this backend."""

    def crew(self, project: Project, plan: Plan) -> Crew:
        """Return who computes a plan inside a run of this backend."""

    def serve(self, output_root: Path, *, port: int, announce: Announce) -> None:
        """Serve a web interface on the runs of a project until Ctrl-C.

        Raises:
            UsageError: this backend has none here.
        """

    def deploy(self, registration: DeploymentRequest, announce: Announce) -> None:
        """Register what a worker elsewhere needs to run a project on request.

        Raises:
            UsageError: this backend has nothing to register.
        """


class NoExtras:
    """Defaults of a backend without a web interface, deployments, or anything to prepare."""

    name = ""

    def check(self, *, output_root: Path) -> str:
        """Refuse nothing."""
        del output_root
        return f"The {self.name} backend records no runs."

    @contextmanager
    def prepare(self, output_root: Path) -> Iterator[None]:
        """Begin nothing."""
        del output_root
        yield

    def serve(self, output_root: Path, *, port: int, announce: Announce) -> None:
        """Refuse.

        Raises:
            UsageError: always.
        """
        del output_root, port, announce
        raise UsageError(f"The {self.name} backend has no web interface: use --backend local.")

    def deploy(self, registration: DeploymentRequest, announce: Announce) -> None:
        """Refuse.

        Raises:
            UsageError: always.
        """
        del registration, announce
        raise UsageError(f"The {self.name} backend has no deployments: use --backend prefect.")


def get_executor(execution: ExecutionConfig | Mapping[str, Any] | None = None) -> Backend:
    """Return the backend that ``execution`` of a configuration asks for.

    Args:
        execution: backend (default ``local``), n_workers (default 1) and options of the backend.

    Raises:
        UsageError: the backend is unknown, or has no such option.
    """
    if not isinstance(execution, ExecutionConfig):
        execution = ExecutionConfig(**dict(execution or {}))
    known = {entry.name: entry for entry in entry_points(group=GROUP)}
    if not known:
        raise UsageError(
            "No execution backend is installed: install this project (pip install -e .) so that "
            "its entry points are known."
        )
    if execution.backend not in known:
        raise UsageError(
            f"Unknown execution backend: '{execution.backend}'. Supported: "
            f"{', '.join(sorted(known))}."
        )
    backend = known[execution.backend].load()
    return cast(Backend, backend(n_workers=execution.n_workers, **execution.options))


def check_backend(executor: object, n_workers: int | None) -> None:
    """Refuse what is no backend, and a number of workers beside one.

    Raises:
        TypeError: it is no backend.
        UsageError: a backend, which has its number of workers, and another number.
    """
    if not isinstance(executor, Backend):
        raise TypeError(
            f"executor is a backend, not {executor!r}: make one with "
            'stilt.execution.get_executor, from {"backend": "local", "n_workers": 2} for example.'
        )
    if n_workers is not None:
        raise UsageError("A backend has its own number of workers: leave out n_workers.")


def refuse_unknown(backend: str, options: Mapping[str, Any], known: Sequence[str]) -> None:
    """Stop at an option that a backend does not have.

    Raises:
        UsageError: names the option, and the nearest known one.
    """
    for name in options:
        if name not in known:
            raise UsageError(
                f"The {backend} backend has no option '{name}' (execution): "
                f"{nearest_name(name, known)}"
            )
