"""What computed the outputs is in files, receipts and index; the files are the truth."""

import json
import os
import shutil

import netCDF4
import pytest
import stilt_fakes as fakes
from click.testing import CliRunner

import stilt
from stilt.cli import cli
from stilt.execution import push_simulations
from stilt.project import scan
from stilt.project.artifacts import made_of
from stilt.version import __version__

COLUMNS = (
    "sim_id, state, reason, transport_key, footprint_keys, met_files, weather, device, jax, "
    "version, trajectory_bytes, trajectory_mtime_us"
)


@pytest.fixture
def mixed(make_model, steer, monkeypatch):
    """Outputs of a CPU and of a GPU, one of them empty."""
    model = make_model(5)
    ids = model.register_pending()
    fakes.wish(steer, "empty", ids[0])
    push_simulations(model, ids[:3])
    monkeypatch.setenv(fakes.DEVICE, "NVIDIA H200")
    push_simulations(model, ids[3:])
    return model


@pytest.fixture
def opened(monkeypatch):
    """Files that a scan opens."""
    paths = []

    def note(path):
        paths.append(path)
        return made_of(path)

    monkeypatch.setattr(scan, "made_of", note)
    return paths


def tables(model):
    simulations = model.index.sql(f"SELECT {COLUMNS} FROM simulations ORDER BY sim_id")
    footprints = model.index.sql("SELECT * FROM footprints ORDER BY sim_id, name")
    return simulations.to_dict("records"), footprints.to_dict("records")


def test_files_say_what_made_them(mixed):
    for sim_id, device in zip(mixed.simulations, ["cpu"] * 3 + ["NVIDIA H200"] * 2, strict=True):
        with netCDF4.Dataset(mixed.layout.footprint(sim_id, "default")) as file:
            assert file.stilt_device == device
            assert (file.stilt_jax, file.stilt_version) == ("0.10.2", __version__)
            assert file.stilt_total == pytest.approx(float(file["foot"][:].sum()))
        extra = mixed.trajectories[sim_id].extra
        assert (extra["device"], extra["jax"], extra["version"]) == (device, "0.10.2", __version__)


def test_status_says_when_outputs_come_from_more_than_one(mixed):
    made_by = {"cpu, JAX 0.10.2": 3, "NVIDIA H200, JAX 0.10.2": 2}
    status = mixed.status()
    assert (status["made_by"], status["stale"], status["completed"]) == (made_by, 0, 5)
    project = str(mixed.output_root)
    report = CliRunner().invoke(cli, ["status", project, "--json"])
    assert json.loads(report.output)["result"]["made_by"] == made_by
    shown = CliRunner().invoke(cli, ["status", project]).output
    (line,) = [line for line in shown.splitlines() if "Made by more than one" in line]
    assert "3 by cpu, JAX 0.10.2; 2 by NVIDIA H200, JAX 0.10.2" in line


def test_status_of_outputs_of_one_kind_says_nothing_of_it(make_model):
    model = make_model(2)
    push_simulations(model, model.register_pending())
    shown = CliRunner().invoke(cli, ["status", str(model.output_root)]).output
    assert "Made by" not in shown


@pytest.mark.parametrize("receipts", [True, False], ids=["receipts", "files alone"])
def test_nothing_is_lost_with_the_index(mixed, receipts, opened):
    before = tables(mixed)
    mixed.index.path.unlink()
    if not receipts:
        for folder in (mixed.layout.receipts, mixed.layout.folded, mixed.layout.registrations):
            shutil.rmtree(folder, ignore_errors=True)
    stilt.Model(mixed.output_root).index.rebuild()
    assert tables(mixed) == before
    assert len(opened) == (0 if receipts else 10)
    assert mixed.status()["completed"] == 5


def test_a_footprint_made_of_a_stored_trajectory_has_its_device(mixed, monkeypatch):
    """Gridding is the same everywhere; the particles are not."""
    monkeypatch.setenv(fakes.DEVICE, "cpu")
    sim_id = mixed.simulations.keys()[-1]
    path = mixed.layout.footprint(sim_id, "default")
    path.unlink()
    push_simulations(mixed, [sim_id]).raise_for_failures()
    assert made_of(path).device == "NVIDIA H200"
    assert mixed.status()["made_by"]["NVIDIA H200, JAX 0.10.2"] == 2


def test_verifying_opens_only_what_was_changed(mixed, opened):
    assert mixed.files.verify() == []
    assert opened == []
    touched = mixed.layout.trajectory(mixed.simulations.keys()[1])
    os.utime(touched, (1e9, 1e9))
    assert mixed.files.verify() == []
    assert opened == [touched]
    assert mixed.files.verify() == []
    assert opened == [touched]


def test_a_file_changed_within_its_size_is_noticed(mixed):
    sim_id = mixed.simulations.keys()[1]
    path = mixed.layout.trajectory(sim_id)
    stored, size = mixed.trajectories[sim_id], path.stat().st_size
    made_by = stored.extra["hash"]
    key = made_by.split(".")[0]
    stored.to_parquet(path, extra={"hash": made_by.replace(key, "0" * len(key))})
    assert path.stat().st_size == size
    assert mixed.files.verify() == [sim_id]
    assert mixed.status()["stale"] == 1
