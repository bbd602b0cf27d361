"""Runs on Zarr stores and on datasets in memory: the same as on ARL files, here and elsewhere."""

import shutil

import numpy as np
import pandas as pd
import pytest

import stilt
from benchmarks.weather_files.cf_datasets import SURFACE, cf_dataset
from benchmarks.weather_files.truth import LATLON, PRESSURES_HPA, on_grid, on_pressures, truth
from benchmarks.weather_files.zarr_stores import arco_store, write_store
from stilt.config import MetConfig
from stilt.execution import push_simulations
from stilt.meteorology import reach
from stilt.meteorology.catalogue import MetCatalogue
from stilt.meteorology.formats import read_analysis
from stilt.meteorology.writer import write_arl

HOURS = np.arange(
    np.datetime64("2023-07-15T15:00"), np.datetime64("2023-07-15T19:00"), np.timedelta64(1, "h")
)
RECEPTORS = [
    stilt.PointReceptor(
        time=pd.Timestamp("2023-07-15 18:00") - pd.Timedelta(minutes=10 * number),
        longitude=-111.85, latitude=40.77, altitude=30.0,
    )
    for number in range(2)
]  # fmt: skip


@pytest.fixture(scope="module")
def weather(tmp_path_factory):
    """A folder with the same analyses in ARL, which packs them, and in a store; and a dataset."""
    folder = tmp_path_factory.mktemp("weather")
    made = [
        on_pressures(on_grid(truth(hour), LATLON), np.array(PRESSURES_HPA, float)) for hour in HOURS
    ]
    for raw in made:
        del raw.upper["PRES"]
        for name in raw.surface.keys() - SURFACE.keys():
            del raw.surface[name]
    write_arl(folder / "arl" / "15", made[0].grid, made)
    config = MetConfig(directory=folder / "arl", file_format="%d", file_tres="24h")
    packed = [read_analysis(ref) for ref in MetCatalogue(config).select(HOURS[0], HOURS[-1])]
    write_store(arco_store(packed), folder / "store", time=1)
    return folder, cf_dataset(packed)


def model_of(root, met, **settings):
    fields = {"n_hours": -2, "numpar": 1000, "seed": 1, **settings}
    return stilt.Model(
        root, RECEPTORS, mets={"met": met}, **fields,
        footprints={
            "default": {
                "grid": {"xmin": -114, "xmax": -110, "ymin": 39, "ymax": 42.4, "xres": 0.1,
                         "yres": 0.1}
            }
        },
    )  # fmt: skip


def run(model, n_workers=1):
    push_simulations(model, model.register_pending(), n_workers=n_workers)
    assert model.status()["completed"] == len(RECEPTORS), model.failures()
    return model


def results(model):
    """Particle tables and footprint totals, by receptor."""
    out = {}
    for receptor in model.receptors:
        simulation = model.simulations[f"met_{receptor.id}"]
        total = float(simulation.get_footprint("default").total)
        out[str(receptor.id)] = simulation.trajectories.particles, total
    return out


@pytest.fixture(scope="module")
def on_arl(weather, tmp_path_factory):
    folder, _ = weather
    met = MetConfig(directory=folder / "arl", file_format="%d", file_tres="24h")
    return results(run(model_of(tmp_path_factory.mktemp("arl"), met)))


def assert_alike(found, wanted, of_path=0.001):
    """Rounding sets a few particles in a hundred on other ways, the rest stays where it was."""
    for receptor, (particles, total) in wanted.items():
        ours, our_total = found[receptor]
        assert our_total == pytest.approx(total, rel=0.01)
        if len(ours) == len(particles):
            apart = np.hypot(*(ours - particles)[["long", "lati"]].to_numpy().T)
            assert np.mean(apart < 1e-4) > 0.9
        path = ours.groupby("time")[["long", "lati"]].mean()
        other = particles.groupby("time")[["long", "lati"]].mean()
        length = np.hypot(*other.diff().iloc[:-1].to_numpy()[1:].T).sum()
        apart = np.hypot(*(path - other).to_numpy().T)
        assert apart.max() < of_path * max(length, 0.01)


def test_a_store_gives_what_arl_files_give(weather, on_arl, tmp_path):
    folder, _ = weather
    model = run(model_of(tmp_path, MetConfig(directory=folder / "store", format="era5")))
    assert_alike(results(model), on_arl)


def test_a_dataset_in_memory_is_kept_with_the_project(weather, on_arl, tmp_path):
    _, dataset = weather
    given = MetConfig(dataset=dataset)
    model = run(model_of(tmp_path / "here", given))
    assert_alike(results(model), on_arl)
    text = (tmp_path / "here" / "config.yaml").read_text()
    assert "format: cf" in text
    assert "directory: weather/" in text
    # Elsewhere, without the dataset: nothing is left to compute, and what is lost is recomputed.
    shutil.move(tmp_path / "here", tmp_path / "there")
    again = stilt.Model(tmp_path / "there")
    assert again.pending() == []
    particles = results(again)
    lost = next(iter(again.simulations.ids()))
    shutil.rmtree(again.layout.simulation_dir(lost))
    again.index.rebuild()
    assert again.pending() == [lost]
    run(again)
    for receptor, (table, _) in results(again).items():
        pd.testing.assert_frame_equal(table, particles[receptor][0])


def test_workers_read_a_dataset_that_was_given_in_memory(weather, on_arl, tmp_path):
    _, dataset = weather
    model = run(model_of(tmp_path, MetConfig(dataset=dataset)), n_workers=2)
    assert_alike(results(model), on_arl)
    # The same dataset is known again, and another one is other weather.
    assert model_of(tmp_path, MetConfig(dataset=dataset)).pending() == []
    colder = dataset.assign(upper3=dataset["upper3"] - np.float32(1.0))
    colder["upper3"].attrs = dataset["upper3"].attrs
    assert len(model_of(tmp_path, MetConfig(dataset=colder)).pending()) == len(RECEPTORS)


def test_particles_that_reach_the_edge_of_cropped_weather_are_counted(
    weather, tmp_path, monkeypatch, caplog
):
    folder, _ = weather
    monkeypatch.setattr(reach, "LARGE_NODES", 0)
    monkeypatch.setattr(reach, "MARGIN_KM", 0.0)
    monkeypatch.setattr(reach, "LATTICE_DEG", 0.125)
    slow = MetConfig(directory=folder / "store", format="era5", fastest_wind=4.0)
    model = run(model_of(tmp_path / "slow", slow))
    assert "ended at the edge of the part of the weather" in caplog.text
    assert "raise fastest_wind" in caplog.text
    ended = [len(table[table["time"] == -120.0]) for table, _ in results(model).values()]
    assert min(ended) < 1000
    caplog.clear()
    enough = MetConfig(directory=folder / "store", format="era5", fastest_wind=12.0)
    cropped = results(run(model_of(tmp_path / "enough", enough)))
    assert "ended at the edge" not in caplog.text
    whole = MetConfig(directory=folder / "store", format="era5", fastest_wind=None)
    assert_alike(cropped, results(run(model_of(tmp_path / "whole", whole))), of_path=0.002)
