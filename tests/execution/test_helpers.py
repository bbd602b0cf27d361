"""Processes that make the files for one that follows particles: the same files, and none lost."""

from __future__ import annotations

import mmap
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from devices import computing_as

import stilt
from stilt.execution import helpers as module
from stilt.execution import run_batch
from stilt.execution.helpers import Helpers, helpers_of_this_process
from stilt.execution.plan import Roles, batch_sizes
from stilt.execution.row_memory import POSSIBLE, RowMemory, affordable_bytes
from stilt.transport.device import CPU, GPU

pytestmark = pytest.mark.skipif(not POSSIBLE, reason="memory cannot be shared on this system")

ERRORS = "siguverr: 2.0\ntluverr: 60\nzcoruverr: 500\nhorcoruverr: 40\n"


@pytest.fixture(scope="module", autouse=True)
def no_helpers_left() -> Iterator[None]:
    """End the helpers of this process after these tests."""
    yield
    if module._present is not None:
        module._present.close()
        module._present = None


@pytest.fixture
def project(tmp_path: Path, project_files: Callable[..., Path]) -> Callable[..., stilt.Model]:
    """A small project on the demo's weather, its configuration added to."""

    def make(name: str, more: str = "") -> stilt.Model:
        root = project_files(tmp_path / name)
        with (root / "config.yaml").open("a") as file:
            file.write(more)
        model = stilt.Model(project=str(root))
        model.store_inputs()
        return model

    return make


def contents(model: stilt.Model) -> dict[str, bytes]:
    """What the outputs of a project hold, by name."""
    found = {}
    for path in sorted(model.layout.by_id.rglob("*")):
        if path.suffix == ".nc":
            with xr.open_dataset(path) as data:
                found[path.name] = data["foot"].values.tobytes()
        elif path.suffix == ".parquet":
            found[path.name] = stilt.Trajectories.from_parquet(path).particles.to_csv().encode()
    return found


@pytest.mark.parametrize(
    ("more", "files"),
    # Without trajectories the particles' ends are kept.
    [
        ("", 6),
        ("trajectories: false\n", 6),
        ("trajectories: false\nends: false\n", 3),
        (ERRORS, 9),
        ("outdt: 10\n", 6),
    ],
    ids=["kept", "ends kept", "not kept", "with error runs", "thinned"],
)
def test_outputs_are_the_same_to_the_last_byte(
    project: Callable[..., stilt.Model], more: str, files: int
) -> None:
    alone, helped = project("alone", more), project("helped", more)
    summaries = [
        run_batch(str(model.project), model.register_pending(), n_helpers=number)
        for model, number in ((alone, 0), (helped, 2))
    ]
    assert [summary.n_complete + summary.n_empty for summary in summaries] == [3, 3]
    assert contents(helped) == contents(alone)
    assert len(contents(alone)) == files


def test_a_store_that_helpers_fill_is_the_same(project: Callable[..., stilt.Model]) -> None:
    found = []
    for name, number in (("alone", 0), ("helped", 2)):
        model = project(name, "output: {layout: store}\n" + ERRORS)
        summary = run_batch(str(model.project), model.register_pending(), n_helpers=number)
        assert summary.n_complete + summary.n_empty == 3
        model.index.fold()
        assert not model.layout.by_id.exists()
        folders = {path.parent.name for path in model.layout.store.rglob("*.parquet")}
        assert {"particles", "error_particles"} < folders
        assert model.pending() == []
        tables = [each.particles.to_csv() for each in model.trajectories.load()]
        errors = [each.particles.to_csv() for each in model.trajectories.load(error=True)]
        feet = [each.data.values.tobytes() for each in model.footprints["default"].load()]
        assert (len(tables), len(errors), len(feet)) == (3, 3, 3)
        found.append((tables, errors, feet))
    assert found[0] == found[1]


def test_a_gpus_rows_make_the_same_footprints(project: Callable[..., stilt.Model]) -> None:
    totals = []
    for name, chosen, number in (("alone", CPU, 0), ("helped", GPU, 2)):
        model = project(name, "trajectories: false\n")
        with computing_as(chosen._replace(block=64)):
            run_batch(str(model.project), model.register_pending(), n_helpers=number)
        paths = sorted(model.layout.by_id.rglob("*.nc"))
        totals.append([stilt.Footprint.from_netcdf(path).total for path in paths])
    assert len(totals[0]) == 3
    assert totals[1] == pytest.approx(totals[0], rel=0.05)


def test_the_index_learns_the_same_from_helped_batches(
    project: Callable[..., stilt.Model],
) -> None:
    frames = []
    for name, number in (("alone", 0), ("helped", 2)):
        model = project(name)
        run_batch(str(model.project), model.register_pending(), n_helpers=number)
        model.index.fold()
        frames.append(model.simulations.to_frame())
    same = ["sim_id", "state", "n_rows", "footprint_keys", "transport_key"]
    shared = [name for name in same if name in frames[0].columns]
    assert len(shared) >= 2
    assert frames[0][shared].equals(frames[1][shared])


@pytest.mark.parametrize("times", [1, 2], ids=["once", "until this process does it"])
def test_a_killed_helper_costs_nothing_but_time(
    project: Callable[..., stilt.Model], monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    whole, model = project("whole"), project("killed")
    run_batch(str(whole.project), whole.register_pending())
    submit, killed = Helpers._submit, []

    def submit_and_kill(self: Helpers, one: module._Open) -> None:
        submit(self, one)
        if len(killed) < times and one.deaths == len(killed):
            killed.append(next(iter(self._pool._processes)))
            os.kill(killed[-1], signal.SIGKILL)

    monkeypatch.setattr(Helpers, "_submit", submit_and_kill)
    summary = run_batch(str(model.project), model.register_pending(), n_helpers=2)
    assert len(killed) == times
    assert (summary.n_complete + summary.n_empty, summary.n_failed) == (3, 0)
    assert contents(model) == contents(whole)


def test_a_helper_that_died_between_two_batches_is_replaced(
    project: Callable[..., stilt.Model],
) -> None:
    model = project("case")
    helpers = helpers_of_this_process(2)
    pids = list(helpers._pool._processes)
    os.kill(pids[0], signal.SIGKILL)
    deadline = time.monotonic() + 30.0
    while not helpers._pool._broken and time.monotonic() < deadline:
        time.sleep(0.05)
    summary = run_batch(str(model.project), model.register_pending(), n_helpers=2)
    assert summary.n_complete + summary.n_empty == 3


def test_helpers_stand_back_for_the_process_that_they_help() -> None:
    asked = helpers_of_this_process(2)._pool.submit(os.nice, 0)
    assert asked.result() == min(os.nice(0) + module.NICENESS, 19)


def test_what_fails_in_a_helper_fails_alone_and_says_why(
    project: Callable[..., stilt.Model],
) -> None:
    model = project("case", "trajectories: false\n")
    ids = model.register_pending()
    blocked = model.layout.footprint(ids[1], "default")
    blocked.mkdir(parents=True)
    (blocked / "in-the-way").touch()
    summary = run_batch(str(model.project), ids, n_helpers=2)
    assert (summary.n_complete + summary.n_empty, summary.n_failed) == (2, 1)
    assert summary.failures[0][0] == ids[1]
    assert "Phase: footprint:default" in model.layout.log(ids[1]).read_text()


def test_an_interrupt_lets_begun_files_end_and_leaves_the_rest_pending(
    project: Callable[..., stilt.Model],
) -> None:
    model = project("case")
    ids = model.register_pending()

    def interrupt(fraction: float) -> None:
        if fraction == 1.0 and helpers_of_this_process(1)._open:
            raise KeyboardInterrupt

    summary = run_batch(str(model.project), ids, n_helpers=1, progress=interrupt)
    assert summary.interrupted
    assert summary.n_complete + summary.n_empty + summary.n_interrupted == 3
    again = run_batch(str(model.project), ids, n_helpers=1)
    assert again.n_complete + again.n_empty == 3
    assert not [path for path in model.layout.by_id.rglob(".*") if path.is_file()]


def test_helpers_end_with_the_process_that_they_help(tmp_path: Path) -> None:
    script = (
        "import time\n"
        "from stilt.execution.helpers import Helpers\n"
        "helpers = Helpers(2, 10**6)\n"
        "print(*helpers._pool._processes, flush=True)\n"
        "time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.PIPE,
        text=True,
    )
    pids = [int(pid) for pid in process.stdout.readline().split()]
    assert len(pids) == 2
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 30.0
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def has_helpers() -> None:
    """Have helpers, and leave them to the end of this process."""
    assert helpers_of_this_process(2) is not None


def test_a_worker_process_with_helpers_can_end() -> None:
    worker = multiprocessing.get_context("spawn").Process(target=has_helpers)
    worker.start()
    worker.join(60)
    ended = worker.exitcode
    worker.kill()
    assert ended == 0


def test_few_places_mean_smaller_groups(
    project: Callable[..., stilt.Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, model = project("whole"), project("narrow")
    run_batch(str(whole.project), whole.register_pending())
    columns, minutes, particles = 10, 60, 20
    one = -(-minutes * particles * (4 * columns + 1) // mmap.PAGESIZE) * mmap.PAGESIZE
    few = Helpers(1, 4 * one)
    assert few.most_together(model.config) == 2
    monkeypatch.setattr(module, "_present", few)
    summary = run_batch(str(model.project), model.register_pending(), n_helpers=1)
    few.close()
    assert summary.n_complete + summary.n_empty == 3
    assert contents(model) == contents(whole)


def test_a_receptor_too_large_for_the_memory_is_computed_without_helpers(
    project: Callable[..., stilt.Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = project("case")
    tiny = Helpers(1, 4096)
    monkeypatch.setattr(module, "_present", tiny)
    summary = run_batch(str(model.project), model.register_pending(), n_helpers=1)
    tiny.close()
    assert summary.n_complete + summary.n_empty == 3


def test_rows_are_read_by_another_process_and_their_place_used_again() -> None:
    memory = RowMemory(100_000)
    values = np.arange(2000, dtype=np.float32).reshape(2, 10, 100)
    moved = np.ones((10, 100), bool)
    place = memory.take(2, 10, 100)
    place.put(0, moved[:4], values[:, :4])
    place.put(4, moved[4:], values[:, 4:])
    script = (
        "import pickle, sys\n"
        "moved, values = pickle.load(sys.stdin.buffer).arrays()\n"
        "print(moved.shape, moved.all(), values.shape, float(values.sum()))\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        input=pickle.dumps(place),
        capture_output=True,
        check=True,
    ).stdout.decode()
    assert said.split("\n")[0] == f"(10, 100) True (2, 10, 100) {float(values.sum())}"
    others = []
    while (taken := memory.take(2, 10, 100)) is not None:
        others.append(taken)
    assert len({place, *others}) == 1 + len(others) > 4
    assert memory.take(3, 10, 100) is None
    memory.give_back(place)
    memory.give_back(place)
    assert memory.take(2, 10, 100) == place
    assert memory.take(2, 10, 100) is None
    for taken in (place, *others):
        memory.give_back(taken)
    with pytest.raises(MemoryError):
        memory.take(2, 10_000, 100)
    memory.close()


def test_places_do_not_overlap() -> None:
    memory = RowMemory(500_000)
    places = []
    while (place := memory.take(1, 10, 100)) is not None:
        number = np.float32(len(places))
        place.put(0, np.ones((10, 100), bool), np.full((1, 10, 100), number))
        places.append(place)
    assert len(places) > 20
    for number, place in enumerate(places):
        moved, values = place.arrays()
        assert moved.all()
        assert (values == number).all()
    memory.close()


def test_making_room_ahead_keeps_what_is_there() -> None:
    memory = RowMemory(2**22)
    place = memory.take(4, 60, 1000)
    place.put(0, np.ones((60, 1000), bool), np.full((4, 60, 1000), 7.0, np.float32))
    memory.clear_ahead(2**22)
    time.sleep(0.2)
    moved, values = place.arrays()
    assert moved.all()
    assert (values == 7.0).all()
    memory.close()


def test_only_a_share_of_the_machine_is_taken() -> None:
    assert 0 < affordable_bytes() <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4


def test_a_gpu_is_given_to_one_process_which_the_others_help() -> None:
    assert Roles.of(16, "gpu") == Roles(1, 15)
    assert Roles.of(1, "gpu") == Roles(1, 0)
    assert Roles.of(4, "cpu") == Roles(4, 0)
    assert batch_sizes(10_000, 1, "gpu", 15) == [10_000]
    assert batch_sizes(20_000, 1, "gpu", 15) == [12_288, 7_712]
