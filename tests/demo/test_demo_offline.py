"""The demo in a network namespace without routes: everything works, and nothing tries to leave."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Loaded by every Python process of the demo: writes down each address that is not this machine.
WITNESS = """\
import os, sys

def _watch(event, arguments):
    if event == "socket.connect":
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else "localhost"
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    name = host.decode() if isinstance(host, bytes) else str(host)
    if host is None or name in ("localhost", "::1", "", "0.0.0.0") or name.startswith("127."):
        return
    with open(os.environ["STILT_TEST_WITNESS"], "a") as file:
        file.write(f"{event} {name} from {sys.orig_argv}\\n")

sys.addaudithook(_watch)
"""

NO_ROUTES = ["unshare", "--net", "--map-root-user", "sh", "-c"]
LOOPBACK_UP = "ip link set lo up && "


def permitted() -> bool:
    """Whether this system lets us make a network namespace and bring its loopback up."""
    try:
        done = subprocess.run([*NO_ROUTES, LOOPBACK_UP + "true"], capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.skipif(not permitted(), reason="needs unshare and ip, and leave to use them")
def test_the_demo_needs_no_network_and_nothing_tries_to_leave(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(WITNESS)
    witness = tmp_path / "witness"
    witness.touch()
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)]),
        "STILT_TEST_WITNESS": str(witness),
    }
    environment.pop("PREFECT_API_URL", None)
    check = f"{sys.executable} -c \"import socket; socket.create_connection(('192.0.2.1', 9), 2)\""
    demo = f"{sys.executable} -m stilt demo {tmp_path / 'demo'} --n-workers 2"

    def offline(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*NO_ROUTES, LOOPBACK_UP + command],
            env=environment, cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip

    blocked = offline(check)
    assert "Network is unreachable" in blocked.stderr
    assert "192.0.2.1" in witness.read_text(), "the witness sees"
    witness.write_text("")
    done = offline(demo)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list(tmp_path.glob("demo/simulations/footprints/*.nc"))) == 6
    assert witness.read_text() == ""
