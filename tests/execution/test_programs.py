"""Compiled programs from files: the same numbers in any process, and nobody else's JAX changed."""

import hashlib
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from synthetic_weather import Laboratory, model_config, release

from stilt.execution import programs
from stilt.execution.programs import StoredPrograms, _one_compiles
from stilt.transport import run_transport

# JAX has computed before the transport is thought of, as in a notebook.
NOTEBOOK = """
    import os, sys
    from pathlib import Path
    import jax.numpy as jnp
    jnp.ones(3).block_until_ready()
    from test_programs import digest_of, laboratory
    from stilt.execution.programs import StoredPrograms
    folder = Path(sys.argv[1])
    print(digest_of(laboratory(folder / "theirs"), StoredPrograms(folder / "programs")))
    print(os.environ.get("XLA_FLAGS", "none"))
"""

# A worker whose JAX has the program in its own cache, as after a change that leaves the program as
# it was.
WORKER = """
    import sys
    from pathlib import Path
    from stilt.compiler import request_options
    request_options()
    from test_programs import digest_of, laboratory
    from stilt.execution.programs import StoredPrograms
    folder = Path(sys.argv[1])
    digest_of(laboratory(folder / "first"))
    import jax
    jax.clear_caches()
    digest_of(laboratory(folder / "second"), StoredPrograms(folder / "programs"))
"""


def laboratory(folder: Path) -> Laboratory:
    folder.mkdir()
    return Laboratory(folder).weather(({"UWND": 3.0, "VWND": -1.0}, {"U10M": 1.0}))


def digest_of(lab: Laboratory, source: StoredPrograms | None = None) -> str:
    """Digest of the particles of two hours."""
    given = {} if source is None else {"programs": source}
    table = run_transport(
        [release(30.0)], lab.refs, model_config(n_hours=-2), cache_dir=lab.folder, **given
    )[0]
    return hashlib.sha256(np.ascontiguousarray(table.to_numpy()).tobytes()).hexdigest()


@pytest.fixture(autouse=True)
def nothing_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "_programs", {})


def test_a_notebook_that_has_used_jax_gives_the_bytes_of_a_worker(tmp_path: Path) -> None:
    ours = digest_of(laboratory(tmp_path / "ours"))
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    environment = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"} | {"PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(NOTEBOOK), str(tmp_path)],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    theirs, flags = done.stdout.split()
    assert theirs == ours
    assert flags == "none", "their XLA was changed"
    assert len(list((tmp_path / "programs").glob("*.program"))) == 1
    # This process loads what the other one's helper has compiled.
    source = StoredPrograms(tmp_path / "programs")
    assert digest_of(laboratory(tmp_path / "again"), source) == ours
    assert len(list((tmp_path / "programs").glob("*.program"))) == 1


def test_a_program_from_the_cache_of_jax_is_kept_whole(tmp_path: Path) -> None:
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    environment = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"} | {
        "PYTHONPATH": path,
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    for code in (WORKER, NOTEBOOK):
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert list((tmp_path / "jax").iterdir())
    assert len(list((tmp_path / "programs").glob("*.program"))) == 1
    assert done.stdout.split()[0] == digest_of(laboratory(tmp_path / "ours"))


@pytest.mark.parametrize("damage", ["empty", "half", "zeros"])
def test_a_damaged_program_is_compiled_again(
    tmp_path: Path, damage: str, caplog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "_keep", lambda path, made: path.write_bytes(b"x" * 1000))
    lab = laboratory(tmp_path / "lab")
    source = StoredPrograms(tmp_path / "programs")
    (tmp_path / "programs").mkdir()
    first = digest_of(lab, source)
    (kept,) = (tmp_path / "programs").glob("*.program")
    content = {"empty": b"", "half": b"x" * 500, "zeros": bytes(1000)}[damage]
    kept.write_bytes(content)
    programs._programs.clear()
    assert digest_of(lab, StoredPrograms(tmp_path / "programs")) == first
    assert "was damaged and is compiled again" in caplog.text


def test_without_a_folder_it_is_compiled_here(tmp_path: Path) -> None:
    lab = laboratory(tmp_path / "lab")
    assert digest_of(lab, StoredPrograms(None)) == digest_of(lab)


def test_who_waits_for_a_compiler_does_something_else_until_it_is_done(tmp_path: Path) -> None:
    path = tmp_path / "a.program"
    was_over = []
    with _one_compiles(path, lambda over: pytest.fail("nobody compiles it yet")):
        # Another process would wait for the lock; here it is given up meanwhile.
        def meanwhile(over):
            was_over.append(over())
            path.touch()
            was_over.append(over())
            raise OSError("the other one has ended")

        with _one_compiles(path, meanwhile):
            assert was_over == [False, True]


def test_the_programs_used_last_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "KEPT", 3)
    for number in range(5):
        path = tmp_path / f"{number}.program"
        path.touch()
        os.utime(path, (number, number))
    programs._forget_oldest(tmp_path)
    assert sorted(path.stem for path in tmp_path.glob("*.program")) == ["2", "3", "4"]
