"""This machine is reached directly, whatever proxy the environment names."""

import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client

from flows.api import check_reachable, prefect_api
from flows.private_server import PrivateServer
from stilt.execution import proxies

NOBODY = "http://127.0.0.1:9"
ASK = "import sys, httpx; sys.exit(httpx.get(sys.argv[1] + '/health').status_code != 200)"


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without a word about proxies."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


@pytest.fixture(params=["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def behind_a_proxy(
    request: pytest.FixtureRequest, no_proxies: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy for everything, which cannot be reached."""
    monkeypatch.setenv(request.param, NOBODY)


def test_the_client_and_child_processes_reach_a_server_here(behind_a_proxy, api: str) -> None:
    check_reachable(api)
    with prefect_api(Path("unused")) as url:
        assert url == api
        with get_client(sync_client=True) as client:
            assert client.api_healthcheck() is None
        subprocess.run([sys.executable, "-c", ASK, url], check=True)


def test_a_private_server_starts_behind_a_proxy(
    no_proxies: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, api: str
) -> None:
    monkeypatch.setenv("http_proxy", NOBODY)
    monkeypatch.setattr(urllib.request, "_opener", None)  # it keeps the proxies of its first use
    server = PrivateServer(tmp_path)
    try:
        server.wait(60)
    finally:
        server.stop()


@pytest.mark.parametrize("proxy", ["socks://127.0.0.1:9/", "socks4://127.0.0.1:9"])
def test_a_proxy_that_the_client_does_not_understand_is_left_out_for_a_server_here(
    no_proxies: None, monkeypatch: pytest.MonkeyPatch, api: str, proxy: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    check_reachable(api)
    with prefect_api(Path("unused")) as url:
        subprocess.run([sys.executable, "-c", ASK, url], check=True)
    assert os.environ["ALL_PROXY"] == proxy
    assert "ALL_PROXY" not in proxies.direct_variables("https://prefect.example.org/api")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "127.0.0.1,localhost,::1"),
        ({"no_proxy": "example.org, ::1"}, "example.org,::1,127.0.0.1,localhost"),
        ({"NO_PROXY": "example.org"}, "example.org,127.0.0.1,localhost,::1"),
        ({"NO_PROXY": "*"}, "*,127.0.0.1,localhost,::1"),
    ],
)
def test_hosts_that_the_user_has_exempted_stay_so(
    no_proxies: None, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], expected: str
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    variables = proxies.direct_variables("http://127.0.0.1:4200/api")
    assert variables["no_proxy"] == variables["NO_PROXY"] == expected


def test_both_spellings_keep_what_they_said(
    no_proxies: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "a.org")
    monkeypatch.setenv("NO_PROXY", "b.org")
    variables = proxies.direct_variables("http://127.0.0.1:4200/api")
    assert variables["no_proxy"].startswith("a.org,127")
    assert variables["NO_PROXY"].startswith("b.org,127")


def test_proxies_of_the_system_still_count(
    no_proxies: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxies, "getproxies", lambda: {"https": "http://company:3128"})
    variables = proxies.direct_variables("http://127.0.0.1:4200/api")
    assert variables["https_proxy"] == "http://company:3128"
