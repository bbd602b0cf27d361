"""An index file that another process has open: find out who, and work on a copy meanwhile."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

try:
    import fcntl
except ImportError:  # Windows, where all file systems have locks
    fcntl = None  # type: ignore[assignment]

from stilt.errors import StiltError
from stilt.locks import has_no_locks

if TYPE_CHECKING:
    import duckdb

_HOLDER = re.compile(r"Conflicting lock is held in (.+?) \(PID (\d+)\)")
# DuckDB opens a file once per process, with one configuration.
_OPEN_HERE = ("different configuration", "Unique file handle conflict")

_COPY = "import shutil, sys; shutil.copyfile(sys.argv[1], sys.argv[2])"


class HeldIndexError(StiltError):
    """Another process, or another connection, has the index file open."""


def holder_of(path: Path, error: duckdb.Error) -> str | None:
    """Return who has a file open, in words, if DuckDB could not open it because of that."""
    text = str(error)
    if found := _HOLDER.search(text):
        return f"{Path(found[1]).name} (process {found[2]})"
    if "Conflicting lock" in text:
        return f"another process (`lsof {path}` lists processes of this machine)"
    if any(part in text for part in _OPEN_HERE):
        return f"a DuckDB connection in this process ({os.getpid()})"
    return None


def is_held_here(error: HeldIndexError) -> bool:
    """Return whether this process itself has the file open, so that waiting cannot help it."""
    return f"in this process ({os.getpid()})" in str(error)


def is_only_read(path: Path) -> bool:
    """Return whether those who have a file open can only read it."""
    import duckdb

    try:
        # Without settings of its own it shares what this process may have open.
        duckdb.connect(str(path), read_only=True).close()
    except duckdb.Error:
        return False
    return True


@contextmanager
def copy_to_read(path: Path) -> Iterator[Path]:
    """Give a copy of an index file, removed after the block."""
    with tempfile.TemporaryDirectory(prefix="stilt-index-") as folder:
        copy = Path(folder) / path.name
        _copy(path, copy)
        yield copy


@contextmanager
def copy_to_write(path: Path, copy: Path) -> Iterator[Path]:
    """Give a copy of an index file that takes its place when the block succeeds.

    Whoever has the file open goes on reading it as it was.
    """
    try:
        _copy(path, copy)
        yield copy
        wal_of(path).unlink(missing_ok=True)
        os.replace(copy, path)
    finally:
        copy.unlink(missing_ok=True)
        wal_of(copy).unlink(missing_ok=True)


def wal_of(path: Path) -> Path:
    """Return the file beside an index that holds what DuckDB has not yet moved into it."""
    return path.with_name(path.name + ".wal")


def _copy(path: Path, copy: Path) -> None:
    """Copy an index file in a process of its own.

    A process that closes a file loses all its POSIX locks on it, and so would a connection that
    this process has open.
    """
    for source, target in ((path, copy), (wal_of(path), wal_of(copy))):
        if not source.exists():
            continue
        command = [sys.executable, "-I", "-S", "-c", _COPY, str(source), str(target)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            last = done.stderr.strip().rpartition("\n")[2]
            raise StiltError(f"The index {path} is open elsewhere and cannot be copied: {last}")


def require_locks(folder: Path) -> None:
    """Check that files in a folder, or where it would be made, can be locked.

    Raises:
        StiltError: the file system has no locks.
    """
    if fcntl is None:
        return
    place = next(path for path in (folder, *folder.parents) if path.exists())
    with ExitStack() as stack:
        try:
            file = stack.enter_context(tempfile.TemporaryFile(dir=place, prefix=".lock-"))
        except OSError:
            # Whoever writes there says why that is not possible.
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if means_no_locks(error):
                raise no_locks(folder, error) from error
            raise


def means_no_locks(error: Exception) -> bool:
    """Return whether a file system has refused a lock because it has none."""
    if isinstance(error, OSError):
        return has_no_locks(error)
    text = str(error)
    return "Could not set lock" in text and "Conflicting lock" not in text


def no_locks(folder: Path, error: Exception) -> StiltError:
    """Return the error that says so, and where a project can be instead."""
    why = error.strerror if isinstance(error, OSError) else str(error).partition(". See also")[0]
    return StiltError(
        f"The file system of {folder} has no file locks, which the index needs ({why}): put "
        "the project on a local disk; its outputs may be on this file system, with --output-dir "
        "file:///FOLDER."
    )
