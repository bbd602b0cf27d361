"""A tidy store: nothing that counts is lost, and nothing is seen twice."""

import shutil

import numpy as np
import pandas as pd
import pytest
import stilt_fakes as fakes
from click.testing import CliRunner

import stilt
from stilt.cli import cli
from stilt.errors import RunUnfinishedError
from stilt.execution import run_batch
from stilt.project import compact as module
from stilt.project.batches import marked_running
from tests.project.test_store import STORE, contents, shards


@pytest.fixture
def scattered(make_model):
    """Eight simulations in six small shards of each kind, some of them computed twice."""
    model = make_model(8, **STORE)
    ids = model.register_pending()
    for part in (ids[:3], ids[3:6], ids[6:]):
        run_batch(str(model.output_root), part)
    run_batch(str(model.output_root), ids[2:5], skip_existing=False)
    run_batch(str(model.output_root), ids[6:], skip_existing=False)
    model.index.fold()
    return model


def test_small_and_superseded_shards_become_one_of_each_kind(scattered, faked):
    expected, status = contents(scattered), scattered.status()
    assert len(shards(scattered)) == 10
    done = scattered.compact()
    assert (done.removed, done.written, done.superseded) == (10, 2, 10)
    assert done.bytes_after < done.bytes_before
    assert len(shards(scattered)) == 2
    assert contents(scattered) == expected
    assert scattered.status() == status
    assert scattered.pending() == []
    count = scattered.index.sql("SELECT count(DISTINCT sim_id) AS n FROM particles")["n"][0]
    assert count == 8
    assert scattered.compact().removed == 0
    shutil.rmtree(scattered.layout.state)
    again = stilt.Model(scattered.project)
    again.rebuild()
    assert contents(again) == expected
    assert again.status()["completed"] == 8


def test_what_is_computed_after_compacting_counts(scattered):
    scattered.compact()
    ids = scattered.simulations.keys()
    grid = {**fakes.GRID, "xres": 1.0}
    config = fakes.config(footprints={"default": {"grid": grid}}, **STORE)
    changed = stilt.Model(scattered.project, receptors=scattered.receptors, config=config)
    run_batch(str(changed.output_root), changed.register_pending()[:4])
    changed.index.fold()
    assert changed.status()["stale"] == 4
    sizes = {f"fake_{f.receptor.id}": f.data.sizes["lon"]
             for f in changed.footprints["default"].load()}  # fmt: skip
    assert sizes == {**dict.fromkeys(ids[:4], 3), **dict.fromkeys(ids[4:], 6)}
    # Footprints of two configurations do not share a shard; both are kept.
    changed.compact()
    assert changed.status()["stale"] == 4
    assert {f.data.sizes["lon"] for f in changed.footprints["default"].load()} == {3, 6}
    changed.rebuild()
    assert changed.status()["stale"] == 4


@pytest.mark.parametrize("after", ["written", "recorded", "removed one"])
def test_it_may_be_interrupted_anywhere(scattered, monkeypatch, after):
    expected = contents(scattered)
    calls = []

    def stop(*args, **kwargs):
        calls.append(args)
        if after != "removed one" or len(calls) > 1:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    if after == "written":
        real = scattered.index.refresh
        monkeypatch.setattr(
            type(scattered.index), "refresh",
            lambda self, *a, **k: stop() if calls else (calls.append(1), real(*a, **k))[1],
        )  # fmt: skip
    else:
        real = module.remove_shard
        monkeypatch.setattr(module, "remove_shard", stop)
    with pytest.raises(KeyboardInterrupt):
        scattered.compact()
    monkeypatch.undo()
    again = stilt.Model(scattered.project)
    assert again.pending() == []
    assert contents(again) == expected
    again.compact()
    assert len(shards(again)) == 2
    assert contents(again) == expected


def test_it_waits_for_no_run_and_disturbs_none(scattered):
    ids = scattered.simulations.keys()
    with (
        marked_running(scattered.layout.running, "b", ids[:1]),
        pytest.raises(RunUnfinishedError, match="being computed by"),
    ):
        scattered.compact()
    assert len(shards(scattered)) == 10


def test_who_has_opened_the_campaign_reads_on(scattered):
    whole, particles = scattered.footprints["default"].open(), scattered.trajectories.open()
    chosen = scattered.footprints["default"].select()
    expected = whole.copy().load(), particles["long"].copy().load(), chosen.mean()
    scattered.compact()
    np.testing.assert_array_equal(whole.load(), expected[0])
    np.testing.assert_array_equal(particles["long"].load(), expected[1])
    np.testing.assert_allclose(chosen.mean(), expected[2], rtol=1e-12)
    for path in scattered.layout.store.rglob("*.parquet"):
        path.unlink()
    with pytest.raises(FileNotFoundError, match=r"is gone, and no other shard has fake_2023"):
        chosen.mean()


def test_damaged_shards_are_named_and_left_alone(scattered):
    path = shards(scattered)[0]
    path.write_bytes(b"no parquet")
    done = scattered.compact()
    assert len(done.damaged) == 1
    assert str(path) in done.damaged[0]
    assert path.exists()
    assert scattered.status()["completed"] + scattered.status()["pending"] == 8


def test_the_command_says_what_it_did(scattered):
    shown = CliRunner().invoke(cli, ["compact", str(scattered.project)])
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.startswith("10 shards became 2; 10 superseded outputs were dropped")
    shown = CliRunner().invoke(cli, ["compact", str(scattered.project)])
    assert shown.stdout.startswith("Nothing to do")


def test_many_simulations_in_files_are_told_of_the_store(make_model):
    from stilt.cli.check import propose_store

    assert propose_store(make_model(1), 4999) is None
    assert "layout: store" in propose_store(make_model(1), 5000)
    assert propose_store(make_model(1, "store", **STORE), 5000) is None


def test_a_large_shard_is_left_as_it_is(scattered, monkeypatch):
    monkeypatch.setattr(module, "LARGE_BYTES", 1)
    before = set(shards(scattered))
    expected = contents(scattered)
    scattered.compact()
    # The first batch of particles lost one of three to a later shard, and so was rewritten.
    kept = before & set(shards(scattered))
    assert kept
    assert contents(scattered) == expected
    assert pd.Series([p.name for p in kept]).is_unique
    assert np.all([path.exists() for path in kept])
