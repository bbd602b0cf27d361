"""What a run shows in Prefect: a progress bar that moves, a table of failures, a summary."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
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
from stilt.slurm_queue import ArrayTask

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
        self._artifact = _quietly(
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
            _quietly(
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
    """Publish failures, totals and a map of the footprints of a run that has ended."""
    if outcome.failures:
        show_failures(project.name, outcome.failures)
    places = {"Outputs": project.output_root, "Index": str(project.layout.index)}
    show_summary(project.name, outcome, places, map_of_run(project, sim_ids))


def show_failures(name: str, failures: Sequence[Mapping[str, str]]) -> None:
    """Publish the failures as a table: simulation, reason, what to do."""
    shown = [dict(row) for row in failures[:MAX_TABLE_ROWS]]
    more = len(failures) - len(shown)
    _quietly(
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
        columns = ("number", "state", "node", "reason")
        rows = sorted(tasks, key=lambda task: task.number)[:MAX_TABLE_ROWS]
        states = Counter(task.state for task in tasks)
        listed = ", ".join(f"{state.lower()} {n}" for state, n in states.most_common())
        _quietly(
            create_table_artifact,
            table=[{each: getattr(task, each) for each in columns} for task in rows],
            key=artifact_key(self._name, "slurm"),
            description=f"Job array {job} of SLURM: {listed}",
        )


def show_summary(name: str, outcome: Outcome, places: Mapping[str, str], picture: str = "") -> None:
    """Publish totals, failure reasons, a map and where the results are."""
    _quietly(
        create_markdown_artifact,
        markdown=outcome_markdown(name, outcome, places, picture),
        key=artifact_key(name, "summary"),
        description=str(outcome),
    )


def _quietly(publish: Any, *args: Any, **kwargs: Any) -> Any:
    """Publish to Prefect; the science goes on when its API has a bad moment."""
    try:
        return publish(*args, **kwargs)
    except httpx.HTTPError as error:
        get_run_logger().warning("%s was not shown: %s", publish.__name__, error)
        return None
