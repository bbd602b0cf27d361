"""A run as its caller sees it: what came of the simulations, and what to do about failures."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, Self

from stilt.errors import RunUnfinishedError, StiltError
from stilt.project.batches import ids_in_batches

if TYPE_CHECKING:
    from stilt.meteorology.lacks import WeatherProblem
    from stilt.project.inputs import Project

# With a reason, the error run of a pending simulation has failed.
_NOT_FAILED = "coalesce(s.reason, '') IN ('', 'INTERRUPTED')"


class SimulationsFailedError(StiltError):
    """A run has ended with simulations that failed or were not finished.

    Attributes:
        outcome: what came of the run.
    """

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome

    def __str__(self) -> str:
        return outcome_sentence(self.outcome)


@dataclass(frozen=True)
class Outcome:
    """What came of the simulations of a run.

    Attributes:
        total: simulations that the run was to compute: those not complete before it.
        complete: those with all outputs.
        empty: complete ones all of whose footprints are zero.
        unfinished: neither complete nor failed.
        failures: ``sim_id``, ``reason`` and ``detail`` of each failed one.
        errors: what stopped whole batches.
        retried: batches that were tried again because a worker died.
    """

    total: int = 0
    complete: int = 0
    empty: int = 0
    unfinished: int = 0
    failures: Sequence[Mapping[str, str]] = field(default=(), repr=False)
    errors: Sequence[str] = ()
    retried: int = 0

    @property
    def failed(self) -> int:
        """Number of failed simulations."""
        return len(self.failures)

    @property
    def reasons(self) -> dict[str, int]:
        """Number of failed simulations by reason, the most frequent first."""
        return dict(Counter(row["reason"] for row in self.failures).most_common())

    @property
    def counts(self) -> dict[str, int]:
        """Simulations: total, complete, empty (of the complete), failed, unfinished."""
        return {
            "total": self.total,
            "complete": self.complete,
            "empty": self.empty,
            "failed": self.failed,
            "unfinished": self.unfinished,
        }

    @property
    def retried_sentence(self) -> str:
        """How many batches were tried again, and why that happens; "" where none was."""
        if not self.retried:
            return ""
        were = "1 batch was" if self.retried == 1 else f"{self.retried:,} batches were"
        return (
            f"{were} tried again because a worker process died, most often for lack of memory: "
            "fewer workers need less."
        )

    def raise_for_failures(self) -> None:
        """Raise unless every simulation is complete.

        Raises:
            SimulationsFailedError: its message has the counts by reason.
        """
        if self.complete < self.total or self.errors:
            raise SimulationsFailedError(self)

    def __str__(self) -> str:
        return outcome_sentence(self)


def outcome_sentence(outcome: Outcome) -> str:
    """Return the run in one line: ``7 of 10 simulations complete, 3 failed (MET_COVERAGE 3)``."""
    text = f"{outcome.complete} of {outcome.total} simulations complete"
    if outcome.failed:
        text += f", {outcome.failed} failed{reason_counts(outcome.reasons, outcome.failed)}"
    if outcome.unfinished:
        text += f", {outcome.unfinished} unfinished"
    if outcome.errors:
        text += f"; {len(outcome.errors)} batch(es) broke off, the first with {outcome.errors[0]}"
    return text


_UNFINISHED = re.compile(r", \d+ unfinished\b|; \d+ batch\(es\) broke off")
_OUTCOME = re.compile(r"\d+ of \d+ simulations complete\b")


def is_outcome(text: str) -> bool:
    """Return whether a text is an :func:`outcome_sentence`."""
    return _OUTCOME.match(text) is not None


def left_undone(text: str) -> bool:
    """Return whether an outcome's sentence tells of simulations that were not finished."""
    return is_outcome(text) and _UNFINISHED.search(text) is not None


def outcome_markdown(
    name: str, outcome: Outcome, places: Mapping[str, str], picture: str = ""
) -> str:
    """Return totals, failure reasons, where the results are and a picture, as Markdown.

    Args:
        name: heading.
        outcome: what came of the run.
        places: paths or URLs by what is there.
        picture: Markdown of an image.
    """
    lines = [f"## {name}", "", "| | simulations |", "|---|---|"]
    counts = {name: n for name, n in outcome.counts.items() if name != "empty"}
    lines += [f"| {label} | {count} |" for label, count in counts.items()]
    if outcome.failures:
        # A list, for Prefect's tables cut off what is longer than they are wide.
        lines += ["", "What failed, and one of each:", ""]
        one = {row["reason"]: row for row in reversed(outcome.failures)}
        lines += [
            f"- **{reason}** ({count}): `{one[reason]['sim_id']}`: "
            f"{' '.join(one[reason]['detail'].split())}"
            for reason, count in outcome.reasons.items()
        ]
        lines += ["", "Where:"]
    if outcome.retried:
        lines += ["", outcome.retried_sentence]
    lines += ["", *(f"- {what}: `{path}`" for what, path in places.items())]
    if picture:
        lines += ["", picture]
    return "\n".join(lines)


def reason_counts(reasons: Mapping[str, int], total: int) -> str:
    """Return `` (MET_COVERAGE 3, DISK 1)``; without numbers when some reasons are unknown."""
    known = sum(reasons.values()) == total
    listed = ", ".join(f"{name} {n}" if known else name for name, n in reasons.items())
    return f" ({listed})" if listed else ""


def outcome_of(
    project: Project, sim_ids: Sequence[str], errors: Sequence[str] = (), *, ended: bool = False
) -> Outcome:
    """Read from the index what came of simulations.

    Args:
        project: whose simulations these are.
        sim_ids: what was to be computed; each once.
        errors: what stopped whole batches.
        ended: their run has ended, so that its last receipts are recorded, too.
    """
    ask = project.index.conclude if ended else project.index.came_of
    counts, failed = ask(sim_ids, project.expected)
    total = len(sim_ids)
    return Outcome(
        total=total,
        complete=counts.completed,
        empty=counts.empty,
        unfinished=total - counts.completed - len(failed),
        failures=tuple(row._asdict() for row in failed),
        errors=tuple(errors),
    )


def require_finished(project: Project, sim_ids: Sequence[str], outcome: Outcome) -> Outcome:
    """Raise when a run has ended with simulations that are neither complete nor failed.

    Those that other processes compute meanwhile are theirs to finish.

    Args:
        project: whose simulations these are, with all receipts recorded.
        sim_ids: what was to be computed.
        outcome: what came of them as far as the index knows.

    Returns:
        What came of them when the files have been looked at, if they had to be.

    Raises:
        RunUnfinishedError: how many, and one of them.
    """
    if not outcome.unfinished:
        return outcome
    left = _unfinished(project, sim_ids)
    if left:
        # The files are the truth: a receipt may have been lost to a full disk.
        project.index.refresh(project.expectations)
        left = _unfinished(project, sim_ids)
    if left:
        because = f" ({outcome.errors[0]})" if outcome.errors else ""
        raise RunUnfinishedError(
            f"{len(left)} of {len(sim_ids)} simulations were not computed, and no failure of "
            f"theirs is recorded, {left[0]} for example{because}: run again; what is finished is "
            "kept."
        )
    return replace(outcome_of(project, sim_ids, outcome.errors), retried=outcome.retried)


def _unfinished(project: Project, sim_ids: Sequence[str]) -> list[str]:
    asked = set(sim_ids)
    open_ids = project.index.in_states(
        project.expectations, where=_NOT_FAILED, states=("pending", "stale")
    )
    asked_and_open = [sim_id for sim_id in open_ids if sim_id in asked]
    if not asked_and_open:
        return []
    planned = ids_in_batches(project.layout.planned)
    return [sim_id for sim_id in asked_and_open if sim_id not in planned]


class JobHandle(Protocol):
    """A run that a backend has started.

    Attributes:
        job_id: the backend's name of it.
        detached: it goes on without this process.
    """

    job_id: str
    detached: bool

    def wait(self) -> Outcome | None:
        """Return when the run has ended. May be called again.

        Returns:
            What came of it; None leaves it to the caller to ask the index.

        Raises:
            SimulationError: what stopped the run itself.
            KeyboardInterrupt: Ctrl-C; the run is cancelled first.
        """


@dataclass(frozen=True)
class EndedJob:
    """The handle of a run that had ended when its backend returned.

    Attributes:
        outcome: what came of it.
    """

    outcome: Outcome

    job_id = "local"
    detached = False

    def wait(self) -> Outcome:
        """Return at once."""
        return self.outcome


class Run:
    """A run of some simulations of a project.

    Attributes:
        sim_ids: the simulations.
        job_id: the backend's name of the run.
        detached: it goes on without this process.
        said: problems with the weather that were named before anything was computed.
    """

    def __init__(
        self,
        project: Project,
        sim_ids: Sequence[str],
        handle: JobHandle,
        *,
        said: Sequence[WeatherProblem] = (),
    ) -> None:
        self.sim_ids = tuple(sim_ids)
        self.said = tuple(said)
        self.job_id = handle.job_id
        self.detached = handle.detached
        self._project, self._handle = project, handle
        self._outcome: Outcome | None = None

    def wait(self) -> Self:
        """Return this run when it has ended. May be called again.

        Raises:
            SimulationError: what stopped the run itself.
            KeyboardInterrupt: Ctrl-C; the run is cancelled first.
        """
        outcome = self._handle.wait()
        if self._outcome is None:
            self._outcome = outcome or outcome_of(self._project, self.sim_ids, ended=True)
        return self

    def require_finished(self) -> None:
        """Raise when a run has left simulations unfinished.

        Raises:
            RunUnfinishedError: see :func:`require_finished`.
        """
        self._outcome = require_finished(self._project, self.sim_ids, self.outcome)

    @property
    def outcome(self) -> Outcome:
        """What came of the simulations; of a run that goes on, how they are now."""
        return self._outcome or outcome_of(self._project, self.sim_ids)

    @property
    def counts(self) -> dict[str, int]:
        """Simulations of this run: total, complete, empty (of the complete), failed, unfinished.

        Those that were complete before are not among them; see :meth:`stilt.Model.status`.
        """
        return self.outcome.counts

    @property
    def reasons(self) -> dict[str, int]:
        """Number of failed simulations by reason, the most frequent first."""
        return self.outcome.reasons

    @property
    def failures(self) -> Sequence[Mapping[str, str]]:
        """``sim_id``, ``reason`` and ``detail`` of each failed simulation."""
        return self.outcome.failures

    def raise_for_failures(self) -> None:
        """Raise unless every simulation is complete.

        Raises:
            SimulationsFailedError: its message has the counts by reason.
        """
        self.outcome.raise_for_failures()

    def __repr__(self) -> str:
        return f"<run {self.job_id}: {self.outcome}>"
