"""Requests to this machine go straight to it, whatever proxy the environment names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from urllib.parse import urlsplit
from urllib.request import getproxies

from stilt.execution.environment import environment

THIS_MACHINE = ("127.0.0.1", "localhost", "::1")

_PROXIES = ("http_proxy", "https_proxy", "all_proxy")


@contextmanager
def reached_directly(url: str) -> Iterator[None]:
    """Let no request to this machine go through a proxy, here or in processes started meanwhile.

    Args:
        url: of the Prefect API in use. Where it is on this machine, proxies that Prefect's client
            does not understand are hidden too: it would refuse to start.
    """
    with environment(direct_variables(url)):
        yield


def direct_variables(url: str) -> dict[str, str]:
    """Return environment variables that exempt this machine from the user's proxies.

    The hosts that the user has exempted stay so.

    Args:
        url: of the Prefect API in use.
    """
    variables = _system_proxies()
    for name, other in (("no_proxy", "NO_PROXY"), ("NO_PROXY", "no_proxy")):
        listed = os.environ.get(name, os.environ.get(other, ""))
        hosts = [host.strip() for host in listed.split(",") if host.strip()]
        missing = [host for host in THIS_MACHINE if host not in hosts]
        variables[name] = ",".join(hosts + missing)
    if is_this_machine(url):
        proxies = [name for name in os.environ if name.lower() in _PROXIES]
        variables |= {name: "" for name in proxies if not _understood(os.environ[name])}
    return variables


def is_this_machine(url: str) -> bool:
    """Whether a URL leads to this machine."""
    return urlsplit(url).hostname in THIS_MACHINE


def _system_proxies() -> dict[str, str]:
    """Return the proxies of macOS and Windows, which count only where the environment has none.

    With NO_PROXY it has some, so they are named there.
    """
    given = {name.lower() for name in os.environ}
    found = {f"{scheme}_proxy": proxy for scheme, proxy in getproxies().items() if scheme != "no"}
    return {name: proxy for name, proxy in found.items() if name not in given}


def _understood(proxy: str) -> bool:
    """Whether Prefect's HTTP client can use a proxy of this address."""
    scheme, mark, _ = proxy.partition("://")
    if not mark or scheme.lower() in ("http", "https"):
        return True
    return scheme.lower() in ("socks5", "socks5h") and find_spec("socksio") is not None
