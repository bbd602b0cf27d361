"""The `local` backend: the flow `simulate` in this process, its workers beside it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.api import check_reachable
from flows.private_server import SERVERS, PrivateServer, state_directory
from flows.settings import (
    load_prefect,
    our_prefect,
    prefect_with,
    user_api_url,
    without_logging_errors,
)
from stilt.errors import Reason, RunUnfinishedError, SimulationError, UsageError
from stilt.execution.ahead import ProcessAhead, process_ahead, reads_alike
from stilt.execution.backend import NoExtras, refuse_unknown
from stilt.execution.forks import note_computing
from stilt.execution.memory import keep_freed_memory, loading
from stilt.project.held import require_locks

if TYPE_CHECKING:
    from prefect.states import State

    from flows.crew import WorkerPool
    from stilt.execution.backend import Announce
    from stilt.execution.engine import Crew
    from stilt.execution.observing import Observer
    from stilt.execution.plan import Plan
    from stilt.execution.runs import JobHandle, Outcome
    from stilt.project.holders import Share
    from stilt.project.inputs import Project

FULL_BELOW_BYTES = 1_000_000


class LocalBackend(NoExtras):
    """Runs simulations on this machine: inline for one worker, else in a process pool."""

    name = "local"
    dispatch = "push"
    detaches = False
    on_this_machine = True

    def __init__(self, n_workers: int = 1, **options: Any) -> None:
        refuse_unknown(self.name, options, ())
        self.n_workers = n_workers
        self._loading = ExitStack()
        self._ahead: ProcessAhead | None = None
        self._ready: WorkerPool | None = None

    @contextmanager
    def prepare(self, output_root: Path) -> Iterator[None]:
        """Launch the Prefect server already; see :class:`stilt.execution.backend.Backend`."""
        without_logging_errors()
        with ExitStack() as stack, self._loading:
            if self.n_workers == 1:
                keep_freed_memory()
                self._ahead = stack.enter_context(process_ahead())
            self._loading.enter_context(loading())
            try:
                self._launched(output_root)
                yield
            finally:
                SERVERS.stop()

    def check(self, *, output_root: Path) -> str:
        """Return which Prefect API records the runs, in a sentence.

        Raises:
            UsageError: the user's Prefect API does not answer.
            StiltError: the file system has no locks.
        """
        url = user_api_url()
        if url is not None:
            check_reachable(url)
            return f"The Prefect API at {url} answers."
        require_locks(state_directory(output_root))
        return "No Prefect API is set: a run starts a private server, which needs no network."

    def start(
        self,
        project: Project,
        sim_ids: Sequence[str],
        *,
        skip_existing: bool | None = None,
        observer: Observer | None = None,
    ) -> JobHandle:
        """Compute simulations of a project and return when they have ended.

        Raises:
            RunUnfinishedError: other processes compute all of them, or batches broke off.
        """
        root = project.layout.root
        server = self._launched(root)
        note_computing()
        # The server is starting: load what the run needs meanwhile.
        from stilt.execution.runs import EndedJob
        from stilt.project.holders import shared

        with shared(project.index, sim_ids) as share:
            plan = self.plan(project, share, skip_existing)
            with self._getting_ready(project, plan, server):
                load_prefect()
                import_module("flows.definitions")
                if server is None and self.on_this_machine:
                    self.check(output_root=root)
                self._loading.close()
                return EndedJob(self.run_flow(project, plan, observer))

    def run_flow(self, project: Project, plan: Plan, observer: Observer | None) -> Outcome:
        """Compute a plan in a run of the flow `simulate`, and return what came of it."""
        root = project.layout.root
        outcome: Outcome | None = None

        def planned(*_: Any, **parameters: Any) -> State[Any]:
            nonlocal outcome
            outcome = run_in_flow(project, plan, self, observer)
            return final_state(outcome)

        with our_prefect():
            from flows.crew import workers_getting_ready
            from flows.definitions import final_state, run_in_flow, simulate

            with ExitStack() as stack:
                stack.enter_context(_broken_server_in_a_sentence(root))
                if len(plan.batches) == 1:
                    # One in minutes; the end of a run waits up to a second for their thread.
                    stack.enter_context(prefect_with({"flows.heartbeat_frequency": None}))
                if self.on_this_machine:
                    self._ready = stack.enter_context(workers_getting_ready(project, plan))
                state = simulate.running(planned).recorded(
                    str(root),
                    n_workers=self.n_workers,
                    skip_existing=plan.skip_existing,
                    output_dir=None if project.remote is None else project.remote.url,
                    return_state=True,
                )
        if outcome is None:
            # A running event loop (a notebook) would turn the call into a coroutine.
            raise state.result(raise_on_failure=False, _sync=True)
        if outcome.errors:
            raise RunUnfinishedError(f"The run is not finished: {outcome}; run again.")
        return outcome

    def plan(self, project: Project, share: Share, skip_existing: bool | None = None) -> Plan:
        """Return the plan of a run, cut for the processes of this machine."""
        from stilt.execution.plan import plan_here

        return plan_here(project, share, self.n_workers, skip_existing)

    def crew(self, project: Project, plan: Plan) -> Crew:
        """Return who computes a plan in a flow run: task runs here or in a process pool."""
        from flows.crew import task_runs_of_this_machine

        if self._ahead is not None:
            self._ahead.stop()
        self._ahead = None
        ready, self._ready = self._ready, None
        return task_runs_of_this_machine(project, plan, ready)

    @contextmanager
    def _getting_ready(
        self, project: Project, plan: Plan, server: PrivateServer | None
    ) -> Iterator[None]:
        """Compile and prepare weather elsewhere while Prefect is imported, and its server starts.

        That is for runs that this process computes; see :func:`workers_getting_ready` of others.
        """
        from stilt.execution.orders import work_orders
        from stilt.execution.places import Folders

        waits = "prefect.main" not in sys.modules if server is None else not server.ready
        inline = self.on_this_machine and plan.roles.transport + plan.roles.helpers == 1
        inline = inline and reads_alike(project)
        with ExitStack() as stack:
            if self._ahead is None and inline and waits:
                self._ahead = stack.enter_context(process_ahead())
            if self._ahead is not None and inline:
                (order,) = work_orders(project, plan, plan.batches[:1], Folders.of(project))
                self._ahead.get_ready(order)
                import_module("stilt.transport")
            yield

    def serve(self, output_root: Path, *, port: int, announce: Announce) -> None:
        """Serve Prefect's web interface on a project's own state; a user's API has its own."""
        url = user_api_url()
        if url is not None:
            raise UsageError(f"Runs are recorded by your Prefect API, {url}: open its interface.")
        server = PrivateServer(state_directory(output_root), ui=True, port=port)
        try:
            server.wait()
            announce(f"Prefect's interface is at http://127.0.0.1:{server.port}; Ctrl-C ends it.")
            server.wait_until_ended()
        except KeyboardInterrupt:
            announce("Stopped.")
        finally:
            server.stop()

    def _launched(self, root: Path) -> PrivateServer | None:
        """Return the private server of a run, launched if there is none; None with a user's API."""
        private = user_api_url() is None
        # Whether the user's API answers is asked later, once Prefect has been imported.
        if private or not self.on_this_machine:
            self.check(output_root=root)
        return SERVERS.of(state_directory(root)) if private else None


@contextmanager
def _broken_server_in_a_sentence(root: Path) -> Iterator[None]:
    """Say what is wrong when Prefect's server cannot go on: most often its disk is full."""
    import httpx
    from prefect.exceptions import PrefectHTTPStatusError

    try:
        yield
    except (PrefectHTTPStatusError, httpx.TransportError) as error:
        if shutil.disk_usage(root).free < FULL_BELOW_BYTES:
            raise SimulationError(
                f"The disk of {root} is full: make room there and run again; what is finished is "
                "kept.",
                reason=Reason.DISK,
            ) from error
        raise SimulationError(
            "Prefect's server could not record the run, which broke off: run again, what is "
            f"finished is kept ({error})."
        ) from error
