"""Results that an earlier configuration made are used as they are, which is said once a call."""

import logging

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

import stilt
from stilt.cli import cli

SAID = "results used here are of an earlier configuration"


@pytest.fixture
def changed(make_model):
    """Four complete simulations, two of them of an earlier transport."""
    before = make_model(4)
    stilt.push_simulations(before, before.register_pending())
    model = stilt.Model(before.project, config=before.config.with_changes(numpar=12))
    stilt.push_simulations(model, model.register_pending()[:2])
    return model


def flux() -> xr.DataArray:
    lon, lat = np.arange(-113, -110, 0.5), np.arange(40, 42.5, 0.5)
    return xr.DataArray(
        np.ones((lat.size, lon.size)), {"lat": lat, "lon": lon}, ("lat", "lon"),
        attrs={"units": "umol m-2 s-1"},
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore:The flux")
def test_it_is_said_once_by_whatever_reads_a_selection(changed, caplog):
    feet, kept = changed.footprints["default"], changed.trajectories
    for use in (
        feet.mean, feet.load, feet.paths, kept.load, changed.ends,
        lambda: feet.enhancement(flux()), lambda: changed.timeseries({"a": flux()}),
    ):  # fmt: skip
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            use()
        (line,) = [r.getMessage() for r in caplog.records if SAID in r.getMessage()]
        assert line.startswith("2 of 4 ")
        assert "stilt run" in line
    caplog.clear()
    stilt.push_simulations(changed, changed.register_pending())
    assert len(changed.footprints["default"].load()) == 4
    assert SAID not in caplog.text


def test_pictures_say_it_once(changed, tmp_path, caplog):
    changed.store_inputs()
    (tmp_path / "pictures").mkdir()
    ids = changed.simulations.ids(state="stale")
    assert len(ids) == 2
    for words, number in (
        ([], "2 of 4"),
        (["--kind", "series"], "2 of 4"),
        (["--each"], "2 of 4"),
        ([ids[0]], "1 of 1"),
        ([ids[0], "--kind", "particles"], "1 of 1"),
    ):
        caplog.clear()
        command = ["plot", str(changed.project), *words, "--out", f"{tmp_path}/pictures/"]
        done = CliRunner().invoke(cli, [*command, "--dpi", "40"])
        assert done.exit_code == 0, done.output
        (line,) = [r.getMessage() for r in caplog.records if SAID in r.getMessage()]
        assert line.startswith(f"{number} {SAID}")


def test_the_index_is_opened_once_more_at_most(changed, monkeypatch):
    import duckdb

    opened = []
    connect = duckdb.connect
    monkeypatch.setattr(duckdb, "connect", lambda *a, **k: (opened.append(a), connect(*a, **k))[1])
    changed.footprints["default"].load()
    # The ids, and what made them.
    assert len(opened) <= 2
