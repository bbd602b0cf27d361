"""Runs of a project whose meteorology is nested in another, of another format."""

import shutil

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import stilt
from benchmarks.weather_files.era5_files import write_era5
from benchmarks.weather_files.truth import LATLON, PRESSURES_HPA, on_grid, on_pressures, truth
from stilt.config.base import ConfigFieldError
from stilt.demo.synthetic_fields import DemoWeather
from stilt.execution.weather import weather_report
from stilt.meteorology import reach
from stilt.meteorology.coverage import Coverage, check_coverage, nest_remarks
from stilt.meteorology.grids import latlon_grid
from stilt.meteorology.nest import catalogue_of
from stilt.meteorology.writer import write_arl
from tests.support.real_runs import digests

HOURS = np.arange(
    np.datetime64("2023-07-15T15:00"), np.datetime64("2023-07-15T19:00"), np.timedelta64(1, "h")
)
RECEPTOR = ("2023-07-15 18:00", -111.3, 40.5, 30.0)
"""Where a west wind brings air from within the finer grid's western edge and beyond."""

OUTSIDE = ("2023-07-15 18:00", -113.5, 41.5, 30.0)
"""A place that the finer grid does not hold."""

FINE = latlon_grid(-112.5, 39.5, 0.0625, 0.0625, 41, 33, levels=(), vertical_flag=0)


@pytest.fixture(scope="module")
def weather(tmp_path_factory):
    """ERA5-like files around, and ARL files of finer cells for a part of them."""
    folder = tmp_path_factory.mktemp("met")
    coarse = [
        on_pressures(on_grid(truth(t), LATLON), np.array(PRESSURES_HPA, float)) for t in HOURS
    ]
    write_era5(folder / "era5", coarse)
    demo = DemoWeather()
    for name, hours in (("fine", HOURS), ("short", HOURS[:3])):
        write_arl(folder / name / "all", demo.grid, [demo.analysis(time) for time in hours])
    fine = [on_pressures(on_grid(truth(t), FINE), np.array(PRESSURES_HPA, float)) for t in HOURS]
    write_era5(folder / "fine-era5", fine)
    return folder


def config(weather, **fine):
    return stilt.ModelConfig(
        mets={
            "fine": {
                "directory": weather / "fine", "file_format": "all", "file_tres": "24h",
                "subgrid_enable": True,
                "subgrid_bounds": {"xmin": -111.5, "xmax": -109.5, "ymin": 39.5, "ymax": 41.5},
                "nested_in": "era5", **fine,
            },
            "era5": {"directory": weather / "era5", "format": "era5"},
        },
        n_hours=-3, numpar=100, seed=1, footprints={
            "near": {"grid": {"xmin": -114, "xmax": -109.5, "ymin": 39.5, "ymax": 41.5,
                              "xres": 0.1, "yres": 0.1}},
        },
    )  # fmt: skip


def test_particles_go_on_in_the_coarser_meteorology(weather, tmp_path):
    model = stilt.Model(
        project=tmp_path / "case",
        receptors=[RECEPTOR],
        config=config(weather, subgrid_dir=tmp_path),
    )
    outcome = stilt.push_simulations(model, model.register_pending())
    assert outcome.counts["complete"] == 1
    assert {each.partition("_")[0] for each in model.simulations.ids()} == {"fine"}
    (found,) = model.trajectories.load()
    table = found.particles
    # Every particle is followed to the end, many of them out of the finer grid.
    assert len(table) == 3 * 60 * 100
    assert (table.long < -111.75).sum() > 2000
    row = model.index.frame().iloc[0]
    assert "single-levels.nc" in row.met_files
    assert "fine" in row.met_files
    # The weather is as it was, and so nothing is to be done again.
    assert model.run().counts["total"] == 0


def test_hours_of_a_finer_meteorology_do_not_depend_on_who_shares_a_sweep(weather, tmp_path):
    """The last hour lacks in the finer one: alone, the later receptor never meets it."""
    later, earlier = RECEPTOR, ("2023-07-15 17:00", *RECEPTOR[1:])

    def tables(name, *receptors):
        chosen = config(weather, directory=weather / "short", subgrid_dir=tmp_path)
        chosen = chosen.model_copy(update={"n_hours": -1, "footprints": {}})
        model = stilt.Model(project=tmp_path / name, receptors=list(receptors), config=chosen)
        outcome = stilt.push_simulations(model, model.register_pending())
        assert outcome.counts["complete"] == len(receptors)
        files = model.index.frame().set_index("sim_id").met_files
        return {name: (model.trajectories[name].particles, files[name]) for name in files.index}

    together = tables("together", later, earlier)
    apart = tables("later", later) | tables("earlier", earlier)
    assert together.keys() == apart.keys()
    for sim_id, (table, files) in apart.items():
        pd.testing.assert_frame_equal(together[sim_id][0], table, check_exact=True)
        assert ("short" in files) == ("1700" in sim_id)


def test_workers_share_a_nest_and_make_the_same_bytes(weather, tmp_path):
    receptors = [RECEPTOR, ("2023-07-15 17:20", *RECEPTOR[1:]), OUTSIDE]

    def made(n_workers):
        chosen = config(weather, subgrid_dir=tmp_path)
        foot = {"default": chosen.footprints["near"]}
        chosen = chosen.model_copy(update={"n_hours": -2, "footprints": foot})
        model = stilt.Model(
            project=tmp_path / f"by-{n_workers}", receptors=receptors, config=chosen
        )
        outcome = stilt.push_simulations(model, model.register_pending(), n_workers=n_workers)
        assert outcome.counts["complete"] == len(receptors)
        return digests(model)

    assert made(2) == made(1)


def test_a_change_in_either_meteorology_is_noticed(weather, tmp_path):
    copy = shutil.copytree(weather, tmp_path / "met")
    chosen = config(copy, subgrid_dir=tmp_path)
    model = stilt.Model(project=tmp_path / "case", receptors=[RECEPTOR], config=chosen)
    stilt.push_simulations(model, model.register_pending())
    assert model.pending() == []
    path = copy / "era5" / "single-levels.nc"
    changed = xr.load_dataset(path)
    changed["sp"] = changed["sp"] + 100.0
    # The process that has read the file keeps it open.
    changed.to_netcdf(path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)
    again = stilt.Model(project=tmp_path / "case")
    assert len(again.pending()) == 1


def remarks(config, receptors):
    listed = [stilt.PointReceptor(*each) for each in receptors]
    return nest_remarks(catalogue_of(config.mets, "fine"), listed, -2)


def test_a_finer_meteorology_that_is_not_used_is_named(weather, tmp_path):
    """A wrong folder would leave the coarser one in its place, and nobody would know."""
    later, earlier = RECEPTOR, ("2023-07-15 17:00", *RECEPTOR[1:])
    kept = {"subgrid_dir": tmp_path}
    assert remarks(config(weather, **kept), [later, earlier]) == []
    (said,) = remarks(config(weather, directory=tmp_path / "typo", **kept), [later, earlier])
    assert said.startswith("The finer weather of fine is there for 0 of 2 times of receptors;")
    assert said.endswith("for the weather of fine: correct directory in config.yaml.")
    (said,) = remarks(config(weather, directory=weather / "short", **kept), [later, earlier])
    assert "is there for 1 of 2 times of receptors, and for a part of the hours of 1;" in said
    assert "lacks 1 of the analyses needed: 2023-07-15 18:00" in said
    (said,) = remarks(config(weather, **kept), [OUTSIDE])
    assert said.startswith("The grid of fine, longitudes -111.")
    assert said.endswith("holds none of the receptors: is that meant?")
    model = stilt.Model(
        project=tmp_path / "case",
        receptors=[later],
        config=config(weather, directory=tmp_path / "typo", **kept),
    )
    said = weather_report(model.files, model.register_pending()).remarks
    assert (
        sum(text.startswith("The finer weather of fine is there for 0 of 1") for text in said) == 1
    )


def test_a_receptor_within_any_grid_of_a_nest_has_its_weather(weather):
    wide = latlon_grid(-118.0, 37.0, 0.5, 0.5, 30, 20, levels=(), vertical_flag=0)
    chosen = config(weather, directory=weather / "wide", file_format="%Y", subgrid_enable=False)
    made = [on_pressures(on_grid(truth(t), wide), np.array(PRESSURES_HPA, float)) for t in HOURS]
    write_arl(weather / "wide" / "2023", made[0].grid, made)
    beside = stilt.PointReceptor("2023-07-15 18:00", -115.5, 40.5, 30.0)
    (found,) = check_coverage(catalogue_of(chosen.mets, "fine"), [beside], -3)
    assert found.status is Coverage.COVERED
    (found,) = check_coverage(catalogue_of(chosen.mets, "era5"), [beside], -3)
    assert found.outside_grid


def test_a_nest_names_meteorologies_that_there_are(tmp_path):
    met = {"directory": tmp_path, "format": "era5"}
    with pytest.raises(ConfigFieldError, match="'around' is not a meteorology under mets"):
        stilt.ModelConfig(mets={"fine": {**met, "nested_in": "around"}})


@pytest.mark.parametrize(
    ("nests", "told"),
    [
        ({"a": "a"}, "'a' in 'a'"),
        ({"a": "b", "b": ["a"]}, "'a' in 'b' in 'a'"),
        ({"a": "b", "b": "c", "c": "b"}, "'b' in 'c' in 'b'"),
        ({"a": ["c", "b"], "b": "d", "c": [], "d": "b"}, "'b' in 'd' in 'b'"),
    ],
)
def test_meteorologies_nested_in_a_circle_are_refused(tmp_path, nests, told):
    met = {"directory": tmp_path, "format": "era5"}
    mets = {name: {**met, "nested_in": outer} for name, outer in nests.items()}
    with pytest.raises(ConfigFieldError, match=f"{told} is a circle"):
        stilt.ModelConfig(mets=mets)


def test_a_grid_that_two_are_nested_in_is_no_circle(tmp_path):
    met = {"directory": tmp_path, "format": "era5"}
    nests = {"a": ["b", "c"], "b": "c", "c": []}
    mets = {name: {**met, "nested_in": outer} for name, outer in nests.items()}
    assert stilt.ModelConfig(mets=mets).simulated_mets == ("a",)


@pytest.fixture
def tight(monkeypatch):
    """Every grid is large, and its particles are expected to stay near."""
    monkeypatch.setattr(reach, "LARGE_NODES", 0)
    monkeypatch.setattr(reach, "MARGIN_KM", 0.0)
    monkeypatch.setattr(reach, "LATTICE_DEG", 0.125)


def cropped_nest(weather, fastest_wind, n_hours=-1):
    usual = {"format": "era5", "fastest_wind": fastest_wind}
    return stilt.ModelConfig(
        mets={
            "fine": {"directory": weather / "fine-era5", "nested_in": "era5", **usual},
            "era5": {"directory": weather / "era5", **usual},
        },
        n_hours=n_hours, numpar=200, seed=1,
    )  # fmt: skip


def particles(folder, receptors, config):
    model = stilt.Model(project=folder, receptors=receptors, config=config)
    outcome = stilt.push_simulations(model, model.register_pending())
    assert outcome.counts["complete"] == len(receptors), model.failures()
    return [found.particles for found in model.trajectories.load()]


def test_each_grid_of_a_nest_is_cropped_to_what_particles_reach(weather, tight):
    catalogue = catalogue_of(cropped_nest(weather, 20.0).mets, "fine")
    _, lon, lat, _ = RECEPTOR
    chosen = catalogue.reach_of(lon, lat, -1)
    whole = catalogue.select(HOURS[2], HOURS[3])
    parts = catalogue.select(HOURS[2], HOURS[3], chosen)
    assert [part.time for part in parts] == [ref.time for ref in whole]
    for part, ref in zip(parts, whole, strict=True):
        assert part.grid.ref_lon == ref.grid.ref_lon
        assert part.grid.nx * part.grid.ny < 0.6 * ref.grid.nx * ref.grid.ny
        assert part.grid.contains(lon, lat)
    # Of a finer grid that is out of reach there is nothing.
    _, lon, lat, _ = OUTSIDE
    parts = catalogue.select(HOURS[2], HOURS[3], catalogue.reach_of(lon, lat, -1))
    assert {part.grid.ref_lon for part in parts} == {0.125}


def test_particles_in_cropped_grids_go_where_they_go_in_whole_ones(weather, tight, tmp_path):
    (cropped,) = particles(tmp_path / "cropped", [RECEPTOR], cropped_nest(weather, 25.0, -2))
    (whole,) = particles(tmp_path / "whole", [RECEPTOR], cropped_nest(weather, None, -2))
    assert len(cropped) == len(whole)
    apart = np.hypot(*(cropped - whole)[["long", "lati"]].to_numpy().T)
    assert np.mean(apart < 1e-4) > 0.9


def test_results_do_not_depend_on_which_receptors_share_a_run(weather, tight, tmp_path):
    """Receptors with areas of their own, one of them out of reach of the finer grid."""
    earlier = ("2023-07-15 17:40", *RECEPTOR[1:])
    chosen = [RECEPTOR, OUTSIDE, earlier]
    together = particles(tmp_path / "together", chosen, cropped_nest(weather, 20.0))
    alone = [
        particles(tmp_path / str(number), [each], cropped_nest(weather, 20.0))[0]
        for number, each in enumerate(chosen)
    ]
    assert {len(table) for table in together} == {200 * 60}
    for table in alone:
        assert sum(table.equals(other) for other in together) == 1
