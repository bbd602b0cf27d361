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

from flows.project_flow import CALLER

MIN_INTERVAL_S = 2.0
MAX_TABLE_ROWS = 500


class Progress:
    """Counts of a run while it goes on, shown in Prefect and told to the caller.

    Args:
        name: of the project; part of the artifacts' keys.
        total: simulations to run.
    """

    def __init__(self, name: str, total: int) -> None:
        self.name, self.total = name, total
        self.done = self.failed = 0
        self._shown_at = time.monotonic()
        self._artifact = self._create()
        self.tell()

    def add(self, done: int, failed: int) -> None:
        """Count simulations that have ended, `failed` of them without success."""
        self.done += done
        self.failed += failed
        self.tell()

    def tell(self, within_batch: float = 0.0) -> None:
        """Show the state of things; `within_batch` is the simulations' worth now computed."""
        done = min(self.done + within_batch, self.total)
        if on_progress := CALLER.get().on_progress:
            on_progress(done, self.total, self.failed)
        now = time.monotonic()
        if self._artifact and (done == self.total or now - self._shown_at > MIN_INTERVAL_S):
            self._shown_at = now
            percent = 100.0 * done / self.total if self.total else 100.0
            _quietly(update_progress_artifact, self._artifact, progress=percent)

    def _create(self) -> UUID | None:
        artifact: UUID | None = _quietly(
            create_progress_artifact,
            progress=0.0,
            key=artifact_key(self.name, "progress"),
            description=f"{self.total} simulations of {self.name}",
        )
        return artifact


def artifact_key(name: str, what: str) -> str:
    """A key that Prefect accepts: lower case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", f"{name}-{what}".lower()).strip("-")


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


def show_summary(
    name: str,
    counts: Mapping[str, int],
    failures: Sequence[Mapping[str, str]],
    paths: Sequence[str],
) -> None:
    """Publish totals, failure reasons and where the results are."""
    lines = [f"## {name}", "", "| | simulations |", "|---|---|"]
    lines += [f"| {label} | {count} |" for label, count in counts.items()]
    if failures:
        lines += ["", "| reason | failed |", "|---|---|"]
        reasons = Counter(row["reason"] for row in failures)
        lines += [f"| {reason} | {count} |" for reason, count in reasons.most_common()]
    lines += ["", *(f"- `{path}`" for path in paths)]
    _quietly(
        create_markdown_artifact,
        markdown="\n".join(lines),
        key=artifact_key(name, "summary"),
        description=f"Summary of {name}",
    )


def sentence(counts: Mapping[str, int], failures: Sequence[Mapping[str, str]]) -> str:
    """The run in one line: ``7 of 10 simulations complete, 3 failed (MET_COVERAGE 3)``."""
    text = f"{counts['complete']} of {counts['total']} simulations complete"
    if counts.get("failed"):
        reasons = Counter(row["reason"] for row in failures).most_common()
        text += f", {counts['failed']} failed ({', '.join(f'{r} {n}' for r, n in reasons)})"
    if counts.get("unfinished"):
        text += f", {counts['unfinished']} unfinished"
    return text


def _quietly(publish: Any, *args: Any, **kwargs: Any) -> Any:
    """Publish to Prefect; the science goes on when its API has a bad moment."""
    try:
        return publish(*args, **kwargs)
    except httpx.HTTPError as error:
        get_run_logger().warning("%s was not shown: %s", publish.__name__, error)
        return None
