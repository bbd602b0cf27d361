"""The `dask` backend: the flow `simulate` in this process, its batches on a Dask cluster."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing import current_process
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flows.backends import LocalBackend
from flows.environment import user_api_url
from stilt.errors import UsageError
from stilt.execution.environment import environment
from stilt.execution.places import Folders, Portable
from stilt.execution.processes import remove_mark

if TYPE_CHECKING:
    from stilt.execution.engine import Crew
    from stilt.execution.plan import Batch, Plan
    from stilt.execution.runs import JobHandle
    from stilt.project.inputs import Project

OPTIONS = ("address", "cluster", "cluster_options", "adapt")
LOCAL_CLUSTER = "distributed.LocalCluster"


class DaskBackend(LocalBackend):
    """Runs simulations on a Dask cluster; this process plans, and alone writes the index.

    Attributes:
        n_workers: workers that a cluster class is asked for; batches are cut for as many.
        options: ``address`` of a scheduler; or ``cluster``, a class to make one with, by default
            ``distributed.LocalCluster``, its ``cluster_options``, and ``adapt``, options of its
            method of that name.
    """

    name = "dask"
    on_this_machine = False
    known_options = OPTIONS

    def __init__(self, n_workers: int = 1, **options: Any) -> None:
        super().__init__(n_workers, **options)
        _refuse_contradictions(options)

    def check(self, *, output_root: Path) -> None:
        """Raise what :meth:`start` would, without starting anything.

        Raises:
            UsageError: Dask is not installed, the cluster cannot reach a Prefect server, or it
                would be processes that this one may not start.
        """
        refuse_without_dask()
        if user_api_url() is None and not _is_here(self.options):
            raise UsageError(
                "Dask workers on other machines cannot reach a private Prefect server: set "
                "PREFECT_API_URL to one that they can."
            )
        if current_process().daemon and not self.options.get("address"):
            raise UsageError(
                "A daemonic process (a member of multiprocessing.Pool, for example) may not start "
                "a Dask cluster: use backend: local, or the address of a cluster (execution)."
            )
        super().check(output_root=output_root)

    def start(self, project: Project, sim_ids: Sequence[str], **arguments: Any) -> JobHandle:
        """Compute simulations of a project and return when they have ended.

        Raises:
            UsageError: see :meth:`check`.
        """
        self.check(output_root=project.layout.root)
        return super().start(project, sim_ids, **arguments)

    def plan(
        self, project: Project, sim_ids: Sequence[str], skip_existing: bool | None = None
    ) -> Plan:
        """Return the plan of a run, cut for workers each of which may have a GPU of its own."""
        from stilt.execution.plan import Roles, plan_run

        if project.remote is not None:
            project.remote.check(2)
        return plan_run(
            project, sim_ids, self.n_workers, skip_existing=skip_existing,
            roles=Roles(self.n_workers),
        )  # fmt: skip

    def crew(self, project: Project, plan: Plan) -> Crew:
        """Return who computes a plan in a flow run: task runs on the cluster."""
        del plan
        refuse_without_dask()
        from distributed import KilledWorker
        from distributed.scheduler import NoValidWorkerError

        from flows.crew import MappedTasks

        # With local outputs a worker has the project's folder, on a disk that all share; with
        # outputs on a URL it needs nothing of this machine.
        here = project.remote is None
        return MappedTasks(
            project,
            Folders.of(project) if here else Portable.of(project),
            partial(dask_cluster, project, self.n_workers, self.options),
            (KilledWorker, NoValidWorkerError),
            lambda batch: not here or remove_mark(project.layout.running, batch),
        )

    def _get_ready(self, project: Project, plan: Plan, enough: Callable[[], bool]) -> None:
        """Do nothing here: the workers compute."""


def refuse_without_dask() -> None:
    """Stop when the optional packages are not installed.

    Raises:
        UsageError: says what to install.
    """
    if any(importlib.util.find_spec(name) is None for name in ("distributed", "prefect_dask")):
        raise UsageError(
            "The dask backend needs packages that are not installed: pip install 'stilt[dask]'."
        )


def _refuse_contradictions(options: Mapping[str, Any]) -> None:
    others = [name for name in OPTIONS[1:] if options.get(name)]
    if options.get("address") and others:
        raise UsageError(
            f"The dask backend takes an address or a cluster to make, not both (execution): "
            f"remove address or {' and '.join(others)}."
        )
    for name in ("cluster_options", "adapt"):
        if not isinstance(options.get(name) or {}, Mapping):
            raise UsageError(f"execution.{name} must be a mapping of options.")


def _is_here(options: Mapping[str, Any]) -> bool:
    """Whether all workers are on this machine, as far as the options tell."""
    address = options.get("address")
    if address:
        return urlsplit(str(address)).hostname in ("127.0.0.1", "localhost", "::1")
    return options.get("cluster", LOCAL_CLUSTER) in (LOCAL_CLUSTER, "dask.distributed.LocalCluster")


@contextmanager
def dask_cluster(
    project: Project,
    n_workers: int,
    options: Mapping[str, Any],
    at_once: int,
    batches: Sequence[Batch],
) -> Iterator[None]:
    """Make a Dask cluster the task runner of the current flow run.

    A worker that dies is reported at once where this process makes the cluster; another one's
    scheduler tries the batch again as often as its ``allowed-failures`` says.

    Args:
        project: whose simulations are computed.
        n_workers: that a cluster class is asked for.
        options: of the backend.
        at_once: of no matter; Dask has its own queue.
        batches: of no matter.

    Raises:
        UsageError: the cluster cannot be reached or made.
    """
    del at_once, batches
    import dask
    from prefect_dask import DaskTaskRunner

    from flows.crew import task_runner
    from stilt.execution.setup import computing_environment, main_not_run_again

    settings = {
        "distributed.scheduler.allowed-failures": 0,
        "distributed.comm.timeouts.connect": "30s",
        "distributed.logging": {"distributed": "error"},
    }
    variables = computing_environment(project, max(2, n_workers))
    with dask.config.set(settings), environment(variables), main_not_run_again():
        runner = DaskTaskRunner(**_runner_options(n_workers, options))
        with runner, task_runner(runner):
            _connect(runner, options)
            yield


def _runner_options(n_workers: int, options: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of Prefect's task runner for Dask."""
    if options.get("address"):
        return {"address": options["address"]}
    name = options.get("cluster") or LOCAL_CLUSTER
    given = dict(options.get("cluster_options") or {})
    if name == LOCAL_CLUSTER:
        given = {"threads_per_worker": 1, "dashboard_address": "127.0.0.1:0", **given}
    adapt = dict(options.get("adapt") or {})
    if not adapt:
        given.setdefault("n_workers", n_workers)
    return {"cluster_class": name, "cluster_kwargs": given, "adapt_kwargs": adapt}


def _connect(runner: Any, options: Mapping[str, Any]) -> None:
    """Reach or make the cluster now, so that what is wrong with it is said in one sentence."""
    try:
        _ = runner.client
    except (OSError, TimeoutError) as error:
        raise UsageError(
            f"The Dask scheduler at {options.get('address')} does not answer ({error}): start "
            "it, or change execution.address."
        ) from error
    except (TypeError, ValueError, RuntimeError) as error:
        raise UsageError(f"The Dask cluster cannot be made ({error}): see execution.") from error
