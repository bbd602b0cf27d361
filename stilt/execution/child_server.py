"""A server in a child process: it listens at once, answers once started, and ends with us."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from stilt.atomic import atomic_path
from stilt.errors import StiltError, UsageError
from stilt.execution.proxies import THIS_MACHINE

STARTUP_TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 15.0

_SCRIPT = Path(__file__).with_name("child_server_main.py")


class ServerError(StiltError):
    """A server did not start; its log says why."""


def listen(port: int) -> socket.socket:
    """Return a listening TCP socket on this machine.

    Args:
        port: 0 takes a free one.

    Raises:
        UsageError: the port is in use.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((THIS_MACHINE[0], port))
    except OSError as error:
        listener.close()
        raise UsageError(f"Port {port} is in use: choose another with --port.") from error
    listener.listen(128)
    return listener


class ChildServer:
    """A child process that serves an ASGI application on a socket.

    The child ends with this process, however it ends. Ctrl-C reaches us alone.

    Args:
        listener: from :func:`listen`; the child's from now on.
        application: ``MODULE:FUNCTION``; the function returns the application.
        name: of the server in messages.
        folder: current folder of the child, and of its log, ``server.log``.
        variables: its environment.
        health: path that answers 200 when the server is up.
        started: called in a thread, with whether the server is up: when it first answers, and
            before :meth:`wait` returns; or when it has ended before.

    Attributes:
        pid: of the child.
        log: path of what it writes.
    """

    def __init__(
        self,
        listener: socket.socket,
        application: str,
        *,
        name: str,
        folder: Path,
        variables: Mapping[str, str],
        health: str,
        started: Callable[[bool], None],
    ) -> None:
        self.log = folder / "server.log"
        self._name = name
        self._started = started
        self._answered = threading.Event()
        host, port = listener.getsockname()
        command = [sys.executable, "-P", str(_SCRIPT), "--fd", str(listener.fileno())]
        own = dict(variables)
        if path := own.get("PYTHONPATH"):
            # The child has another current folder.
            own["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, path.split(os.pathsep)))
        with listener, self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--parent", str(os.getpid()), application],
                env=own,
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=[listener.fileno()],
                start_new_session=True,
            )
        self.pid = self._process.pid
        url = f"http://{host}:{port}{health}"
        threading.Thread(target=self._await, args=(url,), daemon=True).start()

    def _await(self, url: str) -> None:
        # The socket listens already, so this request waits in its queue until the server is up.
        directly = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        up = False
        with suppress(OSError), directly.open(url, None, STARTUP_TIMEOUT_S) as answer:
            up = answer.status == 200
        self._started(up)
        if up:
            self._answered.set()

    @property
    def ready(self) -> bool:
        """Whether the server has answered, asked without waiting."""
        return self._answered.is_set()

    @property
    def alive(self) -> bool:
        """Whether the process has not ended, asked without waiting."""
        return self._process.poll() is None

    def wait(self, timeout_s: float = STARTUP_TIMEOUT_S) -> None:
        """Return when the server answers.

        Raises:
            ServerError: it ended, or did not answer within `timeout_s` seconds.
        """
        deadline = time.monotonic() + timeout_s
        while not self._answered.wait(0.05):
            if not self.alive:
                raise ServerError(
                    f"{self._name} ended with code {self._process.returncode} while starting: see "
                    f"'{self.log}'."
                )
            if time.monotonic() > deadline:
                raise ServerError(
                    f"{self._name} did not answer within {timeout_s:.0f} s: see '{self.log}'."
                )

    def wait_until_ended(self) -> int:
        """Block until the process ends; return its exit code."""
        return self._process.wait()

    def stop(self, *, at_once: bool = False) -> None:
        """End the process; harmless when it has ended already.

        Args:
            at_once: do not let it finish what it does.
        """
        if self.alive:
            if at_once:
                self._process.kill()
            else:
                self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.let_go()

    def let_go(self) -> None:
        """Close this process's end of the pipe: the parent's, or a fork's copy of it."""
        if self._process.stdin:
            self._process.stdin.close()


def one_certificate(folder: Path) -> str:
    """Return a file with one certificate, made in a folder: for clients of a server without TLS.

    Each client of Prefect, two for each task, reads the whole file: 40 ms with the usual hundred.
    """
    path = folder / "certificate.pem"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        import certifi

        first, mark, _ = certifi.contents().partition("-----END CERTIFICATE-----")
        with atomic_path(path) as part:
            part.write_text(f"{first}{mark}\n", encoding="utf-8")
    return str(path)
