"""The `dask` backend: the flow `simulate` in this process, its batches on a Dask cluster."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from multiprocessing import current_process
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flows.backends import LocalBackend, LocalHandle
from flows.environment import environment, user_api_url
from flows.options import refuse_unknown
from stilt.errors import UsageError
from stilt.roots import local_output_root

if TYPE_CHECKING:
    from flows.pool import Workers
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

    def __init__(self, n_workers: int = 1, **options: Any) -> None:
        refuse_unknown(self.name, options, OPTIONS)
        _refuse_contradictions(options)
        super().__init__(n_workers, **options)

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

    def start(self, pending: Sequence[str], **arguments: Any) -> LocalHandle:
        """Compute the pending simulations of a project and return when they have ended.

        Raises:
            UsageError: see :meth:`check`.
        """
        self.check(output_root=local_output_root(arguments["project"], arguments.get("output_dir")))
        return super().start(pending, **arguments)


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


def traveling(files: Project, options: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a batch on a Dask worker.

    With local outputs the worker has the project's folder, on a disk that all share. With
    outputs on a URL it needs nothing of this machine.
    """
    if files.remote is None:
        return dict(options)
    from stilt.execution.elsewhere import Portable

    return {"portable": Portable.of(files), "skip_existing": options["skip_existing"]}


@contextmanager
def dask_workers(files: Project, n_workers: int, options: Mapping[str, Any]) -> Iterator[Workers]:
    """Make a Dask cluster the task runner of the current flow run; yields its workers.

    A worker that dies is reported at once where this process makes the cluster; another one's
    scheduler tries the batch again as often as its ``allowed-failures`` says.

    Raises:
        UsageError: the cluster cannot be reached or made.
    """
    refuse_without_dask()
    import dask
    from distributed import KilledWorker
    from distributed.scheduler import NoValidWorkerError
    from prefect.context import FlowRunContext
    from prefect_dask import DaskTaskRunner

    from flows.pool import Workers, remove_mark
    from stilt.execution.setup import computing_environment, main_not_run_again

    context = FlowRunContext.get()
    if context is None:
        raise RuntimeError("dask_workers is used inside a flow run only")
    settings = {
        "distributed.scheduler.allowed-failures": 0,
        "distributed.comm.timeouts.connect": "30s",
        "distributed.logging": {"distributed": "error"},
    }
    variables = computing_environment(files, max(2, n_workers))
    with dask.config.set(settings), environment(variables), main_not_run_again():
        runner = DaskTaskRunner(**_runner_options(n_workers, options))
        with runner, context.model_copy(update={"task_runner": runner}):
            _connect(runner, options)
            yield Workers(
                lambda n, wave: nullcontext(),
                (KilledWorker, NoValidWorkerError),
                lambda batch: files.remote is not None or remove_mark(files.layout.running, batch),
            )


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
