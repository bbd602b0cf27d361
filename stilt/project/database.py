"""The index file: every access goes through one lock, and no process keeps it open.

DuckDB allows one writing process at a time, and processes that take turns by connecting again
lose commits without an error. So each access takes the lock of a file beside the database,
connects, does one short piece of work, closes, and gives the lock back.

A person may have the file open as well. A reader delays no other: the work is done on a
copy. Whoever may write to it is waited for.
"""

from __future__ import annotations

import errno
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from filelock import FileLock, Timeout

try:
    import fcntl
except ImportError:  # Windows, where readers wait for one another
    fcntl = None  # type: ignore[assignment]

from stilt.errors import StiltError
from stilt.project.held import (
    HeldIndexError,
    copy_to_read,
    copy_to_write,
    holder_of,
    is_held_here,
    is_only_read,
    means_no_locks,
    no_locks,
    wal_of,
)
from stilt.project.schema import SCHEMA_VERSION, TABLES

if TYPE_CHECKING:
    import duckdb

logger = logging.getLogger(__name__)

T = TypeVar("T")
Work = Callable[["duckdb.DuckDBPyConnection"], T]

LOCK_TIMEOUT_S = 600.0
POLL_S = 0.01
HELD_POLL_S = 0.1
# Most questions that others ask of the index are answered by then.
READERS_PATIENCE_S = 1.0
WARN_AFTER_S = 5.0
_INTERRUPTED = "Query interrupted"


class DamagedIndexError(StiltError):
    """The index file cannot be used: damaged, or written by another version."""


class Database:
    """One DuckDB file behind one inter-process lock.

    Args:
        path: the file; its folder is made at the first write.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock_path = path.with_suffix(".lock")
        self.gate_path = path.with_suffix(".gate")

    def exists(self) -> bool:
        """Whether there is an index file."""
        return self.path.exists()

    def write(self, work: Work[T]) -> T:
        """Run one short transaction; nothing else in this project writes to the index.

        Args:
            work: gets the connection, returns at once: no computing, no files, no network.

        Raises:
            DamagedIndexError: the file cannot be used; nothing was changed.
            HeldIndexError: somebody who may write to it has it open for longer than the time limit.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.locked():
            fresh = not self.path.exists()
            with self._opened(read_only=False) as connection:
                if fresh:
                    create_tables(connection)
                else:
                    _check_version(connection, self.path)
                connection.execute("BEGIN")
                try:
                    result = work(connection)
                except BaseException:
                    connection.execute("ROLLBACK")
                    raise
                connection.execute("COMMIT")
                return result

    def read(self, work: Work[T]) -> T:
        """Run queries on the index as it is now, without being able to change it.

        Raises:
            FileNotFoundError: there is no index file.
            DamagedIndexError: the file cannot be used.
            HeldIndexError: as for :meth:`write`.
        """
        with self.locked(reading=True):
            if not self.path.exists():
                raise FileNotFoundError(f"there is no index at {self.path}")
            with self._opened(read_only=True) as connection:
                _check_version(connection, self.path)
                return work(connection)

    def empty(self, work: Work[T]) -> T:
        """Run queries on empty tables: what there is before anything was registered."""
        import duckdb

        with duckdb.connect(":memory:") as connection:
            create_tables(connection)
            return work(connection)

    def replace(self, work: Work[None]) -> None:
        """Rebuild the index: fill a file beside it, then put that in its place.

        Args:
            work: fills the empty tables; gets an open transaction.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self._new_path()
        try:
            with self.locked():
                new.unlink(missing_ok=True)
                with _connection(new, read_only=False) as connection:
                    create_tables(connection)
                    connection.execute("BEGIN")
                    work(connection)
                    connection.execute("COMMIT")
                wal_of(self.path).unlink(missing_ok=True)
                os.replace(new, self.path)
        finally:
            new.unlink(missing_ok=True)
            wal_of(new).unlink(missing_ok=True)

    def _new_path(self) -> Path:
        return self.path.with_name(f".{self.path.name}.{os.getpid()}.new")

    @contextmanager
    def _opened(self, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the index, or a copy of it while somebody else reads it; needs the lock."""
        connection = self._connect_patiently(read_only=read_only)
        if connection is not None:
            with _guarded(connection, self.path):
                yield connection
            return
        path, new = self.path, self._new_path()
        with (
            copy_to_read(path) if read_only else copy_to_write(path, new) as copy,
            _connection(copy, read_only=read_only) as connection,
        ):
            yield connection

    def _connect_patiently(self, *, read_only: bool) -> duckdb.DuckDBPyConnection | None:
        """Connect as soon as no other process has the index open; None when others only read it."""
        begun = time.monotonic()
        warned = False
        while True:
            try:
                return _connect(self.path, read_only=read_only)
            except HeldIndexError as error:
                waited_s = time.monotonic() - begun
                impatient = waited_s > READERS_PATIENCE_S or is_held_here(error)
                if impatient and is_only_read(self.path):
                    return None
                if waited_s > LOCK_TIMEOUT_S:
                    raise HeldIndexError(
                        f"{error} for {LOCK_TIMEOUT_S:.0f} s: close that connection, or open it "
                        "with read_only=True, and try again; outputs are not touched by it."
                    ) from error
                if waited_s > WARN_AFTER_S and not warned:
                    logger.warning("%s: waiting until it is closed.", error)
                    warned = True
            time.sleep(HELD_POLL_S)

    @contextmanager
    def locked(self, *, reading: bool = False) -> Iterator[None]:
        """Hold the lock, which readers share.

        Whoever waits for it keeps the gate shut for others meanwhile, so that a process that asks
        again and again cannot keep one out that asks once.
        """
        with ExitStack() as held:
            if reading and fcntl is not None:
                with _lock_of_reader(self.gate_path, shared=False):
                    held.enter_context(_lock_of_reader(self.lock_path, shared=True))
            else:
                with _lock(self.gate_path):
                    held.enter_context(_lock(self.lock_path))
            yield


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Lock a file, which is made when it is missing."""
    # A lock object of its own per access: the operating system keeps threads apart, too.
    lock = FileLock(str(path), timeout=LOCK_TIMEOUT_S, fallback_to_soft=False)
    try:
        lock.acquire(poll_interval=POLL_S)
    except Timeout as error:
        raise _held_too_long(path) from error
    except OSError as error:
        if means_no_locks(error):
            raise no_locks(path.parent, error) from error
        raise
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _lock_of_reader(path: Path, *, shared: bool) -> Iterator[None]:
    """Lock a file that this process need not be allowed to write to.

    Without such a file there was no writer yet; one that may not even be read is left alone.
    """
    assert fcntl is not None
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except (FileNotFoundError, PermissionError):
        yield
        return
    try:
        deadline = time.monotonic() + LOCK_TIMEOUT_S
        while True:
            try:
                fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise _held_too_long(path) from error
                time.sleep(POLL_S)
            except OSError as error:
                if means_no_locks(error):
                    raise no_locks(path.parent, error) from error
                raise
        yield
    finally:
        os.close(descriptor)


def _held_too_long(path: Path) -> StiltError:
    return StiltError(
        f"Another process has held {path} for {LOCK_TIMEOUT_S:.0f} s: end it and try again."
    )


def create_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the empty tables of this version."""
    connection.execute(TABLES)
    connection.execute("INSERT INTO meta VALUES ('schema_version', ?)", [str(SCHEMA_VERSION)])


@contextmanager
def _connection(path: Path, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a file, always close it; see :func:`_connect` and :func:`_guarded`."""
    with _guarded(_connect(path, read_only=read_only), path) as connection:
        yield connection


def _connect(path: Path, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    """Open a file.

    Raises:
        DamagedIndexError: it is not a file of DuckDB's, or damaged.
        HeldIndexError: somebody else has it open.
        StiltError: anything else, in one sentence.
    """
    import duckdb

    settings: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "threads": str(min(4, os.cpu_count() or 1)),
        "temp_directory": str(path.parent / "tmp"),
    }
    try:
        return duckdb.connect(str(path), read_only=read_only, config=settings)
    except duckdb.Error as error:
        if _was_interrupt(error):
            raise KeyboardInterrupt from error
        if (holder := holder_of(path, error)) is not None:
            raise HeldIndexError(f"{holder} has the index {path} open") from error
        if means_no_locks(error):
            raise no_locks(path.parent, error) from error
        others = ("No space left", "Permission denied", "Read-only file")
        if _is_damage(error) and not any(text in str(error) for text in others):
            raise DamagedIndexError(f"{path} cannot be read: {error}") from error
        raise StiltError(f"The index {path} cannot be opened: {error}") from error


@contextmanager
def _guarded(
    connection: duckdb.DuckDBPyConnection, path: Path
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Close a connection after a block; damage that shows in it is a DamagedIndexError."""
    import duckdb

    try:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection
    except (duckdb.Error, RuntimeError) as error:
        if _was_interrupt(error):
            raise KeyboardInterrupt from error
        if "No space left" in str(error):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
        if not (isinstance(error, duckdb.Error) and _is_damage(error)):
            raise
        raise DamagedIndexError(f"{path} cannot be read: {error}") from error
    finally:
        connection.close()


def _was_interrupt(error: Exception) -> bool:
    """Whether DuckDB has made this of the KeyboardInterrupt of a signal that came meanwhile."""
    text = str(error)
    return text == _INTERRUPTED or ("Traceback" in text and "KeyboardInterrupt" in text)


def _is_damage(error: duckdb.Error) -> bool:
    """Whether DuckDB says that a file is not what it should be."""
    import duckdb

    kinds = (
        duckdb.IOException, duckdb.SerializationException, duckdb.InternalException,
        duckdb.FatalException, duckdb.CatalogException, duckdb.OutOfRangeException,
    )  # fmt: skip
    # A block whose checksum is wrong has no kind of its own.
    return isinstance(error, kinds) or "Corrupt database file" in str(error)


def _check_version(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    rows = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchall()
    found = rows[0][0] if rows else "none"
    if found != str(SCHEMA_VERSION):
        raise DamagedIndexError(
            f"{path} has version {found} of the index; this program uses {SCHEMA_VERSION}"
        )
