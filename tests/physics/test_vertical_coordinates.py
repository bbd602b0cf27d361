from dataclasses import replace

import numpy as np
import pytest
from synthetic_weather import GRID, analysis

from benchmarks.weather_files.truth import truth
from benchmarks.weather_files.wrf_files import faces_whose_mean_is, on_faces
from stilt.errors import MeteorologyError
from stilt.meteorology.columns import remap
from stilt.meteorology.grids import MetGrid
from stilt.meteorology.prepare import levels_for
from stilt.meteorology.records import RawAnalysis
from stilt.meteorology.wrf_staggering import at_mass_points, lower_face_heights_m

TIME = np.datetime64("2023-07-15T18:00")


def with_grid(raw: RawAnalysis, **changes: object) -> RawAnalysis:
    return replace(raw, grid=replace(raw.grid, **changes))


def columns(raw: RawAnalysis):
    return remap(raw, levels_for(raw.grid, 25_000.0))


def wrf(raw: RawAnalysis, grid: MetGrid | None = None) -> RawAnalysis:
    """The same winds on the faces of cells, as arw2arl writes them."""
    u, v = raw.upper["UWND"], raw.upper["VWND"]
    upper = dict(raw.upper)
    upper["UWND"] = faces_whose_mean_is(u, 2, u[:, :, 0])[:, :, :-1]
    upper["VWND"] = faces_whose_mean_is(v, 1, v[:, 0])[:, :-1]
    return with_grid(replace(raw, upper=upper), source="AWRF")


def test_an_unknown_vertical_coordinate_is_refused() -> None:
    raw = analysis("2023-07-01T00:00", {"TEMP": 290.0}, {})
    with pytest.raises(MeteorologyError, match="vertical coordinate 6"):
        remap(with_grid(raw, vertical_flag=6), levels_for(GRID, 25_000.0))


def test_wrfs_levels_take_the_pressure_of_the_file() -> None:
    raw = truth(TIME)
    hybrid = raw.upper["PRES"] + 20.0 * np.sin(np.pi * np.array(raw.grid.levels))[:, None, None]
    raw = replace(raw, upper={**raw.upper, "PRES": hybrid})
    sigma, eta = columns(raw), columns(with_grid(raw, vertical_flag=5))
    np.testing.assert_array_equal(eta.pressure_hpa, sigma.pressure_hpa)
    np.testing.assert_array_equal(eta.wind_x_m_s, sigma.wind_x_m_s)


def test_wrfs_levels_need_the_pressure_of_the_file() -> None:
    raw = with_grid(truth(TIME), vertical_flag=5)
    del raw.upper["PRES"]
    with pytest.raises(MeteorologyError, match="no PRES"):
        columns(raw)


def test_what_parity_is_run_on_has_its_winds_on_faces() -> None:
    """A cell's wind is the mean of its faces', each of which is the mean of two cells'."""
    raw = truth(TIME)
    read = at_mass_points(on_faces(raw))
    assert (read.grid.source, read.grid.nx) == ("AWRF", raw.grid.nx)
    for name, axis in (("UWND", 2), ("VWND", 1)):
        field = np.moveaxis(raw.upper[name], axis, 0)
        smooth = 0.25 * (field[:-2] + 2.0 * field[1:-1] + field[2:])
        found = np.moveaxis(read.upper[name], axis, 0)[1:-1]
        np.testing.assert_allclose(found, smooth, atol=1e-4)
    assert not on_faces(raw).upper["WWND"][0].any()


@pytest.mark.parametrize("flag", [1, 5])
def test_winds_on_faces_become_those_of_the_nodes(flag: int) -> None:
    raw = truth(TIME)
    nodes, faces = columns(raw), columns(with_grid(wrf(raw), vertical_flag=flag))
    for name in ("wind_x_m_s", "wind_y_m_s"):
        inside = np.s_[:, :-1, :-1]
        np.testing.assert_allclose(
            getattr(faces, name)[inside], getattr(nodes, name)[inside], rtol=1e-4, atol=1e-4
        )


def test_mass_fluxes_become_winds() -> None:
    raw = wrf(truth(TIME))
    mass = 100.0 * raw.surface["PRSS"] - 5000.0
    factor = np.full_like(mass, 1.02)
    upper = dict(raw.upper)
    upper["UWND"], upper["VWND"] = (upper[name] * mass / factor for name in ("UWND", "VWND"))
    upper["WWND"] = 100.0 * upper["WWND"] / factor
    surface = {
        **raw.surface, "MUU0": mass, "MUV0": mass, "MSFT": factor, "MSFU": factor, "MSFV": factor,
    }  # fmt: skip
    coupled = replace(raw, surface=surface, upper=upper)
    for name in ("wind_x_m_s", "wind_y_m_s", "sigma_rate_per_minute"):
        wanted = getattr(columns(raw), name)
        np.testing.assert_allclose(getattr(columns(coupled), name), wanted, rtol=2e-5, atol=1e-7)
    del surface["MSFU"]
    with pytest.raises(MeteorologyError, match="without MSFU"):
        columns(coupled)
    with pytest.raises(MeteorologyError, match="format: wrf"):
        columns(with_grid(coupled, vertical_flag=5))


def test_faces_lie_around_the_levels() -> None:
    raw = truth(TIME)
    temperature = np.full_like(raw.upper["TEMP"], 280.0)
    heights = lower_face_heights_m(raw, raw.surface["PRSS"].astype(float), temperature)
    assert not heights[0].any()
    eta, face = np.array(raw.grid.levels), [1.0]
    for middle in eta[:-1]:
        face.append(2.0 * middle - face[-1])
    expected = -287.04 / 9.81 * 280.0 * np.log(face)
    np.testing.assert_allclose(heights[:, 3, 4], expected, rtol=2e-3)


HYSPLITS_WEIGHTS = {
    2: {3: 0.301, 4: 0.242, 5: 0.357},
    3: {4: 0.101, 5: 0.349, 6: 0.347, 7: 0.117},
    4: {6: 0.343, 7: 0.283, 8: 0.307},
}
"""What each level's motion counts at 190, 365 and 597 m above ground in HYSPLIT v5.1."""


@pytest.mark.parametrize("internal", HYSPLITS_WEIGHTS)
def test_upward_motion_counts_as_in_hysplit(internal: int) -> None:
    raw = truth(TIME)
    flat = {"SHGT": 1300.0, "PRSS": 866.0, "T02M": 296.0}
    surface = {name: np.full_like(raw.surface["SHGT"], flat[name]) for name in flat}
    upper = {}
    for name in ("TEMP", "SPHU", "UWND", "VWND"):
        mean = raw.upper[name].mean(axis=(1, 2), keepdims=True)
        upper[name] = np.broadcast_to(mean, raw.upper[name].shape)
    sigma = np.array(raw.grid.levels, np.float32)[:, None, None]
    upper["PRES"] = np.broadcast_to(866.0 * sigma, upper["TEMP"].shape)

    def rate(motion: np.ndarray) -> float:
        wind = np.broadcast_to(motion[:, None, None], upper["TEMP"].shape)
        lab = replace(raw, surface=surface, upper={**upper, "WWND": wind})
        made = columns(with_grid(lab, source="AWRF", vertical_flag=5))
        return float(made.sigma_rate_per_minute[internal, 20, 20])

    everywhere = rate(np.ones(len(sigma), np.float32))
    measured = HYSPLITS_WEIGHTS[internal]
    total = sum(measured.values())
    for level, weight in measured.items():
        share = rate(np.eye(len(sigma), dtype=np.float32)[level]) / everywhere
        assert share == pytest.approx(weight / total, abs=0.03)
