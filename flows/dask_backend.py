"""The `dask` backend: the flow `simulate` in this process, its batches on a Dask cluster."""

from __future__ import annotations

import importlib.util
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing import current_process
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.backends import LocalBackend
from flows.environment import user_api_url
from flows.proxies import is_this_machine
from stilt.errors import Reason, SimulationError, UsageError
from stilt.execution.environment import environment
from stilt.execution.places import Folders, Portable
from stilt.execution.processes import remove_mark

if TYPE_CHECKING:
    from distributed import Client

    from stilt.execution.engine import Crew
    from stilt.execution.plan import Batch, Plan
    from stilt.execution.runs import JobHandle
    from stilt.project.holders import Share
    from stilt.project.inputs import Project

logger = logging.getLogger(__name__)

OPTIONS = ("address", "cluster", "cluster_options", "adapt", "no_workers_timeout")
LOCAL_CLUSTER = "distributed.LocalCluster"

NO_WORKERS_TIMEOUT_S = 600.0
QUEUE_TIMEOUT_S = 86_400.0
"""The same for cluster classes that are not this machine: their workers may wait in a queue."""
SAID_AFTER_S = 30.0
ASKED_EVERY_S = 2.0


class DaskBackend(LocalBackend):
    """Runs simulations on a Dask cluster; this process plans, and alone writes the index.

    Attributes:
        n_workers: workers that a cluster class is asked for; batches are cut for as many.
        options: ``address`` of a scheduler; or ``cluster``, a class to make one with, by default
            ``distributed.LocalCluster``, its ``cluster_options``, and ``adapt``, options of its
            method of that name. ``no_workers_timeout`` is how long a run waits while no worker is
            connected: seconds, or a text such as ``30 min``.
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

    def plan(self, project: Project, share: Share, skip_existing: bool | None = None) -> Plan:
        """Return the plan of a run, cut for workers each of which may have a GPU of its own."""
        from stilt.execution.plan import Roles, plan_run

        if project.remote is not None:
            project.remote.check(2)
        return plan_run(
            project, share.mine, self.n_workers, skip_existing=skip_existing,
            roles=Roles(self.n_workers), share=share,
        )  # fmt: skip

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
            partial(dask_cluster, project, self.n_workers, self.options),
            (KilledWorker, NoValidWorkerError, CancelledError),
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
    _no_workers_timeout_s(options)
    others = [name for name in ("cluster", "cluster_options", "adapt") if options.get(name)]
    if options.get("address") and others:
        raise UsageError(
            f"The dask backend takes an address or a cluster to make, not both (execution): "
            f"remove address or {' and '.join(others)}."
        )
    for name in ("cluster_options", "adapt"):
        if not isinstance(options.get(name) or {}, Mapping):
            raise UsageError(f"execution.{name} must be a mapping of options.")


def _no_workers_timeout_s(options: Mapping[str, Any]) -> float:
    """Return for how many seconds a run waits while no worker is connected.

    Raises:
        UsageError: the option is no length of time.
    """
    given = options.get("no_workers_timeout")
    if given is None:
        queued = not options.get("address") and not _is_here(options)
        return QUEUE_TIMEOUT_S if queued else NO_WORKERS_TIMEOUT_S
    refuse_without_dask()
    from dask.utils import parse_timedelta

    try:
        seconds = float(parse_timedelta(given))
    except (TypeError, ValueError, KeyError):
        seconds = 0.0
    if not 0.0 < seconds < math.inf:
        raise UsageError(
            f"execution.no_workers_timeout is '{given}', which is no length of time: it takes "
            "seconds, or a text such as '30 min' or '2 h'."
        )
    return seconds


def _is_here(options: Mapping[str, Any]) -> bool:
    """Whether all workers are on this machine, as far as the options tell."""
    address = options.get("address")
    if address:
        return is_this_machine(str(address))
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
            with _workers_awaited(runner.client, _no_workers_timeout_s(options)):
                yield


@contextmanager
def _workers_awaited(client: Client, timeout_s: float) -> Iterator[None]:
    """Give up what a block has submitted when no worker has been connected for some time.

    Dask itself would wait for ever. A scheduler that goes away ends the block too.

    Raises:
        SimulationError: at the end of the block, which came early; what is not computed is pending.
    """
    ended, given_up = threading.Event(), threading.Event()
    watcher = threading.Thread(
        target=_watch, args=(client, timeout_s, ended, given_up), daemon=True
    )
    watcher.start()
    try:
        yield
    finally:
        ended.set()
    if given_up.is_set():
        raise SimulationError(
            f"No Dask worker has been connected for {_in_words(timeout_s)} "
            "(execution.no_workers_timeout): what is not computed is pending; run again when there "
            "are workers, and see that they start and stay (their log, lifetime, time limit).",
            reason=Reason.WORKER_DIED,
        )
    while client.status == "connecting":
        time.sleep(0.1)
    if client.status in ("closing", "closed"):
        raise SimulationError(
            "The connection to the Dask scheduler was lost: what is not computed is pending; run "
            "again when the scheduler answers.",
            reason=Reason.WORKER_DIED,
        )


def _watch(
    client: Client, timeout_s: float, ended: threading.Event, given_up: threading.Event
) -> None:
    """Look for workers until `ended`; without any for too long set `given_up`, and cancel all."""
    from distributed import Future

    last_seen, said = time.monotonic(), False
    while not ended.wait(min(ASKED_EVERY_S, timeout_s)):
        if client.status != "running":
            continue
        try:
            if given_up.is_set():
                # Again until the block ends: it may have submitted more.
                client.cancel([Future(key, client) for key in list(client.futures)])  # type: ignore[no-untyped-call]
                continue
            found = bool(client.nthreads())  # type: ignore[no-untyped-call]
        except Exception as error:  # without this thread the run would wait for ever
            logger.debug("The Dask scheduler does not answer: %s", error)
            continue
        waited_s = time.monotonic() - last_seen
        if found:
            last_seen, said = time.monotonic(), False
        elif waited_s >= timeout_s:
            given_up.set()
        elif waited_s >= SAID_AFTER_S and not said:
            said = True
            logger.warning(
                "No Dask worker is connected; the run waits up to %s for one "
                "(execution.no_workers_timeout).", _in_words(timeout_s),
            )  # fmt: skip


def _in_words(seconds: float) -> str:
    """Return a length of time as ``10 min``, ``24 h`` or ``90 s``."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:g} s"


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
