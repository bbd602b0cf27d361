"""Small weather for the tests: grids of every kind, and smooth fields on them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stilt.config import MetConfig
from stilt.meteorology.grids import MetGrid, conformal_grid, latlon_grid
from stilt.meteorology.records import RawAnalysis
from stilt.meteorology.writer import write_arl

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

LEVELS = {
    1: (0.9975, 0.95, 0.85),
    2: (1000.0, 925.0, 850.0),
    3: (10.0, 200.5, 1500.0),
    4: (0.9, 13.75, 120.5),
}


def make_grid(kind: str, flag: int = 1, nx: int = 21, ny: int = 17) -> MetGrid:
    levels = {"levels": LEVELS[flag], "vertical_flag": flag}
    if kind == "latlon":
        return latlon_grid(-102.0, 30.0, 1.0, 0.5, nx, ny, **levels)
    if kind == "global":
        return latlon_grid(0.0, -90.0, 10.0, 10.0, 36, 19, **levels)
    if kind == "lambert":
        return conformal_grid(-111.5, 40.5, 12.0, nx, ny, cone_lat=38.5, ref_lon=-97.5, **levels)
    if kind == "polar":
        return conformal_grid(-105.0, 75.0, 50.0, nx, ny, cone_lat=90.0, ref_lat=60.0, **levels)
    if kind == "south polar":
        return conformal_grid(20.0, -75.0, 50.0, nx, ny, cone_lat=-90.0, ref_lat=-60.0, **levels)
    return conformal_grid(179.0, 10.0, 25.0, nx, ny, cone_lat=0.0, ref_lat=20.0, **levels)


def make_analysis(grid: MetGrid, time: str, seed: int = 0) -> RawAnalysis:
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.linspace(0, 1, grid.nx), np.linspace(0, 1, grid.ny))

    def smooth(mean: float, swing: float) -> np.ndarray:
        a, b, c = rng.uniform(-swing, swing, 3)
        return (mean + a * x + b * y + c * np.sin(6 * x * y)).astype(np.float32)

    surface = {"PRSS": smooth(900, 40), "T02M": smooth(290, 5), "SHTF": smooth(0, 200)}
    upper = {
        name: np.stack([smooth(mean, swing) for _ in grid.levels])
        for name, mean, swing in [("UWND", 3, 9), ("VWND", -2, 9), ("TEMP", 270, 9)]
    }
    moisture = np.stack([smooth(0.006, 0.002) for _ in grid.levels])
    moisture[-1] = np.nan
    return RawAnalysis(np.datetime64(time, "m"), grid, 0, surface, {**upper, "SPHU": moisture})


@pytest.fixture
def grid_of() -> Callable[..., MetGrid]:
    return make_grid


@pytest.fixture
def analysis_of() -> Callable[..., RawAnalysis]:
    return make_analysis


@pytest.fixture
def archive(tmp_path: Path) -> Callable[..., MetConfig]:
    """Write files of equal length, one analysis every ``step`` hours, and return their config."""

    def write(
        start: str = "2023-07-14 00:00",
        n_files: int = 4,
        per_file: int = 6,
        step: int = 1,
        kind: str = "lambert",
        folder: str = "met",
        **config: object,
    ) -> MetConfig:
        grid = make_grid(kind)
        directory = tmp_path / folder
        time = np.datetime64(start.replace(" ", "T"), "m")
        for number in range(n_files):
            first = time + np.timedelta64(number * per_file * step, "h")
            times = [first + np.timedelta64(i * step, "h") for i in range(per_file)]
            name = str(first).replace("-", "").replace("T", "_")[:11]
            write_arl(directory / name, grid, [make_analysis(grid, str(t)) for t in times])
        settings = {"file_format": "%Y%m%d_%H", "file_tres": f"{per_file * step}h", **config}
        return MetConfig(directory=directory, **settings)

    return write
