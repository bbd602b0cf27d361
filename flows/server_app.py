"""What the process of a private Prefect server serves: Prefect's application, trimmed for a run."""

from __future__ import annotations

import gc
import os
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

SELDOM = timedelta(seconds=5)
POLICY = (
    b"content-security-policy",
    b"default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:",
)


def confined(app: ASGIApp) -> ASGIApp:
    """Return the application, whose pages a browser may let talk to this server only.

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
    """Return Prefect's application, quicker to start and to keep when it only records a run."""
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
