"""Compiled programs of the transport, kept as files: the same machine code in every process.

XLA takes the options that the transport needs for a whole process only, and before JAX has computed
there. So a program is compiled in a process that has them: this one, if it is a worker or the
command line, else a short-lived one. Every process then loads the file, which takes a tenth of the
time of compiling, and gives the same numbers to the last digit. A user's own JAX is left as it is.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from stilt.atomic import atomic_path
from stilt.compiler import VARIABLE, options_in_force, with_options
from stilt.execution.compiled import compilation_folder
from stilt.execution.environment import search_path
from stilt.notices import notice
from stilt.timing import timed

if TYPE_CHECKING:
    from stilt.transport.particles import Particles
    from stilt.transport.program import Static

logger = logging.getLogger(__name__)

COMPILING_S = 90.0
"""How long a process waits for another one that compiles the same program."""

KEPT = 64
"""Programs of a machine that are kept, the latest used ones."""

Meanwhile = Callable[[Callable[[], bool]], None]

_programs: dict[Path, Callable[..., Any]] = {}

_SOURCES = ("transport", "meteorology", "")


def do_nothing(over: Callable[[], bool]) -> None:
    """Do nothing while another process compiles."""


class StoredPrograms:
    """Programs of the transport from files, compiled first where there is none.

    On a GPU, JAX compiles them in this process, which has the device.

    Args:
        folder: where programs are kept; None keeps none.
        meanwhile: called while another process compiles a program that is needed here, with a
            function that tells whether that is over.
    """

    def __init__(self, folder: Path | None, meanwhile: Meanwhile = do_nothing) -> None:
        self._folder = folder
        self._meanwhile = meanwhile
        self._loaded: dict[Any, Any] = {}

    def run(self, static: Static, arguments: tuple[Any, ...]) -> tuple[Particles, Any]:
        """Run the program for these settings and shapes; see :class:`stilt.transport.Programs`."""
        import jax

        from stilt.transport.device import CPU, device
        from stilt.transport.program import JUST_IN_TIME

        if device() is not CPU:
            return JUST_IN_TIME.run(static, arguments)
        leaves, structure = jax.tree.flatten(arguments)
        key = static, structure, tuple((leaf.shape, leaf.dtype) for leaf in leaves)
        if key not in self._loaded:
            self._loaded[key] = self._program(static, arguments)
        done: tuple[Particles, Any] = self._loaded[key](*arguments)
        return done

    def get_ready(self, static: Static, arguments: tuple[Any, ...]) -> None:
        """Load the program for later runs of this process, compiled and kept if it was not."""
        from stilt.transport.device import CPU, device

        if device() is CPU and self._folder is not None:
            self._program(static, arguments)

    def _program(self, static: Static, arguments: tuple[Any, ...]) -> Callable[..., Any]:
        """Return the program: loaded, or compiled and kept for the others."""
        from stilt.transport.program import JUST_IN_TIME, compiled, shapes_of

        shapes = shapes_of(arguments)
        if self._folder is None:
            if options_in_force():
                return compiled(static, shapes)
            _say_slower("there is no folder to keep compiled code in")
            return lambda *given: JUST_IN_TIME.run(static, given)
        path = self._folder / f"{_digest(static, shapes)}.program"
        if path not in _programs:
            _programs[path] = self._from_file(path, static, shapes)
        return _programs[path]

    def _from_file(self, path: Path, static: Static, shapes: tuple[Any, ...]) -> Callable[..., Any]:
        from stilt.transport.program import JUST_IN_TIME, compiled

        with timed("compile"):
            if (program := _load(path)) is not None:
                return program
            with _one_compiles(path, self._meanwhile):
                if (program := _load(path)) is not None:
                    return program
                if options_in_force():
                    with _without_jax_cache():
                        made = compiled(static, shapes)
                    _keep(path, made)
                    return made
                _compile_elsewhere(path, static, shapes)
        if (program := _load(path)) is not None:
            return program
        _say_slower("its code could not be compiled in another process")
        return lambda *given: JUST_IN_TIME.run(static, given)


def _say_slower(why: str) -> None:
    logger.warning(
        "The transport is compiled with this process's own options, because %s: it is slower, and "
        "its numbers differ in their last digits.", why,
    )  # fmt: skip


@contextmanager
def _one_compiles(path: Path, meanwhile: Meanwhile) -> Iterator[None]:
    """Let one process at a time compile a program; the others wait for it."""
    lock = FileLock(path.with_suffix(".lock"), timeout=COMPILING_S, fallback_to_soft=False)
    # Without a lock (it took too long, or the file system has none) each compiles for itself.
    with suppress(OSError, NotImplementedError):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            meanwhile(path.exists)
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _compile_elsewhere(path: Path, static: Static, shapes: tuple[Any, ...]) -> None:
    """Have a short-lived process compile a program with the transport's options, and keep it."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "stilt.execution.programs", str(path)],
        input=pickle.dumps((static, shapes)),
        env={
            **os.environ,
            "PYTHONPATH": search_path(),
            "JAX_PLATFORMS": "cpu",
            VARIABLE: with_options(os.environ.get(VARIABLE, "")),
        },
        capture_output=True,
        check=False,
    )
    if done.returncode:
        logger.debug("Compiling failed: %s", done.stderr.decode(errors="replace"))


def _compile_here(path: Path) -> None:
    """Compile the program that standard input asks for, and keep it."""
    from stilt.transport.program import compiled

    static, shapes = pickle.load(sys.stdin.buffer)
    with _without_jax_cache():
        made = compiled(static, shapes)
    _keep(path, made)


@contextmanager
def _without_jax_cache() -> Iterator[None]:
    """Compile in full: a program that JAX has read from its own cache lacks code when kept again.

    Running it then fails with "Function ..._kernel not found" (measured with JAX 0.10.2 on a CPU).
    """
    import jax
    from jax.experimental.compilation_cache.compilation_cache import reset_cache

    config: Any = jax.config
    before = config.jax_enable_compilation_cache
    config.update("jax_enable_compilation_cache", False)
    reset_cache()
    try:
        yield
    finally:
        config.update("jax_enable_compilation_cache", before)
        reset_cache()


def _keep(path: Path, program: Any) -> None:
    """Write a compiled program to a file; what cannot be written is compiled again next time."""
    from jax.experimental.serialize_executable import serialize

    file = io.BytesIO()
    pickle.dump(serialize(program), file)
    content = file.getvalue()
    with suppress(OSError), atomic_path(path) as part:
        part.write_bytes(hashlib.sha256(content).digest() + content)
    _forget_oldest(path.parent)


def _load(path: Path) -> Callable[..., Any] | None:
    """Return a kept program; None when there is none, or a damaged one, which is removed."""
    from jax.experimental.serialize_executable import deserialize_and_load

    try:
        raw = path.read_bytes()
    except OSError:
        return None
    check, content = raw[:32], raw[32:]
    if hashlib.sha256(content).digest() == check:
        try:
            program: Callable[..., Any] = deserialize_and_load(*pickle.loads(content))
        except Exception as error:
            logger.debug("%s cannot be loaded: %s", path, error)
        else:
            with suppress(OSError):
                os.utime(path)
            return program
    notice(logger, "Compiled code in %s was damaged and is compiled again.", path)
    with suppress(OSError):
        path.unlink()
    return None


def _forget_oldest(folder: Path) -> None:
    """Keep the programs that were used last."""
    with suppress(OSError):
        paths = sorted(folder.glob("*.program"), key=lambda path: path.stat().st_mtime)
        for path in paths[:-KEPT]:
            path.unlink(missing_ok=True)


def _digest(static: Static, shapes: tuple[Any, ...]) -> str:
    """Return what stands for a program: settings, shapes, source code, compiler options."""
    options = with_options(os.environ.get(VARIABLE, ""))
    text = repr((static, shapes, _source_digest(), options))
    return hashlib.sha256(text.encode()).hexdigest()[:24]


@cache
def _source_digest() -> str:
    """Return a digest of the code that programs are made from, and of how they are kept."""
    root = Path(__file__).parents[1]
    found = hashlib.sha256(Path(__file__).read_bytes())
    for folder in _SOURCES:
        for path in sorted((root / folder).glob("*.py")):
            found.update(path.name.encode() + path.read_bytes())
    return found.hexdigest()


def stored_programs(cache_dir: Path | None, meanwhile: Meanwhile = do_nothing) -> StoredPrograms:
    """Return the programs of this machine.

    Args:
        cache_dir: takes the place of the user's cache folder.
        meanwhile: see :class:`StoredPrograms`.
    """
    return StoredPrograms(_folder(cache_dir), meanwhile)


def any_programs(cache_dir: Path | None) -> bool:
    """Return whether programs are kept for this machine already; see :func:`stored_programs`."""
    folder = _folder(cache_dir)
    return folder is not None and any(folder.glob("*.program"))


def _folder(cache_dir: Path | None) -> Path | None:
    folder = compilation_folder(cache_dir)
    return None if folder is None else folder / "transport"


if __name__ == "__main__":
    _compile_here(Path(sys.argv[1]))
