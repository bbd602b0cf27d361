"""What a run does before and after its batches: choose simulations, record, conclude."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from prefect.logging import get_run_logger
from prefect.states import Completed, Failed, State

from flows.picture import footprint_map
from flows.pool import EndedFailedError, Outcome
from flows.project_flow import caller
from flows.report import (
    Progress,
    SimulationsFailedError,
    outcome_sentence,
    reason_counts,
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


def content(model: Model, sim_ids: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names of the meteorologies and ids of the scenes that simulations belong to."""
    mets = {sim_id.partition("_")[0] for sim_id in sim_ids}
    known = model.index.sql("SELECT sim_id, scene_id FROM simulations WHERE scene_id IS NOT NULL")
    scenes = known.loc[known["sim_id"].isin(sim_ids), "scene_id"].unique()
    return sorted(mets), sorted(scenes)


def batch_state(summary: BatchSummary, number: int) -> State[Any]:
    """Final state of a task run: its message has the counts, its result is the summary.

    Args:
        summary: what became of the batch.
        number: simulations in it.
    """
    done = summary.n_complete + summary.n_empty
    text = f"{done} of {number} simulations complete"
    if summary.n_failed:
        reasons = Counter(reason for _, reason, _ in summary.failures)
        text += f", {summary.n_failed} failed{reason_counts(reasons, summary.n_failed)}"
    if summary.interrupted:
        text += f", {summary.n_interrupted} stopped"
    if summary.n_failed or summary.interrupted:
        return Failed(message=text, data=EndedFailedError(text, summary))
    return Completed(message=text, data=summary)


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


def conclude(model: Model, sim_ids: Sequence[str], errors: Sequence[str] = ()) -> State[Any]:
    """Publish failures and a summary; the final state says the counts.

    Reads the index, which has all receipts by now, so that no hole is hidden.

    Args:
        model: the project.
        sim_ids: what was to be computed.
        errors: what stopped whole batches.
    """
    asked = set(sim_ids)
    expected = model.files.expectations
    failures = [
        {key: str(row[key]) for key in ("sim_id", "reason", "detail")}
        for row in model.failures()
        if row["sim_id"] in asked
    ]
    unfinished = asked.intersection(model.index.in_states(expected, states=UNFINISHED))
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
    places = {"Outputs": model.files.output_root, "Index": str(model.layout.index)}
    show_summary(model.name, counts, failures, places, footprint_map(model, sim_ids))
    text = outcome_sentence(counts, failures)
    if errors:
        text += f"; {len(errors)} batch(es) broke off, the first with {errors[0]}"
    elif counts["complete"] == counts["total"]:
        return Completed(message=text, data=counts)
    return Failed(message=text, data=SimulationsFailedError(text, counts, failures, errors))
