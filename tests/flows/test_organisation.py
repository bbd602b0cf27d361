"""Prefect as organisations run it: a real server with a password behind TLS, queues, schedules."""

import base64
import os
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from private_certificate import make_certificate

from stilt import Model

pytestmark = pytest.mark.slow

PASSWORD = "observer:tall-tower"
START_TIMEOUT_S = 120.0
LONG = "2023-07-15 {hour:02d}:00,{longitude:.2f},40.77,30\n"


def free_port() -> int:
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def until(what: Callable[[], object], timeout_s: float = START_TIMEOUT_S) -> object:
    deadline = time.monotonic() + timeout_s
    while not (found := what()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.3)
    return found


class Proxy(BaseHTTPRequestHandler):
    """Ends TLS, and passes requests on to the server behind it."""

    protocol_version = "HTTP/1.1"
    behind = ""

    def _pass_on(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length) if length else None
        headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection")}
        answer = httpx.request(
            self.command, self.behind + self.path, content=body, headers=headers, timeout=60
        )
        self.send_response(answer.status_code)
        for name, value in answer.headers.items():
            if name.lower() not in ("transfer-encoding", "content-encoding", "content-length"):
                self.send_header(name, value)
        self.send_header("content-length", str(len(answer.content)))
        self.end_headers()
        with suppress(OSError):  # the client has gone
            self.wfile.write(answer.content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass_on  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


class Organisation:
    """A Prefect server of an organisation, and what its users and workers set to reach it."""

    def __init__(self, folder: Path, url: str, certificate: Path) -> None:
        self.folder = folder
        kept = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
        self.variables = {
            **kept,
            "PREFECT_HOME": str(folder / "home"),
            "PREFECT_API_URL": url,
            "PREFECT_API_AUTH_STRING": PASSWORD,
            "PREFECT_API_SSL_CERT_FILE": str(certificate),
            # WebSockets of events are no part of what is tried here.
            "PREFECT_LOGGING_LEVEL": "ERROR",
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "http_proxy": "http://127.0.0.1:9",
            "https_proxy": "http://127.0.0.1:9",
            "no_proxy": "127.0.0.1",
        }

    def run(self, *command: object, timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", *map(str, command)], env=self.variables, capture_output=True,
            text=True, timeout=timeout_s, check=False, cwd=self.folder,
        )  # fmt: skip

    def api(self, method: str, path: str, **content: object) -> object:
        answer = httpx.request(
            method,
            self.variables["PREFECT_API_URL"] + path,
            json=content or None,
            headers={"authorization": "Basic " + base64.b64encode(PASSWORD.encode()).decode()},
            verify=ssl.create_default_context(cafile=self.variables["PREFECT_API_SSL_CERT_FILE"]),
            trust_env=False,
            timeout=60,
        )
        answer.raise_for_status()
        return answer.json() if answer.content else None

    @contextmanager
    def worker(self, *arguments: str) -> Iterator[None]:
        log = self.folder / f"worker-{len(list(self.folder.glob('worker-*')))}.log"
        with log.open("w") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "prefect", "worker", "start", "--pool", "tracers",
                 "--prefetch-seconds", "1", *arguments],
                env={**self.variables, "PREFECT_WORKER_QUERY_SECONDS": "1"},
                stdout=file, stderr=subprocess.STDOUT, cwd=self.folder,
            )  # fmt: skip
        try:
            yield
        finally:
            process.terminate()
            process.wait(60)

    def states(self) -> dict[str, str]:
        runs = self.api("POST", "/flow_runs/filter", limit=100)
        return {run["id"]: run["state_name"] for run in runs}


@pytest.fixture(scope="module")
def organisation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Organisation]:
    folder = tmp_path_factory.mktemp("organisation")
    certificate, port = make_certificate(folder), free_port()
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    server = subprocess.Popen(
        [sys.executable, "-m", "prefect", "server", "start", "--port", str(port), "--no-ui"],
        env={
            **kept,
            "PREFECT_HOME": str(folder / "server"),
            "PREFECT_SERVER_API_AUTH_STRING": PASSWORD,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "2",
            "DO_NOT_TRACK": "1",
        },
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder,
    )  # fmt: skip
    behind = f"http://127.0.0.1:{port}"
    front = ThreadingHTTPServer(("127.0.0.1", 0), type("Front", (Proxy,), {"behind": behind}))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    front.socket = context.wrap_socket(front.socket, server_side=True)
    threading.Thread(target=front.serve_forever, daemon=True).start()
    made = Organisation(folder, f"https://127.0.0.1:{front.server_address[1]}/api", certificate)

    def healthy() -> bool:
        try:
            return httpx.get(f"{behind}/api/health", trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    try:
        until(healthy)
        deployed = made.run("stilt", "deploy", "--pool", "tracers", "--type", "process")
        assert deployed.returncode == 0, deployed.stderr
        yield made
    finally:
        server.terminate()
        server.wait(60)
        front.shutdown()
        front.server_close()


def wrong_password(organisation: Organisation) -> dict[str, str]:
    return {**organisation.variables, "PREFECT_API_AUTH_STRING": "observer:wrong"}


def test_a_run_in_this_process_is_recorded_behind_password_and_tls(organisation, new_project):
    root = new_project("recorded")
    ended = organisation.run("stilt", "run", root, "--n-workers", "2")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "Completed" in organisation.states().values()
    refused = subprocess.run(
        [sys.executable, "-m", "stilt", "run", str(root), "--no-skip"],
        env=wrong_password(organisation), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "PREFECT_API_AUTH_STRING" in refused.stderr


def submit(organisation: Organisation, root: Path, queue: str, **parameters: object) -> str:
    deployment = organisation.api("GET", "/deployments/name/simulate/local")
    run = organisation.api(
        "POST", f"/deployments/{deployment['id']}/create_flow_run",
        parameters={"project": str(root), **parameters}, work_queue_name=queue,
    )  # fmt: skip
    return str(run["id"])


def final(organisation: Organisation, *runs: str) -> dict[str, str]:
    ends = ("Completed", "Failed", "Crashed", "Cancelled")

    def ended() -> dict[str, str] | None:
        states = organisation.states()
        mine = {run: states[run] for run in runs}
        return mine if all(state in ends for state in mine.values()) else None

    return dict(until(ended, 400))


def many(new_project, name: str, number: int, numpar: int = 20) -> Path:
    rows = (LONG.format(hour=14 + i % 6, longitude=-112.3 + 0.02 * (i // 6)) for i in range(number))
    root: Path = new_project(name, "time,longitude,latitude,altitude\n" + "".join(rows))
    config = root / "config.yaml"
    config.write_text(config.read_text().replace("numpar: 20", f"numpar: {numpar}"))
    return root


def test_two_workers_of_different_queues_share_a_project(organisation, new_project) -> None:
    root = many(new_project, "shared", 24)
    half = Model(root)
    half.register_pending(half.receptors[:12], scene_id="morning")
    half.register_pending(Model(many(new_project, "other", 24)).receptors[12:], scene_id="evening")
    with organisation.worker("--work-queue", "day"), organisation.worker("--work-queue", "night"):
        runs = [
            submit(organisation, root, "day", scene="morning"),
            submit(organisation, root, "night", scene="evening"),
        ]
        assert set(final(organisation, *runs).values()) == {"Completed"}
    counts = Model(root).status()
    assert (counts["completed"], counts["failed"]) == (24, 0)
    attempts = Model(root).index.sql("SELECT max(attempts) AS n FROM simulations")["n"][0]
    assert attempts == 1


def test_a_run_that_is_cancelled_in_the_interface_stops_and_can_go_on(organisation, new_project):
    root = many(new_project, "cancelled", 120, numpar=4000)
    config = root / "config.yaml"
    config.write_text(config.read_text().replace("n_hours: -1", "n_hours: -6"))
    with organisation.worker():
        run = submit(organisation, root, "default", n_workers=2)
        until(lambda: organisation.states()[run] == "Running")
        until(lambda: list((root / ".stilt" / "running").glob("*.json")))
        organisation.api(
            "POST", f"/flow_runs/{run}/set_state", state={"type": "CANCELLING"}, force=True
        )
        final(organisation, run)
        # The worker says so after the run itself has said Crashed.
        until(lambda: organisation.states()[run] == "Cancelled", 60)
    until(lambda: Model(root).status()["running"] == 0, 60)
    counts = Model(root).status()
    assert counts["completed"] < 120
    assert counts["completed"] + counts["pending"] == 120
    config.write_text(
        config.read_text()
        .replace("n_hours: -6", "n_hours: -1")
        .replace("numpar: 4000", "numpar: 20")
    )
    ended = organisation.run("stilt", "run", root, "--n-workers", "2")
    assert (ended.returncode, "completed=120" in ended.stdout) == (0, True), ended.stderr


def test_a_schedule_runs_a_project_and_runs_at_once_are_limited(organisation, new_project) -> None:
    root = many(new_project, "nightly", 6)
    deployed = organisation.run("stilt", "deploy", root, "--pool", "tracers", "--name", "nightly")
    assert deployed.returncode == 0, deployed.stderr
    deployment = organisation.api("GET", "/deployments/name/simulate/nightly")
    assert deployment["global_concurrency_limit"]["limit"] == 4
    scheduled = organisation.run(
        "prefect", "deployment", "schedule", "create", "simulate/nightly", "--interval", "20",
        "--anchor-date", "2023-01-01",
    )  # fmt: skip
    assert scheduled.returncode == 0, scheduled.stdout + scheduled.stderr
    with organisation.worker():
        until(lambda: Model(root).status()["completed"] == 6, 200)
    paused = organisation.run(
        "prefect", "deployment", "schedule", "clear", "-y", "simulate/nightly"
    )
    assert paused.returncode == 0, paused.stderr
