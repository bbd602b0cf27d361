"""Compiled code that is damaged on disk is removed before JAX reads it, and compiled again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest
from damage import DAMAGE

from stilt.execution import compiled_check
from stilt.execution.compiled import compilation_cache

FOLDER = "JAX_COMPILATION_CACHE_DIR"

CODE = """
import logging, os, sys
logging.basicConfig(stream=sys.stdout, format="%(message)s")
from stilt.execution.compiled import compilation_cache
os.environ.update(compilation_cache())
import jax
print(float(jax.jit(lambda x: (x * x + 1.0).sum())(jax.numpy.arange(7.0))))
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty user cache, in this process and those that it starts."""
    for name in (FOLDER, "STILT_CACHE_DIR"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(compiled_check, "_looked_at", set())
    return Path(compilation_cache()[FOLDER])


def another_process() -> None:
    compiled_check._looked_at.clear()


def entry(cache: Path, name: str, content: bytes) -> Path:
    """Put an entry into the cache as JAX does, packed by zlib."""
    path = cache / f"{name}-cache"
    path.write_bytes(zlib.compress(content * 4000))
    (cache / f"{name}-atime").write_bytes(bytes(8))
    return path


def test_jax_compiles_again_without_a_warning_and_says_why_once(cache):
    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", CODE], capture_output=True, text=True, check=True
        )

    first = run()
    assert first.stdout == "98.0\n"
    made = {path.name for path in cache.glob("*-cache")}
    for path in cache.glob("*-cache"):
        DAMAGE["cut"](path)
    second = run()
    said, result = second.stdout.splitlines()
    assert "Compiled code was damaged" in said
    assert (result, second.stderr) == ("98.0", "")
    assert {path.name for path in cache.glob("*-cache")} == made
    third = run()
    assert (third.stdout, third.stderr) == ("98.0\n", "")


@pytest.mark.parametrize("seen_before", [True, False])
@pytest.mark.parametrize("kind", DAMAGE)
def test_only_damaged_entries_are_removed(cache, kind, seen_before, caplog):
    whole, damaged = entry(cache, "whole", b"abc"), entry(cache, "damaged", b"xyz")
    mark = cache / "programs" / "x.compiled"
    mark.parent.mkdir()
    mark.touch()
    if seen_before:
        another_process()
        compilation_cache()
        assert mark.exists()
    DAMAGE[kind](damaged)
    another_process()
    compilation_cache()
    assert whole.exists()
    assert not damaged.exists()
    assert not (cache / "damaged-atime").exists()
    assert not mark.exists()
    assert len(caplog.messages) == 1


def test_an_entry_in_the_place_of_another_is_removed(cache):
    one, other = entry(cache, "one", b"abc"), entry(cache, "other", b"xyz")
    another_process()
    compilation_cache()
    other.write_bytes(one.read_bytes())
    another_process()
    compilation_cache()
    assert one.exists()
    assert not other.exists()


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'{"one-cache": 1}'])
def test_damaged_digests_cost_no_more_than_compiling(cache, content):
    entry(cache, "one", b"abc")
    (cache / "digests.json").write_bytes(content)
    another_process()
    compilation_cache()
    assert isinstance(json.loads((cache / "digests.json").read_bytes()), dict)


def test_a_lost_time_of_use_is_replaced(cache):
    entry(cache, "one", b"abc")
    (cache / "one-atime").unlink()
    another_process()
    compilation_cache()
    assert len((cache / "one-atime").read_bytes()) == 8


def test_what_this_process_has_compiled_is_trusted_however_it_is_packed(cache, monkeypatch):
    monkeypatch.setenv(FOLDER, str(cache))
    begun = time.time() - 1.0
    path = cache / "new-cache"
    path.write_bytes(b"packed by another library")
    os.utime(path)
    compiled_check.remember(cache, begun)
    another_process()
    compilation_cache()
    assert path.exists()


def test_a_users_own_cache_of_jax_is_left_alone(cache, monkeypatch, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "x-cache").write_bytes(b"no zlib")
    monkeypatch.setenv(FOLDER, str(mine))
    compilation_cache()
    compiled_check.remember(mine, 0.0)
    assert (mine / "x-cache").exists()
    assert not (mine / "digests.json").exists()
