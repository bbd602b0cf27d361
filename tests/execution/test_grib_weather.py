"""The same atmosphere in GRIB and in ARL files gives the same particles and footprints."""

from dataclasses import replace

import numpy as np
import pytest

import stilt
from benchmarks.weather_files.grib_files import ncep
from benchmarks.weather_files.truth import LATLON, PRESSURES_HPA, on_grid, on_pressures, truth
from stilt.meteorology.arl import read_analysis, read_index
from stilt.meteorology.formats.ncep import HRRR_FACES
from stilt.meteorology.grids import EARTH_RADIUS_M, conformal_grid
from stilt.meteorology.writer import write_arl

HOURS = np.arange(
    np.datetime64("2023-07-15T16:00"), np.datetime64("2023-07-15T19:00"), np.timedelta64(1, "h")
)
FOOTPRINT = {
    "grid": {"xmin": -114, "xmax": -110, "ymin": 39.5, "ymax": 42, "xres": 0.05, "yres": 0.05}
}
RECEPTOR = stilt.PointReceptor("2023-07-15 18:00", -111.85, 40.77, 30.0)
METRES_PER_DEGREE = np.radians(1.0) * EARTH_RADIUS_M


def on_pressure_levels(time):
    raw = on_pressures(on_grid(truth(time), LATLON), np.array(PRESSURES_HPA, float))
    return replace(raw, upper={k: f for k, f in raw.upper.items() if k != "PRES"})


def on_native_levels(time):
    """HRRR's sigma levels on a map whose numbers an ARL header holds without rounding."""
    flat = replace(
        conformal_grid(
            -112.0, 40.7, 12.0, 41, 33, cone_lat=38.5, ref_lon=-97.5, levels=(), vertical_flag=0
        ),
        sync_x=1.0, sync_y=1.0, sync_lat=39.0, sync_lon=-114.25,
    )  # fmt: skip
    faces = np.array(HRRR_FACES)
    sigma = (0.5 * (faces[:-1] + faces[1:]))[:38]
    raw = on_grid(truth(time), flat)
    pressure = 20.0 + sigma[:, None, None] * (raw.surface["PRSS"] - 20.0)
    raw = on_pressures(raw, pressure)
    levels = tuple(round(float(each), 6) for each in sigma)
    grid = replace(raw.grid, levels=levels, vertical_flag=1)
    return replace(raw, grid=grid, upper={k: f for k, f in raw.upper.items() if k != "HGTS"})


def run(project, met):
    model = stilt.Model(
        project=project,
        receptors=[RECEPTOR],
        config=stilt.ModelConfig(
            mets={"met": met}, n_hours=-2, numpar=300, seed=1, footprints={"default": FOOTPRINT}
        ),
    )
    (name,) = model.register_pending()
    stilt.push_simulations(model, [name])
    return model.trajectories[name].particles, float(model.footprints["default"][name].data.sum())


def metres(table):
    """East and north of the middle of the cloud at each time."""
    middle = table.groupby("time")[["long", "lati"]].mean().to_numpy()
    return middle * METRES_PER_DEGREE * [np.cos(np.radians(RECEPTOR.latitude)), 1.0]


@pytest.mark.parametrize(
    ("form", "made"), [("gfs", on_pressure_levels), ("hrrr", on_native_levels)]
)
def test_the_same_atmosphere_gives_the_same_run(tmp_path, form, made):
    analyses = [made(time) for time in HOURS]
    arl = tmp_path / "arl" / "20230715"
    write_arl(arl, analyses[0].grid, analyses)
    # What packing made of them, so that it is no part of the comparison.
    for ref in read_index(arl):
        raw = read_analysis(ref)
        ncep(tmp_path / form / f"{raw.time}.grib2", [raw], radius_m=EARTH_RADIUS_M)
    packed = stilt.MetConfig(directory=arl.parent, file_format="%Y%m%d", file_tres="24h")
    grib = stilt.MetConfig(directory=tmp_path / form, format=form)
    particles, total = run(tmp_path / "a", packed)
    others, other_total = run(tmp_path / "b", grib)
    path = np.hypot(*np.diff(metres(particles), axis=0).T).sum()
    apart = np.hypot(*(metres(particles) - metres(others)).T).max()
    assert path > 10_000.0
    assert apart < 0.001 * path
    assert other_total == pytest.approx(total, rel=0.01)
