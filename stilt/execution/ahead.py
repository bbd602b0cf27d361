"""A process that gets ready for the first batch of a run while its own process starts Prefect.

It compiles the transport and prepares weather, and keeps both where every process of this machine
finds them. Importing Prefect and starting its server take seconds of a core; this uses another one.
"""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING

from stilt.compiler import VARIABLE, with_options
from stilt.config.meteorology import FORMATS
from stilt.cores import available_cores
from stilt.errors import StiltError
from stilt.execution.environment import search_path
from stilt.execution.memory import keep_freed_memory, loading
from stilt.execution.programs import any_programs
from stilt.execution.setup import ONE_THREAD_FOR_MATRICES, own_process

if TYPE_CHECKING:
    from stilt.execution.orders import WorkOrder
    from stilt.project.inputs import Project

END_S = 0.5
"""How long it may take to leave what it writes in order."""


class ProcessAhead:
    """A process that imports what computing needs, and then gets ready for an order.

    What goes wrong there is left to the batch, which reports it. Ctrl-C does not reach it; it ends
    with this process, however that ends.
    """

    def __init__(self) -> None:
        own = {
            "PYTHONPATH": search_path(),
            # A GPU has one process, which computes.
            "JAX_PLATFORMS": "cpu",
            VARIABLE: with_options(os.environ.get(VARIABLE, "")),
        }
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "stilt.execution.ahead"],
            env={**ONE_THREAD_FOR_MATRICES, **os.environ, **own},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        self._orders = self._process.stdin
        self._has_order = False

    def get_ready(self, order: WorkOrder) -> None:
        """Have it compile, and prepare weather, for one order; called once."""
        self._has_order = True
        with suppress(OSError):
            self._orders.write(pickle.dumps(order))
            self._orders.flush()

    def stop(self) -> None:
        """Have it begin nothing more; what it compiles it completes, for that may be waited for."""
        with suppress(OSError):
            self._orders.close()

    def end(self) -> None:
        """End it."""
        self.stop()
        try:
            self._process.wait(END_S if self._has_order else 0.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def process_ahead() -> Iterator[ProcessAhead | None]:
    """Have such a process during a block; None without a second core, or where none can start."""
    process = None
    if available_cores() > 1:
        with suppress(OSError):
            process = ProcessAhead()
    try:
        yield process
    finally:
        if process is not None:
            process.end()


def reads_alike(project: Project) -> bool:
    """Return whether another process reads a project's weather as this one does.

    It need not where a class of the user's own reads it, which a script may have set up otherwise.
    """
    return all(met.format in FORMATS for met in project.config.mets.values())


def main() -> None:
    """Get ready for the order that comes by standard input, until that is closed."""
    own_process()
    keep_freed_memory()
    with loading():
        for module in ("meteorology.nest", "meteorology.formats", "execution.warm_up", "transport"):
            import_module(f"stilt.{module}")
    try:
        order: WorkOrder = pickle.load(sys.stdin.buffer)
    except EOFError:
        return
    over = threading.Event()

    def wait_for_end() -> None:
        # Not through sys.stdin, whose lock a thread that waits would hold when Python ends.
        while os.read(0, 4096):
            pass
        over.set()

    threading.Thread(target=wait_for_end, daemon=True).start()
    with suppress(StiltError):
        _get_ready(order, over.is_set)


def _get_ready(order: WorkOrder, over: Callable[[], bool]) -> None:
    from stilt.execution.warm_up import compile_ahead, prepare_meteorology

    files, sim_ids, receptors = order.place.open(), order.batch.sim_ids, order.receptors
    on_cpu = files.config.execution.device == "cpu" or shutil.which("nvidia-smi") is None
    compiled_before = any_programs(files.runtime.cache_dir)
    # Compiling takes longest, and who waits for it prepares weather meanwhile.
    if on_cpu and not compiled_before:
        compile_ahead(files, sim_ids, receptors)
    prepare_meteorology(files, sim_ids, over, receptors)
    if on_cpu and compiled_before and not over():
        compile_ahead(files, sim_ids, receptors)


if __name__ == "__main__":
    main()
