"""Derivatives of an enhancement along parameters of its meteorology."""

import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import stilt
from stilt.errors import MeteorologyError, UsageError
from stilt.footprint.bilinear_flux import flux_at
from stilt.footprint.particle_flux import FluxAlongPaths

LON, LAT = np.arange(-115.9, -109, 0.2), np.arange(38.1, 43, 0.2)
RECEPTOR = stilt.PointReceptor("2023-07-15 18:00", -111.85, 40.77, 30.0)
SMOOTH = xr.DataArray(
    3.0 + 2.0 * np.sin(2 * LON) * np.cos(3 * LAT)[:, None],
    dims=("lat", "lon"), coords={"lat": LAT, "lon": LON},
    attrs={"units": "umol m-2 s-1"}, name="smooth",
)  # fmt: skip


def project(root, weather):
    met = {"directory": str(weather), "file_format": "%Y%m%d_%H", "file_tres": "6h"}
    settings = {"n_hours": -2, "numpar": 300, "seed": 1}
    config = stilt.ModelConfig(mets={"demo": met}, **settings)
    return stilt.Model(root, receptors=[RECEPTOR], config=config)


@pytest.fixture(scope="module")
def model(tmp_path_factory, weather):
    return project(tmp_path_factory.mktemp("sensitive") / "case", weather)


@pytest.fixture(scope="module")
def found(model):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Paths of particles are too rough")
        return stilt.sensitivity(model, RECEPTOR, SMOOTH)


def test_derivatives_agree_with_central_differences(found):
    apart = np.abs(found["derivative"] - found["finite_difference"])
    assert (apart <= 3 * found["difference_noise"] + 1e-6).all()
    smooth = found.sel(parameter=["wind", "direction"])
    far = apart.sel(parameter=smooth["parameter"]) / np.abs(smooth["finite_difference"])
    assert (far < 0.05).all()
    assert (smooth["roughness"] < 0.5).all()
    assert found["per"].values.tolist() == ["1", "1", "degree", "1"]


def test_derivatives_are_the_limit_of_central_differences(found):
    apart = np.abs(found["derivative"] - found["check"])
    assert (apart <= 0.01 * np.abs(found["check"])).all()
    assert (apart <= 3 * found["check_noise"] + 1e-6).all()


def test_too_rough_a_parameter_is_warned_of(model):
    wide = {"turbulence": 0.95, "wind": 0.02}
    with pytest.warns(UserWarning, match=r"derivative along turbulence \(\d+\.\d\): use") as told:
        made = stilt.sensitivity(model, RECEPTOR, SMOOTH, ["turbulence", "wind"], steps=wide)
    assert len(told) == 1
    assert (made["roughness"] > 1).values.tolist() == [True, False]


def test_the_enhancement_is_that_of_the_transport(found, model):
    stilt.push_simulations(model, model.register_pending())
    (trajectories,) = model.trajectories.load()
    flux = FluxAlongPaths.of(SMOOTH)
    plain = flux.per_particle(trajectories.particles, RECEPTOR)
    noise = np.hypot(found["enhancement_noise"], plain.std() / np.sqrt(plain.size))
    apart = abs(float(found["enhancement"]) - plain.mean())
    assert apart < 3 * float(noise) + 0.25 * plain.mean()


def test_fluxes_add_up_and_units_count(model):
    both = {"a": SMOOTH, "b": 2 * SMOOTH.assign_attrs(SMOOTH.attrs)}
    both["b"].attrs["units"] = "nmol m-2 s-1"
    made = stilt.sensitivity(model, 0, both, units="ppb", finite_difference=False)
    np.testing.assert_allclose(made["derivative"][1], 2e-3 * made["derivative"][0])
    assert made["derivative"].attrs["units"] == "ppb"
    assert "finite_difference" not in made


def test_wrong_questions_are_told_of(model):
    with pytest.raises(UsageError, match="no parameter 'zi': the choices are mixed_layer, wind"):
        stilt.sensitivity(model, RECEPTOR, SMOOTH, ["zi"])
    with pytest.raises(UsageError, match="above 0"):
        stilt.sensitivity(model, RECEPTOR, SMOOTH, "wind", steps={"wind": 0.0})
    with pytest.raises(UsageError, match="Say of which meteorology"):
        stilt.sensitivity(model, RECEPTOR, SMOOTH, "wind", met="other")
    late = stilt.PointReceptor("2024-07-15 18:00", -111.85, 40.77, 30.0)
    with pytest.raises(MeteorologyError):
        stilt.sensitivity(model, late, SMOOTH, "wind")
    outside = stilt.PointReceptor("2023-07-15 18:00", 10.0, 40.77, 30.0)
    with pytest.raises(MeteorologyError):
        stilt.sensitivity(model, outside, SMOOTH, "wind")


def test_a_flux_between_centres_by_hand():
    flux = xr.DataArray(
        [[[0.0, 4.0], [8.0, 20.0]], [[1.0, 1.0], [1.0, 1.0]]], dims=("time", "lat", "lon"),
        coords={
            "time": pd.to_datetime(["2023-07-15 17:00", "2023-07-15 18:00"]),
            "lat": [40.0, 41.0], "lon": [-112.0, -110.0],
        },
        attrs={"units": "umol m-2 s-1"},
    )  # fmt: skip
    x = np.array([-111.5, -112.6, -114.0, -111.5])
    y = np.array([40.5, 40.25, 40.0, 40.5])
    minutes = np.array([-30.0, -30.0, -30.0, -500.0])

    there = flux_at(FluxAlongPaths.of(flux), x, y, lambda x, y: (x, y), minutes, RECEPTOR)

    # A quarter of the way east and half north: 0.5 (1 + 11); between the centres, 4 to 12 in 2 deg.
    # West of the first centre, at -112, it falls to zero at -114: there 2 by 0.7, and 8 by 0.7.
    np.testing.assert_allclose(there.value, [6.0, 1.4, 0.0, 0.0])
    np.testing.assert_allclose(there.slope_x, [4.0, 1.0, 0.0, 0.0], atol=1e-9)
    np.testing.assert_allclose(there.slope_y, [10.0, 5.6, 0.0, 0.0], atol=1e-9)


def test_a_flux_all_around_the_globe_has_no_edge_where_its_longitudes_begin():
    lon = np.arange(-175.0, 180.0, 10.0)
    flux = xr.DataArray(
        np.ones((2, 1)) * np.arange(lon.size), dims=("lat", "lon"),
        coords={"lat": [40.0, 50.0], "lon": lon}, attrs={"units": "umol m-2 s-1"},
    )  # fmt: skip
    x = np.array([-180.0, 180.0, 178.0])

    there = flux_at(FluxAlongPaths.of(flux), x, 0 * x + 45, lambda x, y: (x, y), 0 * x, RECEPTOR)

    # Between 35 at 175 degrees and 0 at 185.
    np.testing.assert_allclose(there.value, [17.5, 17.5, 24.5])
    np.testing.assert_allclose(there.slope_x, [-3.5, -3.5, -3.5])
