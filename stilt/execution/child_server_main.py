"""The process of a :class:`stilt.execution.child_server.ChildServer`: serve until its parent ends.

Run as a script, with ``--fd N`` for a listening socket (so that the port is known before the
application is imported, and cannot be lost to another program), the parent's process id, and
standard input a pipe that the parent holds open.
"""

from __future__ import annotations

import argparse
import os
import select
import signal
import socket
import threading

GRACE_S = 10.0
PARENT_CHECK_S = 1.0
KEEP_ALIVE_S = 3600


def stop_with_parent(parent: int) -> None:
    """Wait until a parent has ended, however it did, then end this process.

    Its pipe closes then, unless a process forked from it holds a copy.

    Args:
        parent: its process id.
    """
    # Not through sys.stdin, whose lock a thread that waits would hold when Python ends.
    while os.getppid() == parent:
        ready, _, _ = select.select([0], [], [], PARENT_CHECK_S)
        if ready and not os.read(0, 4096):
            break
    threading.Timer(GRACE_S, os._exit, args=(1,)).start()
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """Serve an ASGI application on the socket whose descriptor is given."""
    parser = argparse.ArgumentParser(description="Serve an application until the parent ends.")
    parser.add_argument("--fd", type=int, required=True, help="a listening TCP socket")
    parser.add_argument("--parent", type=int, required=True, help="its process id")
    parser.add_argument("application", help="MODULE:FUNCTION that returns the application")
    arguments = parser.parse_args()
    threading.Thread(target=stop_with_parent, args=(arguments.parent,), daemon=True).start()

    import uvicorn

    config = uvicorn.Config(
        arguments.application,
        factory=True,
        lifespan="on",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
        # A connection that ends while a client sends costs it two seconds; workers ask seldom.
        timeout_keep_alive=KEEP_ALIVE_S,
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=arguments.fd)])


if __name__ == "__main__":
    main()
