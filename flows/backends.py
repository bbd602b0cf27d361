"""The `local` backend: the flow `simulate` in this process, its workers beside it."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.environment import user_api_url, without_logging_errors
from flows.server import PrivateServer, check_reachable, prefect_api, state_directory
from stilt.errors import Reason, SimulationError, UsageError
from stilt.roots import local_output_root

if TYPE_CHECKING:
    from flows.project_flow import Tally

logger = logging.getLogger(__name__)

FULL_BELOW_BYTES = 1_000_000


class LocalHandle:
    """A run that has ended: the local backend computes before it returns."""

    job_id = "local"
    detached = False

    def wait(self) -> None:
        """Return at once; what failed is in the index."""


class LocalBackend:
    """Runs simulations on this machine: inline for one worker, else in a process pool.

    Attributes:
        n_workers: processes that compute; 1 computes in the calling process.
        on_progress: told each tally of the run; set by whoever shows it.
    """

    name = "local"
    dispatch = "push"

    def __init__(self, n_workers: int = 1, **options: Any) -> None:
        self.n_workers = n_workers
        self.options = options
        self.on_progress: Callable[[Tally], None] | None = None
        self._server: PrivateServer | None = None

    @contextmanager
    def prepare(self, output_root: str | os.PathLike[str]) -> Iterator[None]:
        """Launch the Prefect server already, for a run that is about to start in this block.

        For a process of the command line, whose terminal is left to its own lines.
        """
        without_logging_errors()
        if self.n_workers == 1:
            from stilt.execution.memory import keep_freed_memory

            keep_freed_memory()
        self._launch(Path(output_root))
        try:
            yield
        finally:
            if self._server is not None:
                self._server.stop()
                self._server = None

    def start(
        self,
        pending: Sequence[str],
        *,
        project: str,
        n_workers: int | None = None,
        output_dir: str | None = None,
        compute_root: str | None = None,
        skip_existing: bool | None = None,
    ) -> LocalHandle:
        """Compute the pending simulations of a project and return when they have ended."""
        root = local_output_root(project, output_dir)
        self._launch(root)
        server, self._server = self._server, None
        # The server is starting: load what the run needs meanwhile.
        from flows import simulate
        from flows.project_flow import CALLER, Caller
        from flows.report import SimulationsFailedError
        from stilt.config import ExecutionConfig
        from stilt.execution.limits import thread_shortage

        workers = n_workers or self.n_workers
        if self.name == "local" and (shortage := thread_shortage(workers)):
            logger.warning("%s", shortage)
        if server is not None and workers == 1 and self.name == "local":
            _get_ready(server, pending, project, output_dir)
        execution = ExecutionConfig(backend=self.name, n_workers=workers, options=self.options)
        token = CALLER.set(Caller(tuple(pending), self.on_progress, execution))
        try:
            with prefect_api(state_directory(root), server), _broken_server_in_a_sentence(root):
                state = simulate(
                    project,
                    n_workers=workers,
                    skip_existing=skip_existing,
                    output_dir=output_dir,
                    compute_root=compute_root,
                    return_state=True,
                )
        finally:
            CALLER.reset(token)
        # A running event loop (a notebook) would turn the call into a coroutine.
        outcome = state.result(raise_on_failure=False, _sync=True)
        if isinstance(outcome, BaseException) and not isinstance(outcome, SimulationsFailedError):
            raise outcome
        return LocalHandle()

    def serve_ui(
        self, output_root: str | os.PathLike[str], *, port: int, announce: Callable[[str], object]
    ) -> None:
        """Serve Prefect's web interface on a project's own state until Ctrl-C.

        Raises:
            UsageError: the user's own Prefect API is set; it has the runs.
        """
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

    def _launch(self, root: Path) -> None:
        url = user_api_url()
        if url is not None:
            check_reachable(url)
        elif self._server is None:
            self._server = PrivateServer(state_directory(root))


@contextmanager
def _broken_server_in_a_sentence(root: Path) -> Iterator[None]:
    """Say what is wrong when Prefect's server cannot go on: most often its disk is full."""
    from prefect.exceptions import PrefectHTTPStatusError

    try:
        yield
    except PrefectHTTPStatusError as error:
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


def _get_ready(
    server: PrivateServer, pending: Sequence[str], project: str, output_dir: str | None
) -> None:
    """Use the time until the server answers: prepare weather, compile the transport."""
    from stilt.execution.plan import plan_batches
    from stilt.execution.setup import prepare_process
    from stilt.execution.warm_up import warm_up
    from stilt.model import Model

    model = Model(project=project, output_dir=output_dir)
    prepare_process(model.files)
    from flows.prepare_meteorology import prepare_weather

    prepare_weather(model, pending, enough=lambda: server.ready)
    if not server.ready:
        warm_up(model.files, plan_batches(pending, device=model.config.execution.device)[0].sim_ids)
