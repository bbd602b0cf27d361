"""Error runs of a project: when they happen, what they leave, and what their failure means."""

import pandas as pd
import pytest
import stilt_fakes as fakes
from click.testing import CliRunner

import stilt
from stilt.cli import cli
from stilt.errors import ConfigValidationError
from stilt.execution import run_batch
from stilt.trajectories import Trajectories

WIND = {"siguverr": 2.0, "tluverr": 100.0, "zcoruverr": 400.0, "horcoruverr": 14.0}
MIXED_LAYER = {"sigzierr": 20.0, "tlzierr": 60.0, "horcorzierr": 40.0}
WITH_ERROR = {"default": {"grid": fakes.GRID, "error": True}}


def run(model, ids, **options):
    summary = run_batch(str(model.output_root), ids, **options)
    model.index.fold()
    return summary


def total(model, sim_id, name):
    return float(model.simulations[sim_id].get_footprint(name).total)


@pytest.mark.parametrize("group", [WIND, MIXED_LAYER, {**WIND, **MIXED_LAYER}])
def test_every_way_of_running_makes_both_runs(make_model, steer, group):
    for number, way in enumerate((stilt.push_simulations, None)):
        model = make_model(2, name=f"case{number}", footprints=WITH_ERROR, **group)
        ids = model.register_pending()
        if way is None:
            stilt.pull_simulations(model)
        else:
            way(model, ids)
        assert model.status()["completed"] == 2
        for sim_id in ids:
            simulation = model.simulations[sim_id]
            assert simulation.error_trajectories_path.name == f"{sim_id}_error.parquet"
            main, error = simulation.trajectories, simulation.error_trajectories
            assert (main.is_error, error.is_error) == (False, True)
            assert error.params["siguverr"] == group.get("siguverr")
            assert (error.particles["foot"] == 0.5 * main.particles["foot"]).all()
            assert simulation.footprint_path("default_error").exists()
            assert total(model, sim_id, "default_error") == pytest.approx(
                0.5 * total(model, sim_id, "default")
            )
    assert fakes.starts(steer) == dict.fromkeys(ids, 4)


def test_the_error_run_is_added_to_a_finished_main_run(make_model, steer):
    model = make_model(2)
    ids = model.register_pending()
    run(model, ids)
    before = model.layout.trajectory(ids[0]).read_bytes()
    with_errors = make_model(2, footprints=WITH_ERROR, **WIND)
    with_errors.register_pending()
    assert with_errors.status()["pending"] == 2
    assert with_errors.trajectories.missing(error=True) == ids
    assert run(with_errors, ids).n_complete == 2
    # One main run before, then the error run alone.
    assert fakes.starts(steer) == dict.fromkeys(ids, 2)
    assert with_errors.layout.trajectory(ids[0]).read_bytes() == before
    assert with_errors.status()["completed"] == 2
    assert len(with_errors.trajectories.paths(error=True)) == 2
    assert all(stored.is_error for stored in with_errors.trajectories.load(error=True))
    assert len(with_errors.footprints["default_error"].paths()) == 2


def test_other_error_parameters_make_the_error_run_alone_stale(make_model, steer):
    model = make_model(2, **WIND)
    ids = model.register_pending()
    run(model, ids)
    other = make_model(2, **{**WIND, "siguverr": 3.0})
    assert other.pending() == ids
    assert other.status()["stale"] == 2
    run(other, ids)
    assert fakes.starts(steer) == dict.fromkeys(ids, 3)
    assert other.status()["completed"] == 2
    stored = Trajectories.from_parquet(other.layout.error_trajectory(ids[0]))
    assert stored.params["siguverr"] == 3.0
    run(other, ids)
    assert fakes.starts(steer) == dict.fromkeys(ids, 3)
    run(other, ids, skip_existing=False)
    assert fakes.starts(steer) == dict.fromkeys(ids, 5)


def test_without_error_parameters_no_error_run_is_asked_for(make_model, steer):
    with_errors = make_model(1, **WIND)
    (sim_id,) = with_errors.register_pending()
    run(with_errors, [sim_id])
    plain = make_model(1)
    assert plain.pending() == []
    assert plain.status()["completed"] == 1


def test_a_failed_error_run_leaves_the_main_run_and_a_reason(make_model, steer):
    model = make_model(2, footprints=WITH_ERROR, **WIND)
    ids = model.register_pending()
    fakes.wish(steer, "fail-error", ids[0])
    summary = run(model, ids)
    assert (summary.n_complete, summary.n_failed) == (1, 1)
    status = model.status()
    assert (status["completed"], status["pending"], status["failed"]) == (1, 1, 0)
    simulation = model.simulations[ids[0]]
    assert simulation.trajectories is not None
    assert simulation.get_footprint("default") is not None
    assert simulation.error_trajectories is None
    assert "Phase: error trajectory" in simulation.log
    (row,) = model.failures()
    assert (row["sim_id"], row["reason"]) == (ids[0], "NO_TRAJECTORY_DATA")
    assert row["detail"] == "Error run: Nothing came out."
    shown = CliRunner().invoke(cli, ["explain", str(model.output_root)])
    assert shown.output.startswith("NO_TRAJECTORY_DATA: 1 simulation\n")
    assert f"{ids[0]}: Error run: Nothing came out." in shown.output
    # Workers that pull leave it; a new run tries again, the error run alone.
    stilt.pull_simulations(model)
    assert fakes.starts(steer) == dict.fromkeys(ids, 2)
    (steer / "fail-error" / ids[0]).unlink()
    assert model.pending() == [ids[0]]
    run(model, model.pending())
    assert fakes.starts(steer) == {ids[0]: 3, ids[1]: 2}
    assert model.status()["completed"] == 2
    assert model.failures() == []


def test_the_index_knows_error_trajectories_again_after_it_was_lost(make_model, steer):
    model = make_model(2, footprints=WITH_ERROR, **MIXED_LAYER)
    ids = model.register_pending()
    run(model, ids)
    model.layout.error_trajectory(ids[0]).unlink()
    model.layout.index.unlink()
    model.rebuild()
    status = model.status()
    assert (status["completed"], status["pending"]) == (1, 1)
    frame = model.index.sql("SELECT sim_id, error_key FROM simulations ORDER BY sim_id")
    assert frame["error_key"].notna().tolist() == [False, True]
    assert model.pending() == [ids[0]]


def test_progress_of_both_runs_never_goes_back(make_model):
    model = make_model(3, footprints=WITH_ERROR, **WIND)
    seen = []
    run(model, model.register_pending(), progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert seen[0] == pytest.approx(0.5)


def test_an_error_run_by_hand(make_model):
    model = make_model(1, footprints=WITH_ERROR, **WIND)
    (sim_id,) = model.register_pending()
    simulation = model.simulations[sim_id]
    main = simulation.run_trajectories()
    assert not main.is_error
    error = simulation.run_trajectories(error=True, write=True)
    assert error.is_error
    stored = simulation.error_trajectories.particles[error.particles.columns]
    pd.testing.assert_frame_equal(stored, error.particles)
    assert simulation.trajectories is None
    footprint = simulation.generate_footprint("default_error", write=True)
    assert simulation.get_footprint("default_error").data.equals(footprint.data)
    assert simulation.get_footprint("default") is None
    plain = make_model(1, name="plain").simulations
    with pytest.raises(ConfigValidationError, match="default_error"):
        plain[sim_id].generate_footprint("default_error")


def test_without_particles_on_disk_error_footprints_are_made(make_model, steer):
    model = make_model(2, trajectories=False, footprints=WITH_ERROR, **WIND)
    ids = model.register_pending()
    run(model, ids)
    assert not model.layout.error_trajectory(ids[0]).exists()
    assert model.layout.footprint(ids[0], "default_error").exists()
    assert model.status()["completed"] == 2
    run(model, ids)
    assert fakes.starts(steer) == dict.fromkeys(ids, 2)
