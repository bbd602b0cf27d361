"""Run the demo: write it, simulate, draw two pictures, and report where everything is."""

from __future__ import annotations

import os
import shutil
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from stilt.demo.files import N_FILES, check_folder, write_demo
from stilt.demo.notebook import explore_notebook
from stilt.errors import SimulationError
from stilt.execution.observing import Silent, Tally
from stilt.roots import shortest

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from stilt.model import Model


NOTEBOOK = "explore.ipynb"


@dataclass(frozen=True)
class DemoReport:
    """What the demo made.

    Attributes:
        directory: the project.
        footprints: footprint files, by id.
        trajectories: particle files, by id.
        pictures: PNG files.
        notebook: for exploring all of it.
        seconds: wall clock of everything.
    """

    directory: Path
    footprints: list[Path]
    trajectories: list[Path]
    pictures: list[Path]
    notebook: Path
    seconds: float


def run_demo(
    directory: str | os.PathLike[str], n_workers: int = 2, *, console: Console | None = None
) -> DemoReport:
    """Write the demo's project, run it, draw a footprint and its particles, and report.

    Args:
        directory: folder for the project; a demo that is already there is continued.
        n_workers: worker processes.
        console: where progress and the report go, standard output when None.

    Returns:
        Where everything is.

    Raises:
        UsageError: the folder holds another project.
        SimulationError: a simulation did not complete.
    """
    from stilt.model import Model

    started = time.perf_counter()
    console = console or Console()
    root = Path(directory).resolve()
    check_folder(root)
    console.print("Weather of this demo is synthetic: hills and days made from formulas.")
    _write(root, n_workers, console)
    model = Model(project=root)
    console.print(
        f"Following {model.config.numpar} particles from each of {len(model.receptors)} receptors "
        f"{abs(model.config.n_hours)} hours back, on {n_workers} worker(s)."
    )
    _run(model, n_workers, console)
    _check_complete(model)
    pictures = draw_pictures(model, root)
    report = DemoReport(
        directory=root,
        footprints=[Path(path) for path in model.footprints["default"].paths()],
        trajectories=[Path(path) for path in model.trajectories.paths()],
        pictures=pictures,
        notebook=_write_notebook(root),
        seconds=time.perf_counter() - started,
    )
    _print_report(report, console)
    return report


def _write(root: Path, n_workers: int, console: Console) -> None:
    columns = (
        TextColumn("Writing weather"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("files"),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("weather", total=N_FILES)
        write_demo(
            root,
            n_workers=n_workers,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )


def _run(model: Model, n_workers: int, console: Console) -> None:
    """Run the model, with a bar that moves as simulations end."""
    from stilt.execution.backend import get_executor

    executor = get_executor({"backend": "local", "n_workers": n_workers})
    with ExitStack() as stack:
        stack.enter_context(executor.prepare(model.output_root))
        columns = (TextColumn("Simulating"), BarColumn(), TextColumn("{task.percentage:.0f} %"))
        progress = stack.enter_context(Progress(*columns, TimeElapsedColumn(), console=console))
        task = progress.add_task("run")

        model.run(executor=executor, observer=_Bar(progress, task))
        progress.update(task, completed=len(model.simulations), total=len(model.simulations))


class _Bar(Silent):
    """Moves a progress bar as simulations end."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def progressed(self, tally: Tally) -> None:
        """Move the bar."""
        self._progress.update(self._task, completed=tally.done, total=tally.total)


def _check_complete(model: Model) -> None:
    counts = model.status()
    if counts["completed"] != counts["total"]:
        raise SimulationError(
            f"{counts['total'] - counts['completed']} of {counts['total']} simulations of the demo "
            f"did not complete: `stilt status {model.project}` says why."
        )


def draw_pictures(model: Model, folder: Path) -> list[Path]:
    """Draw one receptor's footprint and particles over the demo's terrain.

    Returns:
        The PNG files; none when matplotlib (the extra ``plots``) is not installed.
    """
    from importlib.util import find_spec

    if find_spec("matplotlib") is None:
        return []
    number = _most_spread(model)
    footprint = model.footprints["default"].load()[number]
    particles = model.trajectories.load()[number]
    return [
        _save(footprint.plot.map(), folder / "footprint.png"),
        _save(particles.plot.map(), folder / "trajectories.png"),
    ]


def _write_notebook(root: Path) -> Path:
    """Write the notebook into the project; one that the user has changed is left alone."""
    path = root / NOTEBOOK
    if not path.exists():
        path.write_text(explore_notebook(), encoding="utf-8")
    return path


def _most_spread(model: Model) -> int:
    """Position of the footprint that touches most cells: it makes the best picture."""
    touched = [
        int((foot.data.sum("time") > 0).sum()) for foot in model.footprints["default"].load()
    ]
    return touched.index(max(touched))


def _save(axes: Axes, path: Path) -> Path:
    """Add the invented terrain to a map and write it as PNG."""
    import matplotlib.pyplot as plt
    import numpy as np

    from stilt.demo.landscape import demo_grid, terrain_m

    grid = demo_grid()
    lon, lat = grid.to_lonlat(*np.meshgrid(np.arange(grid.nx), np.arange(grid.ny)))
    x_range, y_range = axes.get_xlim(), axes.get_ylim()
    lines = axes.contour(
        lon, lat, terrain_m(grid), levels=range(1400, 3000, 300), colors="0.45", linewidths=0.5
    )
    axes.clabel(lines, fmt="%d m", fontsize=6)
    axes.set(xlim=x_range, ylim=y_range)
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.savefig(path, dpi=150)
    plt.close(figure)
    return path


def _print_report(report: DemoReport, console: Console) -> None:
    root = report.directory
    table = Table(box=None, show_header=False, pad_edge=False)
    weather = sorted((root / "met").glob("*.arl"))
    rows = [
        (f"{len(weather)} weather files", weather, root / "met"),
        (f"{len(report.trajectories)} particle tables", report.trajectories, None),
        (f"{len(report.footprints)} footprints", report.footprints, None),
        ("index", [root / ".stilt" / "index.duckdb"], None),
        *((f"picture: {path.stem}", [path], None) for path in report.pictures),
        ("notebook", [report.notebook], None),
    ]
    for label, paths, folder in rows:
        place = folder or (paths[0] if len(paths) == 1 else paths[0].parent.parent)
        table.add_row(label, _size(paths), str(place))
    console.print(f"\nDone in {report.seconds:.0f} s. In {root}:")
    console.print(table)
    if not report.pictures:
        console.print("No pictures: install the extra plots (pip install 'stilt[plots]').")
    stilt = command_here()
    console.print(
        f"\nNext:  jupyter lab {report.notebook}   (explore the results; pip install jupyterlab)\n"
        f"       {stilt} report {root}   (all of it on one page)\n"
        f"       {stilt} status {root}\n"
        f"       {stilt} run {root}   (finds nothing to do)",
        soft_wrap=True,
    )


def command_here() -> str:
    """Return what to type for the command line of this environment, activated or not."""
    script = Path(sys.executable).with_name("stilt")
    found = shutil.which("stilt")
    if not script.exists() or (found and Path(found).parent == script.parent):
        return "stilt"
    return shortest(script)


def _size(paths: list[Path]) -> str:
    total = sum(path.stat().st_size for path in paths)
    return f"{total / 1e6:.1f} MB" if total >= 1e5 else f"{total / 1e3:.0f} kB"
