"""Compiling ahead: the batch that follows compiles no transport, and nothing else changes."""

from __future__ import annotations

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
