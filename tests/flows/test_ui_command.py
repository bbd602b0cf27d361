"""`stilt ui`: a server for the project's own state, which talks to nobody else."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from flows.server_app import POLICY, confined

DEADLINE_S = 120


def test_pages_may_talk_to_their_own_server_only() -> None:
    async def page(request: Request) -> Response:
        return PlainTextResponse("page", headers={"a": "b"})

    answer = asyncio.run(confined(Request({"type": "http"}), page))
    assert (answer.body, answer.headers["a"]) == (b"page", "b")
    assert answer.headers["content-security-policy"] == POLICY
    assert "default-src 'self'" in POLICY
    assert "http" not in POLICY


@pytest.mark.slow
def test_the_interface_opens_and_ctrl_c_ends_it(new_project) -> None:
    root: Path = new_project("shown")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    variables.pop("PREFECT_API_URL", None)
    variables["PREFECT_HOME"] = str(root.parent / "no-profile-here")
    shown = subprocess.Popen(
        [sys.executable, "-m", "stilt", "ui", root, "--port", str(port)],
        env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    site = f"http://127.0.0.1:{port}"
    try:
        assert shown.stdout is not None
        assert shown.stdout.readline() == f"Prefect's interface is at {site}; Ctrl-C ends it.\n"
        with urllib.request.urlopen(site, timeout=DEADLINE_S) as page:
            assert page.status == 200
            assert page.headers["content-security-policy"] == POLICY
        with urllib.request.urlopen(f"{site}/ui-settings") as page:
            settings = json.load(page)
        assert settings["api_url"] == f"{site}/api"
        assert settings["default_ui"] == "v1"
        with urllib.request.urlopen(f"{site}/api/admin/settings") as page:
            server = json.load(page)["server"]
        assert server["analytics_enabled"] is False
        assert (root / ".stilt" / "prefect" / "prefect.db").exists()
        taken = subprocess.run(
            [sys.executable, "-m", "stilt", "ui", root, "--port", str(port)],
            env=variables, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert taken.returncode == 2
        assert f"Port {port} is in use" in taken.stderr
    finally:
        shown.send_signal(signal.SIGINT)
        out, errors = shown.communicate(timeout=DEADLINE_S)
    assert shown.returncode == 0, errors
    assert out == "Stopped.\n"
    assert errors == ""
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(site, timeout=2)
