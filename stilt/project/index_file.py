"""The file of a project's index: read, written, brought up to date, and rebuilt when it is lost."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from stilt.project.batches import ids_in_batches
from stilt.project.changed_weather import changed_weather, weather_pairs
from stilt.project.database import DamagedIndexError, Database
from stilt.project.home import RECEIPTS, REGISTRATIONS, Home
from stilt.project.index_queries import Expected
from stilt.project.keys import Expectation
from stilt.project.layout import ProjectLayout, receipt_files
from stilt.project.output_files import OutputFiles
from stilt.project.present import show_present
from stilt.project.waiting import show_waiting, waiting_receipts

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

    from stilt.project.receipts import Result
    from stilt.project.update import Pairs, Registration

logger = logging.getLogger(__name__)

T = TypeVar("T")


class IndexFile:
    """The file of the index and what is written into it: registrations, receipts, what was found.

    An index that is missing, damaged or of another version is rebuilt from the project's files,
    by whoever notices.

    Args:
        path: the index file, ``<output root>/.stilt/index.duckdb``.
        max_rows: most rows to keep; the oldest finished ones are removed first. None keeps all.
        outputs: the output files; None when they are beside the index.
        home: the project, when it is on a URL; the index is in its local copy.
        cache_dir: folder with the indexes of weather files.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        max_rows: int | None = None,
        outputs: OutputFiles | None = None,
        home: Home | None = None,
        cache_dir: Path | None = None,
    ) -> None:
        self.path = Path(path)
        self.home = home
        self.layout = ProjectLayout(self.path.parent.parent)
        self.outputs = outputs or OutputFiles(self.layout)
        self.remote = self.outputs.remote
        self.cache_dir = cache_dir or self.layout.weather_cache
        self.max_rows = max_rows
        self._database = Database(self.path)

    # -- access ---------------------------------------------------------------------------------

    def bring(self, *, at_once: bool = False) -> None:
        """Fetch what is new of a project on a URL; see :class:`stilt.project.home.Home`."""
        if self.home is None or not self.home.bring(self._learn, at_once=at_once):
            return
        if self._database.exists():
            # The index is this machine's own, and receipts of a whole campaign may have come.
            self.fold()

    def _learn(self, registrations: Sequence[Path]) -> None:
        """Record registrations that were made on other machines."""
        from stilt.project.rebuild import read_registrations
        from stilt.project.records import learn_definitions

        if self._database.exists():
            rows = [rows for _, rows in read_registrations(registrations)]
            with suppress(DamagedIndexError):
                self._database.write(lambda connection: learn_definitions(connection, rows))

    def write(self, work: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        """Run one short transaction; see :meth:`Database.write`."""
        self.bring()
        if not self._database.exists() and self._has_files():
            self.rebuild()
        try:
            return self._database.write(work)
        except DamagedIndexError as error:
            self._repair(error)
            return self._database.write(work)

    def read(self, work: Callable[[duckdb.DuckDBPyConnection], T], default: T) -> T:
        """Run queries; ``default`` is the answer when nothing was ever registered or computed.

        Nothing is written: the tables look as the waiting receipts would leave them.
        """
        self.bring()
        if not self._database.exists():
            if not self._has_files():
                return default
            self.rebuild()
        try:
            return self._look(work)
        except FileNotFoundError:
            return default
        except DamagedIndexError as error:
            self._repair(error)
            return self._look(work)

    def _look(self, work: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        """Run queries on the index, with waiting receipts shown as if they were recorded."""
        told = waiting_receipts(receipt_files(self.layout.receipts))

        def look(connection: duckdb.DuckDBPyConnection) -> T:
            if told is not None:
                show_waiting(connection, told)
            return work(connection)

        return self._database.read(look)

    def _read_present(
        self, expected: Expected, work: Callable[[duckdb.DuckDBPyConnection], T], default: T
    ) -> T:
        """Run queries on the view ``present``, see :func:`stilt.project.present.show_present`."""
        busy = sorted(ids_in_batches(self.layout.running))
        pairs: list[tuple[str, str]] = []

        def look(connection: duckdb.DuckDBPyConnection, outdated: Pairs = ()) -> T:
            if expected is not None and not outdated:
                pairs[:] = weather_pairs(connection)
            show_present(connection, outdated=outdated, busy=busy)
            return work(connection)

        answer = self.read(look, default)
        # Weather files are not looked at while the index is open, and hardly ever replaced.
        outdated = changed_weather(pairs, self.cache_dir)
        return self.read(partial(look, outdated=outdated), default) if outdated else answer

    # -- writing --------------------------------------------------------------------------------

    def update(
        self,
        expected: Expected,
        ask: Callable[[duckdb.DuckDBPyConnection], T],
        *,
        registration: Registration | None = None,
        looks: bool = True,
        verify: bool | None = None,
    ) -> tuple[T, list[str]]:
        """Register simulations and look at the files; see :mod:`stilt.project.update`."""
        from stilt.project.update import update_index

        self.bring()
        answer = update_index(
            self, expected, ask, registration=registration, looks=looks, verify=verify
        )
        if self.home is not None:
            self.home.send(REGISTRATIONS, receipt_files(self.layout.registrations))
        return answer

    def refresh(self, expected: Expected, *, verify: bool | None = None) -> list[str]:
        """Bring recorded outputs and states up to date with files and configuration.

        Returns:
            Simulations whose files are not as recorded.
        """
        return self.update(expected, _nothing, verify=verify)[1]

    def reconcile(self, expected: Mapping[str, Expectation]) -> None:
        """Make recorded states agree with a configuration: what is stale becomes pending."""
        self.update(expected, _nothing, looks=False)

    def record(self, results: Iterable[Result], *, owner: str | None = None) -> int:
        """Record what became of simulations.

        Args:
            results: later ones win over earlier ones.
            owner: record only simulations that this owner's claim holds, and end the claims.

        Returns:
            How many rows were recorded.
        """
        import pandas as pd

        frame = pd.DataFrame([result.to_row() for result in results])
        if frame.empty:
            return 0
        return self.record_frame(frame, owner=owner)

    def record_frame(self, frame: pd.DataFrame, *, owner: str | None = None) -> int:
        """Record rows of receipts; see :meth:`record`."""
        return self.write(lambda connection: self._apply(connection, frame, owner))

    def fold(self) -> int:
        """Record all waiting receipts, then move them; return how many simulations they had.

        For those who run simulations; readers see what receipts say without it.
        """
        if not receipt_files(self.layout.receipts):
            return 0
        return self._fold(_nothing)[0]

    def _fold(self, ask: Callable[[duckdb.DuckDBPyConnection], T]) -> tuple[int, T]:
        """Record the receipts that wait and answer a question in the transaction of the last."""
        from stilt.project.receipts import portions

        paths = receipt_files(self.layout.receipts)
        if self.home is not None:
            self.home.send(RECEIPTS, paths)
        *early, last = list(portions(paths)) or [[]]
        recorded = sum(self._fold_some(some, _nothing)[0] for some in early)
        of_last, answer = self._fold_some(last, ask)
        return recorded + of_last, answer

    def _fold_some(
        self, paths: Sequence[Path], ask: Callable[[duckdb.DuckDBPyConnection], T]
    ) -> tuple[int, T]:
        """Record some receipts and answer a question in the same transaction."""
        from stilt.project.receipts import move_folded, read_receipts

        frame, damaged = read_receipts(paths)

        def work(connection: duckdb.DuckDBPyConnection) -> tuple[int, T]:
            recorded = self._apply(connection, frame, None) if len(frame) else 0
            return recorded, ask(connection)

        answer = self.write(work)
        move_folded([path for path in paths if path not in damaged], self.layout.folded)
        return answer

    def tell(self, sim_ids: Sequence[str]) -> None:
        """Publish a receipt of what is recorded of simulations, for other machines."""
        from stilt.project.receipts import move_folded, write_recorded
        from stilt.project.records import as_receipts

        assert self.home is not None
        rows = self.read(partial(as_receipts, sim_ids), None)
        if rows is not None and len(rows):
            path = write_recorded(self.layout.receipts, rows)
            self.home.send(RECEIPTS, [path])
            move_folded([path], self.layout.folded)

    def _apply(
        self, connection: duckdb.DuckDBPyConnection, frame: pd.DataFrame, owner: str | None
    ) -> int:
        from stilt.project import records

        recorded = records.apply_receipts(connection, frame, owner)
        if self.max_rows is not None:
            records.cap(connection, self.max_rows)
        return recorded

    def rebuild(self, *, verify: bool | None = None) -> None:
        """Rebuild the index from the project's files; see :mod:`stilt.project.rebuild`."""
        from stilt.project.rebuild import rebuild_index

        self.bring()
        rebuild_index(self, self._database, verify=verify)

    def _has_files(self) -> bool:
        layout = self.layout
        folders = (layout.by_id, layout.store, layout.receipts, layout.folded, layout.registrations)
        if any(folder.is_dir() and any(folder.iterdir()) for folder in folders):
            return True
        return self.home is not None and self.home.has_outputs()

    def _repair(self, error: DamagedIndexError) -> None:
        logger.warning("%s. It is rebuilt from the project's files.", error)
        self.rebuild()


def _nothing(connection: duckdb.DuckDBPyConnection) -> None:
    """Ask nothing."""
