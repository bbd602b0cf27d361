"""What a run shows in Prefect: a progress bar that moves, a table of failures, a summary."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

import httpx
from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.logging import get_run_logger

from stilt.execution.observing import Ended, Observer, Silent, Tally
from stilt.execution.plan import Plan
from stilt.execution.run_map import map_of_run
from stilt.execution.runs import Outcome, outcome_markdown
from stilt.project.inputs import Project
from stilt.slurm_queue import ArrayTask, states_in_words

MIN_INTERVAL_S = 2.0
ARRAY_INTERVAL_S = 30.0
MAX_TABLE_ROWS = 500


class PrefectObserver:
    """Shows a run in Prefect, and tells the observer of its caller.

    Args:
        project: whose run it is; its name is part of the artifact's key.
        caller: told the same.
    """

    def __init__(self, project: Project, caller: Observer | None = None) -> None:
        self._name = project.name
        self._caller = caller or Silent()
        self._shown_at = time.monotonic()
        self._shown: Tally | None = None
        self._artifact: UUID | None = None

    def planned(self, plan: Plan) -> None:
        """Make the progress bar."""
        self._artifact = _show(
            create_progress_artifact,
            progress=0.0,
            key=artifact_key(self._name, "progress"),
            description=Tally(len(plan.sim_ids)).sentence(),
        )
        self._caller.planned(plan)

    def progressed(self, tally: Tally) -> None:
        """Move the progress bar, not too often."""
        self._caller.progressed(tally)
        now = time.monotonic()
        at_end = tally.done >= tally.total and not tally.running
        due = at_end or now - self._shown_at > MIN_INTERVAL_S
        if self._artifact and due and tally != self._shown:
            self._shown_at, self._shown = now, tally
            _show(
                update_progress_artifact,
                self._artifact,
                progress=100.0 * tally.done / tally.total if tally.total else 100.0,
                description=tally.sentence(),
            )

    def ended(self, ended: Ended) -> None:
        """Log a batch without an outcome."""
        self._caller.ended(ended)
        if ended.summary is None:
            get_run_logger().error("Batch %s: %s", ended.batch.label, ended.error)

    def done(self) -> None:
        """Pass it on."""
        self._caller.done()


def artifact_key(name: str, what: str) -> str:
    """Return a key that Prefect accepts: lower case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", f"{name}-{what}".lower()).strip("-")


def show_outcome(project: Project, sim_ids: Sequence[str], outcome: Outcome) -> None:
    """Publish the failures of a run, and a summary: totals, reasons, places, a map."""
    if outcome.failures:
        show_failures(project.name, outcome.failures)
    places = {"Outputs": project.output_root, "Index": str(project.layout.index)}
    picture = map_of_run(project, sim_ids)
    _show(
        create_markdown_artifact,
        key=artifact_key(project.name, "summary"),
        markdown=outcome_markdown(project.name, outcome, places, picture),
        description=str(outcome),
    )


def show_failures(name: str, failures: Sequence[Mapping[str, str]]) -> None:
    """Publish the failures as a table: simulation, reason, what to do."""
    shown = [dict(row) for row in failures[:MAX_TABLE_ROWS]]
    more = len(failures) - len(shown)
    _show(
        create_table_artifact,
        table=shown,
        key=artifact_key(name, "failures"),
        description=f"{len(failures)} failed simulations of {name}"
        + (f"; {more} more in `stilt status`" if more else ""),
    )


class ArrayTable:
    """The tasks of a job array of SLURM as a table: number, state, node, why it waits.

    Args:
        name: of the project.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._shown_at = -ARRAY_INTERVAL_S

    def show(self, job: str, tasks: Sequence[ArrayTask]) -> None:
        """Publish the states of the tasks: not too often, but always when all have ended."""
        now = time.monotonic()
        all_ended = all(task.ended for task in tasks)
        if not tasks or (now - self._shown_at < ARRAY_INTERVAL_S and not all_ended):
            return
        self._shown_at = now
        _show(
            create_table_artifact,
            key=artifact_key(self._name, "slurm"),
            table=[asdict(task) for task in sorted(tasks)[:MAX_TABLE_ROWS]],
            description=f"Job array {job} of SLURM: {states_in_words(tasks)}",
        )


def _show(publish: Any, *args: Any, **kwargs: Any) -> Any:
    """Publish to Prefect; the science goes on when its API has a bad moment."""
    try:
        return publish(*args, **kwargs)
    except httpx.HTTPError as error:
        get_run_logger().warning("%s was not shown: %s", publish.__name__, error)
        return None
