"""WRF's own file and an ARL file of the same atmosphere give the same run."""

from dataclasses import replace

import numpy as np
import pytest
from synthetic_weather import model_config, release

from benchmarks.weather_files.truth import truth
from benchmarks.weather_files.wrf_files import P_TOP_PA, lambert_attributes, wrf_dataset, write_wrf
from stilt.config import MetConfig
from stilt.meteorology.arl import read_analysis, read_index
from stilt.meteorology.catalogue import MetCatalogue
from stilt.meteorology.writer import write_arl
from stilt.transport import run_transport

FIRST, LAST = np.datetime64("2023-07-15T17:00", "m"), np.datetime64("2023-07-15T21:00", "m")
PLACE = {"lon": -111.9, "lat": 40.6}


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """An ARL file, and what it holds after packing."""
    folder = tmp_path_factory.mktemp("arl")
    made = []
    for time in np.arange(FIRST, LAST + np.timedelta64(1, "h"), np.timedelta64(1, "h")):
        raw = truth(time)
        density = raw.upper["PRES"] * 100 / (287.04 * raw.upper["TEMP"])
        upper = {name: field for name, field in raw.upper.items() if name != "WWND"}
        upper["DZDT"] = (-100.0 * raw.upper["WWND"] / (density * 9.81)).astype(np.float32)
        grid = replace(raw.grid, pressure_offset_hpa=0.01 * P_TOP_PA)
        made.append(replace(raw, upper=upper, grid=grid))
    path = write_arl(folder / "met", made[0].grid, made)
    return path, [read_analysis(ref) for ref in read_index(path)]


def run(refs, cache):
    config = model_config(n_hours=-3, numpar=5000, kmixd=3)
    (table,) = run_transport([release(50.0, time=LAST, **PLACE)], refs, config, cache_dir=cache)
    if isinstance(table, Exception):
        raise table
    return table


@pytest.fixture(scope="module")
def of_arl(packed, tmp_path_factory):
    return run(read_index(packed[0]), tmp_path_factory.mktemp("cache"))


@pytest.mark.parametrize("averaged", [False, True])
def test_the_same_atmosphere_gives_the_same_run(packed, of_arl, tmp_path, averaged):
    _, analyses = packed
    attributes = lambert_attributes(analyses[0].grid, 40.77, 40.77)
    write_wrf(tmp_path / "wrf", wrf_dataset(analyses, attributes, averaged=averaged))
    catalogue = MetCatalogue(MetConfig(directory=tmp_path / "wrf", format="wrf"))
    of_wrf = run(catalogue.select(FIRST, LAST), tmp_path / "cache")
    first, last = (
        table.groupby("time")[["long", "lati", "zagl"]].mean() for table in (of_arl, of_wrf)
    )
    path_deg = np.hypot(*np.abs(np.diff(first[["long", "lati"]], axis=0)).sum(axis=0))
    off = np.hypot(*(last - first)[["long", "lati"]].to_numpy().T).max()
    assert off < 1e-3 * path_deg
    # The last digit decides where single particles go; the mean hardly notices.
    assert (last.zagl / first.zagl - 1.0).abs().max() < 0.02
    assert of_wrf.foot.sum() == pytest.approx(of_arl.foot.sum(), rel=1e-2)
