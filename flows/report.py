"""What a run shows in Prefect: a progress bar that moves, a table of failures, a summary."""

from __future__ import annotations

import re
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
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

from flows.project_flow import Tally, caller
from stilt.errors import StiltError

MIN_INTERVAL_S = 2.0
MAX_TABLE_ROWS = 500


class SimulationsFailedError(StiltError):
    """A run has ended with simulations that failed or were not finished.

    Attributes:
        counts: simulations per state.
        failures: one mapping with ``sim_id``, ``reason`` and ``detail`` for each failure.
        errors: what stopped whole batches.
    """

    def __init__(
        self,
        text: str,
        counts: Mapping[str, int],
        failures: Sequence[Mapping[str, str]],
        errors: Sequence[str] = (),
    ) -> None:
        super().__init__(text)
        self.counts, self.failures, self.errors = dict(counts), list(failures), list(errors)


class Progress:
    """Counts of a run while it goes on, shown in Prefect and told to the caller.

    Args:
        name: of the project; part of the artifact's key.
        sizes: simulations in each batch, in the order in which batches begin.
        n_workers: batches computed at a time.
    """

    def __init__(self, name: str, sizes: Sequence[int], n_workers: int) -> None:
        self._running = deque(sizes)
        self._n_workers = n_workers
        self.tally = Tally(sum(sizes), running=self._in_hand())
        self._shown_at = time.monotonic()
        self._artifact: UUID | None = _quietly(
            create_progress_artifact,
            progress=0.0,
            key=artifact_key(name, "progress"),
            description=tally_sentence(self.tally),
        )
        self.show()

    def ended(self, done: int, failed: int) -> None:
        """Count the simulations of a batch that has ended, `failed` of them without success."""
        if self._running:
            self._running.popleft()
        before = self.tally
        self.tally = Tally(
            before.total, before.done + done, before.failed + failed, self._in_hand()
        )
        self.show()

    def within(self, size: int) -> Callable[[float], None]:
        """A function to be told the fraction done of the batch that is computed now."""
        return lambda fraction: self.show(fraction * size)

    def show(self, within_batch: float = 0.0) -> None:
        """Show the state of things; `within_batch`: simulations' worth of the batch in hand."""
        tally = replace(self.tally, done=min(self.tally.done + within_batch, self.tally.total))
        if on_progress := caller().on_progress:
            on_progress(tally)
        now = time.monotonic()
        at_end = tally.done >= tally.total
        if self._artifact and (at_end or now - self._shown_at > MIN_INTERVAL_S):
            self._shown_at = now
            percent = 100.0 * tally.done / tally.total if tally.total else 100.0
            _quietly(
                update_progress_artifact,
                self._artifact,
                progress=percent,
                description=tally_sentence(tally),
            )

    def _in_hand(self) -> int:
        return sum(islice(self._running, self._n_workers))


_TALLY = re.compile(r"([\d.]+) of (\d+) simulations done, (\d+) failed, (\d+) running")
_UNFINISHED = re.compile(r", \d+ unfinished\b|; \d+ batch\(es\) broke off")
_OUTCOME = re.compile(r"\d+ of \d+ simulations complete\b")


def tally_sentence(tally: Tally) -> str:
    """``12.5 of 40 simulations done, 1 failed, 8 running``."""
    done = f"{tally.done:.1f}".removesuffix(".0")
    return (
        f"{done} of {tally.total} simulations done, {tally.failed} failed, {tally.running} running"
    )


def read_tally(text: str) -> Tally | None:
    """The tally in a :func:`tally_sentence`, None in any other text."""
    found = _TALLY.fullmatch(text)
    if found is None:
        return None
    done, total, failed, running = found.groups()
    return Tally(int(total), float(done), int(failed), int(running))


def is_outcome(text: str) -> bool:
    """Whether a text is an :func:`outcome_sentence`."""
    return _OUTCOME.match(text) is not None


def left_undone(text: str) -> bool:
    """Whether an :func:`outcome_sentence` tells of simulations that were not finished."""
    return is_outcome(text) and _UNFINISHED.search(text) is not None


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
    places: Mapping[str, str],
    picture: str = "",
) -> None:
    """Publish totals, failure reasons, a map and where the results are."""
    lines = [f"## {name}", "", "| | simulations |", "|---|---|"]
    lines += [f"| {label} | {count} |" for label, count in counts.items()]
    if failures:
        # A list, for Prefect's tables cut off what is longer than they are wide.
        lines += ["", "What failed, and one of each:", ""]
        reasons = Counter(row["reason"] for row in failures)
        one = {row["reason"]: row for row in reversed(failures)}
        lines += [
            f"- **{reason}** ({count}): `{one[reason]['sim_id']}`: "
            f"{' '.join(one[reason]['detail'].split())}"
            for reason, count in reasons.most_common()
        ]
        lines += ["", "Where:"]
    lines += ["", *(f"- {what}: `{path}`" for what, path in places.items())]
    if picture:
        lines += ["", picture]
    _quietly(
        create_markdown_artifact,
        markdown="\n".join(lines),
        key=artifact_key(name, "summary"),
        description=outcome_sentence(counts, failures),
    )


def outcome_sentence(counts: Mapping[str, int], failures: Sequence[Mapping[str, str]]) -> str:
    """The run in one line: ``7 of 10 simulations complete, 3 failed (MET_COVERAGE 3)``."""
    text = f"{counts['complete']} of {counts['total']} simulations complete"
    if counts.get("failed"):
        reasons = Counter(row["reason"] for row in failures)
        text += f", {counts['failed']} failed{reason_counts(reasons, counts['failed'])}"
    if counts.get("unfinished"):
        text += f", {counts['unfinished']} unfinished"
    return text


def reason_counts(reasons: Counter[str], total: int) -> str:
    """`` (MET_COVERAGE 3, DISK 1)``; no numbers when the reasons of some of `total` are unknown."""
    known = reasons.total() == total
    listed = ", ".join(f"{name} {n}" if known else name for name, n in reasons.most_common())
    return f" ({listed})" if listed else ""


def _quietly(publish: Any, *args: Any, **kwargs: Any) -> Any:
    """Publish to Prefect; the science goes on when its API has a bad moment."""
    try:
        return publish(*args, **kwargs)
    except httpx.HTTPError as error:
        get_run_logger().warning("%s was not shown: %s", publish.__name__, error)
        return None
