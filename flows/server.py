"""One Prefect API for a run: the user's own, or a private server that lives as long as the run.

Starting a server takes seconds of importing, so it is launched first and awaited last: the
caller loads Prefect and JAX, plans and prepares weather in between.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from contextvars import ContextVar
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from flows.database_template import copy_template, keep_template, template_of_user
from flows.environment import OFFLINE, user_api_url
from flows.proxies import direct_variables, reached_directly
from stilt.atomic import atomic_path
from stilt.errors import StiltError, UsageError
from stilt.execution.environment import environment

logger = logging.getLogger(__name__)

STARTUP_TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 15.0
DRAIN_TIMEOUT_S = 20.0
ANSWER_TIMEOUT_S = 10.0

_SCRIPT = Path(__file__).with_name("server_process.py")

_SERVER_SETTINGS = OFFLINE | {
    "PREFECT__SERVER_EPHEMERAL": "1",  # only the services that record runs, no scheduler
    "PREFECT__SERVER_FINAL": "1",
    "PREFECT_SERVER_UI_ENABLED": "false",
    "PREFECT_SERVER_UI_V2_ENABLED": "false",  # it calls elsewhere; see flows/server_process.py
    "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
    "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "WARNING",
}

_MIGRATED_SETTINGS = {
    "PREFECT_API_DATABASE_MIGRATE_ON_START": "false",
    "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
}
"""For a database in which an earlier start of the same Prefect has done both."""


_ANSWERED: ContextVar[str] = ContextVar("_ANSWERED", default="")


class ServerError(StiltError):
    """The private Prefect server did not start; its log says why."""


def state_directory(output_root: str | os.PathLike[str]) -> Path:
    """Where a project's private Prefect server keeps its database and log."""
    return Path(output_root) / ".stilt" / "prefect"


class PrivateServer:
    """A Prefect server of our own: launched at once, healthy later, gone with this process.

    Args:
        home: directory of its state, created when missing; on a local disk.
        ui: serve the web interface and all background services as well.
        port: TCP port on 127.0.0.1; 0 takes a free one.
    """

    def __init__(self, home: Path, *, ui: bool = False, port: int = 0) -> None:
        self.home = home.resolve()
        self.home.mkdir(parents=True, exist_ok=True)
        self.log = self.home / "server.log"
        self._starting = FileLock(str(self.home / "starting.lock"), timeout=STARTUP_TIMEOUT_S)
        self._template = template_of_user()
        self._answered = threading.Event()
        stop_stale_servers(self.home)
        try:
            self._starting.acquire()
        except Timeout as error:
            raise ServerError(
                f"Another Prefect server has been starting in '{self.home}' for minutes: stop it, "
                "or delete that directory."
            ) from error
        try:
            self._fresh = not self.database.exists()
            if self._fresh and copy_template(self.database):
                self._version.write_text(version("prefect"))
                self._fresh = False
            self._launch(ui, port)
        except BaseException:
            self._starting.release()
            raise

    @property
    def database(self) -> Path:
        """The server's SQLite file."""
        return self.home / "prefect.db"

    @property
    def _version(self) -> Path:
        return self.home / "prefect.version"

    def _migrated(self) -> bool:
        """Whether the database is one of this Prefect, so that a start changes nothing in it."""
        if not (self.database.exists() and self._version.exists()):
            return False
        return self._version.read_text() == version("prefect")

    @property
    def url(self) -> str:
        """The address for PREFECT_API_URL."""
        return f"http://127.0.0.1:{self.port}/api"

    def _launch(self, ui: bool, port: int) -> None:
        settings = _SERVER_SETTINGS | {
            "PREFECT_HOME": str(self.home),
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{self.database}",
        }
        if self._migrated():
            settings |= _MIGRATED_SETTINGS
        with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", port))
            except OSError as error:
                raise UsageError(f"Port {port} is in use: choose another with --port.") from error
            listener.listen(128)
            self.port: int = listener.getsockname()[1]
            if ui:
                del settings["PREFECT__SERVER_EPHEMERAL"]
                settings["PREFECT_SERVER_UI_ENABLED"] = "true"
                settings["PREFECT_UI_API_URL"] = self.url
            command = [sys.executable, "-P", str(_SCRIPT)]
            with self.log.open("ab") as log:
                self._process = subprocess.Popen(
                    [*command, "--fd", str(listener.fileno()), "--home", str(self.home)],
                    env=_environment_of_server() | direct_variables(self.url) | settings,
                    cwd=self.home,  # settings in files of the current folder are the user's too
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    pass_fds=[listener.fileno()],
                    start_new_session=True,  # Ctrl-C reaches us, not the server that records it
                )
        self._record = self.home / f"server-{self._process.pid}.json"
        record = {"pid": self._process.pid, "parent": os.getpid(), "url": self.url}
        self._record.write_text(json.dumps(record))
        threading.Thread(target=self._await, daemon=True).start()

    def _await(self) -> None:
        # The socket listens already, so this request waits in its queue until the server is up.
        directly = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with (
            suppress(OSError),
            directly.open(f"{self.url}/health", None, STARTUP_TIMEOUT_S) as answer,
        ):
            if answer.status == 200:
                self._answered.set()

    @property
    def ready(self) -> bool:
        """Whether the server answers, asked without waiting."""
        return self._answered.is_set()

    def wait(self, timeout_s: float = STARTUP_TIMEOUT_S) -> None:
        """Return when the server answers.

        Raises:
            ServerError: it ended, or did not answer within `timeout_s` seconds.
        """
        deadline = time.monotonic() + timeout_s
        while not self._answered.wait(0.05):
            if self._process.poll() is not None:
                raise ServerError(
                    f"The private Prefect server ended with code {self._process.returncode} while "
                    f"starting: see '{self.log}'."
                )
            if time.monotonic() > deadline:
                raise ServerError(
                    f"The private Prefect server did not answer within {timeout_s:.0f} s: see "
                    f"'{self.log}', or set PREFECT_API_URL to a server of your own."
                )
        if self._fresh:
            keep_template(self.database, self._template)
            self._fresh = False
        self._version.write_text(version("prefect"))
        self._starting.release()

    def stop(self) -> None:
        """End the server; harmless when it has ended already."""
        if self._process.poll() is None:
            # Killing spares the seconds of a start-up that nobody needs any more, but not in the
            # middle of a migration.
            if self.ready or not self._migrated():
                self._process.terminate()
            else:
                self._process.kill()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._starting.release()
        if self._process.stdin:
            self._process.stdin.close()
        self._record.unlink(missing_ok=True)

    def wait_until_ended(self) -> int:
        """Block until the server process ends; its exit code."""
        return self._process.wait()


@contextmanager
def prefect_api(home: Path, server: PrivateServer | None = None) -> Iterator[str]:
    """One API for a block of code and all worker processes started in it; yields its URL.

    The user's API is used when there is one. Otherwise `server`, or a new private server with
    its state in `home`, which is stopped when the block ends, however it ends.
    """
    url = user_api_url()
    if url is not None:
        if url != _ANSWERED.get():
            check_reachable(url)
        with reached_directly(url), _answered(url):
            try:
                yield url
            finally:
                drain_clients()
        return
    server = server or PrivateServer(home)
    try:
        with reached_directly(server.url), _pointed_at(server):
            server.wait()
            with _answered(server.url):
                try:
                    yield server.url
                finally:
                    drain_clients()
    finally:
        server.stop()


@contextmanager
def _answered(url: str) -> Iterator[None]:
    """Remember for a block that the API at `url` has answered, so that it is asked once a run."""
    token = _ANSWERED.set(url)
    try:
        yield
    finally:
        _ANSWERED.reset(token)


@contextmanager
def _pointed_at(server: PrivateServer) -> Iterator[None]:
    """Point Prefect at a server: in this context, in its background threads, in child processes.

    A block for results that the user has registered with another server is not known to this one.
    """
    storage = server.home / "storage"
    certificate = _one_certificate(server.home)
    variables = {
        "PREFECT_API_URL": server.url,
        "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
        "PREFECT_RESULTS_LOCAL_STORAGE_PATH": str(storage),
        # Unset: Prefect takes an empty name for a block's.
        "PREFECT_RESULTS_DEFAULT_STORAGE_BLOCK": None,
        "PREFECT_DEFAULT_RESULT_STORAGE_BLOCK": None,
        "PREFECT_API_SSL_CERT_FILE": str(certificate),
    }
    from prefect.context import refresh_global_settings_context
    from prefect.settings import (
        PREFECT_API_SSL_CERT_FILE,
        PREFECT_API_URL,
        PREFECT_RESULTS_DEFAULT_STORAGE_BLOCK,
        PREFECT_RESULTS_LOCAL_STORAGE_PATH,
        PREFECT_SERVER_EPHEMERAL_ENABLED,
        temporary_settings,
    )

    settings = {
        PREFECT_API_URL: server.url,
        PREFECT_SERVER_EPHEMERAL_ENABLED: False,
        PREFECT_RESULTS_LOCAL_STORAGE_PATH: storage,
        PREFECT_RESULTS_DEFAULT_STORAGE_BLOCK: None,
        PREFECT_API_SSL_CERT_FILE: str(certificate),
    }
    try:
        with environment(variables):
            refresh_global_settings_context()
            with temporary_settings(settings):
                yield
    finally:
        # However the block ended: a later run in this process must not look for its server.
        refresh_global_settings_context()


def _one_certificate(home: Path) -> Path:
    """A file with one certificate, for clients of a server that has no use for any.

    Every client of Prefect reads all that the file holds, two clients for each task: some 40 ms
    of a core with the usual hundred of them.
    """
    path = home / "certificate.pem"
    if not path.exists():
        import certifi

        first, mark, _ = certifi.contents().partition("-----END CERTIFICATE-----")
        with atomic_path(path) as part:
            part.write_text(f"{first}{mark}\n", encoding="utf-8")
    return path


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
    """Refuse to start when the user's Prefect API does not answer, or lets nobody in.

    It is asked by Prefect's own client, so that certificates, proxies and passwords in Prefect's
    settings count as they will in the run.

    Raises:
        UsageError: no address, no connection, or no password; any other answer counts as reachable.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise UsageError(
            f"PREFECT_API_URL is '{url}', which is no address of an API: it looks like "
            "http://127.0.0.1:4200/api."
        )
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
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.settings import (
        PREFECT_API_AUTH_STRING,
        PREFECT_API_KEY,
        PREFECT_CLIENT_MAX_RETRIES,
        temporary_settings,
    )

    with (
        temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}),
        SyncPrefectClient(
            url,
            auth_string=PREFECT_API_AUTH_STRING.value(),
            api_key=PREFECT_API_KEY.value(),
            httpx_settings={"timeout": ANSWER_TIMEOUT_S},
        ) as client,
    ):
        if client.server_type is not ServerType.CLOUD:
            client.api_version()
        elif (error := client.api_healthcheck()) is not None:
            raise error


def stop_stale_servers(home: Path) -> None:
    """Stop servers of `home` whose parent process is gone, and forget those that have ended."""
    for record in home.glob("server-*.json"):
        try:
            entry = json.loads(record.read_text())
            pid, parent = int(entry["pid"]), int(entry["parent"])
        except (OSError, ValueError, KeyError):
            record.unlink(missing_ok=True)
            continue
        if _runs(parent):
            continue
        if str(home.resolve()) in _command_of(pid) and _SCRIPT.name in _command_of(pid):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGTERM)
        record.unlink(missing_ok=True)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _command_of(pid: int) -> str:
    """Return the command line of a process; "" when it has ended, or nobody can tell."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ")
    command = ["ps", "-ww", "-o", "command=", "-p", str(pid)]
    with suppress(OSError):  # small containers have no ps
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return ""


def _environment_of_server() -> dict[str, str]:
    """Return our environment without the user's settings of Prefect, for a server elsewhere.

    A password, a database, a base path or plugins of the user's own server would keep the private
    one from starting, or its clients from being let in. Settings are read in any case of letters.
    """
    own = {k: v for k, v in os.environ.items() if not k.upper().startswith("PREFECT_")}
    if path := own.get("PYTHONPATH"):
        # The server has another current folder.
        own["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, path.split(os.pathsep)))
    return own
