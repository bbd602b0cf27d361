import os
import shutil
import signal
import sqlite3
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest
from prefect.settings import (
    PREFECT_API_SSL_CERT_FILE,
    PREFECT_API_TLS_INSECURE_SKIP_VERIFY,
    get_current_settings,
    temporary_settings,
)
from private_certificate import make_certificate

from flows.api import _set_in_prefect, _settings_for, check_reachable, prefect_api
from flows.private_server import SERVERS, PrivateServer
from stilt.errors import UsageError
from stilt.execution.child_server import ServerError


def runs(pid: int) -> bool:
    """Whether a process runs; one that waits to be reaped does not."""
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout
    return bool(state.strip()) and not state.startswith("Z")


def eventually(condition, timeout_s: float = 30.0) -> bool:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return False


@pytest.fixture
def no_user_api(api: str) -> Iterator[None]:
    """A process whose user has no Prefect API, and which has no server of its own yet."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PREFECT_API_URL")
        patch.setattr("flows.api.user_api_url", lambda: None)
        patch.setattr(SERVERS, "_servers", {})
        yield
        SERVERS.stop()


def answers(url: str) -> bool:
    with urllib.request.urlopen(f"{url}/health", timeout=10) as answer:
        return bool(answer.status == 200)


def test_a_server_lives_on_for_the_next_run_however_the_first_one_ends(
    no_user_api: None, tmp_path: Path
) -> None:
    home = tmp_path / "state"
    urls = []

    def interrupted_work() -> None:
        with prefect_api(home) as url:
            assert os.environ["PREFECT_API_URL"] == url
            urls.append(url)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted_work()
    assert "PREFECT_API_URL" not in os.environ
    server = SERVERS.of(home)
    assert server.url == urls[0]
    assert answers(urls[0])
    with prefect_api(home) as url:
        assert url == urls[0]
    SERVERS.stop()
    assert not runs(server.pid)
    with pytest.raises(urllib.error.URLError):
        answers(url)


def test_a_server_that_has_died_is_replaced(no_user_api: None, tmp_path: Path) -> None:
    with prefect_api(tmp_path):
        dead = SERVERS.of(tmp_path)
    os.kill(dead.pid, signal.SIGKILL)
    assert eventually(lambda: not dead.usable)
    with prefect_api(tmp_path) as url:
        assert url != dead.url
        assert answers(url)


def test_a_server_whose_state_was_deleted_is_replaced(no_user_api: None, tmp_path: Path) -> None:
    home = tmp_path / "state"
    with prefect_api(home):
        old = SERVERS.of(home)
    shutil.rmtree(home)
    with prefect_api(home) as url:
        assert url != old.url
        assert (home / "prefect.db").exists()
    assert eventually(lambda: not runs(old.pid))


def test_another_project_ends_the_server_of_the_last_one_unless_it_is_in_use(
    no_user_api: None, tmp_path: Path
) -> None:
    with prefect_api(tmp_path / "a") as url:
        a = SERVERS.of(tmp_path / "a")
        b = SERVERS.of(tmp_path / "b")
        SERVERS.stop()
        assert eventually(lambda: not runs(b.pid))
        assert a is SERVERS.of(tmp_path / "a")
        assert answers(url)
        b = SERVERS.of(tmp_path / "b")
    c = SERVERS.of(tmp_path / "c")
    assert eventually(lambda: not runs(a.pid) and not runs(b.pid))
    assert runs(c.pid)


IN_A_FORK = """
import os, signal, sys
from pathlib import Path
from flows.private_server import SERVERS
server = SERVERS.of(Path(sys.argv[1]))
child = os.fork()
if not child:
    mine = SERVERS.of(Path(sys.argv[2]))
    assert mine.pid != server.pid
    print(server.pid, mine.pid, flush=True)
    sys.exit()
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
os.kill(server.pid, 0)
assert SERVERS.of(Path(sys.argv[1])) is server
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
def test_a_fork_neither_uses_nor_stops_the_server_of_its_parent(tmp_path: Path) -> None:
    command = [sys.executable, "-c", IN_A_FORK, str(tmp_path / "parent"), str(tmp_path / "child")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for pid in map(int, done.stdout.split()):
        assert not runs(pid), "each ends with its own process"


def test_a_run_after_a_broken_one_does_not_look_for_its_server(tmp_path: Path) -> None:
    code = (
        "import sys, threading\n"
        "from pathlib import Path\n"
        "from flows.settings import user_api_url\n"
        "from flows.api import prefect_api\n"
        "try:\n"
        "    with prefect_api(Path(sys.argv[1])):\n"
        "        raise OSError\n"
        "except OSError:\n"
        "    pass\n"
        "seen = [user_api_url()]\n"
        "asks = threading.Thread(target=lambda: seen.append(user_api_url()))\n"
        "asks.start(); asks.join()\n"
        "assert seen == [None, None], seen\n"
    )
    variables = {**os.environ, "PREFECT_HOME": str(tmp_path / "no-profile-here")}
    variables.pop("PREFECT_API_URL", None)
    command = [sys.executable, "-c", code, str(tmp_path / "state")]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


HOLDS_A_SERVER = """
import os, sys, time
from pathlib import Path
from flows.private_server import PrivateServer
print(PrivateServer(Path(sys.argv[1])).pid, flush=True)
if sys.argv[2] == "forked" and not os.fork():
    print(os.getpid(), flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("how", ["alone", "forked"])
def test_a_server_ends_with_a_parent_that_is_killed(tmp_path: Path, how: str) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", HOLDS_A_SERVER, str(tmp_path), how],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert parent.stdout is not None
    server = int(parent.stdout.readline())
    # It holds a copy of the pipe whose end tells the server.
    fork = int(parent.stdout.readline()) if how == "forked" else None
    try:
        assert runs(server)
        parent.kill()
        parent.wait()
        assert eventually(lambda: not runs(server))
    finally:
        parent.stdout.close()
        if fork is not None:
            os.kill(fork, signal.SIGKILL)


def test_a_server_that_cannot_start_says_where_its_log_is(tmp_path: Path) -> None:
    (tmp_path / "prefect.db").write_bytes(b"no database" * 1000)
    server = PrivateServer(tmp_path)
    try:
        with pytest.raises(ServerError, match=r"server\.log"):
            server.wait()
    finally:
        server.stop()


def test_a_new_project_starts_from_a_migrated_database(api: str, tmp_path: Path) -> None:
    PrivateServer(tmp_path).stop()
    with sqlite3.connect(tmp_path / "prefect.db") as database:
        assert database.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)
        assert database.execute("SELECT count(*) FROM flow_run").fetchone() == (0,)


def test_a_database_of_a_later_prefect_is_set_aside(api: str, tmp_path: Path) -> None:
    database = tmp_path / "prefect.db"
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR)")
        connection.execute("INSERT INTO alembic_version VALUES ('of a later one')")
    connection.close()
    (tmp_path / "prefect.version").write_text("99.1.2")
    later = database.read_bytes()
    server = PrivateServer(tmp_path)
    try:
        server.wait(120)
    finally:
        server.stop()
    assert (tmp_path / "prefect-99.1.2.db").read_bytes() == later
    assert (tmp_path / "prefect.version").read_text() == version("prefect")


def test_settings_of_the_users_own_server_are_not_those_of_a_private_one(
    api: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "PREFECT_SERVER_API_AUTH_STRING": "admin:secret",
        "prefect_server_api_auth_string": "admin:secret",
        "PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED": "true",
        "PREFECT_SERVER_API_BASE_PATH": "/elsewhere",
        "PREFECT_SERVER_DATABASE_DRIVER": "postgresql+asyncpg",
        "PREFECT_SERVER_DATABASE_HOST": "db.example.org",
        "PREFECT_API_DATABASE_CONNECTION_URL": "postgresql+asyncpg://db.example.org/prefect",
        "PREFECT_SERVER_DOCKET_URL": "redis://redis.example.org:6379/0",
        "PREFECT_MESSAGING_BROKER": "prefect_redis.messaging",
        "PREFECT_PROFILE": "mine",
        "PREFECT_PROFILES_PATH": str(tmp_path / "profiles.toml"),
        "PREFECT_API_SSL_CERT_FILE": str(tmp_path / "missing.pem"),
    }.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "profiles.toml").write_text(
        'active = "mine"\n[profiles.mine]\nPREFECT_SERVER_API_AUTH_STRING = "admin:secret"\n'
    )
    (tmp_path / ".env").write_text("PREFECT_SERVER_API_AUTH_STRING=admin:secret\n")
    (tmp_path / "prefect.toml").write_text('[server.api]\nauth_string = "admin:secret"\n')
    monkeypatch.chdir(tmp_path)
    server = PrivateServer(tmp_path / "state")
    try:
        server.wait(120)
        with urllib.request.urlopen(f"{server.url}/admin/version") as answer:
            assert answer.status == 200
        change = urllib.request.Request(
            f"{server.url}/flows/", b'{"name": "x"}', {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(change) as answer:
            assert answer.status == 201
    finally:
        server.stop()


def test_results_are_not_sought_where_another_server_knows_of(
    api: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_DEFAULT_RESULT_STORAGE_BLOCK", "s3-bucket/mine")
    monkeypatch.setenv("PREFECT_RESULTS_LOCAL_STORAGE_PATH", "/nowhere")
    code = (
        "from prefect.settings import get_current_settings as s; r = s().results\n"
        "print(r.default_storage_block or None, r.local_storage_path)"
    )
    server = SimpleNamespace(home=tmp_path, url=api)
    with _set_in_prefect(_settings_for(server)):  # type: ignore[arg-type]
        results = get_current_settings().results
        child = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert results.default_storage_block is None
    assert results.local_storage_path == tmp_path / "storage"
    assert child.split() == ["None", str(tmp_path / "storage")]


class Api(BaseHTTPRequestHandler):
    """Answers as a Prefect API of this version would, or asks for a password."""

    asks_for_password = False

    def do_GET(self) -> None:
        open_to_all = self.path == "/api/health" or not self.asks_for_password
        self.send_response(200 if open_to_all else 401)
        self.end_headers()
        self.wfile.write(b'"3.8.8"')

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served() -> Iterator[Callable[..., str]]:
    """Serve an API for a test: returns its address without the scheme."""
    servers = []

    def serve(handler: type[Api], context: ssl.SSLContext | None = None) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"127.0.0.1:{server.server_address[1]}/api"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A private certificate for 127.0.0.1, with its key."""
    return make_certificate(tmp_path)


def test_an_api_with_a_private_certificate_is_reached_as_prefect_reaches_it(
    served: Callable[..., str], certificate: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    url = f"https://{served(Api, context)}"
    with pytest.raises(UsageError, match=r"does not answer .*PREFECT_API_SSL_CERT_FILE"):
        check_reachable(url)
    with temporary_settings({PREFECT_API_SSL_CERT_FILE: str(certificate)}):
        check_reachable(url)
    with temporary_settings({PREFECT_API_TLS_INSECURE_SKIP_VERIFY: True}):
        check_reachable(url)
    with (
        temporary_settings({PREFECT_API_SSL_CERT_FILE: "/nowhere.pem"}),
        pytest.raises(UsageError, match=r"cannot be asked .*PREFECT_API_SSL_CERT_FILE"),
    ):
        check_reachable(url)


def test_an_api_that_asks_for_a_password_says_so_before_the_run(
    served: Callable[..., str],
) -> None:
    closed = type("Closed", (Api,), {"asks_for_password": True})
    with pytest.raises(UsageError, match="asks for a password or key: set PREFECT_API_AUTH_STRING"):
        check_reachable(f"http://{served(closed)}")


def test_an_api_that_does_not_answer_is_the_users_mistake() -> None:
    with pytest.raises(UsageError, match="does not answer"):
        check_reachable("http://127.0.0.1:9/api")


@pytest.mark.parametrize("text", ["127.0.0.1:4200/api", "localhost:4200/api", "api"])
def test_what_is_no_address_is_the_users_mistake(text: str) -> None:
    with pytest.raises(UsageError, match="is not the address of an API"):
        check_reachable(text)


def test_a_taken_port_is_the_users_mistake(tmp_path: Path, api: str) -> None:
    port = int(api.split(":")[2].split("/")[0])
    with pytest.raises(UsageError, match=f"Port {port} is in use"):
        PrivateServer(tmp_path, ui=True, port=port)
