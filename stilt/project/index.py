"""The index of a project: what exists, what is missing and why. A cache of the files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from stilt.project import index_queries as queries
from stilt.project.database import DamagedIndexError
from stilt.project.index_file import IndexFile
from stilt.project.index_queries import Expected, OutputSizes
from stilt.project.layout import receipt_files
from stilt.project.present import show_present
from stilt.project.receptor_view import VIEW, show_receptors
from stilt.project.states import UNLISTED, Alike, Counts, Failed, count_states

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import pyarrow as pa

T = TypeVar("T")


class Index(IndexFile):
    """Simulations, their states and outputs, in DuckDB: what can be asked.

    Nothing is opened before a method is called, and nothing stays open after it. Questions are
    answered as if waiting receipts had been recorded, but only those who register or run
    simulations write; see :class:`stilt.project.index_file.IndexFile`.
    """

    def sql(self, query: str, parameters: Sequence[Any] | None = None) -> pd.DataFrame:
        """Answer a query of your own on the tables ``simulations``, ``footprints`` and ``meta``.

        The view ``receptors`` has place, height and labels of every simulation in columns. The
        views ``footprint_cells``, ``particles`` and ``error_particles`` have what is in the store
        (``output: {layout: store}``), read shard by shard as far as the query needs them.

        The index is open for reading only, and only while the query runs, or, for views of the
        store, while its tables are copied. What finished batches of a run that goes on have
        reported is in the answer.

        Raises:
            UsageError: the query cannot be answered, tries to change something, or asks for a view
                of the store where outputs are files.
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

        from stilt.project.store_views import refuse_files, show_store, show_tables, tables_of

        tables = self.read(tables_of, None) or self._database.empty(tables_of)
        with duckdb.connect(":memory:") as connection:
            connection.execute("SET TimeZone = 'UTC'")
            show_tables(connection, tables)
            for view in views:
                refuse_files(connection, view)
                show_store(connection, view, self.outputs.shard_path)
            connection.execute("SET allowed_directories = [?]", [str(self.layout.store)])
            connection.execute("SET enable_external_access = false")
            return queries.answered(connection, query, parameters)

    # -- questions ------------------------------------------------------------------------------

    def times(self) -> dict[str, float]:
        """Seconds that workers spent on each part of the work, from their receipts."""
        from stilt.project.receipts import seconds_by_part

        return seconds_by_part(self.attempts()["parts"].to_pylist())

    def attempts(self) -> pa.Table:
        """All rows of all receipts, those of earlier attempts included."""
        from stilt.project.receipts import read_tables

        paths = [*receipt_files(self.layout.folded), *receipt_files(self.layout.receipts)]
        return read_tables(paths)[0]

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

    def unlisted_results(self) -> int:
        """Return how many simulations have results although their receptor is not listed now."""
        has_results = "(transport_key IS NOT NULL OR coalesce(footprint_keys, '') <> '')"
        query = f"SELECT count(*) FROM simulations s WHERE {UNLISTED} AND {has_results}"
        return self.read(lambda c: int(c.execute(query).fetchall()[0][0]), 0)

    def output_sizes(self, expected: Expected = None) -> OutputSizes:
        """Return how much there is of outputs, in one opening.

        Args:
            expected: which outputs are current, for the share of the hours.
        """
        ask = partial(queries.output_sizes, expected=expected)
        return self.read(ask, OutputSizes())

    def footprint_names(self) -> list[str]:
        """Names of all recorded footprints."""
        return self._column("SELECT DISTINCT name FROM footprints ORDER BY name", [])

    def _groups(
        self, expected: Expected, condition: str, parameters: list[Any]
    ) -> list[tuple[str | None, Alike]]:
        """Alike simulations with their scene, as the waiting receipts would leave them."""

        ask = partial(queries.alike_by_scene, condition=condition, parameters=parameters)
        return self._read_present(expected, ask, [])

    def _column(self, query: str, parameters: Sequence[Any]) -> list[str]:
        return self.read(lambda c: queries.texts(c.execute(query, list(parameters))), [])

    def __repr__(self) -> str:
        return f"Index({str(self.path)!r})"
