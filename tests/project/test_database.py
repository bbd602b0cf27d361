import subprocess
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from stilt.errors import StiltError
from stilt.project import lock_trial
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


def test_the_trial_of_locks_counts_the_turns_of_all_processes(tmp_path):
    command = [sys.executable, "-m", "stilt.project.lock_trial", str(tmp_path), "20"]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = sorted(process.communicate(timeout=120)[0] for process in processes)
    assert [process.returncode for process in processes] == [0, 0]
    assert said[-1] == "20 turns, none lost; 40 turns of 2 process(es) so far.\n"


def test_a_reader_that_asks_all_the_time_neither_fails_nor_keeps_a_writer_out(tmp_path):
    code = f"""
import time
from pathlib import Path
from stilt.project.database import Database
database = Database(Path({str(tmp_path)!r}) / "lock-trial.duckdb")
for turn in range(20):
    database.write(lambda c: c.execute("INSERT INTO meta VALUES (?, '')", [f"turn {{turn}}"]))
    time.sleep(0.05)
"""
    writer = subprocess.Popen([sys.executable, "-c", code])
    database = Database(tmp_path / "lock-trial.duckdb")
    counts = []
    while writer.poll() is None:
        with suppress(FileNotFoundError):
            counts += database.read(lambda c: c.execute("SELECT count(*) FROM meta").fetchone())
    assert writer.returncode == 0
    assert counts == sorted(counts)
    answers = Counter(counts)
    assert len(answers) > 5
    # Without the gate a writer would wait for hundreds of answers.
    assert max(n for count, n in answers.items() if count != max(answers)) < 40


def test_readers_do_not_wait_for_one_another(tmp_path):
    database = Database(tmp_path / "index.duckdb")
    database.write(lambda connection: None)
    query = "SELECT count(*) FROM meta"

    def within(connection):
        return database.read(lambda inner: inner.execute(query).fetchone())

    assert database.read(within) == (1,)


def test_the_trial_of_locks_notices_lost_turns(tmp_path, monkeypatch):
    real, turns = lock_trial._turn, []

    def forgetful(owner, turn, connection):
        turns.append(turn)
        if turn != 3:
            real(owner, turn, connection)

    monkeypatch.setattr(lock_trial, "_turn", forgetful)
    with pytest.raises(StiltError, match="Locks do not hold"):
        lock_trial.take_turns(tmp_path, 5)
    assert turns == [0, 1, 2, 3, 4]
