"""SLURM's own commands: submit a job array, ask what becomes of its tasks, cancel it."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from stilt.errors import UsageError

ANSWER_TIMEOUT_S = 60.0
WAITING = frozenset({"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED"})
"""States of a task that has not begun, or will begin again."""

ENDED = frozenset(
    {
        "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY",
        "PREEMPTED", "REVOKED", "TIMEOUT",
    }
)  # fmt: skip
"""States of a task that will not go on (https://slurm.schedmd.com/squeue.html, job state codes)."""

_REMEMBERED_S = 5.0
_OPTIONS = (
    "; the options of sbatch stand under execution in config.yaml (`sinfo` lists the partitions, "
    "`sacctmgr show associations user=$USER` the accounts)."
)
_COMMANDS = ("sbatch", "squeue", "scancel", "scontrol")

_asked: dict[str, tuple[float, bool | None]] = {}


@dataclass(frozen=True, order=True)
class ArrayTask:
    """One task of a job array, as SLURM sees it.

    Attributes:
        number: its number in the array.
        state: SLURM's word for it, such as ``RUNNING``.
        node: where it runs, or ran; "" before.
        reason: why it waits; "" when it does not.
    """

    number: int
    state: str
    node: str = ""
    reason: str = ""

    @property
    def ended(self) -> bool:
        """Whether it will not go on."""
        return self.state in ENDED


def states_in_words(tasks: Iterable[ArrayTask]) -> str:
    """Return how many tasks are in which state, the most frequent state first."""
    states = Counter(task.state for task in tasks)
    return ", ".join(f"{state.lower()} {number}" for state, number in states.most_common())


class SlurmError(UsageError):
    """A command of SLURM refused, or did not answer."""


def require_commands() -> None:
    """Stop where SLURM's commands are not on the PATH of this process.

    Raises:
        UsageError: which, and what to do.
    """
    missing = [name for name in _COMMANDS if shutil.which(name) is None]
    if missing:
        raise UsageError(
            f"SLURM's commands are not on the PATH here ({', '.join(missing)}): run this where "
            "jobs are submitted, most often a login node, or choose another backend."
        )


def require_controller() -> None:
    """Ask SLURM's controller for a sign of life.

    Raises:
        SlurmError: it does not answer, with what SLURM says about that.
    """
    try:
        _run("squeue", "--me", "-h", "-o", "%i")
    except SlurmError as error:
        raise SlurmError(
            f"SLURM's controller cannot be asked ({error}): try again when `sinfo` answers here, "
            "or choose another backend."
        ) from None


def submit(script: Path) -> str:
    """Submit a batch script and return the number of its job.

    Raises:
        SlurmError: SLURM refuses it, with SLURM's own words and what to look at.
    """
    # Of a federation the answer is "job;cluster".
    answer = _run("sbatch", "--parsable", str(script), remedy=_OPTIONS)
    return answer.strip().split(";")[0]


def cancel(job: str) -> None:
    """Cancel a job; harmless when it has ended.

    Raises:
        SlurmError: SLURM does not answer.
    """
    _run("scancel", job)


def queued_tasks(job: str) -> list[ArrayTask]:
    """Return those tasks of a job array that are in the queue: waiting, running or ending.

    Raises:
        SlurmError: SLURM does not answer; it may do so later.
    """
    # All jobs of this user: asked for a job that is gone, squeue answers with an error.
    answer = _run("squeue", "--me", "-h", "-r", "-o", "%F|%K|%T|%N|%r")
    tasks = []
    for line in filter(None, answer.splitlines()):
        of_job, number, state, node, reason = line.split("|", 4)
        if of_job == job and number.isdigit():
            reason = reason if state in WAITING else ""
            tasks.append(ArrayTask(int(number), state, node, reason))
    return [task for task in tasks if not task.ended]


def ended_tasks(job: str) -> dict[int, ArrayTask]:
    """Return, by number, those tasks of a job array whose end SLURM still knows.

    The controller knows it for some minutes, accounting for long, but some seconds later; where
    neither does, nothing is returned, which is not an error.
    """
    found: dict[int, ArrayTask] = {}
    for ask in (_accounted, _known_to_controller):
        with suppress(SlurmError):
            found |= {task.number: task for task in ask(job) if task.ended}
    return found


def is_queued(job: str) -> bool | None:
    """Return whether a job array is in the queue; None where SLURM cannot be asked.

    An answer is remembered for some seconds.
    """
    moment = time.monotonic()
    at, answer = _asked.get(job, (-_REMEMBERED_S, None))
    if moment - at >= _REMEMBERED_S:
        try:
            answer = bool(queued_tasks(job))
        except SlurmError:
            answer = None
        _asked[job] = (moment, answer)
    return answer


def _accounted(job: str) -> list[ArrayTask]:
    answer = _run("sacct", "-n", "-P", "-X", "-j", job, "-o", "JobID,State,NodeList")
    tasks = []
    for line in filter(None, answer.splitlines()):
        name, state, node = line.split("|", 2)
        for number in _numbers(name.rpartition("_")[2].strip("[]")):
            # "CANCELLED by 1000"
            tasks.append(ArrayTask(number, state.split(" ")[0], node))
    return tasks


def _known_to_controller(job: str) -> list[ArrayTask]:
    tasks = []
    for line in _run("scontrol", "-o", "show", "job", job).splitlines():
        fields = dict(re.findall(r"(\w+)=(\S*)", line))
        for number in _numbers(fields.get("ArrayTaskId", "")):
            node = fields.get("BatchHost", "")
            tasks.append(ArrayTask(number, fields.get("JobState", ""), node))
    return tasks


def _numbers(text: str) -> list[int]:
    """Return the numbers of tasks in a text such as ``3``, ``0-3,7`` or ``0-31%4``."""
    numbers: list[int] = []
    for part in text.partition("%")[0].split(","):
        first, _, last = part.partition("-")
        if first.isdigit() and (last or first).isdigit():
            numbers += range(int(first), int(last or first) + 1)
    return numbers


def _run(*command: str, remedy: str = "") -> str:
    """Run a command of SLURM and return what it prints.

    Args:
        command: and its arguments.
        remedy: end of the sentence where SLURM refuses.

    Raises:
        SlurmError: what it said on stderr.
    """
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=ANSWER_TIMEOUT_S, check=False
        )
    except FileNotFoundError:
        raise SlurmError(
            f"SLURM's command {command[0]} is not on the PATH here: run this where jobs are "
            "submitted, most often a login node."
        ) from None
    except subprocess.TimeoutExpired:
        raise SlurmError(f"SLURM's command {command[0]} does not answer.") from None
    if done.returncode:
        raise SlurmError(_refusal(command[0], done.stderr) + remedy)
    return done.stdout


def _refusal(command: str, said: str) -> str:
    lines = [re.sub(rf"^{command}: (error: )?", "", line).strip() for line in said.splitlines()]
    return (
        f"SLURM's command {command} refuses: {'; '.join(filter(None, lines)) or 'no reason given'}"
    )
