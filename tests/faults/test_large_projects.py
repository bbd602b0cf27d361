"""A million registered simulations, and an index rebuilt from a hundred thousand folders.

Bounds are those of a machine at rest; processor time is compared, since others may need the rest.
"""

import os
import shutil
import time

import numpy as np
import pandas as pd
import pytest

import stilt
from stilt.execution import run_batch
from stilt.project import scan
from stilt.project.artifacts import made_of, require_own
from stilt.project.receipts import read_receipts, receipt_files

MILLION = 1_000_000
FOLDERS = 100_000
LINKS = 30_000  # to one file; file systems have a limit
NAMES = ("{}_traj.parquet", "{}_default_foot.nc")


def measured(what, work):
    """Processor and wall seconds of a piece of work."""
    begun, cpu = time.monotonic(), time.process_time()
    work()
    cpu_s, wall_s = time.process_time() - cpu, time.monotonic() - begun
    print(f"{what}: {cpu_s:.2f} s of processor time, {wall_s:.2f} s, load {os.getloadavg()[0]:.1f}")
    return cpu_s


def measured_command(real_runs, *arguments):
    """The same of a whole command, the start of Python included."""
    begun = time.monotonic()
    run = real_runs.start(*arguments)
    _, status, usage = os.wait4(run.process.pid, 0)
    wall_s = time.monotonic() - begun
    assert os.waitstatus_to_exitcode(status) == 0, run.output.read_text()
    cpu_s = usage.ru_utime + usage.ru_stime
    print(f"stilt {arguments[0]}: {cpu_s:.2f} s of processor time, {wall_s:.2f} s")
    return cpu_s, run.output.read_text()


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_a_million_simulations_are_registered_counted_and_listed(real_runs, tmp_path):
    root = real_runs.project(tmp_path / "case", 1)
    number = np.arange(MILLION)
    times = pd.Timestamp("2023-01-01") + pd.to_timedelta(number // 100 * 10, unit="min")
    place = number % 100
    table = pd.DataFrame({"time": times, "longitude": np.round(-113 + 0.02 * place, 4)})
    table["latitude"], table["altitude"] = np.round(40 + 0.01 * place, 4), 5.0
    table.to_csv(root / "receptors.csv", index=False, date_format="%Y-%m-%d %H:%M:%S")
    cpu_s, _ = measured_command(real_runs, "register", root)
    assert cpu_s < 90
    measured_command(real_runs, "status", root)  # bytecode and caches of a first start
    cpu_s, text = measured_command(real_runs, "status", root)
    assert text.split()[:2] == ["total", str(MILLION)]
    assert cpu_s < 1
    simulations = stilt.Model(root).simulations
    assert measured("incomplete", lambda: len(simulations.incomplete())) < 3
    assert len(simulations.incomplete()) == MILLION


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("from_receipts", [True, False])
def test_an_index_is_rebuilt_from_100000_folders(make_model, monkeypatch, from_receipts):
    """The folders hold links to the files of one simulation: opening them costs the same."""

    def own(made, sim_id, path):
        assert made.receptor == receptor
        require_own(made, ids[0], path)

    monkeypatch.setattr(scan, "require_own", own)
    model = make_model(FOLDERS)
    ids = model.register_pending()
    run_batch(str(model.output_root), ids[:1])
    (receipt,) = receipt_files(model.layout.receipts)
    receptor = made_of(model.layout.trajectory(ids[0])).receptor
    frame, _ = read_receipts([receipt])
    shutil.rmtree(model.layout.receipts)
    made = {name: model.layout.simulation_dir(ids[0]) / name.format(ids[0]) for name in NAMES}
    for number, sim_id in enumerate(ids[1:], start=1):
        folder = model.layout.simulation_dir(sim_id)
        folder.mkdir()
        for name, path in made.items():
            link = folder / name.format(sim_id)
            if number % LINKS == 0:
                made[name] = shutil.copyfile(path, link)
            else:
                os.link(path, link)
    if from_receipts:
        told = pd.concat([frame] * len(ids), ignore_index=True).assign(sim_id=ids)
        model.layout.folded.mkdir(parents=True, exist_ok=True)
        told.to_parquet(model.layout.folded / "all.parquet")
    model.layout.index.unlink()
    assert measured(f"rebuild, receipts {from_receipts}", model.rebuild) < 60
    assert model.status()["completed"] == FOLDERS
