"""What the process of a private Prefect server serves: Prefect's application, trimmed for a run."""

from __future__ import annotations

import gc
import os
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import FastAPI, Request, Response
    from starlette.middleware.base import RequestResponseEndpoint

SELDOM = timedelta(seconds=5)
POLICY = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:"
"""A browser lets its pages talk to this server only: Prefect's newer interface asks a service
elsewhere for settings of its usage reports, whether reports are turned off or not."""


async def confined(request: Request, answer: RequestResponseEndpoint) -> Response:
    """Add :data:`POLICY` to the answer to a request."""
    response = await answer(request)
    response.headers["content-security-policy"] = POLICY
    return response


def application() -> FastAPI:
    """Return Prefect's application, quicker to start and to keep when it only records a run."""
    # A third of a million objects that stay: looking through them for garbage takes as long as
    # making some of them.
    gc.disable()
    from prefect.server.api import background_workers
    from prefect.server.api.server import create_app

    gc.freeze()
    gc.enable()
    if "PREFECT__SERVER_EPHEMERAL" not in os.environ:
        app = create_app()
        app.middleware("http")(confined)
        return app
    # Nothing is scheduled here that a run waits for, and looking four times a second takes one
    # per cent of a core for as long as the run lasts.
    background_workers.Worker = partial(  # type: ignore[assignment, misc]
        background_workers.Worker, minimum_check_interval=SELDOM, scheduling_resolution=SELDOM
    )
    return create_app()
