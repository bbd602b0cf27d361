"""The `prefect` backend: a run of a deployment, computed by a worker of its work pool."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from flows.api import check_reachable
from flows.backends import LocalBackend
from flows.settings import our_prefect, user_api_url
from stilt.errors import RunUnfinishedError, SimulationError, UsageError
from stilt.execution.backend import NoExtras, refuse_unknown
from stilt.execution.observing import Silent, Tally
from stilt.execution.places import Folders
from stilt.execution.proxies import reached_directly
from stilt.execution.runs import is_outcome, left_undone

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun
    from prefect.client.schemas.responses import DeploymentResponse

    from stilt.execution.backend import Announce, DeploymentRequest
    from stilt.execution.observing import Observer
    from stilt.project.inputs import Project

logger = logging.getLogger(__name__)

POLL_S = 2.0
CANCEL_GRACE_S = 30.0
IN_ORDER_TO_RUN = "set PREFECT_API_URL, or use --backend local."


class SubmittedHandle:
    """A flow run of a deployment.

    Attributes:
        job_id: id of the flow run.
        total: simulations that the run was asked for.
        observer: told how the run goes on while :meth:`wait` waits.
    """

    detached = True

    def __init__(self, flow_run_id: UUID, total: int, observer: Observer, url: str) -> None:
        self.job_id = str(flow_run_id)
        self.total = total
        self.observer = observer
        self._id = flow_run_id
        self._url = url

    def wait(self) -> None:
        """Return when the flow run has ended; simulations that failed are in the index.

        Raises:
            SimulationError: the flow run broke off, or was cancelled.
            KeyboardInterrupt: Ctrl-C; the flow run is cancelled first.
        """
        from prefect.states import Cancelling

        with _client_of(self._url) as client:
            try:
                _raise_for(self._until_final(client))
            except KeyboardInterrupt:
                message = "Ctrl-C where it was submitted"
                client.set_flow_run_state(self._id, Cancelling(message=message))
                self._until_final(client, CANCEL_GRACE_S)
                raise

    def _until_final(self, client: SyncPrefectClient, patience_s: float = math.inf) -> FlowRun:
        """Return the flow run once it has ended, or `patience_s` have passed."""
        deadline = time.monotonic() + patience_s
        while True:
            run = client.read_flow_run(self._id)
            if (run.state and run.state.is_final()) or time.monotonic() > deadline:
                return run
            self._tell(client)
            time.sleep(POLL_S)

    def _tell(self, client: SyncPrefectClient) -> None:
        """Pass on the tally that the run shows in its progress artifact."""
        from prefect.client.schemas.filters import ArtifactFilter

        mine = ArtifactFilter.model_validate({"flow_run_id": {"any_": [self._id]}})
        texts = [artifact.description for artifact in client.read_artifacts(artifact_filter=mine)]
        tallies = [tally for text in texts if (tally := Tally.read(text or ""))]
        self.observer.progressed(tallies[0] if tallies else Tally(self.total))


class PrefectBackend(LocalBackend):
    """Submits a run of a deployment to a work pool; a worker of the pool computes it as if here.

    Attributes:
        n_workers: processes that the worker computes with.
        deployment: ``FLOW/NAME``.
        work_pool: registers a deployment that is missing here; None needs it to be there.
    """

    name = "prefect"
    detaches = True
    on_this_machine = False
    prepare = NoExtras.prepare

    def __init__(
        self,
        n_workers: int = 1,
        *,
        work_pool: str | None = None,
        deployment: str = "simulate/local",
        **options: Any,
    ) -> None:
        refuse_unknown(self.name, options, ("work_pool", "deployment"))
        super().__init__(n_workers)
        self.work_pool = work_pool
        self.deployment = deployment if "/" in deployment else f"simulate/{deployment}"

    def check(self, *, output_root: Path) -> str:
        """Return which Prefect API records the runs, in a sentence.

        Raises:
            UsageError: there is no Prefect API, deployment or work pool of that name.
        """
        del output_root
        url = _reachable_api(IN_ORDER_TO_RUN)
        with _client_of(url) as client:
            self._registered(client)
        return f"The Prefect API at {url} answers, and has the deployment {self.deployment}."

    def start(
        self,
        project: Project,
        sim_ids: Sequence[str],
        *,
        skip_existing: bool | None = None,
        observer: Observer | None = None,
    ) -> SubmittedHandle:
        """Submit the run and return at once; refuses what :meth:`check` refuses."""
        url = _reachable_api(IN_ORDER_TO_RUN)
        if project.remote is not None:
            project.remote.check(n_processes=2)
        place = Folders.of(project, with_config=False)
        root = place.root if project.home is None else project.home.url
        parameters = {
            "project": root,
            "n_workers": self.n_workers,
            "skip_existing": skip_existing,
            "output_dir": place.output_dir if project.home is None else None,
            "compute_root": place.compute_root,
        }
        with _client_of(url) as client:
            from flows.project_flow import run_tags

            deployment = self._registered(client) or self._register(client)
            run = client.create_flow_run_from_deployment(
                deployment.id, parameters=parameters, tags=run_tags(root, None, None)
            )
            _tell_missing_worker(client, deployment.work_pool_name)
        return SubmittedHandle(run.id, len(sim_ids), observer or Silent(), url)

    def _registered(self, client: SyncPrefectClient) -> DeploymentResponse | None:
        """The deployment; None when it is to be registered in a work pool."""
        from prefect.exceptions import ObjectNotFound

        try:
            found = client.read_deployment_by_name(self.deployment)
        except ObjectNotFound:
            if self.work_pool is None:
                raise UsageError(
                    f"Prefect has no deployment '{self.deployment}': register it with "
                    "`stilt deploy` (or `prefect deploy --all`), or name a work_pool to register "
                    "it in."
                ) from None
            return None
        if self.work_pool not in (None, found.work_pool_name):
            raise UsageError(
                f"The deployment '{self.deployment}' belongs to the work pool "
                f"'{found.work_pool_name}', not '{self.work_pool}': change execution.work_pool, "
                "or name another deployment."
            )
        return found

    def _register(self, client: SyncPrefectClient) -> DeploymentResponse:
        """Register the deployment in its work pool, which is made if there is none."""
        from flows.deployments import ensure_work_pool, register

        assert self.work_pool is not None
        flow_name, _, name = self.deployment.partition("/")
        if flow_name != "simulate":
            raise UsageError(
                f"Prefect has no deployment '{self.deployment}', and a run is one of the flow "
                "'simulate': name a deployment simulate/NAME."
            )
        if ensure_work_pool(client, self.work_pool):
            logger.warning("Made the work pool '%s' of type process.", self.work_pool)
        register(flow_name, name, self.work_pool)
        return client.read_deployment_by_name(self.deployment)

    def deploy(self, registration: DeploymentRequest, announce: Announce) -> None:
        """Make a work pool when it is missing, and register all flows in it."""
        url = _reachable_api("start one (`prefect server start`) and set PREFECT_API_URL.")
        with _client_of(url) as client:
            from flows.deployments import RUNS_AT_ONCE, ensure_work_pool, register

            made = ensure_work_pool(
                client, registration.work_pool, registration.kind, registration.template
            )
            announce(f"Work pool: {registration.work_pool} ({'made' if made else 'was there'})")
            parameters = {"project": registration.project} if registration.project else {}
            for flow_name in RUNS_AT_ONCE:
                registered = register(
                    flow_name, registration.name, registration.work_pool, parameters
                )
                announce(f"Deployed: {registered}")


@contextmanager
def _client_of(url: str) -> Iterator[SyncPrefectClient]:
    """Give a client of the API at `url`, and have Prefect offline and quiet meanwhile."""
    with our_prefect(), reached_directly(url):
        from prefect.client.orchestration import get_client

        with get_client(sync_client=True) as client:
            yield client


def _reachable_api(advice: str) -> str:
    """Return the address of the user's Prefect server; without one stop with an advice."""
    url = user_api_url()
    if url is None:
        raise UsageError(
            f"The prefect backend needs a Prefect server that its workers use as well: {advice}"
        )
    check_reachable(url)
    return url


def _tell_missing_worker(client: SyncPrefectClient, work_pool: str | None) -> None:
    """Warn when no worker is there to take the run, which would wait silently."""
    workers = client.read_workers_for_work_pool(work_pool) if work_pool else []
    if work_pool and not any(str(worker.status).endswith("ONLINE") for worker in workers):
        logger.warning(
            "No worker of the work pool '%s' is online; the run waits for one: "
            "`prefect worker start --pool %s`.", work_pool, work_pool,
        )  # fmt: skip


def _raise_for(run: FlowRun) -> None:
    """Raise an error if a flow run broke off; simulations that failed are no such error."""
    state = run.state
    assert state is not None
    text = " ".join((state.message or "without a message").split())
    if left_undone(text):
        raise RunUnfinishedError(f"The flow run '{run.name}' ({run.id}) is not finished: {text}")
    if state.is_completed() or is_outcome(text):
        return
    raise SimulationError(f"The flow run '{run.name}' ({run.id}) ended {state.name}: {text}")
