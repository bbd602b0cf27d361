"""Realizations: runs of the same receptors that differ in their random numbers alone."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import stilt
import stilt.errors

LON, LAT = np.arange(-113.95, -110, 0.1), np.arange(39.05, 42, 0.1)
FLUX = xr.DataArray(
    np.random.default_rng(0).gamma(1.0, 1.0, (LAT.size, LON.size)), dims=("lat", "lon"),
    coords={"lat": LAT, "lon": LON}, attrs={"units": "umol m-2 s-1"}, name="a",
)  # fmt: skip
GRID = {"xmin": -114, "xmax": -110, "ymin": 39, "ymax": 42, "xres": 0.1, "yres": 0.1}
RECEPTORS = [
    stilt.PointReceptor(f"2023-07-15 {hour}:00", -111.85, 40.77, 30.0) for hour in (18, 19)
]


def config(weather, **changes):
    met = {"directory": str(weather), "file_format": "%Y%m%d_%H", "file_tres": "6h"}
    settings = {"n_hours": -2, "numpar": 50, "seed": 1, **changes}
    return stilt.ModelConfig(mets={"demo": met}, footprints={"default": {"grid": GRID}}, **settings)


def run(root, settings):
    model = stilt.Model(root, receptors=RECEPTORS, config=settings)
    stilt.push_simulations(model, model.register_pending())
    return model


@pytest.fixture(scope="module")
def model(tmp_path_factory, weather):
    return run(tmp_path_factory.mktemp("several") / "case", config(weather, realizations=3))


def test_each_realization_is_a_simulation_of_its_own(model):
    assert model.config.simulated_mets == ("demo", "demor1", "demor2")
    assert len(model.simulations.ids()) == 6
    assert model.status()["completed"] == 6


def test_the_first_is_the_run_without_and_others_have_the_next_seeds(model, tmp_path, weather):
    for number, seed in ((0, 1), (2, 3)):
        plain = run(tmp_path / str(seed), config(weather, seed=seed))
        name = f"demor{number}" if number else "demo"
        for receptor in RECEPTORS:
            ours = model.footprints["default"][f"{name}_{receptor.id}"]
            theirs = plain.footprints["default"][f"demo_{receptor.id}"]
            np.testing.assert_array_equal(ours.data.values, theirs.data.values)


def test_realizations_are_a_dimension(model):
    opened = model.footprints["default"].open()
    assert opened.dims[:2] == ("realization", "receptor")
    assert opened["realization"].values.tolist() == [0, 1, 2]
    assert opened["receptor"].values.tolist() == [f"demo_{each.id}" for each in RECEPTORS]
    second = model.footprints["default"][f"demor1_{RECEPTORS[0].id}"].data
    total = float(opened.sel(realization=1).isel(receptor=0).sum())
    assert total == pytest.approx(float(second.sum()), rel=1e-5)
    series = model.timeseries({"a": FLUX})
    assert series["enhancement"].dims == ("realization", "receptor", "component")
    assert series["time"].dims == ("receptor",)
    assert float(series["total"].std("realization").min()) > 0.0
    sure = model.uncertainty({"a": FLUX})
    assert sure["particle_noise"].sizes["realization"] == 3


def test_rows_of_a_jacobian_say_their_realization(model):
    bins = pd.date_range("2023-07-15 12:00", periods=3, freq="6h")
    found = model.footprints["default"].jacobian(stilt.Grid(**GRID), bins)
    assert sorted(found.receptors["realization"]) == [0, 0, 1, 1, 2, 2]


def test_a_name_cannot_be_that_of_a_realization(weather):
    met = {"directory": str(weather), "file_format": "%Y%m%d_%H", "file_tres": "6h"}
    with pytest.raises(stilt.errors.ConfigValidationError, match=r"demor1.*realization"):
        stilt.ModelConfig(mets={"demo": met, "demor1": met}, realizations=3)


def test_a_configuration_is_written_as_it_was(weather, tmp_path):
    settings = config(weather, realizations=3)
    path = tmp_path / "config.yaml"
    settings.to_yaml(path)
    assert "demor1" not in path.read_text()
    assert stilt.ModelConfig.from_yaml(path).simulated_mets == settings.simulated_mets
    one = settings.with_changes(numpar=7)
    assert one.simulated_mets == settings.simulated_mets
