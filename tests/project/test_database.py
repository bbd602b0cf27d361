from pathlib import Path

import pytest

from stilt.project.database import Database


def test_a_signal_during_a_query_is_an_interrupt_not_a_failure(tmp_path: Path) -> None:
    database = Database(tmp_path / "index.duckdb")

    def as_duckdb_reports_it(connection: object) -> None:
        raise RuntimeError("Query interrupted")

    database.write(lambda connection: None)
    with pytest.raises(KeyboardInterrupt):
        database.write(as_duckdb_reports_it)
    with pytest.raises(KeyboardInterrupt):
        database.read(as_duckdb_reports_it)
