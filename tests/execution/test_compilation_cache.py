import multiprocessing
import os
import time
from pathlib import Path

import pytest

from stilt.cache import user_cache
from stilt.config import RuntimeSettings
from stilt.execution import compiled, run_batch
from stilt.execution.compiled import compilation_cache, compiled_once
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


def _compile(folder: str, out: str, seconds: float) -> None:
    os.environ[FOLDER] = folder
    with compiled_once("program") as done:
        begun = time.monotonic()
        time.sleep(seconds)
        done()
        ended = time.monotonic()
        time.sleep(seconds)
    Path(out).write_text(f"{begun} {ended}")


def test_two_processes_compile_one_after_the_other(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    outs = [tmp_path / "a", tmp_path / "b"]
    processes = [
        spawn.Process(target=_compile, args=(str(tmp_path / "jax"), str(out), 0.5)) for out in outs
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    first, second = sorted(tuple(map(float, out.read_text().split())) for out in outs)
    # The second goes on when the first has compiled, not when it has ended.
    assert first[1] <= second[0]


def test_who_waits_for_a_compiler_does_something_else_until_it_is_done(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER, str(tmp_path / "jax"))
    was_over = []
    with compiled_once("program", lambda over: pytest.fail("nobody compiles it yet")) as done:

        def meanwhile(over):
            was_over.append(over())
            done()
            was_over.append(over())

        with compiled_once("program", meanwhile):
            assert was_over == [False, True]
    with compiled_once("program", lambda over: pytest.fail("it is compiled")):
        pass


def test_what_is_compiled_makes_nobody_wait(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER, str(tmp_path / "jax"))
    with compiled_once("program") as done:
        done()
        done()
        with compiled_once("program"):
            pass
    with compiled_once("another"), compiled_once("program"):
        pass


def test_an_error_before_the_first_progress_leaves_it_to_the_next(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER, str(tmp_path / "jax"))
    with pytest.raises(RuntimeError), compiled_once("program"):
        raise RuntimeError
    assert not list((tmp_path / "jax").rglob("*.compiled"))
    with compiled_once("program") as done:
        done()
    assert len(list((tmp_path / "jax").rglob("*.compiled"))) == 1


def test_waiting_ends_when_the_other_takes_too_long(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER, str(tmp_path / "jax"))
    monkeypatch.setattr(compiled, "COMPILING_S", 0.2)
    with compiled_once("program"):
        begun = time.monotonic()
        with compiled_once("program"):
            assert 0.1 < time.monotonic() - begun < 5
