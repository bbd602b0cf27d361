"""Compiling ahead: the batch that follows compiles no transport, and nothing else changes."""

from __future__ import annotations

import json
import subprocess
import sys

from stilt.execution import run_batch
from stilt.execution.warm_up import compile_ahead
from stilt.model import Model
from stilt.trajectories import Trajectories


def seconds_of(model):
    model.index.fold()
    return model.index.times()


def test_a_batch_after_a_warm_up_compiles_nothing_and_gives_the_same(new_project):
    projects = [Model(project=new_project(name)) for name in ("ahead", "plain")]
    made = []
    for model in projects:
        text = (model.project / "config.yaml").read_text()
        # A number of particles that no other test has compiled for.
        (model.project / "config.yaml").write_text(text.replace("numpar: 20", "numpar: 2100"))
        ids = model.register_pending()[:1]
        if model is projects[0]:
            compile_ahead(model.files, ids)
            assert not model.layout.simulations.exists()
        run_batch(str(model.output_root), ids)
        made.append(Trajectories.from_parquet(model.layout.trajectory(ids[0])).particles)
    assert seconds_of(projects[0]).get("compile", 0.0) < 0.1
    assert made[0].equals(made[1])


def test_a_warm_up_without_weather_leaves_the_failure_to_the_batch(new_project):
    root = new_project("late", "time,longitude,latitude,altitude\n2023-08-30 18:00,-112,40.8,30\n")
    model = Model(project=root)
    ids = model.register_pending()
    compile_ahead(model.files, ids)
    assert model.status()["pending"] == 1
    assert run_batch(str(model.output_root), ids).n_failed == 1


WHO_IMPORTS = """
import json, sys, threading
from importlib import import_module

by_thread = {}

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        main = threading.current_thread() is threading.main_thread()
        by_thread.setdefault(main, set()).add(name.partition(".")[0])

from stilt.execution import plan_run
from stilt.execution.warm_up import compiling_ahead, prepare_meteorology
from stilt.model import Model

model = Model(project=sys.argv[1])
plan = plan_run(model.files, model.register_pending()[:1], 1)
with compiling_ahead(model.files, plan):
    sys.meta_path.insert(0, Finder)
    import_module("flows.definitions")
    prepare_meteorology(model.files, plan.sim_ids)
print(json.dumps(sorted(by_thread.get(True, set()) & by_thread.get(False, set()))))
"""


def test_threads_that_compile_and_import_prefect_share_no_package_to_import(new_project):
    """Two threads that import one package at the same time may each find it half imported."""
    command = [sys.executable, "-c", WHO_IMPORTS, str(new_project("threads"))]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    # Without cycles between its modules this project's own are safe.
    assert set(json.loads(told.splitlines()[-1])) <= {"stilt"}
