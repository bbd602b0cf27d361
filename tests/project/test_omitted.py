"""Whatever combines results says in one sentence how many selected simulations have none."""

import logging
from functools import partial

import numpy as np
import pytest
import stilt_fakes as fakes
import xarray as xr

import stilt
from stilt.errors import UsageError
from stilt.execution import run_batch
from stilt.outputs.collection import LEFT_OUT

NUMBER, MADE = 5, 3
LAYOUTS = {"files": {}, "store": {"output": {"layout": "store"}}}
LON, LAT = np.arange(-118.0, -105.0, 0.5), np.arange(35.0, 46.0, 0.5)
FLUX = xr.DataArray(
    np.ones((LAT.size, LON.size)),
    {"lat": LAT, "lon": LON},
    ("lat", "lon"),
    attrs={"units": "umol m-2 s-1"},
)


@pytest.fixture(params=list(LAYOUTS))
def partly(request, tmp_path, faked):
    """Five receptors: three are complete, one of them with an empty footprint; one has failed."""
    config = fakes.config(**LAYOUTS[request.param])
    model = stilt.Model(tmp_path / "case", receptors=fakes.receptors(NUMBER), config=config)
    ids = model.register_pending()
    fakes.wish(faked, "empty", ids[1])
    fakes.wish(faked, "fail", ids[3])
    run_batch(str(model.output_root), ids[: MADE + 1])
    model.index.fold()
    return model


def said_by(caplog, use):
    """Return what is said of simulations without results when something is called; its value."""
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        value = use()
    told = [record.getMessage() for record in caplog.records]
    return [text for text in told if "simulations have no" in text], value


def combined(model, folder):
    """Return by name: what to call, what is lacking, and what follows."""
    feet, particles = model.footprints["default"], model.trajectories
    grid, days = model.config.footprints["default"].grid, ["2022-12-31", "2023-01-03"]
    of_feet = {
        "mean": (feet.mean, "are not in the mean"),
        "sum": (feet.sum, "are not in the sum"),
        "load": (feet.load, LEFT_OUT),
        "paths": (feet.paths, LEFT_OUT),
        "select": (feet.select, LEFT_OUT),
        "plot": (lambda: feet.plot, "are not in the picture"),
        "enhancement": (partial(feet.enhancement, FLUX), "have no row in the table"),
        "jacobian": (partial(feet.jacobian, grid, days), "have no row in the matrix"),
        "open": (feet.open, LEFT_OUT),
        "open along time": (partial(feet.open, along="time"), LEFT_OUT),
        "files": (partial(feet.export, f"{folder}/feet/"), LEFT_OUT),
        "netcdf": (partial(feet.export, folder / "feet.nc"), LEFT_OUT),
    }
    of_particles = {
        "load particles": (particles.load, LEFT_OUT),
        "paths of particles": (particles.paths, LEFT_OUT),
        "open particles": (particles.open, LEFT_OUT),
        "particles in parquet": (partial(particles.export, folder / "p.parquet"), LEFT_OUT),
    }
    return {
        **{name: (use, "footprint 'default'", then) for name, (use, then) in of_feet.items()},
        **{name: (use, "particles", then) for name, (use, then) in of_particles.items()},
    }


def test_every_combination_says_once_what_it_leaves_out(partly, tmp_path, caplog):
    complete = partly.simulations.ids(state="complete")
    assert len(complete) == MADE
    lacking = sorted(set(partly.simulations.ids()) - set(complete))[0]
    for name, (use, lack, therefore) in combined(partly, tmp_path).items():
        told, _ = said_by(caplog, use)
        expected = f"2 of 5 simulations have no {lack}, {lacking} for example, and {therefore}: "
        assert len(told) == 1, name
        assert told[0].startswith(expected), name
        assert told[0].endswith("says why some failed."), name


def test_nothing_is_said_where_all_that_is_selected_is_there(partly, tmp_path, caplog):
    ids = partly.simulations.ids(state="complete")
    for name, (use, _, _) in combined(partly, tmp_path).items():
        if name != "plot":  # it draws all
            assert said_by(caplog, lambda use=use: use(state="complete"))[0] == [], name
    window = (ids[0].split("_")[1], ids[1].split("_")[1])
    told, mean = said_by(caplog, lambda: partly.footprints["default"].mean(time_range=window))
    assert told == []
    assert mean.sum() > 0


def test_a_state_counts_among_what_is_selected(partly, caplog):
    feet = partly.footprints["default"]
    for use in (feet.load, feet.open):
        told, _ = said_by(caplog, lambda use=use: use(state=["complete", "failed"]))
        assert told[0].startswith("1 of 4 simulations have no footprint 'default'")


def test_where_nothing_is_there_lists_are_empty_and_say_so(partly, caplog):
    feet = partly.footprints["default"]
    told, found = said_by(caplog, lambda: feet.load(state="failed"))
    assert found == []
    assert told[0].startswith("1 of 1 simulations have no footprint 'default'")
    told, found = said_by(caplog, lambda: feet.enhancement(FLUX, state="failed"))
    assert len(found) == 0
    assert told[0].startswith("1 of 1 simulations")
    # An error says why by itself.
    caplog.clear()
    with pytest.raises(UsageError, match="in this state"):
        feet.open(state="failed")
    assert "simulations have no" not in caplog.text


def test_a_report_of_what_is_going_on_says_nothing_of_it(partly, caplog):
    from stilt.report.write import _readers

    told, readers = said_by(caplog, lambda: _readers(partly, "default"))
    assert told == []
    assert len(readers) == MADE


def test_a_run_with_everything_has_nothing_to_say(make_model, tmp_path, caplog):
    model = make_model(2)
    stilt.push_simulations(model, model.register_pending())
    for name, (use, _, _) in combined(model, tmp_path).items():
        assert said_by(caplog, use)[0] == [], name
