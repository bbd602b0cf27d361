"""Outputs on a URL: computed here, published there, found and read again from anywhere."""

import fsspec
import pytest
import stilt_fakes as fakes

import stilt
from stilt.errors import UsageError
from stilt.execution.orders import WorkOrder, compute_order, store_receipt
from stilt.execution.places import Portable
from stilt.execution.plan import Batch
from stilt.execution.push import push_simulations
from stilt.project.remote import RemoteOutputs
from stilt.roots import mirror_of


@pytest.fixture(params=["memory", "file"])
def url(request, tmp_path):
    """An output root of its own for each test."""
    if request.param == "file":
        yield f"file://{tmp_path}/store/case"
        return
    yield f"memory://{tmp_path.name}/case"
    fsspec.filesystem("memory").store.clear()


@pytest.fixture
def make_remote(tmp_path, faked, url, monkeypatch):
    """Make a model whose outputs are at the URL."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))

    def make(number=3, name="case", **changes):
        return stilt.Model(
            tmp_path / name,
            receptors=fakes.receptors(number),
            config=fakes.config(**changes),
            output_dir=url,
        )

    return make


def names(url):
    return {sim_id: sorted(files) for sim_id, files in RemoteOutputs(url).files().items()}


def test_outputs_are_there_whole_and_the_index_is_here(make_remote, url, tmp_path):
    model = make_remote()
    ids = model.pending()
    push_simulations(model, ids)
    assert names(url) == {i: sorted([f"{i}_default_foot.nc", f"{i}_traj.parquet"]) for i in ids}
    assert model.status()["completed"] == 3
    assert model.layout.index.is_relative_to(tmp_path / "case")
    assert not (tmp_path / "case" / "simulations").exists()
    left = [path for path in (tmp_path / "scratch").rglob("*") if path.is_file()]
    assert not left, "scratch files stay behind"
    assert model.pending() == []


def test_what_was_published_is_read_again(make_remote, tmp_path):
    model = make_remote(2)
    ids = model.pending()
    push_simulations(model, ids)
    local = stilt.Model(tmp_path / "local", receptors=fakes.receptors(2), config=fakes.config())
    push_simulations(local, local.register_pending())
    theirs = {path.name: path.read_bytes() for path in local.trajectories.paths()}
    mine = {path.name: path.read_bytes() for path in model.trajectories.paths()}
    assert mine == theirs
    assert len(model.footprints["default"].load()) == 2
    assert model.simulations[ids[0]].get_footprint("default") is not None
    assert model.trajectories.missing() == []


def test_another_machine_finds_the_outputs_by_their_url(make_remote):
    first = make_remote(name="here")
    push_simulations(first, first.pending())
    second = make_remote(name="there")
    assert second.pending() == []
    assert second.status()["completed"] == 3
    second.rebuild()
    assert second.status()["completed"] == 3


def test_an_output_that_is_gone_or_damaged_is_made_again(make_remote, url):
    model = make_remote()
    ids = sorted(model.pending())
    push_simulations(model, ids)
    filesystem, base = fsspec.core.url_to_fs(f"{url}/simulations/by-id")
    filesystem.rm_file(f"{base}/{ids[0]}/{ids[0]}_default_foot.nc")
    filesystem.pipe_file(f"{base}/{ids[1]}/{ids[1]}_traj.parquet", b"cut short")
    assert sorted(model.pending()) == ids[:2]
    push_simulations(model, ids[:2])
    assert model.pending() == []


def test_failures_leave_their_log_at_the_url(make_remote, steer, url):
    model = make_remote(2)
    ids = model.pending()
    fakes.wish(steer, "fail", ids[0])
    push_simulations(model, ids)
    assert names(url)[ids[0]] == ["stilt.log"]
    assert "Reason:" in model.simulations[ids[0]].log
    assert model.status()["failed"] == 1


def test_a_failed_upload_fails_the_simulation_and_leaves_no_part(make_remote, url, monkeypatch):
    model = make_remote(1)
    (sim_id,) = model.pending()
    filesystem, _ = fsspec.core.url_to_fs(url)

    def full(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(filesystem), "mv", full)
    push_simulations(model, [sim_id])
    (failure,) = model.failures()
    assert failure["reason"] == "DISK"
    assert names(url) == {}


def test_a_batch_elsewhere_needs_nothing_of_this_machine(make_remote, tmp_path, monkeypatch):
    model = make_remote()
    ids = model.pending()
    receptors = {f"fake_{receptor.id}": receptor for receptor in model.receptors}
    portable = Portable.of(model.files)
    hidden = tmp_path / "hidden"
    (tmp_path / "case").rename(hidden)
    summary = compute_order(WorkOrder(Batch("b1", tuple(ids)), portable, receptors, True))
    assert not (tmp_path / "case").exists()
    hidden.rename(tmp_path / "case")
    assert summary.n_complete == 3
    assert model.index.counts(model.files.expectations).completed == 0
    store_receipt(model.files, summary)
    assert model.status()["completed"] == 3
    assert model.pending() == []


def test_a_kind_of_url_that_is_unknown_is_the_users_mistake(tmp_path):
    with pytest.raises(UsageError, match="'nowhere://x/y' cannot be used"):
        RemoteOutputs("nowhere://x/y").check()


def test_the_memory_of_one_process_is_refused_for_several(tmp_path, faked):
    model = stilt.Model(
        tmp_path / "case",
        receptors=fakes.receptors(2),
        config=fakes.config(),
        output_dir="memory://case",
    )
    with pytest.raises(UsageError, match="'memory://case' is in the memory of this process"):
        push_simulations(model, model.pending(), n_workers=2)


def test_the_mirror_of_a_url_is_one_folder_however_it_is_named(tmp_path):
    mirror = mirror_of(tmp_path, "s3://bucket/case")
    assert mirror.is_relative_to(tmp_path)
    assert mirror_of(tmp_path, "s3://bucket/case/") == mirror
    assert mirror_of(mirror, "s3://bucket/case") == mirror
    assert mirror_of(tmp_path, "s3://bucket/other") != mirror
