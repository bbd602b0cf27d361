"""The store: many simulations in few files, with every promise that files keep."""

import os

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import stilt_fakes as fakes
import xarray as xr
from inline_backend import Inline

import stilt
from stilt.errors import StiltError
from stilt.execution import push_simulations, run_batch
from stilt.footprint import Footprint

STORE = {"output": {"layout": "store"}}


def shards(model):
    return sorted(path for path in model.layout.store.rglob("*.parquet"))


def rounded(values):
    return np.asarray(values).astype(np.float32).astype(np.float64)


def contents(model):
    """Everything in the outputs, by id."""
    trajectories = {f"fake_{t.receptor.id}": t for t in model.trajectories.load()}
    footprints = {f"fake_{f.receptor.id}": f for f in model.footprints["default"].load()}
    return {
        sim_id: (
            {c: trajectories[sim_id].particles[c].to_numpy().tobytes()
             for c in trajectories[sim_id].particles},
            footprints[sim_id].data.values.tobytes(),
            footprints[sim_id].data["time"].values.tobytes(),
        )
        for sim_id in sorted(trajectories)
    }  # fmt: skip


def run(model, **kwargs):
    return model.run(executor=Inline(), **kwargs)


def run_together(model):
    """Compute all in one batch, and so in one shard of each kind."""
    run_batch(str(model.output_root), model.register_pending())
    model.index.fold()


def test_a_store_has_few_files_and_no_folders_of_simulations(make_model):
    model = make_model(40, **STORE)
    run_together(model)
    assert model.status()["completed"] == 40
    assert len(shards(model)) == 2
    assert not model.layout.simulations.exists()
    listed = [path for path in model.layout.root.rglob("*") if not path.is_dir()]
    assert len(listed) < 20
    assert model.pending() == []


def test_results_are_those_of_files_with_footprints_rounded_to_float32(make_model, faked):
    names = {f"fake_{r.id}" for r in fakes.receptors(5)}
    fakes.wish(faked, "empty", min(names))
    files, store = make_model(5, "files"), make_model(5, "store", **STORE)
    run(files)
    run(store)
    assert store.status() == files.status()
    for kept, filed in zip(store.trajectories.load(), files.trajectories.load(), strict=True):
        assert list(kept.particles) == list(filed.particles)
        for name in filed.particles:
            assert kept.particles[name].equals(filed.particles[name]), name
        assert (kept.receptor, kept.params, kept.met_files, kept.is_error) == (
            filed.receptor, filed.params, filed.met_files, filed.is_error
        )  # fmt: skip
        assert kept.extra == filed.extra
    pairs = zip(store.footprints["default"].load(), files.footprints["default"].load(), strict=True)
    for kept, filed in pairs:
        expected = filed.data.copy(data=rounded(filed.data.values))
        xr.testing.assert_identical(kept.data, expected)
        assert (kept.config, kept.name, kept.receptor) == (filed.config, filed.name, filed.receptor)
        assert kept.empty_reason == filed.empty_reason
    totals = "SELECT sim_id, name, state, total, empty_reason FROM footprints ORDER BY ALL"
    pd.testing.assert_frame_equal(store.index.sql(totals), files.index.sql(totals))


@pytest.mark.filterwarnings("ignore:The flux covers only", "ignore:.*go on into the next time bin")
def test_what_combines_footprints_gives_the_same(make_model):
    files, store = make_model(6, "files"), make_model(6, "store", **STORE)
    run(files)
    run(store)
    flux = xr.DataArray(
        np.arange(1.0, 10.0).reshape(3, 3),
        coords={"lat": [39.5, 40.5, 41.5], "lon": [-112.5, -111.5, -110.5]},
        dims=("lat", "lon"), attrs={"units": "umol m-2 s-1"},
    )  # fmt: skip
    bins = pd.date_range("2022-12-31", periods=49, freq="1h")
    mine, theirs = (m.footprints["default"] for m in (store, files))
    np.testing.assert_allclose(mine.mean(), theirs.mean(), rtol=1e-6)
    xr.testing.assert_allclose(mine.sum(), theirs.sum(), rtol=1e-6)
    first, second = mine.jacobian(flux, bins), theirs.jacobian(flux, bins)
    np.testing.assert_allclose(first.matrix.toarray(), second.matrix.toarray(), rtol=1e-6)
    assert first.receptors.equals(second.receptors)
    pd.testing.assert_frame_equal(mine.enhancement(flux), theirs.enhancement(flux), rtol=1e-6)
    some = {"time_range": ("2023-01-01 00:10", "2023-01-01 00:30")}
    assert len(mine.load(**some)) == 3
    assert mine.missing() == []
    assert store.trajectories.missing() == []


def test_one_simulation_reads_from_the_store_and_files_are_made_on_demand(make_model, caplog):
    model = make_model(3, **STORE)
    run(model)
    sim_id = model.simulations.keys()[1]
    one = model.simulations[sim_id]
    assert one.status == "complete"
    assert len(one.trajectories.particles) > 0
    kept = one.get_footprint("default")
    assert model.footprints["default"][sim_id].data.equals(kept.data)
    assert len(one.met_files) == 4
    assert one.explain()["state"] == "complete"
    paths = model.footprints["default"].paths()
    assert "3 files were made of outputs in the store" in caplog.text
    assert Footprint.from_netcdf(paths[1]).data.equals(kept.data)
    assert one.footprint_path("default") == paths[1]
    before = paths[1].stat().st_mtime_ns
    assert model.footprints["default"].paths()[1].stat().st_mtime_ns == before
    # They are no outputs of the project.
    model.rebuild()
    assert len(model.trajectories.paths()) == 3
    assert set(model.index.sql("SELECT DISTINCT shard <> '' AS s FROM footprints")["s"]) == {True}


@pytest.mark.slow
def test_batches_workers_and_resuming_change_no_byte(make_model):
    together = make_model(7, "together", **STORE)
    ids = together.register_pending()
    assert run_batch(str(together.output_root), ids).n_complete == 7
    single = make_model(7, "single", **STORE)
    single.register_pending()
    for sim_id in reversed(ids):
        run_batch(str(single.output_root), [sim_id])
    pooled = make_model(7, "pooled", **STORE)
    pooled.register_pending()
    push_simulations(pooled, ids[:2])
    push_simulations(pooled, ids, n_workers=2)
    expected = contents(together)
    assert contents(single) == expected
    assert contents(pooled) == expected


def test_a_second_run_does_only_what_is_missing(make_model, faked):
    model = make_model(4, **STORE)
    ids = model.register_pending()
    fakes.wish(faked, "fail", ids[2])
    assert run(model).counts["failed"] == 1
    assert model.footprints["default"].missing() == [ids[2]]
    (faked / "fail" / ids[2]).unlink()
    assert run(model).counts["complete"] == 1
    assert fakes.starts(faked) == {**dict.fromkeys(ids, 1), ids[2]: 2}
    assert len(contents(model)) == 4


def test_a_new_footprint_is_made_of_particles_in_the_store(make_model, faked):
    model = make_model(3, **STORE)
    ids = model.register_pending()
    run(model)
    both = {"default": {"grid": fakes.GRID}, "coarse": {"grid": {**fakes.GRID, "xres": 1.0}}}
    changed = stilt.Model(
        model.project, receptors=model.receptors, config=fakes.config(footprints=both, **STORE)
    )
    assert run(changed).counts["complete"] == 3
    assert fakes.starts(faked) == dict.fromkeys(ids, 1), "the transport ran again"
    assert len(changed.footprints["coarse"].load()) == 3
    assert len(changed.footprints["default"].load()) == 3
    assert changed.status()["completed"] == 3


def test_stale_outputs_are_superseded_and_seen_once(make_model, faked):
    model = make_model(4, **STORE)
    ids = model.register_pending()
    run(model)
    before = shards(model)
    grid = {**fakes.GRID, "xres": 1.0}
    config = fakes.config(footprints={"default": {"grid": grid}}, **STORE)
    changed = stilt.Model(model.project, receptors=model.receptors, config=config)
    assert changed.status()["stale"] == 4
    run(changed)
    assert set(before) < set(shards(model)), "a shard was rewritten"
    assert changed.status()["completed"] == 4
    assert {f.data.sizes["lon"] for f in changed.footprints["default"].load()} == {3}
    assert len(changed.footprints["default"].keys()) == 4
    # Everything again, some of a shard: these alone are superseded.
    push_simulations(changed, ids[:2], skip_existing=False)
    assert fakes.starts(faked)[ids[0]] == 2
    assert len(contents(changed)) == 4
    assert changed.status()["completed"] == 4


@pytest.mark.parametrize("keep", ["all", "shards alone"])
def test_the_index_is_rebuilt_from_the_shards(make_model, keep):
    model = make_model(5, **STORE)
    run(model)
    push_simulations(model, model.simulations.keys()[:2], skip_existing=False)
    expected, counts = contents(model), model.status()
    columns = "sim_id, transport_key, trajectory_shard, device, met_files, weather, receptor"
    rows = model.index.sql(f"SELECT {columns} FROM simulations ORDER BY 1")
    model.layout.index.unlink()
    if keep == "shards alone":
        import shutil

        shutil.rmtree(model.layout.state)
    again = stilt.Model(model.project)
    again.rebuild()
    assert again.status() == counts
    assert contents(again) == expected
    found = again.index.sql(f"SELECT {columns} FROM simulations ORDER BY 1")
    pd.testing.assert_frame_equal(found, rows)
    assert again.pending() == []


def test_shards_of_a_batch_that_died_before_its_receipt_are_found(make_model, faked):
    model = make_model(3, **STORE)
    ids = model.register_pending()
    run_batch(str(model.output_root), ids, batch_id="one")
    for path in model.layout.receipts.glob("*.parquet"):
        path.unlink()
    # The same batch again, as after the death of its worker: nothing is left to do.
    run_batch(str(model.output_root), ids, batch_id="one")
    assert fakes.starts(faked) == dict.fromkeys(ids, 1)
    for path in model.layout.receipts.glob("*.parquet"):
        path.unlink()
    assert model.pending() == []
    assert model.status()["completed"] == 3


@pytest.mark.slow
def test_workers_that_die_lose_no_other_simulation(make_model, faked):
    model = make_model(6, **STORE)
    ids = model.register_pending()
    fakes.wish(faked, "kill-once", ids[1])
    fakes.wish(faked, "kill", ids[4])
    outcome = push_simulations(model, ids, n_workers=2)
    assert outcome.counts["complete"] == 5
    assert outcome.reasons == {"WORKER_DIED": 1}
    assert len(contents(model)) == 5
    assert not list(model.layout.store.rglob("*.parquet.tmp"))


def test_an_interrupted_batch_keeps_what_is_finished(make_model, faked, monkeypatch):
    from stilt.execution import transporting

    monkeypatch.setattr(
        transporting, "group_by_weather",
        lambda files, met, tasks, most=None: [([t], []) for t in tasks],
    )  # fmt: skip
    model = make_model(4, **STORE)
    ids = model.register_pending()
    fakes.wish(faked, "interrupt", ids[2])
    summary = run_batch(str(model.output_root), ids)
    assert summary.n_complete + summary.n_interrupted == 4
    model.index.fold()
    assert model.status()["completed"] == summary.n_complete
    assert len(contents(model)) == summary.n_complete


@pytest.mark.parametrize("kind", ["particles", "footprints"])
def test_a_shard_that_is_gone_or_damaged_is_computed_again(make_model, kind, caplog):
    model = make_model(4, **STORE)
    run_together(model)
    expected = contents(model)
    (path,) = (model.layout.store / kind).rglob("*.parquet")
    path.write_bytes(path.read_bytes()[:-200])
    assert model.status(verify=True)["completed"] == 0
    assert "is damaged" in caplog.text
    assert run(model).counts["complete"] == 4
    assert contents(model) == expected
    for path in (model.layout.store / kind).rglob("*.parquet"):
        path.unlink()
    caplog.clear()
    collection = model.trajectories if kind == "particles" else model.footprints["default"]
    assert collection.load() == []
    assert "4 of 4 files are gone that the index has" in caplog.text
    assert len(collection.missing()) == 4
    assert run(model).counts["complete"] == 4
    assert contents(model) == expected


def test_rows_that_were_overwritten_are_one_sentence(make_model):
    model = make_model(4, **STORE)
    run_together(model)
    (path,) = (model.layout.store / "footprints").rglob("*.parquet")
    content = bytearray(path.read_bytes())
    group = pq.read_metadata(path).row_group(0)
    (foot,) = (c for c in map(group.column, range(group.num_columns)) if c.path_in_schema == "foot")
    middle = foot.data_page_offset + foot.total_compressed_size // 2
    content[middle : middle + 40] = os.urandom(40)
    path.write_bytes(bytes(content))
    with pytest.raises(StiltError, match="is damaged"):
        model.footprints["default"].load()


def test_a_full_disk_fails_the_simulations_of_its_shard_with_a_reason(make_model, monkeypatch):
    from stilt.store import writer as module

    def refuse(self):
        raise OSError(28, "No space left on device")

    model = make_model(3, **STORE)
    monkeypatch.setattr(module.ShardWriter, "close", refuse)
    run(model)
    assert model.status()["reasons"] == {"DISK": 3}
    monkeypatch.undo()
    assert shards(model) == []


def test_both_layouts_live_in_one_project(make_model, faked):
    model = make_model(4)
    ids = model.register_pending()
    push_simulations(model, ids[:2])
    config = fakes.config(**STORE)
    mixed = stilt.Model(model.project, receptors=model.receptors, config=config)
    assert mixed.pending() == ids[2:]
    run(mixed)
    assert mixed.status()["completed"] == 4
    assert len(contents(mixed)) == 4
    back = stilt.Model(model.project, receptors=model.receptors, config=fakes.config())
    assert back.pending() == []
    push_simulations(back, ids, skip_existing=False)
    assert back.status()["completed"] == 4
    in_files = back.index.sql("SELECT count(*) AS n FROM footprints WHERE coalesce(shard, '') = ''")
    assert in_files["n"][0] == 4
    back.rebuild()
    assert len(contents(back)) == 4
    in_files = back.index.sql("SELECT count(*) AS n FROM footprints WHERE coalesce(shard, '') = ''")
    assert in_files["n"][0] == 4


def test_error_runs_are_in_the_store_as_well(make_model):
    errors = {"siguverr": 1.0, "tluverr": 60.0, "zcoruverr": 500.0, "horcoruverr": 40.0}
    grid = {"default": {"grid": fakes.GRID, "error": True}}
    model = make_model(3, footprints=grid, **errors, **STORE)
    run(model)
    assert model.status()["completed"] == 3
    assert len(model.trajectories.load(error=True)) == 3
    assert all(t.is_error for t in model.trajectories.load(error=True))
    main, error = (model.footprints[n].load()[0] for n in ("default", "default_error"))
    np.testing.assert_allclose(error.data, 0.5 * main.data, rtol=1e-6)
    model.rebuild()
    assert model.status()["completed"] == 3


def test_without_particles_a_store_has_footprints_alone(make_model):
    model = make_model(3, trajectories=False, ends=False, **STORE)
    run_together(model)
    assert model.status()["completed"] == 3
    assert [path.parent.parent.name for path in shards(model)] == ["footprints"]


def test_ends_of_particles_that_are_not_kept_are_in_the_store(make_model):
    from stilt.answers.ends import ends_of_simulations

    found = {}
    for name, layout in (("files", {}), ("store", STORE)):
        model = make_model(3, name, trajectories=False, ends=True, **layout)
        run_together(model)
        assert model.status()["completed"] == 3
        model.rebuild()
        assert model.status()["completed"] == 3
        found[name] = {i: rows for i, _, rows in ends_of_simulations(model, {}, whole=True)}
    assert not model.layout.simulations.exists()
    assert list(found["files"]) == list(found["store"])
    for sim_id, rows in found["files"].items():
        pd.testing.assert_frame_equal(found["store"][sim_id], rows, check_exact=True)
