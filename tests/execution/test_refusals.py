"""`stilt check` says beforehand, in the same words, what a run refuses."""

import json
import os
from importlib import import_module

import pytest
import stilt_fakes as fakes
from click.testing import CliRunner

import stilt
from stilt.cli import cli
from stilt.errors import StiltError
from stilt.execution import refusals
from stilt.execution.backend import get_executor

WIDE = {"xmin": -180, "xmax": 180, "ymin": -90, "ymax": 90, "xres": 0.05, "yres": 0.05}
METRES = {"projection": "+proj=utm +zone=12 +datum=WGS84", "xres": 1e7, "yres": 1e4}
COVERED = {
    "met": "fake", "receptor": "x", "complete": False, "status": "covered", "reason": "",
    "detail": "", "missing_hours": [], "looked_for": [], "files": 1, "height": "",
    "overlap": "", "weather": [], "lacks": "",
}  # fmt: skip
REFUSED = {
    "backend": ({"execution": {"backend": "nonsense"}}, "Unknown execution backend: 'nonsense'"),
    "option": ({"execution": {"backend": "dask", "adress": "x"}}, "did you mean 'address'"),
    "contradiction": (
        {"execution": {"backend": "dask", "address": "tcp://x:1", "cluster": "y.Z"}},
        "takes an address or a cluster",
    ),
    "far": ({"execution": {"backend": "dask", "address": "tcp://far:8786"}}, "set PREFECT_API_URL"),
    "prefect": ({"execution": {"backend": "prefect"}}, "needs a Prefect server"),
    "gpu": ({"execution": {"device": "gpu"}}, "JAX finds no GPU"),
    "memory": (
        {"footprints": {"wide": {"grid": WIDE}}},
        r"footprints.wide.grid: 25,920,000 cells times 2 layer\(s\) need 0.4 GB .* has 0.1 GB",
    ),
    "no cell": (
        {"footprints": {"thin": {"grid": {**fakes.GRID, **METRES}}}},
        "footprints.thin.grid: The grid has no cell along x",
    ),
    "particles": ({"numpar": 1_000_000}, "numpar: 1000000 over 2 hours needs 13.4 GB"),
}


@pytest.fixture(autouse=True)
def no_prefect_and_no_gpu(monkeypatch):
    """A machine without the user's own Prefect API, and without a GPU."""
    import flows.backends
    import flows.dask_backend
    import flows.submission

    for module in (flows.backends, flows.dask_backend, flows.submission):
        monkeypatch.setattr(module, "user_api_url", lambda: None)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(refusals, "machine_memory_bytes", lambda: 100_000_000)
    check = import_module("stilt.cli.check")
    monkeypatch.setattr(
        check,
        "coverage_report",
        lambda model, complete: check.CoverageReport([COVERED] * len(model.receptors), [], []),
    )


@pytest.mark.parametrize("kind", REFUSED)
def test_check_says_what_run_refuses(make_model, steer, kind):
    changes, sentence = REFUSED[kind]
    model = make_model(2, **changes)
    model.store_inputs()
    told = CliRunner().invoke(cli, ["check", str(model.output_root)])
    assert told.exit_code == 2, told.output
    (said,) = refusals.refusals(model.files)
    assert f"Refused: {said}" in told.output
    with pytest.raises(StiltError, match=sentence) as refused:
        model.run()
    assert str(refused.value) == said
    assert fakes.starts(steer) == {}


@pytest.mark.parametrize("kind", ["memory", "no cell", "particles"])
def test_all_entry_points_refuse_what_cannot_be(make_model, steer, kind):
    changes, sentence = REFUSED[kind]
    model = make_model(2, **changes)
    ids = model.register_pending()
    for use in (
        lambda: model.run(),
        lambda: stilt.push_simulations(model, ids),
        lambda: stilt.pull_simulations(model),
    ):
        with pytest.raises(StiltError, match=sentence):
            use()
    assert model.status()["pending"] == 2
    assert fakes.starts(steer) == {}


def test_one_layer_may_fit_where_many_do_not(make_model, monkeypatch):
    grids = {"hourly": {"grid": fakes.GRID}, "whole": {"grid": fakes.GRID, "time_integrate": True}}
    config = make_model(1, footprints=grids, numpar=1, n_hours=-2).config
    monkeypatch.setattr(refusals, "machine_memory_bytes", lambda: 8 * 36)
    said = [text for text in refusals.impossible(config) if text.startswith("footprints")]
    assert len(said) == 1
    assert said[0].startswith("footprints.hourly.grid: 36 cells times 2 layer(s)")


def test_folders_that_cannot_be_written_are_named(make_model, monkeypatch, tmp_path):
    model = make_model(1)
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: real(path, mode) and path != tmp_path)
    said = refusals.refusals(model.files)
    assert len(said) == 1
    assert str(model.output_root) in said[0]
    assert "--output-dir" in said[0]


def test_a_good_project_is_not_refused_and_check_leaves_nothing(make_model):
    model = make_model(2)
    model.store_inputs()
    before = sorted(model.output_root.rglob("*"))
    assert refusals.refusals(model.files) == []
    assert sorted(model.output_root.rglob("*")) == before


def test_check_lists_refusals_as_json(make_model):
    model = make_model(2, **REFUSED["backend"][0])
    model.store_inputs()
    told = CliRunner().invoke(cli, ["check", str(model.output_root), "--json"])
    assert told.exit_code == 2
    first, *others = json.loads(told.stdout)["result"]
    assert (first["reason"], first["status"]) == ("REFUSED", "refused")
    assert len(others) == 2
    assert set(first) == set(others[0])


def test_every_backend_can_be_checked():
    for name in ("local", "dask", "prefect"):
        assert callable(get_executor({"backend": name}).check)
