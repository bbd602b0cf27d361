"""A worker process of this project's own pool.

It takes jobs from the socket whose descriptor it is given and answers with results, until the
socket closes. It never imports the script of its parent, so that needs no ``__main__`` guard.
"""

from __future__ import annotations

import signal
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection

from stilt.execution.memory import keep_freed_memory
from stilt.execution.setup import end_with_parent, pin_worker
from stilt.interrupts import interruptible

READY = "ready"


def main(descriptor: int, number: int, n_workers: int) -> None:
    """Serve jobs until the parent closes the socket or dies.

    Args:
        descriptor: of the socket to the parent.
        number: of this worker, from 0.
        n_workers: how many share the cores.
    """
    end_with_parent()
    keep_freed_memory()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pin_worker(number, n_workers)
    connection = Connection(descriptor)
    with suppress(ConnectionError, KeyboardInterrupt):
        connection.send(READY)
        while True:
            try:
                target, arguments = connection.recv()
            except EOFError:
                return
            module, _, name = target.partition(":")
            function = getattr(import_module(module), name)
            # Between jobs SIGTERM ends the process at once: there is nothing to put in order.
            with interruptible():
                result = function(**arguments)
            connection.send(result)
