"""Weather as people have it: many hybrid levels with a long index, and overlapping forecasts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from synthetic_weather import CELL_M, GRID, START, analysis, model_config, release

from stilt.config import MetConfig
from stilt.meteorology.arl import read_analysis, read_index
from stilt.meteorology.catalogue import MetCatalogue
from stilt.meteorology.index_cache import IndexCache
from stilt.meteorology.writer import write_arl
from stilt.transport import run_transport

WIND_M_S = 0.5


def hybrid_levels(count: int) -> tuple[float, ...]:
    """Values of ARL's flag 4, from the ground to 20 hPa: hPa, and after the point a share of ps."""
    pressure = 1000.0 * np.exp(-3.9 * np.linspace(0.0006, 1.0, count) ** 1.5)
    share = np.clip((pressure - 80.0) / 920.0, 0.0, 0.9988) ** 1.2
    whole = np.floor(pressure - 1000.0 * share)
    # The format has six characters for a level.
    return tuple(float(f"{a + b:.5f}"[:6]) for a, b in zip(whole, share, strict=True))


def moved_m(table) -> float:
    """Mean way along x after the run."""
    last = table[table["time"] == table["time"].max()]
    return float(np.radians(last["long"].mean()) * CELL_M / np.radians(0.01))


def test_98_hybrid_levels_whose_index_spans_records(tmp_path) -> None:
    """ERA5's lowest 98 model levels, the most that the format can hold."""
    values = hybrid_levels(98)
    grid = replace(GRID, levels=values, vertical_flag=4, source="ERA5")
    upper = {"UWND": WIND_M_S, "WWND": 0.0, "TEMP": 280.0}
    times = [START + np.timedelta64(hour, "h") for hour in range(3)]
    written = [
        analysis(time, upper, {"T02M": 280.0, "USTR": 0.1, "SHTF": 0.0}, grid) for time in times
    ]
    for raw in written:
        raw.upper.pop("PRES")
    path = write_arl(tmp_path / "met", grid, written)
    refs = read_index(path)
    assert [ref.time for ref in refs] == times
    assert refs[0].grid == grid
    assert refs[0].nbytes // (50 + 441) - refs[0].n_records >= 10
    assert IndexCache(tmp_path / "cache").index_of(path).refs == tuple(refs)
    assert IndexCache(tmp_path / "cache").index_of(path).refs == tuple(refs)
    read = read_analysis(refs[1])
    assert read.upper["TEMP"].shape == (98, 21, 21)
    assert np.allclose(read.upper["TEMP"], 280.0)
    config = model_config(
        nturb=1, numpar=2, kmixd=3, varsiwant=("time", "indx", "long", "lati", "zagl", "pres")
    )
    (table,) = run_transport([release(500.0)], refs, config, cache_dir=tmp_path / "prepared")
    assert moved_m(table) == pytest.approx(3600.0 * WIND_M_S, rel=1e-3)
    scale_m = 287.04 * 280.0 / 9.80616
    assert table["pres"].mean() == pytest.approx(1000.0 * np.exp(-500.0 / scale_m), rel=1e-4)


def test_particles_move_with_the_newest_of_two_cycles(tmp_path) -> None:
    for cycle, wind in ((-6, 10.0 * WIND_M_S), (0, WIND_M_S)):
        began = START + np.timedelta64(cycle, "h")
        analyses = [
            replace(
                analysis(began + np.timedelta64(lead, "h"), {"UWND": wind}, {}), forecast_hour=lead
            )
            for lead in range(13)
        ]
        write_arl(
            tmp_path / "met" / f"{began}"[:13].replace("-", "").replace("T", "_"), GRID, analyses
        )
    met = MetConfig(directory=tmp_path / "met", file_format="%Y%m%d_%H", file_tres="6h")
    refs = MetCatalogue(met).select(START, START + np.timedelta64(1, "h"))
    config = model_config(nturb=1, numpar=2)
    (table,) = run_transport([release(500.0)], refs, config, cache_dir=tmp_path / "prepared")
    assert moved_m(table) == pytest.approx(3600.0 * WIND_M_S, rel=1e-3)
