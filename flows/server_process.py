"""The process of a private Prefect server: serve on an inherited socket until the parent is gone.

Run as a script by :mod:`flows.server`, with ``--fd N`` for a listening socket (so that the port
is known before Prefect is imported, and cannot be lost to another program) and standard input
a pipe that the parent holds open: when the parent dies, however it dies, the pipe closes and
the server stops.
"""

from __future__ import annotations

import argparse
import gc
import os
import signal
import socket
import threading
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

GRACE_S = 10.0
KEEP_ALIVE_S = 3600
SELDOM = timedelta(seconds=5)
POLICY = (
    b"content-security-policy",
    b"default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:",
)


def stop_with_parent() -> None:
    """Wait until standard input closes, then end this process."""
    # Not through sys.stdin, whose lock a thread that waits would hold when Python ends.
    while os.read(0, 4096):
        pass
    threading.Timer(GRACE_S, os._exit, args=(1,)).start()
    os.kill(os.getpid(), signal.SIGTERM)


def confined(app: ASGIApp) -> ASGIApp:
    """The application, whose pages a browser may let talk to this server only.

    Args:
        app: Prefect's; its newer interface asks a service elsewhere for settings of its usage
            reports, whether reports are turned off or not.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], POLICY]
            await send(message)

        await app(scope, receive, with_policy if scope["type"] == "http" else send)

    return answer


def application() -> ASGIApp:
    """Prefect's application, quicker to start and to keep when it only records a run."""
    # A third of a million objects that stay: looking through them for garbage takes as long as
    # making some of them.
    gc.disable()
    from prefect.server.api import background_workers
    from prefect.server.api.server import create_app

    gc.freeze()
    gc.enable()
    if "PREFECT__SERVER_EPHEMERAL" not in os.environ:
        return confined(create_app())
    # Nothing is scheduled here that a run waits for, and looking four times a second takes one
    # per cent of a core for as long as the run lasts.
    background_workers.Worker = partial(  # type: ignore[assignment, misc]
        background_workers.Worker, minimum_check_interval=SELDOM, scheduling_resolution=SELDOM
    )
    return create_app()


def main() -> None:
    """Serve Prefect's API on the socket whose descriptor is given."""
    parser = argparse.ArgumentParser(description="Serve Prefect's API for one stilt run.")
    parser.add_argument("--fd", type=int, required=True, help="a listening TCP socket")
    parser.add_argument("--home", required=True, help="where the state lives (shown by ps)")
    arguments = parser.parse_args()
    threading.Thread(target=stop_with_parent, daemon=True).start()

    import uvicorn

    config = uvicorn.Config(
        application,
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
