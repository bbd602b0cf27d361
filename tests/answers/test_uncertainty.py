"""Noise of the particle number, transport error, and the covariance of errors."""

import shutil

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import stilt
from stilt.answers.uncertainty import error_covariance
from stilt.errors import UsageError
from stilt.footprint.particle_flux import FluxAlongPaths, Spread

GRID = {"xmin": -114, "xmax": -110, "ymin": 39, "ymax": 42, "xres": 0.1, "yres": 0.1}
LON, LAT = np.arange(-113.95, -110, 0.1), np.arange(39.05, 42, 0.1)


def flux(values, dims=(), coords=None):
    return xr.DataArray(
        values, dims=(*dims, "lat", "lon"), coords={"lat": LAT, "lon": LON, **(coords or {})},
        attrs={"units": "umol m-2 s-1"},
    )  # fmt: skip


RANDOM = flux(np.random.default_rng(0).gamma(1.0, 1.0, (LAT.size, LON.size)))


def run(root, weather, **changes):
    met = {"directory": str(weather), "file_format": "%Y%m%d_%H", "file_tres": "6h"}
    footprint = {"grid": GRID, "smooth_factor": 0.0}
    settings = {"n_hours": -3, "numpar": 200, "seed": 1, **changes}
    config = stilt.ModelConfig(mets={"demo": met}, footprints={"default": footprint}, **settings)
    receptor = stilt.PointReceptor("2023-07-15 18:00", -111.85, 40.77, 30.0)
    model = stilt.Model(root, receptors=[receptor], config=config)
    stilt.push_simulations(model, model.register_pending())
    return model


ERRORS = {"siguverr": 3.0, "tluverr": 120.0, "zcoruverr": 500.0, "horcoruverr": 40.0}


@pytest.fixture(scope="module")
def model(tmp_path_factory, weather):
    return run(tmp_path_factory.mktemp("sure") / "case", weather, **ERRORS)


def test_the_mean_over_particles_is_the_footprint_without_smoothing(model):
    found = model.uncertainty({"a": RANDOM, "b": 2 * RANDOM.assign_attrs(RANDOM.attrs)})
    (footprint,) = model.footprints["default"].load()
    assert float(found["enhancement"][0, 0]) == pytest.approx(
        float(footprint.enhancement(RANDOM)), rel=1e-3
    )
    assert found["component"].values.tolist() == ["a", "b", "total"]
    np.testing.assert_allclose(found["enhancement"][0, 2], found["enhancement"][0, :2].sum())
    np.testing.assert_allclose(found["particle_noise"][0, 2], 3 * found["particle_noise"][0, 0])


def test_the_grid_of_a_footprint_plays_no_part_and_its_name_is_refused(model):
    everywhere = float(model.uncertainty({"a": RANDOM})["enhancement"][0, 0])
    (trajectories,) = model.trajectories.load()
    small = {"xmin": -111.9, "xmax": -111.8, "ymin": 40.7, "ymax": 40.8, "xres": 0.05, "yres": 0.05}
    part = stilt.Footprint.calculate(
        trajectories.particles, trajectories.receptor, stilt.FootprintConfig(**small), "small"
    )
    assert float(part.enhancement(RANDOM)) < 0.9 * everywhere
    with pytest.raises(UsageError, match="weights='default' instead of name="):
        model.uncertainty({"a": RANDOM}, name="default")
    with pytest.raises(UsageError, match="weights='default' instead of name="):
        model.background(RANDOM, name="default")


def test_transport_error_is_the_difference_of_variances(model):
    found = model.uncertainty(RANDOM.rename("a")).isel(receptor=0).sel(component="a")
    along = FluxAlongPaths.of(RANDOM)
    (main,) = model.trajectories.load()
    (perturbed,) = model.trajectories.load(error=True)
    by_hand = [
        each.particles.assign(ppm=0.0).pipe(lambda t, r=each.receptor: along.per_particle(t, r))
        for each in (main, perturbed)
    ]
    expected = by_hand[1].var() - by_hand[0].var()
    assert float(found["transport_variance"]) == pytest.approx(expected, rel=1e-9)
    assert float(found["transport_error"]) == pytest.approx(np.sqrt(max(expected, 0)), rel=1e-9)
    assert found["transport_variance"].attrs["units"] == "ppm2"
    assert float(found["transport_variance_noise"]) > 0


def test_simulations_without_an_error_run_are_counted(model, tmp_path, weather, caplog):
    copy_of = tmp_path / "case"
    shutil.copytree(model.project, copy_of)
    more = stilt.Model(
        copy_of,
        receptors=[*model.receptors, stilt.PointReceptor("2023-07-15 18:00", -112.0, 40.77, 30.0)],
    )
    stilt.push_simulations(more, more.register_pending())
    lost = more.trajectories.paths(error=True)[0]
    lost.unlink()
    found = more.uncertainty(RANDOM.rename("a"))
    assert np.isnan(found["transport_error"].sel(component="a")).sum() == 1
    (said,) = [r.getMessage() for r in caplog.records if "error run" in r.getMessage()]
    assert said.startswith(f"1 of 2 simulations have no error run, {lost.parent.name} for example")
    assert "their transport error is NaN" in said


def test_particle_noise_is_what_realizations_differ_by(weather, tmp_path):
    first = run(tmp_path / "case", weather, numpar=60, n_hours=-1)
    models = first.realizations(12)
    assert models[0] is first
    assert models[3].output_root == first.output_root / "realizations" / "3"
    assert [each.config.seed for each in models] == list(range(1, 13))
    for each in models[1:]:
        stilt.push_simulations(each, each.register_pending())
    told = xr.concat([each.uncertainty(RANDOM.rename("a")) for each in models], "realization")
    told = told.sel(component="a").isel(receptor=0)
    assert np.unique(told["enhancement"]).size == 12
    # The standard deviation of 12 values is itself known to a fifth.
    noise = float(told["particle_noise"].mean())
    assert float(told["enhancement"].std(ddof=1)) == pytest.approx(noise, rel=0.6)
    assert np.isnan(told["transport_error"]).all()


def test_a_flux_is_looked_up_where_and_when_particles_are():
    times = pd.date_range("2023-07-15 16:00", periods=2, freq="h")
    values = np.stack([np.full((LAT.size, LON.size), 1.0), np.full((LAT.size, LON.size), 10.0)])
    receptor = stilt.PointReceptor("2023-07-15 18:00", -111.85, 40.77, 30.0)
    table = pd.DataFrame(
        {
            "time": [-30.0, -61.0, -90.0, -30.0, -121.0],
            "indx": [1, 1, 1, 2, 2],
            "long": [-111.85, -111.85, -120.0, -111.85, -111.85],
            "lati": 40.77,
            "foot": [1.0, 2.0, 4.0, 8.0, 16.0],
        }
    )
    hourly = FluxAlongPaths.of(flux(values, ("time",), {"time": times}))
    # 17:30 and 16:59 of particle 1: 10 and 1; 16:30 is outside the area; 15:59 before the flux.
    assert hourly.per_particle(table, receptor).to_dict() == {1: 10.0 + 2.0, 2: 80.0}
    by_hour = np.arange(24.0)[:, None, None] + np.zeros((24, LAT.size, LON.size))
    cycle = FluxAlongPaths.of(flux(by_hour, ("hour",), {"hour": np.arange(24)}))
    assert cycle.per_particle(table, receptor).to_dict() == {1: 17 + 2 * 16, 2: 8 * 17 + 16 * 15}


def test_spread_of_a_normal_sample_has_the_known_noise():
    rng = np.random.default_rng(1)
    spreads = [Spread.of(rng.normal(0, 2.0, 400)) for _ in range(300)]
    # Var(s^2) = 2 s^4 / (n - 1).
    assert np.mean([each.variance_noise for each in spreads]) == pytest.approx(
        4 * np.sqrt(2 / 399), rel=0.05
    )
    assert np.std([each.variance for each in spreads]) == pytest.approx(
        np.mean([each.variance_noise for each in spreads]), rel=0.15
    )
    with pytest.raises(UsageError, match="at least four"):
        Spread.of(np.ones(3))


def test_the_covariance_of_errors_by_hand():
    times = ["2023-07-15 18:00", "2023-07-15 20:00", "2023-07-16 18:00"]
    found = error_covariance(
        {"instrument": [0.1, 0.1, 0.2], "transport": [1.0, 2.0, 3.0]},
        times=times,
        longitudes=[0.0, 0.0, 0.0],
        latitudes=[0.0, 0.0, 1.0],
        correlated={"transport": (12.0, 100.0)},
    )
    km = 6371 * np.pi / 180
    expected = np.array(
        [
            [1.01, 2 * np.exp(-2 / 12), 3 * np.exp(-2 - km / 100)],
            [2 * np.exp(-2 / 12), 4.01, 6 * np.exp(-22 / 12 - km / 100)],
            [3 * np.exp(-2 - km / 100), 6 * np.exp(-22 / 12 - km / 100), 9.04],
        ]
    )
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert (np.linalg.eigvalsh(found) > 0).all()
    with pytest.raises(UsageError, match="must be finite"):
        error_covariance({"a": [np.nan]})
    with pytest.raises(UsageError, match="need the times"):
        error_covariance({"a": [1.0]}, correlated={"a": (1.0, np.inf)})
    with pytest.raises(UsageError, match="no standard deviation 'b'"):
        error_covariance({"a": [1.0]}, correlated={"b": (1.0, 1.0)})


@pytest.mark.parametrize(
    ("parts", "how", "sentence"),
    [
        ({"a": [1.0, 2.0, 3.0], "b": [1.0]}, {}, r"deviation 'b' for each of the 3 .*\(1,\)"),
        ({"a": [1.0, 2.0]}, {"times": ["2023-07-15"]}, "times of all 2 measurements, got 1"),
        ({"a": [1.0, 2.0]}, {"times": ["2023-07-15", pd.NaT]}, "got 2, of them 1 missing"),
        ({"a": [1.0]}, {"correlated": {"a": (0.0, 1.0)}}, r"'a' must be above 0, got \(0.0, 1.0\)"),
        (
            {"a": [1.0]},
            {"times": ["2023-07-15"], "latitudes": [np.nan], "longitudes": [0.0]},
            "latitudes of all 1 measurements, got 1, of them 1 missing",
        ),
    ],
)
def test_parts_of_a_covariance_that_do_not_fit_are_named(parts, how, sentence):
    how = {"correlated": {"a": (6.0, 100.0 if "latitudes" in how else np.inf)}, **how}
    if "b" in parts:
        how = {}
    with pytest.raises(UsageError, match=sentence):
        error_covariance(parts, **how)


def test_one_number_is_the_deviation_of_all_measurements():
    found = error_covariance({"instrument": 0.1, "transport": [1.0, 2.0, 3.0]})
    np.testing.assert_allclose(found, np.diag([1.01, 4.01, 9.01]))
    times = pd.date_range("2023-07-15", periods=2, freq="6h")
    for given in (times, times.tz_localize("UTC"), [str(each) for each in times]):
        found = error_covariance({"a": 2.0, "b": [0.0, 0.0]}, times=given,
                                 correlated={"a": (6.0, np.inf)})  # fmt: skip
        np.testing.assert_allclose(found, [[4.0, 4.0 / np.e], [4.0 / np.e, 4.0]])
