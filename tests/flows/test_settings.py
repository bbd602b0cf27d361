"""Prefect around a run of ours: offline, quiet where it is ours alone, and then as it was."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from flows import settings
from stilt.cache import user_cache
from stilt.roots import user_name

STATE = """
import logging, os
import jax, netCDF4  # they set variables of their own
def state():
    from prefect.settings import get_current_settings
    loggers = [logging.getLogger(name) for name in (None, "prefect", "flows", "stilt")]
    handlers = [(l.level, [(type(h), h.level) for h in l.handlers]) for l in loggers]
    return dict(os.environ), handlers, logging.raiseExceptions, get_current_settings()
"""

A_USERS_FLOW = """
from prefect import flow, get_run_logger
from prefect.settings import PREFECT_API_URL, temporary_settings
@flow
def mine():
    get_run_logger().info("a line of my own")
with temporary_settings({PREFECT_API_URL: sys.argv[2]}):
    mine()
"""

RUN = """
import sys, stilt
assert stilt.Model(sys.argv[1]).run().counts["complete"] == 3
"""


def user(**chosen: str) -> dict[str, str]:
    """The environment of a user who has chosen nothing of Prefect's but this."""
    kept = {k: v for k, v in os.environ.items() if not k.upper().startswith(("PREFECT", "DO_NOT"))}
    return {**kept, **chosen}


def python(code: str, *arguments: object, **chosen: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter of a :func:`user`."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=user(**chosen), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


def test_importing_flows_changes_nothing(tmp_path: Path) -> None:
    code = f"""{STATE}
before = state()
import flows, flows.backends, flows.submission, flows.dask_backend
assert state() == before
import prefect.main
before = state()
from flows import simulate, maintain
assert state() == before
"""
    python(code, PREFECT_HOME=str(tmp_path))


@pytest.mark.parametrize("whose", ["private", "the user's"])
def test_after_a_run_the_users_prefect_is_as_it_was(
    api: str, new_project: Callable[..., Path], tmp_path: Path, whose: str
) -> None:
    chosen = {"PREFECT_HOME": str(tmp_path / "home")}
    if whose == "the user's":
        chosen["PREFECT_API_URL"] = api
    code = f"""{STATE}
import prefect.main
before = state()
{RUN}
assert state() == before
{A_USERS_FLOW}
"""
    done = python(code, new_project("notebook"), api, **chosen)
    assert "a line of my own" in done.stderr
    assert "3 of 3 simulations complete" in done.stderr, "one who has Prefect sees what it says"


def test_a_run_loads_prefect_as_the_user_would(
    api: str, new_project: Callable[..., Path], tmp_path: Path
) -> None:
    code = f"""{STATE}
variables = dict(os.environ)
{RUN}
assert dict(os.environ) == variables
sys.stderr.write("the run has ended\\n")
{A_USERS_FLOW}
from prefect.settings import get_current_settings
assert get_current_settings().api.url is None
assert get_current_settings().server.analytics_enabled
"""
    done = python(code, new_project("script"), api, PREFECT_HOME=str(tmp_path / "home"))
    ours, users = done.stderr.split("the run has ended\n")
    assert ours == ""
    assert "a line of my own" in users


def test_processes_of_a_run_report_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DO_NOT_TRACK", raising=False)
    monkeypatch.setenv("PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS", "true")
    with settings.our_prefect():
        assert os.environ["DO_NOT_TRACK"] == "1"
        assert os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
        assert os.environ["PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS"] == "true", "the user's"
    assert "DO_NOT_TRACK" not in os.environ


def test_our_own_warnings_reach_the_terminal_once() -> None:
    code = """
import logging
from flows.settings import our_prefect
logging.getLogger("flows.api").warning("before")
with our_prefect():
    logging.getLogger("prefect").warning("of Prefect")
    logging.getLogger("flows.api").warning("within")
    logging.basicConfig(force=True, format="%(message)s")
    logging.getLogger("flows.api").warning("configured")
"""
    assert python(code).stderr.splitlines() == ["before", "within", "configured"]


ASK = """
import sys
from flows.settings import user_api_url
url = user_api_url()
print(url, "prefect.settings" in sys.modules)
from prefect.settings import get_current_settings
assert (get_current_settings().api.url or None) == url, get_current_settings().api.url
"""


@pytest.mark.parametrize(
    ("name", "text", "url"),
    [
        ("none", "", None),
        (".env", 'export PREFECT_API_URL="http://chosen/api"\n', "http://chosen/api"),
        ("prefect.toml", '[api]\nurl = "http://chosen/api"\n', "http://chosen/api"),
        ("pyproject.toml", '[tool.prefect.api]\nurl = "http://chosen/api"\n', "http://chosen/api"),
        (
            ".prefect/profiles.toml",
            'active = "mine"\n[profiles.mine]\nPREFECT_API_URL = "http://chosen/api"\n',
            "http://chosen/api",
        ),
        (
            ".prefect/profiles.toml",
            'active = "local"\n[profiles.local]\n[profiles.mine]\n'
            'PREFECT_API_URL = "http://mine/api"\n',
            None,
        ),
    ],
)
def test_the_users_api_is_found_where_prefect_finds_it(
    tmp_path: Path, name: str, text: str, url: str | None
) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    code = f"import os; os.chdir({str(tmp_path)!r})\n{ASK}"
    found, asked = python(code, HOME=str(tmp_path)).stdout.split()
    assert found == str(url)
    assert asked == str(name != "none"), "Prefect is imported for it where it may be named only"


def test_the_environment_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prefect.toml").write_text('[api]\nurl = "http://file/api"\n')
    monkeypatch.setenv("PREFECT_API_URL", "http://env/api")
    assert settings.user_api_url() == "http://env/api"


def test_prefect_says_nothing_of_a_home_that_cannot_be_made() -> None:
    code = """
import os
from flows.settings import our_prefect
with our_prefect():
    import prefect.context
    prefect.context.refresh_global_settings_context()
    print(os.environ["PREFECT_HOME"])
"""
    done = python(code, HOME="/dev/null/home")
    assert done.stderr == ""
    assert not Path(done.stdout.strip()).exists(), "a temporary folder ends with its process"


def test_a_user_without_a_home_gets_one_for_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr("pwd.getpwuid", unknown)
    for name in ("HOME", "PREFECT_HOME", "LOGNAME", "USER", "LNAME", "USERNAME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert user_cache() == Path("/.cache/stilt")
    assert user_name() == str(os.getuid())
    with settings.our_prefect():
        assert Path.home() == Path(os.environ["PREFECT_HOME"])
    assert "PREFECT_HOME" not in os.environ
    assert settings.user_api_url() == os.environ.get("PREFECT_API_URL")


def test_a_home_that_can_be_written_is_left_to_prefect(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PREFECT_HOME", raising=False)
    with settings.our_prefect():
        assert "PREFECT_HOME" not in os.environ


def test_importing_flows_and_the_local_backend_loads_no_prefect() -> None:
    code = (
        "import sys, flows, flows.backends\n"
        "heavy = {'prefect', 'jax', 'pandas', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_flow_is_found_by_its_name() -> None:
    code = (
        "import flows.definitions\n"
        "from flows import simulate, maintain\n"
        "from prefect import Flow\n"
        "assert isinstance(simulate, Flow) and isinstance(maintain, Flow)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_empty_address_is_no_choice(tmp_path: Path) -> None:
    code = f"import os; os.chdir({str(tmp_path)!r})\n{ASK}"
    assert python(code, HOME=str(tmp_path), PREFECT_API_URL="").stdout.split() == ["None", "False"]
