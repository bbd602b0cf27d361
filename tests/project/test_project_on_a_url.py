"""The project itself on a URL: inputs, receipts and outputs there, an index on each machine."""

import logging
import os
import threading
import time
import uuid

import fsspec
import pytest
import stilt_fakes as fakes
import xarray as xr
from click.testing import CliRunner
from inline_backend import Inline
from product_files import write_tropomi

import stilt
from stilt.cli import cli
from stilt.errors import RunUnfinishedError, UsageError
from stilt.execution import pull_simulations, push_simulations
from stilt.execution.orders import WorkOrder, compute_order, store_receipt
from stilt.execution.places import Portable
from stilt.execution.plan import Batch
from stilt.project import home, leases
from stilt.project.progress import progress
from stilt.project.remote import RemoteOutputs
from stilt.project.url_folder import UrlFolder
from stilt.receptors import write_receptors
from tests.project.test_kernels import soundings
from tests.project.test_store import STORE, contents


@pytest.fixture(scope="module")
def s3_stand_in():
    """The address of a server on this machine that speaks S3."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["memory", "file", pytest.param("s3", marks=pytest.mark.slow)])
def url(request, tmp_path, monkeypatch):
    """A place for a project of its own."""
    if request.param == "file":
        yield f"file://{tmp_path}/bucket/case"
        return
    if request.param == "s3":
        monkeypatch.setenv("AWS_ENDPOINT_URL", request.getfixturevalue("s3_stand_in"))
        for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(variable, "testing")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        name = uuid.uuid4().hex
        fsspec.filesystem("s3", skip_instance_cache=True).mkdir(name)
        yield f"s3://{name}/case"
        fsspec.filesystem("s3").clear_instance_cache()
        return
    yield f"memory://{tmp_path.name}/case"
    fsspec.filesystem("memory").store.clear()


@pytest.fixture
def machine(tmp_path, monkeypatch, faked):
    """Go to another machine: the processes there have an empty cache of their own."""
    monkeypatch.setattr(home, "FRESH_S", 0.0)

    def go(name):
        monkeypatch.setenv("STILT_CACHE_DIR", str(tmp_path / name / "cache"))
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / name / "scratch"))

    go("first")
    return go


@pytest.fixture
def start(url, tmp_path):
    """Write config.yaml and receptors.csv of a project to the URL."""

    def write(number=4, place=url, **changes):
        here = tmp_path / "inputs"
        here.mkdir(exist_ok=True)
        fakes.config(**changes).to_yaml(here / "config.yaml")
        write_receptors(here / "receptors.csv", fakes.receptors(number))
        for name in ("config.yaml", "receptors.csv"):
            UrlFolder(place).put(here / name, name)

    return write


def run(url, **kwargs):
    return stilt.Model(url).run(executor=Inline(), **kwargs)


@pytest.fixture(params=["store", "files"])
def layout(request):
    return {"output": {"layout": request.param}}


@pytest.fixture
def expected(make_model, layout):
    local = make_model(4, "local", **layout)
    push_simulations(local, local.register_pending())
    return contents(local)


def test_another_machine_sees_the_same(machine, start, url, layout, expected, tmp_path):
    start(**layout)
    assert run(url).counts["complete"] == 4
    first = stilt.Model(url)
    assert contents(first) == expected
    machine("second")
    second = stilt.Model(url)
    assert second.status() == first.status()
    assert second.status()["completed"] == 4
    assert second.pending() == []
    assert contents(second) == expected
    assert second.simulations.ids() == first.simulations.ids()
    assert str(second.project) == url
    assert second.name == "case"
    # What is there is whole without what is here.
    there = set(UrlFolder(url).listed())
    assert {"config.yaml", "receptors.csv"} < there
    assert not any("index" in name or "weather" in name or "lease" in name for name in there)


def test_a_machine_follows_what_others_do(machine, start, url, steer):
    start(**STORE)
    ids = stilt.Model(url).register_pending(scene_id="july")
    machine("second")
    watching = stilt.Model(url)
    assert watching.status()["pending"] == 4
    assert set(watching.scene_counts()) == {"july"}
    machine("first")
    fakes.wish(steer, "fail", ids[0])
    run(url)
    machine("second")
    assert watching.status()["completed"] == 3
    (failure,) = watching.failures()
    assert (failure["sim_id"], failure["reason"]) == (ids[0], "NO_TRAJECTORY_DATA")
    assert "Reason:" in watching.simulations[ids[0]].explain()["log_text"]
    start(6, **STORE)
    assert len(stilt.Model(url).pending()) == 3
    machine("first")
    assert stilt.Model(url).status()["total"] == 6, "registered on the second machine"


def test_inputs_written_through_a_model_are_there(machine, url):
    model = stilt.Model(url, fakes.receptors(2), fakes.config(**STORE))
    assert model.register_pending()
    machine("second")
    again = stilt.Model(url)
    assert again.config == model.config
    assert list(again.receptors) == list(model.receptors)
    with pytest.raises(FileNotFoundError, match=r"No config.yaml in .*elsewhere: write"):
        _ = stilt.Model(url.replace("case", "elsewhere")).config


def test_what_is_lost_there_is_computed_again_and_what_is_lost_here_is_not(machine, start, url):
    start(**STORE)
    run(url)
    remote = RemoteOutputs(url)
    remote.remove_shard(min(remote.shards()))
    machine("second")
    left = stilt.Model(url).pending()
    assert 0 < len(left) <= 4
    run(url)
    machine("third")
    model = stilt.Model(url)
    assert model.status()["completed"] == 4
    model.layout.index.unlink()
    assert model.status()["completed"] == 4
    model.rebuild()
    assert model.status()["completed"] == 4


def test_without_receipts_the_outputs_are_found(machine, start, url, layout):
    start(**layout)
    run(url)
    place = UrlFolder(url)
    for name in place.listed(".stilt"):
        place.remove(f".stilt/{name}")
    machine("second")
    model = stilt.Model(url)
    assert model.status()["completed"] == 4
    assert model.pending() == []


def test_another_project_at_the_same_url_begins_anew(machine, start, url, caplog):
    start(3, **STORE)
    run(url)
    filesystem, path = fsspec.core.url_to_fs(url)
    filesystem.rm(path, recursive=True)
    start(2, **STORE)
    with caplog.at_level(logging.WARNING):
        assert stilt.Model(url).status()["total"] == 0
    assert "is not the one that was there before" in caplog.text
    run(url)
    assert stilt.Model(url).status() == stilt.Model(url).status() | {"total": 2, "completed": 2}


def test_two_machines_are_told_of_each_other(machine, start, url):
    start(**STORE)
    first = stilt.Model(url)
    with first.files.leased():
        machine("second")
        begun = time.monotonic()
        with pytest.raises(RunUnfinishedError, match=r"computed by process \d+ on .*last heard of"):
            run(url)
        assert time.monotonic() - begun < 30
        with pytest.raises(RunUnfinishedError, match="process"):
            pull_simulations(stilt.Model(url))
        looking = stilt.Model(url)
        assert looking.status()["total"] == 0, "looking is free"
        assert progress(looking.files).going_on
        (holder,) = looking.files.elsewhere()
        assert f"process {os.getpid()} on" in str(holder)
        machine("first")
        with stilt.Model(url).files.leased():
            pass  # processes of one machine take turns by the locks of its copy
    machine("second")
    assert run(url).counts["complete"] == 4


def test_shares_are_computed_side_by_side_but_not_beside_a_run(machine, start, url):
    start(**STORE)
    ids = stilt.Model(url).register_pending()
    model = stilt.Model(url)
    with model.files.leased(alone=False):
        machine("second")
        push_simulations(stilt.Model(url), ids[:2])
        with pytest.raises(RunUnfinishedError, match="is being computed by"):
            run(url)
    run(url)
    machine("third")
    assert stilt.Model(url).status()["completed"] == 4


def test_of_machines_that_begin_together_one_goes_on(machine, start, url):
    start(**STORE)
    place, held, refused, most = UrlFolder(url), [], [], []

    def compete(number):
        lease = leases.Lease(place, f"copy-{number}", alone=True)
        try:
            lease.take()
        except RunUnfinishedError as error:
            refused.append(error)
            return
        held.append(number)
        most.append(len(held))
        time.sleep(0.3)
        held.remove(number)
        lease.give_back()

    threads = [threading.Thread(target=compete, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) + len(most) == 6
    assert most, "somebody goes on"
    assert set(most) == {1}, "never two at once"
    assert place.listed(leases.FOLDER) == {}


def test_a_lease_ends_with_its_process_or_its_time(machine, start, url, monkeypatch, caplog):
    start(**STORE)
    lease = stilt.Model(url).files.home.lease(alone=True)
    lease.owner = "far/boot/space|77|1|x"
    lease.take()
    machine("second")
    with pytest.raises(RunUnfinishedError, match=r"process 77 on far .* its lease ends"):
        run(url)
    monkeypatch.setattr(leases, "LEASE_S", -1.0)
    with caplog.at_level(logging.WARNING):
        assert run(url).counts["complete"] == 4
    assert "The work of process 77 on far" in caplog.text
    monkeypatch.undo()
    assert UrlFolder(url).listed(leases.FOLDER) == {}
    lease.give_back()


def test_a_process_whose_lease_was_taken_stops(machine, start, url, monkeypatch):
    start(**STORE)
    model = stilt.Model(url)
    ids = model.register_pending()
    monkeypatch.setattr(leases, "LEASE_S", 0.04)
    taken = pytest.raises(RunUnfinishedError, match="another has taken the project over")
    with taken, model.files.leased():
        # More than once, if it is being renewed just then.
        while held := UrlFolder(url).listed(leases.FOLDER):
            for lease in held:
                UrlFolder(url).remove(f"{leases.FOLDER}/{lease}")
            time.sleep(0.5)
        push_simulations(model, ids)
    assert UrlFolder(url).listed(leases.FOLDER) == {}


def test_a_store_there_is_compacted_for_all_machines(
    machine, start, url, expected, layout, monkeypatch
):
    if layout != STORE:
        pytest.skip("files have no shards")
    start(**STORE)
    run(url)
    machine("second")
    before = stilt.Model(url)
    assert contents(before) == expected
    machine("first")
    run(url, skip_existing=False)
    spent = stilt.Model(url).index.times()
    monkeypatch.setattr(home, "_JOINED_FROM", 2)
    done = stilt.Model(url).compact()
    assert done.written == 2
    there = UrlFolder(url)
    assert len(there.listed("store")) == 2
    assert len(there.listed(".stilt/receipts")) == 1
    machine("second")
    assert before.status()["completed"] == 4
    assert contents(before) == expected
    machine("third")
    third = stilt.Model(url)
    assert contents(third) == expected
    assert third.index.times() == pytest.approx(spent)


def test_outputs_without_a_receipt_stay_known_when_their_shards_are_joined(
    machine, start, url, expected, layout
):
    if layout != STORE:
        pytest.skip("files have no shards")
    start(**STORE)
    run(url)
    there = UrlFolder(url)
    # As after a kill between the shards of a batch and its receipt.
    receipts = sorted(there.listed(".stilt/receipts"))
    there.remove(f".stilt/receipts/{receipts[-1]}")
    machine("second")
    second = stilt.Model(url)
    assert contents(second) == expected
    assert second.compact().written == 2
    machine("third")
    third = stilt.Model(url)
    assert contents(third) == expected
    assert third.status()["completed"] == len(expected)


def test_copies_that_nobody_uses_go(machine, start, url, monkeypatch):
    start(**STORE)
    run(url)
    monkeypatch.setenv("STILT_COPIES_GB", "1e-9")
    model = stilt.Model(url)

    def copies():
        return sorted(model.layout.store.rglob("*.parquet"))

    expected = contents(model)
    assert len(copies()) == 8, "what is read now stays"
    for path in copies():
        os.utime(path, (0, 0))
    assert contents(stilt.Model(url)) == expected
    for path in copies():
        os.utime(path, (0, 0))
    copies()[0].unlink()
    model.files.output_files.shard_path(min(RemoteOutputs(url).shards()))
    assert len(copies()) == 1
    assert contents(model) == expected


def test_outputs_of_a_project_on_a_url_stay_beside_it(machine, url, tmp_path):
    with pytest.raises(UsageError, match="keeps its outputs beside it"):
        stilt.Model(url, output_dir=tmp_path / "elsewhere")
    assert stilt.Model(f"{url}/", output_dir=url).files.output_root == url


def test_soundings_are_observed_and_footprints_exported_by_commands(
    machine, start, url, tmp_path, monkeypatch
):
    def command(*arguments):
        done = CliRunner().invoke(cli, [str(each) for each in arguments])
        assert done.exit_code == 0, done.output
        return done.output

    start(2, **STORE)
    run(url)
    path = write_tropomi(tmp_path / "S5P_OFFL_L2__CH4____x.nc")
    area = ("--bounds", -112, 39, -111.75, 41)
    assert "the project has 5 receptor(s)" in command(
        "observe", path, "--reader", "tropomi", *area, url
    )
    machine("second")
    model = stilt.Model(url)
    assert len(model.receptors) == 5
    assert model.observations["value"].tolist() == [1901.0, 1902.0, 1904.0]
    kernels = model.files.kernels.path("observations/tropomi-kernels.parquet")
    assert kernels.is_file()
    monkeypatch.chdir(tmp_path)
    command("export", url, "footprints.nc")
    with xr.open_dataset("footprints.nc") as exported:
        assert exported.sizes["receptor"] == 2
    command("report", url, "--no-weather")
    assert (tmp_path / "case_report.html").exists()
    assert "completed  2" in command("status", url)
    command("rebuild", url)


KERNEL = {"kind": "averaging_kernel", "table": "observations/t-kernels.parquet"}
WEIGHTED = {
    "plain": {"grid": fakes.GRID}, "kernel": {"grid": fakes.GRID, "transforms": [KERNEL]},
}  # fmt: skip


def measured(*kernels):
    """Soundings, an hour apart, each with the same kernel at all levels."""
    found = soundings([[value] * 3 for value in kernels])
    found.table["altitude_m"] = 5.0
    return found


def totals(model, name):
    return [each.total for each in model.footprints[name].load()]


def test_workers_elsewhere_weight_with_the_kernels_of_the_project(machine, start, url):
    start(0, footprints=WEIGHTED, **STORE)
    first = stilt.Model(url)
    first.observe(measured(1.0, 0.5), "t")
    ids = first.register_pending()
    assert len(ids) == 2
    machine("second")
    assert push_simulations(stilt.Model(url), ids).failed == 0
    machine("first")
    one, other = totals(first, "plain")
    assert totals(first, "kernel") == pytest.approx([one, other / 2], rel=1e-6)
    # Another kernel there is another one here, and makes one footprint stale.
    first.observe(measured(1.0, 0.9), "t")
    machine("second")
    again = stilt.Model(url)
    left = again.pending()
    assert push_simulations(again, left).failed == 0
    machine("third")
    last = stilt.Model(url)
    assert last.pending() == []
    assert totals(last, "kernel") == pytest.approx([one, 0.9 * other], rel=1e-6)


@pytest.mark.parametrize("on_url", [True, False])
def test_a_worker_that_sees_no_folder_has_the_kernels(machine, url, tmp_path, on_url):
    config = fakes.config(footprints=WEIGHTED, **STORE)
    place = {"project": url} if on_url else {"project": tmp_path / "case", "output_dir": url}
    model = stilt.Model(**place, config=config, receptors=[])
    for kernel in (0.5, 0.9):
        model.observe(measured(1.0, kernel), "t")
        ids = model.register_pending()
        portable = Portable.of(model.files)
        machine(f"worker {kernel}")
        receptors = {sim_id: model.simulations[sim_id].receptor for sim_id in ids}
        batch = Batch(f"b{kernel}", tuple(ids))
        summary = compute_order(WorkOrder(batch, portable, receptors, True, stored={}))
        machine("first")
        store_receipt(model.files, summary)
        model.index.fold()
        one, other = totals(model, "plain")
        assert totals(model, "kernel") == pytest.approx([one, kernel * other], rel=1e-6)


def test_realizations_are_beside_the_project(machine, start, url):
    start(2, **STORE)
    _, second = stilt.Model(url).realizations(2)
    assert str(second.project) == f"{url}/realizations/1"
    second.run(executor=Inline())
    machine("second")
    assert stilt.Model(f"{url}/realizations/1").status()["completed"] == 2


def test_a_copied_project_goes_on_there(machine, make_model, url):
    local = make_model(3, "local", **STORE)
    local.run(executor=Inline())
    filesystem, path = fsspec.core.url_to_fs(url)
    filesystem.put(str(local.project), path, recursive=True)
    model = stilt.Model(url)
    assert model.status()["completed"] == 3
    assert model.pending() == []
    assert contents(model) == contents(local)
