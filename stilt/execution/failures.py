"""What a failed simulation leaves: a typed reason, one sentence, and a block in its log."""

from __future__ import annotations

import errno
import logging
import re
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stilt.errors import Reason, SimulationError, StiltError
from stilt.project.receipts import now

if TYPE_CHECKING:
    from stilt.project.inputs import Project

logger = logging.getLogger(__name__)

# Begins what a failure appends to a log.
_BLOCK = "==== stilt "
_WRITTEN_IN_PART = re.compile(r"\d+ requested and \d+ written")
_DISK = {
    errno.ENOSPC: "make room on the disk of the project, or where its results or caches are",
    errno.EDQUOT: "make room within the quota",
    errno.EROFS: "write to another folder with --output-dir",
    errno.EACCES: "give write permission, or write to another folder with --output-dir",
    errno.EPERM: "give write permission, or write to another folder with --output-dir",
    errno.EIO: "check the disk",
    errno.EFBIG: "raise the limit on the size of a file (ulimit -f)",
    errno.ENAMETOOLONG: "put the project into a folder with a shorter path",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.ENFILE: "raise the system's limit on open files",
    errno.ESTALE: "mount the network disk again, and run again",
    errno.ENOTCONN: "mount the network disk again, and run again",
}


@dataclass(frozen=True)
class Failure:
    """Why and where a simulation stopped.

    Attributes:
        reason: typed cause.
        detail: one sentence for a person.
        phase: ``trajectory``, ``footprint:<name>`` or ``worker``.
        kind: type of the exception.
        trace: its traceback; "" for an error of a kind that needs none.
    """

    reason: Reason
    detail: str
    phase: str
    kind: str
    trace: str = ""

    @classmethod
    def of(cls, error: BaseException, phase: str) -> Failure:
        """Describe an exception."""
        trace = "".join(traceback.format_exception(error))
        kind = type(error).__name__
        if isinstance(error, SimulationError):
            return cls(error.reason, error.detail, phase, kind)
        if isinstance(error, StiltError):
            return cls(Reason.UNKNOWN, str(error), phase, kind)
        if isinstance(error, KeyboardInterrupt):
            return cls(Reason.INTERRUPTED, "The run was interrupted.", phase, kind)
        if (sentence := disk_sentence(error)) is not None:
            return cls(Reason.DISK, sentence, phase, kind, trace)
        return cls(Reason.UNKNOWN, f"{kind}: {_one_line(error)}", phase, kind, trace)


def append_log(log: Path, failure: Failure) -> None:
    """Append a block to a simulation's log; when that fails too, only a message is left."""
    block = [
        "",
        f"{_BLOCK}{now().isoformat(timespec='seconds')}Z " + "=" * 48,
        f"Phase: {failure.phase}",
        f"Type: {failure.kind}",
        f"Reason: {failure.reason}",
        f"Message: {failure.detail}",
    ]
    if failure.trace:
        block.append(f"Traceback: {failure.trace}")
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8") as file:
            file.write("\n".join(block) + "\n")
    except OSError as error:
        logger.warning("The log %s cannot be written: %s", log, error)


def last_block(text: str) -> str:
    """The block of the latest failure in a simulation's log; all of a log of another kind."""
    return text[max(0, text.rfind(f"\n{_BLOCK}")) :].strip()


def is_our_block(text: str) -> bool:
    """Return whether a :func:`last_block` is one of a failure, not a log of another kind."""
    return text.startswith(_BLOCK)


def log_failure(project: Project, sim_id: str, failure: Failure) -> None:
    """Append to a simulation's log, and upload it where outputs are on a URL."""
    log = project.layout.log(sim_id)
    if project.remote is None:
        append_log(log, failure)
        return
    try:
        project.output_files.local_copy(log)
        append_log(log, failure)
        project.remote.upload(log, sim_id, log.name)
    except OSError as error:
        logger.warning("The log of %s cannot be stored: %s", sim_id, error)


def disk_sentence(error: BaseException) -> str | None:
    """Say what a disk refuses and what to do about it, None for any other error."""
    if isinstance(error, OSError) and error.errno in _DISK:
        return f"{_one_line(error)}; {_DISK[error.errno]}."
    # numpy gives no number when a file could be written in part, and netCDF4 reports a full disk
    # as a RuntimeError of the HDF5 library.
    if (isinstance(error, OSError) and _WRITTEN_IN_PART.fullmatch(str(error))) or (
        isinstance(error, RuntimeError) and str(error).startswith("NetCDF: HDF error")
    ):
        return (
            "A file could not be written whole; make room on the disk of the project, or where its "
            "results or caches are, or check it."
        )
    return None


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or "no message"
    return text if len(text) <= 500 else text[:497] + "..."
