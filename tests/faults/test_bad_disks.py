"""Disks that are full or refuse, files that were cut: one clear message; a rerun repairs."""

import errno
import os
import time

import pytest
import stilt_fakes as fakes

from stilt.execution import push_simulations, run_batch
from stilt.project.receipts import receipt_files


def failing(monkeypatch, code, which):
    """Make publishing of files whose name holds ``which`` fail."""
    real = os.replace

    def replace(source, target):
        if which in os.fspath(target):
            raise OSError(code, os.strerror(code), os.fspath(target))
        return real(source, target)

    monkeypatch.setattr(os, "replace", replace)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("which", ["_traj.parquet", "_foot.nc"])
def test_a_disk_that_refuses_is_a_reason_and_a_rerun_repairs(
    make_model, monkeypatch, code, which, caplog
):
    model = make_model(3)
    ids = model.register_pending()
    with monkeypatch.context() as disk:
        failing(disk, code, which)
        push_simulations(model, ids)
    assert model.failure_counts() == {"DISK": 3}
    (row, *_) = model.failures()
    assert os.strerror(code) in row["detail"]
    assert "\n" not in row["detail"]
    assert sum(os.strerror(code) in record.message for record in caplog.records) == 3
    assert not [p for p in model.layout.by_id.rglob("*") if ".tmp" in p.name]
    push_simulations(model, model.pending())
    assert model.status()["completed"] == 3


def test_a_disk_too_full_for_the_receipt_loses_nothing(make_model, monkeypatch, caplog):
    model = make_model(2)
    ids = model.register_pending()
    with monkeypatch.context() as disk:
        failing(disk, errno.ENOSPC, "/receipts/")
        run_batch(str(model.output_root), ids)
    assert "receipt" in caplog.text
    assert not receipt_files(model.layout.receipts)
    assert model.pending() == []
    assert model.status()["completed"] == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_project_says_so(make_model):
    model = make_model(2)
    ids = model.register_pending()
    model.layout.simulations.mkdir(exist_ok=True)
    model.layout.simulations.chmod(0o500)
    try:
        push_simulations(model, ids)
        assert model.failure_counts() == {"DISK": 2}
    finally:
        model.layout.simulations.chmod(0o700)


@pytest.mark.parametrize("damage", [b"", None])
def test_a_damaged_netcdf_is_found_by_the_next_run_and_repaired(make_model, steer, damage, caplog):
    model = make_model(3)
    ids = model.register_pending()
    push_simulations(model, ids)
    path = model.layout.footprint(ids[1], "default")
    path.write_bytes(path.read_bytes()[:1000] if damage is None else damage)
    pending = model.pending()
    assert pending == [ids[1]]
    messages = [r.message for r in caplog.records if "cannot be used" in r.message]
    assert len(messages) == 1
    assert str(path) in messages[0]
    push_simulations(model, pending)
    assert model.status()["completed"] == 3
    assert fakes.starts(steer) == dict.fromkeys(ids, 1)


def test_pieces_of_killed_processes_are_removed_a_day_later(make_model):
    model = make_model(1)
    (sim_id,) = model.register_pending()
    push_simulations(model, [sim_id])
    folder = model.layout.simulation_dir(sim_id)
    old, new = folder / ".old_foot.nc.12-ab.tmp", folder / ".new_foot.nc.12-ab.tmp"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 90_000,) * 2)
    assert model.pending() == []
    assert not old.exists()
    assert new.exists()


def test_a_rebuild_finds_damaged_files_too(make_model):
    model = make_model(2)
    ids = model.register_pending()
    push_simulations(model, ids)
    model.layout.trajectory(ids[0]).write_bytes(b"PAR1")
    model.layout.index.unlink()
    model.rebuild()
    assert model.status()["completed"] == 1
    assert model.pending() == [ids[0]]
