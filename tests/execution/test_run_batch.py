"""What a batch does: files, receipt, summary, and failures that stay with their simulation."""

import os
import pickle
import signal

import numpy as np
import pandas as pd
import pytest
import stilt_fakes as fakes

import stilt
from stilt.execution import run_batch
from stilt.footprint import Footprint
from stilt.meteorology.catalogue import MetCatalogue
from stilt.project.receipts import read_receipts, receipt_files
from stilt.trajectories import Trajectories


def registered(model):
    return model.register_pending()


def run(model, ids, **options):
    return run_batch(str(model.output_root), ids, **options)


def test_a_batch_publishes_particles_footprints_links_and_a_receipt(make_model):
    model = make_model(3)
    ids = registered(model)
    summary = run(model, ids, batch_id="b1")
    assert (summary.n_complete, summary.n_empty, summary.n_failed) == (3, 0, 0)
    for sim_id in ids:
        stored = Trajectories.from_parquet(model.layout.trajectory(sim_id))
        expected = fakes.particles(sim_id, 5, -2)
        pd.testing.assert_frame_equal(stored.particles[expected.columns], expected)
        assert Footprint.from_netcdf(model.layout.footprint(sim_id, "default")).total > 0
        for artifact in (
            model.layout.trajectory(sim_id),
            model.layout.footprint(sim_id, "default"),
        ):
            link = model.layout.link(artifact)
            assert link.is_symlink()
            assert link.resolve() == artifact.resolve()
            assert not link.readlink().is_absolute()
    frame, damaged = read_receipts(receipt_files(model.layout.receipts))
    assert sorted(frame["sim_id"]) == sorted(ids)
    assert set(frame["state"]) == {"complete"}
    assert not damaged
    assert not list(model.layout.root.rglob("*.tmp"))


def test_a_summary_is_small_however_much_fails(make_model, steer):
    model = make_model(40)
    ids = registered(model)
    for sim_id in ids:
        fakes.wish(steer, "fail", sim_id)
    summary = run(model, ids)
    assert summary.n_failed == 40
    assert len(summary.failures) == 20
    assert len(pickle.dumps(summary)) < 4096


def test_one_failure_touches_no_other_simulation(make_model, steer):
    model = make_model(4)
    ids = registered(model)
    fakes.wish(steer, "fail", ids[1])
    summary = run(model, ids)
    assert (summary.n_complete, summary.n_failed) == (3, 1)
    assert summary.failures[0][:2] == (ids[1], "NO_TRAJECTORY_DATA")
    model.index.fold()
    assert model.failure_counts() == {"NO_TRAJECTORY_DATA": 1}
    log = model.layout.log(ids[1]).read_text()
    for line in ("Phase: trajectory", "Type: NoParticleOutputError", "Message: Nothing came out"):
        assert line in log
    assert not model.layout.log(ids[0]).exists()


def test_missing_weather_fails_only_those_that_lack_it(make_model, steer):
    model = make_model(3)
    ids = registered(model)
    time = model.receptors[1].time
    fakes.wish(steer, "no-weather", time.strftime("%d%H%M"))
    summary = run(model, ids)
    assert summary.n_complete == 2
    assert summary.failures[0][1] == "MISSING_MET_FILES"


def test_receptors_of_one_minute_look_for_their_weather_once(tmp_path, faked, monkeypatch):
    places = [("2023-01-01 00:00", 40.5), ("2023-01-01 00:00", 40.6), ("2023-01-01 00:01", 40.7)]
    receptors = [stilt.PointReceptor(time, -111.85, lat, 5.0) for time, lat in places]
    model = stilt.Model(tmp_path / "case", receptors=receptors, config=fakes.config())
    looked, select = [], MetCatalogue.select

    def counted(self, start, end, reach=()):
        looked.append((start, end))
        return select(self, start, end)

    monkeypatch.setattr(MetCatalogue, "select", counted)
    assert run(model, registered(model)).n_complete == 3
    assert len(looked) == len(set(looked)) == 2


def test_an_empty_footprint_is_complete(make_model, steer):
    model = make_model(2)
    ids = registered(model)
    fakes.wish(steer, "empty", ids[0])
    summary = run(model, ids)
    assert (summary.n_complete, summary.n_empty, summary.n_failed) == (1, 1, 0)
    model.index.fold()
    status = model.status()
    assert (status["completed"], status["empty"]) == (2, 1)
    footprint = Footprint.from_netcdf(model.layout.footprint(ids[0], "default"))
    assert footprint.is_empty


def test_a_transport_that_breaks_as_a_group_is_run_one_by_one(make_model, monkeypatch):
    model = make_model(3)
    ids = registered(model)
    real = fakes.transport_rows

    def breaks_on_groups(releases, *rest, **options):
        if len(releases) > 1 or releases[0].sim_id == ids[2]:
            raise ArithmeticError("out of range")
        return real(releases, *rest, **options)

    import sys

    monkeypatch.setattr(sys.modules["stilt.transport"], "transport_rows", breaks_on_groups)
    summary = run(model, ids)
    assert (summary.n_complete, summary.n_failed) == (2, 1)
    assert summary.failures[0] == (ids[2], "UNKNOWN", "ArithmeticError: out of range")
    assert "Traceback (most recent call last)" in model.layout.log(ids[2]).read_text()


def test_an_interrupt_keeps_what_is_finished(make_model, steer):
    model = make_model(3)
    ids = registered(model)
    run(model, ids[:1])
    fakes.wish(steer, "interrupt", ids[2])
    summary = run(model, ids)
    assert summary.interrupted
    assert (summary.n_complete, summary.n_interrupted) == (1, 2)
    model.index.fold()
    status = model.status()
    assert (status["completed"], status["pending"], status["failed"]) == (1, 2, 0)
    assert not list(model.layout.running.iterdir())


def test_an_unknown_simulation_fails_and_the_rest_is_computed(make_model):
    model = make_model(1)
    ids = registered(model)
    stranger = "fake_203001010000_1_2_3"
    summary = run(model, [*ids, stranger, "other_202301010000_-111.85_40.77_5"])
    assert (summary.n_complete, summary.n_failed) == (1, 2)


def test_no_exception_leaves_a_batch(tmp_path):
    summary = run_batch(str(tmp_path / "nowhere"), ["fake_203001010000_1_2_3"])
    assert summary.n_failed == 1


@pytest.mark.parametrize("size", [1, 3, 7])
def test_results_do_not_depend_on_the_batch(make_model, size):
    reference, other = make_model(7, name="one"), make_model(7, name="two")
    ids = registered(reference)
    registered(other)
    run(reference, ids)
    for start in range(0, 7, size):
        run(other, ids[::-1][start : start + size])
    for sim_id in ids:
        one, two = (
            Trajectories.from_parquet(m.layout.trajectory(sim_id)).particles
            for m in (reference, other)
        )
        pd.testing.assert_frame_equal(one, two, check_exact=True)
        first, second = (
            Footprint.from_netcdf(m.layout.footprint(sim_id, "default")) for m in (reference, other)
        )
        assert first.data.equals(second.data)


def test_existing_outputs_are_kept_and_recomputed_when_told(make_model, steer):
    model = make_model(2)
    ids = registered(model)
    run(model, ids)
    before = model.layout.trajectory(ids[0]).stat().st_mtime_ns
    assert run(model, ids).n_complete == 2
    assert model.layout.trajectory(ids[0]).stat().st_mtime_ns == before
    assert fakes.starts(steer) == dict.fromkeys(ids, 1)
    run(model, ids, skip_existing=False)
    assert model.layout.trajectory(ids[0]).stat().st_mtime_ns > before
    assert fakes.starts(steer) == dict.fromkeys(ids, 2)


def test_a_new_footprint_grid_does_not_run_the_transport_again(make_model, steer):
    model = make_model(2)
    ids = registered(model)
    run(model, ids)
    grid = {**fakes.GRID, "xres": 1.0}
    changed = make_model(2, footprints={"default": {"grid": grid}})
    changed.register_pending()
    assert changed.status()["stale"] == 2
    assert run(changed, ids).n_complete == 2
    assert fakes.starts(steer) == dict.fromkeys(ids, 1)
    changed.index.fold()
    assert changed.status()["completed"] == 2
    loaded = changed.footprints["default"].load()
    assert all(footprint.grid.xres == 1.0 for footprint in loaded)


def test_other_particles_make_everything_stale(make_model, steer):
    model = make_model(2)
    ids = registered(model)
    run(model, ids)
    changed = make_model(2, numpar=9)
    changed.register_pending()
    assert (changed.status()["stale"], changed.status()["completed"]) == (2, 0)
    run(changed, ids)
    changed.index.fold()
    assert changed.status()["completed"] == 2
    assert fakes.starts(steer) == dict.fromkeys(ids, 2)


@pytest.mark.parametrize("damage", ["empty", "cut"])
@pytest.mark.parametrize("which", ["trajectory", "footprint"])
def test_a_damaged_output_is_made_again(make_model, damage, which):
    model = make_model(2)
    ids = registered(model)
    run(model, ids)
    layout = model.layout
    path = (
        layout.trajectory(ids[0]) if which == "trajectory" else layout.footprint(ids[0], "default")
    )
    good = path.read_bytes()
    path.write_bytes(b"" if damage == "empty" else good[: len(good) // 2])
    assert run(model, ids).n_complete == 2
    assert abs(path.stat().st_size - len(good)) < 200


def test_results_are_published_from_another_compute_root(make_model, tmp_path):
    model = make_model(2)
    ids = registered(model)
    root = tmp_path / "scratch"
    assert run(model, ids, compute_root=str(root)).n_complete == 2
    assert model.layout.trajectory(ids[0]).exists()
    assert not [path for path in root.rglob("*") if path.is_file()]


def test_without_particles_on_disk_only_footprints_are_kept(make_model, steer):
    model = make_model(2, trajectories=False)
    ids = registered(model)
    assert run(model, ids).n_complete == 2
    assert not model.layout.trajectory(ids[0]).exists()
    model.index.fold()
    assert model.status()["completed"] == 2
    run(model, ids)
    assert fakes.starts(steer) == dict.fromkeys(ids, 1)


def test_a_new_footprint_says_when_it_needs_the_transport_again(make_model, steer, caplog):
    other = {"other": {"grid": {**fakes.GRID, "xres": 1.0}}}
    model = make_model(2, trajectories=False)
    ids = registered(model)
    run(model, ids)
    assert not caplog.records
    more = make_model(2, trajectories=False, footprints={"default": {"grid": fakes.GRID}, **other})
    more.register_pending()
    assert run(more, ids).n_complete == 2
    assert fakes.starts(steer) == dict.fromkeys(ids, 2)
    assert "2 of 2 simulations run the transport again" in caplog.text


def test_a_new_footprint_is_made_from_kept_particles(make_model, steer, caplog):
    model = make_model(2)
    ids = registered(model)
    run(model, ids)
    other = {"other": {"grid": {**fakes.GRID, "xres": 1.0}}}
    more = make_model(2, footprints={"default": {"grid": fakes.GRID}, **other})
    more.register_pending()
    assert run(more, ids).n_complete == 2
    assert fakes.starts(steer) == dict.fromkeys(ids, 1)
    assert len(more.footprints["other"].load()) == 2
    assert "transport again" not in caplog.text


def test_transforms_take_heights_as_the_transport_does(make_model, monkeypatch):
    # Released at 5 m over ground at 4 m. With kmsl 1 these 5 m are above sea level, 1 m above
    # the ground, and the pressure at the release is that much higher.
    made = fakes.particles

    def particles(*args):
        table = made(*args)
        height = 1.0 + 40.0 * (table["indx"] - 1)
        return table.assign(zsfc=4.0, zagl=height, pres=900.0 * np.exp(-height / 8000.0))

    monkeypatch.setattr(fakes, "particles", particles)
    weight = {"kind": "vertical_operator", "mode": "ak", "coordinate": "pres",
              "levels": [899.0, 900.0], "values": [0.0, 1.0]}  # fmt: skip
    totals = {}
    for name, kmsl, transforms in (("plain", 0, []), ("agl", 0, [weight]), ("msl", 1, [weight])):
        footprints = {name: {"grid": fakes.GRID, "transforms": transforms}}
        model = make_model(1, kmsl=kmsl, footprints=footprints)
        ids = registered(model)
        assert run(model, ids, skip_existing=False).n_complete == 1
        totals[name] = Footprint.from_netcdf(model.layout.footprint(ids[0], name)).total
    for name, height_m in (("agl", 5.0), ("msl", 1.0)):
        expected = 900.0 * np.exp(-height_m / 8000.0) - 899.0
        assert totals[name] / totals["plain"] == pytest.approx(expected, rel=1e-6)


def test_a_trajectory_only_configuration_is_complete_without_footprints(make_model):
    model = make_model(2, footprints={})
    ids = registered(model)
    assert run(model, ids).n_complete == 2
    model.index.fold()
    assert model.status()["completed"] == 2


@pytest.mark.parametrize(("kmsl", "depth_m"), [(None, 5.0), (0, 5.0), (1, 1.0)])
def test_the_near_field_takes_heights_as_the_transport_does(make_model, monkeypatch, kmsl, depth_m):
    # Released at 5 m over ground at 4 m: 1 m above the ground, when 5 m is above sea level.
    make = fakes.particles
    fixed = {"zsfc": 4.0, "mlht": 100.0, "tlgr": 1e-3}
    monkeypatch.setattr(fakes, "particles", lambda *args: make(*args).assign(**fixed))
    model = make_model(1, hnf_plume=True, kmsl=kmsl)
    ids = registered(model)
    assert run(model, ids).n_complete == 1
    foot = Trajectories.from_parquet(model.layout.trajectory(ids[0])).particles["foot"]
    assert foot.to_numpy()[:5] == pytest.approx(0.02897 / depth_m * 60.0, rel=1e-6)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_while_the_receipt_is_written_loses_nothing(make_model, monkeypatch, number):
    from stilt.execution import batch
    from stilt.interrupts import interruptible

    real = batch.write_receipt

    def interrupted(*arguments):
        os.kill(os.getpid(), number)
        return real(*arguments)

    monkeypatch.setattr(batch, "write_receipt", interrupted)
    model = make_model(2)
    ids = model.register_pending()
    with interruptible():
        summary = run_batch(str(model.output_root), ids)
    assert summary.interrupted
    assert summary.n_complete == 2
    assert model.status()["completed"] == 2
