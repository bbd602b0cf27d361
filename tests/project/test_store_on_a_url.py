"""A store at a URL: shards published there, found and read from anywhere."""

import fsspec
import pytest
import stilt_fakes as fakes
from bucket import empty_bucket

import stilt
from stilt.execution import push_simulations
from stilt.execution.orders import WorkOrder, compute_order, store_receipt
from stilt.execution.places import Portable
from stilt.execution.plan import Batch
from stilt.project.remote import RemoteOutputs
from tests.project.test_store import STORE, contents


@pytest.fixture(params=["memory", pytest.param("s3", marks=pytest.mark.slow)])
def url(request, tmp_path, monkeypatch):
    """An output root of its own: in memory, or in an S3 stand-in on this machine."""
    if request.param == "memory":
        yield f"memory://{tmp_path.name}/case"
        fsspec.filesystem("memory").store.clear()
        return
    with empty_bucket(monkeypatch) as bucket:
        yield f"{bucket}/case"


@pytest.fixture
def make_remote(tmp_path, faked, url, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))

    def make(number=4, name="case", **changes):
        return stilt.Model(
            tmp_path / name, fakes.receptors(number), fakes.config(**{**STORE, **changes}),
            output_dir=url,
        )  # fmt: skip

    return make


@pytest.fixture
def expected(make_model):
    local = make_model(4, "local", **STORE)
    push_simulations(local, local.register_pending())
    return contents(local)


def test_shards_are_published_and_read_from_another_machine(make_remote, url, expected, faked):
    model = make_remote()
    ids = model.pending()
    push_simulations(model, ids)
    remote = RemoteOutputs(url)
    assert remote.files() == {}
    assert {shard.partition("/")[0] for shard in remote.shards()} == {"particles", "footprints"}
    assert contents(model) == expected
    elsewhere = make_remote(name="elsewhere")
    assert elsewhere.pending() == []
    assert elsewhere.status()["completed"] == 4
    assert contents(elsewhere) == expected
    found = elsewhere.index.sql("SELECT count(DISTINCT sim_id) AS n FROM footprint_cells")
    assert found["n"][0] == 4
    opened = elsewhere.footprints["default"].open()
    total = sum(one.total for one in elsewhere.footprints["default"].load())
    assert float(opened.sum()) == pytest.approx(total, rel=1e-6)
    assert fakes.starts(faked)[ids[0]] == 2, "once here, once in the local project"


def test_what_is_gone_from_there_is_computed_again(make_remote, url, expected):
    model = make_remote()
    push_simulations(model, model.pending())
    remote = RemoteOutputs(url)
    shard = min(remote.shards())
    remote.remove_shard(shard)
    again = make_remote(name="elsewhere")
    left = again.pending()
    assert 0 < len(left) < 4
    push_simulations(again, left)
    assert again.status()["completed"] == 4
    assert contents(again) == expected


def test_a_store_there_is_compacted(make_remote, url, expected):
    model = make_remote()
    ids = model.pending()
    push_simulations(model, ids)
    push_simulations(model, ids[:2], skip_existing=False)
    done = model.compact()
    assert done.written == 2
    assert len(RemoteOutputs(url).shards()) == 2
    assert contents(model) == expected
    elsewhere = make_remote(name="elsewhere")
    assert elsewhere.pending() == []
    assert contents(elsewhere) == expected


def test_a_worker_that_sees_no_folder_publishes_too(make_remote, url, expected):
    model = make_remote()
    ids = model.pending()
    receptors = {sim_id: model.simulations[sim_id].receptor for sim_id in ids}
    portable = Portable.of(model.files)
    order = WorkOrder(Batch("b1", tuple(ids)), portable, receptors, True, stored={})
    summary = compute_order(order)
    assert summary.n_complete == 4
    store_receipt(model.files, summary)
    model.index.fold()
    assert model.status()["completed"] == 4
    assert contents(model) == expected
    # The same order again, as after a death of its worker before the receipt came.
    assert compute_order(order).n_complete == 4
    assert len(RemoteOutputs(url).shards()) == 2
