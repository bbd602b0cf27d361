"""What orchestration costs: Prefect's database, processor time, and the coordinator's memory.

Three cases with workers that compute nothing. ``prefect`` runs receptors with Prefect and without,
each batch sleeping as long as computing it would take, and sets the processor time that Prefect
adds against what such receptors cost. ``coordinator`` runs many and watches the coordinator's
memory. ``arrays`` plans very many, submits them as a job array to a queue that stands in for
SLURM's, and follows it to its end. Batches of the first two write a tiny file for each simulation,
those of the last only their receipts.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import runpy
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

STUB = "STILT_BENCHMARK_STUB"
SAMPLE_S = 0.5
DAY_HOURS = 24

# Read by every Python process of the case; only pool workers get the stub.
SITE = """\
import os, sys
if os.environ.get("STILT_BENCHMARK_STUB") and (
    "--multiprocessing-fork" in sys.orig_argv or "array-worker" in sys.orig_argv
):
    from benchmarks.orchestration import install_stub
    install_stub()
"""


def install_stub() -> None:
    """Replace the computing of batches in this process by :func:`stub_batch`."""
    from stilt.execution import orders

    orders.compute_batch = stub_batch


def stub_batch(find: Callable[[], Any], sim_ids: Any, *, batch_id: str, **_: Any) -> Any:
    """Write a tiny file and a receipt's row for each simulation, as a batch would have.

    The time that computing would take is slept; where that is negative, no files are written.
    """
    import stilt.transport.transport_batch  # noqa: F401  a worker loads it, whoever has started it
    from stilt.execution.summary import BatchSummary
    from stilt.project.batches import mark_running
    from stilt.project.owners import new_owner
    from stilt.project.receipts import Result, write_receipt
    from stilt.receptors import met_of

    files = find()
    mark = mark_running(files.layout.running, batch_id, new_owner(), sim_ids)
    started = time.monotonic()
    each_s = float(os.environ[STUB])
    time.sleep(len(sim_ids) * max(each_s, 0.0))
    results = []
    for sim_id in sim_ids:
        if each_s >= 0.0:
            path = files.layout.trajectory(sim_id)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"tiny")
        key = files.expectations[met_of(sim_id)].transport
        done = Result(sim_id, "", state="complete", transport_key=key, trajectory_bytes=4)
        done.batch_id = batch_id
        results.append(done)
    receipt = write_receipt(files.layout.receipts, results, batch_id)
    mark.unlink()
    return BatchSummary(
        batch_id, len(results), seconds=time.monotonic() - started, receipt=str(receipt)
    )


def write_project(root: Path, weather: Path, number: int, **settings: Any) -> None:
    """A project with `number` receptors around the demo's town, three hours of one day."""
    from stilt.config import ModelConfig

    root.mkdir(parents=True)
    config = ModelConfig.from_yaml(weather / "config.yaml")
    config.model_copy(update={"footprints": {}, **settings}).to_yaml(root / "config.yaml")
    place, hour = np.arange(number) // 3, np.arange(number) % 3
    lines = (
        f"2023-07-15 {18 + h}:00,{-112.2 + 0.001 * x:.3f},{40.4 + 0.001 * y:.3f},30"
        for x, y, h in zip(place % 700, place // 700, hour, strict=True)
    )
    text = "\n".join(["time,longitude,latitude,altitude", *lines, ""])
    (root / "receptors.csv").write_text(text)


def watched(work: Callable[[], None]) -> list[float]:
    """Resident memory of this process in MB, twice a second while `work` goes on."""
    seen: list[float] = []
    ended = threading.Event()

    def watch() -> None:
        page = os.sysconf("SC_PAGE_SIZE")
        while not ended.wait(SAMPLE_S):
            seen.append(int(Path("/proc/self/statm").read_text().split()[1]) * page / 1e6)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        work()
    finally:
        ended.set()
        thread.join()
    return seen


def coordinator(root: Path, n_workers: int) -> dict[str, Any]:
    """Run a project whose workers only write tiny files."""
    import stilt
    from stilt.execution.backend import get_executor
    from stilt.execution.observing import Silent, Tally

    model = stilt.Model(project=root)
    executor = get_executor({"n_workers": n_workers})
    memory: list[tuple[float, float]] = []
    started = time.perf_counter()

    class Watcher(Silent):
        """Notes the memory of this process with each tally."""

        def progressed(self, tally: Tally) -> None:
            page = os.sysconf("SC_PAGE_SIZE")
            now = int(Path("/proc/self/statm").read_text().split()[1]) * page / 1e6
            memory.append((tally.done / tally.total, now))

    def run() -> None:
        model.run(executor=executor, observer=Watcher())

    peak = max(watched(run))
    counts = model.status()
    at = {p: next(m for done, m in memory if done >= p) for p in (0.1, 0.5, 1.0)}
    return {
        "receptors": counts["total"],
        "complete": counts["completed"],
        "wall_s": round(time.perf_counter() - started),
        "cpu_s": round(_cpu_s()),
        "memory_mb_at_10%": round(at[0.1]),
        "at_50%": round(at[0.5]),
        "at_100%": round(at[1.0]),
        "peak_mb": round(peak),
        "prefect_db_mb": _database_mb(root),
    }


def arrays(root: Path, n_tasks: int) -> dict[str, Any]:
    """Plan a project, submit it to a queue that runs its tasks here, and follow the array.

    It is registered by `stilt register` before; the other memory is that of this process alone.
    """
    import stilt
    from stilt.execution.backend import get_executor
    from stilt.execution.memory import share_one_heap
    from stilt.execution.slurm.options import SlurmOptions
    from stilt.execution.slurm.submissions import follow, standing_submissions

    share_one_heap()  # as `stilt submit` does
    options = {"backend": "slurm", "n_workers": n_tasks, "poll_interval": 1.0}
    took: dict[str, float] = {}

    @contextmanager
    def timed(name: str) -> Iterator[None]:
        began, used = time.perf_counter(), _cpu_s()
        yield
        took[f"{name}_s"] = round(time.perf_counter() - began, 1)
        took[f"{name}_cpu_s"] = round(_cpu_s() - used, 1)

    with timed("registering"):
        register = [sys.executable, "-m", "stilt", "register", str(root)]
        subprocess.run(register, check=True, stdout=subprocess.DEVNULL)
    registering_mb = _peak_mb(resource.RUSAGE_CHILDREN)
    model = stilt.Model(project=root)
    with timed("planning"):
        get_executor(options).start(model.files, model.pending())
    planning_mb = _peak_mb()
    (spool,) = standing_submissions(model.files)
    with timed("following"):
        counts = follow(model.files, spool, SlurmOptions.read({"poll_interval": 1.0})).counts
    return {
        "planned": counts["total"],
        "complete": counts["complete"],
        **took,
        "registering_mb": registering_mb,
        "planning_mb": planning_mb,
        "peak_mb": _peak_mb(),
    }


def _peak_mb(whose: int = resource.RUSAGE_SELF) -> int:
    """Peak resident memory so far of this process, or of the largest that it has seen end."""
    return round(resource.getrusage(whose).ru_maxrss * 1024 / 1e6)


def _queue(folder: Path) -> str:
    """Return a PATH on which commands that stand in for SLURM's come first."""
    path = Path(__file__).parents[1] / "tests" / "support" / "slurm_stand_in.py"
    install = runpy.run_path(str(path))["install"]
    return os.pathsep.join([str(install(folder)), os.environ["PATH"]])


def prefect(root: Path, how: str, n_workers: int) -> dict[str, Any]:
    """Run a project over worker processes, with or without Prefect."""
    import stilt
    from stilt.execution.backend import get_executor

    model = stilt.Model(project=root)
    started = time.perf_counter()
    if how == "prefect":
        model.run(executor=get_executor({"n_workers": n_workers}))
    else:
        stilt.push_simulations(model, model.pending(), n_workers)
    counts = model.status()
    return {
        "how": how,
        "receptors": counts["total"],
        "complete": counts["completed"],
        "wall_s": round(time.perf_counter() - started, 1),
        "cpu_s": round(_cpu_s(), 1),
        "coordinator_cpu_s": round(_cpu_s(resource.RUSAGE_SELF), 1),
        "prefect_db_mb": _database_mb(root),
    }


def usual(root: Path) -> dict[str, Any]:
    """Run a project of usual receptors in this process, without Prefect."""
    import stilt

    model = stilt.Model(project=root)
    stilt.push_simulations(model, model.pending())
    counts = model.status()
    return {
        "how": "usual",
        "receptors": counts["total"],
        "complete": counts["completed"],
        "cpu_s": round(_cpu_s(), 1),
    }


def _cpu_s(*which: int) -> float:
    """Processor time of this process, and of those that it has started and seen end."""
    used = map(resource.getrusage, which or (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def _database_mb(root: Path) -> float:
    files = (root / ".stilt" / "prefect").glob("prefect.db*")
    return round(sum(path.stat().st_size for path in files) / 1e6, 1)


def in_process(
    case: str, root: Path, *arguments: str, stub_s: float | None = None, **more: str
) -> dict[str, Any]:
    """Run a case in a process of its own and return what it says.

    Args:
        case: its name.
        root: of the project.
        arguments: of the case.
        stub_s: workers sleep so long for each simulation and write a tiny file; None lets them
            compute, and a negative number keeps them from writing files.
        **more: variables of its environment.
    """
    site = root.parent / "site"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(SITE)
    paths = [str(site), str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), **more}
    variables.pop("PREFECT_API_URL", None)
    if stub_s is not None:
        variables[STUB] = str(stub_s)
    command = [sys.executable, "-m", "benchmarks.orchestration", "--case", case, str(root)]
    done = subprocess.run(
        [*command, *arguments], env=variables, stdout=subprocess.PIPE, text=True, check=True
    )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(json.dumps(result), flush=True)
    return result


def share_of_prefect(
    weather: Path, folder: Path, number: int, timed: int, n_workers: int
) -> dict[str, Any]:
    """What Prefect adds to a run of `number` receptors, as a share of such a run."""
    size: dict[str, Any] = {"numpar": 200, "n_hours": -DAY_HOURS // 2}
    # Two runs of different size, so that start-up and compiling cancel out.
    for name, receptors in (("few", timed), ("more", 3 * timed)):
        write_project(folder / name, weather, receptors, **size)
    few, more = (in_process("usual", folder / name) for name in ("few", "more"))
    per_receptor_s = (more["cpu_s"] - few["cpu_s"]) / (2 * timed)
    for how in ("push", "prefect"):
        write_project(folder / how, weather, number, **size)
    workers = str(n_workers)
    # Long enough that every worker gets some of the batches.
    plain = in_process("push", folder / "push", workers, stub_s=0.01)
    orchestrated = in_process("prefect", folder / "prefect", workers, stub_s=per_receptor_s)
    added_s = orchestrated["cpu_s"] - plain["cpu_s"]
    whole_s = orchestrated["cpu_s"] + number * per_receptor_s
    return {
        "receptors": number,
        "n_workers": n_workers,
        "prefect_adds_cpu_s": round(added_s, 1),
        "receptor_cpu_s (200 particles, 12 h)": round(per_receptor_s, 3),
        "share_%": round(100 * added_s / whole_s, 2),
        "prefect_db_mb": orchestrated["prefect_db_mb"],
    }


def main() -> int:
    """Run the cases and print a line of JSON for each process, then the conclusions."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.orchestration", description=__doc__)
    parser.add_argument("--receptors", type=int, default=2000, help="of the case prefect; 0 skips")
    parser.add_argument("--many", type=int, default=100_000, help="of coordinator; 0 skips")
    parser.add_argument("--planned", type=int, default=1_000_000, help="of arrays; 0 skips")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--usual", type=int, default=8, help="receptors of usual size to time")
    parser.add_argument("--case", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        case, root, *rest = options.case
        if case == "coordinator":
            found = coordinator(Path(root), int(rest[0]))
        elif case == "arrays":
            found = arrays(Path(root), int(rest[0]))
        elif case == "usual":
            found = usual(Path(root))
        else:
            found = prefect(Path(root), case, int(rest[0]))
        print(json.dumps(found))
        return 0
    from stilt.demo import write_demo

    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        weather = folder / "demo"
        write_demo(weather)
        if options.receptors:
            found = share_of_prefect(
                weather, folder, options.receptors, options.usual, options.workers
            )
            print("prefect:", json.dumps(found), flush=True)
        workers = str(options.workers)
        if options.many:
            write_project(folder / "many", weather, options.many)
            found = in_process("coordinator", folder / "many", workers, stub_s=0.0)
            print("coordinator:", json.dumps(found), flush=True)
        if options.planned:
            write_project(folder / "planned", weather, options.planned)
            path = _queue(folder / "queue")
            found = in_process("arrays", folder / "planned", workers, stub_s=-1.0, PATH=path)
            print("arrays:", json.dumps(found), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
