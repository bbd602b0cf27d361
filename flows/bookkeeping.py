"""What a run does before and after its batches: choose simulations, record, conclude."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prefect.logging import get_run_logger
from prefect.states import Completed, Failed, State

from flows.picture import footprint_map
from flows.pool import Outcome
from flows.project_flow import caller
from flows.report import (
    Progress,
    SimulationsFailedError,
    outcome_sentence,
    show_failures,
    show_summary,
)
from stilt.errors import ConfigValidationError
from stilt.execution import BatchSummary
from stilt.execution.elsewhere import store_receipt
from stilt.execution.push import record_worker_death
from stilt.execution.weather import weather_problems
from stilt.model import Model

SHOWN_PROBLEMS = 10

UNFINISHED = ("pending", "stale", "running")


def simulations_to_run(
    model: Model,
    *,
    scene: str | None = None,
    mets: Sequence[str] | None = None,
    skip_existing: bool | None = None,
) -> list[str]:
    """Ids that a run computes: those its caller has planned, else all that the project lacks.

    Raises:
        ConfigValidationError: a name in `mets` is not in the configuration.
    """
    planned = caller().pending
    if planned is not None:
        return list(planned)
    known = set(model.config.mets)
    if unknown := sorted(set(mets or ()) - known):
        raise ConfigValidationError(f"Unknown met name(s): {unknown}; known are {sorted(known)}.")
    ids = model.pending(skip_existing=skip_existing)
    if mets:
        ids = [sim_id for sim_id in ids if sim_id.partition("_")[0] in mets]
    if scene is not None:
        of_scene = set(model.index.ids("scene_id = ?", [scene]))
        ids = [sim_id for sim_id in ids if sim_id in of_scene]
    for problem in weather_problems(model.files, ids)[:SHOWN_PROBLEMS]:
        get_run_logger().warning("%s", problem)
    return ids


def note(model: Model, outcome: Outcome[BatchSummary], progress: Progress) -> None:
    """Count the outcome of a batch; record it when no worker is left to do so.

    Raises:
        KeyboardInterrupt: the batch was told to stop, and so is the run.
    """
    size = len(outcome.batch.sim_ids)
    summary = outcome.result
    if summary is not None:
        store_receipt(model.files, summary)
        progress.ended(size, summary.n_failed)
        if summary.interrupted:
            raise KeyboardInterrupt
    else:
        progress.ended(size, size)
        if outcome.worker_died:
            record_worker_death(model.files, outcome.batch.sim_ids[0], outcome.batch.id)
        else:
            get_run_logger().error("Batch %s: %s", outcome.batch.label, outcome.error)


def conclude(model: Model, sim_ids: Sequence[str]) -> State[Any]:
    """Publish failures and a summary; the final state says the counts.

    Reads the index, which has all receipts by now, so that no hole is hidden.
    """
    asked = set(sim_ids)
    expected = model.files.expectations
    failures = [
        {key: str(row[key]) for key in ("sim_id", "reason", "detail")}
        for row in model.failures()
        if row["sim_id"] in asked
    ]
    unfinished = asked.intersection(model.index.unfinished(expected, states=UNFINISHED))
    # Where only the error run failed, that is said among the failures.
    unfinished -= {row["sim_id"] for row in failures}
    counts = {
        "total": len(asked),
        "complete": len(asked) - len(failures) - len(unfinished),
        "failed": len(failures),
        "unfinished": len(unfinished),
    }
    if failures:
        show_failures(model.name, failures)
    paths = (model.files.output_root, str(model.layout.index))
    show_summary(model.name, counts, failures, paths, footprint_map(model, sim_ids))
    text = outcome_sentence(counts, failures)
    if counts["complete"] == counts["total"]:
        return Completed(message=text, data=counts)
    return Failed(message=text, data=SimulationsFailedError(text, counts, failures))
