import os
from pathlib import Path

import pytest

from stilt.cache import user_cache
from stilt.config import RuntimeSettings
from stilt.execution import run_batch
from stilt.execution.compiled import compilation_cache
from stilt.execution.setup import computing_environment
from stilt.project.inputs import Project

FOLDER = "JAX_COMPILATION_CACHE_DIR"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty user cache, and no variable of an earlier test."""
    for name in ("STILT_CACHE_DIR", "JAX_PLATFORMS", *compilation_cache()):
        # Set first, so that what a test leaves in the environment is taken back.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "stilt"


def test_the_cache_is_the_users_unless_told_otherwise(cache, monkeypatch, tmp_path):
    assert user_cache() == cache
    monkeypatch.setenv("STILT_CACHE_DIR", str(tmp_path / "other"))
    assert user_cache() == tmp_path / "other"
    assert user_cache(tmp_path / "chosen") == tmp_path / "chosen"


def test_a_batch_sets_the_cache_up_for_its_process(make_model, cache):
    model = make_model()
    run_batch(str(model.project), model.register_pending()[:1])
    assert Path(os.environ[FOLDER]).is_relative_to(cache / "compiled")
    assert Path(os.environ[FOLDER]).is_dir()


def test_settings_in_code_move_the_cache(make_model, tmp_path):
    runtime = RuntimeSettings(cache_dir=tmp_path / "moved")
    files = Project(tmp_path / "case", runtime=runtime, config=make_model().config)
    variables = computing_environment(files, 2)
    assert Path(variables[FOLDER]).is_relative_to(tmp_path / "moved")
    assert variables["JAX_PLATFORMS"] == "cpu"


def test_a_users_own_cache_stays(make_model, cache, monkeypatch, tmp_path):
    monkeypatch.setenv(FOLDER, str(tmp_path / "mine"))
    assert FOLDER not in computing_environment(make_model().files)
    assert not cache.exists()


def test_a_home_that_cannot_be_written_costs_only_the_cache(monkeypatch, tmp_path, caplog):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert compilation_cache() == {}
    assert "not kept" in caplog.text
