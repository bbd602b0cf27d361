import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows import environment
from stilt.cache import user_cache
from stilt.roots import user_name


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory and home, in a process that has not imported Prefect."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("PREFECT_API_URL", "PREFECT_PROFILE", "PREFECT_HOME", "PREFECT_PROFILES_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delitem(sys.modules, "prefect.settings", raising=False)
    return tmp_path


def test_without_any_choice_there_is_no_user_api(elsewhere: Path) -> None:
    assert environment.user_api_url() is None


def test_the_environment_wins_over_files(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (elsewhere / "prefect.toml").write_text('[api]\nurl = "http://file/api"\n')
    assert environment.user_api_url() == "http://file/api"
    monkeypatch.setenv("PREFECT_API_URL", "http://env/api")
    assert environment.user_api_url() == "http://env/api"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (".env", 'export PREFECT_API_URL="http://chosen/api"\n'),
        ("prefect.toml", '[api]\nurl = "http://chosen/api"\n'),
        ("pyproject.toml", '[tool.prefect.api]\nurl = "http://chosen/api"\n'),
        (
            ".prefect/profiles.toml",
            'active = "mine"\n[profiles.mine]\nPREFECT_API_URL = "http://chosen/api"\n',
        ),
    ],
)
def test_finds_the_api_where_prefect_does(elsewhere: Path, name: str, text: str) -> None:
    path = elsewhere / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    assert environment.user_api_url() == "http://chosen/api"
    asked = subprocess.run(
        [
            sys.executable,
            "-c",
            "from prefect.settings import get_current_settings as s; print(s().api.url)",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert asked.stdout.strip() == "http://chosen/api"


def test_a_profile_that_is_not_active_does_not_count(elsewhere: Path) -> None:
    path = elsewhere / ".prefect" / "profiles.toml"
    path.parent.mkdir()
    path.write_text('active = "other"\n[profiles.mine]\nPREFECT_API_URL = "http://mine/api"\n')
    assert environment.user_api_url() is None


def test_a_users_own_settings_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "DEBUG")
    monkeypatch.delenv("DO_NOT_TRACK", raising=False)
    environment.quiet_prefect()
    assert os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] == "DEBUG"
    assert os.environ["DO_NOT_TRACK"] == "1"


def test_our_own_warnings_reach_the_terminal_once(api: str) -> None:
    code = (
        "import logging, flows\n"
        "logging.getLogger('flows.server').warning('before')\n"
        "from prefect.logging.configuration import setup_logging\n"
        "setup_logging()\n"
        "logging.getLogger('prefect').warning('of Prefect')\n"
        "logging.getLogger('flows.server').warning('after')\n"
        "logging.basicConfig(force=True, format='%(message)s')\n"
        "logging.getLogger('flows.server').warning('configured')\n"
    )
    variables = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_LOGGING")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=True
    )
    assert done.stderr.splitlines() == ["before", "after", "configured"]


def test_prefect_says_nothing_of_a_home_that_cannot_be_made() -> None:
    code = (
        "import os, flows, prefect.context\n"
        "prefect.context.refresh_global_settings_context()\n"
        "print(os.environ['PREFECT_HOME'])"
    )
    variables = {**os.environ, "HOME": "/dev/null/home"}
    variables.pop("PREFECT_HOME", None)
    done = subprocess.run(
        [sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert not Path(done.stdout.strip()).exists(), "a temporary folder ends with its process"


def test_a_user_without_a_home_gets_one_for_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr("pwd.getpwuid", unknown)
    for name in ("HOME", "PREFECT_HOME", "LOGNAME", "USER", "LNAME", "USERNAME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert user_cache() == Path("/.cache/stilt")
    assert user_name() == str(os.getuid())
    environment.quiet_prefect()
    try:
        assert Path.home() == Path(os.environ["PREFECT_HOME"])
        assert environment.user_api_url() == os.environ.get("PREFECT_API_URL")
    finally:
        for name in ("HOME", "PREFECT_HOME"):
            monkeypatch.setenv(name, os.environ[name])


def test_a_home_that_can_be_written_is_left_to_prefect(elsewhere: Path) -> None:
    environment.quiet_prefect()
    assert "PREFECT_HOME" not in os.environ


def test_importing_flows_and_the_local_backend_loads_no_prefect() -> None:
    code = (
        "import sys, flows, flows.backends\n"
        "heavy = {'prefect', 'jax', 'pandas', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_flow_is_found_by_name_whatever_was_imported_before() -> None:
    code = (
        "import flows.simulate, flows.maintain\n"
        "from flows import simulate, maintain\n"
        "from prefect import Flow\n"
        "assert isinstance(simulate, Flow) and isinstance(maintain, Flow)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_empty_address_is_no_choice(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "")
    assert environment.user_api_url() is None
