"""Options of the `slurm` backend, as they stand in config.yaml."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from stilt.errors import UsageError

OURS = ("cpus_per_task", "array_parallelism", "setup", "job_name", "poll_interval")
# What the script says itself; given twice, the later one would win without a word.
_RESERVED = ("array", "output", "error", "open-mode", "parsable", "wait", "wrap", "chdir")
POLL_INTERVAL_S = 10.0


@dataclass(frozen=True)
class SlurmOptions:
    """How the tasks of a job array are asked for.

    Attributes:
        cpus_per_task: cores, and processes that compute, of each task.
        array_parallelism: tasks that run at a time; 0 leaves it to SLURM.
        setup: lines of shell before the worker, such as ``module load`` commands.
        job_name: as SLURM shows it; "" takes the project's.
        poll_interval_s: seconds between two looks at the queue.
        sbatch: further options of sbatch by name: True for a bare flag.
    """

    cpus_per_task: int = 1
    array_parallelism: int = 0
    setup: tuple[str, ...] = ()
    job_name: str = ""
    poll_interval_s: float = POLL_INTERVAL_S
    sbatch: Mapping[str, str | bool] = field(default_factory=dict)

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> Self:
        """Return the options that ``execution`` of a configuration has.

        Every key that is not one of :data:`OURS` is an option of sbatch: ``partition: normal``,
        ``time: "02:00:00"``, ``mem_per_cpu: 4G``, ``exclusive: true``. False and null leave it out.

        Raises:
            UsageError: an option that the script has itself, or one of a wrong kind.
        """
        setup = options.get("setup") or ()
        if isinstance(setup, str):
            setup = setup.splitlines()
        if not isinstance(setup, Sequence) or not all(isinstance(line, str) for line in setup):
            raise UsageError("execution.setup takes lines of shell: a text, or a list of texts.")
        sbatch: dict[str, str | bool] = {}
        for key, value in options.items():
            name = key.replace("_", "-")
            if key in OURS or value is None or value is False:
                continue
            if name in _RESERVED:
                raise UsageError(
                    f"execution.{key} cannot be chosen, since the job script has it already: "
                    "remove it."
                )
            if isinstance(value, Mapping | list) or "\n" in str(value):
                raise UsageError(f"execution.{key} takes one value, as `sbatch --{name}` does.")
            sbatch[name] = True if value is True else str(value)
        return cls(
            _whole(options, "cpus_per_task", 1, least=1),
            _whole(options, "array_parallelism", 0, least=0),
            tuple(setup),
            str(options.get("job_name") or ""),
            _seconds(options.get("poll_interval")),
            sbatch,
        )


def _whole(options: Mapping[str, Any], name: str, default: int, *, least: int) -> int:
    value = options.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise UsageError(f"execution.{name} is {value!r}: it takes a whole number from {least} on.")
    return value


def _seconds(value: Any) -> float:
    if value is None:
        return POLL_INTERVAL_S
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise UsageError(f"execution.poll_interval is {value!r}: it takes seconds, more than 0.")
    return float(value)
