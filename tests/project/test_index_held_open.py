"""The index open in somebody else's connection: a viewer delays nobody, a writer is waited for."""

import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import duckdb
import pytest

import stilt
from stilt.errors import StiltError
from stilt.execution import run_batch
from stilt.project import database
from stilt.project.database import Database

HOLD = """
import duckdb, sys, time
connection = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "reading")
print("open", flush=True)
time.sleep(600)
"""


@contextmanager
def held(path, how):
    """Another process has a file open for "reading" or "writing"; gives its id."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), how], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "open\n"
        yield process.pid
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def model(make_model, monkeypatch):
    """Six simulations, two of them complete."""
    monkeypatch.setattr(database, "READERS_PATIENCE_S", 0.1)
    model = make_model(6)
    stilt.push_simulations(model, model.register_pending()[:2])
    return model


def answers(connection):
    return connection.execute(
        "SELECT count(*) FROM simulations WHERE state = 'complete'"
    ).fetchall()


def test_a_notebook_that_looks_at_the_index_stops_neither_questions_nor_runs(model):
    with duckdb.connect(str(model.layout.index), read_only=True) as viewer:
        assert answers(viewer) == [(2,)]
        assert model.status()["completed"] == 2
        stilt.push_simulations(model, model.simulations.incomplete())
        assert model.status()["completed"] == 6
        assert len(model.simulations.to_frame(state="complete")) == 6
        # It goes on seeing the index as it was when it was opened.
        assert answers(viewer) == [(2,)]
    assert model.status()["completed"] == 6
    assert [path.name for path in model.layout.state.glob("*.new*")] == []


def test_a_notebooks_own_lock_is_left_to_it(model):
    """A process that closes a file loses its POSIX locks on it, also those of a connection."""
    ask = f"import duckdb; duckdb.connect({str(model.layout.index)!r}).close()"
    with duckdb.connect(str(model.layout.index), read_only=True):
        assert model.status()["completed"] == 2
        done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True)
        assert "Conflicting lock is held" in done.stderr


def test_another_process_that_looks_at_the_index_stops_no_run(model):
    with held(model.layout.index, "reading"):
        assert model.status()["completed"] == 2
        stilt.push_simulations(model, model.simulations.incomplete())
        assert model.status()["completed"] == 6
        begun = time.monotonic()
        model.index.reconcile(model.files.expectations)
        # The copy took the place of the file, which nobody holds.
        assert time.monotonic() - begun < 30
    assert model.status()["completed"] == 6


def test_whoever_may_write_is_waited_for(model):
    with held(model.layout.index, "writing") as pid:
        counts = []
        asking = threading.Thread(target=lambda: counts.append(model.status()))
        asking.start()
        time.sleep(0.5)
        assert asking.is_alive()
        assert pid > 0
    asking.join(60)
    assert counts[0]["completed"] == 2


@pytest.mark.parametrize("elsewhere", [True, False])
def test_after_the_locks_time_limit_a_sentence_names_who_and_what_to_do(
    model, monkeypatch, elsewhere
):
    monkeypatch.setattr(database, "LOCK_TIMEOUT_S", 0.3)
    monkeypatch.setattr(database, "WARN_AFTER_S", 0.1)
    left = model.simulations.incomplete()
    run_batch(str(model.output_root), left)
    if elsewhere:
        with held(model.layout.index, "writing") as pid:
            for use in (model.status, model.index.fold):
                with pytest.raises(StiltError, match=rf"process {pid}\) has the index .* open"):
                    use()
    else:
        with duckdb.connect(str(model.layout.index)):
            for use in (model.status, model.index.fold):
                with pytest.raises(StiltError, match=r"in this process .* close that connection"):
                    use()
    # What was computed meanwhile is neither lost nor computed again.
    assert model.status()["completed"] == 6
    assert model.pending() == []


def test_a_write_that_fails_on_a_copy_changes_nothing(tmp_path):
    database_ = Database(tmp_path / "index.duckdb")
    database_.write(lambda c: c.execute("INSERT INTO meta VALUES ('a', '1')"))

    def broken(connection):
        connection.execute("INSERT INTO meta VALUES ('b', '2')")
        raise KeyError("b")

    with duckdb.connect(str(tmp_path / "index.duckdb"), read_only=True):
        with pytest.raises(KeyError):
            database_.write(broken)
        count = "SELECT count(*) FROM meta"
        assert database_.read(lambda c: c.execute(count).fetchone()) == (2,)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "index.duckdb", "index.gate", "index.lock",
    ]  # fmt: skip
