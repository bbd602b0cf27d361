"""The device that a configuration asks for: chosen before JAX is imported, or refused at once."""

from __future__ import annotations

from unittest.mock import Mock

import pytest

import stilt
from stilt.errors import UsageError
from stilt.execution.setup import prepare_process, refuse_missing_gpu, worker_environment


def with_device(make_model, device):
    model = make_model(1)
    execution = model.config.execution.model_copy(update={"device": device})
    return stilt.Model(
        project=model.project,
        receptors=list(model.receptors),
        config=model.config.with_changes(execution=execution),
    )


@pytest.mark.parametrize(
    ("device", "n_workers", "platform"),
    [("auto", 1, None), ("auto", 2, "cpu"), ("cpu", 1, "cpu"), ("gpu", 1, "cuda")],
)
def test_only_one_worker_on_auto_leaves_the_choice_to_jax(device, n_workers, platform):
    assert worker_environment(device, n_workers).get("JAX_PLATFORMS") == platform


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_nothing_is_asked_of_jax_without_need(make_model, device, monkeypatch):
    monkeypatch.setattr("subprocess.run", None)
    refuse_missing_gpu(with_device(make_model, device).files)


def test_a_missing_gpu_stops_a_run_with_one_sentence(make_model, monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    model = with_device(make_model, "gpu")
    with pytest.raises(UsageError, match=r"^execution\.device is gpu .* or set device: auto\.$"):
        model.run()
    counts = model.status()
    assert (counts["pending"], counts["failed"]) == (1, 0)


def test_a_missing_gpu_stops_push_and_pull(make_model, monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    model = with_device(make_model, "gpu")
    ids = model.register_pending()
    with pytest.raises(UsageError, match="unset JAX_PLATFORMS, which is cpu"):
        stilt.push_simulations(model, ids)
    with pytest.raises(UsageError, match="finds no GPU"):
        stilt.pull_simulations(model)
    assert model.status()["pending"] == 1


def test_a_batch_that_finds_no_gpu_fails_with_the_sentence(make_model, monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    model = with_device(make_model, "gpu")
    summary = stilt.execution.run_batch(str(model.output_root), model.register_pending())
    assert summary.n_failed == 1
    assert "finds no GPU on this machine" in summary.failures[0][2]


def test_a_platform_of_the_environment_that_is_not_there_is_named(make_model, monkeypatch):
    """As where JAX_PLATFORMS is set for other programs; JAX itself fails without a word."""
    monkeypatch.setattr("shutil.which", lambda name: None)
    project = with_device(make_model, "auto").files
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    with pytest.raises(UsageError, match="JAX_PLATFORMS is cuda in this environment"):
        refuse_missing_gpu(project)
    monkeypatch.setattr("jax.default_backend", Mock(side_effect=AssertionError))
    with pytest.raises(UsageError, match="unset it, or set it to cpu"):
        prepare_process(project)
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    refuse_missing_gpu(project)
    prepare_process(project)
