"""One Prefect API for a run: the user's own, or the private server of this process."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flows.private_server import SERVERS, PrivateServer
from flows.settings import load_prefect, our_prefect, prefect_with, user_api_url
from stilt.errors import UsageError
from stilt.execution.child_server import one_certificate
from stilt.execution.environment import environment
from stilt.execution.proxies import reached_directly

DRAIN_TIMEOUT_S = 20.0
ANSWER_TIMEOUT_S = 10.0


@contextmanager
def prefect_api(home: Path) -> Iterator[str]:
    """Use one Prefect API in a block and in all workers started in it; yields its URL.

    It is the user's API if there is one, else the private server with its state in `home`, which
    is launched if this process has none and lives on after the block.
    """
    with ExitStack() as stack:
        stack.enter_context(our_prefect())
        url = user_api_url()
        if url is None:
            server = stack.enter_context(SERVERS.in_use(home))
            url = server.url
            stack.enter_context(reached_directly(url))
            stack.enter_context(_set_in_prefect(_settings_for(server)))
            server.wait()
        else:
            stack.enter_context(reached_directly(url))
            if urlsplit(url).scheme == "http":
                stack.enter_context(_set_in_prefect({"api.ssl_cert_file": one_certificate(home)}))
        stack.callback(drain_clients)
        yield url


def _settings_for(server: PrivateServer) -> dict[str, object]:
    """Return settings of Prefect for a private server.

    The user's block for results is not known to it. Heartbeats of flow runs are off: the end of a
    run would wait for the last one.
    """
    return {
        "api.url": server.url,
        "server.ephemeral.enabled": False,
        "results.local_storage_path": server.home / "storage",
        "results.default_storage_block": None,
        "client.csrf_support_enabled": False,
        "flows.heartbeat_frequency": None,
        "api.ssl_cert_file": one_certificate(server.home),
    }


@contextmanager
def _set_in_prefect(settings: Mapping[str, object]) -> Iterator[None]:
    """Set settings of Prefect: in this context, in its background threads, in child processes.

    Args:
        settings: as for :func:`flows.settings.prefect_with`.
    """
    from prefect import context

    variables: dict[str, str | None] = {
        f"PREFECT_{path.replace('.', '_').upper()}": None if value is None else str(value)
        for path, value in settings.items()
    }
    if "results.default_storage_block" in settings:  # under its other name, too
        variables["PREFECT_DEFAULT_RESULT_STORAGE_BLOCK"] = None
    everywhere = context.GLOBAL_SETTINGS_CONTEXT
    with environment(variables), prefect_with(settings):
        # Threads that Prefect starts look here.
        context.GLOBAL_SETTINGS_CONTEXT = context.get_settings_context()
        try:
            yield
        finally:
            context.GLOBAL_SETTINGS_CONTEXT = everywhere


def drain_clients() -> None:
    """Send what Prefect's background clients still hold, before their server or we go away."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    def drain() -> None:
        for worker in (APILogWorker, EventsWorker):
            worker.drain_all(timeout=DRAIN_TIMEOUT_S, at_exit=False)

    # In a thread, because a running event loop would turn the calls into awaitables.
    thread = threading.Thread(target=drain)
    thread.start()
    thread.join()


def check_reachable(url: str) -> None:
    """Refuse to start when the user's Prefect API does not answer, or refuses access.

    Prefect's own client asks, so that certificates, proxies and passwords count as in the run.

    Raises:
        UsageError: no address, no connection, or no password; any other answer counts as reachable.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise UsageError(
            f"PREFECT_API_URL is '{url}', which is not the address of an API: it looks like "
            "http://127.0.0.1:4200/api."
        )
    load_prefect()
    import httpx

    try:
        with reached_directly(url):
            _ask(url)
    except httpx.HTTPStatusError as error:
        if error.response.status_code in (401, 403):
            raise UsageError(
                f"The Prefect API at {url} asks for a password or key: set PREFECT_API_AUTH_STRING "
                "to what its PREFECT_SERVER_API_AUTH_STRING is, or PREFECT_API_KEY for Prefect "
                "Cloud."
            ) from error
    except httpx.HTTPError as error:
        unknown = "CERTIFICATE_VERIFY_FAILED" in str(error)
        advice = "name its certificate in PREFECT_API_SSL_CERT_FILE" if unknown else "start it"
        raise UsageError(
            f"The Prefect API at {url} does not answer ({error}): {advice}, or unset "
            "PREFECT_API_URL to let the run start a private server."
        ) from error
    except (OSError, ValueError, ImportError) as error:
        raise UsageError(
            f"The Prefect API at {url} cannot be asked ({error}): see that it is the address of an "
            "API, that PREFECT_API_SSL_CERT_FILE names a certificate, if it is set, and that your "
            "proxy is one that Prefect's client can use."
        ) from error


def _ask(url: str) -> None:
    """Send the API at `url` one small request, which needs a password where others do."""
    from prefect.client.base import ServerType
    from prefect.client.orchestration import get_client

    patience: dict[str, Any] = {"timeout": ANSWER_TIMEOUT_S}
    with (
        prefect_with({"api.url": url, "client.max_retries": 0}),
        get_client(sync_client=True, httpx_settings=patience) as client,
    ):
        if client.server_type is not ServerType.CLOUD:
            client.api_version()
        elif (error := client.api_healthcheck()) is not None:
            raise error
