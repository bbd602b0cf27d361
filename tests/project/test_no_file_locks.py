"""A file system without locks: said in one sentence where they are needed, else done without."""

import errno
import fcntl
import os

import duckdb
import pytest

import stilt
from stilt.errors import StiltError
from stilt.execution.setup import computing_environment
from stilt.locks import locked_if_possible
from stilt.project import held, lock_trial
from stilt.project.database import Database

KINDS = [errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP]
SENTENCE = r"has no file locks, .*: put the project on a local disk; .* --output-dir file:///"


@pytest.fixture
def refuse(monkeypatch):
    """Have the system refuse all locks of files below a folder with an error number."""
    real = fcntl.flock

    def start(number, folder="/"):
        def flock(file, kind):
            descriptor = file if isinstance(file, int) else file.fileno()
            if os.readlink(f"/proc/self/fd/{descriptor}").startswith(str(folder)):
                raise OSError(number, "No locks available")
            real(file, kind)

        monkeypatch.setattr(fcntl, "flock", flock)

    return start


@pytest.mark.parametrize("number", KINDS)
def test_what_needs_the_index_says_where_the_project_can_be(make_model, refuse, number, recwarn):
    model, fresh = make_model(2), make_model(2, name="fresh")
    model.register_pending()
    refuse(number)
    for use in (
        model.status,
        model.pending,
        fresh.register_pending,
        lambda: held.require_locks(model.layout.state / "prefect"),
        lambda: lock_trial.take_turns(model.output_root, 2),
    ):
        with pytest.raises(StiltError, match=SENTENCE):
            use()
    assert not recwarn


def test_duckdbs_own_lock_counts_as_well(tmp_path, monkeypatch):
    text = 'IO Error: Could not set lock on file "x": No locks available. See also https://...'

    def connect(*args, **kwargs):
        raise duckdb.IOException(text)

    monkeypatch.setattr(duckdb, "connect", connect)
    with pytest.raises(StiltError, match=SENTENCE):
        Database(tmp_path / "index.duckdb").write(lambda connection: None)


@pytest.mark.parametrize("number", KINDS)
def test_outputs_may_be_there_while_the_index_is_here(make_model, refuse, tmp_path, number):
    outputs = tmp_path / "mounted"
    refuse(number, outputs)
    here = make_model(2)
    model = stilt.Model(here.project, config=here.config, output_dir=f"file://{outputs}",
                        receptors=list(here.receptors))  # fmt: skip
    stilt.push_simulations(model, model.register_pending())
    assert model.status()["completed"] == 2
    assert len(list(outputs.rglob("*_foot.nc"))) == 2


@pytest.mark.parametrize("number", KINDS)
def test_what_a_lock_only_saves_is_done_without_it(tmp_path, refuse, number, recwarn):
    refuse(number)
    done = []
    with locked_if_possible(tmp_path / "a.lock"):
        done.append(True)
    assert done
    assert not recwarn


def test_a_lock_that_fails_otherwise_is_still_an_error(tmp_path, refuse):
    refuse(errno.EIO)
    with pytest.raises(OSError, match="No locks"), locked_if_possible(tmp_path / "a.lock"):
        pass


def test_hdf5_locks_nothing_in_processes_that_compute(make_model, monkeypatch):
    monkeypatch.delenv("HDF5_USE_FILE_LOCKING", raising=False)
    assert computing_environment(make_model(1).files)["HDF5_USE_FILE_LOCKING"] == "FALSE"
