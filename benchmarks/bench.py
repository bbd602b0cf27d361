"""One session of measuring: settings, a scratch folder, and runs that several rows share."""

from __future__ import annotations

import itertools
import os
import shutil
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import hysplit_side, ours
from benchmarks.hysplit_side import TheirRun
from benchmarks.ours import OurRun
from benchmarks.setting import (
    Setting,
    receptors,
    some_of,
    write_our_project,
    write_pystilt_project,
)

_LONG = 300


@dataclass(frozen=True)
class Sizes:
    """How much is computed; the defaults are those of the bars.

    Attributes:
        particles: per receptor.
        campaign, kept, prefect, workers: receptors of those rows.
        memory: the two numbers of receptors whose memory is compared.
        gpu: receptors of a campaign on a GPU.
        single: particles of a single receptor from the shell.
        hysplit: receptors that HYSPLIT computes of the campaign, the rest being scaled.
        repeats: times a measurement is taken; the median counts.
        long_repeats: the same for runs of more than 300 receptors.
        n_workers: processes that compute, on both sides.
    """

    particles: int = 1000
    campaign: int = 256
    kept: int = 64
    prefect: int = 1000
    workers: int = 256
    memory: tuple[int, int] = (64, 1000)
    gpu: int = 10_000
    single: int = 200
    hysplit: int = 4
    repeats: int = 3
    long_repeats: int = 1
    n_workers: int = 2


@dataclass
class Bench:
    """Runs of both sides; one that was measured already is not measured again.

    Attributes:
        setting: what both sides share.
        sizes: how much is computed.
        scratch: folder for projects, which are deleted after use.
        hysplit_python: Python of the environment with pystilt; None measures our side only.
    """

    setting: Setting
    sizes: Sizes
    scratch: Path
    hysplit_python: Path | None
    _ours: dict[tuple, list[OurRun]] = field(default_factory=dict)
    _theirs: dict[tuple, list[TheirRun]] = field(default_factory=dict)
    _number: itertools.count = field(default_factory=itertools.count)

    def our_campaign(
        self,
        number: int,
        *,
        kept: bool = False,
        n_workers: int | None = None,
        n_cores: int | None = None,
        prefect: bool = True,
        compiled: bool = False,
        device: str = "auto",
        layout: str = "files",
        repeats: int | None = None,
    ) -> list[OurRun]:
        """Runs of the campaign with this many receptors, start-up included, caches as they are.

        Args:
            number: of receptors.
            kept: whether trajectories are kept.
            n_workers: None takes that of the sizes.
            n_cores: hold all processes to so many cores.
            prefect: through `stilt run`; else the same batches by `push_simulations`.
            compiled: not the first run of this shape, which compiles.
            device: of the transport, as config.yaml has it.
            layout: of the outputs, `files` or `store`.
            repeats: so many runs; None takes that of the sizes.
        """
        if compiled:
            self.our_campaign(number, kept=kept)
        workers = n_workers or self.sizes.n_workers
        cores = sorted(os.sched_getaffinity(0))[:n_cores] if n_cores else []
        variables = ours.environment(self.scratch / "home")

        def once() -> OurRun:
            particles = self.sizes.particles
            project = write_our_project(
                self._fresh(), self.setting, receptors(number), particles,
                kept=kept, device=device, layout=layout,
            )  # fmt: skip
            run = ours.run_project if prefect else ours.push_project
            return run(project, workers, variables, cores)

        usual = self.sizes.long_repeats if number > _LONG else self.sizes.repeats
        repeats = repeats or usual
        key = (number, kept, workers, n_cores, prefect, compiled, device, layout)
        how = f"{number} receptors, {workers} worker(s)" + (", trajectories kept" if kept else "")
        how += ", in a store" if layout == "store" else ""
        return self._repeated(self._ours, key, once, repeats, f"ours: {how}", _our_line)

    def our_single(
        self, variables: Callable[[], dict[str, str]], repeats: int | None = None
    ) -> list[OurRun]:
        """Runs of one receptor from the shell; `variables` makes the environment of each."""

        def once() -> OurRun:
            project = write_our_project(
                self._fresh(), self.setting, receptors(1), self.sizes.single, kept=True
            )
            return ours.run_project(project, 1, variables())

        repeats = repeats or self.sizes.repeats
        return self._repeated({}, (), once, repeats, "ours: one receptor", _our_line)

    def their_campaign(self) -> list[TheirRun]:
        """Runs of some of the campaign's receptors; none without HYSPLIT."""
        table = some_of(receptors(self.sizes.campaign), self.sizes.hysplit)
        return self._their_runs(table, self.sizes.particles, self.sizes.n_workers, scaled=True)

    def their_single(self) -> list[TheirRun]:
        """Runs of one receptor from the shell; none without HYSPLIT."""
        return self._their_runs(receptors(1), self.sizes.single, 1, scaled=False)

    def _their_runs(self, table, particles: int, workers: int, *, scaled: bool) -> list[TheirRun]:
        python = self.hysplit_python
        if python is None:
            return []

        def once() -> TheirRun:
            project = write_pystilt_project(self._fresh(), self.setting, table, particles)
            return hysplit_side.run_project(python, project, len(table), workers, scaled=scaled)

        label = f"pystilt + HYSPLIT: {len(table)} receptors x {particles}, {workers} worker(s)"
        key = (len(table), particles, workers)
        return self._repeated(self._theirs, key, once, self.sizes.repeats, label, _their_line)

    def fresh_home(self) -> Path:
        """A home folder in which nobody has been."""
        return self.scratch / f"home_{next(self._number)}"

    def _fresh(self) -> Path:
        return self.scratch / f"project_{next(self._number)}"

    def _repeated(self, known, key, once, repeats: int, label: str, line) -> list:
        runs = known.setdefault(key, [])
        while len(runs) < repeats:
            runs.append(once())
            say(f"{label}: {line(runs[-1])}")
            for folder in self.scratch.glob("project_*"):
                shutil.rmtree(folder)
        return runs


def median(values: Sequence[float]) -> float:
    """The median; nan of nothing."""
    return statistics.median(values) if values else float("nan")


def say(text: str) -> None:
    """Tell how far it has come, on stderr."""
    print(text, file=sys.stderr, flush=True)


def _our_line(run: OurRun) -> str:
    return (
        f"{run.seconds:.1f} s ({run.before_s:.1f} before the first batch, {run.batches_s:.1f} "
        f"batches, {run.after_s:.1f} after), worker {run.worker_peak_mb:.0f} MB"
    )


def _their_line(run: TheirRun) -> str:
    return f"{run.seconds:.1f} s, of which {run.idle_s:.1f} s start-up"
