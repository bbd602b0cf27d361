"""Write the demo's project: synthetic weather, config.yaml and receptors.csv."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from stilt.demo.landscape import SPACING_KM, demo_grid
from stilt.demo.synthetic_fields import DemoWeather
from stilt.errors import UsageError
from stilt.meteorology.arl import read_index
from stilt.meteorology.writer import write_arl

FIRST_HOUR = np.datetime64("2023-07-15T00:00")
N_FILES = 5
HOURS_PER_FILE = 6

CONFIG = """\
# A demonstration of stilt on SYNTHETIC weather: met/ was made from formulas by `stilt demo`, over
# invented hills. The coordinates are real, the weather is not: use the results for nothing.
mets:
  demo:
    directory: met
    file_format: "%Y%m%d_%H"
    file_tres: 6h

footprints:
  default:
    grid: {xmin: -116.4, xmax: -110.6, ymin: 39.2, ymax: 42.8, xres: 0.05, yres: 0.05}

n_hours: -12      # hours to follow the air, backward in time
numpar: 300       # particles per receptor
seed: 1           # another seed shows the sampling noise; workers and order change nothing

execution:
  backend: local
  n_workers: {n_workers}
"""

RECEPTORS = """\
# Invented measurements for the synthetic weather of this demo. Times are UTC; local solar time is
# seven and a half hours behind. Rows that share r_idx make one receptor: 4 is a column of air.
r_idx,time,longitude,latitude,altitude,altitude_ref
0,2023-07-15 15:00:00,-111.85,40.77,30,agl
1,2023-07-15 18:00:00,-111.85,40.77,30,agl
2,2023-07-15 21:00:00,-111.85,40.77,30,agl
3,2023-07-16 00:00:00,-111.85,40.77,30,agl
4,2023-07-15 21:00:00,-111.85,40.77,0,agl
4,2023-07-15 21:00:00,-111.85,40.77,2500,agl
5,2023-07-15 21:00:00,-112.6,40.2,10,agl
"""

Progress = Callable[[int, int], None]


def write_demo(
    directory: str | os.PathLike[str],
    *,
    n_workers: int = 2,
    progress: Progress | None = None,
) -> list[Path]:
    """Write a project with synthetic weather that runs without any network.

    Files that are there with the same content are left alone, so that a second run reuses what
    the first one computed.

    Args:
        directory: folder for the project, made when it does not exist.
        n_workers: worker processes that its config.yaml asks for.
        progress: called with the weather files done and wanted.

    Returns:
        The files of the project: weather first, then config.yaml and receptors.csv.

    Raises:
        UsageError: the path is a file, or holds a config.yaml that is not a demo's.
    """
    root = Path(directory)
    check_folder(root)
    written = write_demo_weather(root / "met", progress=progress)
    written.append(_write_text(root / "config.yaml", CONFIG.replace("{n_workers}", str(n_workers))))
    written.append(_write_text(root / "receptors.csv", RECEPTORS))
    return written


def check_folder(root: Path) -> None:
    """Refuse a path where a demo would overwrite something.

    Raises:
        UsageError: the path is a file, or holds a config.yaml that is not a demo's.
    """
    if root.exists() and not root.is_dir():
        raise UsageError(f"{root} is a file: choose a folder for the demo.")
    config = root / "config.yaml"
    if config.exists() and "stilt demo" not in config.read_text(encoding="utf-8"):
        raise UsageError(
            f"{config} belongs to another project: choose an empty folder for the demo."
        )


def weather_paths(
    folder: Path, first: np.datetime64 = FIRST_HOUR, n_files: int = N_FILES
) -> list[Path]:
    """Return the names of files of the demo's weather, in order of time."""
    starts = first + np.arange(n_files) * np.timedelta64(HOURS_PER_FILE, "h")
    return [folder / f"{start.item():%Y%m%d_%H}_demo.arl" for start in starts]


def write_demo_weather(
    folder: str | os.PathLike[str],
    *,
    first: str = str(FIRST_HOUR),
    n_files: int = N_FILES,
    spacing_km: float = SPACING_KM,
    progress: Progress | None = None,
) -> list[Path]:
    """Write ARL files of the demo's synthetic weather, six hours in each.

    The sun follows the date: from mid-May to early August all days are alike, others are shorter
    and their sun weaker. Air temperatures are always those of summer.

    Args:
        folder: made when it does not exist; files that are there are left alone.
        first: UTC hour of the first file, such as ``2023-07-15T00:00``.
        n_files: how many.
        spacing_km: distance between the nodes of its grid, km, 4 to 30; with 24, the weather of a
            month takes a quarter of the time and disk.
        progress: called with the files done and wanted.

    Returns:
        The files, in order of time; their names begin with ``%Y%m%d_%H``.

    Raises:
        UsageError: the spacing is out of range, or files that are there have another.
    """
    weather = DemoWeather(demo_grid(spacing_km))
    begin = np.datetime64(first, "h")
    paths = weather_paths(Path(folder), begin, n_files)
    _require_spacing(paths, spacing_km)
    for number, path in enumerate(paths):
        if not path.exists():
            start = begin + np.timedelta64(number * HOURS_PER_FILE, "h")
            hours = start + np.arange(HOURS_PER_FILE) * np.timedelta64(1, "h")
            write_arl(path, weather.grid, [weather.analysis(hour) for hour in hours])
        if progress:
            progress(number + 1, len(paths))
    return paths


def _require_spacing(paths: Sequence[Path], spacing_km: float) -> None:
    """Refuse a folder in which two grids would stand beside each other.

    Raises:
        UsageError: the first file that is there has another spacing.
    """
    there = next((path for path in paths if path.exists()), None)
    if there is None:
        return
    found_km = read_index(there)[0].grid.size_km
    if abs(found_km - spacing_km) > 0.01:
        raise UsageError(
            f"{there} has nodes {found_km:g} km apart, not {spacing_km:g}: choose another folder."
        )


def _write_text(path: Path, text: str) -> Path:
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
    return path
