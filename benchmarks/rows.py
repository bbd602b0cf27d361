"""The rows of the table: each measures one figure on both sides, one side after the other."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from benchmarks import hysplit_side, ours
from benchmarks.bench import Bench, median, say
from benchmarks.setting import COLUMNS, GRID, receptors, some_of


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        name: as ``--only`` takes it.
        figure: what was measured.
        ours, theirs: values in words; theirs "" when there is none.
        ratio: theirs over ours for times, or what the bar speaks of; None when not measured.
        bar: what is asked of the ratio.
        met: whether the bar is met, None when there is nothing to compare with.
        note: what a reader must know.
        details: numbers behind it.
    """

    name: str
    figure: str
    ours: str
    theirs: str = ""
    ratio: str = ""
    bar: str = ""
    met: bool | None = None
    note: str = ""
    details: dict[str, Any] = field(default_factory=dict)


def campaign(bench: Bench) -> Row:
    """Receptors per hour, footprints only."""
    return _campaign(bench, "campaign", bench.sizes.campaign, kept=False, bar=50.0)


def kept(bench: Bench) -> Row:
    """Receptors per hour, trajectories of every minute kept."""
    return _campaign(bench, "kept", bench.sizes.kept, kept=True, bar=20.0)


def _campaign(bench: Bench, name: str, number: int, *, kept: bool, bar: float) -> Row:
    sizes = bench.sizes
    mine = bench.our_campaign(number, kept=kept)
    theirs = bench.their_campaign()
    seconds = median([run.seconds for run in mine])
    their_seconds = median([run.seconds_for(number) for run in theirs])
    minutes = number * sizes.particles * abs(bench.setting.hours) * 60
    details = {
        "ours": _speed(number, minutes, seconds)
        | {"peak_mb": _peaks(mine), "parts_s": _parts(mine), **_phases(mine)},
        "theirs": {},
    }
    note = ""
    if theirs:
        details["theirs"] = _speed(number, minutes, their_seconds) | {"peak_mb": _peaks(theirs)}
        note = (
            f"pystilt ran {theirs[0].receptors} of {sizes.campaign} receptors, evenly chosen, in "
            f"{median([run.seconds for run in theirs]):.0f} s; scaled per receptor, with its "
            f"start-up of {median([run.idle_s for run in theirs]):.1f} s counted once."
        )
    text = "trajectories kept" if kept else "footprints only"
    return Row(
        name,
        f"{number} receptors x {sizes.particles} particles, {text}, {sizes.n_workers} workers: "
        "receptors per hour",
        f"{3600 * number / seconds:.0f}",
        f"{3600 * number / their_seconds:.1f}" if theirs else "",
        note=note,
        details=details,
        **_faster(their_seconds, seconds, bar),
    )


def cold(bench: Bench) -> Row:
    """One receptor from the shell, nothing warm."""
    mine = bench.our_single(lambda: ours.environment(bench.fresh_home()))
    return _single(bench, "cold", "nothing warm", mine, 1.0)


def warm(bench: Bench) -> Row:
    """One receptor from the shell, a Prefect server up and caches warm."""
    from flows.private_server import PrivateServer

    home = bench.scratch / "home"
    with ExitStack() as stack:
        server = PrivateServer(bench.scratch / "prefect_server", ui=True)
        stack.callback(server.stop)
        server.wait()
        api = {"PREFECT_API_URL": server.url}
        bench.our_single(lambda: ours.environment(home, **api), repeats=1)
        say("That one filled the caches and is not counted.")
        mine = bench.our_single(lambda: ours.environment(home, **api))
    return _single(bench, "warm", "server up, caches warm", mine, 0.6)


def _single(bench: Bench, name: str, how: str, mine: list, bar: float) -> Row:
    theirs = bench.their_single()
    seconds = median([run.seconds for run in mine])
    their_seconds = median([run.seconds for run in theirs])
    ratio = seconds / their_seconds
    return Row(
        name,
        f"one receptor x {bench.sizes.single} particles from the shell, {how}: seconds",
        f"{seconds:.1f}",
        f"{their_seconds:.1f}" if theirs else "",
        ratio=f"{ratio:.2f} x" if theirs else "",
        bar=f"<= {bar} x",
        met=ratio <= bar if theirs else None,
        details={
            "ours": {"peak_mb": _peaks(mine), "parts_s": _parts(mine), **_phases(mine)},
            "theirs": {"peak_mb": _peaks(theirs)},
        },
    )


def footprint(bench: Bench) -> Row:
    """The footprint stage on the same particles."""
    runs = bench.our_campaign(bench.sizes.campaign)
    parts = _parts(runs)
    stage = parts.get("near field", 0.0) + parts.get("footprint", 0.0)
    share = stage / sum(parts.values())
    mine, theirs = [], []
    if bench.hysplit_python is not None:
        mine, theirs = _footprints_of_both(bench)
    seconds, their_seconds = median(mine), median(theirs)
    if not theirs:
        seconds = stage / runs[0].receptors
    compared = _faster(their_seconds, seconds, 20.0)
    if compared["met"] is not None:
        compared["met"] &= share <= 0.15
    compared["bar"] += ", <= 15 % of our run"
    compared["ratio"] = ", ".join(filter(None, [compared["ratio"], f"{100 * share:.0f} % of run"]))
    return Row(
        "footprint",
        f"footprint of {bench.sizes.particles} particles, 0.01 degree: seconds per receptor",
        f"{seconds:.3f}",
        f"{their_seconds:.2f}" if theirs else "",
        note="On the same particles, from a table in memory to a grid in memory."
        if theirs
        else "From the campaign's receipts.",
        details={"ours_s": mine, "theirs_s": theirs, "share_of_run": share},
        **compared,
    )


def _footprints_of_both(bench: Bench) -> tuple[list[float], list[float]]:
    from stilt.config import FootprintConfig
    from stilt.config.geometry import Grid
    from stilt.execution.memory import keep_freed_memory
    from stilt.footprint import Footprint
    from stilt.receptors import PointReceptor

    table = some_of(receptors(bench.sizes.campaign), bench.sizes.hysplit)
    rows = table.assign(time=table["time"].astype(str)).to_dict("records")
    # A few hundredths of a second: a single one may be twice as long by chance.
    repeats = max(bench.sizes.repeats, 5)
    out = bench.scratch / "footprints"
    job = {
        "met": bench.setting.met, "hours": bench.setting.hours, "columns": COLUMNS, "grid": GRID,
        "particles": bench.sizes.particles, "receptors": rows, "repeats": repeats,
    }  # fmt: skip
    assert bench.hysplit_python is not None
    answer = hysplit_side.footprints(bench.hysplit_python, job, out)
    config = FootprintConfig(grid=Grid(**GRID))
    # As every worker does.
    keep_freed_memory()
    seconds = []
    for number, row in enumerate(rows):
        particles = _our_names(pd.read_parquet(out / f"particles_{number}.parquet"))
        receptor = PointReceptor(**row)
        Footprint.calculate(particles, receptor, config, "default")
        for _ in range(repeats):
            began = time.perf_counter()
            Footprint.calculate(particles, receptor, config, "default")
            seconds.append(time.perf_counter() - began)
    return seconds, answer["footprint_s"]


def _our_names(particles: pd.DataFrame) -> pd.DataFrame:
    names = {"particle": "indx", "lon": "long", "lat": "lati"}
    if "time" not in particles:
        names["age"] = "time"
    return particles.rename(columns=names)


def prefect(bench: Bench) -> Row:
    """What Prefect adds to a run of many receptors."""
    number = bench.sizes.prefect
    with_it = bench.our_campaign(number)
    without = bench.our_campaign(number, prefect=False)
    seconds = median([run.seconds for run in with_it])
    bare = median([run.seconds for run in without])
    share = (seconds - bare) / seconds
    outside = median([1 - run.batches_s / run.seconds for run in with_it])
    return Row(
        "prefect",
        f"Prefect's share of a run of {number} receptors, start-up included",
        f"{seconds:.1f} s with, {bare:.1f} s without",
        ratio=f"{100 * share:.1f} %",
        bar="<= 5 %",
        met=share <= 0.05,
        note=f"Without: the same batches by push_simulations. {100 * outside:.1f} % of the run "
        "lies before its first batch and after its last, index and imports among it.",
        details={"with": _phases(with_it), "without": _phases(without)},
    )


def workers(bench: Bench) -> Row:
    """What a second worker brings."""
    number = bench.sizes.workers
    two_runs = bench.our_campaign(number, n_workers=2, compiled=True)
    one_runs = bench.our_campaign(number, n_workers=1, n_cores=1, compiled=True)
    two, one = (median([run.batches_s for run in runs]) for runs in (two_runs, one_runs))
    ratio = one / two
    return Row(
        "workers",
        f"two workers against one, {number} receptors, start-up left out: seconds",
        f"{one:.1f} with one, {two:.1f} with two",
        ratio=f"{ratio:.2f} x",
        bar=">= 1.8 x",
        met=ratio >= 1.8,
        note="From the start of the first batch to the end of the last, compiled before; the one "
        "worker is held to one core, as each of two is.",
    )


def store(bench: Bench) -> Row:
    """The campaign with its outputs in a store against files, in turn; and with trajectories."""
    numbers = {False: bench.sizes.campaign, True: bench.sizes.kept}
    for kept, number in numbers.items():
        bench.our_campaign(min(number, 8), kept=kept, repeats=1)
    say("Those compiled and are not counted.")
    cases = [(kept, layout) for kept in numbers for layout in ("files", "store")]
    for turn in range(1, bench.sizes.repeats + 1):
        for kept, layout in cases:
            bench.our_campaign(numbers[kept], kept=kept, layout=layout, repeats=turn)
    runs_of = {
        (kept, layout): bench.our_campaign(numbers[kept], kept=kept, layout=layout)
        for kept, layout in cases
    }
    seconds = {case: median([run.seconds for run in runs]) for case, runs in runs_of.items()}
    core_s = {case: median([run.core_s for run in runs]) for case, runs in runs_of.items()}
    peaks = {case: median([run.worker_peak_mb for run in runs]) for case, runs in runs_of.items()}

    def ratio(values: dict[tuple[bool, str], float], kept: bool) -> float:
        return values[kept, "files"] / values[kept, "store"]

    number = numbers[False]
    return Row(
        "store",
        f"{number} receptors x {bench.sizes.particles} particles in a store against files, "
        f"{bench.sizes.n_workers} workers: receptors per hour",
        f"{3600 * number / seconds[False, 'store']:.0f} in a store, "
        f"{3600 * number / seconds[False, 'files']:.0f} in files",
        ratio=f"{ratio(seconds, False):.3f} x",
        bar=">= 1.08 x",
        met=ratio(seconds, False) >= 1.08,
        note=f"In turn, compiled before; {ratio(core_s, False):.3f} x by the time of a core; a "
        f"worker's memory at the highest {peaks[False, 'files']:.0f} MB with files, "
        f"{peaks[False, 'store']:.0f} MB with a store. {numbers[True]} receptors with their "
        f"trajectories: {ratio(seconds, True):.3f} x on the clock, {ratio(core_s, True):.3f} x of "
        f"a core, {peaks[True, 'files']:.0f} and {peaks[True, 'store']:.0f} MB.",
        details={
            f"{layout}, trajectories {'kept' if kept else 'not kept'}": {
                "parts_s": _parts(runs), "peak_mb": _peaks(runs), **_phases(runs),
            }
            for (kept, layout), runs in runs_of.items()
        },
    )  # fmt: skip


def memory(bench: Bench) -> Row:
    """Peak memory of a worker, few receptors and many."""
    peaks = [
        median([run.worker_peak_mb for run in bench.our_campaign(number)])
        for number in bench.sizes.memory
    ]
    growth = peaks[1] / peaks[0]
    few, many = bench.sizes.memory
    their_peaks = _peaks(bench.their_campaign())
    return Row(
        "memory",
        f"peak memory of a worker at {few} and at {many} receptors: MB",
        f"{peaks[0]:.0f} and {peaks[1]:.0f}",
        " + ".join(f"{mb:.0f} ({kind})" for kind, mb in sorted(their_peaks.items())),
        ratio=f"{growth:.2f} x",
        bar="<= 2000 MB, flat (<= 1.1 x)",
        met=max(peaks) <= 2000 and growth <= 1.1,
        note="Resident memory, memory-mapped weather included.",
        details={"coordinator_mb": _peaks(bench.our_campaign(many)).get("coordinator")},
    )


def gpu(bench: Bench) -> Row:
    """A campaign on the GPU of this machine against two of its cores."""
    number, few = bench.sizes.gpu, bench.sizes.campaign
    n_cores = len(os.sched_getaffinity(0))
    figure = f"a campaign on a GPU with {n_cores} cores against two cores: receptors per hour"
    if not _has_gpu():
        return Row("gpu", figure, "no GPU here", bar=">= 20 x")
    on_it = bench.our_campaign(number, n_workers=n_cores, prefect=False, device="gpu")
    # Compiling would count for more in their few receptors: it is done before.
    bench.our_campaign(2, n_workers=2, n_cores=2, prefect=False, device="cpu")
    beside = bench.our_campaign(few, n_workers=2, n_cores=2, prefect=False, device="cpu")
    rates = [
        3600 * receptors / median([run.seconds for run in runs])
        for receptors, runs in ((number, on_it), (few, beside))
    ]
    return Row(
        "gpu",
        figure,
        f"{rates[0]:.0f} with, {rates[1]:.0f} without",
        ratio=f"{rates[0] / rates[1]:.1f} x",
        bar=">= 20 x",
        met=rates[0] >= 20.0 * rates[1],
        note=f"{number} receptors on the GPU, {few} on two cores, both by push_simulations, "
        "start-up included, compiling on the GPU's side alone.",
        details={
            "gpu": {"parts_s": _parts(on_it), "peak_mb": _peaks(on_it), **_phases(on_it)},
            "cores": {"parts_s": _parts(beside), **_phases(beside)},
        },
    )


def _has_gpu() -> bool:
    """Whether JAX finds a GPU, asked of another process, so that this one does not take it."""
    program = "import jax; print(jax.default_backend())"
    asked = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    return asked.stdout.strip() == "gpu"


def _faster(their_seconds: float, seconds: float, bar: float) -> dict[str, Any]:
    ratio = their_seconds / seconds
    known = ratio == ratio
    return {
        "ratio": f"{ratio:.1f} x" if known else "",
        "bar": f">= {bar:g} x",
        "met": ratio >= bar if known else None,
    }


def _speed(number: int, particle_minutes: int, seconds: float) -> dict[str, float]:
    return {
        "seconds": seconds,
        "receptors_per_hour": 3600 * number / seconds,
        "particle_minutes_per_s": particle_minutes / seconds,
    }


def _peaks(runs: list) -> dict[str, float]:
    kinds = {kind for run in runs for kind in run.peak_mb}
    return {
        kind: median([run.peak_mb[kind] for run in runs if kind in run.peak_mb]) for kind in kinds
    }


def _parts(runs: list[ours.OurRun]) -> dict[str, float]:
    names = dict.fromkeys(part for run in runs for part in run.parts_s)
    return {name: median([run.parts_s.get(name, 0.0) for run in runs]) for name in names}


def _phases(runs: list[ours.OurRun]) -> dict[str, float]:
    return {
        name: median([getattr(run, name) for run in runs])
        for name in ("before_s", "batches_s", "after_s")
    }


ROWS: dict[str, Callable[[Bench], Row]] = {
    "campaign": campaign,
    "kept": kept,
    "cold": cold,
    "warm": warm,
    "footprint": footprint,
    "prefect": prefect,
    "workers": workers,
    "store": store,
    "memory": memory,
    "gpu": gpu,
}
