"""Push: run exactly the given simulations, here, now, with as many processes as asked for."""

from __future__ import annotations

from collections.abc import Iterable

from stilt.execution.crews import crew_of_this_machine
from stilt.execution.engine import Crew, run_plan
from stilt.execution.forks import allowed_workers
from stilt.execution.observing import Observer
from stilt.execution.plan import plan_run
from stilt.execution.refusals import refuse_impossible
from stilt.execution.runs import Outcome, require_finished
from stilt.execution.setup import refuse_missing_gpu, refuse_wrong_process
from stilt.project.stored_inputs import HasInputs


def push_simulations(
    model: HasInputs,
    sim_ids: Iterable[str],
    n_workers: int | None = None,
    *,
    skip_existing: bool | None = None,
    n_cores: int | None = None,
    crew: Crew | None = None,
    observer: Observer | None = None,
) -> Outcome:
    """Run exactly these simulations; none needs to be registered, and nothing is claimed.

    One worker computes in this process. More are processes of their own, each held to its share
    of the cores; on a GPU one process has it and the others make its files. A process that is
    killed is replaced, and what it had not finished is tried again. A batch that kills its worker
    twice is halved, and a simulation that does so alone fails with WORKER_DIED.

    Args:
        model: the project's model.
        sim_ids: what to run; an id given twice runs once.
        n_workers: processes that compute, 1 when not given.
        skip_existing: keep outputs that this configuration made; None asks the configuration.
        n_cores: another name of ``n_workers``.
        crew: what computes the batches; None uses this process, or `n_workers` processes of this
            machine.
        observer: receives the progress of the run.

    Returns:
        What came of them: counts, failures by reason, and ``raise_for_failures()``.

    Raises:
        KeyError: the receptor of an id cannot be found; nothing was run.
        UsageError: the configuration asks for a GPU that this machine does not have, a folder for
            caches or for computing cannot be used, or this process was forked from one that has
            computed.
        RunUnfinishedError: simulations were not computed although none of them has failed, or
            another machine runs the project, which is on a URL.
        KeyboardInterrupt: Ctrl-C or SIGTERM; what is finished is kept.
    """
    ids = list(dict.fromkeys(map(str, sim_ids)))
    workers = allowed_workers(n_workers or n_cores or 1)
    if not ids:
        return Outcome()
    refuse_wrong_process()
    model.files.require_folders()
    model.store_inputs()
    project = model.files
    if project.remote is not None:
        project.remote.check(workers)
    plan = plan_run(project, ids, workers, skip_existing=skip_existing, all_known=True)
    refuse_missing_gpu(project)
    refuse_impossible(project.config)
    with project.leased(alone=False):
        outcome = run_plan(project, plan, crew or crew_of_this_machine(project, plan), observer)
        return require_finished(project, ids, outcome)
