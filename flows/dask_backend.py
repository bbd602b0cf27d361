"""The `dask` backend: the flow `simulate` in this process, its batches on a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import current_process
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.backends import LocalBackend
from flows.settings import offline, user_api_url
from stilt.errors import UsageError
from stilt.execution.awaited_workers import workers_awaited
from stilt.execution.dask_options import DaskOptions, refuse_without_dask
from stilt.execution.environment import environment
from stilt.execution.places import Folders, Portable
from stilt.execution.processes import remove_mark

if TYPE_CHECKING:
    from prefect_dask import DaskTaskRunner

    from stilt.execution.engine import Crew
    from stilt.execution.plan import Plan
    from stilt.project.holders import Share
    from stilt.project.inputs import Project


class DaskBackend(LocalBackend):
    """Runs simulations on a Dask cluster; this process plans, and alone writes the index.

    Attributes:
        n_workers: workers that a cluster class is asked for; batches are cut for as many.
        cluster: to reach or to make; see :class:`stilt.execution.dask_options.DaskOptions`.
    """

    name = "dask"
    on_this_machine = False

    def __init__(self, n_workers: int = 1, **options: Any) -> None:
        super().__init__(n_workers)
        self.cluster = DaskOptions.read(options)

    def check(self, *, output_root: Path) -> str:
        """Return which Prefect API records the runs, in a sentence.

        Raises:
            UsageError: Dask is not installed, the cluster cannot reach a Prefect server, or it
                would be processes that this one may not start.
        """
        refuse_without_dask()
        if user_api_url() is None and not self.cluster.on_this_machine:
            raise UsageError(
                "Dask workers on other machines cannot reach a private Prefect server: set "
                "PREFECT_API_URL to one that they can."
            )
        if current_process().daemon and not self.cluster.address:
            raise UsageError(
                "A daemonic process (a member of multiprocessing.Pool, for example) may not start "
                "a Dask cluster: use backend: local, or the address of a cluster (execution)."
            )
        return super().check(output_root=output_root)

    def plan(self, project: Project, share: Share, skip_existing: bool | None = None) -> Plan:
        """Return the plan, cut for workers each of which may have a GPU of its own."""
        from stilt.execution.plan import plan_elsewhere

        return plan_elsewhere(project, share, self.n_workers, skip_existing)

    def crew(self, project: Project, plan: Plan) -> Crew:
        """Return who computes a plan in a flow run: task runs on the cluster."""
        del plan
        refuse_without_dask()
        from concurrent.futures import CancelledError

        from distributed import KilledWorker
        from distributed.scheduler import NoValidWorkerError

        from flows.crew import MappedTasks

        # With local outputs a worker has the project's folder, on a disk that all share; with
        # outputs on a URL it needs nothing of this machine.
        here = project.remote is None
        return MappedTasks(
            project,
            Folders.of(project) if here else Portable.of(project),
            lambda *_: dask_cluster(project, self.n_workers, self.cluster),
            (KilledWorker, NoValidWorkerError, CancelledError),
            lambda batch: not here or remove_mark(project.layout.running, batch),
        )


@contextmanager
def dask_cluster(
    project: Project, n_workers: int, options: DaskOptions
) -> Iterator[DaskTaskRunner]:
    """Reach or make a Dask cluster, which has its own queue.

    A worker that dies is reported at once where this process makes the cluster; another one's
    scheduler tries the batch again as often as its ``allowed-failures`` says.

    Raises:
        UsageError: the cluster cannot be reached or made.
    """
    import dask
    from distributed import Future
    from prefect_dask import DaskTaskRunner

    from stilt.execution.setup import computing_environment, main_not_run_again

    settings = {
        "distributed.scheduler.allowed-failures": 0,
        "distributed.comm.timeouts.connect": "30s",
        "distributed.logging": {"distributed": "error"},
    }
    variables = computing_environment(project, max(2, n_workers)) | offline()
    with dask.config.set(settings), environment(variables), main_not_run_again():
        runner = DaskTaskRunner(**options.arguments(n_workers))
        with runner:
            client = _connected(runner, options)

            def cancel_all() -> None:
                client.cancel([Future(key, client) for key in list(client.futures)])

            with workers_awaited(client, options.no_workers_timeout_s, cancel_all):
                yield runner


def _connected(runner: Any, options: DaskOptions) -> Any:
    """Reach or make the cluster now, so that what is wrong with it is said in one sentence."""
    try:
        return runner.client
    except (OSError, TimeoutError) as error:
        raise UsageError(
            f"The Dask scheduler at {options.address} does not answer ({error}): start it, or "
            "change execution.address."
        ) from error
    except (TypeError, ValueError, RuntimeError) as error:
        raise UsageError(f"The Dask cluster cannot be made ({error}): see execution.") from error
