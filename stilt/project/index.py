"""The index of a project: what exists, what is missing and why. A cache of the files."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from stilt.project import index_queries as queries
from stilt.project.batches import ids_in_batches
from stilt.project.changed_weather import changed_weather, weather_pairs
from stilt.project.copies import Copies
from stilt.project.database import DamagedIndexError, Database
from stilt.project.home import RECEIPTS, REGISTRATIONS, Home
from stilt.project.index_queries import Expected
from stilt.project.keys import Expectation
from stilt.project.layout import ProjectLayout, receipt_files
from stilt.project.present import show_present
from stilt.project.receptor_view import VIEW, show_receptors
from stilt.project.remote import RemoteOutputs
from stilt.project.states import Alike, Counts, Failed, count_states
from stilt.project.waiting import show_waiting, waiting_receipts

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

    from stilt.project.receipts import Result
    from stilt.project.update import Pairs, Registration

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Index:
    """Simulations, their states and outputs, in DuckDB.

    Nothing is opened before a method is called, and nothing stays open after it. Questions are
    answered as if waiting receipts had been recorded, but only those who register or run
    simulations write. An index that is missing, damaged or of another version is rebuilt from
    the project's files, by whoever notices.

    Args:
        path: the index file, ``<output root>/.stilt/index.duckdb``.
        max_rows: most rows to keep; the oldest finished ones go first. None keeps all.
        remote: where the outputs are, when they are not beside the index.
        home: the project, when it is on a URL; the index is in its local copy.
        copies_bytes: what copies of outputs on a URL take on this machine at most.
        cache_dir: folder with the indexes of weather files.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        max_rows: int | None = None,
        remote: RemoteOutputs | None = None,
        home: Home | None = None,
        copies_bytes: float = math.inf,
        cache_dir: Path | None = None,
    ) -> None:
        self.path = Path(path)
        self.remote = remote
        self.home = home
        self.layout = ProjectLayout(self.path.parent.parent)
        self.copies = Copies((self.layout.store, self.layout.by_id), copies_bytes)
        self.cache_dir = cache_dir or self.layout.weather_cache
        self.max_rows = max_rows
        self._database = Database(self.path)

    # -- access ---------------------------------------------------------------------------------

    def bring(self, *, at_once: bool = False) -> None:
        """Have here what is new of a project on a URL; see :class:`stilt.project.home.Home`."""
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

    def sql(self, query: str, parameters: Sequence[Any] | None = None) -> pd.DataFrame:
        """Answer a query of your own on the tables ``simulations``, ``footprints`` and ``meta``.

        The view ``receptors`` has place, height and labels of every simulation in columns. The
        views ``footprint_cells``, ``particles`` and ``error_particles`` have what is in the store
        (``output: {layout: store}``), read shard by shard as far as the query needs them.

        The index is open for reading only, and only while the query runs, or, for views of the
        store, while its tables are copied. What finished batches of a run that goes on have
        reported is in the answer.

        Raises:
            UsageError: the query cannot be answered, or tries to change something.
        """
        import pandas as pd

        from stilt.project.store_views import wanted_views

        views = wanted_views(query)
        if views:
            return self._sql_on_store(query, parameters, views)

        def work(connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
            connection.execute("SET enable_external_access = false")
            if VIEW in query:
                show_receptors(connection)
            return queries.answered(connection, query, parameters)

        if not self._database.exists() and not self._has_files():
            return self._database.empty(work)
        return self.read(work, pd.DataFrame())

    def _sql_on_store(
        self, query: str, parameters: Sequence[Any] | None, views: Sequence[str]
    ) -> pd.DataFrame:
        """Answer a query on views of the store, with copies of the tables."""
        import duckdb

        from stilt.project.store_views import show_store, show_tables, tables_of

        tables = self.read(tables_of, None) or self._database.empty(tables_of)
        with duckdb.connect(":memory:") as connection:
            connection.execute("SET TimeZone = 'UTC'")
            show_tables(connection, tables)
            for view in views:
                show_store(connection, view, self.shard_path)
            connection.execute("SET allowed_directories = [?]", [str(self.layout.store)])
            connection.execute("SET enable_external_access = false")
            return queries.answered(connection, query, parameters)

    def shard_path(self, shard: str) -> Path:
        """A shard of the store on this machine, fetched first from a URL unless it is here.

        The path does not exist afterwards if there is no such shard.
        """
        path = self.layout.shard(shard)
        if self.remote is None:
            return path
        if path.exists():
            # Shards are never changed, so that a copy stays good.
            self.copies.used(path)
        else:
            self.remote.fetch_shard(shard, path)
            self.copies.came(path)
        return path

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
        """Publish what is recorded of simulations in a receipt, for other machines."""
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

    # -- questions ------------------------------------------------------------------------------

    def times(self) -> dict[str, float]:
        """Seconds that workers spent on each part of the work, in what receipts tell."""
        from stilt.project.receipts import read_tables, seconds_by_part

        paths = [*receipt_files(self.layout.folded), *receipt_files(self.layout.receipts)]
        return seconds_by_part(read_tables(paths)[0]["parts"].to_pylist())

    def token(self) -> str:
        """What stood for the inputs at the last registration; "" when there was none."""

        return self.read(queries.token, "")

    def ids(self, where: str = "true", parameters: Sequence[Any] = ()) -> list[str]:
        """Registered ids for which an SQL condition on simulations ``s`` holds, sorted."""
        query = f"SELECT sim_id FROM simulations s WHERE {where} ORDER BY sim_id"
        return self._column(query, parameters)

    def in_states(
        self,
        expected: Expected,
        *,
        where: str = "true",
        parameters: Sequence[Any] = (),
        states: Iterable[str] = ("pending", "stale", "failed", "running"),
    ) -> list[str]:
        """Registered ids in the given states, the last registration first and in its order.

        Args:
            expected: outputs of a complete simulation; None believes the recorded states.
            where, parameters: an SQL condition on simulations ``s`` and its parameters.
            states: pending, stale, running, complete, failed.
        """

        ask = partial(
            queries.ids_in_states,
            expected=expected,
            states=states,
            where=where,
            parameters=parameters,
        )
        return self._read_present(expected, ask, [])

    def frame(
        self,
        expected: Expected = None,
        *,
        where: str = "true",
        parameters: Sequence[Any] = (),
        states: Iterable[str] | None = None,
    ) -> pd.DataFrame:
        """Simulations with all columns of the table, by id; ``state`` is what it is now.

        The receptors' labels are further columns.

        Args:
            expected, where, parameters: as for :meth:`in_states`.
            states: as for :meth:`in_states`; None takes all.
        """
        import pandas as pd

        work = partial(
            queries.frame, expected=expected, states=states, where=where, parameters=parameters
        )

        def nothing(connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
            show_present(connection)
            return work(connection)

        if not self._database.exists() and not self._has_files():
            return self._database.empty(nothing)
        return self._read_present(expected, work, pd.DataFrame())

    def state(self, sim_id: str, expected: Expected) -> str:
        """State of one simulation as :meth:`counts` counts it; "" when it is not registered."""

        ask = partial(queries.state, sim_id=sim_id, expected=expected)
        return self._read_present(expected, ask, "")

    def counts(self, expected: Expected = None, *, scene_id: str | None = None) -> Counts:
        """Simulations per state and per failure reason, receipts that wait included."""
        condition = "" if scene_id is None else "WHERE scene_id = ?"
        groups = self._groups(expected, condition, [] if scene_id is None else [scene_id])
        return count_states([group for _, group in groups], expected)

    def scene_counts(self, expected: Expected = None) -> dict[str, Counts]:
        """Counts for every scene, by scene id."""
        by_scene: dict[str, list[Alike]] = {}
        for scene, group in self._groups(expected, "WHERE scene_id IS NOT NULL", []):
            by_scene.setdefault(str(scene), []).append(group)
        return {scene: count_states(by_scene[scene], expected) for scene in sorted(by_scene)}

    def came_of(self, sim_ids: Sequence[str], expected: Expected) -> tuple[Counts, list[Failed]]:
        """Return the counts of some simulations after their run, and those that failed.

        Simulations of which only the error run failed are among the failed ones, although they
        count as pending. Weather is not compared again.

        Args:
            sim_ids: which; those that are not registered are left out.
            expected: outputs of a complete simulation; None believes the recorded states.
        """
        none: list[Failed] = []
        ask = partial(queries.came_of, sim_ids=sim_ids, expected=expected)
        return self.read(ask, (Counts(), none))

    def conclude(self, sim_ids: Sequence[str], expected: Expected) -> tuple[Counts, list[Failed]]:
        """Record all receipts that wait, and return what :meth:`came_of` does."""
        if not receipt_files(self.layout.receipts):
            return self.came_of(sim_ids, expected)
        return self._fold(partial(queries.came_of, sim_ids=sim_ids, expected=expected))[1]

    def receptors(self, sim_ids: Sequence[str], *, repair: bool = True) -> dict[str, str]:
        """Stored receptor (JSON) of each id that is registered and has one.

        Args:
            sim_ids: which.
            repair: rebuild the index when it is missing or damaged; False goes without it,
                for workers, which must not all do so at once.
        """
        if not sim_ids:
            return {}
        from stilt.project.records import stored_receptors

        ask = partial(stored_receptors, sim_ids)
        if repair:
            return self.read(ask, {})
        try:
            return self._database.read(ask)
        except (FileNotFoundError, DamagedIndexError):
            return {}

    def labels(self, sim_ids: Sequence[str]) -> pd.DataFrame:
        """Labels of receptors, a column each and no column without any; index = the ids given."""
        import pandas as pd

        ask = partial(queries.labels, sim_ids=sim_ids)
        found = self.read(ask, pd.DataFrame({"sim_id": []})) if sim_ids else None
        if found is None or len(found.columns) == 1:
            return pd.DataFrame(index=list(sim_ids))
        return found.set_index("sim_id").reindex(list(sim_ids))

    def shards(self, sim_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Shards of the store with outputs of the given ids, for those that have any.

        Raises:
            FileNotFoundError: there is no index.
            StiltError: it cannot be used.
        """
        from stilt.project.records import shards_of

        return self._look(partial(shards_of, sim_ids)) if sim_ids else {}

    def rows(self, sim_ids: Sequence[str], columns: Sequence[str] = ("*",)) -> list[dict[str, Any]]:
        """Recorded rows of the given ids, as far as they are registered."""
        from stilt.project.records import rows_of

        return self.read(partial(rows_of, sim_ids, columns), []) if sim_ids else []

    def footprint_names(self) -> list[str]:
        """Names of all recorded footprints."""
        return self._column("SELECT DISTINCT name FROM footprints ORDER BY name", [])

    # -- inside ---------------------------------------------------------------------------------

    def _groups(
        self, expected: Expected, condition: str, parameters: list[Any]
    ) -> list[tuple[str | None, Alike]]:
        """Alike simulations with their scene, as the waiting receipts would leave them."""

        ask = partial(queries.alike_by_scene, condition=condition, parameters=parameters)
        return self._read_present(expected, ask, [])

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

    def _column(self, query: str, parameters: Sequence[Any]) -> list[str]:
        return self.read(lambda c: queries.texts(c.execute(query, list(parameters))), [])

    def _has_files(self) -> bool:
        layout = self.layout
        folders = (layout.by_id, layout.store, layout.receipts, layout.folded, layout.registrations)
        if any(folder.is_dir() and any(folder.iterdir()) for folder in folders):
            return True
        return self.home is not None and self.home.has_outputs()

    def _repair(self, error: DamagedIndexError) -> None:
        logger.warning("%s. It is rebuilt from the project's files.", error)
        self.rebuild()

    def __repr__(self) -> str:
        return f"Index({str(self.path)!r})"


def _nothing(connection: duckdb.DuckDBPyConnection) -> None:
    """Ask nothing."""
